"""Read what stands in CoMagic, and make sure what became of our own latest changes there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec import Struct, field

from crm_bridge.domain.communication import Communication, CommunicationKey
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.domain.run import Phase
from crm_bridge.domain.sale import Intent, RecordedSale, find
from crm_bridge.domain.state import SaleTag
from crm_bridge.errors import RemoteRejected, RunStopped
from crm_bridge.ports import CallTracking, Changes
from crm_bridge.services import SyncServices
from crm_bridge.usecases.apply_change import VISIBLE_WITHIN
from crm_bridge.usecases.lease import Guard, Stopping
from crm_bridge.usecases.progress import ProgressReporter

_SETTLE_PAUSE = 5

EDGE = timedelta(minutes=1)  # of the window, where a communication may be in or out of the reports


class Reading(Struct):
    """What one run sees of CoMagic.

    Attributes:
        seen: The communications of our phones, by phone; every phone has a list.
        found: How many they are.
        refused: Phones whose change under way CoMagic refuses to show, with the code of its refusal.
        vanished: Phones whose sale stood on a communication that CoMagic no longer has.
        has_read: CoMagic has answered with a page at least.
        sale_tag_id: The account's.
    """

    services: SyncServices
    call_tracking: CallTracking
    stopping: Stopping
    progress: ProgressReporter
    guard: Guard | None
    seen: dict[str, list[Communication]] = field(default_factory=dict)
    found: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    vanished: set[str] = field(default_factory=set)
    has_read: bool = False
    sale_tag_id: int = 0

    async def read(self, phones: Mapping[str, PhoneRecord]) -> None:
        """Read the communications of these phones, and make sure what became of changes under way."""
        self._go_on()
        self.sale_tag_id = await self._find_sale_tag()
        now, settings = self.services.clock.now(), self.services.settings
        pages = self.call_tracking.communications(now - settings.comagic_lookback, now, sale_tag_id=self.sale_tag_id)
        self.seen = {phone: [] for phone in phones}
        read = 0
        async for page in pages:
            self.has_read = True
            self._go_on()
            read += len(page)
            await self.progress.report(Phase.READING, read)
            for communication in page:
                if (seen := self.seen.get(communication.phone)) is not None:
                    seen.append(communication)
                    self.found += 1
        await self._settle(phones, since=now - settings.comagic_lookback + EDGE)

    def _go_on(self) -> None:
        if self.stopping.must_stop():
            raise RunStopped("The time of this run was over before CoMagic had been read", retry_after=60)

    async def _find_sale_tag(self) -> int:
        if (configured := self.services.settings.comagic_sale_tag_id) is not None:
            return configured
        if (remembered := await self.services.store.state(SaleTag)) is not None:
            return remembered.tag_id
        tag_id = await self.call_tracking.sale_tag_id()
        if self.guard is not None:
            await self.guard.check()
            await self.services.store.write([Changes(state=[SaleTag(tag_id=tag_id)])], run_id=self.guard.run_id)
        return tag_id

    async def _settle(self, phones: Mapping[str, PhoneRecord], *, since: datetime) -> None:
        """Wait until the reports show our own latest changes, or until they can be called lost.

        CoMagic may show a change some seconds late. Deciding on a report that is behind would repeat the change.
        A sale of ours on a communication that began after `since` and is in no report is looked for as well.
        """
        looked = False
        while True:
            now = self.services.clock.now()
            waits: dict[CommunicationKey, tuple[str, datetime]] = {}
            for phone in phones.values():
                change = phone.intent or phone.sale
                if change is None or phone.phone in self.refused:
                    continue
                shown = find(change, self.seen[phone.phone])
                if shown is None:
                    is_read = change.started_at > since and change.type in self.services.settings.comagic_sources
                    expected = phone.intent is not None or (is_read and change.amount_kopecks > 0)
                    must_look = expected and not looked
                else:
                    must_look = _is_young(change, now) and not _shows(shown, change)
                if must_look:
                    waits[change.key] = (phone.phone, change.started_at)
            if not waits:
                return
            if looked:
                await self.stopping.sleep(_SETTLE_PAUSE)
            looked = True
            found = await self._look({key: started_at for key, (_, started_at) in waits.items()})
            for key, (phone_number, _) in waits.items():
                if isinstance(there := found.get(key), str):
                    if phones[phone_number].intent is not None:
                        self.refused[phone_number] = there
                    continue
                others = [each for each in self.seen[phone_number] if each.key != key]
                self.seen[phone_number] = [*others, there] if there else others
                if there is None and (sale := phones[phone_number].sale) is not None and sale.key == key:
                    self.vanished.add(phone_number)

    async def _look(
        self, communications: Mapping[CommunicationKey, datetime]
    ) -> Mapping[CommunicationKey, Communication | str]:
        """Look at communications again; where CoMagic refuses to show one (too old, say), give the refusal's code."""
        try:
            return await self.call_tracking.get_communications(
                list(communications.items()), sale_tag_id=self.sale_tag_id
            )
        except RemoteRejected as exc:
            if len(communications) == 1:
                return dict.fromkeys(communications, exc.code)
        found: dict[CommunicationKey, Communication | str] = {}
        for key, started_at in communications.items():
            found.update(await self._look({key: started_at}))
        return found


def _is_young(change: Intent | RecordedSale, now: datetime) -> bool:
    since = change.written_at if isinstance(change, Intent) else change.recorded_at
    return now - since < VISIBLE_WITHIN


def _shows(shown: Communication, change: Intent | RecordedSale) -> bool:
    """The report shows the change as made."""
    if change.amount_kopecks == 0:
        return not shown.tagged
    return shown.bears_sale and shown.sale_kopecks in {change.amount_kopecks, None}

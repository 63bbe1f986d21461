"""Read what stands in CoMagic, and make sure what became of our own latest changes there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct, field

from crm_bridge.domain.absence import Sight, expected_to_show, sight_of_reassigned
from crm_bridge.domain.attribution import DEFAULT_RULE, AttributionRule, sites_without_sales
from crm_bridge.domain.communication import Communication, CommunicationKey, CommunicationRef
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.domain.run import Phase
from crm_bridge.domain.sale import VISIBLE_WITHIN, Intent, RecordedSale, find
from crm_bridge.domain.state import SaleTag
from crm_bridge.errors import RemoteRejected, RunStopped
from crm_bridge.ports import CallTracking, Changes
from crm_bridge.usecases.account_sites import account_sites
from crm_bridge.usecases.run_context import RunContext
from crm_bridge.usecases.sort_communications import CommunicationSorter

MIN_EXPECTED = 10
"""With fewer sales to compare with, a report that shows none of them is no sign of a shrunken report."""

_VISIBILITY_PAUSE = 5
"""Seconds between two looks at communications that do not show our change yet."""

EDGE = timedelta(minutes=1)
"""At the start of the interval, where a communication may be inside or outside of the reports."""


class CommunicationSnapshot(Struct):
    """What one run sees of CoMagic.

    Attributes:
        communications: Those of our phones and their further numbers, by phone; every phone has a list.
        found: How many communications the reports have shown of our phones.
        refused: Phones whose change under way CoMagic refuses to show, with the code of its refusal.
        sights: What was seen of the communications of recorded changes, by phone; most are shown and not listed.
        owners: The phone whose recorded sale stands on a communication that CoMagic shows with another phone, by the
            communication's key.
        has_read: CoMagic has answered with at least one page.
        is_shrunken: The reports show fewer than half of the sales that they should, so nothing may be changed.
        sale_tag_id: The account's.
        rule: Which communication is to bear a sale.
        lost: Numbers of lost calls.
        since: Where the reports begin, aware; None before anything is read.
    """

    communications: dict[str, list[Communication]] = field(default_factory=dict)
    found: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    sights: dict[str, Sight] = field(default_factory=dict)
    owners: dict[CommunicationKey, str] = field(default_factory=dict)
    has_read: bool = False
    is_shrunken: bool = False
    sale_tag_id: int = 0
    rule: AttributionRule = DEFAULT_RULE
    lost: set[str] = field(default_factory=set)
    since: datetime | None = None


async def read_communications(
    context: RunContext,
    call_tracking: CallTracking,
    phones: dict[str, PhoneRecord],
    snapshot: CommunicationSnapshot,
) -> None:
    """Read the communications of these phones into the snapshot, and make sure what became of changes under way.

    Phones that a run of one phone must deal with as well are added to `phones`: see `_Reader.concerned_phones`.

    Raises:
        RunStopped: The run's time is over; the snapshot is incomplete.
        RemoteError: CoMagic could not be read.
    """
    clock = context.services.clock
    sorter = CommunicationSorter(phones)
    await _Reader(context, call_tracking, phones, snapshot, clock.now(), clock.monotonic(), sorter).read()


class _Reader(Struct):
    """One reading, and the phones that it is for.

    Attributes:
        began_at: When the reading began, aware.
        began: The same by the monotonic clock.
        sorter: Knows which phone a communication counts for.
    """

    context: RunContext
    call_tracking: CallTracking
    phones: dict[str, PhoneRecord]
    snapshot: CommunicationSnapshot
    began_at: datetime
    began: float
    sorter: CommunicationSorter

    async def read(self) -> None:
        self._raise_if_stopped()
        snapshot, services, sorter = self.snapshot, self.context.services, self.sorter
        snapshot.sale_tag_id = await self._sale_tag_id()
        since = snapshot.since = self.began_at - services.settings.comagic_lookback
        await self._start()
        rows, kept = 0, list[Communication]()
        is_partial = self.context.request.phone is not None
        async for page in self.call_tracking.communications(since, self.began_at, sale_tag_id=snapshot.sale_tag_id):
            snapshot.has_read = True
            self._raise_if_stopped()
            rows += len(page)
            await self.context.progress.report(Phase.READING, rows)
            sorter.take(page)
            if is_partial:
                kept.extend(page)
        await sorter.take_further(services.store)
        while is_partial and (joining := await self._concerned_phones()):
            self.phones.update(joining)
            await self._start()
            sorter.take(kept)
            await sorter.take_further(services.store)
        snapshot.found, snapshot.lost = sorter.found, sorter.lost
        for owner, communication in sorter.reassigned.items():
            self._note_reassigned(owner, communication)
        snapshot.rule = await self._rule()
        snapshot.is_shrunken = self._is_shrunken(since=since + EDGE)
        if not snapshot.is_shrunken:
            await self._await_visibility(since=since + EDGE)

    async def _start(self) -> None:
        """Begin to sort communications for our phones."""
        if self.context.request.phone is not None:
            numbers = {number for phone in self.phones.values() for number in phone.other_phones}
            self.sorter.foreign_numbers = await self.context.services.store.phones(numbers - self.phones.keys())
        self.sorter.start()
        self.snapshot.communications = self.sorter.communications

    async def _concerned_phones(self) -> dict[str, PhoneRecord]:
        """Return the phones that the run must deal with besides those that it has read already.

        A communication that has become another client's ties two phones together: the sale of the one leaves it, then
        that of the other is set there. One look-up finds whose sales stand on communications of our phones, others
        find whose numbers the communications have that bear our sales.
        """
        store, known = self.context.services.store, self.phones
        foreign = {
            each.key
            for number, communications in self.snapshot.communications.items()
            for each in communications
            if each.bears_sale and not is_recorded(known[number], each)
        }
        owners = await store.phones_on_communications({key.id for key in foreign})
        new_numbers = {shown.phone for shown in self.sorter.reassigned.values()} - known.keys()
        clients = await store.clients_with_numbers(new_numbers)
        new_numbers.update(client.phone for client in clients if client.phone is not None)
        return await store.phones(new_numbers - known.keys()) | {
            phone.phone: phone
            for phone in owners
            if phone.phone not in known
            and phone.may_bear_sale
            and (change := phone.intent or phone.sale) is not None
            and change.key in foreign
        }

    def _note_reassigned(self, number: str, shown: Communication) -> None:
        """Note whether the recorded sale of a phone stands on a communication that is shown with another phone."""
        phone = self.phones[number]
        change = phone.intent or phone.sale
        is_settled = change is None or self._age(change) >= VISIBLE_WITHIN
        sight = sight_of_reassigned(phone, shown, self.sorter.phone_of(shown.phone), is_settled=is_settled)
        self.snapshot.sights[number] = sight
        if sight is Sight.REASSIGNED:
            self.snapshot.owners[shown.key] = number

    def _is_shrunken(self, *, since: datetime) -> bool:
        """Compare the reports with the sales that stand, before anything is looked for."""
        sources, snapshot = self.context.services.settings.comagic_sources, self.snapshot
        expected = shown = 0
        for number, phone in self.phones.items():
            sale = phone.sale
            if sale is None or phone.intent is not None or not phone.may_bear_sale:
                continue
            if expected_to_show(phone, since=since, sources=sources) is None:
                continue
            expected += 1
            there = find(sale, snapshot.communications[number])
            shown += number in snapshot.sights or (there is not None and there.bears_sale)
        return expected >= MIN_EXPECTED and shown * 2 < expected

    def _raise_if_stopped(self) -> None:
        if self.context.deadline.must_stop():
            raise RunStopped("The time of this run was over before CoMagic had been read", retry_after=60)

    async def _rule(self) -> AttributionRule:
        """Return the run's rule; the account's sites are asked for when a communication of our phones has one."""
        policy, seen = self.context.services.settings.attribution, self.snapshot.communications.values()
        if not any(each.site_id is not None for communications in seen for each in communications):
            return AttributionRule(policy=policy)
        known = await account_sites(self.context, self.call_tracking)
        return AttributionRule(policy=policy, sites_off=sites_without_sales(known.sites))

    async def _sale_tag_id(self) -> int:
        services = self.context.services
        if (configured := services.settings.comagic_sale_tag_id) is not None:
            return configured
        if (stored := await services.store.state(SaleTag)) is not None:
            return stored.tag_id
        tag_id = await self.call_tracking.sale_tag_id()
        if (lease := self.context.sales_lease) is not None:
            await lease.write([Changes(state=[SaleTag(tag_id=tag_id)])])
        return tag_id

    async def _await_visibility(self, *, since: datetime) -> None:
        """Wait until the reports show our own latest changes, or until they can be called lost.

        CoMagic may show a change some seconds late. A decision on a report that lags behind would repeat the change.
        A sale of ours on a communication that started after `since` and is in no report is looked for as well, once.
        """
        has_looked = False
        while invisible := self._invisible_changes(since=since, include_missing=not has_looked):
            if has_looked:
                await self.context.deadline.sleep(_VISIBILITY_PAUSE)
            has_looked = True
            found = await self._look_at([change.ref for change in invisible.values()])
            for number, change in invisible.items():
                self._note_look(number, change, found.get(change.key))

    def _invisible_changes(self, *, since: datetime, include_missing: bool) -> dict[str, Intent | RecordedSale]:
        """Return the changes that CoMagic does not show yet, by phone.

        Args:
            since: Where the reports surely begin, aware.
            include_missing: Also the changes whose communication is in no report.
        """
        sources = self.context.services.settings.comagic_sources
        invisible: dict[str, Intent | RecordedSale] = {}
        for phone in self.phones.values():
            change = phone.intent or phone.sale
            if change is None or phone.phone in self.snapshot.refused or phone.phone in self.snapshot.sights:
                continue
            shown = find(change, self.snapshot.communications[phone.phone])
            if shown is None:
                if include_missing and expected_to_show(phone, since=since, sources=sources) is not None:
                    invisible[phone.phone] = change
            elif self._age(change) < VISIBLE_WITHIN and not _shows(shown, change):
                invisible[phone.phone] = change
        return invisible

    def _age(self, change: Intent | RecordedSale) -> timedelta:
        """Return how long ago a change was made; one from the future counts as made when the reading began."""
        passed = timedelta(seconds=self.context.services.clock.monotonic() - self.began)
        return max(timedelta(), self.began_at - change.changed_at) + passed

    def _note_look(self, number: str, change: Intent | RecordedSale, found: Communication | str | None) -> None:
        """Note what a look at the communication of a change has found: the communication, a refusal, or nothing."""
        snapshot, phone = self.snapshot, self.phones[number]
        if isinstance(found, str):
            if phone.intent is not None:
                snapshot.refused[number] = found
            elif find(change, snapshot.communications[number]) is None:
                snapshot.sights[number] = Sight.NOT_SHOWN
            return
        if found is None:
            snapshot.sights[number] = Sight.ABSENT
        elif self.sorter.is_of_another(phone, found):
            self._note_reassigned(number, found)
        else:
            others = [each for each in snapshot.communications[number] if each.key != change.key]
            snapshot.communications[number] = [*others, found]

    async def _look_at(
        self, communications: Sequence[CommunicationRef]
    ) -> Mapping[CommunicationKey, Communication | str]:
        """Read communications again; where CoMagic refuses to show one (too old, say), return the refusal's code."""
        try:
            return await self.call_tracking.get_communications(communications, sale_tag_id=self.snapshot.sale_tag_id)
        except RemoteRejected as exc:
            if len(communications) == 1:
                return {communications[0].key: exc.code}
        found: dict[CommunicationKey, Communication | str] = {}
        for ref in communications:
            found.update(await self._look_at([ref]))
        return found


def _shows(shown: Communication, change: Intent | RecordedSale) -> bool:
    """The report shows the change as made."""
    if change.amount_kopecks == 0:
        return not shown.tagged
    return shown.bears_sale and shown.sale_kopecks in {change.amount_kopecks, None}


def is_recorded(phone: PhoneRecord, communication: Communication) -> bool:
    """The sale on a communication is the one that is recorded of the phone."""
    change = phone.intent or phone.sale
    return change is not None and change.key == communication.key

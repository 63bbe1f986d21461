"""Look one phone up in CoMagic, as the next run would see it, within a budget of points."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from msgspec import Struct, field
from msgspec.structs import replace

from crm_bridge.domain.absence import (
    Sight,
    decide_on_snapshot,
    decide_without_sale,
    expected_to_show,
    sight_of_reassigned,
    without_sales_of_others,
)
from crm_bridge.domain.attribution import AttributionRule, sites_without_sales
from crm_bridge.domain.communication import (
    Communication,
    CommunicationDetails,
    CommunicationKey,
    CommunicationType,
    FoundCommunications,
)
from crm_bridge.domain.deal import KnownDeal
from crm_bridge.domain.decision import Decision, Result, decide
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.domain.sale import VISIBLE_WITHIN, find
from crm_bridge.domain.state import KnownSites
from crm_bridge.errors import RemoteError, RemoteRejected, RunStopped
from crm_bridge.ports import CallTracking, SalesStore
from crm_bridge.usecases.account_sites import ask_for_sites
from crm_bridge.usecases.further_numbers import usable_numbers
from crm_bridge.usecases.read_communications import EDGE, is_recorded

POINTS = 3
"""What an explanation may cost of CoMagic's quota."""

_DEALS = 200
"""Newest orders whose deals are read: one point pays for so many."""

REACH = timedelta(days=88)
"""The longest interval of a report is three months, which is 89 days at the least."""


class Numbers(Struct, frozen=True, kw_only=True):
    """Further numbers of a phone's clients.

    Attributes:
        all: Those, and the one by which the recorded communication was found.
        usable: Those that are nobody else's.
    """

    all: Collection[str] = ()
    usable: Collection[str] = ()


async def numbers_of(record: PhoneRecord | None, store: SalesStore) -> Numbers:
    """Return the further numbers of a phone; an unknown one has none."""
    if record is None:
        return Numbers()
    found_by = {change.found_by for change in (record.intent, record.sale) if change is not None and change.found_by}
    claimed = dict.fromkeys(record.other_phones, record.phone)
    return Numbers(all={*record.other_phones, *found_by}, usable=await usable_numbers(store, claimed))


class PhoneLookUp(Struct, kw_only=True):
    """What CoMagic shows of one phone, read within a budget of points.

    Attributes:
        details: The phone's communications, oldest first.
        all_read: Everything that a run would see of the phone was read.
        warnings: Sources that a run would not get either.
        refusal: CoMagic's reason not to show the communication of a change that a killed run left open.
        read_since: How far back CoMagic was asked.
        owners: The phone whose sale stands on a communication of this one, by the communication's key.
        reassigned: CoMagic shows the communication of the recorded sale with another phone.
        rule: That of the next run.
        sites: The account's, as the next run would know them; None while they are not known.
        deals_of: Orders whose deals are to be read.
        deals: What CoMagic has of them; None when it was not asked.
    """

    call_tracking: CallTracking
    store: SalesStore
    sale_tag_id: int
    phone: str
    numbers: Numbers
    record: PhoneRecord | None
    sources: Sequence[CommunicationType]
    window_since: datetime
    now: datetime
    read_since: datetime
    rule: AttributionRule
    points: int = POINTS
    details: list[CommunicationDetails] = field(default_factory=list)
    sites: KnownSites | None = None
    decision: Decision | None = None
    all_read: bool = True
    refusal: str | None = None
    warnings: list[str] = field(default_factory=list)
    owners: dict[CommunicationKey, str] = field(default_factory=dict)
    reassigned: bool = False
    deals_of: Sequence[str] = ()
    deals: Mapping[str, KnownDeal] | None = None

    async def read(self) -> None:
        """Read what the decision depends on, then, while points are left, what explains it.

        Raises:
            RemoteError, RunStopped: What the decision depends on could not be read.
        """
        for kind, since, until in self._intervals():
            if self.points == 0:
                self.all_read = False
                break
            self._add(await self._communications_of_phone(kind, since, until))
            self.read_since = min(self.read_since, since)
        self.warnings = list(self.call_tracking.warnings)  # of the sources that a run reads, not of those below
        await self._read_sites()
        if self.record is not None:
            self.decision = await self._decide_like_a_run(self.record)
        with suppress(RemoteError, RunStopped):
            if self.deals_of and self.points:
                self.points -= 1
                self.deals = await self.call_tracking.deals.known(self.deals_of[:_DEALS])
        with suppress(RemoteError, RunStopped):  # what follows explains the decision and does not change it
            if self.decision is None or self.decision.result is Result.NOT_FOUND:
                await self._read_other_sources()
            if any(details.communication.site_id is not None for details in self.details):
                await self._ask_for_sites()

    async def _read_sites(self) -> None:
        """Take the sites as a run would: those of today, else asked for, when a communication that counts has one."""
        if not any(each.site_id is not None for each in self._seen_by_a_run()):
            return
        if self.sites is None and self.points == 0:
            self.all_read = False
            return
        await self._ask_for_sites()
        if self.sites is not None:
            if self.sites.refusal:
                self.warnings.append(self.sites.refusal)
            self.rule = replace(self.rule, sites_off=sites_without_sales(self.sites.sites))

    async def _ask_for_sites(self) -> None:
        if self.sites is None and self.points:
            self.points -= 1
            self.sites = await ask_for_sites(self.call_tracking, self.now)

    def _intervals(self) -> Iterator[tuple[CommunicationType, datetime, datetime]]:
        """Yield the reports to read, the newest interval of all sources first; most look-backs fit into the first."""
        until, since = self.now, self.read_since
        while True:
            for kind in self.sources:
                yield kind, since, until
            if since <= self.window_since:
                return
            since, until = max(since - REACH, self.window_since), since

    async def _communications_of_phone(
        self, kind: CommunicationType, since: datetime, until: datetime
    ) -> FoundCommunications:
        self.points -= 1
        return await self.call_tracking.communications_of_phones(
            (self.phone, *self.numbers.all), kind, since, until, sale_tag_id=self.sale_tag_id
        )

    def _add(self, read: FoundCommunications, *, decides: bool = True) -> None:
        by_key = {details.communication.key: details for details in (*self.details, *read.found)}
        self.details = sorted(by_key.values(), key=lambda each: (each.communication.started_at, each.communication.id))
        self.all_read = self.all_read and (read.complete or not decides)

    def _seen_by_a_run(self) -> list[Communication]:
        return [
            details.communication
            for details in self.details
            if not details.lost
            and details.communication.type in self.sources
            and details.communication.started_at >= self.window_since
            and self._is_of_phone(details.communication)
        ]

    def _is_of_phone(self, shown: Communication) -> bool:
        """It has the phone or a usable further number, or our sale stands there."""
        if shown.phone == self.phone or shown.phone in self.numbers.usable:
            return True
        record = self.record
        change = record.intent or record.sale if record is not None and record.may_bear_sale else None
        return change is not None and shown.key == change.key and shown.phone == change.found_by

    async def _decide_like_a_run(self, record: PhoneRecord) -> Decision:
        """Decide on what a run would see; like a run, look for an expected change that the reports do not show."""
        seen, sight = self._seen_by_a_run(), Sight.SHOWN
        seen = without_sales_of_others(self.phone, await self._find_owners(record, seen), self.owners)
        change = expected_to_show(record, since=self.window_since + EDGE, sources=self.sources)
        if change is not None and find(change, seen) is None:
            if self.points == 0:
                self.all_read = False
                return decide(record, seen, now=self.now, rule=self.rule)
            self.points -= 1
            try:
                found = await self.call_tracking.get_communications([change.ref], sale_tag_id=self.sale_tag_id)
            except RemoteRejected as exc:
                if record.intent is None:
                    return decide(record, seen, now=self.now, rule=self.rule)
                self.refusal = str(exc)
                return Decision(result=Result.FAILED)
            shown = found.get(change.key)
            if shown is None:
                sight = Sight.NOT_SHOWN
            elif await self._is_reassigned(record, shown):
                self.reassigned = True
                sight = self._sight_of_reassigned(record, shown, await self._find_phone(shown.phone))
            else:
                seen = [*seen, shown]
        today = self.now.date()
        _, decision = decide_on_snapshot(record, seen, sight=sight, today=today, now=self.now, rule=self.rule)
        if decision.moves and decision.target is not None:
            _, decision = decide_without_sale(record, seen, decision.target, now=self.now, rule=self.rule)
        return decision

    def _sight_of_reassigned(self, phone: PhoneRecord, shown: Communication, owner: PhoneRecord | None) -> Sight:
        change = phone.intent or phone.sale
        is_settled = change is None or self.now - change.changed_at >= VISIBLE_WITHIN
        return sight_of_reassigned(phone, shown, owner, is_settled=is_settled)

    async def _is_reassigned(self, record: PhoneRecord, shown: Communication) -> bool:
        """The communication of the recorded change no longer has a number of the phone."""
        change = record.intent or record.sale
        if not record.bears_sale_of(shown) or change is None:
            return True
        if shown.phone in {"", self.phone, change.found_by}:
            return False
        return bool(await self.store.phones([shown.phone]))

    async def _find_phone(self, number: str) -> PhoneRecord | None:
        """Return the phone of ours that has a number, else one whose clients have it."""
        if (phone := (await self.store.phones([number])).get(number)) is not None:
            return phone
        clients = await self.store.clients_with_numbers([number])
        phones = await self.store.phones({client.phone for client in clients if client.phone is not None})
        return next((phone for phone in phones.values() if phone.phone != self.phone), None)

    async def _find_owners(self, record: PhoneRecord, seen: Sequence[Communication]) -> list[Communication]:
        """Find out which communications bear the sale of another phone, whose they were; a run takes it off first.

        Returns:
            What was seen without the communications that stay with the other phone, because they were found by a
            number that was its client's.
        """
        foreign = {each.key: each for each in seen if each.bears_sale and not is_recorded(record, each)}
        staying = set()
        for phone in await self.store.phones_on_communications({key.id for key in foreign}):
            change = phone.intent or phone.sale
            if change is None or change.key not in foreign or phone.phone == self.phone or not phone.may_bear_sale:
                continue
            shown = foreign[change.key]
            if phone.bears_sale_of(shown) and shown.phone in {phone.phone, change.found_by}:
                staying.add(change.key)
                self.owners[change.key] = phone.phone
            elif self._sight_of_reassigned(phone, shown, record) is Sight.REASSIGNED:
                self.owners[change.key] = phone.phone
        return [each for each in seen if each.key not in staying]

    async def _read_other_sources(self) -> None:
        """Look whether the client has been in touch in a way that no run reads."""
        for kind in CommunicationType:
            if kind in self.sources or self.points == 0:
                continue
            self._add(await self._communications_of_phone(kind, self.window_since, self.now), decides=False)

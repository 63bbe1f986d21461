"""Tell the whole explanation of one phone. Reads only, and at most three points' worth of CoMagic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from msgspec.structs import replace

from crm_bridge.domain.communication import CommunicationDetails, CommunicationType, FoundCommunications, Site
from crm_bridge.domain.decision import CHANGES, Decision, Result, decide
from crm_bridge.domain.explanation import Candidate, Explanation, Note, Reason, explain_candidates, verdict_of
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.domain.sale import SaleEvent
from crm_bridge.domain.state import SaleTag, Watermark
from crm_bridge.errors import RemoteError, RemoteRejected
from crm_bridge.ports import CallTracking
from crm_bridge.services import SyncServices
from crm_bridge.usecases.apply_change import VISIBLE_WITHIN
from crm_bridge.usecases.lease import Stopping
from crm_bridge.usecases.read_communications import EDGE

POINTS = 3
"""What a look may cost of CoMagic's quota."""

REACH = timedelta(days=88)
"""The longest interval of a report is three months, which is 89 days at the least."""

PATIENCE = timedelta(seconds=25)
"""How long somebody waits before a page."""


async def explain(phone: str, services: SyncServices) -> Explanation:
    """Tell the explanation of a phone, as the next run would see it. Changes nothing and needs no lease.

    When CoMagic cannot be asked, what the database knows is told all the same.

    Args:
        phone: E.164 digits.
        services: What a run works with, too.
    """
    store, settings, now = services.store, services.settings, services.clock.now()
    record = (await store.phones([phone])).get(phone)
    orders = sorted(
        await store.orders_of_phones([phone]), key=lambda order: (order.ordered_at, order.order_id), reverse=True
    )
    events = await store.events(phone)
    watermark, lease = await store.state(Watermark), await store.lease()
    tag = await store.state(SaleTag)

    window_since = (now - settings.comagic_lookback).replace(microsecond=0)
    call_tracking = services.call_tracking(Stopping(services.clock, now + PATIENCE))
    look = _Look(
        call_tracking=call_tracking,
        sale_tag_id=settings.comagic_sale_tag_id or (tag.tag_id if tag else 0),
        phone=phone,
        record=record,
        sources=settings.comagic_sources,
        window_since=window_since,
        now=now,
    )
    failure = None
    try:
        await look.around()
    except RemoteError as exc:
        failure = str(exc)
        look.decision = None
    candidates = explain_candidates(
        look.details,
        record,
        look.decision,
        sources=settings.comagic_sources,
        window_since=window_since,
        sites=look.sites,
    )
    busy = lease.run_id if lease is not None and lease.until > now else None
    return Explanation(
        phone=phone,
        told_at=now,
        record=record,
        orders=orders,
        events=events,
        candidates=candidates,
        decision=look.decision,
        verdict=verdict_of(record, orders, candidates, look.decision),
        notes=list(_notes(look, candidates, events, busy)),
        read_since=look.read_since,
        window_since=window_since,
        refreshed_at=watermark.refreshed_at if watermark else None,
        failure=failure or look.refusal,
        warnings=look.warnings,
        requests=Counter(call_tracking.requests),
        quota=call_tracking.quota.limits,
        busy_run=busy,
    )


@dataclass(kw_only=True)
class _Look:
    """One look at CoMagic, and the points it still may spend.

    Attributes:
        details: The phone's communications, oldest first.
        all_read: Everything that a run would see of the phone has been seen.
        warnings: Sources that a run would not get either.
        refusal: CoMagic's reason not to show the communication of a change that was cut.
        read_since: How far back CoMagic has been asked.
    """

    call_tracking: CallTracking
    sale_tag_id: int
    phone: str
    record: PhoneRecord | None
    sources: Sequence[CommunicationType]
    window_since: datetime
    now: datetime
    points: int = POINTS
    details: list[CommunicationDetails] = field(default_factory=list)
    sites: dict[int, Site] = field(default_factory=dict)
    decision: Decision | None = None
    all_read: bool = True
    refusal: str | None = None
    warnings: list[str] = field(default_factory=list)
    read_since: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.read_since = (self.now - REACH).replace(microsecond=0)

    async def around(self) -> None:
        """Read what decides, then, while points are left, what explains.

        Raises:
            RemoteError: What decides could not be read.
        """
        for kind, since, until in self._spans():
            if self.points == 0:
                self.all_read = False
                break
            self._take(await self._of_phone(kind, since, until))
            self.read_since = min(self.read_since, since)
        self.warnings = list(self.call_tracking.warnings)  # of the sources that a run reads; those below are a bonus
        if self.record is not None:
            self.decision = await self._decide_like_a_run(self.record)
        with suppress(RemoteError):  # what follows only explains, and is worth less than what is known by now
            if self.decision is None or self.decision.result is Result.NOT_FOUND:
                await self._look_elsewhere()
            if self.points and any(details.site_id is not None for details in self.details):
                self.points -= 1
                self.sites = {site.site_id: site for site in await self.call_tracking.sites()}

    def _spans(self) -> Iterator[tuple[CommunicationType, datetime, datetime]]:
        """The reports to read, the newest spans of all sources first; most windows are within the first."""
        until, since = self.now, self.read_since
        while True:
            for kind in self.sources:
                yield kind, since, until
            if since <= self.window_since:
                return
            since, until = max(since - REACH, self.window_since), since

    async def _of_phone(self, kind: CommunicationType, since: datetime, until: datetime) -> FoundCommunications:
        self.points -= 1
        return await self.call_tracking.communications_of_phone(
            self.phone, kind, since, until, sale_tag_id=self.sale_tag_id
        )

    def _take(self, read: FoundCommunications, *, decides: bool = True) -> None:
        seen = {details.communication.key: details for details in (*self.details, *read.found)}
        self.details = sorted(seen.values(), key=lambda each: (each.communication.started_at, each.communication.id))
        self.all_read = self.all_read and (read.complete or not decides)

    async def _decide_like_a_run(self, record: PhoneRecord) -> Decision:
        """Decide on what a run would see; like a run, look for what our notes expect and the reports do not show."""
        seen = [
            details.communication
            for details in self.details
            if not details.lost
            and details.communication.type in self.sources
            and details.communication.started_at >= self.window_since
        ]
        change = record.intent or record.sale
        if change is None or any(communication.key == change.key for communication in seen):
            return decide(record, seen, now=self.now)
        is_read = change.started_at > self.window_since + EDGE and change.type in self.sources
        if record.intent is None and not (is_read and change.amount_kopecks > 0):
            return decide(record, seen, now=self.now)
        if self.points == 0:
            self.all_read = False
            return decide(record, seen, now=self.now)
        self.points -= 1
        try:
            found = await self.call_tracking.get_communications(
                [(change.key, change.started_at)], sale_tag_id=self.sale_tag_id
            )
        except RemoteRejected as exc:
            if record.intent is None:
                return decide(record, seen, now=self.now)
            self.refusal = str(exc)
            return Decision(result=Result.FAILED)
        if not found and record.sale is not None and record.sale.key == change.key:
            forgotten = decide(replace(record, sale=None), seen, now=self.now)
            return replace(forgotten, drifted=True)
        return decide(record, [*seen, *found.values()], now=self.now)

    async def _look_elsewhere(self) -> None:
        """Look whether the client has been in touch in a way that no run reads."""
        for kind in CommunicationType:
            if kind in self.sources or self.points == 0:
                continue
            self._take(await self._of_phone(kind, self.window_since, self.now), decides=False)


def _notes(
    look: _Look, candidates: Sequence[Candidate], events: Sequence[SaleEvent], busy: str | None
) -> Iterator[Note]:
    decision, record = look.decision, look.record
    chosen = next((candidate for candidate in candidates if candidate.chosen), None)
    is_change = decision is not None and decision.result in CHANGES
    if is_change and chosen is not None and chosen.site is not None and not chosen.site.sales_enabled:
        yield Note.SALES_OFF
    if events and events[-1].result == Result.FAILED:
        yield Note.LAST_TRY_FAILED
    if record is not None and record.intent is not None:
        yield Note.CUT_CHANGE
    if decision is not None and decision.drifted:
        yield Note.DRIFTED
    if any(candidate.reason is Reason.OTHER_SALE for candidate in candidates):
        yield Note.OTHER_SALES
    seen = {candidate.details.communication.key for candidate in candidates}
    if decision is not None and decision.target is not None and decision.target.key not in seen:
        yield Note.OUT_OF_SIGHT
    if decision is not None and record is not None and decision.target is not None and decision.sold_at is not None:
        paid_at, started_at = record.paid_at, decision.target.started_at
        if paid_at is not None and paid_at < started_at:
            yield Note.CALLED_AFTER_PAYING
    if events and look.now - events[-1].at < VISIBLE_WITHIN:
        yield Note.JUST_CHANGED
    if busy is not None:
        yield Note.RUN_IN_PROGRESS
    if not look.all_read:
        yield Note.NOT_ALL_READ

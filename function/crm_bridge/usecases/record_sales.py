"""Apply the phone aggregates to CoMagic: read what stands, decide phone by phone, carry the changes out.

The intent of a change is in the database before its first call, its outcome after it. A run that finds an intent
looks at what became of it, so the next run completes whatever a killed process left behind.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime
from operator import attrgetter

from msgspec import Struct, field
from msgspec.structs import replace

from crm_bridge.domain.communication import CommunicationType
from crm_bridge.domain.decision import Decision, Result, decide, decide_on_snapshot
from crm_bridge.domain.journal import Journal, Row
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.domain.run import Phase
from crm_bridge.domain.sale import Intent, RecordedSale, SaleEvent, Target, same_communication
from crm_bridge.errors import QuotaSpent, RunStopped
from crm_bridge.ports import CallTracking, Changes
from crm_bridge.usecases.apply_change import ChangeStatus, Outcome, SaleWriter
from crm_bridge.usecases.lease import LeaseKeeper
from crm_bridge.usecases.read_communications import CommunicationSnapshot, read_communications
from crm_bridge.usecases.run_context import RunContext

BATCH = 40
"""Changes whose intents are written in one commit: a few seconds of CoMagic's time."""

_BATCHES = 2
"""Batches under way at once: the second goes on where the first runs dry."""

_UNKNOWN_IN_A_ROW = 10
"""So many unknown outcomes one after another mean that CoMagic is down."""

_LAST_SECONDS = 5
"""What calls under way get when the process is being ended: Cloud Run kills it 10 s after SIGTERM."""


async def record_sales(context: RunContext, call_tracking: CallTracking, journal: Journal) -> None:
    """Bring the sales in CoMagic in line with the phone aggregates, filling the journal.

    Args:
        context: The run; without a lease for sales it writes nothing and the journal says what would be done.
        call_tracking: CoMagic, for this run.
        journal: Gets a row for every phone.

    Raises:
        RemoteError: CoMagic could not be read, so nothing was decided.
        QuotaSpent, RunStopped: The same, for a quota or for time, before this run has read anything.
        LeaseLost: Another run has taken over.
    """
    phones = {phone.phone: phone async for page in context.services.store.all_phones() for phone in page}
    journal.phones_kopecks = sum(phone.amount_kopecks for phone in phones.values())
    snapshot = CommunicationSnapshot()
    recorder = _Recorder(context, call_tracking, journal, snapshot, context.sales_lease)
    try:
        await context.deadline.unless_stopped(read_communications(context, call_tracking, phones, snapshot))
    except (QuotaSpent, RunStopped):
        if journal.refresh is None and not snapshot.has_read:
            raise
        recorder.defer(phones.values())
    else:
        await recorder.decide_all(phones)
        if recorder.lease is not None:
            await recorder.carry_out_all(recorder.lease)
    journal.complete = journal.complete and not journal.counts()[Result.DEFERRED]
    journal.rows.sort(key=attrgetter("phone"))


class _Batch(Struct, frozen=True, kw_only=True):
    """Changes under way, and their outcomes, in the same order."""

    changes: list[tuple[PhoneRecord, Decision]]
    outcomes: asyncio.Future[list[Outcome | BaseException]]


class _Recorder(Struct):
    """One run's work on CoMagic.

    Attributes:
        lease: Writes of sales go under it; None for a dry run.
    """

    context: RunContext
    call_tracking: CallTracking
    journal: Journal
    snapshot: CommunicationSnapshot
    lease: LeaseKeeper | None
    queue: deque[tuple[PhoneRecord, Decision]] = field(default_factory=deque)
    unknown_in_a_row: int = 0

    async def decide_all(self, phones: Mapping[str, PhoneRecord]) -> None:
        """Decide about every phone; settle what needs no call, and queue the rest."""
        now, snapshot = self.context.services.clock.now(), self.snapshot
        communications = snapshot.communications
        self.journal.communications_found = snapshot.found
        updates: list[Changes] = []
        for number, phone in phones.items():
            if number in snapshot.refused:
                outcome = Outcome(status=ChangeStatus.REFUSED, error=snapshot.refused[number])
                self._add_row(phone, Decision(result=Result.FAILED), Result.FAILED, outcome)
                continue
            vanished = number in snapshot.vanished
            known, decision = decide_on_snapshot(phone, communications[number], vanished=vanished, now=now)
            if vanished:
                updates.append(_save(known))
            if (settled := self._queue_or_settle(known, decision)) is not None:
                updates.append(settled)
        self.journal.day_remaining = self.call_tracking.quota.day_remaining
        self.queue = deque(sorted(self.queue, key=_oldest_payment_first))
        if updates and self.lease is not None:
            await self.lease.write(updates)

    def _queue_or_settle(self, phone: PhoneRecord, decision: Decision) -> Changes | None:
        """Queue a change; settle what needs no call, and return what is to be stored of it."""
        if decision.points:  # a change; the property would cost a twentieth of a decision
            self.journal.points_needed += decision.points
            if self.lease is None:
                self._add_row(phone, decision, decision.result)
            else:
                self.queue.append((phone, decision))
            return None
        self._add_row(phone, decision, decision.result)
        if phone.intent is None and phone.sale == decision.sale:
            return None
        return _save(replace(phone, sale=decision.sale, intent=None))

    async def carry_out_all(self, lease: LeaseKeeper) -> None:
        """Carry out the queued changes, oldest payments first, in batches whose intents are stored in one commit.

        While the calls of one batch are under way the intents of the next are written, so that CoMagic never waits
        for us.
        """
        if not self.queue:
            return
        writer = SaleWriter(
            self.call_tracking,
            self.context.deadline,
            lease,
            sale_tag_id=self.snapshot.sale_tag_id,
            at_once=self.context.services.settings.comagic_concurrency,
        )
        updates: list[Changes] = []
        under_way: deque[_Batch] = deque()
        total = len(self.queue)
        try:
            while True:
                while self.queue and len(under_way) < _BATCHES and not writer.must_stop():
                    await self.context.progress.report(Phase.APPLYING, total - len(self.queue), total)
                    changes = [self.queue.popleft() for _ in range(min(BATCH, len(self.queue)))]
                    intended = [self._with_intent(phone, decision) for phone, decision in changes]
                    await lease.write([*updates, *(_save(phone) for phone in intended)])
                    updates = []
                    under_way.append(self._start(writer, changes, intended))
                if not under_way:
                    break
                updates += self._record_outcomes(writer, under_way[0], await under_way[0].outcomes)
                under_way.popleft()
        finally:
            writer.stop()
            await asyncio.gather(*(batch.outcomes for batch in under_way), return_exceptions=True)
        if updates:
            await lease.write(updates)
        for phone, decision in self.queue:
            self._add_row(phone, decision, Result.DEFERRED)

    def _start(
        self, writer: SaleWriter, changes: list[tuple[PhoneRecord, Decision]], intended: list[PhoneRecord]
    ) -> _Batch:
        """Start the changes of a batch; their intents are stored."""
        calls = (
            self._carry_out(writer, phone, decision) for phone, (_, decision) in zip(intended, changes, strict=True)
        )
        return _Batch(changes=changes, outcomes=asyncio.gather(*calls, return_exceptions=True))

    async def _carry_out(self, writer: SaleWriter, phone: PhoneRecord, decision: Decision) -> Outcome:
        """Carry one change out; one that still hangs when the process is being ended stays an open intent."""
        try:
            return await self.context.deadline.unless_stopped(writer.carry_out(phone, decision), grace=_LAST_SECONDS)
        except RunStopped:
            return Outcome(status=ChangeStatus.UNKNOWN, error="interrupted", half_done=True)

    def _record_outcomes(
        self, writer: SaleWriter, batch: _Batch, outcomes: list[Outcome | BaseException]
    ) -> list[Changes]:
        """Record the outcomes of a batch, and stop the run's changes when the others would fail as well."""
        updates: list[Changes] = []
        for (phone, decision), outcome in zip(batch.changes, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                raise outcome
            updates.extend(self._record_outcome(phone, decision, outcome))
            self.unknown_in_a_row = self.unknown_in_a_row + 1 if outcome.status is ChangeStatus.UNKNOWN else 0
            no_more = outcome.stops_the_run or outcome.status is ChangeStatus.DEFERRED
            if no_more or self.unknown_in_a_row >= _UNKNOWN_IN_A_ROW:
                writer.stop()
        return updates

    def _record_outcome(self, phone: PhoneRecord, decision: Decision, outcome: Outcome) -> Iterable[Changes]:
        """Write the outcome of a change into the journal, and return what is to be stored of it."""
        target = _target(decision)
        if outcome.status is ChangeStatus.GONE:
            return self._redecide(phone, target)
        if outcome.status is ChangeStatus.DONE:
            settled = replace(phone, sale=self._recorded_sale(phone, decision, outcome), intent=None)
            self._add_row(phone, decision, decision.result, outcome)
        else:
            settled = self._with_intent(phone, decision) if outcome.half_done else phone
            if outcome.status is ChangeStatus.DEFERRED:
                self._add_row(phone, decision, Result.DEFERRED)
            else:
                self._add_row(phone, decision, Result.FAILED, outcome)
        return [_save(settled, self._event(phone, decision, outcome))]

    def _redecide(self, phone: PhoneRecord, gone: Target) -> Iterable[Changes]:
        """Decide again among the other communications: CoMagic no longer has the target."""
        others = [each for each in self.snapshot.communications[phone.phone] if not same_communication(each, gone)]
        self.snapshot.communications[phone.phone] = others
        without_sale = replace(phone, sale=None, intent=None)
        decision = decide(without_sale, others, now=self.context.services.clock.now())
        settled = self._queue_or_settle(without_sale, decision)
        return [_save(without_sale)] if settled is None else [_save(without_sale), settled]

    def _with_intent(self, phone: PhoneRecord, decision: Decision) -> PhoneRecord:
        """Return the phone with the intent of a change."""
        intent = Intent.of(
            _target(decision),
            amount_kopecks=phone.amount_kopecks,
            previous_kopecks=decision.previous_kopecks,
            replaces=decision.unset or (phone.intent is not None and phone.intent.replaces),
            sold_at=decision.sold_at,
            comment=phone.comment if phone.amount_kopecks else "",
            run_id=self.context.run_id,
            written_at=self.context.services.clock.now(),
        )
        return replace(phone, intent=intent)

    def _recorded_sale(self, phone: PhoneRecord, decision: Decision, outcome: Outcome) -> RecordedSale:
        """Return the record of the sale that stands now."""
        target, now = _target(decision), self.context.services.clock.now()
        if decision.result is Result.REMOVED:
            return RecordedSale.removed(target, now)
        return RecordedSale.of(
            target,
            amount_kopecks=phone.amount_kopecks,
            sold_at=decision.sold_at,
            comment=phone.comment,
            sale_id=outcome.sale_id,
            ours=True,
            recorded_at=now,
        )

    def _event(self, phone: PhoneRecord, decision: Decision, outcome: Outcome) -> SaleEvent | None:
        """Return the line of the sale's history; None for a change that was not started."""
        if outcome.status is ChangeStatus.DEFERRED:
            return None
        return SaleEvent.of(
            _target(decision),
            phone=phone.phone,
            run_id=self.context.run_id,
            at=self.context.services.clock.now(),
            result=str(decision.result if outcome.status is ChangeStatus.DONE else Result.FAILED),
            amount_kopecks=phone.amount_kopecks,
            previous_kopecks=decision.previous_kopecks,
            sold_at=decision.sold_at,
            comment=phone.comment,
            sale_id=outcome.sale_id,
            error=outcome.error,
        )

    def defer(self, phones: Iterable[PhoneRecord]) -> None:
        """Say in the journal that nothing could be decided about these phones in this run."""
        for phone in phones:
            self._add_row(phone, Decision(result=Result.DEFERRED), Result.DEFERRED)

    def _add_row(self, phone: PhoneRecord, decision: Decision, result: Result, outcome: Outcome | None = None) -> None:
        is_change, target = decision.points > 0, decision.target
        self.journal.rows.append(
            Row(
                phone=phone.phone,
                result=result,
                amount_kopecks=phone.amount_kopecks,
                communication_id=target.id if target else None,
                communication_type=target.type if target else CommunicationType.CALL,
                previous_kopecks=decision.previous_kopecks if is_change else None,
                sold_at=decision.sold_at if is_change else None,
                comment=phone.comment if is_change and phone.amount_kopecks else "",
                sale_id=outcome.sale_id if outcome else None,
                error=outcome.error if outcome else None,
                points=decision.points,
                other_sales=decision.other_sales,
                drifted=decision.drifted,
                repaired=decision.repaired,
            )
        )


def _target(decision: Decision) -> Target:
    """Return the communication of a change; every change has one."""
    if decision.target is None:
        raise AssertionError("a change without a target")
    return decision.target


def _save(phone: PhoneRecord, event: SaleEvent | None = None) -> Changes:
    """Save a phone, or delete it when its record is no longer needed."""
    events = [event] if event else []
    if phone.is_idle:
        return Changes(deleted_phones=[phone.phone], events=events)
    return Changes(phones=[phone], events=events)


def _oldest_payment_first(queued: tuple[PhoneRecord, Decision]) -> tuple[bool, datetime, str]:
    phone, _ = queued
    return (phone.paid_at is not None, phone.paid_at or datetime.min, phone.phone)  # noqa: DTZ901 - compared with itself

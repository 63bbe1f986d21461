"""Apply the phone aggregates to CoMagic: read what stands, decide phone by phone, carry the changes out.

The intent of a change is in the database before its first call, its outcome after it. A run that finds an intent
looks at what became of it, so a process killed anywhere leaves nothing that the next run does not complete.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime
from operator import attrgetter

from msgspec import Struct, field
from msgspec.structs import replace

from crm_bridge.domain.communication import CommunicationType
from crm_bridge.domain.decision import CHANGES, Decision, Result, decide, taken_off, without_trace
from crm_bridge.domain.journal import Journal, Row
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.domain.run import Phase
from crm_bridge.domain.sale import Intent, RecordedSale, SaleEvent, same_communication
from crm_bridge.errors import QuotaSpent, RunStopped
from crm_bridge.ports import CallTracking, Changes
from crm_bridge.services import SyncServices
from crm_bridge.usecases.apply_change import ChangeStatus, Outcome, SaleWriter
from crm_bridge.usecases.lease import Guard, Stopping
from crm_bridge.usecases.progress import ProgressReporter
from crm_bridge.usecases.read_communications import Reading

log = logging.getLogger(__name__)

_LOT = 40
"""Changes whose intents are written in one go: a few seconds of CoMagic's time, one commit of ours."""

_LOTS = 2
"""Lots under way at once: the second goes on where the first runs dry."""

_UNKNOWN_IN_A_ROW = 10
"""So many unknown outcomes one after another mean that CoMagic is down, not that some calls had bad luck."""

_LAST_SECONDS = 5
"""What calls under way get when the process is being ended: Cloud Run kills ten seconds after it has said so."""


async def record_sales(
    services: SyncServices,
    call_tracking: CallTracking,
    stopping: Stopping,
    journal: Journal,
    progress: ProgressReporter,
    *,
    guard: Guard | None,
) -> None:
    """Bring the sales in CoMagic in line with the phone aggregates, filling the journal.

    Args:
        services: The store and the settings.
        call_tracking: CoMagic, for this run.
        stopping: Tells when to begin nothing new.
        journal: Gets a row for every phone.
        progress: Is told how far it has come.
        guard: The lease to write under; None for a dry run, which writes nothing.

    Raises:
        RemoteError: CoMagic could not be read, so nothing was decided.
        QuotaSpent, RunStopped: The same, for a quota or for time, before this run has read anything.
        LeaseLost: Another run has taken over.
    """
    phones = {phone.phone: phone async for page in services.store.all_phones() for phone in page}
    journal.phones_kopecks = sum(phone.amount_kopecks for phone in phones.values())
    reading = Reading(services, call_tracking, stopping, progress, guard)
    recording = _Recording(services, call_tracking, stopping, journal, progress, guard, reading)
    try:
        await stopping.unless_stopped(reading.read(phones))
    except (QuotaSpent, RunStopped):
        if journal.refresh is None and not reading.has_read:
            raise
        recording.defer(phones.values())
    else:
        await recording.decide_all(phones)
        await recording.carry_out_all()
    journal.complete = journal.complete and not journal.counts()[Result.DEFERRED]
    journal.rows.sort(key=attrgetter("phone"))


class _Lot(Struct, frozen=True, kw_only=True):
    """Changes under way, and what becomes of them, in the same order."""

    changes: list[tuple[PhoneRecord, Decision]]
    results: asyncio.Future[list[Outcome | BaseException]]


class _Recording(Struct):
    """One run's work on CoMagic."""

    services: SyncServices
    call_tracking: CallTracking
    stopping: Stopping
    journal: Journal
    progress: ProgressReporter
    guard: Guard | None
    reading: Reading
    queue: deque[tuple[PhoneRecord, Decision]] = field(default_factory=deque)
    unknown_in_a_row: int = 0

    async def decide_all(self, phones: Mapping[str, PhoneRecord]) -> None:
        """Decide about every phone; what needs no call is settled here, the rest is queued."""
        now, reading = self.services.clock.now(), self.reading
        self.journal.communications_found = reading.found
        remembered: list[Changes] = []
        for number, phone in phones.items():
            if number in reading.refused:
                outcome = Outcome(status=ChangeStatus.REFUSED, error=reading.refused[number])
                self._add_row(phone, Decision(result=Result.FAILED), Result.FAILED, outcome)
                continue
            seen = reading.seen[number]
            if number in reading.vanished:
                known = replace(phone, sale=None)
                decision = replace(decide(known, seen, now=now), drifted=True)
                remembered.append(_of_phone(known))
            else:
                known = without_trace(phone, seen)
                decision = decide(known, seen, now=now)
            if (settled := self._take(known, decision)) is not None:
                remembered.append(settled)
        self.journal.day_remaining = self.call_tracking.quota.day_remaining
        self.queue = deque(sorted(self.queue, key=_oldest_payment_first))
        if remembered and self.guard is not None:
            await self._write(remembered)

    def _take(self, phone: PhoneRecord, decision: Decision) -> Changes | None:
        """Queue a change; settle what needs none, and return what is to be remembered of it."""
        if decision.result in CHANGES:
            self.journal.points_needed += decision.unset + (phone.amount_kopecks > 0)
            if self.guard is None:
                self._add_row(phone, decision, decision.result)
            else:
                self.queue.append((phone, decision))
            return None
        self._add_row(phone, decision, decision.result)
        if phone.intent is None and phone.sale == decision.sale:
            return None
        return _of_phone(replace(phone, sale=decision.sale, intent=None))

    async def carry_out_all(self) -> None:
        """Carry out the queued changes, oldest payments first, in lots whose intents land in one go.

        While one lot's calls are under way the next lot's intents are written, so that CoMagic never waits for us.
        """
        if not self.queue or self.guard is None:
            return
        at_once = self.services.settings.comagic_concurrency
        writer = SaleWriter(self.call_tracking, self.guard, sale_tag_id=self.reading.sale_tag_id, at_once=at_once)
        outcomes: list[Changes] = []
        under_way: deque[_Lot] = deque()
        changes = len(self.queue)
        try:
            while True:
                while self.queue and len(under_way) < _LOTS and not writer.must_stop():
                    await self.progress.report(Phase.APPLYING, changes - len(self.queue), changes)
                    taken = [self.queue.popleft() for _ in range(min(_LOT, len(self.queue)))]
                    begun = [self._begin(phone, decision) for phone, decision in taken]
                    await self._write([*outcomes, *(_of_phone(phone) for phone in begun)])
                    outcomes = []
                    under_way.append(self._under_way(writer, taken, begun))
                if not under_way:
                    break
                outcomes += self._outcomes(writer, under_way[0], await under_way[0].results)
                under_way.popleft()
        finally:
            writer.stop()
            await asyncio.gather(*(lot.results for lot in under_way), return_exceptions=True)
        if outcomes:
            await self._write(outcomes)
        for phone, decision in self.queue:
            self._add_row(phone, decision, Result.DEFERRED)

    def _under_way(
        self, writer: SaleWriter, taken: list[tuple[PhoneRecord, Decision]], begun: list[PhoneRecord]
    ) -> _Lot:
        """Set the changes of a lot going; its intents have been written."""
        calls = (self._carried_out(writer, phone, decision) for phone, (_, decision) in zip(begun, taken, strict=True))
        return _Lot(changes=taken, results=asyncio.gather(*calls, return_exceptions=True))

    def _outcomes(self, writer: SaleWriter, lot: _Lot, results: list[Outcome | BaseException]) -> list[Changes]:
        """Take note of what became of a lot, and stop the run's changes when it is in vain to go on."""
        outcomes: list[Changes] = []
        for (phone, decision), outcome in zip(lot.changes, results, strict=True):
            if isinstance(outcome, BaseException):
                raise outcome
            outcomes.extend(self._end(phone, decision, outcome))
            self.unknown_in_a_row = self.unknown_in_a_row + 1 if outcome.status is ChangeStatus.UNKNOWN else 0
            no_more = outcome.stops_the_run or outcome.status is ChangeStatus.DEFERRED
            if no_more or self.unknown_in_a_row >= _UNKNOWN_IN_A_ROW:
                writer.stop()
        return outcomes

    async def _carried_out(self, writer: SaleWriter, phone: PhoneRecord, decision: Decision) -> Outcome:
        """Carry one change out; what still hangs when the process is being ended stays an open intent."""
        try:
            return await self.stopping.unless_stopped(writer.carry_out(phone, decision), grace=_LAST_SECONDS)
        except RunStopped:
            return Outcome(status=ChangeStatus.UNKNOWN, error="interrupted", half_done=True)

    def _begin(self, phone: PhoneRecord, decision: Decision) -> PhoneRecord:
        """Put the intent of a change on its phone."""
        target = decision.target
        assert target is not None and self.guard is not None  # noqa: S101, PT018 - every change has a target
        intent = Intent(
            type=target.type,
            id=target.id,
            started_at=target.started_at,
            amount_kopecks=phone.amount_kopecks,
            previous_kopecks=decision.previous_kopecks,
            replaces=decision.unset or (phone.intent is not None and phone.intent.replaces),
            sold_at=decision.sold_at,
            comment=phone.comment if phone.amount_kopecks else "",
            run_id=self.guard.run_id,
            written_at=self.services.clock.now(),
        )
        return replace(phone, intent=intent)

    def _end(self, phone: PhoneRecord, decision: Decision, outcome: Outcome) -> Iterable[Changes]:
        """Tell the outcome of a change in the journal, and put it on its phone."""
        begun = self._begin(phone, decision)
        match outcome.status:
            case ChangeStatus.DONE:
                settled = replace(phone, sale=self._now_stands(phone, decision, outcome), intent=None)
                self._add_row(phone, decision, decision.result, outcome)
            case ChangeStatus.GONE:
                yield from self._choose_anew(phone, decision)
                return
            case ChangeStatus.DEFERRED:
                settled = begun if outcome.half_done else phone
                self._add_row(phone, decision, Result.DEFERRED)
            case _:
                settled = begun if outcome.half_done else phone
                self._add_row(phone, decision, Result.FAILED, outcome)
        yield _of_phone(settled, self._event(phone, decision, outcome))

    def _choose_anew(self, phone: PhoneRecord, decision: Decision) -> Iterable[Changes]:
        """CoMagic no longer has the communication: forget it, and decide again among the others."""
        seen = [
            each
            for each in self.reading.seen[phone.phone]
            if decision.target is None or not same_communication(each, decision.target)
        ]
        self.reading.seen[phone.phone] = seen
        forgotten = replace(phone, sale=None, intent=None)
        yield _of_phone(forgotten)
        if (settled := self._take(forgotten, decide(forgotten, seen, now=self.services.clock.now()))) is not None:
            yield settled

    def _now_stands(self, phone: PhoneRecord, decision: Decision, outcome: Outcome) -> RecordedSale | None:
        target, now = decision.target, self.services.clock.now()
        if target is None:
            return None
        if decision.result is Result.REMOVED:
            return taken_off(target, now)
        return RecordedSale(
            type=target.type,
            id=target.id,
            started_at=target.started_at,
            amount_kopecks=phone.amount_kopecks,
            sold_at=decision.sold_at,
            comment=phone.comment,
            sale_id=outcome.sale_id,
            ours=True,
            recorded_at=now,
        )

    def _event(self, phone: PhoneRecord, decision: Decision, outcome: Outcome) -> SaleEvent | None:
        target, guard = decision.target, self.guard
        if target is None or guard is None or outcome.status is ChangeStatus.DEFERRED:
            return None
        return SaleEvent(
            phone=phone.phone,
            run_id=guard.run_id,
            at=self.services.clock.now(),
            result=str(decision.result if outcome.status is ChangeStatus.DONE else Result.FAILED),
            type=target.type,
            communication_id=target.id,
            amount_kopecks=phone.amount_kopecks,
            previous_kopecks=decision.previous_kopecks,
            sold_at=decision.sold_at,
            comment=phone.comment,
            sale_id=outcome.sale_id,
            error=outcome.error,
        )

    def defer(self, phones: Iterable[PhoneRecord]) -> None:
        """Tell that nothing could be decided about these phones in this run."""
        for phone in phones:
            self._add_row(phone, Decision(result=Result.DEFERRED), Result.DEFERRED)

    def _add_row(self, phone: PhoneRecord, decision: Decision, result: Result, outcome: Outcome | None = None) -> None:
        is_change = decision.result in CHANGES
        self.journal.rows.append(
            Row(
                phone=phone.phone,
                result=result,
                amount_kopecks=phone.amount_kopecks,
                communication_id=decision.target.id if decision.target else None,
                communication_type=decision.target.type if decision.target else CommunicationType.CALL,
                previous_kopecks=decision.previous_kopecks if is_change else None,
                sold_at=decision.sold_at if is_change else None,
                comment=phone.comment if is_change and phone.amount_kopecks else "",
                sale_id=outcome.sale_id if outcome else None,
                error=outcome.error if outcome else None,
                points=decision.unset + (phone.amount_kopecks > 0) if is_change else 0,
                other_sales=decision.other_sales,
                drifted=decision.drifted,
                repaired=decision.repaired,
            )
        )

    async def _write(self, changes: Iterable[Changes]) -> None:
        assert self.guard is not None  # noqa: S101 - a dry run writes nothing
        await self.guard.check()
        await self.services.store.write(changes, run_id=self.guard.run_id)


def _of_phone(phone: PhoneRecord, event: SaleEvent | None = None) -> Changes:
    """Save a phone, or drop it when nothing is left to say about it."""
    events = [event] if event else []
    return (
        Changes(deleted_phones=[phone.phone], events=events)
        if phone.is_idle
        else Changes(phones=[phone], events=events)
    )


def _oldest_payment_first(queued: tuple[PhoneRecord, Decision]) -> tuple[bool, datetime, str]:
    phone, _ = queued
    return (phone.paid_at is not None, phone.paid_at or datetime.min, phone.phone)  # noqa: DTZ901 - only against itself

"""The queue of a run's changes: carried out in batches whose intents are stored before the first call."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Protocol

from msgspec import Struct, field

from crm_bridge.domain.decision import Decision
from crm_bridge.domain.guard import PlannedChange
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.domain.run import Phase
from crm_bridge.domain.sale import SaleEvent
from crm_bridge.errors import RunStopped
from crm_bridge.ports import CallTracking, Changes
from crm_bridge.usecases.apply_change import ChangeStatus, Outcome, SaleWriter
from crm_bridge.usecases.lease import LeaseKeeper
from crm_bridge.usecases.run_context import RunContext

BATCH = 40
"""Changes whose intents are written in one commit: a few seconds of CoMagic's time."""

_BATCHES = 2
"""Batches under way at once: the second goes on where the first runs dry."""

_UNKNOWN_IN_A_ROW = 10
"""So many unknown outcomes one after another mean that CoMagic is down."""

_LAST_SECONDS = 5
"""What calls under way get when the process is being ended: Cloud Run kills it 10 s after SIGTERM."""


class Outcomes(Protocol):
    """What becomes of changes in the journal and in the records of their phones."""

    def with_intent(self, phone: PhoneRecord, decision: Decision) -> PhoneRecord:
        """Return the phone with the intent of a change."""

    def record(self, phone: PhoneRecord, decision: Decision, outcome: Outcome) -> Iterable[Changes]:
        """Write the outcome of a change into the journal, and return what is to be stored of it."""

    def defer(self, item: PlannedChange) -> None:
        """Say in the journal that a change is left to the next run."""


class _Batch(Struct, frozen=True, kw_only=True):
    """Changes under way, and their outcomes, in the same order."""

    changes: list[tuple[PhoneRecord, Decision]]
    outcomes: asyncio.Future[list[Outcome | BaseException]]


class ChangeQueue(Struct):
    """The changes of one run that are still to be carried out.

    Attributes:
        has_given_up: Further changes of this run would fail as well.
    """

    context: RunContext
    call_tracking: CallTracking
    lease: LeaseKeeper
    outcomes: Outcomes
    sale_tag_id: int
    items: deque[PlannedChange] = field(default_factory=deque)
    has_given_up: bool = False
    unknown_in_a_row: int = 0

    async def carry_out(self) -> None:
        """Carry out the queued changes in their order, in batches whose intents are stored in one commit.

        While the calls of one batch are under way the intents of the next are written, so that CoMagic never waits
        for us.
        """
        if not self.items:
            return
        writer = SaleWriter(
            self.call_tracking,
            self.context.deadline,
            self.lease,
            sale_tag_id=self.sale_tag_id,
            at_once=self.context.services.settings.comagic_concurrency,
        )
        if self.has_given_up:
            writer.stop()
        updates: list[Changes] = []
        under_way: deque[_Batch] = deque()
        total = len(self.items)
        try:
            while True:
                while self.items and len(under_way) < _BATCHES and not writer.must_stop():
                    await self.context.progress.report(Phase.APPLYING, total - len(self.items), total)
                    items = [self.items.popleft() for _ in range(min(BATCH, len(self.items)))]
                    changes = [(item.record, item.decision) for item in items]
                    intended = [self.outcomes.with_intent(phone, decision) for phone, decision in changes]
                    await self.lease.write([*updates, *(save(phone) for phone in intended)])
                    updates = []
                    under_way.append(self._start(writer, changes, intended))
                if not under_way:
                    break
                updates += self._record_outcomes(writer, under_way[0], await under_way[0].outcomes)
                under_way.popleft()
        except asyncio.CancelledError:  # the time to close is over: what is not known now is an open intent
            for batch in under_way:
                batch.outcomes.cancel()
            raise
        finally:
            writer.stop()
            await asyncio.gather(*(batch.outcomes for batch in under_way), return_exceptions=True)
        if updates:
            await self.lease.write(updates)
        for item in self.items:
            self.outcomes.defer(item)
        self.items.clear()

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
            updates.extend(self.outcomes.record(phone, decision, outcome))
            self.unknown_in_a_row = self.unknown_in_a_row + 1 if outcome.status is ChangeStatus.UNKNOWN else 0
            no_more = outcome.stops_the_run or outcome.status is ChangeStatus.DEFERRED
            if no_more or self.unknown_in_a_row >= _UNKNOWN_IN_A_ROW:
                self.has_given_up = True
                writer.stop()
        return updates


def save(phone: PhoneRecord, event: SaleEvent | None = None) -> Changes:
    """Save a phone, or delete it when its record is no longer needed."""
    events = [event] if event else []
    if phone.is_idle:
        return Changes(deleted_phones=[phone.phone], events=events)
    return Changes(phones=[phone], events=events)

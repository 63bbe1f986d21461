"""Apply the phone aggregates to CoMagic: read what stands, decide phone by phone, carry the changes out.

The intent of a change is in the database before its first call, its outcome after it. A run that finds an intent
looks at what became of it, so the next run completes whatever a killed process left behind.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter

from msgspec import Struct, field
from msgspec.structs import replace

from crm_bridge.domain.absence import decide_without_sale, without_sales_of_others
from crm_bridge.domain.decision import Decision, Result
from crm_bridge.domain.guard import PlannedChange
from crm_bridge.domain.journal import Journal
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.domain.sale import Intent, RecordedSale, SaleEvent, Target, same_communication
from crm_bridge.errors import QuotaSpent, RunStopped
from crm_bridge.ports import CallTracking, Changes
from crm_bridge.usecases.apply_change import ChangeStatus, Outcome
from crm_bridge.usecases.change_queue import ChangeQueue, save
from crm_bridge.usecases.count_not_found import no_totals, reason_not_found
from crm_bridge.usecases.crm_money import is_current, read_crm_money
from crm_bridge.usecases.journal_row import row_of
from crm_bridge.usecases.lease import LeaseKeeper
from crm_bridge.usecases.other_policy import add_comparison
from crm_bridge.usecases.plan_sales import decide_all, sort_changes, weigh_plan
from crm_bridge.usecases.read_communications import CommunicationSnapshot, read_communications
from crm_bridge.usecases.run_context import RunContext

log = logging.getLogger(__name__)


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
    phones = await _records(context, journal)
    snapshot = CommunicationSnapshot()
    recorder = _Recorder(context, call_tracking, journal, snapshot)
    try:
        await context.deadline.unless_stopped(read_communications(context, call_tracking, phones, snapshot))
    except (QuotaSpent, RunStopped):
        if not journal.has_read and not snapshot.has_read:
            raise
        recorder.defer_undecided(phones.values())
    else:
        await recorder.decide_and_apply(phones)
        if context.request.attribution is not None:
            add_comparison(journal, phones, snapshot, context.request.attribution)
    journal.phones_kopecks = sum(phone.amount_kopecks for phone in phones.values())
    journal.complete = journal.complete and not journal.counts()[Result.DEFERRED]
    journal.rows.sort(key=attrgetter("phone"))


async def _records(context: RunContext, journal: Journal) -> dict[str, PhoneRecord]:
    """Return the phones that the run is about, all or one, and note what the CRM's orders add up to."""
    store, only = context.services.store, context.request.phone
    crm = None if only is not None else await read_crm_money(context)
    if only is not None:
        phones = await store.phones([only])
    else:
        phones = {phone.phone: phone async for page in store.all_phones() for phone in page}
    if crm is not None and await is_current(context, crm):
        journal.crm_money = crm.money
        journal.overpaid_kopecks = crm.overpaid_kopecks(phones.values())
    return phones


class _Recorder(Struct):
    """One run's work on CoMagic.

    Attributes:
        queue: Changes that are still to be carried out.
        again: Changes of phones whose sale has left a communication, to be queued when that is done for all.
        moved: Phones whose sale no longer stands where it was recorded.
    """

    context: RunContext
    call_tracking: CallTracking
    journal: Journal
    snapshot: CommunicationSnapshot
    queue: deque[PlannedChange] = field(default_factory=deque)
    again: list[PlannedChange] = field(default_factory=list)
    moved: set[str] = field(default_factory=set)

    async def decide_and_apply(self, phones: Mapping[str, PhoneRecord]) -> None:
        """Decide about every phone, weigh the plan, and carry it out unless this run writes nothing.

        Raises:
            PlanRefused: The guard stops the run, or the plan is not the one that the caller confirmed.
        """
        snapshot, journal = self.snapshot, self.journal
        journal.communications_found = snapshot.found
        journal.why_not_found = no_totals(self.context.services)
        for number, refusal in snapshot.refused.items():
            outcome = Outcome(status=ChangeStatus.REFUSED, error=refusal)
            self._add_row(phones[number], Decision(result=Result.FAILED), Result.FAILED, outcome)
        journal.day_remaining = self.call_tracking.quota.day_remaining
        changes, updates = self._decide(phones)
        if snapshot.is_shrunken:
            log.warning("report_shrunken", extra={"phones": len(phones)})
            journal.reports_shrunken = True
            journal.warnings.append(
                "CoMagic: the reports show fewer than half of the sales that should stand, so nothing was changed"
            )
            return
        limit = self.context.request.limit
        changes, left_over = (changes, []) if limit is None else (changes[:limit], changes[limit:])
        weigh_plan(self.context, journal, changes, phones.values())
        for item in left_over:
            self.defer(item)
        journal.points_needed += sum(item.decision.points for item in changes)
        if (lease := self.context.sales_lease) is None:
            for item in changes:
                self._foresee(item)
            return
        if updates:
            await lease.write(updates)
        await self._apply(changes, lease)

    def _decide(self, phones: Mapping[str, PhoneRecord]) -> tuple[list[PlannedChange], list[Changes]]:
        """Decide about every phone, and write the rows of those that need no call.

        On reports that show fewer than half of the sales that they should, every change is deferred, and nothing is
        to be stored.

        Returns:
            The changes, oldest payments first, and what is to be stored of the other phones.
        """
        is_shrunken, changes, updates = self.snapshot.is_shrunken, [], []
        for item in decide_all(self.context, self.snapshot, phones):
            if is_shrunken:
                result = Result.DEFERRED if item.decision.points else item.decision.result
                self._add_row(item.stored, item.decision, result)
            elif item.decision.points:
                changes.append(item)
            elif (update := self._settle(item)) is not None:
                updates.append(update)
        return sort_changes(changes), updates

    async def _apply(self, changes: Sequence[PlannedChange], lease: LeaseKeeper) -> None:
        """Carry the changes out.

        Sales leave the communications that became other phones' before any sale is set on one of these.
        """
        queue = ChangeQueue(self.context, self.call_tracking, lease, self, self.snapshot.sale_tag_id, self.queue)
        owners = set(self.snapshot.owners.values())
        self.queue.extend(item for item in changes if item.record.phone in owners)
        await queue.carry_out()
        staying = {key for key, owner in self.snapshot.owners.items() if owner not in self.moved}
        following = [item for item in changes if item.record.phone not in owners]
        while following := [*following, *self.again]:
            self.again.clear()
            for item in following:
                if _target(item.decision).key in staying:
                    self.defer(item)
                else:
                    self.queue.append(item)
            following = []
            await queue.carry_out()

    def _settle(self, item: PlannedChange) -> Changes | None:
        """Write the row of a phone that needs no call, and return what is to be stored of it."""
        record, decision = item.record, item.decision
        self._add_row(record, decision, decision.result)
        is_removed = record.sale is None and not item.stored.may_bear_sale
        if record.intent is None and record.sale == decision.sale and (is_removed or record == item.stored):
            return None  # also when only the record of a removed sale could go: it may go with the next change
        falls = record.falls if decision.sale == record.sale else None  # they count from the sale that stands
        return save(replace(record, sale=decision.sale, intent=None, falls=falls))

    def _foresee(self, item: PlannedChange) -> None:
        """Write the row of a change that a dry run does not make."""
        record, decision = item.record, item.decision
        if decision.moves and decision.target is not None:
            _, decision = self._redecide(record, decision.target)
        self._add_row(record, decision, decision.result)

    def record(self, phone: PhoneRecord, decision: Decision, outcome: Outcome) -> Iterable[Changes]:
        """Write the outcome of a change into the journal, and return what is to be stored of it."""
        if outcome.status in {ChangeStatus.GONE, ChangeStatus.MOVED}:
            self.moved.add(phone.phone)
            return self._queue_again(phone, decision, outcome)
        if outcome.status is ChangeStatus.DONE:
            self.moved.add(phone.phone)
            settled = replace(phone, sale=self._recorded_sale(phone, decision, outcome), intent=None, falls=None)
            self._add_row(phone, decision, decision.result, outcome)
        else:
            settled = self.with_intent(phone, decision) if outcome.half_done else phone
            if outcome.restored:
                settled = replace(phone, intent=None)
            if outcome.status is ChangeStatus.DEFERRED:
                self._add_row(phone, decision, Result.DEFERRED)
            else:
                self._add_row(phone, decision, Result.FAILED, outcome)
        return [save(settled, self._event(phone, decision, outcome))]

    def _queue_again(self, phone: PhoneRecord, decision: Decision, outcome: Outcome) -> Iterable[Changes]:
        """Decide a phone again whose sale no longer stands on the target, and queue or settle what follows."""
        without_sale, after = self._redecide(phone, _target(decision))
        after = replace(after, drifted=decision.drifted)
        event = self._event(phone, decision, outcome) if outcome.status is ChangeStatus.MOVED else None
        updates = [save(without_sale, event)]
        item = PlannedChange(stored=without_sale, record=without_sale, decision=after)
        if after.is_change:
            self.again.append(item)
        elif (settled := self._settle(item)) is not None:
            updates.append(settled)
        return updates

    def _redecide(self, phone: PhoneRecord, left: Target) -> tuple[PhoneRecord, Decision]:
        """Decide as if the phone had no sale, among its communications other than those that its sale has left."""
        snapshot, number, now = self.snapshot, phone.phone, self.context.services.clock.now()
        others = [each for each in snapshot.communications[number] if not same_communication(each, left)]
        snapshot.communications[number] = others
        seen = without_sales_of_others(number, others, snapshot.owners)
        return decide_without_sale(phone, seen, left, now=now, rule=snapshot.rule)

    def with_intent(self, phone: PhoneRecord, decision: Decision) -> PhoneRecord:
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
            found_by=phone.number_of(_target(decision)),
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
            found_by=phone.number_of(target),
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
            result=str(_result_of(decision, outcome)),
            amount_kopecks=phone.amount_kopecks,
            previous_kopecks=decision.previous_kopecks,
            sold_at=decision.sold_at,
            comment=phone.comment,
            sale_id=outcome.sale_id,
            error=outcome.error,
        )

    def defer(self, item: PlannedChange) -> None:
        """Say in the journal that a change is left to the next run."""
        self._add_row(item.record, item.decision, Result.DEFERRED)

    def defer_undecided(self, phones: Iterable[PhoneRecord]) -> None:
        """Say in the journal that nothing could be decided about these phones in this run."""
        for phone in phones:
            self._add_row(phone, Decision(result=Result.DEFERRED), Result.DEFERRED)

    def _add_row(self, phone: PhoneRecord, decision: Decision, result: Result, outcome: Outcome | None = None) -> None:
        row = row_of(phone, decision, result, outcome)
        if (why := reason_not_found(phone, decision, self.snapshot)) is not None:
            row = replace(row, why=why)
            if self.journal.why_not_found is not None:
                self.journal.why_not_found.add(why, phone)
        self.journal.rows.append(row)


def _result_of(decision: Decision, outcome: Outcome) -> Result:
    match outcome.status:
        case ChangeStatus.DONE:
            return decision.result
        case ChangeStatus.MOVED:
            return Result.REMOVED
        case _:
            return Result.FAILED


def _target(decision: Decision) -> Target:
    """Return the communication of a change; every change has one."""
    if decision.target is None:
        raise AssertionError("a change without a target")
    return decision.target

"""Plan a run: decide about every phone, name what would change, and weigh it before anything is written."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from crm_bridge.domain.absence import Sight, decide_on_snapshot, without_sales_of_others
from crm_bridge.domain.guard import PlannedChange, plan_id, weigh
from crm_bridge.domain.journal import Journal
from crm_bridge.domain.money import format_roubles
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.errors import PlanRefused
from crm_bridge.usecases.read_communications import CommunicationSnapshot
from crm_bridge.usecases.run_context import RunContext

log = logging.getLogger(__name__)


def decide_all(
    context: RunContext, snapshot: CommunicationSnapshot, phones: Mapping[str, PhoneRecord]
) -> Iterator[PlannedChange]:
    """Decide about every phone, but for those whose change under way CoMagic refuses to show.

    The decisions are not kept: most phones need no call, and those of 200 000 phones are 80 MiB.
    """
    now = context.services.clock.now()
    today = now.astimezone(context.services.settings.time_zone).date()
    absence_counts = context.counts_absence
    for number, phone in phones.items():
        if number in snapshot.refused:
            continue
        communications = snapshot.communications[number]
        if snapshot.owners:
            communications = without_sales_of_others(number, communications, snapshot.owners)
        sight = snapshot.sights.get(number, Sight.SHOWN)
        if sight is Sight.ABSENT and not absence_counts:
            sight = Sight.NOT_SHOWN
        record, decision = decide_on_snapshot(
            phone, communications, sight=sight, today=today, now=now, rule=snapshot.rule
        )
        yield PlannedChange(stored=phone, record=record, decision=decision)


def sort_changes(changes: Iterable[PlannedChange]) -> list[PlannedChange]:
    """Sort the changes of a plan, oldest payments first."""
    return sorted(changes, key=_oldest_payment_first)


def weigh_plan(
    context: RunContext, journal: Journal, changes: Sequence[PlannedChange], phones: Iterable[PhoneRecord]
) -> None:
    """Name the plan in the journal, and compare it with what the guard and the caller allow.

    Raises:
        PlanRefused: The guard stops the run, or the plan is not the one that the caller confirmed.
    """
    standing = sum(phone.sale.amount_kopecks for phone in phones if phone.sale is not None)
    max_percent = context.services.settings.sync_max_decrease_percent
    guard = weigh(changes, standing_kopecks=standing, max_percent=max_percent)
    journal.plan_id, journal.guard = plan_id(changes), guard
    confirmed = context.request.confirm
    if confirmed is not None and confirmed != journal.plan_id:
        raise PlanRefused(f"The plan has changed since it was confirmed: its id is now {journal.plan_id}")
    if guard.stops and confirmed is None and not context.request.dry_run:
        log.warning("guard_stopped_run", extra={"phones_falling": guard.phones})
        raise PlanRefused(
            f"The guard stopped this run: it would take {format_roubles(guard.decrease_kopecks)} of "
            f"{format_roubles(guard.standing_kopecks)} roubles off {guard.phones} phones, more than {max_percent} % "
            f"(SYNC_MAX_DECREASE_PERCENT). To go on, repeat the call with confirm={journal.plan_id}"
        )


def _oldest_payment_first(item: PlannedChange) -> tuple[bool, datetime, str]:
    phone = item.record
    return (phone.paid_at is not None, phone.paid_at or datetime.min, phone.phone)  # noqa: DTZ901 - compared with itself

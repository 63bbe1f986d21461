"""Find the payments that do not touch their order's time of change, which no list of changes shows.

Whether a payment always touches its order is not known: docs/remote/agbis.md#unknowns
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from datetime import date, timedelta

from msgspec import Struct, field

from crm_bridge.domain.aggregate import Order, OrderTooLarge, Payment, UnreadableOrder
from crm_bridge.domain.payment_check import BEFORE_ALL_CHANGES, differs, net_by_day, payments_by_order, read_again
from crm_bridge.errors import RunStopped
from crm_bridge.ports import Crm
from crm_bridge.usecases.run_context import RunContext

log = logging.getLogger(__name__)

_AT_ONCE = 5000
"""Orders that are in memory at once, while they are compared."""


class PaymentCheck(Struct, kw_only=True):
    """What the lists of payments have shown.

    Attributes:
        payments: Rows of the lists.
        orders: The orders whose payments differed from what was held, as they are now.
        complete: False when the run's time ended before the check did.
    """

    payments: int = 0
    orders: list[Order] = field(default_factory=list)
    complete: bool = True


def days_to_check(context: RunContext) -> list[date]:
    """Return the local days of the look-back, the present one first."""
    settings = context.services.settings
    today = context.services.clock.now().astimezone(settings.time_zone).date()
    return [today - timedelta(days=days) for days in range(settings.crm_lookback.days)]


async def check_payments(
    context: RunContext,
    crm: Crm,
    *,
    days: Collection[date],
    met: Mapping[str, Mapping[date, int]],
    unreadable: Collection[str],
    aside: Mapping[str, UnreadableOrder],
) -> PaymentCheck:
    """Compare the payments of the days of the look-back with what we hold, and read again the orders that differ.

    Args:
        context: Of the run.
        crm: Where payments and orders are read.
        days: See `days_to_check`.
        met: The money by day of the orders that this refresh has stored; those need not be read again.
        unreadable: Orders that this refresh could not read; they are left as they are.
        aside: All orders that are put aside.

    Raises:
        RemoteError: The CRM failed.
    """
    check = PaymentCheck()
    try:
        differing = await _differing(context, crm, days, met, check)
        for order_id in sorted(differing.keys() - set(unreadable)):
            if order := await _read_again(context, crm, order_id, differing[order_id], aside.get(order_id)):
                check.orders.append(order)
    except RunStopped:
        check.complete = False
    if check.orders:
        log.info("payments_found", extra={"orders": len(check.orders)})
    return check


async def _differing(
    context: RunContext,
    crm: Crm,
    days: Collection[date],
    met: Mapping[str, Mapping[date, int]],
    check: PaymentCheck,
) -> dict[str, dict[date, list[Payment]]]:
    """Return the orders whose payments of a day differ from what we hold, with the payments of those days."""
    services, zone = context.services, context.services.settings.time_zone
    differing: dict[str, dict[date, list[Payment]]] = {}
    for day in days:
        _stop_in_time(context)
        rows = await context.deadline.unless_stopped(crm.payments(day))
        if rows is None:
            break
        check.payments += len(rows)
        paid = payments_by_order(rows, day, zone)
        for order_ids in _batches(sorted(paid)):
            stored = await services.store.orders([order_id for order_id in order_ids if order_id not in met])
            held = {order_id: net_by_day(order, days, zone) for order_id, order in stored.items()}
            for order_id in order_ids:
                if differs(met.get(order_id, held.get(order_id)), day, paid[order_id]):
                    differing.setdefault(order_id, {})[day] = paid[order_id]
    return differing


async def _read_again(
    context: RunContext, crm: Crm, order_id: str, days: Mapping[date, list[Payment]], aside: UnreadableOrder | None
) -> Order | None:
    _stop_in_time(context)
    details = await context.deadline.unless_stopped(crm.order(order_id))
    if details is None:
        return None
    held = (await context.services.store.orders([order_id])).get(order_id)
    known = [version.changed_at for version in (held, aside) if version is not None]
    zone = context.services.settings.time_zone
    try:
        order = read_again(details, held, days, zone, changed_at=max(known, default=BEFORE_ALL_CHANGES))
    except OrderTooLarge:
        return None  # the held version stays, as with an order that is put aside
    return order if order.client_id else None


def _stop_in_time(context: RunContext) -> None:
    if context.deadline.must_stop():
        raise RunStopped("This process is being ended", retry_after=60)


def _batches(order_ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(order_ids), _AT_ONCE):
        yield order_ids[start : start + _AT_ONCE]

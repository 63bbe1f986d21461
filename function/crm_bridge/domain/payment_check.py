"""Payments that do not touch their order's time of change: how they are noticed, and what the order then is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from msgspec import Struct

from crm_bridge.domain.aggregate import Order, Payment, bounded_payments

BEFORE_ALL_CHANGES = datetime(2000, 1, 1, tzinfo=UTC)
"""The time of change of an order that no list of changes has named yet: every version of such a list is newer."""


class OrderPayment(Struct, frozen=True, kw_only=True):
    """A row of the CRM's list of payments.

    Attributes:
        order_id: Empty when the row has none.
        payment: None when its sum or date cannot be read. Its time is midnight where the list has only dates.
    """

    order_id: str
    payment: Payment | None


class OrderDetails(Struct, frozen=True, kw_only=True):
    """An order as the CRM shows it by itself: without a time of change, its payments without dates.

    Attributes:
        ordered_at: Aware; None when the CRM gives none.
        net_kopecks: All money in less all money out.
        number, status, price_kopecks: See `Order`.
        is_dated_by_day: `ordered_at` has no time.
    """

    order_id: str
    client_id: str
    ordered_at: datetime | None
    services: tuple[str, ...]
    net_kopecks: int
    number: str = ""
    status: int | None = None
    price_kopecks: int | None = None
    is_dated_by_day: bool = False


def payments_by_order(rows: Iterable[OrderPayment], day: date, zone: ZoneInfo) -> dict[str, list[Payment]]:
    """Return the payments of a local day by their orders, without the orders of rows that cannot be read."""
    found: dict[str, list[Payment]] = {}
    unreadable = {row.order_id for row in rows if row.payment is None} | {""}
    for row in rows:
        if row.order_id not in unreadable and row.payment is not None and _day(row.payment, zone) == day:
            found.setdefault(row.order_id, []).append(row.payment)
    return found


def net_by_day(order: Order, days: Collection[date], zone: ZoneInfo) -> dict[date, int]:
    """Return the order's money in less money out on some local days, without the days that have none."""
    nets: dict[date, int] = {}
    for payment in order.payments:
        if (day := _day(payment, zone)) in days:
            nets[day] = nets.get(day, 0) + payment.in_kopecks - payment.out_kopecks
    return nets


def differs(held: Mapping[date, int] | None, day: date, payments: Iterable[Payment]) -> bool:
    """Say whether the payments of a local day are other money than what we hold of their order for that day.

    Args:
        held: `net_by_day` of the order; None when it was never held.
        day: The local day.
        payments: Of the order, on that day.
    """
    return held is None or held.get(day, 0) != _net(payments)


def read_again(
    details: OrderDetails,
    held: Order | None,
    days: Mapping[date, list[Payment]],
    zone: ZoneInfo,
    *,
    changed_at: datetime,
) -> Order:
    """Return an order whose payments differ as it is now, at exactly the net that the CRM shows.

    What neither the list of payments nor the held version explains is one payment on the day of the order.

    Args:
        details: The order as the CRM shows it now.
        held: The version that we hold; None when the order was never held.
        days: The payments of the local days that differ; those of other days stay as held.
        zone: Of the local days.
        changed_at: The version's time of change, so that later versions still win.

    Raises:
        OrderTooLarge: The order does not fit.
    """
    kept = [payment for payment in held.payments if _day(payment, zone) not in days] if held else []
    ordered_at = details.ordered_at or (held.ordered_at if held else changed_at)
    payments = [*kept, *(payment for day in sorted(days) for payment in days[day])]
    if rest := details.net_kopecks - _net(payments):
        payments.insert(0, Payment(paid_at=ordered_at, in_kopecks=max(0, rest), out_kopecks=max(0, -rest)))
    return Order(
        order_id=details.order_id,
        client_id=details.client_id or (held.client_id if held else ""),
        changed_at=changed_at,
        ordered_at=held.ordered_at if held else ordered_at,
        payments=bounded_payments(payments),
        services=(held.services if held else ()) or details.services,  # details of a cancelled order have none
        number=details.number or (held.number if held else ""),
        status=details.status if details.status is not None else held.status if held else None,
        price_kopecks=details.price_kopecks
        if details.price_kopecks is not None
        else held.price_kopecks
        if held
        else None,
        issued_at=held.issued_at if held else None,
        is_dated_by_day=held.is_dated_by_day if held else details.is_dated_by_day,
    )


def _day(payment: Payment, zone: ZoneInfo) -> date:
    return payment.paid_at.astimezone(zone).date()


def _net(payments: Iterable[Payment]) -> int:
    return sum(payment.in_kopecks - payment.out_kopecks for payment in payments)

"""Payments that do not touch their order: when they are noticed, and what the order then is."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.domain.aggregate import Order, Payment
from crm_bridge.domain.payment_check import (
    BEFORE_ALL_CHANGES,
    OrderDetails,
    OrderPayment,
    differs,
    net_by_day,
    payments_by_order,
    read_again,
)
from tests.support.factories import NOON, order, payment

MOSCOW = ZoneInfo("Europe/Moscow")
TODAY = NOON.astimezone(MOSCOW).date()
YESTERDAY = TODAY - timedelta(days=1)


def row(order_id: str, one: Payment | None) -> OrderPayment:
    return OrderPayment(order_id=order_id, payment=one)


def details(net: int, **changes: object) -> OrderDetails:
    values: dict[str, object] = {
        "order_id": "1",
        "client_id": "5",
        "ordered_at": NOON - timedelta(days=30),
        "services": ("Стирка",),
        "net_kopecks": net,
        **changes,
    }
    return OrderDetails(**values)  # type: ignore[arg-type]


def again(shown: OrderDetails, held: Order | None, days: dict[date, list[Payment]]) -> Order:
    changed_at = held.changed_at if held else BEFORE_ALL_CHANGES
    return read_again(shown, held, days, MOSCOW, changed_at=changed_at)


def test_payments_belong_to_the_local_day() -> None:
    after_midnight = datetime.combine(TODAY, datetime.min.time(), MOSCOW) + timedelta(minutes=1)
    rows = [row("1", payment(5, paid_at=after_midnight)), row("1", payment(6, paid_at=NOON - timedelta(days=1)))]

    assert payments_by_order(rows, TODAY, MOSCOW) == {"1": [payment(5, paid_at=after_midnight)]}


def test_an_order_with_a_row_that_cannot_be_read_is_left_out_whole() -> None:
    rows = [row("1", payment(5)), row("1", None), row("2", payment(6)), row("", payment(7))]

    assert payments_by_order(rows, TODAY, MOSCOW) == {"2": [payment(6)]}


@pytest.mark.parametrize(
    ("listed", "other"),
    [
        ([payment(500)], False),
        ([payment(300), payment(200, paid_at=NOON - timedelta(hours=3))], False),
        ([payment(700), payment(-200)], False),
        ([payment(700), payment(0, out_kopecks=200)], False),
        ([payment(501)], True),
        ([], True),
    ],
)
def test_only_other_money_of_the_day_is_a_difference(listed: list[Payment], other: bool) -> None:
    held = order("1", payments=(payment(500), payment(900, paid_at=NOON - timedelta(days=1))))

    assert differs(net_by_day(held, [TODAY], MOSCOW), TODAY, listed) is other


def test_an_order_never_held_differs() -> None:
    assert differs(None, TODAY, [payment(0)])


def test_the_days_that_differ_are_replaced_and_the_others_stay() -> None:
    old = payment(900, paid_at=NOON - timedelta(days=10))
    held = order("1", payments=(old, payment(500), payment(1, paid_at=NOON - timedelta(days=1))), services=("Ремонт",))
    listed = [payment(500), payment(200, paid_at=NOON - timedelta(hours=1))]

    found = again(details(900 + 1 + 700), held, {TODAY: listed})

    assert found.payments == (old, payment(1, paid_at=NOON - timedelta(days=1)), *listed)
    assert (found.changed_at, found.ordered_at, found.services) == (held.changed_at, held.ordered_at, ("Ремонт",))


def test_what_no_list_shows_is_one_payment_on_the_day_of_the_order() -> None:
    found = again(details(1000), None, {TODAY: [payment(300)]})

    assert found.payments == (payment(700, paid_at=NOON - timedelta(days=30)), payment(300))
    assert (found.client_id, found.services, found.changed_at) == ("5", ("Стирка",), BEFORE_ALL_CHANGES)


def test_a_refund_that_no_list_shows_is_money_out() -> None:
    held = order("1", payments=(payment(900, paid_at=NOON - timedelta(days=10)),))

    found = again(details(100), held, {TODAY: [payment(200)]})

    assert found.net_kopecks == 100
    assert found.payments[0].out_kopecks == 1000


moments = st.integers(0, 5).map(lambda days: NOON - timedelta(days=days))
payments = st.lists(st.builds(Payment, paid_at=moments, in_kopecks=st.integers(0, 9), out_kopecks=st.integers(0, 9)))


@given(held=st.one_of(st.none(), payments), today=payments, yesterday=payments, net=st.integers(-50, 50))
def test_the_order_has_exactly_the_net_that_the_crm_shows_and_differs_no_more(
    held: list[Payment] | None, today: list[Payment], yesterday: list[Payment], net: int
) -> None:
    before = None if held is None else order("1", payments=tuple(held))
    days = {
        TODAY: [payment(each.in_kopecks, out_kopecks=each.out_kopecks) for each in today],
        YESTERDAY: [
            payment(each.in_kopecks, out_kopecks=each.out_kopecks, paid_at=NOON - timedelta(days=1))
            for each in yesterday
        ],
    }

    found = again(details(net), before, days)

    assert found.net_kopecks == net
    nets = net_by_day(found, list(days), MOSCOW)
    assert not any(differs(nets, day, rows) for day, rows in days.items())

"""Why the sum of a phone has fallen, for every way in which an order can take money off it."""

from __future__ import annotations

import pytest

from crm_bridge.domain.aggregate import Order, recount
from crm_bridge.domain.falls import FallReason, Falls, falls_by_phone
from crm_bridge.domain.phone import PhoneRecord
from tests.support.factories import ANNA, BORIS, intent, order, payment, phone, recorded_sale


def paid(*nets: int, phone: str | None = ANNA, order_id: str = "1", is_cancelled: bool = False) -> Order:
    payments = tuple(payment(max(0, net), out_kopecks=max(0, -net)) for net in nets)
    return order(order_id, payments=payments, phone=phone, status=7 if is_cancelled else 3)


def falls(before: Order, after: Order) -> Falls | None:
    found = falls_by_phone({before.order_id: before}, [after])
    assert set(found) <= {before.phone}
    return found.get(before.phone or "")


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (paid(700, -200), Falls(refunded=200)),
        (paid(500), Falls(refunded=200)),
        (paid(700, -700, is_cancelled=True), Falls(cancelled=700)),
        (paid(700, phone=BORIS), Falls(moved=700)),
        (paid(700, phone=None), Falls(moved=700)),
        (paid(700, -200, phone=BORIS), Falls(refunded=200, moved=500)),
        (paid(700, -900, phone=BORIS), Falls(refunded=700)),
        (paid(700, phone=BORIS, is_cancelled=True), Falls(cancelled=700)),
        (paid(700, 1), None),
        (paid(700, is_cancelled=True), None),
    ],
)
def test_what_an_order_takes_off_its_phone(after: Order, expected: Falls | None) -> None:
    assert falls(paid(700), after) == expected


def test_an_order_without_a_phone_takes_nothing_off() -> None:
    assert falls(paid(700, phone=None), paid(0, phone=ANNA)) is None
    assert falls_by_phone({}, [paid(-5)]) == {}
    assert falls(paid(-700), paid(-700, phone=BORIS)) is None


def test_the_falls_of_several_orders_add_up() -> None:
    stored = {"1": paid(700), "2": paid(300, order_id="2")}
    updated = [paid(700, phone=BORIS), paid(300, -300, order_id="2", is_cancelled=True)]

    found = falls_by_phone(stored, updated)

    assert found == {ANNA: Falls(moved=700, cancelled=300)}
    assert found[ANNA].reason is FallReason.MOVED


def test_of_equal_parts_the_reason_is_cancelled_then_refunded() -> None:
    assert Falls(cancelled=5, refunded=5, moved=5).reason is FallReason.CANCELLED
    assert Falls(refunded=5, moved=5).reason is FallReason.REFUNDED


class TestInThePhonesRecord:
    def recounted(self, stored: PhoneRecord | None, net: int, lost: Falls | None = None) -> PhoneRecord:
        return recount(ANNA, [paid(net)], stored, {}, falls=lost)

    def test_falls_add_up_until_the_sum_is_what_stands(self) -> None:
        standing = phone(amount_kopecks=700, sale=recorded_sale(1, amount_kopecks=700))

        once = self.recounted(standing, 600, Falls(refunded=100))
        twice = self.recounted(once, 200, Falls(moved=400))
        after_a_payment = self.recounted(twice, 650)

        assert (once.falls, twice.falls) == (Falls(refunded=100), Falls(refunded=100, moved=400))
        assert after_a_payment.falls == twice.falls
        assert self.recounted(after_a_payment, 700).falls is None

    def test_a_phone_without_a_sale_remembers_none(self) -> None:
        assert self.recounted(None, 600, Falls(refunded=100)).falls is None
        assert self.recounted(phone(amount_kopecks=700), 600, Falls(refunded=100)).falls is None
        removed = phone(sale=recorded_sale(1, amount_kopecks=0))
        assert self.recounted(removed, 600, Falls(refunded=100)).falls is None

    def test_a_change_under_way_counts_as_a_sale(self) -> None:
        changing = phone(intent=intent(1, amount_kopecks=700))

        assert self.recounted(changing, 600, Falls(refunded=100)).falls == Falls(refunded=100)

    def test_a_phone_below_zero_says_how_far(self) -> None:
        below = self.recounted(None, -300)

        assert (below.amount_kopecks, below.overpaid_kopecks) == (0, 300)
        assert self.recounted(below, 300).overpaid_kopecks == 0

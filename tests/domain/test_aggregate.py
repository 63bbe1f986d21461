"""What the orders of a phone add up to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import reduce
from itertools import chain
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.domain.aggregate import (
    COMMENT_LIMIT,
    PAYMENTS_LIMIT,
    SUM_LIMIT,
    Order,
    OrderTooLarge,
    Payment,
    bounded_names,
    bounded_payments,
    comment_of,
    recount,
    replaces,
)
from crm_bridge.domain.phone import PhoneRecord
from tests.support.factories import ANNA, NOON, order, payment


def recounted(orders: Sequence[Order]) -> PhoneRecord:
    return recount(ANNA, orders, None, {})


def newest(stored: Order | None, read: Order) -> Order:
    return read if stored is None or replaces(read, stored) else stored


moments = st.integers(0, 5).map(lambda days: NOON - timedelta(days=days))
kopecks = st.integers(-1000, 100_000)
names = st.sampled_from(["Стирка", "Химчистка пальто", "Ремонт", "Чистка ковра", "я" * 120, "ё" * 300])
payments = st.builds(Payment, paid_at=moments, in_kopecks=kopecks, out_kopecks=st.integers(0, 100_000))
orders = st.lists(
    st.builds(
        order,
        st.integers(1, 10**6).map(str),
        ordered_at=moments,
        payments=st.lists(payments, max_size=4).map(tuple),
        services=st.lists(names, max_size=4).map(tuple),
    ),
    max_size=6,
    unique_by=lambda each: each.order_id,
)


@given(orders, st.randoms())
def test_the_sequence_of_the_orders_does_not_matter(some: list[Order], order_of: Random) -> None:
    shuffled = list(some)
    order_of.shuffle(shuffled)

    assert recounted(shuffled) == recounted(some)


@given(orders)
def test_the_sum_is_all_money_in_less_all_money_out_and_never_below_zero(some: list[Order]) -> None:
    every = [each for one in some for each in one.payments]

    found = recounted(some)

    assert found.amount_kopecks == max(0, sum(e.in_kopecks for e in every) - sum(e.out_kopecks for e in every))
    assert found.order_count == len(some)


@given(orders)
def test_only_an_order_that_has_money_gives_its_date_and_its_services(some: list[Order]) -> None:
    with_money = [each for each in some if each.net_kopecks > 0]

    assert recounted(some).paid_at == recounted(with_money).paid_at
    assert recounted(some).comment == recounted(with_money).comment


def test_the_date_is_that_of_the_latest_money_in() -> None:
    refund = payment(0, out_kopecks=100, paid_at=NOON)
    first = order("1", payments=(payment(500, paid_at=NOON - timedelta(days=3)), refund))
    second = order("2", payments=(payment(200, paid_at=NOON - timedelta(days=2)),))
    refunded = order("3", payments=(payment(200, paid_at=NOON - timedelta(days=1)), payment(0, out_kopecks=200)))

    found = recounted([first, second, refunded])

    assert (found.amount_kopecks, found.paid_at) == (600, NOON - timedelta(days=2))


def test_without_orders_there_is_nothing_and_no_date() -> None:
    found = recounted([])

    assert (found.amount_kopecks, found.paid_at, found.comment, found.order_count) == (0, None, "", 0)


def test_a_refund_may_be_written_as_negative_money_in() -> None:
    """Some accounts of the CRM do so."""
    assert recounted([order("1", payments=(payment(500), payment(-200)))]).amount_kopecks == 300


def test_the_comment_has_the_services_of_the_most_recent_order_first() -> None:
    older = order("1", ordered_at=NOON - timedelta(days=2), services=("Стирка", "Ремонт"))
    newer = order("2", ordered_at=NOON - timedelta(days=1), services=("Химчистка", "Стирка"))

    assert recounted([older, newer]).comment == "Химчистка, Стирка, Ремонт"


@given(st.lists(names, max_size=8))
def test_a_comment_repeats_no_name_and_ends_before_the_first_that_does_not_fit(some: list[str]) -> None:
    different = list(dict.fromkeys(some))

    comment = comment_of(some)

    kept = comment.split(", ") if comment else []
    assert len(comment) <= COMMENT_LIMIT
    if different and len(different[0]) > COMMENT_LIMIT:
        assert comment == different[0][:COMMENT_LIMIT]
        return
    assert kept == different[: len(kept)]
    if len(kept) < len(different):
        assert len(", ".join(different[: len(kept) + 1])) > COMMENT_LIMIT


@pytest.mark.parametrize(("length", "kept"), [(COMMENT_LIMIT - 1, 254), (COMMENT_LIMIT, 255), (COMMENT_LIMIT + 1, 255)])
def test_a_first_name_that_is_too_long_is_shortened(length: int, kept: int) -> None:
    assert comment_of(["я" * length]) == "я" * kept


long_names = st.lists(st.sampled_from(["Стирка", "Ремонт", "я" * 120, "ё" * 254, "ё" * 300, "ю" * 256]), max_size=8)


@given(st.lists(long_names, max_size=3))
def test_a_comment_needs_no_name_beyond_the_bounded_ones(of_orders: list[list[str]]) -> None:
    bounded = [bounded_names(names) for names in of_orders]

    assert comment_of(chain(*bounded)) == comment_of(chain(*of_orders))
    assert all(len(", ".join(names)) <= 2 * COMMENT_LIMIT + 3 for names in bounded)


def test_the_bounded_names_end_with_the_first_that_does_not_fit() -> None:
    names = ["а" * 200, "б" * 53, "в", "г"]

    assert bounded_names(names) == ("а" * 200, "б" * 53, "в")


def test_payments_are_kept_as_they_are_until_there_are_too_many() -> None:
    some = [payment(1)] * PAYMENTS_LIMIT

    assert bounded_payments(some) == tuple(some)
    assert bounded_payments([*some, payment(1)]) == (payment(PAYMENTS_LIMIT + 1),)


@given(st.lists(payments, min_size=1, max_size=20))
def test_added_up_payments_are_the_same_money_on_the_same_last_day(some: list[Payment]) -> None:
    many = some * (PAYMENTS_LIMIT // len(some) + 1)

    bounded = order("1", payments=bounded_payments(many))

    assert bounded.net_kopecks == order("1", payments=tuple(many)).net_kopecks
    assert bounded.last_paid_at == order("1", payments=tuple(many)).last_paid_at
    assert len(bounded.payments) <= 12


def test_too_many_payments_of_different_moments_do_not_fit() -> None:
    many = [payment(1, paid_at=NOON + timedelta(seconds=second)) for second in range(PAYMENTS_LIMIT + 1)]

    with pytest.raises(OrderTooLarge):
        bounded_payments(many)


@pytest.mark.parametrize("too_much", [payment(SUM_LIMIT + 1), payment(0, out_kopecks=SUM_LIMIT + 1)])
def test_a_sum_that_no_database_takes_does_not_fit(too_much: Payment) -> None:
    with pytest.raises(OrderTooLarge):
        bounded_payments([too_much])


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_the_newest_version_of_an_order_stays_in_whatever_sequence_they_are_read(hours: list[int]) -> None:
    """Of two versions with the same time of change, the one read last."""
    read = [
        order("1", changed_at=NOON + timedelta(hours=hour), services=(f"read as number {number}",))
        for number, hour in enumerate(hours)
    ]

    stays = reduce(newest, read, None)

    last = max(number for number, hour in enumerate(hours) if hour == max(hours))
    assert stays == read[last]

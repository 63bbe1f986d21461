"""What the orders of a phone add up to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import reduce
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.domain.aggregate import COMMENT_LIMIT, Order, Payment, comment_of, recount, replaces
from crm_bridge.domain.phone import PhoneRecord
from tests.support.factories import ANNA, NOON, order, payment


def recounted(orders: Sequence[Order]) -> PhoneRecord:
    return recount(ANNA, orders, None)


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

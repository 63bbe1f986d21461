"""Which communication of a phone bears its sale, where none stands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from crm_bridge.domain.attribution import AttributionRule, Policy, by_time, choose
from crm_bridge.domain.communication import Communication
from crm_bridge.domain.decision import SALES_DISABLED, Result, decide
from crm_bridge.domain.sale import RecordedSale
from crm_bridge.usecases.further_numbers import claimed_numbers, nobody_elses
from tests.support.factories import NOON, client, communication, phone, recorded_sale

ON, OFF, UNKNOWN = 1, 2, 3
"""Sites: one that takes sales, one that does not, and one that `get.sites` did not show."""

FIRST = AttributionRule(sites_off=frozenset({OFF}))


def call(number: int, days_ago: float, site_id: int | None = ON) -> Communication:
    return communication(number, started_at=NOON - timedelta(days=days_ago), site_id=site_id)


def chosen(found: Sequence[Communication], policy: Policy = Policy.FIRST, paid_days_ago: float = 0) -> int | None:
    rule = replace(FIRST, policy=policy)
    it = choose(by_time(found), NOON - timedelta(days=paid_days_ago), rule)
    return None if it is None else it.id


class TestSites:
    def test_one_of_a_site_that_takes_sales_comes_before_an_earlier_one_without_a_site(self) -> None:
        assert chosen([call(1, 5, None), call(2, 4), call(3, 3)]) == 2

    def test_one_without_a_site_is_better_than_one_of_a_site_whose_sales_are_off(self) -> None:
        assert chosen([call(1, 5, OFF), call(2, 4, None), call(3, 3, None)]) == 2

    def test_a_site_that_is_not_known_counts_as_taking_sales(self) -> None:
        assert chosen([call(1, 5, None), call(2, 4, UNKNOWN)]) == 2

    def test_with_only_refusing_ones_it_fails_without_a_call(self) -> None:
        decision = decide(phone(), [call(1, 5, OFF), call(2, 4, OFF)], now=NOON, rule=FIRST)

        assert (decision.result, decision.error, decision.points) == (Result.FAILED, SALES_DISABLED, 0)
        assert decision.target is not None
        assert decision.target.id == 1

    def test_an_equal_sum_that_stands_at_a_refusing_site_is_right_as_it_is(self) -> None:
        standing = replace(call(1, 5, OFF), tagged=True, sale_kopecks=450_050)

        assert decide(phone(), [standing, call(2, 4)], now=NOON, rule=FIRST).result is Result.PROBLEM

    def test_another_sum_that_stands_at_a_refusing_site_is_left_alone(self) -> None:
        standing = replace(call(1, 5, OFF), tagged=True, sale_kopecks=100)
        ours = phone(sale=recorded_sale(1, amount_kopecks=100))

        decision = decide(ours, [standing, call(2, 4)], now=NOON, rule=FIRST)

        assert (decision.result, decision.error, decision.sale) == (Result.FAILED, SALES_DISABLED, ours.sale)

    def test_a_sale_taken_off_by_hand_at_a_refusing_site_goes_elsewhere(self) -> None:
        decision = decide(phone(sale=recorded_sale(1)), [call(1, 5, OFF), call(2, 4)], now=NOON, rule=FIRST)

        assert decision.target is not None
        assert (decision.result, decision.target.id) == (Result.APPLIED, 2)


class TestPolicies:
    FOUND = (call(1, 5), call(2, 4), call(3, 2), call(4, 1))

    @pytest.mark.parametrize(
        ("policy", "number"),
        [(Policy.FIRST, 1), (Policy.FIRST_BEFORE_PAYMENT, 1), (Policy.LAST_BEFORE_PAYMENT, 2)],
    )
    def test_each_chooses_its_own(self, policy: Policy, number: int) -> None:
        assert chosen(self.FOUND, policy, paid_days_ago=3) == number

    @pytest.mark.parametrize(
        ("policy", "number"),
        [(Policy.FIRST, 1), (Policy.FIRST_BEFORE_PAYMENT, None), (Policy.LAST_BEFORE_PAYMENT, None)],
    )
    def test_one_that_began_with_the_payment_did_not_begin_before_it(self, policy: Policy, number: int | None) -> None:
        assert chosen([call(1, 3)], policy, paid_days_ago=3) == number

    def test_of_the_latest_in_one_second_the_lower_id_is_chosen(self) -> None:
        assert chosen([call(1, 5), call(9, 4), call(4, 4)], Policy.LAST_BEFORE_PAYMENT) == 4

    def test_one_without_a_site_before_the_payment_is_better_than_one_of_a_site_after_it(self) -> None:
        assert chosen([call(1, 5, None), call(2, 1)], Policy.LAST_BEFORE_PAYMENT, paid_days_ago=3) == 1

    def test_only_calls_after_the_payment_are_not_found(self) -> None:
        rule = replace(FIRST, policy=Policy.FIRST_BEFORE_PAYMENT)
        paid = phone(paid_at=NOON - timedelta(days=3))

        assert decide(paid, [call(1, 1), call(2, 2, OFF)], now=NOON, rule=rule).result is Result.NOT_FOUND

    @pytest.mark.parametrize("policy", Policy)
    def test_a_sale_that_stands_stays(self, policy: Policy) -> None:
        ours = phone(
            amount_kopecks=500, sale=recorded_sale(4, amount_kopecks=450_050), paid_at=NOON - timedelta(days=3)
        )
        standing = replace(call(4, 1), tagged=True, sale_kopecks=450_050)

        decision = decide(ours, [*self.FOUND[:3], standing], now=NOON, rule=replace(FIRST, policy=policy))

        assert decision.target is not None
        assert (decision.result, decision.target.id) == (Result.UPDATED, 4)

    @pytest.mark.parametrize("policy", Policy)
    def test_the_row_says_when_the_sale_was_dated_by_the_communication(self, policy: Policy) -> None:
        rule = replace(FIRST, policy=policy)
        for paid_days_ago, moved in ((3, False), (5, False), (6, True)):
            decision = decide(phone(paid_at=NOON - timedelta(days=paid_days_ago)), [call(1, 5)], now=NOON, rule=rule)
            if decision.result is Result.APPLIED:
                assert decision.date_moved is moved
                assert (decision.sold_at == NOON - timedelta(days=5)) is (paid_days_ago >= 5)


moments = st.sampled_from([NOON - timedelta(hours=hours) for hours in (1, 2, 24, 24, 48, 700)])


@st.composite
def communications(draw: st.DrawFn) -> list[Communication]:
    return [
        communication(number, started_at=draw(moments), site_id=draw(st.sampled_from([ON, OFF, UNKNOWN, None])))
        for number in draw(st.lists(st.integers(1, 50), unique=True, max_size=7))
    ]


def satisfies(policy: Policy, each: Communication, paid_at: datetime) -> bool:
    """The policy's sentence: it began before the phone's last payment, or, with `first`, whenever."""
    return policy is Policy.FIRST or each.started_at < paid_at


def is_preferred(policy: Policy, one: Communication, other: Communication) -> bool:
    """The policy's sentence: the earliest, or the latest; of the same second the one with the lower id."""
    if one.started_at == other.started_at:
        return one.id < other.id
    return (one.started_at > other.started_at) is (policy is Policy.LAST_BEFORE_PAYMENT)


def rank(each: Communication) -> int:
    """Of a site that takes sales, then without a site; a site whose sales are off never bears one."""
    return {None: 1, OFF: 2}.get(each.site_id, 0)


@given(found=communications(), paid_at=moments, policy=st.sampled_from(Policy), taken=st.booleans())
def test_the_chosen_one_satisfies_the_policy_and_none_is_preferred_to_it(
    found: list[Communication], paid_at: datetime, policy: Policy, taken: bool
) -> None:
    rule = AttributionRule(policy=policy, sites_off=frozenset({OFF}))
    record = phone(paid_at=paid_at, sale=RecordedSale.removed(communication(99), NOON) if taken else None)

    decision = decide(record, found, now=NOON, rule=rule)

    eligible = [each for each in found if satisfies(policy, each, paid_at)]
    if not eligible:
        assert decision.result is Result.NOT_FOUND
        return
    target = decision.target
    assert target in eligible
    assert not [each for each in eligible if rank(each) < rank(target)]
    assert not [each for each in eligible if rank(each) == rank(target) and is_preferred(policy, each, target)]
    assert (decision.result, decision.error, decision.points) == (
        (Result.FAILED, SALES_DISABLED, 0) if rank(target) == 2 else (Result.APPLIED, None, 1)
    )
    assert decision.date_moved is (rank(target) < 2 and paid_at < target.started_at)


numbers = st.sampled_from(["71", "72", "73", "74"])


@given(
    claims=st.dictionaries(numbers, st.lists(numbers, max_size=3), min_size=1),
    without_orders=st.dictionaries(numbers, st.lists(numbers, max_size=2)),
)
def test_a_further_number_finds_for_one_phone_at_most_and_never_for_another_clients_own(
    claims: dict[str, list[str]], without_orders: dict[str, list[str]]
) -> None:
    """Whatever numbers clients have: those with orders are our records, the others only the store knows."""
    phones = {each: phone(each, other_phones=tuple(sorted({*others} - {each}))) for each, others in claims.items()}
    everybody = [(each, record.other_phones) for each, record in phones.items()]
    everybody += [(each, tuple(others)) for each, others in without_orders.items()]
    clients = [client(str(place), phone=each, other_phones=others) for place, (each, others) in enumerate(everybody)]

    claimed = claimed_numbers(phones)
    usable = set(nobody_elses(claimed, clients))

    for each, record in phones.items():
        for number in record.other_phones:
            owners = {owner for owner, others in everybody if number == owner or number in others}
            assert (number in usable and claimed[number] == each) is (owners == {each})

"""Why a communication bears the sale of its phone or does not, and the explanation in one word."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.domain.aggregate import Order
from crm_bridge.domain.attribution import DEFAULT_RULE
from crm_bridge.domain.candidates import Candidate, Reason, explain_candidates
from crm_bridge.domain.communication import CommunicationDetails, CommunicationType, Site
from crm_bridge.domain.decision import Decision, Result, decide
from crm_bridge.domain.explanation import Verdict, verdict_of
from crm_bridge.domain.phone import PhoneRecord
from tests.support.factories import ANNA, MICROSECOND, NOON, details, intent, order, payment, phone, recorded_sale

SINCE = NOON - timedelta(days=30)
SOURCES = (CommunicationType.CALL, CommunicationType.CHAT)
SITE = Site(site_id=1, domain="example.ru", sales_enabled=True)

CHOSEN = {Reason.OUR_SALE, Reason.OUR_PLACE, Reason.SALE_BY_HAND, Reason.UNDER_WAY, Reason.EARLIEST}

PAID = phone(amount_kopecks=70_000)
UNPAID = phone(amount_kopecks=0, paid_at=None)


def days_ago(days: float) -> dict[str, Any]:
    return {"started_at": NOON - timedelta(days=days)}


def sold(communication_id: int, kopecks: int, *, days: float = 1) -> CommunicationDetails:
    return details(communication_id, tagged=True, sale_kopecks=kopecks, **days_ago(days))


def decided(record: PhoneRecord, found: Sequence[CommunicationDetails]) -> Decision:
    """Decide as a run would, on those that count."""
    counting = [
        each.communication
        for each in found
        if not each.lost and each.communication.type in SOURCES and each.communication.started_at >= SINCE
    ]
    return decide(record, counting, now=NOON)


def explained(record: PhoneRecord, found: Sequence[CommunicationDetails]) -> list[Candidate]:
    return explain_candidates(
        found,
        record,
        decided(record, found),
        sources=SOURCES,
        window_since=SINCE,
        sites={1: SITE},
        rule=DEFAULT_RULE,
        numbers={ANNA},
    )


def reasons(record: PhoneRecord, found: Sequence[CommunicationDetails]) -> dict[int, Reason]:
    return {each.details.communication.id: each.reason for each in explained(record, found)}


def verdict(record: PhoneRecord, found: Sequence[CommunicationDetails], orders: Sequence[Order] = ()) -> Verdict:
    return verdict_of(record, orders, explained(record, found), decided(record, found))


class TestReasons:
    def test_the_earliest_bears_the_sale_and_the_others_are_later(self) -> None:
        found = [details(1, **days_ago(3)), details(2, **days_ago(2)), details(3, **days_ago(1))]

        assert reasons(PAID, found) == {1: Reason.EARLIEST, 2: Reason.LATER, 3: Reason.LATER}

    def test_our_sale_stays_though_an_earlier_communication_counts_too(self) -> None:
        ours = phone(amount_kopecks=70_000, sale=recorded_sale(2, amount_kopecks=70_000, **days_ago(2)))

        assert reasons(ours, [details(1, **days_ago(3)), sold(2, 70_000, days=2)]) == {
            1: Reason.EARLIER,
            2: Reason.OUR_SALE,
        }

    def test_a_sale_of_ours_that_somebody_took_off_goes_back_to_its_place(self) -> None:
        ours = phone(amount_kopecks=70_000, sale=recorded_sale(2, amount_kopecks=70_000, **days_ago(2)))

        assert reasons(ours, [details(1, **days_ago(3)), details(2, **days_ago(2))])[2] is Reason.OUR_PLACE

    def test_a_sale_that_somebody_set_counts_and_a_further_one_is_left_alone(self) -> None:
        found = [details(1, **days_ago(3)), sold(2, 100, days=2), sold(3, 200, days=1)]

        assert reasons(PAID, found) == {1: Reason.EARLIER, 2: Reason.SALE_BY_HAND, 3: Reason.OTHER_SALE}

    def test_a_sale_that_somebody_set_stays_theirs_though_we_have_recorded_it(self) -> None:
        found_right = phone(amount_kopecks=70_000, sale=recorded_sale(1, amount_kopecks=70_000, ours=False))

        assert reasons(found_right, [sold(1, 70_000)]) == {1: Reason.SALE_BY_HAND}

    def test_a_window_begins_with_its_first_instant(self) -> None:
        before, first = details(1, started_at=SINCE - MICROSECOND), details(2, started_at=SINCE)

        assert reasons(PAID, [before, first, sold(3, 100)]) == {
            1: Reason.TOO_OLD,
            2: Reason.EARLIER,
            3: Reason.SALE_BY_HAND,
        }

    def test_a_change_under_way_is_named(self) -> None:
        changing = phone(amount_kopecks=70_000, intent=intent(2, amount_kopecks=70_000, **days_ago(2)))

        assert reasons(changing, [details(1, **days_ago(3)), details(2, **days_ago(2))])[2] is Reason.UNDER_WAY

    @pytest.mark.parametrize(
        ("found", "reason"),
        [
            (details(1, lost=True), Reason.LOST),
            (details(1, lost=True, **days_ago(60)), Reason.LOST),
            (details(1, type=CommunicationType.OFFLINE_MESSAGE), Reason.NOT_A_SOURCE),
            (details(1, type=CommunicationType.OFFLINE_MESSAGE, **days_ago(60)), Reason.NOT_A_SOURCE),
            (details(1, started_at=SINCE - timedelta(seconds=1)), Reason.TOO_OLD),
            (details(1, started_at=SINCE), Reason.EARLIEST),
        ],
    )
    def test_what_does_not_count_says_why(self, found: CommunicationDetails, reason: Reason) -> None:
        assert reasons(PAID, [found]) == {1: reason}

    def test_without_a_sum_nothing_bears_a_sale(self) -> None:
        assert reasons(UNPAID, [details(1), details(2)]) == {1: Reason.NO_SUM, 2: Reason.NO_SUM}

    def test_a_candidate_has_its_site_when_it_is_known(self) -> None:
        found = [details(1, site_id=1), details(2, site_id=2), details(3)]

        assert [each.site for each in explained(PAID, found)] == [SITE, None, None]


@st.composite
def communications(draw: st.DrawFn) -> list[CommunicationDetails]:
    return [
        details(
            number,
            lost=draw(st.booleans()),
            type=draw(st.sampled_from(CommunicationType)),
            tagged=draw(st.booleans()),
            sale_kopecks=draw(st.none() | st.integers(1, 100_000)),
            **days_ago(draw(st.sampled_from([0.5, 1, 1, 29, 30, 31, 90]))),
        )
        for number in range(draw(st.integers(0, 6)))
    ]


@given(communications(), st.sampled_from([PAID, UNPAID, phone(amount_kopecks=70_000, sale=recorded_sale(2))]))
def test_at_most_one_is_chosen_each_has_a_reason_and_the_sequence_stays(
    found: list[CommunicationDetails], record: PhoneRecord
) -> None:
    candidates = explained(record, found)

    assert [each.details for each in candidates] == found
    assert sum(each.chosen for each in candidates) <= 1
    assert all(each.chosen == (each.reason in CHOSEN) for each in candidates)
    if record.amount_kopecks == 0:
        assert all(each.details.communication.bears_sale for each in candidates if each.chosen), "nothing is set"


class TestVerdicts:
    def test_a_phone_that_is_not_in_the_database(self) -> None:
        assert verdict_of(None, [], [], None) is Verdict.UNKNOWN_PHONE

    def test_a_phone_of_which_comagic_was_not_asked(self) -> None:
        assert verdict_of(PAID, [], [], None) is Verdict.NOT_ASKED

    def test_a_sale_that_stands(self) -> None:
        assert verdict(PAID, [sold(1, 70_000)]) is Verdict.MARKED

    def test_a_sale_that_the_next_run_sets(self) -> None:
        assert verdict(PAID, [details(1)]) is Verdict.MARK_IS_DUE

    def test_a_sale_that_the_next_run_replaces(self) -> None:
        assert verdict(PAID, [sold(1, 69_999)]) is Verdict.CHANGE_IS_DUE

    def test_a_sale_that_the_next_run_takes_off(self) -> None:
        refunded = phone(amount_kopecks=0, paid_at=None, sale=recorded_sale(1, amount_kopecks=70_000))

        assert verdict(refunded, [sold(1, 70_000)]) is Verdict.REMOVAL_IS_DUE

    def test_a_change_whose_outcome_comagic_does_not_show(self) -> None:
        assert verdict_of(PAID, [], [], Decision(result=Result.FAILED)) is Verdict.NOT_SHOWN

    def test_money_that_went_back_is_not_the_same_as_no_money(self) -> None:
        returned = order("1", payments=(payment(500), payment(0, out_kopecks=500)))
        never = order("2", payments=())

        assert verdict(UNPAID, [details(1)], [never, returned]) is Verdict.MONEY_RETURNED
        assert verdict(UNPAID, [details(1)], [never]) is Verdict.NOTHING_PAID
        assert verdict(UNPAID, [], []) is Verdict.NOTHING_PAID

    @pytest.mark.parametrize(
        ("found", "expected"),
        [
            ([], Verdict.NO_CONTACT),
            ([details(1, lost=True)], Verdict.ONLY_LOST),
            ([details(1, lost=True), details(2, **days_ago(31))], Verdict.ONLY_TOO_OLD),
            (
                [details(1, lost=True), details(2, **days_ago(31)), details(3, type=CommunicationType.OFFLINE_MESSAGE)],
                Verdict.ONLY_OTHER_SOURCES,
            ),
        ],
    )
    def test_of_several_obstacles_the_one_is_named_that_an_admin_can_remove(
        self, found: list[CommunicationDetails], expected: Verdict
    ) -> None:
        assert verdict(PAID, found) is expected

    @given(communications())
    def test_there_is_always_one(self, found: list[CommunicationDetails]) -> None:
        assert verdict(PAID, found) in Verdict

"""The rule, case by case, and what holds for any case."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from crm_bridge.domain.absence import Sight, decide_on_snapshot, sight_of_reassigned
from crm_bridge.domain.communication import Communication, CommunicationType
from crm_bridge.domain.decision import CHANGES, Decision, Result, decide, without_trace
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.domain.sale import Intent, RecordedSale
from tests.support.factories import NOON

CALL = CommunicationType.CALL
PHONE = "79261234567"


def phone(kopecks: int, *, paid_at: datetime | None = NOON, **kwargs: object) -> PhoneRecord:
    base = PhoneRecord(
        phone=PHONE, amount_kopecks=kopecks, paid_at=paid_at if kopecks else None, comment="Химчистка", order_count=1
    )
    return replace(base, **kwargs)


def call(
    id_: int,
    *,
    hours_ago: float = 24,
    tagged: bool = False,
    kopecks: int | None = None,
    type_: CommunicationType = CALL,
) -> Communication:
    return Communication(
        type=type_,
        id=id_,
        started_at=NOON - timedelta(hours=hours_ago),
        phone=PHONE,
        tagged=tagged,
        sale_kopecks=kopecks,
    )


def sold(id_: int, kopecks: int) -> Communication:
    return call(id_, tagged=True, kopecks=kopecks)


def recorded(id_: int, kopecks: int, *, ours: bool = True, hours_ago: float = 24) -> RecordedSale:
    return RecordedSale(
        type=CALL,
        id=id_,
        started_at=NOON - timedelta(hours=hours_ago),
        amount_kopecks=kopecks,
        sold_at=NOON,
        comment="",
        sale_id=None,
        ours=ours,
        recorded_at=NOON - timedelta(days=1),
    )


def intent(id_: int, kopecks: int, *, previous: int | None = None) -> Intent:
    return Intent(
        type=CALL,
        id=id_,
        started_at=NOON - timedelta(hours=24),
        amount_kopecks=kopecks,
        previous_kopecks=previous,
        replaces=previous is not None,
        sold_at=NOON,
        comment="Химчистка",
        run_id="r",
        written_at=NOON - timedelta(hours=1),
    )


def bearer_id(decision: Decision) -> int | None:
    return decision.target.id if decision.target else None


class TestWithoutMemory:
    def test_the_earliest_communication_bears_the_sale(self) -> None:
        decision = decide(phone(500), [call(2, hours_ago=1), call(1, hours_ago=5)], now=NOON)

        assert (decision.result, bearer_id(decision), decision.unset) == (Result.APPLIED, 1, False)

    def test_of_communications_of_one_second_the_lower_id_bears_it(self) -> None:
        assert bearer_id(decide(phone(500), [call(9), call(3), call(5)], now=NOON)) == 3

    def test_the_earliest_counts_over_all_kinds(self) -> None:
        chat = call(7, hours_ago=30, type_=CommunicationType.CHAT)

        decision = decide(phone(500), [call(1), chat], now=NOON)

        assert decision.target is not None
        assert decision.target.key == chat.key

    def test_without_a_communication_it_is_not_found(self) -> None:
        assert decide(phone(500), [], now=NOON).result is Result.NOT_FOUND

    def test_without_money_nothing_is_done(self) -> None:
        assert decide(phone(0), [call(1)], now=NOON).result is Result.NOTHING_PAID
        assert decide(phone(0), [], now=NOON).result is Result.NOTHING_PAID


class TestTheMomentOfTheSale:
    def test_it_is_the_last_payment(self) -> None:
        assert decide(phone(500), [call(1)], now=NOON).sold_at == NOON

    def test_a_payment_before_the_communication_is_told_with_the_communications_time(self) -> None:
        earlier = phone(500, paid_at=NOON - timedelta(days=9))

        assert decide(earlier, [call(1)], now=NOON).sold_at == NOON - timedelta(hours=24)

    def test_a_payment_that_the_crm_dates_ahead_of_our_clock_is_told_as_now(self) -> None:
        ahead = phone(500, paid_at=NOON + timedelta(minutes=3))

        assert decide(ahead, [call(1)], now=NOON).sold_at == NOON


class TestASaleThatSomebodyElseSet:
    def test_of_the_same_sum_it_is_left_and_remembered(self) -> None:
        decision = decide(phone(500), [call(1, hours_ago=30), sold(2, 500)], now=NOON)

        assert (decision.result, bearer_id(decision)) == (Result.PROBLEM, 2)
        assert decision.sale is not None
        assert (decision.sale.id, decision.sale.ours) == (2, False)

    def test_of_another_sum_it_is_replaced_where_it_stands(self) -> None:
        decision = decide(phone(500), [call(1, hours_ago=30), sold(2, 400)], now=NOON)

        assert (decision.result, bearer_id(decision), decision.unset) == (Result.UPDATED, 2, True)
        assert decision.previous_kopecks == 400

    def test_a_sum_one_kopeck_off_is_another_sum(self) -> None:
        assert decide(phone(50001), [sold(1, 50000)], now=NOON).result is Result.UPDATED

    def test_a_sum_without_its_tag_shown_is_a_sale_too(self) -> None:
        assert decide(phone(500), [call(1, kopecks=500)], now=NOON).result is Result.PROBLEM

    def test_a_tag_without_its_sum_shown_is_replaced(self) -> None:
        decision = decide(phone(500), [call(1, tagged=True)], now=NOON)

        assert (decision.result, decision.previous_kopecks) == (Result.UPDATED, None)

    def test_with_several_the_earliest_bears_it_and_the_others_are_named(self) -> None:
        first, second = call(5, hours_ago=30, tagged=True, kopecks=1), sold(2, 500)

        decision = decide(phone(500), [second, first], now=NOON)

        assert (bearer_id(decision), decision.other_sales) == (5, (second.key,))

    def test_is_left_alone_when_our_sum_is_nothing(self) -> None:
        assert decide(phone(0), [sold(1, 500)], now=NOON).result is Result.NOTHING_PAID

    def test_of_exactly_our_sum_it_is_adopted_and_follows_the_crm_down_to_its_removal(self) -> None:
        decision = decide(phone(0, sale=recorded(1, 500, ours=False)), [sold(1, 500)], now=NOON)

        assert (decision.result, bearer_id(decision), decision.unset) == (Result.REMOVED, 1, True)

    def test_that_was_adopted_and_changed_since_is_left_alone(self) -> None:
        decision = decide(phone(0, sale=recorded(1, 500, ours=False)), [sold(1, 900)], now=NOON)

        assert (decision.result, decision.sale) == (Result.NOTHING_PAID, None)


class TestASaleOfOurs:
    def test_stays_where_it_stands_when_an_earlier_communication_turns_up(self) -> None:
        mine = phone(500, sale=recorded(2, 500))

        assert bearer_id(decide(mine, [call(1, hours_ago=90), sold(2, 500)], now=NOON)) == 2

    def test_is_not_told_again_when_its_communication_has_left_the_window(self) -> None:
        mine = phone(500, sale=recorded(1, 500, hours_ago=24 * 60))

        assert decide(mine, [call(2)], now=NOON).result is Result.PROBLEM

    def test_is_updated_by_its_id_when_its_communication_has_left_the_window(self) -> None:
        decision = decide(phone(700, sale=recorded(1, 500)), [call(2)], now=NOON)

        assert (decision.result, bearer_id(decision), decision.unset) == (Result.UPDATED, 1, True)

    def test_is_taken_off_when_all_money_went_back(self) -> None:
        decision = decide(phone(0, sale=recorded(1, 500)), [sold(1, 500)], now=NOON)

        assert (decision.result, bearer_id(decision), decision.previous_kopecks) == (Result.REMOVED, 1, 500)

    def test_that_vanished_is_restored_and_told(self) -> None:
        decision = decide(phone(500, sale=recorded(1, 500)), [call(1)], now=NOON)

        assert (decision.result, bearer_id(decision), decision.drifted) == (Result.APPLIED, 1, True)

    def test_that_was_changed_by_hand_is_restored_and_told(self) -> None:
        decision = decide(phone(500, sale=recorded(1, 500)), [sold(1, 900)], now=NOON)

        assert (decision.result, decision.previous_kopecks, decision.drifted) == (Result.UPDATED, 900, True)

    def test_that_was_moved_by_hand_is_followed(self) -> None:
        decision = decide(phone(500, sale=recorded(1, 500)), [call(1), sold(2, 500)], now=NOON)

        assert (decision.result, bearer_id(decision), decision.drifted) == (Result.PROBLEM, 2, True)

    def test_that_vanished_when_nothing_is_paid_any_more_is_forgotten(self) -> None:
        decision = decide(phone(0, sale=recorded(1, 500)), [call(1)], now=NOON)

        assert (decision.result, decision.sale) == (Result.NOTHING_PAID, None)

    def test_whose_sum_is_not_shown_is_believed(self) -> None:
        assert decide(phone(500, sale=recorded(1, 500)), [call(1, tagged=True)], now=NOON).result is Result.PROBLEM


class TestASaleTakenOff:
    def test_may_leave_its_sum_visible_and_is_set_anew_all_the_same(self) -> None:
        """In some accounts `unset` clears the tag and leaves `sale_cost`."""
        trace = RecordedSale.removed(sold(1, 500), NOON)

        decision = decide(phone(500, sale=trace), [call(1, kopecks=500)], now=NOON)

        assert (decision.result, decision.unset) == (Result.APPLIED, False)

    def test_is_not_ours_when_somebody_sets_another_there(self) -> None:
        trace = RecordedSale.removed(sold(1, 500), NOON)

        assert decide(phone(0, sale=trace), [sold(1, 500)], now=NOON).result is Result.NOTHING_PAID

    def test_is_forgotten_once_its_sum_is_not_visible_either(self) -> None:
        mine = phone(500, sale=RecordedSale.removed(sold(1, 500), NOON))

        assert without_trace(mine, [call(1)]).sale is None
        assert without_trace(mine, [call(1, kopecks=500)]) == mine
        assert without_trace(mine, [call(2)]) == mine
        assert without_trace(phone(500, sale=recorded(1, 500)), [call(1)]).sale is not None


class TestAChangeThatWasCut:
    def test_before_its_call_is_made_where_it_was_meant(self) -> None:
        cut = phone(500, intent=intent(2, 500))

        decision = decide(cut, [call(1, hours_ago=90), call(2)], now=NOON)

        assert (decision.result, bearer_id(decision), decision.repaired) == (Result.APPLIED, 2, True)

    def test_after_its_call_is_found_done(self) -> None:
        decision = decide(phone(500, intent=intent(1, 500)), [sold(1, 500)], now=NOON)

        assert decision.result is Result.PROBLEM
        assert decision.sale is not None
        assert (decision.sale.ours, decision.sale.sold_at) == (True, NOON)

    def test_between_unset_and_set_is_completed(self) -> None:
        cut = phone(500, sale=recorded(1, 300), intent=intent(1, 500, previous=300))

        decision = decide(cut, [call(1)], now=NOON)

        assert (decision.result, decision.unset, decision.previous_kopecks) == (Result.UPDATED, False, 300)

    def test_with_the_old_sum_visible_and_no_tag_is_begun_anew(self) -> None:
        """Either only the tag was taken off, or this account hides tags: to unset once more is right in both."""
        cut = phone(500, sale=recorded(1, 300), intent=intent(1, 500, previous=300))

        decision = decide(cut, [call(1, kopecks=300)], now=NOON)

        assert (decision.result, decision.unset) == (Result.UPDATED, True)

    def test_after_its_call_is_found_done_where_tags_are_hidden(self) -> None:
        assert decide(phone(500, intent=intent(1, 500)), [call(1, kopecks=500)], now=NOON).result is Result.PROBLEM

    def test_before_the_unset_is_begun_anew(self) -> None:
        cut = phone(500, sale=recorded(1, 300), intent=intent(1, 500, previous=300))

        assert decide(cut, [sold(1, 300)], now=NOON).unset

    def test_while_taking_a_sale_off_is_found_done(self) -> None:
        cut = phone(0, sale=recorded(1, 300), intent=intent(1, 0, previous=300))

        decision = decide(cut, [call(1)], now=NOON)

        assert decision.result is Result.NOTHING_PAID
        assert decision.sale is not None
        assert decision.sale.amount_kopecks == 0

    def test_while_taking_a_sale_off_is_completed(self) -> None:
        cut = phone(0, sale=recorded(1, 300), intent=intent(1, 0, previous=300))

        assert decide(cut, [sold(1, 300)], now=NOON).result is Result.REMOVED

    def test_whose_money_went_back_meanwhile_is_taken_off(self) -> None:
        assert decide(phone(0, intent=intent(1, 500)), [sold(1, 500)], now=NOON).result is Result.REMOVED

    def test_that_never_touched_somebody_elses_sale_leaves_it_alone_without_money(self) -> None:
        cut = phone(0, intent=intent(1, 500, previous=300))

        assert decide(cut, [sold(1, 300)], now=NOON).result is Result.NOTHING_PAID

    def test_on_a_communication_that_is_not_shown_is_made_again_from_the_start(self) -> None:
        decision = decide(phone(500, intent=intent(1, 500)), [call(2)], now=NOON)

        assert (decision.result, bearer_id(decision), decision.unset) == (Result.UPDATED, 1, True)

    def test_on_a_communication_that_is_not_shown_is_made_again_although_the_old_sum_is_wanted_again(self) -> None:
        """The old sale may have been taken off: the record of it is no proof that it stands."""
        cut = phone(300, sale=recorded(1, 300), intent=intent(1, 500, previous=300))

        decision = decide(cut, [call(2)], now=NOON)

        assert (decision.result, bearer_id(decision), decision.unset) == (Result.UPDATED, 1, True)


class TestASumThatStandsTwice:
    """`balanced` is false then: each communication that bears the sum counts in CoMagic's figures."""

    def test_on_two_communications_is_noticed(self) -> None:
        assert decide(phone(500, sale=recorded(1, 500)), [sold(1, 500), sold(2, 500)], now=NOON).doubled
        assert not decide(phone(500, sale=recorded(1, 500)), [sold(1, 500), sold(2, 300)], now=NOON).doubled

    def test_once_the_change_is_made_is_noticed(self) -> None:
        assert decide(phone(500, sale=recorded(1, 300)), [sold(1, 300), sold(2, 500)], now=NOON).doubled

    def test_on_a_communication_that_is_not_shown_is_noticed(self) -> None:
        assert decide(phone(500, sale=recorded(1, 500)), [sold(2, 500)], now=NOON).doubled


class TestAbsenceIsNotDeletion:
    """A communication that CoMagic does not show counts as standing where our sale is recorded."""

    MINE = phone(500, sale=recorded(1, 500))
    OTHERS = (call(2),)
    TODAY = NOON.date()

    def decided(self, mine: PhoneRecord, sight: Sight, *, days_later: int = 0) -> tuple[PhoneRecord, Decision]:
        today = self.TODAY + timedelta(days=days_later)
        return decide_on_snapshot(mine, self.OTHERS, sight=sight, today=today, now=NOON)

    def test_an_equal_sum_stays_where_it_is_and_the_row_says_that_it_is_not_shown(self) -> None:
        _, decision = self.decided(self.MINE, Sight.ABSENT)

        assert (decision.result, bearer_id(decision), decision.not_shown) == (Result.PROBLEM, 1, True)

    def test_another_sum_is_replaced_by_the_id(self) -> None:
        _, decision = self.decided(replace(self.MINE, amount_kopecks=700), Sight.ABSENT)

        assert (decision.result, bearer_id(decision), decision.unset) == (Result.UPDATED, 1, True)

    def test_absence_counts_once_a_day_and_on_the_third_day_the_sale_moves(self) -> None:
        known, _ = self.decided(self.MINE, Sight.ABSENT)
        known, again = self.decided(known, Sight.ABSENT)
        known, second = self.decided(known, Sight.ABSENT, days_later=1)
        _, third = self.decided(known, Sight.ABSENT, days_later=4)

        assert [each.moves for each in (again, second, third)] == [False, False, True]
        assert (bearer_id(third), third.unset, third.points) == (1, True, 1)

    def test_a_run_that_may_not_count_absence_leaves_the_days_as_they_are(self) -> None:
        known, decision = self.decided(self.MINE, Sight.NOT_SHOWN)

        assert known == self.MINE
        assert decision.not_shown

    def test_once_shown_again_the_days_of_absence_are_forgotten(self) -> None:
        known, _ = self.decided(self.MINE, Sight.ABSENT)

        shown, _ = decide_on_snapshot(known, [sold(1, 500)], sight=Sight.SHOWN, today=self.TODAY, now=NOON)

        assert shown == self.MINE

    def test_a_communication_that_became_somebody_elses_loses_the_sale(self) -> None:
        _, decision = self.decided(self.MINE, Sight.REASSIGNED)

        assert (decision.moves, decision.unset, bearer_id(decision)) == (True, True, 1)

    def test_a_sale_that_has_left_its_communication_already_is_chosen_again_without_a_request_there(self) -> None:
        left, decision = self.decided(self.MINE, Sight.LEFT)

        assert (left.sale, decision.result, bearer_id(decision), decision.unset) == (None, Result.APPLIED, 2, False)


class TestACommunicationThatBecameAnothers:
    """Only what is or may be the old phone's sale is taken off."""

    MINE = phone(500, sale=recorded(1, 500))

    def sight(
        self, shown: Communication, mine: PhoneRecord = MINE, theirs: PhoneRecord | None = None, *, fresh: bool = False
    ) -> Sight:
        return sight_of_reassigned(mine, shown, theirs, is_settled=not fresh)

    @pytest.mark.parametrize(
        ("shown", "fresh", "sight"),
        [
            (sold(1, 500), False, Sight.REASSIGNED),
            (call(1, tagged=True), False, Sight.REASSIGNED),  # its sum is not shown
            (sold(1, 900), False, Sight.LEFT),
            (call(1), False, Sight.LEFT),
            (sold(1, 900), True, Sight.REASSIGNED),  # the reports may lag behind
            (call(1), True, Sight.REASSIGNED),
        ],
    )
    def test_what_stands_there_decides(self, shown: Communication, fresh: bool, sight: Sight) -> None:
        assert self.sight(shown, fresh=fresh) is sight

    @pytest.mark.parametrize(
        ("kopecks", "sight"), [(500, Sight.REASSIGNED), (700, Sight.REASSIGNED), (900, Sight.LEFT)]
    )
    def test_a_change_under_way_may_have_happened_or_not(self, kopecks: int, sight: Sight) -> None:
        changing = replace(self.MINE, amount_kopecks=700, intent=intent(1, 700, previous=500))

        assert self.sight(sold(1, kopecks), changing) is sight

    @pytest.mark.parametrize(
        ("kopecks", "theirs", "sight"),
        [
            (500, recorded(1, 500), Sight.LEFT),  # of two equal sums the later one stands
            (900, recorded(1, 900), Sight.LEFT),
            (None, recorded(1, 900), Sight.LEFT),
            (500, recorded(1, 900), Sight.REASSIGNED),  # their change did not come through
            (500, recorded(2, 500), Sight.REASSIGNED),  # of another communication
        ],
    )
    def test_a_later_sale_of_the_phone_that_has_it_now_stays(
        self, kopecks: int | None, theirs: RecordedSale, sight: Sight
    ) -> None:
        owner = phone(900, sale=replace(theirs, recorded_at=NOON))

        assert self.sight(call(1, tagged=True, kopecks=kopecks), theirs=owner) is sight

    def test_an_earlier_sale_of_the_phone_that_has_it_now_does_not_count(self) -> None:
        owner = phone(500, sale=replace(recorded(1, 500), recorded_at=NOON - timedelta(days=9)))

        assert self.sight(sold(1, 500), theirs=owner) is Sight.REASSIGNED


sums = st.integers(min_value=1, max_value=10**9)


@st.composite
def cases(draw: st.DrawFn) -> tuple[PhoneRecord, list[Communication]]:
    amount = draw(st.one_of(st.just(0), sums))
    ids = draw(st.lists(st.integers(1, 6), unique=True))
    seen = [
        call(
            id_,
            hours_ago=draw(st.sampled_from([1, 24, 24, 50])),
            tagged=draw(st.booleans()),
            kopecks=draw(st.one_of(st.none(), st.just(amount or 1), sums)),
        )
        for id_ in ids
    ]
    sale = draw(
        st.one_of(st.none(), st.builds(recorded, st.integers(1, 6), st.one_of(st.just(0), sums), ours=st.booleans()))
    )
    begun = draw(st.one_of(st.none(), st.builds(intent, st.integers(1, 6), sums, previous=st.one_of(st.none(), sums))))
    return phone(amount, sale=sale, intent=begun), seen


@given(case=cases())
def test_a_decision_carried_out_is_never_decided_again(case: tuple[PhoneRecord, list[Communication]]) -> None:
    """Idempotency: what a change leaves behind is right as it is, and nothing but the target has been touched."""
    before, seen = case
    decision = decide(before, seen, now=NOON)
    if decision.result in CHANGES:
        target = decision.target
        assert target is not None
        amount = before.amount_kopecks
        seen = [
            replace(each, tagged=amount > 0, sale_kopecks=amount or None) if each.key == target.key else each
            for each in seen
        ]
        stands = replace(recorded(target.id, amount), started_at=target.started_at)
        after = replace(before, sale=stands if amount else RecordedSale.removed(target, NOON), intent=None)
    else:
        after = replace(before, sale=decision.sale, intent=None)

    again = decide(after, seen, now=NOON)

    expected = {
        Result.APPLIED: Result.PROBLEM,
        Result.UPDATED: Result.PROBLEM,
        Result.REMOVED: Result.NOTHING_PAID,
    }
    assert again.result is expected.get(decision.result, decision.result)
    assert replace(after, sale=again.sale) == after
    if decision.result in CHANGES and before.amount_kopecks:
        assert bearer_id(again) == bearer_id(decision)


@given(case=cases(), order=st.randoms())
def test_the_sequence_of_communications_does_not_matter(
    case: tuple[PhoneRecord, list[Communication]], order: Random
) -> None:
    before, seen = case
    shuffled = list(seen)
    order.shuffle(shuffled)

    assert decide(before, shuffled, now=NOON) == decide(before, seen, now=NOON)


@pytest.mark.parametrize("hours", [0, 1, 1000])
@given(case=cases())
def test_a_sale_is_never_dated_before_its_communication_or_in_the_future(
    hours: int, case: tuple[PhoneRecord, list[Communication]]
) -> None:
    before, seen = case
    paid = replace(before, paid_at=NOON - timedelta(hours=hours))

    decision = decide(paid, seen, now=NOON)

    if decision.sold_at is not None and decision.target is not None:
        assert decision.target.started_at <= decision.sold_at <= NOON

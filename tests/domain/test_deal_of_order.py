"""The deal of an order: its stage, its times and its revenue, whatever happens to the order."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from crm_bridge.domain.aggregate import Order, Payment
from crm_bridge.domain.communication import CommunicationKey, CommunicationType
from crm_bridge.domain.deal import (
    RETRY_REFUSED,
    Base,
    Deal,
    DealRefusal,
    DealStage,
    revenue_of,
    shortened,
)
from crm_bridge.domain.deal_of_order import (
    contact_phones,
    deal_of,
    goes_back_to_work,
    reached_stage,
    sent,
    with_deal,
)
from crm_bridge.domain.money import to_roubles
from tests.sandbox.clock import ManualClock
from tests.sandbox.comagic.deal_switches import DealSwitches
from tests.sandbox.comagic.deals import Deals
from tests.sandbox.comagic.store import Store
from tests.sandbox.local_time import LocalTime
from tests.support.factories import ANNA, MOSCOW, NOON, client, order, payment

HOUR = timedelta(hours=1)
ACCEPTED, PAID, ISSUED, CANCELLED = DealStage


def deal(given: Order, base: Base | None = None, **changes: Any) -> Deal:
    plain: dict[str, Any] = {"phones": (ANNA,), "communication": None, "zone": MOSCOW, "now": NOON + HOUR}
    return deal_of(given, base, **plain | changes)


def an_order(*payments: Payment, **fields: Any) -> Order:
    plain: dict[str, Any] = {"payments": payments, "number": "02361-3", "status": 1, "price_kopecks": 450_050}
    return order("1062062", **plain | fields)


class TestStages:
    @pytest.mark.parametrize(
        ("stage", "given"),
        [
            (ACCEPTED, an_order()),
            (ACCEPTED, an_order(status=4)),
            (ACCEPTED, an_order(status=None)),
            (ACCEPTED, an_order(status=5)),  # issued on credit
            (PAID, an_order(payment(1))),
            (PAID, an_order(payment(450_049), status=5)),
            (PAID, an_order(payment(), status=7)),  # cancelled, and the money was kept
            (PAID, an_order(payment(100), payment(0, out_kopecks=300))),  # more went back than came
            (ISSUED, an_order(payment(), status=5)),
            (ISSUED, an_order(payment(), status=6)),
            (ISSUED, an_order(status=5, price_kopecks=0)),  # cleaned again for nothing
            (ISSUED, an_order(payment(), status=5, price_kopecks=None)),
            (CANCELLED, an_order(status=7)),
            (CANCELLED, an_order(payment(), payment(0, out_kopecks=450_050), status=5)),
            (CANCELLED, an_order(payment(), payment(-450_050))),
        ],
    )
    def test_the_stage_follows_the_status_and_the_money(self, stage: DealStage, given: Order) -> None:
        assert reached_stage(given) is stage

    @pytest.mark.parametrize(
        ("last", "given", "stage"),
        [
            (PAID, an_order(), PAID),  # a refund that the CRM shows as a payment less
            (ISSUED, an_order(payment(), status=3), ISSUED),  # cleaned again
            (ISSUED, an_order(payment(), payment(0, out_kopecks=450_050)), CANCELLED),
            (PAID, an_order(payment(), status=5), ISSUED),
            (CANCELLED, an_order(payment()), PAID),
            (CANCELLED, an_order(payment(), status=5), ISSUED),
        ],
    )
    def test_a_stage_that_was_sent_never_goes_back(self, last: DealStage, given: Order, stage: DealStage) -> None:
        base = replace(deal(an_order(payment(paid_at=NOON - HOUR))), stage=last)

        assert deal(given, base).stage is stage

    def test_only_the_way_from_failed_into_work_goes_back(self) -> None:
        failed = deal(an_order(status=7))

        assert goes_back_to_work(deal(an_order(payment()), failed), failed)
        assert not goes_back_to_work(deal(an_order(payment(), status=5), failed), failed)
        assert not goes_back_to_work(failed, failed)


class TestTimes:
    def test_a_bare_date_counts_from_the_first_thing_known_of_that_day(self) -> None:
        """CoMagic looks back from it: midnight would leave out the call of that morning."""
        midnight = datetime(2026, 6, 14, 21, tzinfo=NOON.tzinfo)
        by_day = an_order(ordered_at=midnight, is_dated_by_day=True, first_changed_at=NOON - HOUR)
        paid_first = replace(by_day, payments=(payment(paid_at=NOON - 2 * HOUR),))
        changed_later = replace(by_day, first_changed_at=NOON + timedelta(days=2))

        assert deal(by_day).created_at == NOON - HOUR
        assert deal(paid_first).created_at == NOON - 2 * HOUR
        end = datetime(2026, 6, 15, 20, 59, 59, tzinfo=NOON.tzinfo)
        assert deal(changed_later, now=NOON + timedelta(days=3)).created_at == end
        assert deal(changed_later).created_at == NOON + HOUR, "never in the future"

    def test_no_deal_is_later_than_its_first_payment(self) -> None:
        assert deal(an_order(payment(paid_at=NOON - timedelta(days=9)))).created_at == NOON - timedelta(days=9)

    def test_each_stage_has_its_own_time(self) -> None:
        paid = (payment(100, paid_at=NOON - 3 * HOUR), payment(449_950, paid_at=NOON - 2 * HOUR))
        issued_at = NOON - HOUR

        assert deal(an_order()).stage_at == NOON - timedelta(days=3)
        assert deal(an_order(*paid)).stage_at == NOON - 2 * HOUR
        assert deal(an_order(*paid, status=5, issued_at=issued_at)).stage_at == issued_at
        assert deal(an_order(*paid, status=5, changed_at=NOON)).stage_at == NOON
        back = payment(0, out_kopecks=450_050, paid_at=NOON)
        assert deal(an_order(*paid, back, changed_at=NOON - HOUR)).stage_at == NOON

    def test_a_stage_keeps_the_time_of_its_first_record(self) -> None:
        first = deal(an_order(payment(100, paid_at=NOON - 3 * HOUR)))
        second = deal(an_order(payment(100, paid_at=NOON - 3 * HOUR), payment(200, paid_at=NOON - HOUR)), first)

        assert second.stage_at == first.stage_at == NOON - 3 * HOUR
        assert second.revenue_kopecks == 300
        assert second.modified_at > first.modified_at

    def test_what_may_have_been_sent_counts_like_what_was(self) -> None:
        lost = sent("1", deal(an_order(payment(100, paid_at=NOON - HOUR))))
        refunded = an_order(payment(50, paid_at=NOON - 2 * HOUR))

        assert deal(refunded, lost).stage_at == NOON - HOUR

    def test_times_from_the_future_are_those_of_now_to_the_minute(self) -> None:
        ahead = an_order(payment(paid_at=NOON + timedelta(days=1)), ordered_at=NOON + timedelta(days=1))

        found = deal(ahead, now=NOON + timedelta(seconds=59))

        assert (found.created_at, found.stage_at) == (NOON, NOON)


def test_a_deal_says_what_the_reports_show_and_no_name() -> None:
    call = CommunicationKey(CommunicationType.CALL, 7)

    found = deal(an_order(payment(), services=("Химчистка", "Стирка", "Химчистка")), communication=call)

    assert (found.number, found.comment, found.revenue_kopecks) == ("02361-3", "Химчистка, Стирка", 450_050)
    assert (found.client_id, found.phones) == ("c1", (ANNA,))
    assert (found.communication_type, found.communication_id) == call


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "c2"},
        {"services": ("Стирка",)},
        {"payments": (payment(1),)},
        {"number": "1"},
    ],
)
def test_only_what_differs_is_sent(changes: dict[str, Any]) -> None:
    accepted = deal(an_order(payment()))
    touched = an_order(payment(), changed_at=NOON + HOUR)

    assert deal(touched, accepted).says_the_same(accepted)
    assert not deal(replace(touched, **changes), accepted).says_the_same(accepted)
    assert not deal(touched, accepted, phones=("79990000000",)).says_the_same(accepted)
    assert not accepted.says_the_same(None)


def test_all_phones_of_a_client_are_its_contact() -> None:
    assert contact_phones(client("c1")) == (ANNA,)
    assert contact_phones(client("c1", other_phones=("79990000000",))) == (ANNA, "79990000000")
    assert contact_phones(client("c1", phone=None)) == contact_phones(None) == ()


@pytest.mark.parametrize(
    ("limit", "text"), [(17, "Химчистка, Стирка"), (16, "Химчистка"), (9, "Химчистка"), (3, "Хим")]
)
def test_a_comment_is_shortened_at_the_end_of_a_name(limit: int, text: str) -> None:
    assert shortened("Химчистка, Стирка", limit) == text


class TestDue:
    def due(self, given: Order, stored: Order | None, *, deals_on: bool = True, now: datetime = NOON) -> bool:
        return with_deal(given, stored, deals_on=deals_on, now=now).deal_due is not None

    def test_a_new_order_is_due_while_deals_are_on(self) -> None:
        assert self.due(an_order(), None)
        assert not self.due(an_order(), None, deals_on=False)

    def test_an_order_of_before_the_switch_is_due_when_it_is_read_again(self) -> None:
        stored = with_deal(an_order(), None, deals_on=False, now=NOON)

        assert self.due(an_order(), stored)

    def test_an_order_without_its_number_is_no_deal_until_it_is_read_again(self) -> None:
        old = order("1062062")

        assert not self.due(old, old)
        assert self.due(an_order(), old)

    def test_an_accepted_deal_is_due_when_its_order_changes(self) -> None:
        stored = replace(an_order(payment()), first_changed_at=NOON, deal=deal(an_order(payment())))
        touched = an_order(payment(), changed_at=NOON + HOUR)

        assert not self.due(an_order(payment()), stored)
        assert not self.due(touched, stored)
        assert self.due(an_order(payment(1)), stored)
        assert self.due(replace(touched, phone="79990000000"), stored)
        assert self.due(an_order(payment(1)), stored, deals_on=False), "the switch may be turned on again"

    def test_what_is_stored_of_a_deal_survives_a_new_version(self) -> None:
        accepted, refusal = deal(an_order()), DealRefusal(reason="x", at=NOON)
        stored = replace(an_order(), deal=accepted, deal_due=NOON, deal_refusal=refusal)

        found = with_deal(an_order(payment(), changed_at=NOON + HOUR), stored, deals_on=True, now=NOON)

        assert (found.deal, found.deal_refusal) == (accepted, refusal)
        assert found.first_changed_at == an_order().changed_at

    def test_a_refused_deal_is_due_again_when_its_order_changes(self) -> None:
        refusal = DealRefusal(reason="x", at=NOON)
        later = NOON + RETRY_REFUSED
        stored = replace(an_order(), first_changed_at=NOON, deal_due=later, deal_refusal=refusal)

        assert with_deal(an_order(), stored, deals_on=True, now=NOON).deal_due == later
        assert with_deal(an_order(payment()), stored, deals_on=True, now=NOON).deal_due == stored.ordered_at

    def test_nothing_is_due_later_than_now(self) -> None:
        ahead = an_order(ordered_at=NOON + HOUR)

        assert with_deal(ahead, None, deals_on=True, now=NOON).deal_due == NOON


def test_a_refused_deal_is_tried_by_the_next_run_then_once_a_day() -> None:
    assert DealRefusal(reason="x", at=NOON).next_try == NOON
    assert DealRefusal(reason="x", at=NOON, times=2).next_try == NOON + RETRY_REFUSED


movements = st.one_of(
    st.tuples(st.just("pays"), st.integers(1, 10**9)),
    st.tuples(st.just("gets back"), st.integers(1, 10**9)),
    st.tuples(st.just("gets all back"), st.just(0)),
    st.tuples(st.just("costs"), st.integers(0, 10**9)),
    st.tuples(st.just("has status"), st.integers(1, 7)),
    st.tuples(st.just("is as before"), st.just(0)),
)


@given(
    st.lists(st.tuples(movements, st.sampled_from(["accepted", "lost on the way", "answer lost"])), max_size=12),
    st.sampled_from([timedelta(), timedelta(seconds=1), timedelta(minutes=7), timedelta(days=2)]),
    st.booleans(),
)
def test_comagic_takes_every_record_of_any_history_and_has_the_net_to_the_kopeck(
    history: list[tuple[tuple[str, int], str]], pause: timedelta, by_day: bool
) -> None:
    """CoMagic is the simulator at its strictest; a record may be lost on its way, or only its answer."""
    clock = ManualClock(NOON)
    comagic = a_strict_comagic(clock)
    ours: Base | None = None
    known = an_order(ordered_at=NOON - timedelta(days=3), is_dated_by_day=by_day, first_changed_at=NOON)
    for (what, amount), outcome in history:
        clock.advance(pause)
        known = replace(known, **after(known, what, amount, clock.now()))
        made = deal(known, ours, now=clock.now())
        ours = sent("1062062", made)
        if outcome == "lost on the way":
            continue
        comagic.call("upload.deals_history", {"deals": [as_sent(made)]})
        if outcome == "accepted":
            ours = made
    clock.advance(pause)
    made = deal(known, ours, now=clock.now())
    comagic.call("upload.deals_history", {"deals": [as_sent(made)]})

    assert comagic.revenue_kopecks() == known.net_kopecks == revenue_of([made])
    times = [record.stage_at for record in comagic.deals["1062062"].records]
    assert times == sorted(times)


def after(given: Order, what: str, amount: int, now: datetime) -> dict[str, Any]:
    """Return what changes of an order."""
    paid = given.payments
    match what:
        case "pays":
            return {"payments": (*paid, payment(amount, paid_at=now)), "changed_at": now}
        case "gets back":
            return {"payments": (*paid, payment(0, out_kopecks=amount, paid_at=now)), "changed_at": now}
        case "gets all back":
            return {"payments": (*paid, payment(0, out_kopecks=given.net_kopecks, paid_at=now)), "changed_at": now}
        case "costs":
            return {"price_kopecks": amount, "changed_at": now}
        case "has status":
            return {"status": amount, "changed_at": now, "issued_at": now if amount == 5 else given.issued_at}
        case _:
            return {}


def a_strict_comagic(clock: ManualClock) -> Deals:
    switches = DealSwitches(same_stage="needs_later_modified")
    comagic = Deals(Store(), clock, LocalTime("Europe/Moscow"), lambda: switches)
    stages = {
        "in_process": [{"ext_id": ACCEPTED, "name": "x", "order": 10}, {"ext_id": PAID, "name": "x", "order": 20}],
        "success": {"ext_id": ISSUED, "name": "x"},
        "failed": {"ext_id": CANCELLED, "name": "x"},
    }
    comagic.call("create.sales_funnel", {"ext_id": "agbis", "name": "x", "stages": stages})
    return comagic


def as_sent(made: Deal) -> dict[str, Any]:
    def local(moment: datetime) -> str:
        return f"{moment.astimezone(MOSCOW):%Y-%m-%d %H:%M:%S}"

    return {
        "ext_id": "1062062",
        "name": made.number,
        "created_date_time": local(made.created_at),
        "modified_stage_date_time": local(made.stage_at),
        "modified_date_time": local(made.modified_at),
        "sales_funnel_ext_id": "agbis",
        "stage_ext_id": str(made.stage),
        "revenue": to_roubles(made.revenue_kopecks),
        **({"closed_date_time": local(made.stage_at)} if made.stage.is_closed else {}),
    }


def test_the_day_of_a_deal_is_the_crms() -> None:
    """Half past eleven in the evening in London is the next day in Moscow."""
    late = an_order(
        ordered_at=datetime(2026, 6, 14, 21, tzinfo=NOON.tzinfo),
        is_dated_by_day=True,
        first_changed_at=datetime(2026, 6, 14, 22, 30, tzinfo=NOON.tzinfo),
    )

    assert deal(late).created_at.astimezone(MOSCOW).date() == date(2026, 6, 15)
    assert deal(late).created_at == late.first_changed_at

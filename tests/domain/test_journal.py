"""The journal: every phone once, every kopeck once, and the shape that users read."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.domain.communication import CommunicationKey, CommunicationType
from crm_bridge.domain.decision import Result
from crm_bridge.domain.falls import FallReason
from crm_bridge.domain.journal import Journal, RefreshReport, Row
from crm_bridge.domain.state import CrmMoney
from tests.support.factories import ANNA, BORIS, MOSCOW, NOON, row

WITHOUT_A_SUM = {Result.REMOVED, Result.NOTHING_PAID}
"""Phones with these results have no money, so `money` has no place for them."""

COUNTERS = {
    "tags_applied": Result.APPLIED,
    "tags_removed_updated": Result.UPDATED,
    "tags_removed": Result.REMOVED,
    "problem": Result.PROBLEM,
    "failed": Result.FAILED,
    "deferred": Result.DEFERRED,
}


def journal(rows: list[Row], **fields: Any) -> Journal:
    plain: dict[str, Any] = {"phones_kopecks": sum(each.amount_kopecks for each in rows)}
    return Journal(run_id="r1", started_at=NOON, zone=MOSCOW, rows=rows, **plain | fields)


def logged(each: Row, *, dry_run: bool = False) -> dict[str, Any]:
    return each.as_json(zone=MOSCOW, dry_run=dry_run)


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    results = draw(st.lists(st.sampled_from(Result), max_size=30))
    return [
        row(f"7926{number:07}", result, 0 if result in WITHOUT_A_SUM else draw(st.integers(1, 10**12)))
        for number, result in enumerate(results)
    ]


class TestMoney:
    @given(rows())
    def test_adds_up_to_the_kopeck_whatever_became_of_the_phones(self, some: list[Row]) -> None:
        money = journal(some).money()

        parts = [Decimal(money[name]) for name in money if name not in ("total", "balanced")]
        assert sum(parts) == Decimal(money["total"]) == Decimal(sum(each.amount_kopecks for each in some)) / 100
        assert money["balanced"] is True

    @given(rows(), st.integers(-(10**6), 10**6).filter(bool))
    def test_is_not_balanced_when_a_kopeck_is_lost_or_counted_twice(self, some: list[Row], error: int) -> None:
        counted = journal(some, phones_kopecks=sum(each.amount_kopecks for each in some) + error)

        assert counted.money()["balanced"] is False
        assert counted.figures()["balanced"] is False

    def test_is_not_balanced_when_a_phone_with_a_sum_has_a_result_without_one(self) -> None:
        assert journal([row(ANNA, Result.NOTHING_PAID, 1)]).money()["balanced"] is False

    def test_is_not_balanced_when_a_sum_stands_twice(self) -> None:
        assert journal([row(ANNA, Result.PROBLEM, 1)]).money()["balanced"] is True
        assert journal([row(ANNA, Result.PROBLEM, 1, doubled=True)]).money()["balanced"] is False

    def test_says_where_each_sum_is(self) -> None:
        results = (
            Result.APPLIED, Result.UPDATED, Result.PROBLEM, Result.NOT_FOUND, Result.FAILED, Result.DEFERRED,
        )  # fmt: skip

        money = journal([row(str(number), result, 10**number) for number, result in enumerate(results)]).money()

        assert list(money.items()) == [
            ("total", "1111.11"),
            ("applied", "0.01"),
            ("updated", "0.10"),
            ("already_set", "1.00"),
            ("not_found", "10.00"),
            ("failed", "100.00"),
            ("deferred", "1000.00"),
            ("balanced", True),
        ]


class TestTheCrmsMoney:
    CRM = CrmMoney(total_kopecks=1250, without_phone_kopecks=300)

    def test_stands_before_what_the_phones_hold(self) -> None:
        money = journal([row(ANNA, Result.APPLIED, 1000)], crm_money=self.CRM, overpaid_kopecks=50).money()

        assert list(money.items())[:4] == [
            ("crm_total", "12.50"),
            ("without_phone", "3.00"),
            ("overpaid_back", "0.50"),
            ("total", "10.00"),
        ]
        assert money["balanced"] is True

    @pytest.mark.parametrize("error", [-1, 1])
    def test_that_differs_by_a_kopeck_is_not_balanced(self, error: int) -> None:
        rows = [row(ANNA, Result.APPLIED, 1000)]

        assert journal(rows, crm_money=self.CRM, overpaid_kopecks=50 + error).money()["balanced"] is False

    def test_may_be_below_zero(self) -> None:
        crm = CrmMoney(total_kopecks=-250, without_phone_kopecks=-200)

        money = journal([], crm_money=crm, overpaid_kopecks=50).money()

        assert (money["crm_total"], money["without_phone"], money["balanced"]) == ("-2.50", "-2.00", True)

    def test_is_left_out_where_the_run_did_not_read_it(self) -> None:
        assert "crm_total" not in journal([]).money()


class TestCounters:
    @given(rows())
    def test_each_counts_its_result_and_together_they_miss_no_row(self, some: list[Row]) -> None:
        found = journal(some)
        results = Counter(each.result for each in some)

        figures, shown = found.figures(), found.as_json()

        for name, result in COUNTERS.items():
            assert figures[name] == shown[name] == results[result], name
        assert figures["not_found"] == results[Result.NOT_FOUND]
        assert figures["phones_analyzed"] == shown["phones_analyzed"] == len(some)
        counted = sum(figures[name] for name in COUNTERS) + figures["not_found"] + results[Result.NOTHING_PAID]
        assert counted == len(some)

    def test_the_figures_of_a_run_say_whether_it_is_complete(self) -> None:
        assert [journal([], complete=each).figures()["complete"] for each in (True, False)] == [True, False]


class TestTheShape:
    def test_the_keys_come_in_their_order(self) -> None:
        plain = [
            "run_id", "started_at", "finished_at", "dry_run", "complete", "phones_analyzed", "communications_found",
            "tags_applied", "tags_removed_updated", "tags_removed", "problem", "not_found", "nothing_paid", "failed",
            "deferred", "money", "why_not_found",
        ]  # fmt: skip
        rest = ["plan", "warnings", "requests", "quota", "log"]
        refresh = RefreshReport(
            orders_read=3, phones_changed=2, orders_without_phone=1, since=NOON - timedelta(days=3), until=NOON
        )

        assert list(journal([]).as_json()) == [*plain, *rest]
        assert list(journal([], refresh=refresh).as_json()) == [*plain, "refresh", *rest]

    def test_a_whole_journal(self) -> None:
        refresh = RefreshReport(
            orders_read=3,
            phones_changed=2,
            orders_without_phone=1,
            orders_unreadable=2,
            since=NOON - timedelta(days=3),
            until=NOON,
        )
        found = journal(
            [row(ANNA, Result.NOT_FOUND, 70_000)],
            finished_at=NOON + timedelta(seconds=9),
            communications_found=5,
            points_needed=2,
            refresh=refresh,
            requests=Counter({"set.tag_sales": 1, "get.calls_report": 2}),
            quota={"day_remaining": 40},
            warnings=["get.chats_report was not read"],
            day_remaining=42,
        )

        assert found.as_json() == {
            "run_id": "r1",
            "started_at": "2026-06-15 12:00:00",
            "finished_at": "2026-06-15 12:00:09",
            "dry_run": False,
            "complete": True,
            "phones_analyzed": 1,
            "communications_found": 5,
            "tags_applied": 0,
            "tags_removed_updated": 0,
            "tags_removed": 0,
            "problem": 0,
            "not_found": 1,
            "nothing_paid": 0,
            "failed": 0,
            "deferred": 0,
            "money": found.money(),
            "why_not_found": None,
            "refresh": {
                "orders_read": 3,
                "phones_changed": 2,
                "orders_without_phone": 1,
                "orders_unreadable": 2,
                "payments_checked": 0,
                "window": {"from": "2026-06-12 12:00:00", "till": "2026-06-15 12:00:00"},
            },
            "plan": {"points_needed": 2, "day_remaining": 42, "id": ""},
            "warnings": ["get.chats_report was not read"],
            "requests": {"get.calls_report": 2, "set.tag_sales": 1},
            "quota": {"day_remaining": 40},
            "log": [{ANNA: "not found", "result": "not_found", "amount": "700.00"}],
        }
        assert list(found.as_json()["requests"]) == ["get.calls_report", "set.tag_sales"], "sorted by name"

    def test_a_journal_that_is_not_finished_has_no_end(self) -> None:
        assert journal([]).as_json()["finished_at"] is None

    @given(rows(), st.booleans())
    def test_every_phone_has_its_row_in_the_order_of_the_run(self, some: list[Row], dry_run: bool) -> None:
        log = journal(some, dry_run=dry_run).as_json()["log"]

        assert [next(iter(each)) for each in log] == [each.phone for each in some]
        assert [each["amount"] for each in log] == [f"{Decimal(each.amount_kopecks) / 100:.2f}" for each in some]


class TestARow:
    def test_has_no_key_that_says_nothing(self) -> None:
        assert logged(row(ANNA, Result.APPLIED, 5, communication_id=7)) == {
            ANNA: "7",
            "result": "applied",
            "amount": "0.05",
        }

    def test_has_its_keys_in_their_order(self) -> None:
        full = row(
            BORIS,
            Result.UPDATED,
            450_050,
            communication_id=7,
            communication_type=CommunicationType.CHAT,
            previous_kopecks=0,
            sold_at=NOON,
            comment="Стирка",
            reason=FallReason.MOVED,
            sale_id=3,
            error="forbidden",
            points=2,
            other_sales=(CommunicationKey(CommunicationType.CALL, 8),),
            drifted=True,
            repaired=True,
        )
        whole = [
            (BORIS, "7"),
            ("result", "would_be_updated"),
            ("amount", "4500.50"),
            ("communication_type", "chat"),
            ("previous_amount", "0.00"),
            ("date", "2026-06-15 12:00:00"),
            ("comment", "Стирка"),
            ("reason", "moved"),
            ("sale_id", 3),
            ("error", "forbidden"),
            ("points", 2),
            ("other_sales", ["8"]),
            ("drifted", True),
            ("repaired", True),
        ]

        assert list(logged(full, dry_run=True).items()) == whole
        whole[1] = ("result", "updated")
        assert list(logged(full).items()) == [each for each in whole if each[0] != "points"]

    @pytest.mark.parametrize("result", Result)
    def test_of_a_dry_run_says_would_be(self, result: Result) -> None:
        each = row(ANNA, result, 0)

        assert logged(each, dry_run=True) == logged(each) | {"result": f"would_be_{result}"}


ONE_OF_EACH = [row(str(number), result, 0) for number, result in enumerate([*Result, Result.APPLIED])]
"""And two that are applied."""


class TestTheSummary:
    def test_is_one_sentence_with_the_counters(self) -> None:
        assert journal(ONE_OF_EACH).summary() == (
            "Sales that were applied: 2, updated: 1, removed: 1; already set: 1, not found: 1, failed: 1, deferred: 1"
        )

    def test_says_would_be_of_a_dry_run(self) -> None:
        assert journal(ONE_OF_EACH, dry_run=True).summary().startswith("Sales that would be applied: 2, ")

    def test_says_that_the_next_run_goes_on_when_this_one_is_not_complete(self) -> None:
        assert journal([], complete=False).summary().endswith("deferred: 0. Not complete: the next run goes on")

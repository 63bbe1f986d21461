"""The rows of a journal: read, chosen, sorted, added up."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from crm_bridge import presentation
from crm_bridge.presentation.journal_table import (
    SORTS,
    Choice,
    Day,
    JournalRow,
    figures,
    found,
    read,
    results,
    sums_per_day,
)
from tests.presentation.samples import JOURNAL

ROWS = read(JOURNAL)


def phones(rows: list[JournalRow]) -> str:
    """The last digits of the phones, in their order."""
    return "".join(row.phone[-1] for row in rows)


def test_a_row_has_what_the_journal_says_and_is_empty_where_the_journal_is_silent() -> None:
    changed, missing = ROWS[2], ROWS[3]

    assert (changed.phone, changed.communication_id, changed.communication_type) == ("79260000003", "13", "chat")
    assert (changed.amount, changed.previous, changed.kopecks) == ("300.00", "250.00", 30_000)
    assert (missing.communication_id, missing.communication_type) == ("", "call")
    assert (missing.previous, missing.date, missing.comment, missing.error, missing.points) == ("", "", "", "", 0)


@pytest.mark.parametrize(
    ("choice", "chosen"),
    [
        (Choice(), "123456"),
        (Choice(result="applied"), "12"),
        (Choice(result="unheard_of"), ""),
        (Choice(q="0000003"), "3"),
        (Choice(q=" ХИМ "), "1"),
        (Choice(q="15"), "5"),
        (Choice(q="стирка", result="failed"), ""),
        (Choice(q="nobody"), ""),
        (Choice(q="8 926 000-00-03"), "3"),
        (Choice(q="+7 (926) 000 00 03"), "3"),
        (Choice(q="926-000-00-03"), "3"),
        (Choice(q="300"), "3"),
        (Choice(q="300,00 ₽"), "3"),
        (Choice(q="250"), "3"),
        (Choice(q="30"), ""),
    ],
)
def test_rows_are_chosen_by_result_and_by_text_in_any_case(choice: Choice, chosen: str) -> None:
    assert phones(choice.apply(ROWS)) == chosen


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("", "123456"),
        ("phone", "123456"),
        ("amount", "645132"),
        ("-amount", "231546"),
        ("date", "456123"),
        ("-date", "321456"),
        ("result", "125463"),
    ],
)
def test_rows_are_sorted_and_equal_ones_keep_the_order_of_the_journal(sort: str, order: str) -> None:
    assert phones(Choice(sort=sort).apply(ROWS)) == order


def test_every_order_that_a_page_offers_is_tested() -> None:
    assert set(SORTS) == {"phone", "amount", "-amount", "date", "-date", "result"}


def test_the_script_in_the_page_knows_the_same_orders() -> None:
    script = (Path(presentation.__file__).parent / "static/script.js").read_text()

    assert [sort for sort in SORTS if f'"{sort}": [' not in script] == []


def test_results_are_counted_the_most_frequent_first() -> None:
    assert results(ROWS)[0] == ("applied", 2)
    assert sum(count for _, count in results(ROWS)) == len(ROWS)


def test_the_figures_count_the_phones_not_found_which_a_journal_does_not() -> None:
    assert "not_found" not in JOURNAL
    assert figures(JOURNAL) == {
        "tags_applied": 2,
        "tags_removed_updated": 1,
        "tags_removed": 0,
        "problem": 0,
        "failed": 1,
        "deferred": 0,
        "not_found": 1,
    }


def test_found_and_not_found_are_phones_with_money() -> None:
    assert found(ROWS) == (4, 1)


def test_phones_that_a_dry_run_does_not_find_count_as_well() -> None:
    rows = read({"log": [{"7": "not found", "result": "would_be_not_found", "amount": "1.00"}]})

    assert found(rows) == (0, 1)


def test_sums_are_added_up_by_day_and_the_highest_bar_is_whole() -> None:
    assert sums_per_day(ROWS) == [
        Day(date="2026-06-13", amount="100.50", percent=6),
        Day(date="2026-06-14", amount="1500.00", percent=100),
    ]


def test_the_chart_has_the_newest_31_days_and_no_bar_is_invisible() -> None:
    first = date(2026, 1, 1)
    log = [
        {"7": "1", "result": "applied", "amount": amount, "date": f"{first + timedelta(days=day)} 10:00:00"}
        for day, amount in enumerate(["1000.00"] * 40 + ["0.01"])
    ]

    days = sums_per_day(read({"log": log}))

    assert len(days) == 31
    assert (days[0].date, days[-1].date) == ("2026-01-11", "2026-02-10")
    assert days[-1].percent == 1


def test_a_journal_without_sums_has_no_chart() -> None:
    assert sums_per_day(read({"log": []})) == []


def test_a_choice_is_the_query_of_an_address_and_begins_at_its_first_page() -> None:
    choice = Choice(result="failed", q="стирка & химчистка", page=3)

    assert parse_qs(choice.query(sort="-date")) == {
        "result": ["failed"],
        "q": ["стирка & химчистка"],
        "sort": ["-date"],
    }
    assert parse_qs(choice.query(page=2))["page"] == ["2"]

"""The query of `sync`, one parameter at a time."""

from __future__ import annotations

from datetime import date

import pytest
from starlette.datastructures import QueryParams

from crm_bridge.errors import InvalidInput
from crm_bridge.handlers.parameters import read_choice, read_date, read_flag, read_whole, reject_unknown


def limit(query: str) -> int:
    return read_whole(QueryParams(query), "limit", low=1, high=500, default=50)


def test_known_parameters_given_once_are_accepted() -> None:
    reject_unknown(QueryParams("a=1&b"), ("a", "b", "c"))


@pytest.mark.parametrize(
    ("query", "message"),
    [("x=1", "Unknown parameter: x. Known parameters: a, b"), ("a=1&a=2", "a is given more than once")],
)
def test_an_unknown_and_a_repeated_parameter_are_refused_by_name(query: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        reject_unknown(QueryParams(query), ("a", "b"))

    assert str(caught.value) == message


def test_a_flag_is_off_unless_it_is_given() -> None:
    assert read_flag(QueryParams(""), "dry_run") is False
    assert read_flag(QueryParams("dry_run"), "dry_run") is True


@pytest.mark.parametrize("text", ["2", "ja", " ", "None", "truе"])  # the last letter is Cyrillic
def test_a_flag_with_another_value_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="dry_run must be without a value"):
        read_flag(QueryParams({"dry_run": text}), "dry_run")


def test_a_date_is_read_as_the_calendar_has_it() -> None:
    assert read_date(QueryParams("day=2028-02-29"), "day") == date(2028, 2, 29)
    assert read_date(QueryParams(""), "day") is None


@pytest.mark.parametrize("text", ["", "2026-02-30", "2027-02-29", "20260601", "2026-6-1", "2026-W01-1", "٢٠٢٦-٠٦-٠١"])
def test_any_other_date_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"^day must be a date as YYYY-MM-DD$"):
        read_date(QueryParams({"day": text}), "day")


def test_a_whole_number_is_read_within_its_range() -> None:
    assert (limit("limit=1"), limit("limit=500"), limit("limit=007"), limit("")) == (1, 500, 7, 50)


@pytest.mark.parametrize("text", ["", "0", "501", "0050", "-1", "1.0", "1e2", "+1", "9" * 5000, "١"])
def test_any_other_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"^limit must be a whole number from 1 to 500$"):
        limit(f"limit={text}" if text != "+1" else "limit=%2B1")


def test_one_of_a_few_words_is_read() -> None:
    assert read_choice(QueryParams("log=none"), "log", ("all", "none"), default="all") == "none"
    assert read_choice(QueryParams(""), "log", ("all", "none"), default="all") == "all"


@pytest.mark.parametrize("text", ["", "ALL", "some"])
def test_another_word_is_refused_with_those_that_there_are(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"^log must be one of all, none$"):
        read_choice(QueryParams({"log": text}), "log", ("all", "none"), default="all")

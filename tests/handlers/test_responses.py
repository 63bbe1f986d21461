"""What answers of `sync` look like: failures, pages, journals, headers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.requests import Request

from crm_bridge.domain.journal import filter_log
from crm_bridge.errors import InvalidInput
from crm_bridge.handlers.negotiation import AnswerFormat
from crm_bridge.handlers.responses import PRIVATE, Failed, failure_page, journal_response, page
from tests.presentation.samples import JOURNAL


def request(path: str = "/", query: str = "", language: str = "en") -> Request:
    return Request(
        {
            "type": "http",
            "method": "GET",
            "path": path,
            "server": ("sync.test", 443),
            "query_string": query.encode(),
            "headers": [(b"accept-language", language.encode())],
        }
    )


def test_a_failure_has_exactly_two_keys() -> None:
    failed = Failed(409, "Internal error", {"Retry-After": "60"})

    assert json.loads(bytes(failed.body)) == {"success": False, "message": "ERROR: Internal error"}
    assert (failed.status_code, failed.headers["Retry-After"]) == (409, "60")


@pytest.mark.parametrize(("language", "text"), [("en", "Internal error"), ("ru", "Внутренняя ошибка")])
def test_the_page_of_a_failure_is_in_the_readers_language_and_keeps_status_and_headers(
    language: str, text: str
) -> None:
    answer = failure_page(request(language=language), Failed(503, "Internal error", {"Retry-After": "60"}))

    assert text in bytes(answer.body).decode()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert answer.headers["Content-Language"] == language


def test_what_a_failure_quotes_is_escaped() -> None:
    answer = failure_page(request(), Failed(400, "Unknown parameter: <img>. Known parameters: log"))

    assert b"Unknown parameter: &lt;img&gt;" in answer.body


@pytest.mark.parametrize(("path", "root"), [("/", "./"), ("/runs", "./"), ("/runs/", "../"), ("/runs/7", "../")])
def test_links_of_a_page_are_relative_to_where_the_function_is_served(path: str, root: str) -> None:
    answer = page(request(path), "runs.html", runs=[])

    assert f'<a href="{root}explain">'.encode() in answer.body


def test_a_page_is_private_and_names_what_it_runs() -> None:
    answer = page(request(), "runs.html", runs=[])

    assert {name: answer.headers[name] for name in PRIVATE} == PRIVATE
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("log_filter", "left"),
    [
        ("all", ["applied", "not_found", "problem", "failed", "would_be_problem", "would_be_applied"]),
        ("changes", ["applied", "failed", "would_be_applied"]),
        ("none", []),
    ],
)
def test_a_log_is_cut_to_the_rows_that_are_wanted(log_filter: str, left: list[str]) -> None:
    results = ("applied", "not_found", "problem", "failed", "would_be_problem", "would_be_applied")
    journal: dict[str, Any] = {"failed": 1, "log": [{"7": "1", "result": result} for result in results]}

    filtered = filter_log(journal, log_filter)

    assert [row["result"] for row in filtered["log"]] == left
    assert filtered["failed"] == 1
    assert len(journal["log"]) == len(results), "the journal itself stays as it is"


@pytest.mark.anyio
async def test_a_journal_as_csv_is_a_private_file_named_by_its_run() -> None:
    answer = await journal_response(request(), AnswerFormat.CSV, JOURNAL, "all")

    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="journal-0123abcd.csv"'
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.anyio
async def test_a_journal_is_filtered_and_sorted_by_the_query() -> None:
    answer = await journal_response(request(query="result=applied&sort=-amount"), AnswerFormat.CSV, JOURNAL, "all")

    phones = [line.partition(";")[0] for line in bytes(answer.body).decode("utf-8-sig").splitlines()[1:]]
    assert phones == ["79260000002", "79260000001"]


@pytest.mark.anyio
async def test_an_unknown_order_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"^sort must be one of phone, -amount, "):
        await journal_response(request(query="sort=up"), AnswerFormat.HTML, JOURNAL, "all")

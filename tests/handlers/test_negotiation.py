"""Which format and which language an answer is wanted in."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from crm_bridge.errors import InvalidInput
from crm_bridge.handlers.negotiation import AnswerFormat, accepted_format, accepted_language, requested_format

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
JSON, HTML, CSV = AnswerFormat.JSON, AnswerFormat.HTML, AnswerFormat.CSV


def request(query: str = "", **headers: str) -> Request:
    names = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request({"type": "http", "query_string": query.encode(), "headers": names})


@pytest.mark.parametrize(
    ("accept", "answer_format"),
    [
        ("*/*", JSON),
        ("", JSON),
        ("application/json", JSON),
        ("application/json, text/html;q=0.9", JSON),
        ("text/html;q=0.9, application/json", JSON),
        ("application/json, text/plain, */*", JSON),
        ("application/json;q=0.1, */*;q=0.9", JSON),
        ("text/*", JSON),
        ("text/plain", JSON),
        ("text/csv", JSON),
        (BROWSER, HTML),
        ("TEXT/HTML", HTML),
        ("text/html;level=1", HTML),
        ("text/html; charset=utf-8; q=0.5, application/json;q=0.4", HTML),
        ("text/csv, text/html;q=0.1", HTML),
    ],
)
def test_the_format_named_with_the_greatest_weight_is_answered_and_json_when_none_is_named(
    accept: str, answer_format: AnswerFormat
) -> None:
    assert accepted_format(request(accept=accept)) is answer_format


def test_without_an_accept_header_the_answer_is_json() -> None:
    assert accepted_format(request()) is JSON


@pytest.mark.parametrize("accept", ["text/html;q=0", "text/html; q=0.0", "text/html;q=x", "text/html;q=-1", ",;,=,;q"])
def test_a_format_that_is_refused_or_named_with_no_weight_is_not_answered(accept: str) -> None:
    assert accepted_format(request(accept=accept)) is JSON


def test_a_path_answers_only_the_formats_that_it_has() -> None:
    assert accepted_format(request(accept="text/csv"), formats=tuple(AnswerFormat)) is CSV
    assert requested_format(request("format=csv"), formats=tuple(AnswerFormat)) is CSV
    with pytest.raises(InvalidInput, match=r"^format must be one of json, html$"):
        requested_format(request("format=csv"))


@pytest.mark.parametrize("answer_format", ["json", "html"])
def test_the_parameter_wins_over_the_header(answer_format: str) -> None:
    assert requested_format(request(f"format={answer_format}", accept=BROWSER)) == answer_format
    assert requested_format(request(f"format={answer_format}", accept="application/json")) == answer_format


@pytest.mark.parametrize("text", ["", "HTML", "xml", "text/html"])
def test_another_word_for_a_format_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"^format must be one of json, html$"):
        requested_format(request(f"format={text}"))


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("*", "en"),
        ("ru", "ru"),
        ("RU-ru", "ru"),
        ("ru-RU,ru;q=0.9,en-US;q=0.8,en;q=0.7", "ru"),
        ("ru-RU,en;q=0.5", "ru"),
        ("en-US,en;q=0.9,ru;q=0.8", "en"),
        ("en-US,ru;q=0.8", "en"),
        ("de,ru;q=0.5", "ru"),
        ("fr", "en"),
        ("ru;q=0", "en"),
        ("en;q=x, ru", "ru"),
        ("русский", "en"),
    ],
)
def test_the_language_is_the_readers_first_that_we_have(header: str, language: str) -> None:
    raw = [(b"accept-language", header.encode())]

    assert accepted_language(Request({"type": "http", "headers": raw})) == language


def test_without_a_language_header_the_language_is_english() -> None:
    assert accepted_language(request()) == "en"

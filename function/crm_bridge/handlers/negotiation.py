"""Which format and which language an answer is wanted in."""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import StrEnum
from typing import TypeVar

from starlette.requests import Request
from werkzeug.http import parse_accept_header

from crm_bridge.errors import InvalidInput

T = TypeVar("T")


class AnswerFormat(StrEnum):
    JSON = "json"
    HTML = "html"
    CSV = "csv"


JSON_OR_HTML = (AnswerFormat.JSON, AnswerFormat.HTML)
"""What every path can answer; journals can be had as CSV, too."""

_TYPES = {"application/json": AnswerFormat.JSON, "text/html": AnswerFormat.HTML, "text/csv": AnswerFormat.CSV}


def requested_format(request: Request, *, formats: Collection[AnswerFormat] = JSON_OR_HTML) -> AnswerFormat:
    """Return the format that `format` names, or else the Accept header.

    Raises:
        InvalidInput: `format` names a format that this path does not have.
    """
    name = request.query_params.get("format")
    if name is None:
        return accepted_format(request, formats=formats)
    if name not in formats:
        raise InvalidInput(f"format must be one of {', '.join(formats)}")
    return AnswerFormat(name)


def accepted_format(request: Request, *, formats: Collection[AnswerFormat] = JSON_OR_HTML) -> AnswerFormat:
    """Return the format that the Accept header names with the greatest weight; JSON when it names none."""

    def format_of(media_type: str) -> AnswerFormat | None:
        answer_format = _TYPES.get(media_type.partition(";")[0])
        return answer_format if answer_format in formats else None

    return _preferred(request.headers.get("accept"), format_of) or AnswerFormat.JSON


def accepted_language(request: Request) -> str:
    """Return the language that the Accept-Language header prefers; English when it names none of ours."""
    from crm_bridge.translations import LANGUAGES  # noqa: PLC0415 - plain JSON needs no catalogue

    def language_of(tag: str) -> str | None:
        language = tag.partition("-")[0]
        return language if language in LANGUAGES else None

    return _preferred(request.headers.get("accept-language"), language_of) or "en"


def _preferred(header: str | None, read: Callable[[str], T | None]) -> T | None:
    """Return what an Accept header gives the greatest weight, among what we have; the first of equals.

    werkzeug's `best_match` also counts wildcards. We do not: curl sends `*/*`, and is to get JSON.
    """
    best, best_weight = None, 0.0
    for name, weight in parse_accept_header(header):
        choice = read(name.lower())
        if choice is not None and weight > best_weight:
            best, best_weight = choice, weight
    return best

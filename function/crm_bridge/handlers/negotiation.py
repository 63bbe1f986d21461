"""In which form an answer is wanted: JSON as always, a page for a browser, CSV for a spreadsheet."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from crm_bridge.errors import InvalidInput

if TYPE_CHECKING:
    from crm_bridge.translations import Translator

T = TypeVar("T")


class AnswerFormat(StrEnum):
    """The answer_format of an answer."""

    JSON = "json"
    HTML = "html"
    CSV = "csv"


_TYPES = {"application/json": AnswerFormat.JSON, "text/html": AnswerFormat.HTML, "text/csv": AnswerFormat.CSV}

PRIVATE = {
    "Cache-Control": "no-store",
    "Vary": "Accept, Accept-Language",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # an address may hold a phone
}
"""Headers of every answer for people: it holds clients' phones."""

_POLICY = (
    "default-src 'none'; script-src {script}; style-src {style}; img-src data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


class Failed(JSONResponse):
    """A failure, with exactly the keys `success` and `message`; `page` makes a page of it for a browser."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__({"success": False, "message": f"ERROR: {message}"}, status, headers)
        self.told = message
        self.extra = dict(headers or {})


def requested_format(
    request: Request, *, forms: Collection[AnswerFormat] = (AnswerFormat.JSON, AnswerFormat.HTML)
) -> AnswerFormat:
    """Return the form that is wanted, by `format` or else by the Accept header.

    Raises:
        InvalidInput: `format` names a form that there is not here.
    """
    asked = request.query_params.get("format")
    if asked is None:
        return accepted_format(request, forms=forms)
    if asked not in forms:
        raise InvalidInput(f"format must be one of {', '.join(forms)}")
    return AnswerFormat(asked)


def accepted_format(
    request: Request, *, forms: Collection[AnswerFormat] = (AnswerFormat.JSON, AnswerFormat.HTML)
) -> AnswerFormat:
    """Return the form that the Accept header names with the greatest weight; JSON for whoever names none."""

    def known(name: str) -> AnswerFormat | None:
        answer_format = _TYPES.get(name)
        return answer_format if answer_format in forms else None

    return _preferred(request.headers.get("accept", ""), known) or AnswerFormat.JSON


def translator_for(request: Request) -> Translator:
    """Return the phrases of the language that the Accept-Language header prefers; English for none of ours."""
    from crm_bridge.translations import LANGUAGES, Translator  # noqa: PLC0415 - plain JSON needs no words

    def known(name: str) -> str | None:
        language = name.partition("-")[0]
        return language if language in LANGUAGES else None

    return Translator(_preferred(request.headers.get("accept-language", ""), known) or "en")


def reject_unknown(query: QueryParams, known: Collection[str]) -> None:
    """Refuse parameters that nobody reads.

    Raises:
        InvalidInput: Names the parameter that is unknown or repeated.
    """
    for name in query:
        if name not in known:
            raise InvalidInput(f"Unknown parameter: {name[:50]}. Known parameters: {', '.join(known)}")
        if len(query.getlist(name)) > 1:
            raise InvalidInput(f"{name} is given more than once")


def page(request: Request, template: str, status: int = 200, **values: object) -> Response:
    """Answer with a page."""
    from crm_bridge.presentation import html  # noqa: PLC0415 - only a browser pays for the templates

    words = translator_for(request)
    root = "../" * (request.url.path.count("/") - 1) or "./"  # a function may be served below a path of its own
    body = html.page(template, words, root=root, **values)
    policy = _POLICY.format(script=html.SCRIPT_HASH, style=html.STYLE_HASH)
    headers = {**PRIVATE, "Content-Security-Policy": policy, "Content-Language": words.language}
    return Response(body, status, headers, media_type="text/html; charset=utf-8")


def failure_page(request: Request, failed: Failed) -> Response:
    """Answer with a page that tells of a failure."""
    answer = page(request, "failure.html", failed.status_code, code=failed.status_code, message=failed.told)
    answer.headers.update(failed.extra)
    return answer


def _preferred(header: str, known: Callable[[str], T | None]) -> T | None:
    """Return what an Accept header gives the greatest weight, of what is known; None when it refuses or names none."""
    best, best_weight = None, 0.0
    for item in header.split(","):
        name, _, parameters = item.partition(";")
        choice, weight = known(name.strip().lower()), _quality(parameters)
        if choice is not None and weight > best_weight:
            best, best_weight = choice, weight
    return best


def _quality(parameters: str) -> float:
    """Read the `q` of one item of an Accept header; 1 when there is none, 0 when it cannot be read."""
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name.strip().lower() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0

"""Answers of `sync`: failures, pages, journals, and their headers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from crm_bridge.domain.journal import filter_log
from crm_bridge.errors import (
    BridgeError,
    EmptyDatabase,
    InvalidInput,
    LeaseLost,
    PlanRefused,
    RemoteError,
    RemoteUnavailable,
    RunInProgress,
    RunStopped,
    StoreUnavailable,
)
from crm_bridge.handlers.failures import failure_kind, way_on
from crm_bridge.handlers.negotiation import AnswerFormat, accepted_language
from crm_bridge.handlers.parameters import read_choice, read_whole

if TYPE_CHECKING:
    from crm_bridge.translations import Translator

JOURNAL_PARAMETERS = ("result", "q", "sort", "page")
"""How a browser without JavaScript filters and sorts a stored journal."""

LONGEST_PHONE = 50  # characters; no spelling of a phone is longer

PRIVATE = {
    "Cache-Control": "no-store",
    "Vary": "Accept, Accept-Language",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # an address may hold a phone
}
"""Headers of every answer that may hold clients' phones."""

STATUS: Mapping[type[BridgeError], int] = {
    InvalidInput: 400,
    RunInProgress: 409,
    EmptyDatabase: 409,
    PlanRefused: 409,
    RunStopped: 503,
    LeaseLost: 503,
    StoreUnavailable: 503,
    RemoteUnavailable: 503,
    RemoteError: 502,
    BridgeError: 500,
}
"""The status of an error; a class that is not here has the status of its nearest ancestor."""

_MOST_PAGES = 10_000

_POLICY = (
    "default-src 'none'; script-src {script}; style-src {style}; img-src data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


class Failed(JSONResponse):
    """A failure, with exactly the keys `success` and `message`; `failure_page` shows it in a browser.

    Attributes:
        message: English, without the prefix that JSON gives it.
        own_headers: Those that a page of this failure has, too.
        cause: The error, when there is one.
    """

    cause: BridgeError | None = None

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__({"success": False, "message": f"ERROR: {message}"}, status, headers)
        self.message = message
        self.own_headers = dict(headers or {})


def failure_of(exc: BridgeError) -> Failed:
    """Answer a request that ended with an error that we know."""
    status = next(STATUS[kind] for kind in type(exc).__mro__ if kind in STATUS)
    headers = {} if exc.retry_after is None else {"Retry-After": str(exc.retry_after)}
    failed = Failed(status, str(exc), headers)
    failed.cause = exc
    return failed


def page(request: Request, template: str, status: int = 200, **values: object) -> Response:
    """Answer with a page in the reader's language."""
    from crm_bridge.presentation import html  # noqa: PLC0415 - only a browser pays for the templates
    from crm_bridge.translations import Translator  # noqa: PLC0415

    t = Translator(accepted_language(request))
    root = "../" * (request.url.path.count("/") - 1) or "./"  # the function may be served below a path of its own
    body = html.page(template, t, root=root, here=request.url.path, **values)
    return Response(body, status, page_headers(t), media_type="text/html; charset=utf-8")


def page_headers(t: Translator) -> dict[str, str]:
    """Return the headers of a page in the language of `t`."""
    from crm_bridge.presentation import html  # noqa: PLC0415

    policy = _POLICY.format(script=html.SCRIPT_HASH, style=html.STYLE_HASH)
    return {**PRIVATE, "Content-Security-Policy": policy, "Content-Language": t.language}


def failure_page(request: Request, failed: Failed) -> Response:
    """Answer with a page that shows a failure."""
    code = failed.status_code
    way, path = way_on(request.url.path, code, failed.cause)
    typed = request.query_params.get("phone", "").strip()[:LONGEST_PHONE]
    kind = failure_kind(code, failed.cause)
    values = {"kind": kind, "code": code, "message": failed.message, "way": way, "path": path, "typed": typed}
    answer = page(request, "failure.html", code, **values)
    answer.headers.update(failed.own_headers)
    return answer


async def journal_response(
    request: Request,
    answer_format: AnswerFormat,
    journal: Mapping[str, Any],
    log_filter: str,
    *,
    stored: Mapping[str, Any] | None = None,
) -> Response:
    """Answer with a journal as a page or as CSV, made in a thread: 200,000 rows take seconds.

    Args:
        request: Its query may filter and sort the rows of a stored journal.
        answer_format: HTML or CSV.
        journal: As `Journal.as_json` makes it.
        log_filter: One of LOG_FILTERS.
        stored: The view of the run, when the journal is a stored one; None for the answer of `/`.

    Raises:
        InvalidInput: `sort` or `page` is wrong.
    """
    return await asyncio.to_thread(_journal_response, request, answer_format, journal, log_filter, stored)


def _journal_response(
    request: Request,
    answer_format: AnswerFormat,
    journal: Mapping[str, Any],
    log_filter: str,
    stored: Mapping[str, Any] | None,
) -> Response:
    from crm_bridge.presentation import csv_export, journal_table  # noqa: PLC0415 - JSON does without
    from crm_bridge.translations import Translator  # noqa: PLC0415

    query = request.query_params
    choice = journal_table.Choice(
        result=query.get("result", ""),
        q=query.get("q", ""),
        sort=query.get("sort", ""),
        page=read_whole(query, "page", low=1, high=_MOST_PAGES, default=1),
    )
    if choice.sort:
        read_choice(query, "sort", journal_table.SORTS, default="")
    all_rows = journal_table.read(filter_log(journal, log_filter))
    rows = choice.apply(all_rows)
    if answer_format is AnswerFormat.CSV:
        name = f"journal-{journal['run_id'][:8]}.csv"
        headers = {**PRIVATE, "Content-Disposition": f'attachment; filename="{name}"'}
        content = csv_export.csv_of(
            rows,
            Translator(accepted_language(request)),
            refused_deals=() if choice.result or choice.q else journal.get("deals", {}).get("errors", ()),
        )
        return Response(content, headers=headers, media_type="text/csv; charset=utf-8")
    size = journal_table.PAGE_ROWS if stored else max(1, len(rows))  # a run that is not stored has no second page
    pages = max(1, -(-len(rows) // size))
    first = (min(choice.page, pages) - 1) * size
    return page(
        request,
        "journal.html",
        journal=journal,
        figures=journal_table.figures(journal),
        stored=stored,
        rows=rows[first : first + size],
        count=len(rows),
        number=min(choice.page, pages),
        pages=pages,
        total=len(all_rows),
        choice=choice,
        sorts=journal_table.SORTS,
        results=journal_table.results(all_rows),
        days=journal_table.sums_per_day(all_rows),
        found=journal_table.found(all_rows),
    )

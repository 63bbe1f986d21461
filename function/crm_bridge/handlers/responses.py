"""A journal as a page or as CSV: that of a run just made, and those of runs that are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from crm_bridge.domain.decision import Result
from crm_bridge.errors import InvalidInput
from crm_bridge.handlers.negotiation import PRIVATE, AnswerFormat, page, translator_for

JOURNAL_PARAMETERS = ("result", "q", "sort")
"""What a browser without JavaScript filters and sorts a stored journal by."""

LOGS = ("all", "changes", "none")


def filter_log(journal: Mapping[str, Any], log_filter: str) -> dict[str, Any]:
    """Leave out of a journal's log what the caller does not want to see.

    Raises:
        InvalidInput: There is no such level.
    """
    if log_filter not in LOGS:
        raise InvalidInput(f"log must be one of {', '.join(LOGS)}")
    left = dict(journal)
    if log_filter == "none":
        left["log"] = []
    elif log_filter == "changes":
        dull = {f"{prefix}{result}" for prefix in ("", "would_be_") for result in (Result.NOT_FOUND, Result.PROBLEM)}
        left["log"] = [row for row in left["log"] if row["result"] not in dull]
    return left


def journal_answer(
    request: Request,
    answer_format: AnswerFormat,
    journal: Mapping[str, Any],
    log_filter: str,
    *,
    stored: Mapping[str, Any] | None = None,
) -> Response:
    """Answer with a journal as a page or as CSV.

    Args:
        request: Its query may filter and sort the rows of a stored journal.
        answer_format: HTML or CSV.
        journal: As a run tells it.
        log_filter: How much of its log is wanted.
        stored: The run, when it is one that is kept; None for the answer of `/`.
    """
    from crm_bridge.presentation import csv_export, journal_table  # noqa: PLC0415 - who wants JSON does without

    words = translator_for(request)
    query = request.query_params
    choice = journal_table.Choice(result=query.get("result", ""), q=query.get("q", ""), sort=query.get("sort", ""))
    if choice.sort not in {"", *journal_table.SORTS}:
        raise InvalidInput(f"sort must be one of {', '.join(journal_table.SORTS)}")
    all_rows = journal_table.read(filter_log(journal, log_filter))
    shown = choice.apply(all_rows)
    if answer_format is AnswerFormat.CSV:
        name = f"journal-{journal['run_id'][:8]}.csv"
        headers = {**PRIVATE, "Content-Disposition": f'attachment; filename="{name}"'}
        return Response(csv_export.csv_of(shown, words), headers=headers, media_type="text/csv; charset=utf-8")
    return page(
        request,
        "journal.html",
        journal=journal,
        figures=journal_table.figures(journal),
        stored=stored,
        rows=shown,
        total=len(all_rows),
        choice=choice,
        sorts=journal_table.SORTS,
        results=journal_table.results(all_rows),
        days=journal_table.sums_per_day(all_rows),
        found=journal_table.found(all_rows),
    )

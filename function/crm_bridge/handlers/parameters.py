"""The query of a run: its parameters, read and checked one at a time."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import date

from msgspec.structs import replace
from starlette.datastructures import QueryParams

from crm_bridge.domain.attribution import Policy
from crm_bridge.domain.journal import LOG_FILTERS
from crm_bridge.errors import InvalidInput
from crm_bridge.usecases.run_context import SyncRequest

PARAMETERS = (
    "update_db",
    "dry_run",
    "date_from",
    "date_till",
    "phone",
    "limit",
    "confirm",
    "attribution",
    "log",
    "format",
)
"""What the query of a run may hold."""

MOST_CHANGES = 1_000_000

NO_PHONE = "phone must be a phone, e.g. phone=79261234567"

_ON = frozenset({"", "1", "true", "yes", "on"})
_FIRST_YEAR, _LAST_YEAR = 2000, 2100  # outside of them arithmetic with dates overflows, and no order is dated so
_OFF = frozenset({"0", "false", "no", "off"})


def parse(query: QueryParams, headers: Mapping[str, str]) -> tuple[SyncRequest, str]:
    """Read what a caller of a run asks for.

    Returns:
        What is asked for, and how much of the journal's log to answer, one of LOG_FILTERS.

    Raises:
        InvalidInput: Names the parameter that is unknown, repeated or has a wrong value.
    """
    reject_unknown(query, PARAMETERS)
    wanted = SyncRequest(
        update_db=read_flag(query, "update_db"),
        dry_run=read_flag(query, "dry_run"),
        date_from=read_date(query, "date_from"),
        date_till=read_date(query, "date_till"),
        phone=_read_phone(query),
        limit=read_whole(query, "limit", low=1, high=MOST_CHANGES, default=1) if "limit" in query else None,
        confirm=_read_plan_id(query),
        attribution=Policy(read_choice(query, "attribution", tuple(Policy), default=""))
        if "attribution" in query
        else None,
    )
    log_filter = read_choice(query, "log", LOG_FILTERS, default="all")
    if wanted.attribution is not None and not wanted.dry_run:
        raise InvalidInput("attribution needs dry_run")
    if wanted.date_till is not None and wanted.date_from is None:
        raise InvalidInput("date_till needs date_from")
    if wanted.date_from is not None and not wanted.update_db:
        raise InvalidInput("date_from needs update_db")
    if wanted.date_from is not None and wanted.date_till is not None and wanted.date_till < wanted.date_from:
        raise InvalidInput("date_till lies before date_from")
    return _with_tick(wanted, headers), log_filter


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


def read_flag(query: QueryParams, name: str) -> bool:
    """Read a flag: off when absent, on when present without a value.

    Raises:
        InvalidInput: The value is neither on nor off.
    """
    text = query.get(name, "off").lower()
    if text not in _ON | _OFF:
        raise InvalidInput(f"{name} must be without a value, or 1, true, yes, on, 0, false, no, off")
    return text in _ON


def read_date(query: QueryParams, name: str) -> date | None:
    """Read a date; None when absent.

    Raises:
        InvalidInput: Another spelling than YYYY-MM-DD, no day of the calendar, or none of the years 2000 to 2100.
    """
    text = query.get(name)
    if text is None:
        return None
    wrong = InvalidInput(f"{name} must be a date as YYYY-MM-DD")
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise wrong
    try:
        day = date.fromisoformat(text)
    except ValueError:  # 2026-02-30
        raise wrong from None
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise InvalidInput(f"{name} must be a date of the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return day


def read_whole(query: QueryParams, name: str, *, low: int, high: int, default: int) -> int:
    """Read a whole number.

    Raises:
        InvalidInput: Not a number, or out of range.
    """
    text = query.get(name, str(default))
    if not re.fullmatch(r"[0-9]+", text) or len(text) > len(str(high)) or not low <= int(text) <= high:
        raise InvalidInput(f"{name} must be a whole number from {low} to {high}")
    return int(text)


def _read_phone(query: QueryParams) -> str | None:
    text = query.get("phone")
    if text is not None and not text.strip():
        raise InvalidInput(NO_PHONE)
    return text


def _read_plan_id(query: QueryParams) -> str | None:
    text = query.get("confirm")
    if text is not None and not re.fullmatch(r"[0-9a-f]{16}", text):
        raise InvalidInput("confirm must be the plan id of a dry run: 16 of 0-9 a-f")
    return text


def read_choice(query: QueryParams, name: str, allowed: Collection[str], *, default: str) -> str:
    """Read one of a few words.

    Raises:
        InvalidInput: Another word.
    """
    text = query.get(name, default)
    if text not in allowed:
        raise InvalidInput(f"{name} must be one of {', '.join(allowed)}")
    return text


def _with_tick(wanted: SyncRequest, headers: Mapping[str, str]) -> SyncRequest:
    """Note which tick of Cloud Scheduler this is: it delivers at least once."""
    job, tick = headers.get("x-cloudscheduler-jobname"), headers.get("x-cloudscheduler-scheduletime")
    if not job or not tick:
        return wanted
    phone = wanted.phone or ""  # whole, where `str(wanted)` hides its middle
    return replace(wanted, tick=f"{job[:500]} {tick[:100]} {wanted}{phone}".rstrip())

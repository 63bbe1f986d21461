"""HTTP to `sync` and back: parse, call, render."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from datetime import date

from msgspec.structs import replace
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from crm_bridge.domain.local_time import local_text
from crm_bridge.domain.state import Watermark
from crm_bridge.errors import (
    BridgeError,
    EmptyDatabase,
    InvalidInput,
    LeaseLost,
    RemoteError,
    RemoteUnavailable,
    RunInProgress,
    RunStopped,
)
from crm_bridge.handlers.negotiation import (
    AnswerFormat,
    Failed,
    accepted_format,
    failure_page,
    reject_unknown,
    requested_format,
)
from crm_bridge.handlers.responses import LOGS, filter_log, journal_answer
from crm_bridge.services import ServicesFactory, SyncServices
from crm_bridge.settings import AGBIS_VARIABLES, COMAGIC_VARIABLES
from crm_bridge.usecases.run_context import SyncRequest
from crm_bridge.usecases.run_sync import run_sync

log = logging.getLogger(__name__)

FLAGS = ("update_db", "dry_run")
_ON = frozenset({"", "1", "true", "yes", "on"})
_OFF = frozenset({"0", "false", "no", "off"})
_KNOWN = (*FLAGS, "date_from", "date_till", "log", "format")
_PATHS = ("/", "/check_health", "/explain", "/check_setup", "/runs", "/runs/<run_id>")


async def handle(request: Request, services_factory: ServicesFactory) -> Response:
    """Answer a request of `sync`; every failure that we know has exactly the keys `success` and `message`."""
    try:
        answer = await _route(request, services_factory)
    except BridgeError as exc:
        answer = _failure(request, exc)
    except Exception:
        _log_failure(request, {"status": 500}, with_traceback=True)
        answer = Failed(500, "Internal error")
    return (
        failure_page(request, answer)
        if isinstance(answer, Failed) and accepted_format(request) is AnswerFormat.HTML
        else answer
    )


def _log_failure(request: Request, extra: dict[str, object], *, with_traceback: bool = False) -> None:
    """An alarm listens to failed runs, and not to somebody's failed look at them."""
    if request.url.path == "/":
        log.error("run failed", extra=extra, exc_info=with_traceback)
    else:
        log.error("request failed", extra=extra, exc_info=with_traceback)


async def _route(request: Request, services_factory: ServicesFactory) -> Response:
    path = request.url.path.rstrip("/") or "/"
    allowed = ("GET", "POST") if path == "/" else ("GET",)
    if request.method not in allowed and (path in _PATHS or path.startswith("/runs/")):
        return Failed(405, f"{path} takes only {' and '.join(allowed)}", {"Allow": ", ".join(allowed)})
    if path == "/check_health":
        return await _check_health(services_factory(()))
    if path != "/":
        from crm_bridge.handlers import admin  # noqa: PLC0415 - a run does without

        answer = await admin.look(path, request, services_factory)
        return answer or Failed(404, f"No such path. Known paths: {', '.join(_PATHS)}")
    return await _sync(request, services_factory)


async def _sync(request: Request, services_factory: ServicesFactory) -> Response:
    wanted, log_filter = parse(request.query_params)
    answer_format = requested_format(request, forms=tuple(AnswerFormat))
    required = COMAGIC_VARIABLES + (AGBIS_VARIABLES if wanted.update_db else ())
    services = services_factory(required)
    answer = await run_sync(_with_tick(wanted, request.headers), services)
    if answer_format is not AnswerFormat.JSON:
        return journal_answer(request, answer_format, answer.journal, log_filter)
    journal = filter_log(answer.journal, log_filter)
    return JSONResponse({"success": True, "message": answer.message, "journal": journal})


async def _check_health(services: SyncServices) -> Response:
    watermark = await services.store.state(Watermark)
    refreshed_at = watermark.refreshed_at if watermark else None
    latest = local_text(refreshed_at, services.settings.time_zone) if refreshed_at else None
    return JSONResponse({"latest update date": latest})


def parse(query: QueryParams) -> tuple[SyncRequest, str]:
    """Read the query.

    Returns:
        What is asked for, and how much of the journal's log to answer.

    Raises:
        InvalidInput: Names the parameter that is unknown, repeated or has a wrong value.
    """
    reject_unknown(query, _KNOWN)
    flags = {name: _flag(name, query[name]) for name in FLAGS if name in query}
    date_from, date_till = _date("date_from", query), _date("date_till", query)
    log_filter = query.get("log", "all")
    if log_filter not in LOGS:
        raise InvalidInput(f"log must be one of {', '.join(LOGS)}")
    if date_till is not None and date_from is None:
        raise InvalidInput("date_till needs date_from")
    if date_from is not None and not flags.get("update_db"):
        raise InvalidInput("date_from needs update_db")
    if date_from is not None and date_till is not None and date_till < date_from:
        raise InvalidInput("date_till lies before date_from")
    wanted = SyncRequest(
        update_db=flags.get("update_db", False),
        dry_run=flags.get("dry_run", False),
        date_from=date_from,
        date_till=date_till,
    )
    return wanted, log_filter


def _flag(name: str, text: str) -> bool:
    if text.lower() in _ON:
        return True
    if text.lower() in _OFF:
        return False
    raise InvalidInput(f"{name} must be without a value, or 1, true, yes, on, 0, false, no, off")


def _date(name: str, query: QueryParams) -> date | None:
    text = query.get(name)
    if text is None:
        return None
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass  # 2026-02-30: told below with all other wrong dates
    raise InvalidInput(f"{name} must be a date as YYYY-MM-DD")


def _with_tick(wanted: SyncRequest, headers: Mapping[str, str]) -> SyncRequest:
    """Note which tick of Cloud Scheduler this is: it delivers at least once."""
    job, tick = headers.get("x-cloudscheduler-jobname"), headers.get("x-cloudscheduler-scheduletime")
    if not job or not tick:
        return wanted
    return replace(wanted, tick=f"{job[:500]} {tick[:100]}")


def _failure(request: Request, exc: BridgeError) -> Failed:
    headers: dict[str, str] = {}
    match exc:
        case InvalidInput():
            status = 400
        case RunInProgress():
            status, headers = 409, {"Retry-After": str(exc.retry_after)}
        case EmptyDatabase():
            status = 409
        case RunStopped():
            status, headers = 503, {"Retry-After": str(exc.retry_after)}
        case RemoteUnavailable():
            status = 503
            headers = {} if exc.retry_after is None else {"Retry-After": str(exc.retry_after)}
        case RemoteError():
            status = 502
        case LeaseLost():
            status = 503
        case _:
            status = 500
    if status >= 500:
        _log_failure(request, {"status": status, "reason": str(exc), "kind": type(exc).__name__})
    return Failed(status, str(exc), headers)

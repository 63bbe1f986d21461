"""HTTP to `sync` and back: find the path, read the query, call, answer."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from types import ModuleType

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from crm_bridge.domain.journal import filter_log
from crm_bridge.domain.local_time import local_text
from crm_bridge.domain.state import Watermark
from crm_bridge.errors import BridgeError, InvalidInput, SettingsError
from crm_bridge.handlers.browsers import refusal
from crm_bridge.handlers.keys import has_key
from crm_bridge.handlers.negotiation import AnswerFormat, accepted_format, requested_format
from crm_bridge.handlers.parameters import parse
from crm_bridge.handlers.responses import Failed, failure_of, failure_page, journal_response
from crm_bridge.services import ServicesFactory, SyncServices
from crm_bridge.settings import AGBIS_VARIABLES, COMAGIC_VARIABLES
from crm_bridge.usecases.alert import alert_after_failure
from crm_bridge.usecases.run_context import SyncRequest
from crm_bridge.usecases.run_sync import run_sync

log = logging.getLogger(__name__)

Handler = Callable[[Request, ServicesFactory], Awaitable[Response]]

_CHALLENGE = 'Basic realm="crm-bridge", charset="UTF-8"'


async def handle(request: Request, services_factory: ServicesFactory, *, api_key: str | None = None) -> Response:
    """Answer a request of `sync`; a failure has exactly the keys `success` and `message`.

    Args:
        request: The request.
        services_factory: Gives the services.
        api_key: What the caller must show, whatever the path and the verb; None: nobody is asked.
    """
    if api_key is not None and not has_key(request, api_key, basic=True):
        return _unauthorized()  # also to a browser, which shows it to a person who has no key
    try:
        answer = await _answer(request, services_factory)
    except BridgeError as exc:
        answer = _failure(request, exc)
    except Exception:
        _log_failure(request, {"status": 500}, with_traceback=True)
        answer = Failed(500, "Internal error")
    if isinstance(answer, Failed) and accepted_format(request) is AnswerFormat.HTML:
        return failure_page(request, answer)
    return answer


def _unauthorized() -> Failed:
    """Answer the same to whoever has no key; `Basic` makes a browser ask for it."""
    return Failed(401, "Unauthorized", {"WWW-Authenticate": _CHALLENGE, "Cache-Control": "no-store"})


async def _answer(request: Request, services_factory: ServicesFactory) -> Response:
    path = request.url.path.rstrip("/") or "/"
    route = ROUTES.get("/runs/<run_id>" if path.startswith("/runs/") else path)
    if route is None:
        return Failed(404, f"No such path. Known paths: {', '.join(ROUTES)}")
    if request.method not in route.verbs:
        verbs = {"Allow": ", ".join(route.verbs)}
        return Failed(405, f"{path} takes only {' and '.join(route.verbs)}", verbs)
    return await route.load()(request, services_factory)


async def _answer_sync(request: Request, services_factory: ServicesFactory) -> Response:
    if refused := refusal(request.headers):
        return refused
    wanted, log_filter = parse(request.query_params, request.headers)
    answer_format = requested_format(request, formats=tuple(AnswerFormat))
    await _refuse_body(request)
    required = COMAGIC_VARIABLES + (AGBIS_VARIABLES if wanted.update_db else ())
    services = await _services_of_run(wanted, services_factory, required)
    result = await run_sync(wanted, services)
    if answer_format is not AnswerFormat.JSON:
        return await journal_response(request, answer_format, result.journal, log_filter)
    journal = filter_log(result.journal, log_filter)
    return JSONResponse({"success": True, "message": result.message, "journal": journal})


async def _services_of_run(
    wanted: SyncRequest, services_factory: ServicesFactory, required: tuple[str, ...]
) -> SyncServices:
    """Return what the run works with; a setting that it lacks is a failed run, so an alert is sent if that is possible.

    Raises:
        SettingsError: Names every setting that is missing or wrong.
    """
    try:
        return services_factory(required)
    except SettingsError as exc:
        with suppress(SettingsError):  # without those that are required, the others may do
            await alert_after_failure(wanted, exc, services_factory(()))
        raise


async def _refuse_body(request: Request) -> None:
    """Refuse parameters in the body: `curl -d dry_run=1` must never be a real run.

    Raises:
        InvalidInput: The body is neither empty nor an empty JSON object.
    """
    if request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers:
        return
    async for part in request.stream():
        if part.strip(b" \t\r\n{}"):
            raise InvalidInput("Parameters stand in the address, not in the body: /?dry_run and not -d dry_run=1")


async def _answer_check_health(_: Request, services_factory: ServicesFactory) -> Response:
    services = services_factory(())
    watermark = await services.store.state(Watermark)
    refreshed_at = watermark.as_of(services.clock.now()).refreshed_at if watermark else None
    latest = local_text(refreshed_at, services.settings.time_zone) if refreshed_at else None
    return JSONResponse({"latest update date": latest})


def _admin() -> ModuleType:
    from crm_bridge.handlers import admin  # noqa: PLC0415 - a run does without

    return admin


def _start() -> ModuleType:
    from crm_bridge.handlers import start  # noqa: PLC0415 - a run does without

    return start


class Route(Struct, frozen=True):
    """One path.

    Attributes:
        verbs: Those that it takes, in the order of the Allow header.
        load: Returns the handler, importing its module at the first request.
    """

    verbs: tuple[str, ...]
    load: Callable[[], Handler]


ROUTES: Mapping[str, Route] = {
    "/": Route(("GET", "POST"), lambda: _answer_sync),
    "/start": Route(("GET", "POST"), lambda: _start().answer_start),
    "/check_health": Route(("GET",), lambda: _answer_check_health),
    "/explain": Route(("GET",), lambda: _admin().answer_explain),
    "/check_setup": Route(("GET",), lambda: _admin().answer_check_setup),
    "/runs": Route(("GET",), lambda: _admin().answer_runs),
    "/runs/<run_id>": Route(("GET",), lambda: _admin().answer_run),
}


def _failure(request: Request, exc: BridgeError) -> Failed:
    answer = failure_of(exc)
    if answer.status_code >= 500:
        _log_failure(request, {"status": answer.status_code, "reason": str(exc), "kind": type(exc).__name__})
    return answer


def _log_failure(request: Request, extra: dict[str, object], *, with_traceback: bool = False) -> None:
    """Log a failure. The alert counts failed runs only, so an admin's failed request is another event."""
    if request.url.path == "/":
        log.error("run_failed", extra=extra, exc_info=with_traceback)
    else:
        log.error("request_failed", extra=extra, exc_info=with_traceback)

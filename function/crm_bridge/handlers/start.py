"""The home page `/start`, and the buttons on it that start runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from functools import partial
from urllib.parse import parse_qs

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from crm_bridge.domain.phone import normalize_phone
from crm_bridge.errors import BridgeError, InvalidInput, RunInProgress, SettingsError
from crm_bridge.handlers.browsers import refusal
from crm_bridge.handlers.negotiation import AnswerFormat, accepted_language, requested_format
from crm_bridge.handlers.parameters import NO_PHONE, reject_unknown
from crm_bridge.handlers.responses import PRIVATE, Failed, failure_of, page, page_headers
from crm_bridge.handlers.start_token import make_token, read_token
from crm_bridge.presentation.start_view import StartedRun, start_view
from crm_bridge.services import ServicesFactory, SyncServices
from crm_bridge.settings import AGBIS_VARIABLES, COMAGIC_VARIABLES
from crm_bridge.translations import Translator
from crm_bridge.usecases.overview import overview
from crm_bridge.usecases.run_context import SyncRequest
from crm_bridge.usecases.run_sync import RunResult, run_sync

log = logging.getLogger(__name__)

_BODY_LIMIT = 4096  # bytes
_EVERY = 1.0
"""Seconds between two looks at the progress of a run."""

_WANTED = {
    "dry_run": SyncRequest(update_db=True, dry_run=True, keep=True),
    "phone": SyncRequest(update_db=True),
    "few": SyncRequest(update_db=True, limit=10),
    "run": SyncRequest(update_db=True),
}
"""What a button asks for, by its name."""

_started: dict[str, asyncio.Task[RunResult]] = {}
"""Runs by their ids. Their tabs may have been closed: they go on, and somebody has to hold them."""


async def answer_start(request: Request, services_factory: ServicesFactory) -> Response:
    """Show the home page, or start what a button of it asks for."""
    if request.method == "POST":
        return await _start(request, services_factory)
    reject_unknown(request.query_params, ("format",))
    answer_format = requested_format(request)
    services = services_factory(())
    view = start_view(await overview(services), services.settings.time_zone)
    if answer_format is AnswerFormat.JSON:
        return JSONResponse(view, headers=PRIVATE)
    token = None
    try:
        token = make_token(services_factory(COMAGIC_VARIABLES + AGBIS_VARIABLES).settings, services.clock.now())
    except SettingsError:  # the page says so instead of showing buttons that cannot work
        log.info("start_without_settings")
    return page(request, "start.html", start=view, token=token)


async def _start(request: Request, services_factory: ServicesFactory) -> Response:
    if refused := refusal(request.headers):
        return refused
    form = await _form(request)
    services = services_factory(COMAGIC_VARIABLES + AGBIS_VARIABLES)
    token = read_token(services.settings, form.get("token", ""))
    if token is None:
        return Failed(403, "The button is not of this page: open /start and press it there")
    run_id, valid_until = token
    if await services.store.run(run_id) is not None:
        return _to_run(run_id)
    if services.clock.now() > valid_until:
        return RedirectResponse("start", 303, PRIVATE)  # the page with new buttons
    wanted = _wanted(form, services)
    if (same := _started.get(run_id)) is not None:
        await asyncio.wait({same}, timeout=_EVERY)
        return _to_run(run_id)
    run = StartedRun(started=services.clock.monotonic())
    task = asyncio.create_task(run_sync(wanted, services, run_id=run_id, on_progress=run.note))
    _started[run_id] = task
    task.add_done_callback(partial(_ended, run_id))
    await asyncio.wait({task}, timeout=_EVERY)
    if task.done():  # too short to show anything
        return _answer_of(task, run_id)
    t = Translator(accepted_language(request))
    return StreamingResponse(_stream(task, run, run_id, services, t), headers=page_headers(t), media_type="text/html")


def _wanted(form: dict[str, str], services: SyncServices) -> SyncRequest:
    wanted = _WANTED.get(form.get("action", ""))
    if wanted is None:
        raise InvalidInput(f"action must be one of {', '.join(_WANTED)}")
    if form["action"] != "phone":
        return wanted
    if normalize_phone(form.get("phone", ""), services.settings.phone_region) is None:
        raise InvalidInput(NO_PHONE)
    return replace(wanted, phone=form["phone"])


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _BODY_LIMIT:
            raise InvalidInput("The form is too large")
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}


def _to_run(run_id: str) -> Response:
    return RedirectResponse(f"runs/{run_id}", 303, PRIVATE)


def _answer_of(task: asyncio.Task[RunResult], run_id: str) -> Response:
    error = task.exception()
    if error is None or (isinstance(error, RunInProgress) and error.run_id == run_id):
        return _to_run(run_id)  # or a second press of the button: the same run
    raise error


def _ended(run_id: str, task: asyncio.Task[RunResult]) -> None:
    """Log how a run ended; the alert counts the same event as for `/`."""
    del _started[run_id]
    if task.cancelled() or (error := task.exception()) is None:
        return
    if not isinstance(error, BridgeError):
        log.error("run_failed", extra={"status": 500}, exc_info=error)
    elif (status := failure_of(error).status_code) >= 500:
        log.error("run_failed", extra={"status": status, "reason": str(error), "kind": type(error).__name__})


async def _stream(
    task: asyncio.Task[RunResult], run: StartedRun, run_id: str, services: SyncServices, t: Translator
) -> AsyncIterator[str]:
    """Write the page of a run as it goes on: the newest part of it hides those before, so no script is needed."""
    from crm_bridge.presentation import html  # noqa: PLC0415 - only a browser pays for the templates

    head, foot = html.page("progress_page.html", t, root="./", run_id=run_id).split("<!-- progress -->")
    yield head
    while not task.done():
        yield html.page("progress_part.html", t, part=run.part(services.clock.monotonic()))
        await asyncio.wait({task}, timeout=_EVERY)
    error = task.exception()
    message = None
    if error is not None:
        message = str(error) if isinstance(error, BridgeError) else "Internal error"
    yield html.page("progress_end.html", t, root="./", run_id=run_id, message=message)
    yield foot

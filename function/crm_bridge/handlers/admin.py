"""The paths of `sync` for people who look: /explain, /check_setup, /runs. They change nothing and need no lease."""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from crm_bridge.domain.phone import normalize_phone
from crm_bridge.errors import BadRequest, SettingsError
from crm_bridge.handlers.negotiation import PRIVATE, Failed, Form, form_of, known_only, page, words_of
from crm_bridge.handlers.responses import JOURNAL_PARAMETERS, cut, journal_answer
from crm_bridge.ports import Connect
from crm_bridge.presentation import explanation_view
from crm_bridge.settings import COMAGIC_VARIABLES
from crm_bridge.translations import Words
from crm_bridge.usecases.check_setup import check_setup, settings_are_wrong
from crm_bridge.usecases.explain import explain

_ENGLISH = Words("en")
_RUNS = 50
_MOST_RUNS = 500


async def look(path: str, request: Request, connect: Connect) -> Response | None:
    """Answer one of these paths; None when it is none of them."""
    match path.split("/")[1:]:
        case ["explain"]:
            return await _explain(request, connect)
        case ["check_setup"]:
            return await _check_setup(request, connect)
        case ["runs"]:
            return await _runs(request, connect)
        case ["runs", run_id]:
            return await _run(run_id, request, connect)
        case _:
            return None


async def _explain(request: Request, connect: Connect) -> Response:
    known_only(request.query_params, ("phone", "format"))
    form = form_of(request)
    asked = request.query_params.get("phone", "").strip()
    if form is Form.HTML and not asked:
        return page(request, "explain.html", story=None, asked="")
    services = connect(COMAGIC_VARIABLES)
    settings = services.settings
    phone = normalize_phone(asked[:50], settings.phone_region)
    if phone is None:
        raise BadRequest("phone must be a phone, e.g. phone=79261234567")
    story = await explain(phone, services)
    if form is Form.HTML:
        told = explanation_view.story_view(story, settings, words_of(request))
        return page(request, "explain.html", story=told, asked=asked[:50])
    return JSONResponse(explanation_view.story_view(story, settings, _ENGLISH), headers=PRIVATE)


async def _check_setup(request: Request, connect: Connect) -> Response:
    known_only(request.query_params, ("format",))
    form = form_of(request)
    try:
        checks = await check_setup(connect(()))
    except SettingsError as exc:
        checks = settings_are_wrong(str(exc))
    status = 200 if all(check.ok for check in checks) else 503
    if form is Form.HTML:
        return page(request, "setup.html", status, setup=explanation_view.setup_view(checks, words_of(request)))
    return JSONResponse(explanation_view.setup_view(checks, _ENGLISH), status, PRIVATE)


async def _runs(request: Request, connect: Connect) -> Response:
    known_only(request.query_params, ("limit", "format"))
    form = form_of(request)
    services = connect(())
    lease, now, zone = await services.store.lease(), services.clock.now(), services.settings.time_zone
    runs = [
        explanation_view.run_view(run, lease, now=now, zone=zone) for run in await services.store.runs(_limit(request))
    ]
    if form is Form.HTML:
        return page(request, "runs.html", runs=runs)
    return JSONResponse({"runs": runs}, headers=PRIVATE)


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(_RUNS))
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= _MOST_RUNS:
        raise BadRequest(f"limit must be a whole number from 1 to {_MOST_RUNS}")
    return int(text)


async def _run(run_id: str, request: Request, connect: Connect) -> Response:
    known_only(request.query_params, ("format", "log", *JOURNAL_PARAMETERS))
    form = form_of(request, forms=tuple(Form))
    services = connect(())
    run = await services.store.run(run_id) if re.fullmatch(r"[0-9a-z-]{1,64}", run_id) else None
    if run is None:
        return Failed(404, "There is no such run, or it was longer ago than RUNS_TTL_DAYS")
    lease, now, zone = await services.store.lease(), services.clock.now(), services.settings.time_zone
    told: dict[str, Any] = explanation_view.run_view(run, lease, now=now, zone=zone)
    journal = explanation_view.journal_of(run)
    log_level = request.query_params.get("log", "all")
    if form is Form.JSON:
        told["journal"] = None if journal is None else cut(journal, log_level)
        return JSONResponse(told, headers=PRIVATE)
    if journal is None:
        if form is Form.CSV:
            return Failed(404, "This run left no journal")
        return page(request, "run.html", run=told)
    return journal_answer(request, form, journal, log_level, stored=told)

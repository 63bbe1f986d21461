"""The paths of `sync` for people who look: /explain, /check_setup, /runs. They change nothing and need no lease."""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from crm_bridge.domain.phone import normalize_phone
from crm_bridge.errors import InvalidInput, SettingsError
from crm_bridge.handlers.negotiation import (
    PRIVATE,
    AnswerFormat,
    Failed,
    page,
    reject_unknown,
    requested_format,
    translator_for,
)
from crm_bridge.handlers.responses import JOURNAL_PARAMETERS, filter_log, journal_answer
from crm_bridge.presentation.explanation_view import explanation_view
from crm_bridge.presentation.run_view import journal_of, run_view
from crm_bridge.presentation.setup_view import setup_view
from crm_bridge.services import ServicesFactory
from crm_bridge.settings import COMAGIC_VARIABLES
from crm_bridge.translations import Translator
from crm_bridge.usecases.check_setup import check_setup, settings_are_wrong
from crm_bridge.usecases.explain import explain

_ENGLISH = Translator("en")
_RUNS = 50
_MOST_RUNS = 500


async def look(path: str, request: Request, services_factory: ServicesFactory) -> Response | None:
    """Answer one of these paths; None when it is none of them."""
    match path.split("/")[1:]:
        case ["explain"]:
            return await _explain(request, services_factory)
        case ["check_setup"]:
            return await _check_setup(request, services_factory)
        case ["runs"]:
            return await _runs(request, services_factory)
        case ["runs", run_id]:
            return await _run(run_id, request, services_factory)
        case _:
            return None


async def _explain(request: Request, services_factory: ServicesFactory) -> Response:
    reject_unknown(request.query_params, ("phone", "format"))
    answer_format = requested_format(request)
    asked = request.query_params.get("phone", "").strip()
    if answer_format is AnswerFormat.HTML and not asked:
        return page(request, "explain.html", explanation=None, typed="")
    services = services_factory(COMAGIC_VARIABLES)
    settings = services.settings
    phone = normalize_phone(asked[:50], settings.phone_region)
    if phone is None:
        raise InvalidInput("phone must be a phone, e.g. phone=79261234567")
    explanation = await explain(phone, services)
    if answer_format is AnswerFormat.HTML:
        told = explanation_view(explanation, settings, translator_for(request))
        return page(request, "explain.html", explanation=told, typed=asked[:50])
    return JSONResponse(explanation_view(explanation, settings, _ENGLISH), headers=PRIVATE)


async def _check_setup(request: Request, services_factory: ServicesFactory) -> Response:
    reject_unknown(request.query_params, ("format",))
    answer_format = requested_format(request)
    try:
        checks = await check_setup(services_factory(()))
    except SettingsError as exc:
        checks = settings_are_wrong(str(exc))
    status = 200 if all(check.ok for check in checks) else 503
    if answer_format is AnswerFormat.HTML:
        return page(request, "setup.html", status, setup=setup_view(checks, translator_for(request)))
    return JSONResponse(setup_view(checks, _ENGLISH), status, PRIVATE)


async def _runs(request: Request, services_factory: ServicesFactory) -> Response:
    reject_unknown(request.query_params, ("limit", "format"))
    answer_format = requested_format(request)
    services = services_factory(())
    lease, now, zone = await services.store.lease(), services.clock.now(), services.settings.time_zone
    runs = [run_view(run, lease, now=now, zone=zone) for run in await services.store.runs(_limit(request))]
    if answer_format is AnswerFormat.HTML:
        return page(request, "runs.html", runs=runs)
    return JSONResponse({"runs": runs}, headers=PRIVATE)


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(_RUNS))
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= _MOST_RUNS:
        raise InvalidInput(f"limit must be a whole number from 1 to {_MOST_RUNS}")
    return int(text)


async def _run(run_id: str, request: Request, services_factory: ServicesFactory) -> Response:
    reject_unknown(request.query_params, ("format", "log", *JOURNAL_PARAMETERS))
    answer_format = requested_format(request, forms=tuple(AnswerFormat))
    services = services_factory(())
    run = await services.store.run(run_id) if re.fullmatch(r"[0-9a-z-]{1,64}", run_id) else None
    if run is None:
        return Failed(404, "There is no such run, or it was longer ago than RUNS_TTL_DAYS")
    lease, now, zone = await services.store.lease(), services.clock.now(), services.settings.time_zone
    told: dict[str, Any] = run_view(run, lease, now=now, zone=zone)
    journal = journal_of(run)
    log_filter = request.query_params.get("log", "all")
    if answer_format is AnswerFormat.JSON:
        told["journal"] = None if journal is None else filter_log(journal, log_filter)
        return JSONResponse(told, headers=PRIVATE)
    if journal is None:
        if answer_format is AnswerFormat.CSV:
            return Failed(404, "This run left no journal")
        return page(request, "run.html", run=told)
    return journal_answer(request, answer_format, journal, log_filter, stored=told)

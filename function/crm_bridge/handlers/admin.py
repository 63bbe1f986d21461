"""The paths of `sync` that answer admins: /explain, /check_setup, /runs. They change nothing and need no lease."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from crm_bridge.domain.journal import LOG_FILTERS, filter_log
from crm_bridge.domain.phone import normalize_phone
from crm_bridge.domain.run import Run, RunStatus
from crm_bridge.errors import InvalidInput, SettingsError
from crm_bridge.handlers.negotiation import AnswerFormat, accepted_language, requested_format
from crm_bridge.handlers.parameters import NO_PHONE, read_choice, read_whole, reject_unknown
from crm_bridge.handlers.responses import JOURNAL_PARAMETERS, LONGEST_PHONE, PRIVATE, Failed, journal_response, page
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


async def answer_explain(request: Request, services_factory: ServicesFactory) -> Response:
    """Explain the state of one phone; without a phone a browser gets the form."""
    query = request.query_params
    reject_unknown(query, ("phone", "format"))
    answer_format = requested_format(request)
    typed = query.get("phone", "").strip()[:LONGEST_PHONE]
    if answer_format is AnswerFormat.HTML and not typed:
        return page(request, "explain.html", explanation=None, typed="")
    services = services_factory(COMAGIC_VARIABLES)
    settings = services.settings
    phone = normalize_phone(typed, settings.phone_region)
    if phone is None:
        raise InvalidInput(NO_PHONE)
    explanation = await explain(phone, services)
    if answer_format is AnswerFormat.HTML:
        view = explanation_view(explanation, settings, Translator(accepted_language(request)))
        return page(request, "explain.html", explanation=view, typed=typed)
    return JSONResponse(explanation_view(explanation, settings, _ENGLISH), headers=PRIVATE)


async def answer_check_setup(request: Request, services_factory: ServicesFactory) -> Response:
    """Check the setup, and with `alert=test` the alerts: 200 when all checks hold, else 503."""
    query = request.query_params
    reject_unknown(query, ("alert", "format"))
    answer_format = requested_format(request)
    if "alert" in query:
        read_choice(query, "alert", ("test",), default="test")
    try:
        checks = await check_setup(services_factory(()), test_alert="alert" in query)
    except SettingsError as exc:
        checks = settings_are_wrong(str(exc))
    status = 200 if all(check.ok for check in checks) else 503
    if answer_format is AnswerFormat.HTML:
        return page(request, "setup.html", status, setup=setup_view(checks, Translator(accepted_language(request))))
    return JSONResponse(setup_view(checks, _ENGLISH), status, PRIVATE)


async def answer_runs(request: Request, services_factory: ServicesFactory) -> Response:
    """List the stored runs, the newest first."""
    query = request.query_params
    reject_unknown(query, ("limit", "format"))
    answer_format = requested_format(request)
    services = services_factory(())
    lease, now, zone = await services.store.lease(), services.clock.now(), services.settings.time_zone
    limit = read_whole(query, "limit", low=1, high=_MOST_RUNS, default=_RUNS)
    runs = [run_view(run, lease, now=now, zone=zone) for run in await services.store.runs(limit)]
    if answer_format is AnswerFormat.HTML:
        return page(request, "runs.html", runs=runs)
    return JSONResponse({"runs": runs}, headers=PRIVATE)


async def answer_run(request: Request, services_factory: ServicesFactory) -> Response:
    """Answer one stored run with its journal."""
    query = request.query_params
    reject_unknown(query, ("format", "log", *JOURNAL_PARAMETERS))
    answer_format = requested_format(request, formats=tuple(AnswerFormat))
    run_id = request.url.path.rstrip("/").removeprefix("/runs/")
    services = services_factory(())
    run = await services.store.run(run_id) if re.fullmatch(r"[0-9a-z-]{1,64}", run_id) else None
    lease, now, zone = await services.store.lease(), services.clock.now(), services.settings.time_zone
    if run is None and lease is not None and lease.run_id == run_id and lease.until > now:
        # a dry run that refreshes leaves no record, but holds the lease
        run = Run(run_id=run_id, status=RunStatus.RUNNING, started_at=lease.started_at, expires_at=lease.until)
    if run is None:
        return Failed(404, "There is no such run, or it was longer ago than RUNS_TTL_DAYS")
    view = run_view(run, lease, now=now, zone=zone)
    journal = journal_of(run)
    log_filter = read_choice(query, "log", LOG_FILTERS, default="all")
    if answer_format is AnswerFormat.JSON:
        view["journal"] = None if journal is None else filter_log(journal, log_filter)
        return JSONResponse(view, headers=PRIVATE)
    if journal is not None:
        return await journal_response(request, answer_format, journal, log_filter, stored=view)
    if answer_format is AnswerFormat.CSV:
        return Failed(404, "This run left no journal")
    return page(request, "run.html", run=view)

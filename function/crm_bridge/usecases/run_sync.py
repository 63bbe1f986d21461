"""A run of `sync`: lease, refresh, sales, journal."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from crm_bridge.domain.decision import Result
from crm_bridge.domain.journal import Journal
from crm_bridge.domain.phone import normalize_phone
from crm_bridge.domain.refresh_window import Window, backfill_window
from crm_bridge.domain.run import Progress, Run, RunStatus
from crm_bridge.errors import BridgeError, EmptyDatabase, InvalidInput, RunStopped, StoreUnavailable
from crm_bridge.logs import run_id as current_run_id
from crm_bridge.services import SyncServices
from crm_bridge.settings import settings_error
from crm_bridge.usecases.alert import alert_after_failure, alert_after_run
from crm_bridge.usecases.lease import CLOSING_SECONDS, LeaseKeeper, hold_lease
from crm_bridge.usecases.progress import ProgressReporter
from crm_bridge.usecases.record_sales import record_sales
from crm_bridge.usecases.refresh_aggregates import refresh_aggregates
from crm_bridge.usecases.run_context import Deadline, RunContext, SyncRequest
from crm_bridge.usecases.upload_deals import KEPT_POINTS, upload_deals

log = logging.getLogger(__name__)

_WORK_CLOSES = 3.5
_RECORD_CLOSES = 4.5
"""Seconds after the deadline: the work of a run is given up, and the record of the run. The lease has until the fifth.

The remote calls have ended by then, so only the database can keep a run as long as that.
"""


class RunResult(Struct, frozen=True, kw_only=True):
    """What a run answers.

    Attributes:
        message: One sentence.
        journal: As `Journal.as_json` makes it.
        figures: What the list of runs shows of this one.
    """

    message: str
    journal: Mapping[str, Any]
    figures: Mapping[str, int | bool] = field(default_factory=dict)


async def run_sync(
    request: SyncRequest,
    services: SyncServices,
    *,
    run_id: str | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> RunResult:
    """Do a run, or answer a repeated delivery of the same Scheduler tick with the journal it had; then send alerts.

    Args:
        request: What is asked for.
        services: What the run works with.
        run_id: Its id, when the caller has one for it.
        on_progress: Gets every report of how far the run has come.

    Raises:
        SettingsError: A variable begins like ours and is none of them.
        RunInProgress: Another run is in progress.
        EmptyDatabase: There is nothing to apply, and no refresh was asked for.
        RemoteError, RunStopped: Sales could not be decided.
        InvalidInput: A date lies in the future, or the phone is none.
        PlanRefused: The guard stops the run, or the plan is not the one that was confirmed.
    """
    run_id = run_id or uuid.uuid4().hex
    current_run_id.set(run_id)
    try:
        result = await _run(request, services, run_id, on_progress)
    except Exception as exc:
        await alert_after_failure(request, exc, services)
        raise
    await alert_after_run(request, result, services)
    return result


async def _run(
    request: SyncRequest, services: SyncServices, run_id: str, on_progress: Callable[[Progress], None] | None
) -> RunResult:
    if services.settings.unknown_variables:
        raise settings_error(services.settings.unknown_variables)
    deadline = Deadline(services.clock, services.settings.sync_time_budget)
    async with deadline.closing(_WORK_CLOSES):
        replay = await _replay(request, services)
    if replay:
        return replay
    if request.phone is not None:
        phone = normalize_phone(request.phone, services.settings.phone_region)
        if phone is None:
            raise InvalidInput("phone must be a phone, e.g. phone=79261234567")
        request = replace(request, phone=phone)

    def context(lease: LeaseKeeper | None, record: Run | None = None) -> RunContext:
        progress = ProgressReporter(services.store, services.clock, record, on_progress)
        return RunContext(
            run_id=run_id, services=services, deadline=deadline, lease=lease, progress=progress, request=request
        )

    with deadline.stopped_by_sigterm():
        if (
            request.dry_run and not request.update_db and not request.keep
        ):  # reads only, so it needs no lease and leaves no trace
            return await _in_time(context(lease=None))
        async with AsyncExitStack() as stack:
            async with deadline.closing(_WORK_CLOSES):
                held = hold_lease(services.store, deadline, run_id, zone=services.settings.time_zone)
                lease = await stack.enter_async_context(held)
                if replay := await _replay(request, services):  # the first delivery may have ended in between
                    return replay
                run = None if request.dry_run and not request.keep else await _start_record(request, services, run_id)
            if run is None:
                return await _in_time(context(lease))
            return await _recorded(run, context(lease, record=run))


async def _replay(request: SyncRequest, services: SyncServices) -> RunResult | None:
    """Return what the same tick was answered before, if it succeeded: the Scheduler delivers at least once."""
    if request.tick is None:
        return None
    run = await services.store.run_of_tick(request.tick)
    if run is None or run.journal is None or not run.figures.get("complete", True):
        return None  # a run that left work to do does not answer for its tick
    log.info("tick_replayed", extra={"of_run": run.run_id})
    return RunResult(message=run.message, journal={**json.loads(run.journal), "replayed": True})


async def _start_record(request: SyncRequest, services: SyncServices, run_id: str) -> Run:
    now = services.clock.now()
    run = Run(
        run_id=run_id,
        status=RunStatus.RUNNING,
        started_at=now,
        expires_at=now + services.settings.runs_ttl,
        tick=request.tick,
        parameters=str(request),
    )
    await services.store.save_run(run)
    return run


async def _recorded(run: Run, context: RunContext) -> RunResult:
    """Do the work, and record how the run ended."""
    services = context.services
    try:
        result = await _in_time(context)
    except Exception as exc:
        message = str(exc) if isinstance(exc, BridgeError) else "Internal error"
        failed = replace(run, status=RunStatus.FAILED, finished_at=services.clock.now(), message=message)
        seconds = CLOSING_SECONDS if isinstance(exc, StoreUnavailable) else None
        with suppress(StoreUnavailable, RunStopped, TimeoutError):  # the answer names the first failure
            async with context.deadline.closing(_RECORD_CLOSES), asyncio.timeout(seconds):
                await services.store.save_run(failed)
        raise
    succeeded = replace(
        run,
        status=RunStatus.SUCCEEDED,
        finished_at=services.clock.now(),
        message=result.message,
        journal=json.dumps(result.journal, ensure_ascii=False).encode(),
        figures=result.figures,
    )
    async with context.deadline.closing(_RECORD_CLOSES):
        await services.store.save_run(succeeded)
    return result


async def _in_time(context: RunContext) -> RunResult:
    """Do the work of a run; what the database has not stored soon after the deadline is left to the next run.

    Raises:
        RunStopped: It took too long.
        BridgeError: See `refresh_and_apply`.
    """
    async with context.deadline.closing(_WORK_CLOSES):
        return await refresh_and_apply(context)


async def refresh_and_apply(context: RunContext) -> RunResult:
    """Refresh the aggregates if asked to, then apply the sales.

    Raises:
        EmptyDatabase: There is nothing to apply, and no refresh was asked for.
        RemoteError, RunStopped, InvalidInput, LeaseLost: See `run_sync`.
    """
    request, services = context.request, context.services
    clock, zone = services.clock, services.settings.time_zone
    journal = Journal(run_id=context.run_id, started_at=clock.now(), zone=zone, dry_run=request.dry_run)
    if request.update_db and context.lease is not None:
        crm = services.crm(context.deadline)
        try:
            backfill = _backfill(request, services)
            journal.refresh = await refresh_aggregates(context, context.lease, crm, backfill=backfill)
        finally:
            journal.requests.update(crm.requests)
            journal.warnings.extend(crm.warnings)
        journal.complete = journal.refresh.complete
    elif not await services.store.has_phones():
        raise EmptyDatabase("No data in DB found. Please update DB using update_db query param")
    call_tracking = services.call_tracking(context.deadline)
    deals_on = services.settings.comagic_deals
    call_tracking.keep_points(KEPT_POINTS if deals_on else 0)
    await record_sales(context, call_tracking, journal)
    call_tracking.keep_points(0)
    if deals_on:
        await upload_deals(context, call_tracking, journal)
    journal.requests.update(call_tracking.requests)
    journal.warnings.extend(call_tracking.warnings)
    journal.quota = call_tracking.quota.limits
    journal.finished_at = clock.now()
    _log_end(request, journal)
    return RunResult(message=journal.summary(), journal=journal.as_json(), figures=journal.figures())


def _backfill(request: SyncRequest, services: SyncServices) -> Window | None:
    if request.date_from is None:
        return None
    now, zone = services.clock.now(), services.settings.time_zone
    today = now.astimezone(zone).date()
    if request.date_from > today:
        raise InvalidInput(f"date_from lies in the future: {request.date_from}")
    return backfill_window(request.date_from, request.date_till or today, now=now, zone=zone)


def _log_end(request: SyncRequest, journal: Journal) -> None:
    """Log the figures that the alerts are made of."""
    counts = journal.counts()
    log.info(
        "run_finished",
        extra={
            "balanced": journal.money()["balanced"],
            "complete": journal.complete,
            "dry_run": request.dry_run,
            "update_db": request.update_db,
            "phones": len(journal.rows),
            **{str(result): counts[result] for result in Result},
        },
    )

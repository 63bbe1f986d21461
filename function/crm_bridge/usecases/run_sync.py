"""A run of `sync`: lease, refresh, sales, journal."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Mapping
from datetime import date
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from crm_bridge.domain.decision import Result
from crm_bridge.domain.journal import Journal
from crm_bridge.domain.refresh_window import Window, of_dates
from crm_bridge.domain.run import Run, RunStatus
from crm_bridge.errors import BridgeError, EmptyDatabase, InvalidInput
from crm_bridge.logs import run_id as current_run_id
from crm_bridge.services import SyncServices
from crm_bridge.usecases.lease import Guard, Stopping, hold_lease
from crm_bridge.usecases.progress import ProgressReporter
from crm_bridge.usecases.record_sales import record_sales
from crm_bridge.usecases.refresh_aggregates import refresh_aggregates

log = logging.getLogger(__name__)


class SyncRequest(Struct, frozen=True, kw_only=True):
    """What a caller of `sync` asks for.

    Attributes:
        update_db: Refresh the phone aggregates from the CRM first.
        dry_run: Decide everything, write nothing to CoMagic and nothing about sales to the database.
        date_from, date_till: A backfill's local days, both included; only with `update_db`.
        tick: The Scheduler's job and schedule time, when it is the caller.
    """

    update_db: bool = False
    dry_run: bool = False
    date_from: date | None = None
    date_till: date | None = None
    tick: str | None = None

    def __str__(self) -> str:
        names = [name for name in ("update_db", "dry_run") if getattr(self, name)]
        names += [f"{name}={getattr(self, name)}" for name in ("date_from", "date_till") if getattr(self, name)]
        return "&".join(names)


class RunResult(Struct, frozen=True, kw_only=True):
    """What a run answers.

    Attributes:
        message: One sentence.
        journal: As `Journal.as_json` makes it.
        figures: What a list of runs tells of this one.
    """

    message: str
    journal: Mapping[str, Any]
    figures: Mapping[str, int | bool] = field(default_factory=dict)


async def run_sync(request: SyncRequest, services: SyncServices) -> RunResult:
    """Do a run, or answer a repeated delivery of the same Scheduler tick with the journal it had.

    Raises:
        RunInProgress: Another run is in progress.
        EmptyDatabase: There is nothing to apply, and no refresh was asked for.
        RemoteError: One of the remote systems failed before sales could be decided.
        InvalidInput: A date lies in the future.
    """
    run_id = uuid.uuid4().hex
    current_run_id.set(run_id)
    if replay := await _replay(request, services):
        return replay
    now = services.clock.now()
    if request.dry_run and not request.update_db:  # reads only, so it needs no lease and leaves no trace
        stopping = Stopping(services.clock, now + services.settings.sync_time_budget)
        progress = ProgressReporter(services.store, services.clock, None)
        return await refresh_and_apply(request, services, run_id, stopping, progress, guard=None)
    async with hold_lease(services.store, services.clock, run_id, services.settings.sync_time_budget) as guard:
        if replay := await _replay(request, services):  # the first delivery may have ended in between
            return replay
        if request.dry_run:
            progress = ProgressReporter(services.store, services.clock, None)
            return await refresh_and_apply(request, services, run_id, guard, progress, guard=guard)
        return await _recorded(request, services, guard)


async def _replay(request: SyncRequest, services: SyncServices) -> RunResult | None:
    """Return what the same tick of the Scheduler was answered when it succeeded; it delivers at least once."""
    if request.tick is None:
        return None
    run = await services.store.run_of_tick(request.tick)
    if run is None or run.journal is None:
        return None
    log.info("tick delivered again", extra={"of_run": run.run_id})
    return RunResult(message=run.message, journal={**json.loads(run.journal), "replayed": True})


async def _recorded(request: SyncRequest, services: SyncServices, guard: Guard) -> RunResult:
    """Do the work and keep it as a run, whatever becomes of it."""
    now = services.clock.now()
    run = Run(
        run_id=guard.run_id,
        status=RunStatus.RUNNING,
        started_at=now,
        expires_at=now + services.settings.runs_ttl,
        tick=request.tick,
        parameters=str(request),
    )
    await services.store.save_run(run)
    progress = ProgressReporter(services.store, services.clock, run)
    try:
        answer = await refresh_and_apply(request, services, guard.run_id, guard, progress, guard=guard)
    except Exception as exc:
        message = str(exc) if isinstance(exc, BridgeError) else "Internal error"
        failed = replace(run, status=RunStatus.FAILED, finished_at=services.clock.now(), message=message)
        await services.store.save_run(failed)
        raise
    journal = json.dumps(answer.journal, ensure_ascii=False).encode()
    await services.store.save_run(
        replace(
            run,
            status=RunStatus.SUCCEEDED,
            finished_at=services.clock.now(),
            message=answer.message,
            journal=journal,
            figures=answer.figures,
        )
    )
    return answer


async def refresh_and_apply(
    request: SyncRequest,
    services: SyncServices,
    run_id: str,
    stopping: Stopping,
    progress: ProgressReporter,
    *,
    guard: Guard | None,
) -> RunResult:
    clock, settings = services.clock, services.settings
    journal = Journal(run_id=run_id, started_at=clock.now(), zone=settings.time_zone, dry_run=request.dry_run)
    if request.update_db and guard is not None:
        crm = services.crm()
        try:
            backfill = _backfill(request, services)
            journal.refresh = await refresh_aggregates(services, crm, guard, progress, backfill=backfill)
        finally:
            journal.requests.update(crm.requests)
        journal.complete = journal.refresh.complete
    elif not await services.store.has_phones():
        raise EmptyDatabase("No data in DB found. Please update DB using update_db query param")
    call_tracking = services.call_tracking(stopping)
    await record_sales(services, call_tracking, stopping, journal, progress, guard=None if request.dry_run else guard)
    journal.requests.update(call_tracking.requests)
    journal.warnings = list(call_tracking.warnings)
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
    return of_dates(request.date_from, request.date_till or today, now=now, zone=zone)


def _log_end(request: SyncRequest, journal: Journal) -> None:
    """Log the figures that the alarms are made of."""
    counts = journal.counts()
    log.info(
        "run finished",
        extra={
            "balanced": journal.money()["balanced"],
            "complete": journal.complete,
            "dry_run": request.dry_run,
            "update_db": request.update_db,
            "phones": len(journal.rows),
            **{str(result): counts[result] for result in Result},
        },
    )

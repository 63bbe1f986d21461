"""Alerts about runs (`ALERT_URLS`): one message when a state begins and one when it is over, none between.

Nothing here fails a run: what cannot be sent now is sent after the next run, if the state still stands.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from crm_bridge.domain.alert import (
    Alert,
    AlertKind,
    AlertNotes,
    RunObservation,
    Values,
    after_sending,
    alerts_due,
    with_full_run,
)
from crm_bridge.errors import (
    BridgeError,
    EmptyDatabase,
    InvalidInput,
    PlanRefused,
    RunInProgress,
    StoreUnavailable,
)
from crm_bridge.services import Alerts, SyncServices
from crm_bridge.usecases.lease import CLOSING_SECONDS

if TYPE_CHECKING:
    from crm_bridge.usecases.run_context import SyncRequest
    from crm_bridge.usecases.run_sync import RunResult

log = logging.getLogger(__name__)

_NO_FAILURES = (RunInProgress, EmptyDatabase, InvalidInput)
"""Answers to a caller that say nothing about how the work goes."""


async def alert_after_run(request: SyncRequest, result: RunResult, services: SyncServices) -> None:
    """Send what a run that ended has shown; a replayed one shows nothing."""
    alerts = services.alerts
    if alerts is None or not request.is_over_all_phones or not result.figures:
        return
    complete, balanced = result.figures["complete"], result.figures["balanced"]
    states: dict[AlertKind, Values | None] = {
        AlertKind.RUN_FAILED: None,
        AlertKind.GUARD_STOPPED: None,
        AlertKind.RUN_INCOMPLETE: None if complete else {"deferred": result.figures["deferred"]},
        AlertKind.RUN_UNBALANCED: None if balanced else {},
    }
    if request.update_db:
        states |= await _orders_unreadable(services)
    is_full = request.update_db and request.date_from is None
    observed = RunObservation(refreshed=request.update_db, is_full=is_full, states=states)
    await _send_changes(observed, alerts, services)


async def alert_after_failure(request: SyncRequest, exc: Exception, services: SyncServices) -> None:
    """Send what a run that failed has shown."""
    alerts = services.alerts
    if alerts is None or not request.is_over_all_phones or isinstance(exc, _NO_FAILURES):
        return
    reason = {"reason": str(exc) if isinstance(exc, BridgeError) else "Internal error"}
    states: Mapping[AlertKind, Values | None]
    if isinstance(exc, PlanRefused):
        if request.confirm is not None:  # the caller has confirmed another plan
            return
        states = {AlertKind.GUARD_STOPPED: reason, AlertKind.RUN_FAILED: None}
    else:
        states = {AlertKind.RUN_FAILED: reason}
    observed = RunObservation(refreshed=request.update_db, is_full=False, states=states)
    await _send_changes(observed, alerts, services)


async def send_test_alert(alerts: Alerts) -> list[bool]:
    """Send a message that says that alerts arrive; return whether each address of ALERT_URLS took it."""
    return await alerts.sender.send(Alert(kind=AlertKind.TEST))


async def _orders_unreadable(services: SyncServices) -> dict[AlertKind, Values | None]:
    try:
        aside = await services.store.unreadable_orders()
    except Exception:
        log.exception("alerts_failed")
        return {}  # not known
    return {AlertKind.ORDERS_UNREADABLE: {"count": len(aside)} if aside else None}


async def _send_changes(observed: RunObservation, alerts: Alerts, services: SyncServices) -> None:
    """Send the difference between what was observed and what is known to stand, and note what was sent."""
    async with alerts.lock:  # the next run may end while this one's messages are on their way
        try:
            await _send_and_note(observed, alerts, services)
        except Exception:
            log.exception("alerts_failed")


async def _send_and_note(observed: RunObservation, alerts: Alerts, services: SyncServices) -> None:
    now = services.clock.now()
    before = await _notes(alerts, services) or AlertNotes(watched_since=now)
    notes, observed = with_full_run(before, observed, now)
    due = alerts_due(notes, observed)
    accepted = await asyncio.gather(*(alerts.sender.send(alert) for alert in due))
    for alert, by_address in zip(due, accepted, strict=True):
        log.info("alert_sent", extra={"kind": alert.kind, "over": alert.over, "accepted": sum(by_address)})
        if any(by_address):  # one address that is wrong must not repeat the message to the others
            notes = after_sending(notes, alert, of_refresh=observed.refreshed, now=now)
    await _save(notes, alerts, services)


async def _notes(alerts: Alerts, services: SyncServices) -> AlertNotes | None:
    """Return what the database remembers, or what this process does while the database cannot be used."""
    if not alerts.unsaved:
        try:
            async with asyncio.timeout(CLOSING_SECONDS):
                alerts.known = await services.store.state(AlertNotes)
        except (StoreUnavailable, TimeoutError):
            log.warning("alerts_not_read")
    return alerts.known


async def _save(notes: AlertNotes, alerts: Alerts, services: SyncServices) -> None:
    if notes == alerts.known and not alerts.unsaved:
        return
    alerts.known, alerts.unsaved = notes, True
    try:
        async with asyncio.timeout(CLOSING_SECONDS):
            await services.store.save_state(notes)
        alerts.unsaved = False
    except (StoreUnavailable, TimeoutError):
        log.warning("alerts_not_saved")

"""Alerts: states that somebody must know of. One message says that a state has begun, one that it is over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct, field

NO_FULL_RUN = timedelta(hours=26)
"""A day, and two hours for the tries of a daily run."""

Values = Mapping[str, object]


class AlertKind(StrEnum):
    """What may be wrong, each as the end of a message's key."""

    RUN_FAILED = "run_failed"
    GUARD_STOPPED = "guard_stopped"
    RUN_INCOMPLETE = "run_incomplete"
    RUN_UNBALANCED = "run_unbalanced"
    ORDERS_UNREADABLE = "orders_unreadable"
    RUN_MISSING = "run_missing"
    """No run over all phones has refreshed and ended for NO_FULL_RUN."""
    TEST = "test"
    """Sent by `/check_setup?alert=test`; it never stands."""


class Alert(Struct, frozen=True, kw_only=True):
    """One message.

    Attributes:
        over: The state is over.
        values: What the braces of the message's text are filled with; no phone and no secret.
    """

    kind: AlertKind
    over: bool = False
    values: Values = field(default_factory=dict)


class StandingAlert(Struct, frozen=True, kw_only=True):
    """A state whose beginning has been sent.

    Attributes:
        since: Aware.
        of_refresh: The run was one with `update_db`: only such a run can show that the state is over.
    """

    since: datetime
    of_refresh: bool


class AlertNotes(Struct, frozen=True, kw_only=True):
    """What the alerts remember between runs.

    Attributes:
        watched_since: When a run had ALERT_URLS for the first time, aware.
        full_run_at: When the last run ended that refreshed and went over all phones, aware.
        standing: The states that have begun and are not over, by their kinds.
    """

    watched_since: datetime
    full_run_at: datetime | None = None
    standing: Mapping[AlertKind, StandingAlert] = field(default_factory=dict)


class RunObservation(Struct, frozen=True, kw_only=True):
    """What a run has shown.

    Attributes:
        refreshed: The run was one with `update_db`.
        is_full: It refreshed as usual, went over all phones, and ended.
        states: For each kind that the run can judge: the values of its message, or None when all is well.
    """

    refreshed: bool
    is_full: bool
    states: Mapping[AlertKind, Values | None]


def with_full_run(notes: AlertNotes, observed: RunObservation, now: datetime) -> tuple[AlertNotes, RunObservation]:
    """Note a full run, and add to what was observed whether one is missing."""
    last = now if observed.is_full else notes.full_run_at
    waited_since = last or notes.watched_since
    missing: Values | None = {"since": waited_since} if now - waited_since > NO_FULL_RUN else None
    noted = AlertNotes(watched_since=notes.watched_since, full_run_at=last, standing=notes.standing)
    states = {**observed.states, AlertKind.RUN_MISSING: missing}
    return noted, RunObservation(refreshed=observed.refreshed, is_full=observed.is_full, states=states)


def alerts_due(notes: AlertNotes, observed: RunObservation) -> list[Alert]:
    """Return the messages that say what has begun and what is over."""
    due = []
    for kind, values in observed.states.items():
        standing = notes.standing.get(kind)
        if standing is None and values is not None:
            due.append(Alert(kind=kind, values=values))
        elif standing is not None and values is None and (observed.refreshed or not standing.of_refresh):
            due.append(Alert(kind=kind, over=True))
    return due


def after_sending(notes: AlertNotes, alert: Alert, *, of_refresh: bool, now: datetime) -> AlertNotes:
    """Return the notes once a message has been sent."""
    standing = {kind: each for kind, each in notes.standing.items() if kind != alert.kind}
    if not alert.over:
        standing[alert.kind] = StandingAlert(since=now, of_refresh=of_refresh and alert.kind in _OF_REFRESH)
    return AlertNotes(watched_since=notes.watched_since, full_run_at=notes.full_run_at, standing=standing)


_OF_REFRESH = frozenset({AlertKind.RUN_FAILED, AlertKind.RUN_INCOMPLETE})
"""What a run without `update_db` cannot clear: it did not ask the CRM that the other run failed on."""

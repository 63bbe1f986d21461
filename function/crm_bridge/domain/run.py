"""A run of `sync`, and the lease that lets only one run write at a time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct, field

LEASE_TTL = timedelta(seconds=60)
"""How long a lease outlives its holder's last sign of life."""


class Lease(Struct, frozen=True, kw_only=True):
    """The right to write, held by one run.

    Attributes:
        run_id: The holder.
        started_at: When the holder took it, aware.
        until: When it ends unless renewed, aware.
    """

    run_id: str
    started_at: datetime
    until: datetime


class RunStatus(StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Phase(StrEnum):
    """What a run is doing, in the order in which it does it."""

    REFRESHING = "refreshing"
    """Reading changed orders; counts windows of at most a day."""
    LOOKING_UP = "looking_up"
    """Asking the CRM for clients that a window's orders name; counts clients."""
    READING = "reading"
    """Reading communications; how many there will be is not known."""
    APPLYING = "applying"
    """Changing sales; counts changes."""
    UPLOADING = "uploading"
    """Sending deals; how many there will be is not known."""


class Progress(Struct, frozen=True, kw_only=True):
    """How far a run had come at its last report.

    Attributes:
        done, total: Of what the phase counts; `total` is None where it is not known.
        at: Aware.
    """

    phase: Phase
    done: int
    total: int | None
    at: datetime


class Run(Struct, frozen=True, kw_only=True):
    """One run of `sync`, as it is kept for `/runs`.

    Attributes:
        run_id: Unique; not in the order of time, because Firestore slows down on ids that grow.
        tick: The Scheduler's job and schedule time that started it, so that a repeated delivery is known.
        journal: The journal as JSON; None while it is at work, when it failed, and in a list of runs.
        message: What the answer said.
        progress: How far it has come; None before its first report, and kept when it ended.
        figures: The counters of the journal, and whether it is `complete` and `balanced`; empty until it succeeded.
        expires_at: When the database may delete it, aware.
    """

    run_id: str
    status: RunStatus
    started_at: datetime
    expires_at: datetime
    finished_at: datetime | None = None
    tick: str | None = None
    parameters: str = ""
    message: str = ""
    journal: bytes | None = None
    progress: Progress | None = None
    figures: Mapping[str, int | bool] = field(default_factory=dict)

    def is_going_on(self, lease: Lease | None, *, now: datetime) -> bool:
        """Say whether the run is at work: a run whose process was killed no longer renews its lease.

        Args:
            lease: The lease that stands in the database.
            now: Aware.
        """
        holds = lease is not None and lease.run_id == self.run_id and lease.until > now
        return self.status is RunStatus.RUNNING and holds

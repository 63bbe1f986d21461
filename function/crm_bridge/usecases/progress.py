"""How far a run has come, for those who look at `/runs` meanwhile."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from crm_bridge.clock import Clock
from crm_bridge.domain.run import Phase, Progress, Run
from crm_bridge.ports import SalesStore

_EVERY = timedelta(seconds=3)
"""A run tells no more often than this, so that progress costs next to nothing, and a short run nothing at all."""


class ProgressReporter:
    """Keeps the progress of one run in its record."""

    def __init__(self, store: SalesStore, clock: Clock, run: Run | None) -> None:
        """Begin to count the time now.

        Args:
            store: Where the run is kept.
            clock: Tells when it is time to tell again.
            run: The run; None for one that leaves no record, which tells nothing.
        """
        self.run = run
        self._store = store
        self._clock = clock
        self._told_at: datetime = clock.now()

    async def report(self, phase: Phase, done: int, total: int | None = None) -> None:
        """Say how far the run has come; most of what is said is not stored."""
        now = self._clock.now()
        if self.run is None or now - self._told_at < _EVERY:
            return
        self._told_at = now
        self.run = replace(self.run, progress=Progress(phase=phase, done=done, total=total, at=now))
        await self._store.save_run(self.run)

"""How far a run has come, for people who look at `/runs` meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from crm_bridge.clock import Clock
from crm_bridge.domain.run import Phase, Progress, Run
from crm_bridge.ports import SalesStore

_EVERY = 3.0
"""Seconds: the shortest time between two stored reports, so that progress costs little, and a short run nothing."""


class ProgressReporter:
    """Keeps the progress of one run in its record."""

    def __init__(
        self,
        store: SalesStore,
        clock: Clock,
        run: Run | None,
        listener: Callable[[Progress], None] | None = None,
    ) -> None:
        """Start to count the time now.

        Args:
            store: Where the run is kept.
            clock: Says when the next report is due.
            run: The run; None for one that leaves no record, whose progress is not stored.
            listener: Gets every report at once.
        """
        self.run = run
        self._store = store
        self._clock = clock
        self._listener = listener
        self._reported_at = clock.monotonic()

    async def report(self, phase: Phase, done: int, total: int | None = None) -> None:
        """Report how far the run has come; only one report in three seconds is stored."""
        elapsed = self._clock.monotonic()
        progress = Progress(phase=phase, done=done, total=total, at=self._clock.now())
        if self._listener is not None:
            self._listener(progress)
        if self.run is None or elapsed - self._reported_at < _EVERY:
            return
        self._reported_at = elapsed
        self.run = replace(self.run, progress=progress)
        await self._store.save_run(self.run)

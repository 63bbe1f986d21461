"""Time as an argument, so that no test sleeps.

`now` is for dates: of sales, windows, watermarks, leases. `monotonic` measures how long something takes: the machine's
calendar time may be set forward or back at any moment.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time, and waits."""

    def now(self) -> datetime:
        """Return the present instant, aware, UTC."""

    def monotonic(self) -> float:
        """Return seconds since some moment; they only grow, whatever happens to the calendar time."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class RunTime(Clock, Protocol):
    """Time as one run has it: a wait ends with RunStopped when the run is asked to stop."""

    def left(self) -> float:
        """Return the seconds until the run's deadline, negative after it; nothing waits for a quota beyond it."""


class SystemClock:
    """The real time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

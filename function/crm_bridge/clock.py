"""Time as an argument, so that no test sleeps."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time, and waits."""

    def now(self) -> datetime:
        """Return the present instant, aware, UTC."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class RunTime(Clock, Protocol):
    """Time as one run has it: a wait ends with RunStopped when the run is asked to stop.

    Attributes:
        deadline: When the run's time is over, aware; nothing waits for a quota beyond it.
    """

    deadline: datetime


class SystemClock:
    """The real time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

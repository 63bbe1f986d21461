"""The clocks of the simulators."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """The time of a simulator; a test can move it."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""

    def advance(self, by: timedelta) -> None:
        """Move the time forward."""

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds` of this clock."""


class SystemClock:
    """The machine's clock, shifted by `offset`."""

    def __init__(self, offset: timedelta = timedelta()) -> None:
        self.offset = offset

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def advance(self, by: timedelta) -> None:
        self.offset += by

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ManualClock:
    """A clock that stands still until it is moved; sleeping moves it."""

    def __init__(self, start: datetime) -> None:
        self._now = _aware(start)
        self._passed = timedelta()

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        """Return the seconds that have passed; setting the time changes nothing about them."""
        return self._passed.total_seconds()

    def advance(self, by: timedelta) -> None:
        self._now += by
        self._passed += by

    def set(self, moment: datetime) -> None:
        """Set the time of day, as a person or a time server does; no time passes."""
        self._now = _aware(moment)

    async def sleep(self, seconds: float) -> None:
        until = self._passed + max(timedelta(seconds=seconds), timedelta(microseconds=seconds > 0))
        await asyncio.sleep(0)
        self.advance(max(timedelta(), until - self._passed))  # several sleepers wait in parallel


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        msg = "an aware datetime is needed"
        raise ValueError(msg)
    return moment.astimezone(UTC)

"""A clock that somebody sets while time goes on."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.sandbox.clock import ManualClock


class UnsteadyClock:
    """Our clock beside the simulators': it may be set forward or back, and no time passes by that.

    Attributes:
        slept: Seconds of each sleep, in their order.
        by: By how much it is set in the next sleep; zero for not at all.
    """

    def __init__(self, steady: ManualClock) -> None:
        self.slept: list[float] = []
        self.by = timedelta()
        self._steady = steady
        self._ahead = timedelta()

    def now(self) -> datetime:
        return self._steady.now() + self._ahead

    def monotonic(self) -> float:
        return self._steady.monotonic()

    def set_by(self, by: timedelta) -> None:
        self._ahead += by

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.set_by(self.by)
        self.by = timedelta()
        await self._steady.sleep(seconds)

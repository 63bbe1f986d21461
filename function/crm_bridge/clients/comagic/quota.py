"""CoMagic's points: how many are left, and which task may use one now.

Every successful request costs a point of the minute and of the day (some methods count an hour too). How many there are
differs between accounts, so none is assumed: `metadata.limits` of an answer says what is left and when that is filled
up again. Source: docs/remote/comagic-data-api.md#quota
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar

from msgspec import Struct

from crm_bridge.clients.comagic.errors import LimitExceeded
from crm_bridge.clock import RunTime
from crm_bridge.errors import QuotaSpent

_RESERVE = 2  # points left to others who use the key, and to answers that overtake each other
_SMALL_LIMIT = 10  # points; a smaller limit has no room for a reserve
_GRACE = 1.0  # seconds: resets are reported in whole seconds, so a window may restart up to a second later
_SAME_WINDOW = 3.0  # seconds: two answers whose resets differ by less are about one window
_DEFAULT_WAIT = 61.0  # seconds: when a refusal has no limits: until the next minute in any case
_DEFAULT_WAITS = 3  # then the limit that is spent is not the minute's
_LONGEST_RESET = 31 * 86_400  # seconds; a longer one is no time to wait for, and adding it might overflow
_MOST_REFUSALS = 20  # of one call, by a server that refuses for ever

_held_from: ContextVar[QuotaThrottle | None] = ContextVar("held_from", default=None)
"""The throttle from which the running task has reserved points."""


class _Window(Struct):
    """Points of a minute, an hour or a day.

    Attributes:
        limit: Points of a full window; None when not reported.
        remaining: Points left at the last answer.
        resets_at: When the window is full again, by the monotonic clock.
    """

    limit: int | None
    remaining: int
    resets_at: float

    def left(self, now: float) -> int | None:
        """Return the points left; None after the reset of a window whose limit is not known."""
        return self.remaining if now < self.resets_at + _GRACE else self.limit

    @property
    def reserve(self) -> int:
        return _RESERVE if self.limit is None or self.limit >= _SMALL_LIMIT else 0


class QuotaThrottle:
    """The points of one run.

    Every task books points before it makes a request, so of tasks that wait for the same reset only as many go on as
    the new window has points.

    Attributes:
        limits: `metadata.limits` of the last answer that had them; empty before the first.
        kept: Points of the day that are kept for later in the run.
    """

    def __init__(self, time: RunTime) -> None:
        self.limits: dict[str, int] = {}
        self.kept = 0
        self._time = time
        self._booked = 0
        self._windows: dict[str, _Window] = {}
        self._closed_until: float | None = None
        self._refusal = ""

    def note(self, limits: Mapping[str, int]) -> None:
        """Keep the limits of an answer; an answer to which limits do not apply has none."""
        if not limits:
            return
        self.limits = dict(limits)
        now = self._time.monotonic()
        for name in ("minute", "hour", "day"):
            remaining, reset = limits.get(f"{name}_remaining"), limits.get(f"{name}_reset")
            if remaining is None or reset is None:
                continue
            resets_at = now + min(max(0, reset), _LONGEST_RESET)
            known = self._windows.get(name)
            if known is not None and now < known.resets_at and abs(resets_at - known.resets_at) < _SAME_WINDOW:
                remaining = min(remaining, known.remaining)  # answers overtake each other
            self._windows[name] = _Window(limits.get(f"{name}_limit"), remaining, resets_at)

    @asynccontextmanager
    async def reserve_quota(self, count: int) -> AsyncIterator[None]:
        """Book points for the requests made inside; wait for the next window when this one is spent.

        A reservation inside another one books nothing: the outer one has points for all calls of a change.

        Raises:
            QuotaSpent: The day's points are spent, or the wait would last beyond the deadline.
        """
        if _held_from.get() is self:
            await self._await_reopening()
            yield
            return
        await self._await_points(count)
        self._booked += count
        token = _held_from.set(self)
        try:
            yield
        finally:
            _held_from.reset(token)
            self._booked -= count

    def refused(self, refusal: LimitExceeded, *, times: int) -> None:
        """Stop all requests until there are points again, after a refusal (`limit_exceeded`, HTTP 429).

        Args:
            refusal: What CoMagic has answered.
            times: How often this call has been refused, this refusal included.

        Raises:
            QuotaSpent: The day's points are spent, or waiting has not helped.
        """
        limits, message = refusal.limits, str(refusal)
        self.note(limits)
        now = self._time.monotonic()
        day = self._windows.get("day")
        if "day" in refusal.kind.lower() or (limits and day is not None and day.remaining <= 0 and now < day.resets_at):
            raise _spent(message, day.resets_at - now if day else None)
        spent = [
            window.resets_at + _GRACE
            for name, window in self._windows.items()
            if name != "day" and f"{name}_remaining" in limits and window.remaining <= 0
        ]
        if refusal.retry_after is not None:
            spent.append(now + max(1, refusal.retry_after))
        if times > (_MOST_REFUSALS if spent else _DEFAULT_WAITS):
            raise _spent(message, _DEFAULT_WAIT)
        self._close_until(max(spent, default=now + _DEFAULT_WAIT), message)

    def close_for(self, seconds: int, message: str) -> None:
        """Stop all requests for a time that CoMagic has named (`Retry-After`).

        Args:
            seconds: The time.
            message: For the error of a request that cannot wait so long.
        """
        self._close_until(self._time.monotonic() + seconds, message)

    def _close_until(self, until: float, message: str) -> None:
        self._refusal = message
        self._closed_until = max(until, self._closed_until or until)

    async def _await_points(self, count: int) -> None:
        while (wait := self._wait(count)) > 0:
            await self._sleep(wait)

    async def _await_reopening(self) -> None:
        while self._closed_until is not None and (wait := self._closed_until - self._time.monotonic()) > 0:
            await self._sleep(wait)

    def _wait(self, count: int) -> float:
        """Return the seconds to wait before looking again; none when `count` points are free."""
        now = self._time.monotonic()
        waits = [self._closed_until - now] if self._closed_until is not None else []
        for name, window in self._windows.items():
            left = window.left(now)
            if left is None:
                continue
            reserve = window.reserve + (self.kept if name == "day" and window.reserve else 0)
            # A caller who wants more than a full window has must not wait for ever.
            wanted = min(count, window.limit - reserve) if window.limit else count
            if left - self._booked - reserve >= wanted:
                continue
            until_reset = window.resets_at + _GRACE - now
            if until_reset <= 0:
                # The window is full again and all of it is booked: an answer or the end of a booking frees points.
                waits.append(1.0)
            elif name == "day":
                raise _spent("CoMagic: the day's points are spent", until_reset)
            else:
                waits.append(until_reset)
        return max(waits, default=0.0)

    async def _sleep(self, wait: float) -> None:
        if wait > self._time.left():
            is_closed = self._closed_until is not None and self._time.monotonic() < self._closed_until
            why = self._refusal if is_closed else "CoMagic: the minute's points are spent"
            raise _spent(f"{why} (to wait for more would outlast the run)", wait)
        await self._time.sleep(wait)


def _spent(why: str, wait: float | None) -> QuotaSpent:
    seconds = None if wait is None else max(1, math.ceil(wait))
    return QuotaSpent("CoMagic", why, retry_after=seconds)

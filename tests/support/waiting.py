"""How tests wait: for a condition instead of a time, and with a limit that a busy machine does not reach."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

PATIENCE = 120.0
"""Seconds until a test gives up: no promise of ours, so long enough for a machine that is ten times slower."""

_PAUSE = 0.01
_TRIES = 8


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds.

    Raises:
        AssertionError: It does not hold for too long; the message has `what`.
    """
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE:.0f} s in vain: {what}"
        time.sleep(_PAUSE)


async def until(condition: Callable[[], bool | Awaitable[bool]], what: str) -> None:
    """Do the same in an event loop, whose other tasks go on meanwhile."""
    deadline = time.monotonic() + PATIENCE
    while True:
        holds = condition()
        if holds if isinstance(holds, bool) else await holds:
            return
        assert time.monotonic() < deadline, f"waited {PATIENCE:.0f} s in vain: {what}"
        await asyncio.sleep(_PAUSE)


def fastest(measure: Callable[[], float], *, within: float) -> float:
    """Repeat a measurement until it is within a promised time, and return the best.

    Another program may delay one try, or some. Slow code of ours delays every try, because each does the same.
    """
    times = []
    for _ in range(_TRIES):
        times.append(measure())
        if times[-1] < within:
            break
    return min(times)


async def fastest_of(measure: Callable[[], Awaitable[float]], *, within: float) -> float:
    """Do the same with a measurement that is awaited."""
    times = []
    for _ in range(_TRIES):
        times.append(await measure())
        if times[-1] < within:
            break
    return min(times)

"""When a remote call is made again: with growing pauses, a little chance in them, and an end."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from msgspec import Struct
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_any,
    wait_chain,
    wait_fixed,
)
from tenacity.stop import stop_base
from tenacity.wait import wait_random

from crm_bridge.clock import Clock

T = TypeVar("T")

logger = logging.getLogger(__name__)


class MalformedResponse(Exception):
    """An answer that cannot be read at all, cut short perhaps. It stays inside the clients, who may ask again."""


class RetryPolicy(Struct, frozen=True, kw_only=True):
    """How long to go on.

    Attributes:
        pauses: Seconds before the second, the third try and so on; there is one try more than pauses.
        jitter: Up to this many seconds more, so that callers who failed together do not come back together.
        total: No try begins later than this after the first.
    """

    pauses: tuple[float, ...]
    jitter: float
    total: timedelta


class _OutOfTime(stop_base):
    """tenacity has the like of it, on the machine's clock only."""

    def __init__(self, clock: Clock, total: timedelta) -> None:
        self._clock = clock
        self._until = clock.now() + total

    def __call__(self, retry_state: RetryCallState) -> bool:
        return self._clock.now() + timedelta(seconds=retry_state.upcoming_sleep) > self._until


async def retry_call(
    call: Callable[[], Awaitable[T]],
    *,
    again: Callable[[BaseException], bool],
    policy: RetryPolicy,
    clock: Clock,
    name: str,
) -> T:
    """Call until it succeeds, fails for good, or policy ends; then its last error is raised.

    Args:
        call: Makes one try.
        again: Tells of an error whether another try may help.
        policy: The pauses and the end.
        clock: All waiting is done on it.
        name: What the log calls it; no secret, no phone.
    """

    async def one_try() -> T:  # tenacity does not await what a plain function returns
        return await call()

    def tell(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        logger.info(
            "remote call is repeated",
            extra={
                "call": name,
                "attempt": state.attempt_number,
                "pause_seconds": round(state.upcoming_sleep, 1),
                "reason": f"{type(error).__name__}: {error}",
            },
        )

    return await AsyncRetrying(
        sleep=clock.sleep,
        stop=stop_any(stop_after_attempt(len(policy.pauses) + 1), _OutOfTime(clock, policy.total)),
        wait=wait_chain(*(wait_fixed(pause) for pause in policy.pauses)) + wait_random(0, policy.jitter),
        retry=retry_if_exception(again),
        before_sleep=tell,
        reraise=True,
    )(one_try)

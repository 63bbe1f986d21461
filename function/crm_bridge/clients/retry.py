"""Retries of remote calls: every policy of the program by name, and the loop that follows one.

Firestore's client library repeats its own calls; Agbis's login has a rule of its own (`agbis/session.py`), and so has
a spent quota of CoMagic (`comagic/quota.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace
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


class RetryPolicy(Struct, frozen=True, kw_only=True):
    """How often a call is repeated, and for how long.

    Attributes:
        pauses_seconds: The pause before the second try, the third and so on; there is one try more than pauses.
        jitter_seconds: Each pause is longer by up to this much, so that callers who failed together spread out.
        total: No try starts later than this after the first.
    """

    pauses_seconds: tuple[float, ...]
    jitter_seconds: float
    total: timedelta

    def within(self, left: timedelta) -> RetryPolicy:
        """Return the policy of a caller who has only this much time left."""
        return replace(self, total=min(self.total, max(left, timedelta())))


AGBIS_BLOCK_SECONDS = 120
"""How long Agbis blocks a caller who asks too often. Source: docs/remote/agbis.md#http-statuses"""

COMAGIC_READ = RetryPolicy(
    pauses_seconds=(1, 4),  # short and growing: a request that fails costs no point
    jitter_seconds=1,  # up to COMAGIC_CONCURRENCY calls are under way and fail together
    total=timedelta(minutes=5),  # three tries of 60 s (the timeout) and a wait for the next minute's quota
)
"""Calls of CoMagic that change nothing; `within` the run's deadline. A write is never repeated here.

Source: docs/remote/comagic-data-api.md#mnemonics
"""

AGBIS_CALL = RetryPolicy(
    pauses_seconds=(2, 8),  # an outage may last hours: the next run outlasts it, not a third pause
    jitter_seconds=1,  # calls go one at a time, but another process may have failed at the same moment
    total=timedelta(minutes=5),  # three tries of 60 s (the timeout), with time to spare
)
"""Calls of Agbis after a failure that passes; for `Login` only while no connection is made.

Source: docs/remote/agbis.md#operations
"""

AGBIS_BLOCKED = RetryPolicy(
    pauses_seconds=(AGBIS_BLOCK_SECONDS,) * 2,  # the length of the block
    jitter_seconds=5,  # processes that share the user are blocked together
    total=timedelta(minutes=10),  # two blocks, and the tries of AGBIS_CALL between them
)
"""Calls of Agbis that were refused as too frequent (HTTP 429, error 102).

Source: docs/remote/agbis.md#http-statuses
"""


class MalformedResponse(Exception):
    """An answer that cannot be decoded, perhaps truncated. It stays inside the clients, which may repeat the call."""


class _OutOfTime(stop_base):
    """Stops by our clock; tenacity's own `stop_before_delay` uses the machine's."""

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
    """Call until it succeeds, fails for good, or the policy ends; then raise its last error.

    Args:
        call: Makes one try.
        again: Whether another try may help after this error.
        policy: The pauses and the end.
        clock: Waits for the pauses.
        name: The call's name in the log; no secret, no phone.
    """

    async def one_try() -> T:  # tenacity does not await what a plain function returns
        return await call()

    def log_repetition(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        logger.info(
            "remote_call_repeated",
            extra={
                "call": name,
                "attempt": state.attempt_number,
                "pause_seconds": round(state.upcoming_sleep, 1),
                "reason": f"{type(error).__name__}: {error}",
            },
        )

    return await AsyncRetrying(
        sleep=clock.sleep,
        stop=stop_any(stop_after_attempt(len(policy.pauses_seconds) + 1), _OutOfTime(clock, policy.total)),
        wait=wait_chain(*(wait_fixed(pause) for pause in policy.pauses_seconds))
        + wait_random(0, policy.jitter_seconds),
        retry=retry_if_exception(again),
        before_sleep=log_repetition,
        reraise=True,
    )(one_try)

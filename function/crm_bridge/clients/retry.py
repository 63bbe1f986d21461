"""Retries of remote calls: every policy of the program by name, and the loop that follows one.

Firestore's client library repeats its own calls; Agbis's login has a rule of its own (`agbis/session.py`), and so has
a spent quota of CoMagic (`comagic/quota.py`).
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from msgspec import Struct
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, stop_any
from tenacity.stop import stop_base

from crm_bridge.clock import RunTime
from crm_bridge.errors import BridgeError

T = TypeVar("T")

logger = logging.getLogger(__name__)


class RetryPolicy(Struct, frozen=True, kw_only=True):
    """How often a call is repeated, and for how long.

    Attributes:
        pauses_seconds: The pause before the second try, the third and so on, where the failure names none
            (`retry_after`); there is one try more than pauses.
        jitter_seconds: Each pause is longer by up to this much, so that callers who failed together spread out.
        total: No try starts later than this after the first, but after a pause that the failure has named.
    """

    pauses_seconds: tuple[float, ...]
    jitter_seconds: float
    total: timedelta


AGBIS_BLOCK_SECONDS = 120
"""How long Agbis blocks a caller who asks too often. Source: docs/remote/agbis.md#http-statuses"""

COMAGIC_READ = RetryPolicy(
    pauses_seconds=(1, 4),  # short and growing: a request that fails costs no point
    jitter_seconds=1,  # up to COMAGIC_CONCURRENCY calls are under way and fail together
    total=timedelta(minutes=5),  # three tries of 60 s (the timeout) and a wait for the next minute's quota
)
"""Calls of CoMagic that change nothing. A write is never repeated here.

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


class _Pause:
    """The pause that the failure has named, at least a second, else that of the policy."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy

    def __call__(self, retry_state: RetryCallState) -> float:
        named = _named_pause(retry_state)
        pauses = self._policy.pauses_seconds
        pause = pauses[min(retry_state.attempt_number, len(pauses)) - 1] if named is None else max(1, named)
        return pause + random.uniform(0, self._policy.jitter_seconds)  # noqa: S311 - no secret depends on it


class _OutOfTime(stop_base):
    """Stops by our clock; tenacity's own `stop_before_delay` uses the machine's."""

    def __init__(self, time: RunTime, total: timedelta) -> None:
        self._time = time
        self._until = time.monotonic() + total.total_seconds()

    def __call__(self, retry_state: RetryCallState) -> bool:
        pause = retry_state.upcoming_sleep
        is_late = self._time.monotonic() + pause > self._until
        return pause > self._time.left() or (is_late and _named_pause(retry_state) is None)


def _named_pause(state: RetryCallState) -> int | None:
    error = state.outcome.exception() if state.outcome else None
    return error.retry_after if isinstance(error, BridgeError) else None


async def retry_call(
    call: Callable[[], Awaitable[T]],
    *,
    again: Callable[[BaseException], bool],
    policy: RetryPolicy,
    time: RunTime,
    name: str,
) -> T:
    """Call until it succeeds, fails for good, or the policy ends; then raise its last error.

    Args:
        call: Makes one try.
        again: Whether another try may help after this error.
        policy: The pauses and the end.
        time: Waits for the pauses; none lasts beyond its deadline.
        name: The call's name in the log; no secret, no phone.

    Raises:
        RunStopped: The run was stopped during a pause.
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
        sleep=time.sleep,
        stop=stop_any(stop_after_attempt(len(policy.pauses_seconds) + 1), _OutOfTime(time, policy.total)),
        wait=_Pause(policy),
        retry=retry_if_exception(again),
        before_sleep=log_repetition,
        reraise=True,
    )(one_try)

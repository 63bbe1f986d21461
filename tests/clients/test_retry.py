"""Retries: how often, and with which pauses."""

from __future__ import annotations

from datetime import timedelta

import pytest

from crm_bridge.clients.retry import RetryPolicy, retry_call
from crm_bridge.errors import RemoteRejected, RemoteUnavailable
from tests.clients.harness import Clock

pytestmark = pytest.mark.anyio

PATIENCE = RetryPolicy(pauses=(2, 8), jitter=1, total=timedelta(minutes=5))


class Flaky:
    """Fails a number of times, then succeeds.

    Attributes:
        calls: Tries so far.
    """

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "done"


def unavailable() -> RemoteUnavailable:
    return RemoteUnavailable("Agbis", "away")


async def attempt(call: Flaky, clock: Clock, policy: RetryPolicy = PATIENCE) -> str:
    return await retry_call(
        call, again=lambda exc: isinstance(exc, RemoteUnavailable), policy=policy, clock=clock, name="a call"
    )


async def test_a_call_that_recovers_succeeds_after_growing_pauses() -> None:
    clock, call = Clock(), Flaky(unavailable(), unavailable())

    assert await attempt(call, clock) == "done"
    assert call.calls == 3
    assert [int(pause) for pause in clock.slept] in ([2, 8], [2, 9], [3, 8], [3, 9])  # a jitter of up to a second


async def test_the_last_error_itself_is_raised_when_tries_run_out() -> None:
    last = unavailable()
    call = Flaky(unavailable(), unavailable(), last, unavailable())

    with pytest.raises(RemoteUnavailable) as raised:
        await attempt(call, Clock())

    assert raised.value is last
    assert call.calls == 3


async def test_an_error_that_would_come_again_is_raised_at_once() -> None:
    clock, call = Clock(), Flaky(RemoteRejected("Agbis", "103", "no such command"))

    with pytest.raises(RemoteRejected):
        await attempt(call, clock)

    assert clock.slept == []


async def test_no_try_begins_after_the_total_time() -> None:
    clock, call = Clock(), Flaky(unavailable(), unavailable())

    with pytest.raises(RemoteUnavailable):
        await attempt(call, clock, RetryPolicy(pauses=(2, 8), jitter=0, total=timedelta(seconds=9)))

    assert clock.slept == [2]

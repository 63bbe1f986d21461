"""Retries: how often, and with which pauses."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from crm_bridge.clients.retry import AGBIS_BLOCKED, AGBIS_CALL, COMAGIC_READ, RetryPolicy, retry_call
from crm_bridge.errors import RemoteRejected, RemoteUnavailable
from tests.clients.harness import Clock, Time

pytestmark = pytest.mark.anyio

MINUTE = timedelta(minutes=1)
POLICY = RetryPolicy(pauses_seconds=(2, 8), jitter_seconds=1, total=timedelta(minutes=5))


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


async def attempt(call: Flaky, clock: Clock, policy: RetryPolicy = POLICY) -> str:
    return await retry_call(
        call, again=lambda exc: isinstance(exc, RemoteUnavailable), policy=policy, time=Time(clock), name="a call"
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


async def test_no_try_starts_after_the_total_time() -> None:
    clock, call = Clock(), Flaky(unavailable(), unavailable())

    with pytest.raises(RemoteUnavailable):
        await attempt(call, clock, RetryPolicy(pauses_seconds=(2, 8), jitter_seconds=0, total=timedelta(seconds=9)))

    assert clock.slept == [2]


async def test_a_repetition_is_logged_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="crm_bridge")

    await attempt(Flaky(unavailable()), Clock(), RetryPolicy(pauses_seconds=(2,), jitter_seconds=0, total=MINUTE))

    (record,) = caplog.records
    assert record.getMessage() == "remote_call_repeated"
    logged = {key: record.__dict__[key] for key in ("call", "attempt", "pause_seconds", "reason")}
    assert logged == {"call": "a call", "attempt": 1, "pause_seconds": 2, "reason": "RemoteUnavailable: away"}


@pytest.mark.parametrize(("named", "pause"), [(30, 30), (0, 1), (600, 600)])
async def test_a_pause_that_the_failure_names_counts_more_than_the_policy(named: int, pause: int) -> None:
    clock = Clock()

    await attempt(Flaky(RemoteUnavailable("Agbis", "away", retry_after=named)), clock)

    assert pause <= clock.slept[0] <= pause + POLICY.jitter_seconds


@pytest.mark.parametrize("named", [None, 30])
async def test_no_pause_lasts_beyond_the_deadline(named: int | None) -> None:
    clock = Clock()
    failure = RemoteUnavailable("Agbis", "away", retry_after=named)

    with pytest.raises(RemoteUnavailable) as raised:
        await retry_call(
            Flaky(failure), again=lambda _: True, policy=POLICY, time=Time(clock, timedelta(seconds=1)), name="a call"
        )

    assert raised.value is failure
    assert clock.slept == []


@pytest.mark.parametrize("policy", [COMAGIC_READ, AGBIS_CALL, AGBIS_BLOCKED])
def test_the_pauses_of_every_policy_fit_into_its_total(policy: RetryPolicy) -> None:
    longest = sum(policy.pauses_seconds) + policy.jitter_seconds * len(policy.pauses_seconds)

    assert timedelta(seconds=longest) < policy.total

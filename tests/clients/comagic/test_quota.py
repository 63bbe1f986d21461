"""Points of CoMagic: who waits, until when, and when QuotaSpent is raised."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from crm_bridge.clients.comagic.errors import LimitExceeded
from crm_bridge.clients.comagic.quota import QuotaThrottle
from crm_bridge.errors import QuotaSpent
from tests.clients.harness import Clock, Time
from tests.support.factories import NOON

pytestmark = pytest.mark.anyio


def limits(
    *, minute: int | None = None, day: int | None = None, hour: int | None = None, reset: int = 20, limit: int = 60
) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, remaining, full in (("minute", minute, limit), ("hour", hour, 4000), ("day", day, 3000)):
        if remaining is not None:
            found |= {f"{name}_limit": full, f"{name}_remaining": remaining, f"{name}_reset": reset}
    return found


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def quota(clock: Clock) -> QuotaThrottle:
    return QuotaThrottle(Time(clock))


async def use(quota: QuotaThrottle, count: int = 1) -> None:
    async with quota.reserve_quota(count):
        pass


async def test_before_the_first_answer_nobody_waits(quota: QuotaThrottle, clock: Clock) -> None:
    async with quota.reserve_quota(50), quota.reserve_quota(50):
        pass

    assert clock.slept == []
    assert quota.limits == {}


async def test_an_answer_without_limits_changes_nothing(quota: QuotaThrottle) -> None:
    quota.note(limits(minute=30))
    quota.note({})

    assert quota.limits == limits(minute=30)


async def test_the_last_two_points_of_a_minute_are_left_to_others(quota: QuotaThrottle, clock: Clock) -> None:
    quota.note(limits(minute=3))
    await use(quota)
    assert clock.slept == []

    quota.note(limits(minute=2))
    await use(quota)
    assert clock.slept == [21]


async def test_a_small_limit_is_used_to_its_last_point(quota: QuotaThrottle, clock: Clock) -> None:
    quota.note(limits(minute=1, limit=5))
    await use(quota)
    assert clock.slept == []

    quota.note(limits(minute=0, limit=5))
    await use(quota)
    assert clock.slept == [21]


async def test_after_a_wait_the_minute_counts_as_full_until_an_answer_says_otherwise(
    quota: QuotaThrottle, clock: Clock
) -> None:
    quota.note(limits(minute=0))
    for _ in range(40):
        await use(quota)

    assert clock.slept == [21]


async def test_booked_points_are_not_given_twice(quota: QuotaThrottle, clock: Clock) -> None:
    quota.note(limits(minute=10))
    async with quota.reserve_quota(5):
        async with Other(quota, 3):
            assert clock.slept == []
        async with Other(quota, 4):
            assert clock.slept == [21]


class Other:
    """Points held by another task."""

    def __init__(self, quota: QuotaThrottle, count: int) -> None:
        self._quota, self._count = quota, count
        self._held, self._release = asyncio.Event(), asyncio.Event()

    async def _hold(self) -> None:
        async with self._quota.reserve_quota(self._count):
            self._held.set()
            await self._release.wait()

    async def __aenter__(self) -> None:
        # A context of its own: tasks inherit what their maker holds.
        import contextvars

        self._task = asyncio.get_running_loop().create_task(self._hold(), context=contextvars.Context())
        await self._held.wait()

    async def __aexit__(self, *_: object) -> None:
        self._release.set()
        await self._task


async def test_calls_inside_a_reservation_book_no_more_points(quota: QuotaThrottle, clock: Clock) -> None:
    quota.note(limits(minute=4))
    async with quota.reserve_quota(2):
        quota.note(limits(minute=0))
        await use(quota)
        await use(quota)

    assert clock.slept == []


async def test_more_points_than_a_minute_has_do_not_wait_for_ever(quota: QuotaThrottle, clock: Clock) -> None:
    quota.note(limits(minute=0, limit=2))
    await use(quota, 5)

    assert clock.slept == [21]


async def test_a_spent_day_is_raised_with_the_time_until_the_next(quota: QuotaThrottle, clock: Clock) -> None:
    quota.note(limits(minute=50, day=2, reset=3600))

    with pytest.raises(QuotaSpent, match="day") as raised:
        await use(quota)

    assert raised.value.retry_after == 3601
    assert clock.slept == []


async def test_a_day_that_has_ended_meanwhile_is_full_again(quota: QuotaThrottle, clock: Clock) -> None:
    quota.note(limits(day=0, reset=60))
    clock.advance(timedelta(seconds=62))

    await use(quota)


async def test_a_wait_beyond_the_deadline_is_not_started(clock: Clock) -> None:
    quota = QuotaThrottle(Time(clock, timedelta(seconds=20)))
    quota.note(limits(minute=0))

    with pytest.raises(QuotaSpent, match="outlast the run") as raised:
        await use(quota)

    assert raised.value.retry_after == 21
    assert clock.slept == []


async def test_an_hour_is_waited_for_like_a_minute(quota: QuotaThrottle, clock: Clock) -> None:
    quota.note(limits(hour=0, reset=600))
    await use(quota)

    assert clock.slept == [601]


async def test_limits_may_come_without_their_reset(quota: QuotaThrottle, clock: Clock) -> None:
    quota.note({"minute_remaining": 0})
    quota.note({"minute_remaining": 0, "minute_reset": 5})
    await use(quota)

    assert clock.slept == [6]


async def test_an_answer_that_was_overtaken_gives_no_points_back(quota: QuotaThrottle, clock: Clock) -> None:
    quota.note(limits(minute=2))
    quota.note(limits(minute=9, reset=20))
    await use(quota)

    assert clock.slept == [21]


async def test_tasks_that_wait_together_do_not_all_go_together(quota: QuotaThrottle, clock: Clock) -> None:
    """Of 30 tasks that wait for a minute of 10 points, 8 may ask in each of the next minutes."""
    quota.note(limits(minute=0, limit=10, reset=60))
    asked: list[int] = []

    async def ask() -> None:
        async with quota.reserve_quota(1):
            minute = int((clock.now() - NOON).total_seconds()) // 61
            asked.append(minute)
            await asyncio.sleep(0)
            quota.note(limits(minute=10 - asked.count(minute), limit=10, reset=60))

    await asyncio.gather(*(ask() for _ in range(30)))

    assert len(asked) == 30
    assert max(asked.count(minute) for minute in set(asked)) <= 8


class TestRefused:
    async def test_everybody_waits_for_the_reported_reset(self, quota: QuotaThrottle, clock: Clock) -> None:
        quota.refused(LimitExceeded("no", limits(minute=0, day=100), "minute"), times=1)
        async with quota.reserve_quota(1):
            pass

        assert clock.slept == [21]

    async def test_a_task_with_reserved_points_waits_too(self, quota: QuotaThrottle, clock: Clock) -> None:
        async with quota.reserve_quota(2):
            quota.refused(LimitExceeded("no", limits(minute=0), "minute"), times=1)
            await use(quota)

        assert clock.slept == [21]

    async def test_without_a_reported_reset_the_next_minute_is_awaited_three_times(
        self, quota: QuotaThrottle, clock: Clock
    ) -> None:
        for times in (1, 2, 3):
            quota.refused(LimitExceeded("no", {}, ""), times=times)
            await use(quota)
        assert clock.slept == [61, 61, 61]

        with pytest.raises(QuotaSpent, match="no") as raised:
            quota.refused(LimitExceeded("no", {}, ""), times=4)
        assert raised.value.retry_after == 61

    async def test_a_spent_day_is_raised_at_once(self, quota: QuotaThrottle) -> None:
        with pytest.raises(QuotaSpent) as raised:
            quota.refused(LimitExceeded("no", limits(minute=40, day=0, reset=900), ""), times=1)
        assert raised.value.retry_after == 900

        with pytest.raises(QuotaSpent) as raised:
            QuotaThrottle(Time(Clock(), timedelta())).refused(LimitExceeded("no", {}, "Limit per Day"), times=1)
        assert raised.value.retry_after is None

    async def test_a_refusal_that_lasts_beyond_the_deadline_is_raised_with_its_text(self, clock: Clock) -> None:
        quota = QuotaThrottle(Time(clock, timedelta(seconds=10)))
        quota.refused(LimitExceeded("CoMagic: limit_exceeded: x", limits(minute=0), "minute"), times=1)

        with pytest.raises(QuotaSpent, match="limit_exceeded: x") as raised:
            await use(quota)
        assert raised.value.retry_after == 21

    async def test_a_server_that_refuses_for_ever_is_not_asked_for_ever(self, quota: QuotaThrottle) -> None:
        with pytest.raises(QuotaSpent):
            quota.refused(LimitExceeded("no", limits(minute=0, reset=0), "minute"), times=21)

"""A run holds its lease while the database comes and goes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from crm_bridge.domain.run import LEASE_TTL, Lease
from crm_bridge.errors import StoreUnavailable
from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from crm_bridge.usecases import lease as lease_module
from crm_bridge.usecases.lease import hold_lease
from crm_bridge.usecases.run_context import Deadline
from tests.sandbox.clock import ManualClock
from tests.support.databases import locked
from tests.support.factories import NOON
from tests.support.waiting import until

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteSalesStore]:
    store = SqliteSalesStore(str(tmp_path / "bridge.db"))
    yield store
    await store.close()


def run_time(clock: ManualClock | None = None) -> Deadline:
    return Deadline(clock or ManualClock(NOON), timedelta(minutes=25))


async def test_a_heartbeat_that_finds_no_database_is_no_end_of_the_run(
    store: SqliteSalesStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    renew, beats = store.renew_lease, 0

    async def renew_from_the_third_beat_on(lease: Lease) -> bool:
        nonlocal beats
        beats += 1
        if beats < 3:
            raise StoreUnavailable("bridge.db", "the disk is full")
        return await renew(lease)

    monkeypatch.setattr(store, "renew_lease", renew_from_the_third_beat_on)
    monkeypatch.setattr(lease_module, "_HEARTBEAT", timedelta(milliseconds=1))

    async with hold_lease(store, run_time(), "r1"):
        await until(lambda: beats > 3, "the heart beats on")

    assert await store.lease() is None


@pytest.mark.parametrize("by", [timedelta(days=-1), timedelta(days=1)], ids=["back", "ahead"])
async def test_a_lease_is_renewed_every_half_of_its_time_whatever_the_clock_shows(
    store: SqliteSalesStore, by: timedelta
) -> None:
    """By the calendar, a clock that was set back would leave the lease alone for a day."""
    clock = ManualClock(NOON)

    async with hold_lease(store, run_time(clock), "r1") as keeper:
        clock.set(NOON + by)
        await keeper.check()
        assert (await lease_of(store)).until == NOON + LEASE_TTL
        clock.advance(LEASE_TTL / 2)
        await keeper.check()

        assert (await lease_of(store)).until == NOON + by + LEASE_TTL * 1.5


async def lease_of(store: SqliteSalesStore) -> Lease:
    lease = await store.lease()
    assert lease is not None
    return lease


async def test_a_run_that_the_database_failed_does_not_wait_for_it_again(
    store: SqliteSalesStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_module, "CLOSING_SECONDS", 0.1)

    async def run() -> None:
        async with hold_lease(store, run_time(), "r1"):
            lock.__enter__()
            raise StoreUnavailable("bridge.db", "another program has locked it")

    lock = locked(tmp_path / "bridge.db")
    started = time.monotonic()
    with pytest.raises(StoreUnavailable, match="another program"):
        await run()
    assert time.monotonic() - started < 15  # a lock is waited for 30 seconds

    lock.__exit__(None, None, None)

    async def is_free() -> bool:
        return await store.lease() is None

    await until(is_free, "the release that was under way gives the lease back")

"""Days in the life of a customer, in one process: a first run, an idle one, a daily one; what they ask and store."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.benchmarks.counting import CountingStore
from tests.benchmarks.population import Population
from tests.sandbox.clock import ManualClock
from tests.sandbox.world import World
from tests.support.factories import NOON
from tests.support.sync_app import SyncApp, sync_app_on

PAGE = 10_000
_PAYMENT_LISTS = 3
"""A day of the look-back each."""

NO_LIMITS = {"COMAGIC_LOOKBACK_DAYS": "30", "SYNC_TIME_BUDGET_SECONDS": "3600"}


@dataclass(frozen=True, kw_only=True)
class Day:
    """One run, measured.

    Attributes:
        asked: Requests per system.
        necessary: The least of them.
        changes: Sales set, replaced and taken off.
        reads, writes, deletes: Documents, by collection.
    """

    name: str
    journal: Mapping[str, Any]
    asked: Mapping[str, int]
    necessary: Mapping[str, int]
    changes: int
    commits: int
    reads: Counter[str]
    writes: Counter[str]
    deletes: Counter[str]


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Of a customer.

    Attributes:
        phones: In the database.
        calls: Of the last month, strangers' included.
        daily: New orders a day, half of them of new clients.
    """

    phones: int
    calls: int
    daily: int


async def lived(sizes: Sizes) -> list[Day]:
    """Live through a first run on an empty database, and through an idle and a daily one of a settled customer."""
    days = []
    async with _bridge() as (bridge, store):
        population = Population(bridge.world)
        # Half of the clients are new, so the bulk read lists them; the others have to be looked up one by one.
        population.customers(sizes.phones // 2, hours=30, known_hours=30)
        population.customers(sizes.phones - sizes.phones // 2, hours=20, known_hours=24 * 200)
        population.strangers(sizes.calls - _calls(bridge))
        days.append(await _day("first", bridge, store, logins=1, look_ups=sizes.phones - sizes.phones // 2, windows=3))
    async with _bridge() as (bridge, store):
        population = Population(bridge.world)
        known = population.customers(sizes.phones, hours=24 * 12)
        population.sell(known)
        await population.remember(store, known)
        for day in (2, 1):
            population.customers(sizes.daily, hours=24 * day)
        population.strangers(sizes.calls - _calls(bridge))
        await bridge.run()
        bridge.clock.advance(timedelta(minutes=5))
        days.append(await _day("idle", bridge, store, logins=0, look_ups=0, windows=3))
        bridge.clock.advance(timedelta(days=1))
        population.customers(sizes.daily // 2, hours=6)
        for customer in known[: sizes.daily - sizes.daily // 2]:
            order = bridge.world.agbis.add_order(customer.client_id, [("Стирка", "700")], at=_ago(bridge, hours=5))
            bridge.world.agbis.pay(order, "700", at=_ago(bridge, hours=4))
        days.append(await _day("daily", bridge, store, logins=1, look_ups=0, windows=3))
    return days


@asynccontextmanager
async def _bridge() -> AsyncIterator[tuple[SyncApp, CountingStore]]:
    with TemporaryDirectory() as folder:
        store = CountingStore(str(Path(folder) / "bridge.db"))
        async with sync_app_on(store, NO_LIMITS, world=World(ManualClock(NOON))) as bridge:
            yield bridge, store
        await store.close()


async def _day(name: str, bridge: SyncApp, store: CountingStore, *, logins: int, look_ups: int, windows: int) -> Day:
    agbis, comagic = bridge.world.agbis, bridge.world.comagic
    asked_before = len(agbis.requests), len(comagic.requests)
    written_before = len(comagic.history)
    rows = sum(row.start >= (bridge.clock.now() - timedelta(days=30)).timestamp() for row in comagic.communications())
    store.forget_counts()
    journal = await bridge.run()
    assert journal["complete"], journal["money"]
    writes = len(comagic.history) - written_before  # each took effect, so it was one necessary request
    tag = name == "first"
    return Day(
        name=name,
        journal=journal,
        asked={"Agbis": len(agbis.requests) - asked_before[0], "CoMagic": len(comagic.requests) - asked_before[1]},
        necessary={
            "Agbis": logins + 2 * windows + _PAYMENT_LISTS + look_ups,
            "CoMagic": tag + max(1, math.ceil(rows / PAGE)) + writes,
        },
        changes=journal["tags_applied"] + journal["tags_removed_updated"] + journal["tags_removed"],
        commits=store.commits,
        reads=store.reads,
        writes=store.writes,
        deletes=store.deletes,
    )


def _calls(bridge: SyncApp) -> int:
    return len(bridge.world.comagic.communications())


def _ago(bridge: SyncApp, *, hours: float) -> Any:
    return bridge.clock.now() - timedelta(hours=hours)

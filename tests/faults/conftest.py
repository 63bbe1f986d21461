"""The day of `crash.scenario` up to the run that the faults hit, prepared once and copied for every test."""

from __future__ import annotations

import asyncio
import copy
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from tests.crash.scenario import Day
from tests.sandbox.clock import ManualClock
from tests.sandbox.comagic.switches import CoMagicSwitches
from tests.sandbox.world import World
from tests.support.factories import NOON
from tests.support.sync_app import SyncApp, sync_app_on


@dataclass(frozen=True)
class Morning:
    """A world in which every kind of change waits for the next run, and the database of the runs before."""

    world: World
    database: Path

    @asynccontextmanager
    async def again(self, folder: Path) -> AsyncIterator[SyncApp]:
        """Give a copy of it all."""
        path = folder / "bridge.db"
        shutil.copyfile(self.database, path)
        store = SqliteSalesStore(str(path))
        async with sync_app_on(store, world=copy.deepcopy(self.world)) as bridge:
            yield bridge
        await store.close()


@pytest.fixture(scope="session")
async def morning(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> Morning:
    # A second set adds a second sale here: refused, a sale set twice would go unnoticed.
    world = World(ManualClock(NOON), comagic_switches=CoMagicSwitches(duplicate_set="add"))
    path = tmp_path_factory.mktemp("morning") / "bridge.db"
    store, day = SqliteSalesStore(str(path)), Day(world)
    async with sync_app_on(store, world=world) as bridge:
        day.before()
        await bridge.run()
        day.half_done()
        await bridge.run()
        day.after()
    await store.close()  # which also brings the file up to date with its log
    world.agbis.requests.clear()
    world.comagic.requests.clear()
    world.comagic.history.clear()
    return Morning(world, path)


@pytest.fixture
async def bridge(morning: Morning, tmp_path: Path) -> AsyncIterator[SyncApp]:
    async with morning.again(tmp_path) as bridge:
        yield bridge


@pytest.fixture(scope="session")
async def session_loop(one_loop: None) -> asyncio.AbstractEventLoop:
    """The loop of the tests that use Firestore, for a test that is no coroutine."""
    return asyncio.get_running_loop()

"""The functions as the documents' readers have them: `make serve`, a moment after it was started."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from tests.sandbox.clock import ManualClock
from tests.sandbox.world import World, populate
from tests.support.factories import NOON
from tests.support.sync_app import SyncApp, sync_app_on


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[SyncApp]:
    """`sync` on the sandbox with its made-up clients, whose clock stands at noon."""
    world = World(ManualClock(NOON))
    populate(world)
    store = SqliteSalesStore(str(tmp_path / "sandbox.db"))
    async with sync_app_on(store, world=world) as bridge:
        yield bridge
    await store.close()

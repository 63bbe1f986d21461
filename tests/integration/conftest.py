"""A `sync` for each test: `bridge` on SQLite, `bridge_on_each_store` on each database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from crm_bridge.ports import SalesStore
from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from tests.support.sync_app import SyncApp, sync_app_on


@pytest.fixture
async def bridge(tmp_path: Path) -> AsyncIterator[SyncApp]:
    store = SqliteSalesStore(str(tmp_path / "bridge.db"))
    async with sync_app_on(store) as bridge:
        yield bridge
    await store.close()


@pytest.fixture
async def bridge_on_each_store(store: SalesStore) -> AsyncIterator[SyncApp]:
    async with sync_app_on(store) as bridge:
        yield bridge

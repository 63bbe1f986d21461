"""A bridge for each test: `bridge` on SQLite, `bridge_on_each_store` on both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from crm_bridge.ports import SalesStore
from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from tests.support.sync_app import Bridge, bridge_on


@pytest.fixture
async def bridge(tmp_path: Path) -> AsyncIterator[Bridge]:
    store = SqliteSalesStore(str(tmp_path / "bridge.db"))
    async with bridge_on(store) as bridge:
        yield bridge
    await store.close()


@pytest.fixture
async def bridge_on_each_store(store: SalesStore) -> AsyncIterator[Bridge]:
    async with bridge_on(store) as bridge:
        yield bridge

"""A variable that begins like ours and is none: runs are refused, `/check_setup` says so, everything else goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from tests.support.sync_app import SyncApp, sync_app_on

pytestmark = pytest.mark.anyio

NAMED = "CRM_LOOKBACK is not a setting: did you mean CRM_LOOKBACK_DAYS?"


@pytest.fixture
async def misspelt(tmp_path: Path) -> AsyncIterator[SyncApp]:
    store = SqliteSalesStore(str(tmp_path / "bridge.db"))
    async with sync_app_on(store, {"CRM_LOOKBACK": "30"}) as bridge:
        yield bridge
    await store.close()


@pytest.mark.parametrize("query", ["", "update_db", "dry_run", "phone=79261234567"])
async def test_every_run_is_refused_with_the_name(misspelt: SyncApp, query: str) -> None:
    answer = await misspelt.get(query)

    assert (answer.status_code, answer.json()["message"]) == (500, f"ERROR: Settings: {NAMED}")
    assert not misspelt.world.comagic.requests
    assert not misspelt.world.agbis.requests


async def test_the_check_has_it_as_a_row_before_all_others(misspelt: SyncApp) -> None:
    answer = await misspelt.get(path="/check_setup")
    rows = answer.json()["checks"]

    assert answer.status_code == 503
    assert rows[0] == {"name": "settings", "ok": False, "hint": f"Settings: {NAMED}"}
    assert [row["ok"] for row in rows if row["name"] in {"database", "crm_login", "comagic_token"}] == [True] * 3


async def test_the_page_says_it_in_russian(misspelt: SyncApp) -> None:
    page = await misspelt.get(path="/check_setup", headers={"Accept": "text/html", "Accept-Language": "ru"})

    assert "CRM_LOOKBACK — нет такой настройки. Может быть, CRM_LOOKBACK_DAYS?" in page.text


@pytest.mark.parametrize(("path", "query"), [("/check_health", ""), ("/runs", ""), ("/explain", "phone=79261234567")])
async def test_other_paths_go_on(misspelt: SyncApp, path: str, query: str) -> None:
    assert (await misspelt.get(query, path=path)).status_code == 200

"""What a browser does on its own, and what another site's page asks for, starts no run."""

from __future__ import annotations

import pytest

from tests.sandbox.world import populate
from tests.support.database_dump import dump
from tests.support.sync_app import SyncApp

pytestmark = pytest.mark.anyio

NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
PREFETCHES = [
    {"Sec-Purpose": "prefetch"},
    {"Sec-Purpose": "prefetch;prerender"},
    {"Sec-Purpose": "prefetch;anonymous-client-ip"},
    {"Purpose": "prefetch"},
    {"Purpose": "Prefetch"},
    {"X-Purpose": "preview"},
    {"X-Moz": "prefetch"},
    {"Sec-Purpose": "prefetch", "Sec-Fetch-Site": "none", **NAVIGATION},
]
OTHER_SITES = [
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
]
ON_PURPOSE = [
    {},
    {"Sec-Fetch-Site": "none", **NAVIGATION},
    {"Sec-Fetch-Site": "same-origin", **NAVIGATION},
    {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
    {"Sec-Fetch-Site": "cross-site", **NAVIGATION},
    {"Sec-Fetch-Site": "same-site", **NAVIGATION},
    {"Purpose": "", "X-Moz": "other"},
]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("headers", PREFETCHES + OTHER_SITES, ids=str)
async def test_nothing_starts_and_nothing_is_asked(bridge: SyncApp, headers: dict[str, str], method: str) -> None:
    populate(bridge.world, seed=3, phones=4)
    before = await dump(bridge.store)

    answer = await bridge.get("update_db", method=method, headers=headers)

    assert answer.status_code == 403
    assert set(answer.json()) == {"success", "message"}
    assert answer.json()["message"].endswith("starts no run")
    assert (bridge.world.agbis.requests, bridge.world.comagic.requests) == ([], [])
    assert await dump(bridge.store) == before


@pytest.mark.parametrize("headers", ON_PURPOSE, ids=str)
async def test_what_a_person_opens_on_purpose_starts_a_run(bridge: SyncApp, headers: dict[str, str]) -> None:
    populate(bridge.world, seed=3, phones=4)

    assert (await bridge.get("update_db", headers=headers)).status_code == 200


async def test_pages_that_only_read_can_be_prefetched(bridge: SyncApp) -> None:
    assert (await bridge.get(path="/runs", headers=PREFETCHES[0])).status_code == 200


async def test_a_refusal_in_a_browser_is_a_page_in_its_language(bridge: SyncApp) -> None:
    headers = {"Accept": "text/html", "Accept-Language": "ru", **OTHER_SITES[0]}

    page = await bridge.get("update_db", headers=headers)

    assert (page.status_code, page.headers["Content-Type"]) == (403, "text/html; charset=utf-8")
    assert "Запрос отклонён" in page.text

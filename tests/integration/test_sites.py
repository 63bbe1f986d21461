"""Sales go where CoMagic shows them: on communications of sites whose option «Учитывать продажи» is on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from crm_bridge.domain.state import KnownSites
from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from tests.sandbox.comagic.account import SITE_WITHOUT_SALES_ID
from tests.sandbox.faults import Fault
from tests.support.factories import NOON
from tests.support.stories import ANNA, call, order
from tests.support.sync_app import SyncApp, rows, sync_app_on

pytestmark = pytest.mark.anyio

RIGHT = "the key's user needs the right site_selected: select"
COMPONENT = "the account needs one of the components call_tracking, consultant, lead, sitephone"


def switch(bridge: SyncApp, **positions: Any) -> None:
    bridge.world.comagic.switches = replace(bridge.world.comagic.switches, **positions)


def asked(bridge: SyncApp) -> int:
    return sum(record.method == "get.sites" for record in bridge.world.comagic.requests)


def changes(bridge: SyncApp) -> Iterator[str]:
    return (record.method for record in bridge.world.comagic.requests if not record.method.startswith("get."))


async def test_the_sites_are_asked_for_once_a_day(bridge: SyncApp) -> None:
    call(bridge)
    order(bridge, "700")
    await bridge.run()
    for _ in range(3):
        await bridge.run("")

    assert asked(bridge) == 1
    bridge.clock.advance(timedelta(days=1, minutes=-30))  # a daily run that starts a little earlier asks again
    await bridge.run()
    assert asked(bridge) == 2


async def test_an_account_whose_communications_come_from_no_site_is_never_asked(bridge: SyncApp) -> None:
    call(bridge, site_id=None)
    order(bridge, "700")

    journal = await bridge.run()

    assert journal["tags_applied"] == 1
    assert asked(bridge) == 0


async def test_a_dry_run_asks_and_remembers_nothing(bridge: SyncApp) -> None:
    call(bridge)
    order(bridge, "700")
    await bridge.run("update_db&dry_run")

    assert asked(bridge) == 1
    assert await bridge.store.state(KnownSites) is None


async def test_sites_that_a_clock_ahead_has_written_down_are_asked_for_again(bridge: SyncApp) -> None:
    call(bridge)
    order(bridge, "700")
    await bridge.store.save_state(KnownSites(read_at=NOON + timedelta(hours=5)))

    await bridge.run()

    assert asked(bridge) == 1


@pytest.mark.parametrize("position", ["refused", "accepted"])
async def test_on_a_site_without_sales_none_is_set_whatever_comagic_would_do(bridge: SyncApp, position: str) -> None:
    switch(bridge, sales_off_sale=position)
    call(bridge, site_id=SITE_WITHOUT_SALES_ID)
    order(bridge, "700")

    journal = await bridge.run()

    row = rows(journal)[ANNA]
    assert (row["result"], row["error"], row["amount"]) == ("failed", "sales_disabled", "700.00")
    assert row[ANNA] == "3360109114"
    assert journal["money"]["failed"] == "700.00"
    assert list(changes(bridge)) == []


async def test_once_sales_are_switched_on_the_next_days_run_sets_the_sale(bridge: SyncApp) -> None:
    call(bridge, site_id=SITE_WITHOUT_SALES_ID)
    order(bridge, "700")
    await bridge.run()
    bridge.world.comagic.switch_sales(SITE_WITHOUT_SALES_ID, on=True)
    bridge.clock.advance(timedelta(days=1))

    assert (await bridge.run())["tags_applied"] == 1


@pytest.mark.parametrize("position", ["allowed", "refused"])
async def test_a_call_of_a_site_comes_before_an_earlier_one_without(bridge: SyncApp, position: str) -> None:
    switch(bridge, no_site_sale=position)
    call(bridge, days_ago=4, site_id=SITE_WITHOUT_SALES_ID)
    call(bridge, days_ago=3, site_id=None)
    of_site = call(bridge, days_ago=2)
    order(bridge, "700")

    await bridge.run()

    assert set(bridge.world.comagic.visible_sales()) == {("call", of_site)}


async def test_a_sale_that_stands_on_a_call_without_a_site_stays(bridge: SyncApp) -> None:
    first = call(bridge, days_ago=3, site_id=None)
    key = order(bridge, "700")
    await bridge.run()
    call(bridge, days_ago=1)
    bridge.world.agbis.pay(key, "250")

    await bridge.run()

    assert {key: sales[0].amount_kopecks for key, sales in bridge.world.comagic.sales.items()} == {
        ("call", first): 95_000
    }


async def test_a_sale_is_not_taken_off_when_nothing_could_be_set_after_it(bridge: SyncApp) -> None:
    site = bridge.world.comagic.add_site("example.net")
    first = call(bridge, site_id=site)
    key = order(bridge, "700")
    await bridge.run()
    bridge.world.comagic.switch_sales(site, on=False)
    bridge.world.agbis.pay(key, "250")
    bridge.clock.advance(timedelta(days=1))

    row = rows(await bridge.run())[ANNA]

    assert (row["result"], row["error"]) == ("failed", "sales_disabled")
    assert bridge.world.comagic.sales["call", first][0].amount_kopecks == 70_000


async def test_a_sale_leaves_a_site_without_sales_when_all_money_went_back(bridge: SyncApp) -> None:
    site = bridge.world.comagic.add_site("example.net")
    call(bridge, site_id=site)
    key = order(bridge, "700")
    await bridge.run()
    bridge.world.comagic.switch_sales(site, on=False)
    bridge.world.agbis.refund(key, "700")
    bridge.clock.advance(timedelta(days=1))

    assert (await bridge.run())["tags_removed"] == 1
    assert bridge.world.comagic.sales == {}


async def test_a_cut_change_on_a_site_that_no_longer_takes_sales_is_made_elsewhere(bridge: SyncApp) -> None:
    comagic = bridge.world.comagic
    site = comagic.add_site("example.net")
    call(bridge, days_ago=3, site_id=site)
    second = call(bridge, days_ago=2)
    order(bridge, "700")
    comagic.fail(Fault(method="set.tag_sales", kind="timeout_before", times=None))
    await bridge.run()
    comagic.faults.clear()
    comagic.switch_sales(site, on=False)
    bridge.clock.advance(timedelta(days=1))

    assert (await bridge.run())["tags_applied"] == 1
    assert set(comagic.sales) == {("call", second)}
    assert (await bridge.store.phones([ANNA]))[ANNA].intent is None


@pytest.mark.parametrize(
    ("positions", "needed"), [({"key_rights": "tags_only"}, RIGHT), ({"components": "telephony"}, COMPONENT)]
)
async def test_a_key_that_may_not_list_sites_is_a_warning_and_all_sites_count(
    bridge: SyncApp, positions: dict[str, Any], needed: str
) -> None:
    switch(bridge, **positions)
    call(bridge, days_ago=3)
    order(bridge, "700")

    first = await bridge.run()
    second = await bridge.run("")

    assert first["tags_applied"] == 1
    assert [first["warnings"][0].endswith(needed), first["warnings"]] == [True, second["warnings"]]
    assert asked(bridge) == 1, "a refusal is remembered for the day too"


async def test_sites_that_cannot_be_asked_for_leave_everything_to_the_next_run(tmp_path: Path) -> None:
    store = SqliteSalesStore(str(tmp_path / "bridge.db"))
    async with sync_app_on(store, {"SYNC_TIME_BUDGET_SECONDS": "60"}) as bridge:
        call(bridge)
        order(bridge, "700")
        bridge.world.comagic.fail(Fault(method="get.sites", kind="http_503", times=None))

        answer = await bridge.get("update_db")

        assert answer.status_code == 503
        assert list(changes(bridge)) == []
        bridge.world.comagic.faults.clear()
        bridge.clock.advance(timedelta(minutes=2))
        assert (await bridge.run())["tags_applied"] == 1
    await store.close()

"""A dry run decides everything and leaves no trace."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.sandbox.world import populate
from tests.support.database_dump import dump
from tests.support.sync_app import SyncApp, results, rows

pytestmark = pytest.mark.anyio


async def test_a_dry_run_changes_neither_the_database_nor_comagic(bridge_on_each_store: SyncApp) -> None:
    bridge = bridge_on_each_store
    populate(bridge.world, seed=4, phones=40)
    await bridge.run()
    for order in list(bridge.world.agbis.orders)[:20]:
        bridge.world.agbis.pay(order, "33.33")
    await bridge.run("update_db&dry_run")
    before, standing = await dump(bridge.store), list(bridge.world.comagic.history)

    journal = await bridge.run("dry_run")

    assert await dump(bridge.store) == before
    assert bridge.world.comagic.history == standing
    assert journal["dry_run"] is True
    assert journal["tags_removed_updated"] > 0


async def test_a_dry_run_tells_what_the_next_run_then_does(bridge: SyncApp) -> None:
    populate(bridge.world, seed=4, phones=40)
    await bridge.run()
    for order in list(bridge.world.agbis.orders)[:20]:
        bridge.world.agbis.pay(order, "33.33")

    dry = await bridge.run("update_db&dry_run")
    wet = await bridge.run("")

    foreseen = {phone: row for phone, row in rows(dry).items() if row["result"] != "would_be_failed"}
    assert {phone: f"would_be_{result}" for phone, result in results(wet).items() if result != "failed"} == {
        phone: row["result"] for phone, row in foreseen.items() if results(wet)[phone] != "failed"
    }
    for phone, row in foreseen.items():
        assert row.get("previous_amount") == rows(wet)[phone].get("previous_amount")
        assert row["amount"] == rows(wet)[phone]["amount"]


async def test_a_dry_run_may_refresh_and_then_the_refresh_stays(bridge: SyncApp) -> None:
    populate(bridge.world, seed=4, phones=40)

    dry = await bridge.run("update_db&dry_run")
    bridge.clock.advance(timedelta(minutes=1))
    wet = await bridge.run("")

    assert dry["refresh"]["orders_read"] > 0
    assert wet["phones_analyzed"] == dry["phones_analyzed"]
    assert set(wet["requests"]) <= {
        *("get.tags", "get.calls_report", "get.sites", "set.tag_sales", "unset.tag_communications"),
    }

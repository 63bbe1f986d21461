"""CoMagic's points and the run's own time: waited for while it helps, stopped at cleanly when it does not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from tests.sandbox.faults import Fault
from tests.support.factories import NOON
from tests.support.sync_app import SyncApp, results, rows, sync_app_on

pytestmark = pytest.mark.anyio


def sales_to_set(bridge: SyncApp, count: int) -> list[str]:
    """Give the bridge so many phones with a call and a paid order; return them, the oldest payment first."""
    agbis, comagic = bridge.world.agbis, bridge.world.comagic
    phones = [f"7926{number:07}" for number in range(count)]
    for number, phone in enumerate(phones):
        paid_at = NOON - timedelta(hours=40) + timedelta(minutes=number)
        comagic.add_call(phone, NOON - timedelta(days=3))
        # Told by the bulk read, so that no look-up of a client takes time here.
        order = agbis.add_order(agbis.add_client(phone, at=paid_at), [("Стирка", "10")], at=paid_at)
        agbis.pay(order, "10", at=paid_at)
    return phones


def refusals(bridge: SyncApp) -> int:
    return sum(record.outcome == "error limit_exceeded" for record in bridge.world.comagic.requests)


def times_set(bridge: SyncApp) -> int:
    return sum(entry.what == "set" for entry in bridge.world.comagic.history)


async def test_with_60_points_a_minute_300_sales_are_set_by_waiting(bridge: SyncApp) -> None:
    sales_to_set(bridge, 300)
    bridge.world.comagic.minute_limit = 60
    began = bridge.clock.now()

    journal = await bridge.run()

    assert (journal["tags_applied"], journal["failed"], journal["deferred"], journal["complete"]) == (300, 0, 0, True)
    assert refusals(bridge) <= 1
    assert bridge.clock.now() - began < timedelta(minutes=9)  # 302 points are five windows of 58 and a bit


async def test_with_100_points_a_day_300_sales_are_set_in_four_days_and_none_twice(bridge: SyncApp) -> None:
    phones = sales_to_set(bridge, 300)
    bridge.world.comagic.day_limit = 100
    first_day: list[str] = []

    for day in range(4):
        journal = await bridge.run("update_db" if day == 0 else "")
        done = [phone for phone, result in results(journal).items() if result == "applied"]
        first_day = first_day or done
        assert journal["tags_applied"] + journal["problem"] + journal["deferred"] == 300
        assert journal["complete"] is (journal["deferred"] == 0)
        assert journal["failed"] == 0
        bridge.clock.advance(timedelta(days=1))

    assert times_set(bridge) == 300
    assert len(bridge.world.comagic.sales) == 300
    assert sorted(first_day) == phones[: len(first_day)], "the oldest payments are served first"
    assert (await bridge.run(""))["problem"] == 300


async def test_what_the_changes_will_cost_is_told(bridge: SyncApp) -> None:
    phones = sales_to_set(bridge, 5)
    await bridge.run()
    for order in list(bridge.world.agbis.orders)[:2]:
        bridge.world.agbis.pay(order, "5")
    bridge.world.agbis.cancel(list(bridge.world.agbis.orders)[4])
    bridge.world.comagic.day_limit = 1000

    dry = await bridge.run("update_db&dry_run")
    wet = await bridge.run("")

    assert dry["plan"]["points_needed"] == wet["plan"]["points_needed"] == 2 * 2 + 1
    assert 0 < dry["plan"]["day_remaining"] <= 1000
    assert results(wet)[phones[4]] == "removed"


async def test_a_day_that_is_spent_before_anything_is_read_is_a_503_that_says_when(bridge: SyncApp) -> None:
    sales_to_set(bridge, 3)
    await bridge.run("update_db&dry_run")
    bridge.world.comagic.day_limit = 10
    bridge.world.comagic.quota.spend_rest_of_day()

    answer = await bridge.get("")

    assert answer.status_code == 503
    assert list(answer.json()) == ["success", "message"]
    assert 0 < int(answer.headers["Retry-After"]) <= 86_400


async def test_a_day_that_is_spent_when_the_crm_has_been_read_keeps_the_refresh(bridge: SyncApp) -> None:
    sales_to_set(bridge, 3)
    bridge.world.comagic.day_limit = 10
    bridge.world.comagic.quota.spend_rest_of_day()

    journal = await bridge.run("update_db")

    assert (journal["complete"], journal["deferred"], journal["refresh"]["orders_read"]) == (False, 3, 3)
    assert journal["money"]["deferred"] == "30.00"


async def test_a_replacement_is_never_left_between_unset_and_set_by_a_spent_quota(bridge: SyncApp) -> None:
    sales_to_set(bridge, 30)
    await bridge.run()
    for order in list(bridge.world.agbis.orders):
        bridge.world.agbis.pay(order, "5")
    bridge.world.comagic.day_limit = bridge.world.comagic.points_used + 20

    journal = await bridge.run()

    assert 0 < journal["tags_removed_updated"] < 30
    assert len(bridge.world.comagic.sales) == 30, "no sale is missing in between"
    bridge.world.comagic.day_limit = None
    assert (await bridge.run(""))["tags_removed_updated"] == journal["deferred"]


async def test_a_run_stops_cleanly_when_its_time_is_over_and_the_next_one_goes_on(tmp_path: Path) -> None:
    store = SqliteSalesStore(str(tmp_path / "bridge.db"))
    async with sync_app_on(store, {"SYNC_TIME_BUDGET_SECONDS": "100"}) as bridge:
        phones = sales_to_set(bridge, 100)
        bridge.world.comagic.minute_limit = 40

        first = await bridge.run()
        bridge.world.comagic.minute_limit = None
        second = await bridge.run("")

    assert (first["complete"], first["failed"]) == (False, 0)
    assert 0 < first["tags_applied"] < 100
    assert first["tags_applied"] + first["deferred"] == 100
    assert second["tags_applied"] == first["deferred"]
    applied = [phone for phone, result in results(first).items() if result == "applied"]
    assert sorted(applied) == phones[: len(applied)]
    assert all("error" not in row for row in rows(first).values())
    await store.close()


async def test_a_run_whose_time_ends_in_the_refresh_keeps_the_windows_that_landed(tmp_path: Path) -> None:
    store = SqliteSalesStore(str(tmp_path / "bridge.db"))
    async with sync_app_on(store, {"SYNC_TIME_BUDGET_SECONDS": "60", "CRM_LOOKBACK_DAYS": "10"}) as bridge:
        sales_to_set(bridge, 3)
        bridge.world.agbis.fail(Fault(method="OrderByDateTimeForAll", kind="slow", times=None, params={"seconds": 20}))

        first = await bridge.run()
        bridge.world.agbis.faults.clear()
        health = (await bridge.get(path="/check_health")).json()
        second = await bridge.run()

    assert (first["complete"], health) == (False, {"latest update date": None})
    assert second["complete"] is True
    assert second["tags_applied"] == 3
    await store.close()

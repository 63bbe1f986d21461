"""What is unknown about CoMagic's deals: the final state is right in every position of every switch.

docs/remote/comagic-deals.md#unknowns
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from tests.faults.deal_oracle import deal_differences, personal_names
from tests.sandbox.clock import ManualClock
from tests.sandbox.comagic.deal_switches import DealSwitches
from tests.sandbox.faults import Fault
from tests.sandbox.switches import all_positions
from tests.sandbox.world import World
from tests.support.factories import ANNA, BORIS, NOON
from tests.support.sync_app import SyncApp, sync_app_on

pytestmark = pytest.mark.anyio

UPLOAD, CONTACTS = "upload.deals_history", "create.deal_contacts"
POSITIONS = all_positions(DealSwitches)
LONG = [("Химчистка пальто", "100.01"), ("Ремонт молнии", "0.02"), ("Реставрация кожаной куртки с подкладкой", "7")]


def switches() -> Iterator[Any]:
    yield pytest.param({}, id="the likelier truth")
    for name, values in POSITIONS.items():
        for value in values[1:]:
            yield pytest.param({name: value}, id=f"{name}-{value}")
            if name != "error_fields":
                yield pytest.param({name: value, "error_fields": "absent"}, id=f"{name}-{value}-unnamed")
    for back in ("allowed", "refused"):
        yield pytest.param(
            {name: values[-1] for name, values in POSITIONS.items()} | {"back_from_failed": back}, id=f"all-{back}"
        )


@asynccontextmanager
async def app_with(folder: Path, positions: dict[str, Any]) -> AsyncIterator[SyncApp]:
    world = World(ManualClock(NOON))
    world.comagic.deal_switches = DealSwitches(**positions)
    store = SqliteSalesStore(str(folder / "bridge.db"))
    async with sync_app_on(store, {"COMAGIC_DEALS": "on"}, world=world) as bridge:
        yield bridge
    await store.close()


@pytest.mark.parametrize("positions", [*switches()])
async def test_deals_come_out_right(tmp_path: Path, positions: dict[str, Any]) -> None:
    """Ten days of orders, while every kind of answer gets lost once."""
    can_come_back = "refused" not in (positions.get("back_from_failed"), positions.get("deleted_again"))
    async with app_with(tmp_path, positions) as bridge:
        agbis, comagic = bridge.world.agbis, bridge.world.comagic
        named = ((ANNA, "Анна Смирнова"), (BORIS, "Борис Котов"), ("", "Никто Безтелефонный"))
        anna, boris, nobody = (agbis.add_client(phone, name=name) for phone, name in named)
        orders = [agbis.add_order(client, LONG) for client in (anna, anna, boris, boris, nobody, nobody)]
        agbis.pay(orders[0], "50")
        agbis.pay(orders[2], "107.03")
        agbis.pay(orders[4], "0.01")
        await lose(bridge, CONTACTS, UPLOAD)

        agbis.pay(orders[0], "57.03")
        agbis.set_status(orders[0], 5)
        agbis.cancel(orders[1])
        agbis.refund(orders[2], "107.03")
        agbis.move_order(orders[4], boris)
        agbis.change_phone(anna, "79990000001")
        await lose(bridge, UPLOAD, "update.deal_contacts")

        agbis.set_status(orders[0], 3)  # cleaned again
        agbis.refund(orders[0], "0.03")
        agbis.set_status(orders[1], 5)
        agbis.pay(orders[1], "107.03")  # from failed to issued
        if can_come_back:
            agbis.pay(orders[2], "7")  # from failed back into work
            agbis.set_status(orders[2], 3)
        orders.append(agbis.add_order(nobody, LONG))
        await lose(bridge, UPLOAD, "delete.deals")

        journal = await clean(bridge)

        assert deal_differences(bridge.world) == []
        assert (journal["deals"]["failed"], journal["deals"]["deferred"], journal["complete"]) == (0, 0, True)
        assert personal_names(bridge.world) == set()
        used = comagic.points_used
        idle = await bridge.run()
        assert (idle["deals"]["uploaded"], comagic.points_used - used) == (0, 1)


async def lose(bridge: SyncApp, *methods: str) -> None:
    """Run while the answers to these methods get lost, and a run of the next minute too."""
    bridge.clock.advance(timedelta(days=1))
    for method in methods:
        bridge.world.comagic.fail(Fault(method, "timeout_after", times=3))
    await bridge.run()
    bridge.world.comagic.faults.clear()
    await bridge.run("")


async def clean(bridge: SyncApp) -> dict[str, Any]:
    bridge.clock.advance(timedelta(days=1))
    return await bridge.run()


@pytest.mark.parametrize("unnamed", [False, True])
async def test_a_deal_that_cannot_come_back_stays_failed_and_is_not_deleted(tmp_path: Path, unnamed: bool) -> None:
    """Where a deleted deal cannot be loaded again, deleting it would lose it."""
    positions = {"back_from_failed": "refused", "deleted_again": "refused"}
    async with app_with(tmp_path, positions | ({"error_fields": "absent"} if unnamed else {})) as bridge:
        agbis, deals = bridge.world.agbis, bridge.world.comagic.deals
        made = agbis.add_order(agbis.add_client(ANNA))
        agbis.cancel(made)
        await bridge.run()
        agbis.pay(made, "5")
        agbis.set_status(made, 3)

        journal = await bridge.run()
        await bridge.run()
        again = await bridge.run()

        assert (journal["deals"]["failed"], journal["complete"]) == (1, True)
        assert deals.deals.keys() == {made}
        assert deals.deals[made].last.stage.name == "Отменён"
        assert made not in deals.deleted
        assert again["deals"]["failed"] == 0, "it is tried again tomorrow, or when the order changes"
        bridge.world.comagic.deal_switches = replace(bridge.world.comagic.deal_switches, back_from_failed="allowed")
        agbis.pay(made, "1")
        await bridge.run()
        assert deal_differences(bridge.world) == []


async def test_a_deal_that_may_be_loaded_again_comes_back_as_a_new_one(tmp_path: Path) -> None:
    async with app_with(tmp_path, {"back_from_failed": "refused"}) as bridge:
        agbis, deals = bridge.world.agbis, bridge.world.comagic.deals
        made = agbis.add_order(agbis.add_client(ANNA))
        agbis.cancel(made)
        await bridge.run()
        created = deals.deals[made].last.created
        agbis.pay(made, "5")
        agbis.set_status(made, 3)

        await bridge.run()

        assert deals.deals.keys() == {made}
        assert [record.stage.name for record in deals.deals[made].records] == ["Принят", "Оплачен"]
        assert deals.deals[made].last.created == created
        assert deal_differences(bridge.world) == []


async def test_limits_of_texts_are_learned_once(tmp_path: Path) -> None:
    async with app_with(tmp_path, {"comments_limit": 60, "name_limit": 12}) as bridge:
        agbis, comagic = bridge.world.agbis, bridge.world.comagic
        client = agbis.add_client(ANNA)
        first = agbis.add_order(client, LONG)
        await bridge.run()
        before = comagic.count(UPLOAD)
        agbis.add_order(client, LONG)

        await bridge.run()

        assert comagic.count(UPLOAD) == before + 1
        last = comagic.deals.deals[first].last
        assert f"Заказ {agbis.orders[first].number}".startswith(last.name)
        assert 10 <= len(last.name) <= 12
        assert last.comments == "Химчистка пальто, Ремонт молнии"


async def test_contacts_that_are_seen_late_are_waited_for_in_the_same_run(tmp_path: Path) -> None:
    async with app_with(tmp_path, {"contacts_seen_after_seconds": 20}) as bridge:
        agbis = bridge.world.agbis
        agbis.add_order(agbis.add_client(ANNA))
        began = bridge.clock.now()

        journal = await bridge.run()

        assert (journal["deals"]["uploaded"], journal["complete"]) == (1, True)
        assert bridge.clock.now() - began < timedelta(minutes=3)


async def test_contacts_that_are_not_seen_at_all_leave_the_deals_to_the_next_run(tmp_path: Path) -> None:
    async with app_with(tmp_path, {"contacts_seen_after_seconds": 600}) as bridge:
        agbis = bridge.world.agbis
        agbis.add_order(agbis.add_client(ANNA))

        journal = await bridge.run()
        bridge.clock.advance(timedelta(minutes=10))
        later = await bridge.run()

        assert (journal["deals"]["deferred"], journal["complete"]) == (1, False)
        assert (later["deals"]["uploaded"], later["complete"]) == (1, True)

"""The journal's money from the CRM's first rouble on, and why a sum has fallen."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from crm_bridge.clients.agbis import client as agbis_client
from crm_bridge.domain.run import LEASE_TTL, Lease
from crm_bridge.domain.state import CrmMoney
from crm_bridge.ports import Changes, SalesStore
from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from tests.support.factories import ANNA, BORIS, NOON
from tests.support.sync_app import SyncApp, rows

pytestmark = pytest.mark.anyio


class World:
    """What happens at the shop in these tests."""

    def __init__(self, bridge: SyncApp) -> None:
        self.agbis, self.comagic = bridge.world.agbis, bridge.world.comagic

    def paid_order(self, phone: str = ANNA, amount: str = "700", **details: Any) -> str:
        """A client who called, ordered and paid."""
        at = NOON - timedelta(days=1)
        if phone:
            self.comagic.add_call(phone, at - timedelta(hours=1))
        key = self.agbis.add_order(self.agbis.add_client(phone, at=at), at=at)
        self.agbis.pay(key, amount, at=at, **details)
        return key


@pytest.fixture
def world(bridge: SyncApp) -> World:
    return World(bridge)


def crm_lines(journal: dict[str, Any]) -> tuple[str, str, str]:
    money = journal["money"]
    return money["crm_total"], money["without_phone"], money["overpaid_back"]


async def forget_money(store: SalesStore) -> None:
    """Leave the database as a version before the running totals would have."""
    assert isinstance(store, SqliteSalesStore)
    await store.file.write(lambda connection: connection.execute("DELETE FROM state WHERE id = 'crm_money'").rowcount)
    phones = [phone async for page in store.all_phones() for phone in page]
    await write(store, Changes(phones=[replace(phone, overpaid_kopecks=0, falls=None) for phone in phones]))


async def write(store: SalesStore, changes: Changes) -> None:
    now = NOON - timedelta(days=400)
    assert await store.take_lease(Lease(run_id="test", started_at=now, until=now + LEASE_TTL), now=NOON) is None
    await store.write([changes], run_id="test")
    await store.release_lease("test")


class TestTheCrmsMoney:
    async def test_orders_without_a_phone_and_refunds_have_their_lines(self, bridge: SyncApp, world: World) -> None:
        world.paid_order(ANNA, "700.05")
        world.paid_order("", "300")
        over = world.paid_order(BORIS, "100")
        world.agbis.refund(over, "150.50")

        journal = await bridge.run()

        assert crm_lines(journal) == ("949.55", "300.00", "50.50")
        assert (journal["money"]["total"], journal["money"]["balanced"]) == ("700.05", True)

    async def test_an_order_that_moves_or_loses_its_phone_stays_counted(self, bridge: SyncApp, world: World) -> None:
        key, other = world.paid_order(ANNA, "700"), world.paid_order(BORIS, "100")
        await bridge.run()
        world.agbis.move_order(key, world.agbis.orders[other].client_id)

        assert crm_lines(await bridge.run()) == ("800.00", "0.00", "0.00")

        world.agbis.change_phone(world.agbis.orders[other].client_id, "нет")

        journal = await bridge.run()
        assert (crm_lines(journal), journal["money"]["total"]) == (("800.00", "800.00", "0.00"), "0.00")

    async def test_a_payment_that_does_not_touch_its_order_and_an_unreadable_order_keep_it_right(
        self, bridge: SyncApp, world: World
    ) -> None:
        paid, unreadable = world.paid_order(ANNA, "700"), world.paid_order(BORIS, "100")
        await bridge.run()
        world.agbis.pay(paid, "50", touches=False)
        world.agbis.pay(unreadable, "900")
        world.agbis.spoil(unreadable, "bad_sum")

        assert crm_lines(await bridge.run())[0] == "850.00", "the last readable version counts"

        world.agbis.mend(unreadable)

        assert crm_lines(await bridge.run())[0] == "1750.00"

    async def test_a_run_of_one_phone_has_none_and_a_dry_run_has(self, bridge: SyncApp, world: World) -> None:
        world.paid_order()
        await bridge.run()

        assert "crm_total" not in (await bridge.run(f"phone={ANNA}"))["money"]
        assert crm_lines(await bridge.run("dry_run")) == ("700.00", "0.00", "0.00")
        assert crm_lines(await bridge.run("update_db&dry_run"))[0] == "700.00"

    @pytest.mark.parametrize("error", [-1, 1])
    @pytest.mark.parametrize("field", ["total_kopecks", "without_phone_kopecks"])
    @pytest.mark.parametrize("query", ["", "update_db", "dry_run"])
    async def test_a_kopeck_more_or_less_in_the_note_is_not_balanced(
        self, bridge: SyncApp, world: World, query: str, field: str, error: int
    ) -> None:
        world.paid_order()
        await bridge.run()
        money = await bridge.store.state(CrmMoney)
        assert money is not None
        await bridge.store.save_state(replace(money, **{field: getattr(money, field) + error}))

        journal = (await bridge.get(query)).json()["journal"]

        assert journal["money"]["balanced"] is False

    async def test_a_phone_that_lost_its_money_in_our_database_is_not_balanced(
        self, bridge: SyncApp, world: World
    ) -> None:
        world.paid_order()
        await bridge.run()
        (phone,) = [each async for page in bridge.store.all_phones() for each in page]
        await write(bridge.store, Changes(phones=[replace(phone, amount_kopecks=phone.amount_kopecks - 1)]))

        journal = (await bridge.get()).json()["journal"]

        assert journal["money"]["balanced"] is False

    async def test_a_dry_run_during_which_orders_change_says_nothing_of_it(
        self, bridge: SyncApp, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.paid_order()
        await bridge.run()
        all_phones, store = bridge.store.all_phones, bridge.store

        async def changing() -> Any:
            async for page in all_phones():
                yield page
            money = await store.state(CrmMoney)
            assert money is not None
            await store.save_state(replace(money, revision=money.revision + 1))

        monkeypatch.setattr(store, "all_phones", changing)

        journal = await bridge.run("dry_run")

        assert "crm_total" not in journal["money"]


class TestAfterAnUpgrade:
    async def prepared(self, bridge: SyncApp, world: World) -> None:
        world.paid_order(ANNA, "700")
        world.paid_order("", "300")
        world.agbis.refund(world.paid_order(BORIS, "100"), "150")
        await bridge.run()
        await forget_money(bridge.store)

    @pytest.mark.parametrize("query", ["", "update_db"])
    async def test_all_orders_are_counted_once(
        self, bridge: SyncApp, world: World, query: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await self.prepared(bridge, world)
        scans: list[str] = []
        all_orders = bridge.store.all_orders

        def counted() -> Any:
            scans.append(query)
            return all_orders()

        monkeypatch.setattr(bridge.store, "all_orders", counted)

        first, second = await bridge.run(query), await bridge.run(query)

        assert crm_lines(first) == crm_lines(second) == ("950.00", "300.00", "50.00")
        assert len(scans) == 1

    async def test_a_dry_run_counts_and_writes_nothing(self, bridge: SyncApp, world: World) -> None:
        await self.prepared(bridge, world)

        journal = await bridge.run("dry_run")

        assert crm_lines(journal) == ("950.00", "300.00", "50.00")
        assert await bridge.store.state(CrmMoney) is None

    async def test_a_kill_before_the_note_counts_again(
        self, bridge: SyncApp, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await self.prepared(bridge, world)
        write_all = bridge.store.write

        async def dies(changes: Any, *, run_id: str) -> None:
            await write_all([each for each in changes if not each.state], run_id=run_id)
            raise RuntimeError("killed")

        with monkeypatch.context() as patched:
            patched.setattr(bridge.store, "write", dies)
            assert (await bridge.get()).status_code == 500
        assert await bridge.store.state(CrmMoney) is None

        assert crm_lines(await bridge.run()) == ("950.00", "300.00", "50.00")


async def fallen(bridge: SyncApp) -> dict[str, Any]:
    """The row of a dry run, which must be that of the run after it but for its names."""
    foreseen = rows(await bridge.run("update_db&dry_run"))[ANNA]
    done = rows(await bridge.run())[ANNA]
    assert foreseen["result"] == f"would_be_{done['result']}"
    assert foreseen.get("reason") == done.get("reason")
    return done


class TestTheReasonOfAFall:
    async def test_a_refund(self, bridge: SyncApp, world: World) -> None:
        key = world.paid_order()
        await bridge.run()
        world.agbis.refund(key, "100")

        row = await fallen(bridge)

        assert (row["result"], row["amount"], row["reason"]) == ("updated", "600.00", "refunded")
        world.agbis.refund(key, "600")
        assert (await fallen(bridge))["reason"] == "refunded"

    async def test_a_cancelled_order(self, bridge: SyncApp, world: World) -> None:
        key = world.paid_order()
        await bridge.run()
        world.agbis.cancel(key)

        row = await fallen(bridge)

        assert (row["result"], row["reason"]) == ("removed", "cancelled")

    async def test_an_order_that_went_to_another_phone(self, bridge: SyncApp, world: World) -> None:
        key, other = world.paid_order(), world.paid_order(BORIS)
        await bridge.run()
        world.agbis.move_order(key, world.agbis.orders[other].client_id)

        assert (await fallen(bridge))["reason"] == "moved"

    async def test_a_client_that_lost_its_phone(self, bridge: SyncApp, world: World) -> None:
        key = world.paid_order()
        await bridge.run()
        world.agbis.change_phone(world.agbis.orders[key].client_id, "")

        assert (await fallen(bridge))["reason"] == "moved"

    async def test_the_largest_part_of_several(self, bridge: SyncApp, world: World) -> None:
        small, large = world.paid_order(ANNA, "100"), world.paid_order(ANNA, "500")
        await bridge.run()
        world.agbis.cancel(small)
        world.agbis.refund(large, "400")

        assert (await fallen(bridge))["reason"] == "refunded"

    async def test_a_refund_that_only_the_list_of_payments_shows(self, bridge: SyncApp, world: World) -> None:
        key = world.paid_order()
        await bridge.run()
        world.agbis.refund(key, "100", touches=False)

        assert (await fallen(bridge))["reason"] == "refunded"

    async def test_an_earlier_fall_is_not_the_reason_of_a_later_one(self, bridge: SyncApp, world: World) -> None:
        key, other = world.paid_order(ANNA, "100"), world.paid_order(ANNA, "500")
        boris = world.paid_order(BORIS)
        await bridge.run()
        world.agbis.refund(other, "400")
        await bridge.run()
        world.agbis.move_order(key, world.agbis.orders[boris].client_id)

        assert (await fallen(bridge))["reason"] == "moved"

    async def test_a_rise_and_a_change_by_hand_have_none(self, bridge: SyncApp, world: World) -> None:
        key = world.paid_order()
        await bridge.run()
        world.agbis.pay(key, "100")
        assert "reason" not in await fallen(bridge)
        (call,) = [each.communication_id for each in world.comagic.communications()]
        world.comagic.sell_by_hand(call, "9000")
        bridge.clock.advance(timedelta(minutes=1))

        row = await fallen(bridge)

        assert (row["result"], row["drifted"], "reason" in row) == ("updated", True, False)

    async def test_the_page_and_the_csv_say_it(self, bridge: SyncApp, world: World) -> None:
        key = world.paid_order()
        await bridge.run()
        world.agbis.refund(key, "100")
        journal = await bridge.run()
        path = f"/runs/{journal['run_id']}"

        page = (await bridge.get(path=path, headers={"Accept": "text/html", "Accept-Language": "ru"})).text
        csv = (await bridge.get("format=csv", path=path, headers={"Accept-Language": "en"})).text

        assert "оплата возвращена" in page
        assert "В CRM" in page
        assert "money went back" in csv


class TestAWindowReadInParts:
    @pytest.fixture(autouse=True)
    def small_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(agbis_client, "PART_BYTES", 10_000)

    def orders(self, world: World, count: int = 60) -> None:
        for number in range(count):
            at = NOON - timedelta(hours=number + 1)
            client = world.agbis.add_client(f"7926{number:07}", at=at)
            world.agbis.pay(world.agbis.add_order(client, at=at), "10", at=at)

    async def test_adds_up_like_a_whole_one(self, bridge: SyncApp, world: World) -> None:
        self.orders(world)

        journal = await bridge.run()

        assert journal["refresh"]["orders_read"] == 60
        assert (journal["money"]["total"], crm_lines(journal)[0]) == ("600.00", "600.00")
        assert journal["requests"]["OrderByDateTimeForAll"] > 10

    async def test_a_part_is_stored_before_the_next_is_read(self, bridge: SyncApp, world: World) -> None:
        """A run that fails on a later part keeps the earlier ones, and the next run loses and doubles nothing."""
        self.orders(world)
        held: list[int] = []
        orders_changed = agbis_client.AgbisClient.orders_changed

        async def counted(self: Any, *window: Any) -> Any:
            orders = [order async for page in bridge.store.all_orders() for order in page]
            money = await bridge.store.state(CrmMoney)
            assert money is not None
            assert money.total_kopecks == sum(order.net_kopecks for order in orders) == 1000 * len(orders)
            held.append(len(orders))
            if len(orders) > 30:
                raise RuntimeError("killed")
            return await orders_changed(self, *window)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(agbis_client.AgbisClient, "orders_changed", counted)
            assert (await bridge.get("update_db")).status_code == 500
        assert len(set(held)) > 3

        journal = await bridge.run()

        assert (journal["money"]["total"], crm_lines(journal)[0]) == ("600.00", "600.00")


async def test_the_largest_orders_are_stored_on_each_store(bridge_on_each_store: SyncApp) -> None:
    bridge = bridge_on_each_store
    world = World(bridge)
    key = world.paid_order(ANNA, "700")
    for number in range(10_000):
        world.agbis.pay(key, "2", at=NOON - timedelta(seconds=number % 400))
        world.agbis.refund(key, "1", at=NOON - timedelta(seconds=number % 400))
    at = NOON - timedelta(hours=1)
    names = [(f"Химчистка {number} {'очень длинная ' * 20}", "1") for number in range(10_000)]
    wide = world.agbis.add_order(world.agbis.add_client(BORIS, at=at), names, at=at)
    world.agbis.pay(wide, "300", at=at)
    too_many = world.paid_order("79260000003", "1")
    for number in range(1500):
        world.agbis.pay(too_many, "1", at=NOON - timedelta(seconds=number))

    journal = await bridge.run()

    assert {phone: row["amount"] for phone, row in rows(journal).items()} == {ANNA: "10700.00", BORIS: "300.00"}
    assert journal["refresh"]["orders_unreadable"] == 1
    assert crm_lines(journal) == ("11000.00", "0.00", "0.00")

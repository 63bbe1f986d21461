"""Every order as a deal of CoMagic: what is sent, when, and what it costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from tests.faults.deal_oracle import deal_differences, personal_names
from tests.sandbox.comagic.deals import Deal
from tests.sandbox.faults import Fault
from tests.support.factories import ANNA, BORIS, NOON
from tests.support.sync_app import SyncApp, results, rows, sync_app_on

pytestmark = pytest.mark.anyio

UPLOAD, CONTACTS = "upload.deals_history", "create.deal_contacts"
ON = {"COMAGIC_DEALS": "on"}
NOTHING = {"uploaded": 0, "unchanged": 0, "failed": 0, "deferred": 0, "revenue": "0.00"}
ABOUT_DEALS = ("deal", "sales_funnel")


@pytest.fixture
async def bridge(tmp_path: Path) -> AsyncIterator[SyncApp]:
    store = SqliteSalesStore(str(tmp_path / "bridge.db"))
    async with sync_app_on(store, ON) as bridge:
        yield bridge
    await store.close()


def requests_for_deals(bridge: SyncApp) -> Counter[str]:
    methods = [record.method for record in bridge.world.comagic.requests]
    return Counter(method for method in methods if any(word in method for word in ABOUT_DEALS))


def order(bridge: SyncApp, phone: str = ANNA, paid: str = "", *, name: str = "Мария Ивановна Петрова") -> str:
    agbis = bridge.world.agbis
    known = [client.id for client in agbis.clients.values() if client.phone == phone]
    client = known[0] if known else agbis.add_client(phone, name=name)
    made = agbis.add_order(client)
    if paid:
        agbis.pay(made, paid)
    return made


def orders_in_bulk(bridge: SyncApp, count: int) -> list[str]:
    """Enter so many paid orders, each of a client of its own."""
    agbis = bridge.world.agbis
    at = bridge.clock.now() - timedelta(hours=3)
    made = []
    for number in range(count):
        made.append(agbis.add_order(agbis.add_client(f"7926{number:07}", at=at), [("Стирка", "10")], at=at))
        agbis.pay(made[-1], "10", at=at)
    return made


def deal(bridge: SyncApp, order_id: str) -> Deal:
    return bridge.world.comagic.deals.deals[order_id]


def move(bridge: SyncApp, **switches: Any) -> None:
    bridge.world.comagic.deal_switches = replace(bridge.world.comagic.deal_switches, **switches)


async def test_a_deal_follows_its_order_from_acceptance_to_issue(bridge: SyncApp) -> None:
    call = bridge.world.comagic.add_call(ANNA, NOON - timedelta(days=2))
    made = order(bridge)

    first = await bridge.run()
    bridge.world.agbis.pay(made, "1000.50")
    second = await bridge.run()
    bridge.world.agbis.pay(made, "1800")
    bridge.world.agbis.set_status(made, 5)
    third = await bridge.run()

    assert [journal["deals"]["uploaded"] for journal in (first, second, third)] == [1, 1, 1]
    assert [journal["deals"]["revenue"] for journal in (first, second, third)] == ["0.00", "1000.50", "2800.50"]
    records = deal(bridge, made).records
    assert [(record.stage.name, record.generated) for record in records] == [
        ("Принят", False),
        ("Оплачен", False),
        ("Выдан", False),
    ]
    last = records[-1]
    assert (last.name, last.comments) == (f"Заказ {bridge.world.agbis.orders[made].number}", "Химчистка пальто")
    assert last.closed == last.stage_at
    assert [row.communication_id for row in bridge.world.comagic.deals.communications_of(made)] == [call]
    assert deal_differences(bridge.world) == []


async def test_an_idle_run_asks_nothing_about_deals(bridge: SyncApp) -> None:
    order(bridge, paid="10")
    await bridge.run()
    before = requests_for_deals(bridge)

    journal = await bridge.run()

    assert journal["deals"] == NOTHING
    assert requests_for_deals(bridge) == before


async def test_without_the_setting_nothing_is_asked_or_stored(tmp_path: Path) -> None:
    store = SqliteSalesStore(str(tmp_path / "off.db"))
    async with sync_app_on(store) as bridge:
        made = order(bridge, paid="10")
        journal = await bridge.run()

        assert "deals" not in journal
        assert requests_for_deals(bridge) == Counter()
        assert (await store.orders([made]))[made].deal_due is None
    await store.close()


async def test_no_personal_name_leaves_the_crm(bridge: SyncApp) -> None:
    bridge.world.comagic.add_call(ANNA, NOON - timedelta(days=2))
    order(bridge, paid="10")
    order(bridge, "", paid="10", name="Пётр Безтелефонный")

    await bridge.run()

    assert personal_names(bridge.world) == set()
    names = {contact.name for contact in bridge.world.comagic.deals.references.contacts.values()}
    assert names == {f"Клиент {client_id}" for client_id in bridge.world.agbis.clients}


async def test_an_order_of_a_client_without_a_phone_is_a_deal_too(bridge: SyncApp) -> None:
    made = order(bridge, "", paid="10.01")

    await bridge.run()

    assert deal(bridge, made).last.revenue_kopecks == 1001
    assert deal_differences(bridge.world) == []


async def test_3000_orders_cost_three_uploads_and_three_requests_of_contacts(bridge: SyncApp) -> None:
    orders_in_bulk(bridge, 3000)

    journal = await bridge.run()
    idle = await bridge.run()

    assert journal["deals"]["uploaded"] == 3000
    assert (journal["requests"][UPLOAD], journal["requests"][CONTACTS]) == (3, 3)
    assert UPLOAD not in idle["requests"]
    assert deal_differences(bridge.world) == []


@pytest.mark.parametrize("error_fields", ["path", "absent"])
async def test_one_bad_record_among_a_thousand_is_refused_alone(bridge: SyncApp, error_fields: str) -> None:
    made = orders_in_bulk(bridge, 1000)
    move(bridge, error_fields=error_fields)
    bad = made[617]
    bridge.world.comagic.deals.refused.add(bad)

    journal = await bridge.run()

    deals = journal["deals"]
    assert (deals["uploaded"], deals["failed"], deals["deferred"], journal["complete"]) == (999, 1, 0, True)
    (error,) = deals["errors"]
    assert (error["order"], error["number"]) == (bad, bridge.world.agbis.orders[bad].number)
    assert "invalid_parameter_value" in error["error"]
    assert set(bridge.world.comagic.deals.deals) == {*made} - {bad}
    assert journal["requests"][UPLOAD] <= 21
    assert requests_for_deals(bridge).total() <= 25


async def test_a_refused_deal_is_sent_again_once_then_each_day_and_when_it_changes(bridge: SyncApp) -> None:
    made = order(bridge, paid="10")
    bridge.world.comagic.deals.refused.add(made)

    failed = [(await bridge.run())["deals"]["failed"] for _ in range(4)]
    bridge.clock.advance(timedelta(hours=21))
    next_day = [(await bridge.run(""))["deals"]["failed"] for _ in range(2)]
    bridge.world.comagic.deals.refused.clear()
    bridge.world.agbis.pay(made, "5")
    changed = await bridge.run()

    assert (failed, next_day) == ([1, 1, 0, 0], [1, 0])
    assert (changed["deals"]["uploaded"], changed["deals"]["revenue"]) == (1, "15.00")


async def test_the_oldest_come_first(bridge: SyncApp) -> None:
    agbis = bridge.world.agbis
    client = agbis.add_client(ANNA)
    newest, oldest, middle = (agbis.add_order(client, doc_date=NOON - timedelta(days=days)) for days in (0, 9, 5))

    await bridge.run()

    assert list(bridge.world.comagic.deals.deals) == [oldest, middle, newest]


@pytest.mark.parametrize("query", ["update_db&limit=1", "update_db&confirm={plan}"])
async def test_a_limited_or_a_confirmed_run_sends_none(bridge: SyncApp, query: str) -> None:
    order(bridge, paid="10")
    plan = (await bridge.run("update_db&dry_run"))["plan"]["id"]

    journal = await bridge.run(query.format(plan=plan))
    rest = await bridge.run("")

    assert (journal["deals"]["uploaded"], journal["deals"]["deferred"], journal["complete"]) == (0, 1, False)
    assert (rest["deals"]["uploaded"], rest["complete"]) == (1, True)


async def test_a_dry_run_says_what_would_be_sent_and_sends_nothing(bridge: SyncApp) -> None:
    order(bridge, paid="10")
    order(bridge, BORIS, paid="0.07")

    journal = await bridge.run("update_db&dry_run")

    assert journal["deals"] == {**NOTHING, "uploaded": 2, "revenue": "10.07"}
    assert requests_for_deals(bridge) == Counter()
    assert (await bridge.run(""))["deals"]["uploaded"] == 2


async def test_a_run_of_one_phone_sends_its_orders(bridge: SyncApp) -> None:
    anna, boris = order(bridge, paid="10"), order(bridge, BORIS, paid="10")
    await bridge.run("update_db&dry_run")

    journal = await bridge.run(f"phone={ANNA}")

    assert journal["deals"]["uploaded"] == 1
    assert list(bridge.world.comagic.deals.deals) == [anna]
    await bridge.run("")
    assert boris in bridge.world.comagic.deals.deals


async def test_a_run_that_the_guard_stops_sends_none(bridge: SyncApp) -> None:
    made = [order(bridge, f"7926000{number:04}", paid="10") for number in range(12)]
    for number in range(12):
        bridge.world.comagic.add_call(f"7926000{number:04}", NOON - timedelta(days=1))
    await bridge.run()
    before = requests_for_deals(bridge)
    for each in made:
        bridge.world.agbis.cancel(each)

    answer = await bridge.get("update_db")

    assert answer.status_code == 409
    assert requests_for_deals(bridge) == before


async def test_shrunken_reports_send_none(bridge: SyncApp) -> None:
    calls = []
    for number in range(12):
        order(bridge, f"7926000{number:04}", paid="10")
        calls.append(bridge.world.comagic.add_call(f"7926000{number:04}", NOON - timedelta(days=1)))
    await bridge.run()
    bridge.world.comagic.hide(*calls)
    order(bridge, paid="10")

    journal = await bridge.run()

    assert (journal["deals"]["uploaded"], journal["deals"]["deferred"], journal["complete"]) == (0, 1, False)


@pytest.mark.parametrize("switch", ["component", "option"])
async def test_without_the_component_there_is_one_warning_and_tags_go_on(bridge: SyncApp, switch: str) -> None:
    move(bridge, **{switch: False})
    bridge.world.comagic.add_call(ANNA, NOON - timedelta(days=1))
    order(bridge, paid="10")

    journal = await bridge.run()

    assert results(journal) == {ANNA: "applied"}
    (warning,) = journal["warnings"]
    assert "the account has none" in warning
    assert journal["complete"] is True
    assert requests_for_deals(bridge) == Counter({"get.sales_funnel": 1})
    move(bridge, **{switch: True})
    assert (await bridge.run())["deals"]["uploaded"] == 1


class TestLinks:
    async def test_an_order_that_moves_to_another_client_is_linked_again(self, bridge: SyncApp) -> None:
        made = order(bridge, paid="10")
        boris = bridge.world.agbis.add_client(BORIS)
        call = bridge.world.comagic.add_call(BORIS, NOON - timedelta(days=1))
        await bridge.run()
        bridge.world.agbis.move_order(made, boris)

        await bridge.run()

        assert [row.communication_id for row in bridge.world.comagic.deals.communications_of(made)] == [call]
        assert deal_differences(bridge.world) == []

    async def test_another_phone_of_the_client_links_its_deals_again(self, bridge: SyncApp) -> None:
        made = [order(bridge, paid="10"), order(bridge, paid="20")]
        call = bridge.world.comagic.add_call(BORIS, NOON - timedelta(days=1))
        await bridge.run()
        bridge.world.agbis.change_phone(bridge.world.agbis.orders[made[0]].client_id, BORIS)

        journal = await bridge.run()

        assert journal["requests"]["update.deal_contacts"] == 1
        assert journal["requests"][UPLOAD] == 1
        for each in made:
            assert [row.communication_id for row in bridge.world.comagic.deals.communications_of(each)] == [call]
        assert deal_differences(bridge.world) == []

    async def test_a_further_number_of_the_client_links_its_deals_again(self, bridge: SyncApp) -> None:
        made = order(bridge, paid="10")
        call = bridge.world.comagic.add_call(BORIS, NOON - timedelta(days=1))
        await bridge.run()
        client = bridge.world.agbis.orders[made].client_id
        bridge.world.agbis.change_phone(client, ANNA, landline=BORIS)

        journal = await bridge.run()

        assert journal["requests"]["update.deal_contacts"] == 1
        assert bridge.world.comagic.deals.references.contacts[client].phones == [ANNA, BORIS]
        assert [row.communication_id for row in bridge.world.comagic.deals.communications_of(made)] == [call]

    async def test_by_setting_the_communication_of_the_sale_is_named(self, tmp_path: Path) -> None:
        store = SqliteSalesStore(str(tmp_path / "linked.db"))
        async with sync_app_on(store, {**ON, "COMAGIC_DEALS_LINK": "communication"}) as bridge:
            call = bridge.world.comagic.add_call(ANNA, NOON - timedelta(days=1))
            made, other = order(bridge, paid="10"), order(bridge, BORIS, paid="10")
            await bridge.run()

            assert deal(bridge, made).last.communication == ("call", call)
            assert deal(bridge, other).last.communication is None, "its phone has no call"
            late = bridge.world.comagic.add_call(BORIS, NOON - timedelta(hours=1))
            await bridge.run()
            assert deal(bridge, other).last.communication == ("call", late), "its sale was set since"
            before = requests_for_deals(bridge)
            await bridge.run()
            assert requests_for_deals(bridge) == before
        await store.close()

    async def test_a_deal_does_without_a_communication_that_is_gone(self, tmp_path: Path) -> None:
        store = SqliteSalesStore(str(tmp_path / "linked.db"))
        async with sync_app_on(store, {**ON, "COMAGIC_DEALS_LINK": "communication"}) as bridge:
            call = bridge.world.comagic.add_call(ANNA, NOON - timedelta(days=1))
            made = order(bridge, paid="10")
            await bridge.run("update_db&limit=1")
            bridge.world.comagic.delete_communication(call)

            journal = await bridge.run("")

            assert journal["deals"]["uploaded"] == 1
            assert deal(bridge, made).last.communication is None
        await store.close()


class TestFunnel:
    async def test_a_funnel_of_others_gets_the_stages_that_it_lacks(self, bridge: SyncApp) -> None:
        stages = {
            "in_process": [{"ext_id": "paid", "name": "Деньги", "order": 5}],
            "success": {"ext_id": "won", "name": "Успех"},
            "failed": {"ext_id": "lost", "name": "Провал"},
        }
        bridge.world.comagic.deals.references.create_funnel({"ext_id": "agbis", "name": "Наша", "stages": stages})
        made, gone = order(bridge, paid="2800.50"), order(bridge, BORIS)
        bridge.world.agbis.set_status(made, 5)
        bridge.world.agbis.cancel(gone)

        await bridge.run()

        assert (deal(bridge, made).last.stage.name, deal(bridge, gone).last.stage.name) == ("Успех", "Провал")
        assert "Принят" in [
            stage.name for stage in bridge.world.comagic.deals.references.funnels["agbis"].stages.values()
        ]

    async def test_a_funnel_that_was_deleted_is_made_again(self, bridge: SyncApp) -> None:
        made = order(bridge, paid="10")
        await bridge.run()
        bridge.world.comagic.deals.references.funnels.clear()
        bridge.world.agbis.pay(made, "5")

        journal = await bridge.run()

        assert (journal["deals"]["uploaded"], journal["deals"]["failed"]) == (1, 0)
        assert deal(bridge, made).last.revenue_kopecks == 1500


class TestOldOrders:
    async def test_orders_of_before_the_switch_come_in_by_a_backfill(self, tmp_path: Path) -> None:
        store = SqliteSalesStore(str(tmp_path / "later.db"))
        async with sync_app_on(store) as off:
            made = order(off, paid="10")
            await off.run()
            off.clock.advance(timedelta(days=20))
            await off.run()
            async with sync_app_on(store, ON, world=off.world) as on:
                assert (await on.run())["deals"] == NOTHING

                journal = await on.run("update_db&date_from=2026-06-15&date_till=2026-06-15")

                assert journal["deals"]["uploaded"] == 1
                assert deal(on, made).last.revenue_kopecks == 1000
        await store.close()

    async def test_an_unknown_contact_of_comagic_is_read_and_corrected(self, bridge: SyncApp) -> None:
        """Another database may have made it, or a killed run."""
        made = order(bridge, paid="10")
        client = bridge.world.agbis.orders[made].client_id
        contacts = [{"ext_id": client, "name": "x", "phone_numbers": [BORIS]}]
        bridge.world.comagic.deals.references.create_contacts(
            {"contacts": contacts}, bridge.world.comagic.deal_switches
        )

        await bridge.run()

        assert deal_differences(bridge.world) == []

    async def test_contacts_that_were_deleted_in_comagic_are_made_again(self, bridge: SyncApp) -> None:
        made = order(bridge, paid="10")
        await bridge.run()
        bridge.world.comagic.deals.references.contacts.clear()
        bridge.world.agbis.pay(made, "5")

        journal = await bridge.run()

        assert journal["deals"]["uploaded"] == 1
        assert deal_differences(bridge.world) == []


class TestLimits:
    async def test_sales_leave_some_points_of_the_day_to_deals(self, bridge: SyncApp) -> None:
        for number in range(30):
            order(bridge, f"7926000{number:04}", paid="10")
            bridge.world.comagic.add_call(f"7926000{number:04}", NOON - timedelta(days=1))
        bridge.world.comagic.day_limit = 25

        journal = await bridge.run()

        assert journal["deals"]["uploaded"] == 30
        assert 10 <= journal["tags_applied"] <= 20
        assert (journal["complete"], journal["failed"]) == (False, 0)

    async def test_a_spent_day_leaves_deals_to_the_next_run(self, bridge: SyncApp) -> None:
        order(bridge, paid="10")
        bridge.world.comagic.fail(Fault(UPLOAD, "limit_exceeded_day"))

        journal = await bridge.run()
        later = await bridge.run()

        assert (journal["deals"]["deferred"], journal["complete"], journal["warnings"]) == (1, False, [])
        assert (later["deals"]["uploaded"], later["complete"]) == (1, True)

    async def test_the_time_of_the_run_ends_between_two_batches(self, bridge: SyncApp) -> None:
        orders_in_bulk(bridge, 1500)
        bridge.world.comagic.fail(Fault(CONTACTS, "timeout_before", skip=1, times=None, params={"seconds": 1600}))

        journal = await bridge.run()
        bridge.world.comagic.faults.clear()
        later = await bridge.run()

        assert journal["deals"] == {**NOTHING, "uploaded": 1000, "deferred": 500, "revenue": "10000.00"}
        assert journal["complete"] is False
        assert (later["deals"]["uploaded"], later["complete"]) == (500, True)

    async def test_deals_that_are_always_refused_end_the_run(self, bridge: SyncApp) -> None:
        made = orders_in_bulk(bridge, 60)
        bridge.world.comagic.deals.refused.update(made)

        journal = await bridge.run()

        assert (journal["deals"]["failed"], journal["deals"]["deferred"]) == (50, 10)
        assert len(journal["deals"]["errors"]) == 20
        assert "50 deals were refused" in journal["warnings"][0]


async def test_a_lost_answer_does_not_move_a_stage(bridge: SyncApp) -> None:
    """The time of a stage is fixed when it is first sent, though nobody knows that it arrived."""
    made = order(bridge, paid="10")
    bridge.world.comagic.fail(Fault(UPLOAD, "timeout_after", times=3))
    lost = await bridge.run()
    paid_at = deal(bridge, made).last.stage_at
    bridge.world.agbis.refund(made, "4")
    bridge.world.agbis.pay(made, "1")

    journal = await bridge.run()

    assert (lost["deals"]["deferred"], lost["complete"]) == (1, False)
    assert journal["deals"]["uploaded"] == 1
    assert deal(bridge, made).last.stage_at == paid_at
    assert deal_differences(bridge.world) == []


async def test_the_tags_are_as_ever(bridge: SyncApp) -> None:
    bridge.world.comagic.add_call(ANNA, NOON - timedelta(days=1))
    order(bridge, paid="10")

    journal = await bridge.run()

    assert rows(journal)[ANNA]["result"] == "applied"
    assert journal["money"]["applied"] == "10.00"

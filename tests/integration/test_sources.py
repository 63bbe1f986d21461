"""Chats and site forms are communications too: the earliest of all kinds bears the sale."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from tests.sandbox.faults import Fault
from tests.sandbox.world import populate
from tests.support.factories import NOON
from tests.support.sync_app import SyncApp, results, rows, sync_app_on

pytestmark = pytest.mark.anyio

ANNA = "79261234567"
EVERY = {"COMAGIC_SOURCES": "calls,chats,offline_messages"}
REPORTS = {"get.calls_report", "get.chats_report", "get.offline_messages_report"}


@pytest.fixture
async def bridge(tmp_path: Path) -> AsyncIterator[SyncApp]:
    """A bridge that reads all sources."""
    store = SqliteSalesStore(str(tmp_path / "bridge.db"))
    async with sync_app_on(store, EVERY) as bridge:
        yield bridge
    await store.close()


def paid(bridge: SyncApp, amount: str = "700", phone: str = ANNA) -> str:
    agbis, at = bridge.world.agbis, NOON - timedelta(hours=5)
    order = agbis.add_order(agbis.add_client(phone), [("Стирка", "900")], at=at)
    agbis.pay(order, amount, at=at)
    return order


def get_in_touch(bridge: SyncApp, kind: str, days_ago: float, typed: str = ANNA) -> tuple[str, int]:
    comagic, at = bridge.world.comagic, NOON - timedelta(days=days_ago)
    match kind:
        case "call":
            return kind, comagic.add_call(typed, at)
        case "chat":
            return kind, comagic.add_chat(typed, at)
        case _:
            return kind, comagic.add_message(typed, at)


def standing(bridge: SyncApp) -> dict[tuple[str, int], int]:
    return {key: sales[0].amount_kopecks for key, sales in bridge.world.comagic.sales.items()}


@pytest.mark.parametrize("first", ["call", "chat", "offline_message"])
async def test_the_earliest_of_all_kinds_bears_the_sale(bridge: SyncApp, first: str) -> None:
    others = [kind for kind in ("call", "chat", "offline_message") if kind != first]
    key = get_in_touch(bridge, first, 3)
    for days, kind in enumerate(others, 1):
        get_in_touch(bridge, kind, days)
    paid(bridge)

    journal = await bridge.run()

    assert standing(bridge) == {key: 70000}
    row = rows(journal)[ANNA]
    assert row[ANNA] == str(key[1])
    assert row.get("communication_type", "call") == first
    asked = next(record for record in bridge.world.comagic.requests if record.method == "set.tag_sales").params
    assert (asked["communication_type"], asked["communication_id"]) == key


@pytest.mark.parametrize("typed", ["89261234567", "9261234567", "+7 (926) 123-45-67"])
async def test_a_phone_is_understood_as_visitors_type_it(bridge: SyncApp, typed: str) -> None:
    key = get_in_touch(bridge, "chat", 1, typed)
    paid(bridge)

    await bridge.run()

    assert standing(bridge) == {key: 70000}


async def test_equal_ids_of_two_kinds_are_two_communications(bridge: SyncApp) -> None:
    bridge.world.comagic.add_chat(ANNA, NOON - timedelta(days=3), communication_id=5)
    bridge.world.comagic.add_call(ANNA, NOON - timedelta(days=2), communication_id=5)
    order = paid(bridge)
    await bridge.run()
    bridge.world.agbis.pay(order, "1")

    journal = await bridge.run()

    assert standing(bridge) == {("chat", 5): 70100}
    assert results(journal) == {ANNA: "updated"}


async def test_the_whole_life_of_a_sale_on_a_form(bridge: SyncApp) -> None:
    """Set, left alone, replaced, taken off."""
    get_in_touch(bridge, "offline_message", 1)
    order = paid(bridge)

    told = [results(await bridge.run())[ANNA] for _ in range(2)]
    bridge.world.agbis.pay(order, "50")
    told.append(results(await bridge.run())[ANNA])
    bridge.world.agbis.cancel(order)
    told.append(results(await bridge.run())[ANNA])

    assert told == ["applied", "problem", "updated", "removed"]
    assert standing(bridge) == {}


async def test_a_change_whose_answer_is_lost_is_looked_at_in_the_right_report(bridge: SyncApp) -> None:
    key = get_in_touch(bridge, "chat", 1)
    paid(bridge)
    bridge.world.comagic.fail(Fault(method="set.tag_sales", kind="timeout_after"))

    journal = await bridge.run()

    assert results(journal) == {ANNA: "applied"}
    assert standing(bridge) == {key: 70000}
    assert len(bridge.world.comagic.history) == 1


async def test_a_component_that_is_not_enabled_is_a_warning_and_no_failure(bridge: SyncApp) -> None:
    bridge.world.comagic.switches = replace(bridge.world.comagic.switches, consultant=False)
    key = get_in_touch(bridge, "call", 1)
    paid(bridge)

    journal = await bridge.run()

    assert results(journal) == {ANNA: "applied"}
    assert standing(bridge) == {key: 70000}
    assert (journal["complete"], journal["failed"]) == (True, 0)
    first, second = journal["warnings"]
    assert first.startswith("get.chats_report was not read: CoMagic: method_component_disabled")
    assert second.startswith("get.offline_messages_report was not read")


async def test_a_sale_on_a_chat_is_not_moved_while_chats_cannot_be_read(bridge: SyncApp) -> None:
    """It would be reported twice."""
    key = get_in_touch(bridge, "chat", 2)
    get_in_touch(bridge, "call", 1)
    paid(bridge)
    await bridge.run()
    bridge.world.comagic.switches = replace(bridge.world.comagic.switches, consultant=False)

    journal = await bridge.run()

    assert results(journal) == {ANNA: "problem"}
    assert standing(bridge) == {key: 70000}


async def test_nothing_is_warned_of_when_all_is_enabled(bridge: SyncApp) -> None:
    assert (await bridge.run())["warnings"] == []


async def test_requests_grow_only_by_the_pages_of_the_further_reports(tmp_path: Path) -> None:
    asked = {}
    for name, settings in (("calls", {}), ("every", EVERY)):
        store = SqliteSalesStore(str(tmp_path / f"{name}.db"))
        async with sync_app_on(store, settings) as bridge:
            populate(bridge.world, seed=3, phones=23, strangers=1)  # nobody of them writes instead of calling
            journal = await bridge.run()
            asked[name] = journal["requests"], standing(bridge)
        await store.close()

    (calls, sales), (every, sales_of_every) = asked["calls"], asked["every"]
    assert every == {**calls, "get.chats_report": 1, "get.offline_messages_report": 1}
    assert sales_of_every == sales


async def test_a_town_comes_out_balanced_and_a_second_run_has_nothing_to_do(bridge: SyncApp) -> None:
    truth = populate(bridge.world, seed=7, phones=80)

    first, before = await bridge.run(), standing(bridge)
    second = await bridge.run()

    written = {phone for phone, row in rows(first).items() if row.get("communication_type") == "offline_message"}
    assert written, "somebody of this town only writes"
    assert all(truth.results[phone] == "not_found" for phone in written)
    assert (second["tags_applied"], second["tags_removed_updated"], second["tags_removed"]) == (0, 0, 0)
    assert standing(bridge) == before


async def test_the_money_holds_when_calls_fail_all_the_time(bridge: SyncApp) -> None:
    """Every second change is cut; in the end each sale stands once, with its sum."""
    populate(bridge.world, seed=7, phones=60)
    comagic = bridge.world.comagic
    for _ in range(6):
        for kind in ("timeout_after", "reset_before", "http_502_after"):
            comagic.fail(Fault(method="set.tag_sales", kind=kind, skip=2))
            comagic.fail(Fault(method="*", kind=kind, skip=9))
        await bridge.get("update_db")
        bridge.clock.advance(timedelta(minutes=3))
    comagic.faults.clear()
    await bridge.run()
    last = await bridge.run()

    expected = {phone: row["amount"] for phone, row in rows(last).items() if row["result"] == "problem"}
    assert all(len(sales) == 1 for sales in comagic.sales.values() if sales)
    sums = sorted(f"{sale[0].amount_kopecks / 100:.2f}" for sale in comagic.sales.values() if sale)
    assert sums == sorted(expected.values())

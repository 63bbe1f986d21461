"""All phones of a client count: the mobile bears the sum, the others only find communications."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest
from msgspec.structs import replace

from crm_bridge.domain.state import NumbersRead
from crm_bridge.ports import Changes
from crm_bridge.stores.base import STATE
from crm_bridge.stores.documents import Write
from crm_bridge.stores.state_keys import STATE_KEYS
from tests.sandbox.faults import Fault
from tests.support.factories import ANNA, BORIS, NOON, lease
from tests.support.stories import LANDLINE, call, order_of
from tests.support.sync_app import SyncApp, results

pytestmark = pytest.mark.anyio


def standing(bridge: SyncApp) -> Mapping[int, int]:
    return {key[1]: sales[0].amount_kopecks for key, sales in bridge.world.comagic.sales.items()}


async def test_a_run_asks_nothing_more_for_further_numbers(bridge: SyncApp) -> None:
    found = call(bridge, phone=LANDLINE)
    order_of(bridge, ANNA, LANDLINE)

    journal = await bridge.run()

    assert standing(bridge) == {found: 70_000}
    assert journal["communications_found"] == 1
    assert (journal["requests"]["get.calls_report"], journal["requests"]["set.tag_sales"]) == (1, 1)
    assert (await bridge.store.phones([ANNA]))[ANNA].sale.found_by == LANDLINE  # type: ignore[union-attr]


@pytest.mark.parametrize("only", ["", f"phone={ANNA}"])
async def test_a_number_of_two_clients_with_different_mobiles_finds_for_neither(bridge: SyncApp, only: str) -> None:
    call(bridge, phone=LANDLINE)
    order_of(bridge, ANNA, LANDLINE)
    order_of(bridge, BORIS, LANDLINE)
    await bridge.run("update_db&dry_run")

    assert results(await bridge.run(only))[ANNA] == "not_found"
    assert standing(bridge) == {}


@pytest.mark.parametrize("only", ["", f"phone={ANNA}"])
async def test_a_number_that_is_another_clients_mobile_finds_for_that_one(bridge: SyncApp, only: str) -> None:
    call(bridge, phone=BORIS)
    order_of(bridge, ANNA, BORIS)
    order_of(bridge, BORIS)
    await bridge.run("update_db&dry_run")

    assert results(await bridge.run(only))[ANNA] == "not_found"


async def test_a_client_without_orders_has_its_mobile_for_itself(bridge: SyncApp) -> None:
    """Only the store knows it: no record of ours has this phone."""
    call(bridge, phone=BORIS)
    order_of(bridge, ANNA, BORIS)
    bridge.world.agbis.add_client(BORIS, at=NOON - timedelta(hours=1))

    assert results(await bridge.run()) == {ANNA: "not_found"}


async def test_two_clients_with_one_mobile_share_their_further_numbers(bridge: SyncApp) -> None:
    found = call(bridge, phone=LANDLINE)
    order_of(bridge, ANNA, LANDLINE)
    order_of(bridge, ANNA, LANDLINE, amount="300")

    await bridge.run()

    assert standing(bridge) == {found: 100_000}


async def test_a_number_that_is_added_later_finds_what_it_did_not_find_before(bridge: SyncApp) -> None:
    found = call(bridge, phone=LANDLINE)
    client = order_of(bridge, ANNA)
    assert results(await bridge.run()) == {ANNA: "not_found"}

    bridge.world.agbis.change_phone(client, ANNA, landline=LANDLINE)
    journal = await bridge.run()

    assert standing(bridge) == {found: 70_000}
    assert journal["refresh"]["phones_changed"] == 1
    assert (await bridge.run())["refresh"]["phones_changed"] == 0


async def test_a_number_that_is_added_or_removed_moves_no_sale_that_stands(bridge: SyncApp) -> None:
    call(bridge, days_ago=5, phone=LANDLINE)
    first = call(bridge, days_ago=2)
    client = order_of(bridge, ANNA)
    await bridge.run()
    for landline in (LANDLINE, "", LANDLINE):
        bridge.world.agbis.change_phone(client, ANNA, landline=landline)
        assert results(await bridge.run()) == {ANNA: "problem"}

    assert standing(bridge) == {first: 70_000}


async def test_a_sale_found_by_a_number_that_was_removed_follows_the_sum_without_a_look(bridge: SyncApp) -> None:
    found = call(bridge, phone=LANDLINE)
    client = order_of(bridge, ANNA, LANDLINE)
    await bridge.run()
    bridge.world.agbis.change_phone(client, ANNA, landline="")
    bridge.world.agbis.pay(next(iter(bridge.world.agbis.orders)), "250")

    journal = await bridge.run()

    assert standing(bridge) == {found: 95_000}
    assert journal["requests"]["get.calls_report"] == 1


async def test_a_call_that_bears_one_clients_sale_is_no_candidate_for_the_new_owner_of_its_number(
    bridge: SyncApp,
) -> None:
    """The landline became another client's mobile in the CRM; in CoMagic the call has the number that it had."""
    first = call(bridge, days_ago=4, phone=LANDLINE)
    client = order_of(bridge, ANNA, LANDLINE)
    await bridge.run()
    second = call(bridge, days_ago=1, phone=LANDLINE)
    bridge.world.agbis.change_phone(client, ANNA, landline="")
    order_of(bridge, LANDLINE, amount="900", days_ago=0.5)

    assert results(await bridge.run()) == {ANNA: "problem", LANDLINE: "applied"}
    assert standing(bridge) == {first: 70_000, second: 90_000}
    assert results(await bridge.run()) == {ANNA: "problem", LANDLINE: "problem"}


async def test_a_call_whose_number_changes_in_comagic_to_another_clients_loses_the_sale(bridge: SyncApp) -> None:
    first = call(bridge, days_ago=4, phone=LANDLINE)
    second = call(bridge, days_ago=3)
    order_of(bridge, ANNA, LANDLINE)
    await bridge.run()
    order_of(bridge, BORIS, amount="900", days_ago=0.5)
    bridge.world.comagic.change_phone(first, BORIS)

    await bridge.run()

    assert standing(bridge) == {second: 70_000, first: 90_000}


async def test_a_call_whose_number_changes_to_another_of_the_same_client_keeps_the_sale(bridge: SyncApp) -> None:
    first = call(bridge, days_ago=4, phone=LANDLINE)
    order_of(bridge, ANNA, LANDLINE)
    await bridge.run()
    for number in (ANNA, LANDLINE, ANNA):
        bridge.world.comagic.change_phone(first, number)
        assert results(await bridge.run()) == {ANNA: "problem"}

    assert standing(bridge) == {first: 70_000}


async def test_a_changed_mobile_moves_its_orders(bridge: SyncApp) -> None:
    found = call(bridge, phone=LANDLINE)
    client = order_of(bridge, ANNA, LANDLINE)
    await bridge.run()
    bridge.world.agbis.change_phone(client, BORIS)

    assert results(await bridge.run()) == {ANNA: "removed", BORIS: "not_found"}
    assert results(await bridge.run()) == {BORIS: "applied"}
    assert standing(bridge) == {found: 70_000}


async def test_a_cut_change_found_by_a_landline_is_completed(bridge: SyncApp) -> None:
    found = call(bridge, phone=LANDLINE)
    client = order_of(bridge, ANNA, LANDLINE)
    bridge.world.comagic.fail(Fault(method="set.tag_sales", kind="timeout_before", times=None))
    await bridge.run()
    bridge.world.comagic.faults.clear()
    bridge.world.agbis.change_phone(client, ANNA, landline="")

    assert (await bridge.run())["tags_applied"] == 1
    assert standing(bridge) == {found: 70_000}


async def test_numbers_that_an_older_version_did_not_keep_are_read_again_once(bridge: SyncApp) -> None:
    found = call(bridge, phone=LANDLINE)
    order_of(bridge, ANNA, LANDLINE)
    bridge.clock.advance(timedelta(days=400))
    bridge.world.comagic.change_phone(found, "70000000000")
    found = bridge.world.comagic.add_call(LANDLINE, bridge.clock.now() - timedelta(days=1))
    bridge.world.agbis.pay(next(iter(bridge.world.agbis.orders)), "50")
    await bridge.run("update_db&dry_run")
    await _forget_numbers(bridge)

    first = await bridge.run()
    second = await bridge.run()

    assert standing(bridge) == {found: 75_000}
    assert first["requests"]["ClientsByDateTimeForAll"] > 20
    assert second["requests"]["ClientsByDateTimeForAll"] <= 4


async def test_when_they_cannot_be_read_again_a_warning_says_so_and_the_next_run_tries(bridge: SyncApp) -> None:
    found = call(bridge, phone=LANDLINE)
    order_of(bridge, ANNA, LANDLINE)
    await bridge.run("update_db&dry_run")
    await _forget_numbers(bridge)
    bridge.world.agbis.fail(
        Fault(method="ClientsByDateTimeForAll", kind="not_json", skip=4, times=None)  # the windows come first
    )

    journal = await bridge.run()

    assert journal["complete"] is True
    assert [text.partition(":")[0] for text in journal["warnings"]] == ["ClientsByDateTimeForAll was not read"]
    bridge.world.agbis.faults.clear()
    assert (await bridge.run())["requests"]["ClientsByDateTimeForAll"] > 20
    assert (await bridge.run())["requests"]["ClientsByDateTimeForAll"] <= 4
    assert standing(bridge) == {found: 70_000}


async def test_a_new_database_reads_nothing_again(bridge: SyncApp) -> None:
    order_of(bridge, ANNA)

    journal = await bridge.run()

    assert journal["requests"]["ClientsByDateTimeForAll"] <= 4
    assert await bridge.store.state(NumbersRead) is not None


async def _forget_numbers(bridge: SyncApp) -> None:
    """Leave the database as a version that kept one number of each client would have."""
    now = bridge.clock.now()
    clients = await bridge.store.clients_with_numbers([ANNA])
    record = (await bridge.store.phones([ANNA]))[ANNA]
    await bridge.store.take_lease(lease("old", until=now + timedelta(minutes=1)), now=now)
    old = Changes(
        clients=[replace(each, other_phones=()) for each in clients], phones=[replace(record, other_phones=())]
    )
    await bridge.store.write([old], run_id="old")
    await bridge.store.release_lease("old")
    mark = Write(STATE, STATE_KEYS[NumbersRead], None, 0)
    await bridge.store._commit([mark], holder=None)  # type: ignore[attr-defined]

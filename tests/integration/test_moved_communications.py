"""A communication bears the sale of the phone that it has in CoMagic now, whichever phones a run is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests.support.database_dump import dump
from tests.support.factories import NOON
from tests.support.sync_app import SyncApp, results, rows

pytestmark = pytest.mark.anyio

ANNA, BORIS, VERA = "79261234567", "79031112233", "74951234567"
SUMS = {ANNA: "700", BORIS: "90", VERA: "15"}
QUERIES = ["", f"phone={ANNA}", f"phone={BORIS}"]


def calls(bridge: SyncApp, *days_ago: tuple[str, int]) -> list[int]:
    return [bridge.world.comagic.add_call(phone, NOON - timedelta(days=days)) for phone, days in days_ago]


def paid(bridge: SyncApp, *phones: str) -> None:
    agbis, at = bridge.world.agbis, NOON - timedelta(hours=5)
    for phone in phones:
        agbis.pay(agbis.add_order(agbis.add_client(phone), [("Химчистка", "700")], at=at), SUMS[phone], at=at)


def sums(bridge: SyncApp) -> dict[int, list[int]]:
    return {
        key[1]: [sale.amount_kopecks for sale in sales] for key, sales in bridge.world.comagic.sales.items() if sales
    }


async def recorded(bridge: SyncApp) -> Mapping[str, Any]:
    """The communication and the sum of each phone's recorded sale."""
    phones = (await dump(bridge.store))["phones"]
    sales = {phone: body.get("sale") for phone, body in phones.items()}
    return {phone: sale and (sale["id"], sale["amount_kopecks"]) for phone, sale in sales.items()}


def unset(bridge: SyncApp) -> list[int]:
    return [change.communication_id for change in bridge.world.comagic.history if change.what == "unset"]


@pytest.mark.parametrize("query", QUERIES)
async def test_the_old_sale_leaves_first_and_both_phones_are_stable_after_one_run(
    bridge_on_each_store: SyncApp, query: str
) -> None:
    """With only the new owner's record read, the sale counted as somebody else's, was replaced, and came back later."""
    bridge = bridge_on_each_store
    moved, later = calls(bridge, (ANNA, 3), (ANNA, 1))
    paid(bridge, ANNA, BORIS, VERA)
    await bridge.run()
    assert sums(bridge) == {moved: [70000]}

    bridge.world.comagic.change_phone(moved, BORIS)
    journal = await bridge.run(query)

    assert {ANNA: "applied", BORIS: "applied"}.items() <= results(journal).items()
    assert sums(bridge) == {moved: [9000], later: [70000]}
    assert await recorded(bridge) == {ANNA: (later, 70000), BORIS: (moved, 9000), VERA: None}
    assert results(await bridge.run("")) == {ANNA: "problem", BORIS: "problem", VERA: "not_found"}


@pytest.mark.parametrize("query", QUERIES)
async def test_an_old_owner_without_another_call_has_no_sale_any_more(bridge: SyncApp, query: str) -> None:
    (moved,) = calls(bridge, (ANNA, 3))
    paid(bridge, ANNA, BORIS)
    await bridge.run()

    bridge.world.comagic.change_phone(moved, BORIS)
    journal = await bridge.run(query)

    assert results(journal) == {ANNA: "not_found", BORIS: "applied"}
    assert sums(bridge) == {moved: [9000]}
    assert await recorded(bridge) == {ANNA: None, BORIS: (moved, 9000)}


@pytest.mark.parametrize("phone", [ANNA, BORIS, VERA])
async def test_calls_that_moved_in_a_circle_are_all_put_right_by_a_run_of_any_of_their_phones(
    bridge: SyncApp, phone: str
) -> None:
    annas, boriss, veras = calls(bridge, (ANNA, 3), (BORIS, 2), (VERA, 1))
    paid(bridge, ANNA, BORIS, VERA)
    await bridge.run()

    for call, new in ((annas, BORIS), (boriss, VERA), (veras, ANNA)):
        bridge.world.comagic.change_phone(call, new)
    journal = await bridge.run(f"phone={phone}")

    assert results(journal) == {ANNA: "applied", BORIS: "applied", VERA: "applied"}
    assert sums(bridge) == {annas: [9000], boriss: [1500], veras: [70000]}
    assert set(results(await bridge.run("")).values()) == {"problem"}


async def test_a_phone_whose_calls_bear_no_sale_of_another_is_alone_in_its_run(bridge: SyncApp) -> None:
    _, foreign = calls(bridge, (ANNA, 3), (BORIS, 2))
    paid(bridge, ANNA, BORIS)
    bridge.world.comagic.sell_by_hand(foreign, "11")

    assert results(await bridge.run(f"update_db&phone={BORIS}")) == {BORIS: "updated"}


async def test_a_dry_run_of_one_phone_says_what_the_run_would_do(bridge: SyncApp) -> None:
    moved, later = calls(bridge, (ANNA, 3), (ANNA, 1))
    paid(bridge, ANNA, BORIS)
    await bridge.run()
    bridge.world.comagic.change_phone(moved, BORIS)
    before = await dump(bridge.store)

    seen = rows(await bridge.run(f"dry_run&phone={BORIS}"))

    assert {phone: (int(row[phone]), row["result"]) for phone, row in seen.items()} == {
        ANNA: (later, "would_be_applied"),
        BORIS: (moved, "would_be_applied"),
    }
    assert await dump(bridge.store) == before


class TestASaleThatIsNotOursAnyMore:
    """Taking off whatever stands there would take the new owner's sale too."""

    @pytest.mark.parametrize("query", QUERIES)
    async def test_a_sale_that_the_new_owner_has_got_meanwhile_stays(self, bridge: SyncApp, query: str) -> None:
        moved, later = calls(bridge, (ANNA, 3), (ANNA, 1))
        paid(bridge, ANNA, BORIS)
        await bridge.run()
        bridge.world.comagic.change_phone(moved, BORIS)
        bridge.world.comagic.sell_by_hand(moved, SUMS[BORIS])

        if query:
            await bridge.run(query)
        journal = await bridge.run("")

        assert results(journal)[BORIS] == "problem"
        assert sums(bridge) == {moved: [9000], later: [70000]}
        assert unset(bridge) == []
        assert await recorded(bridge) == {ANNA: (later, 70000), BORIS: (moved, 9000)}

    async def test_a_call_without_a_sale_is_left_without_a_request(self, bridge: SyncApp) -> None:
        moved, _ = calls(bridge, (ANNA, 3), (VERA, 3))
        paid(bridge, ANNA)
        await bridge.run()
        bridge.world.comagic.unsell_by_hand(moved)
        bridge.world.comagic.change_phone(moved, VERA)
        made = len(bridge.world.comagic.requests)

        assert results(await bridge.run("")) == {ANNA: "not_found"}
        assert [request.method for request in bridge.world.comagic.requests[made:]] == ["get.calls_report"]
        assert await recorded(bridge) == {ANNA: None}

    async def test_a_phone_without_money_forgets_a_sale_that_is_not_its_own(self, bridge: SyncApp) -> None:
        (moved,) = calls(bridge, (ANNA, 3))
        paid(bridge, ANNA)
        await bridge.run()
        bridge.world.comagic.change_phone(moved, VERA)
        bridge.world.comagic.sell_by_hand(moved, "11")
        order = next(iter(bridge.world.agbis.orders))
        bridge.world.agbis.refund(order, SUMS[ANNA])

        assert results(await bridge.run()) == {ANNA: "nothing_paid"}
        assert sums(bridge) == {moved: [1100]}
        assert await recorded(bridge) == {ANNA: None}


class TestExplain:
    async def explained(self, bridge: SyncApp, phone: str) -> dict[str, Any]:
        answer = await bridge.get(f"phone={phone}", path="/explain")
        assert answer.status_code == 200, answer.text
        explanation: dict[str, Any] = answer.json()
        return explanation

    async def test_the_new_owner_gets_its_sale_after_the_other_phones_has_left(self, bridge: SyncApp) -> None:
        moved, _ = calls(bridge, (ANNA, 3), (ANNA, 1))
        paid(bridge, ANNA, BORIS)
        await bridge.run()
        bridge.world.comagic.change_phone(moved, BORIS)

        shown = await self.explained(bridge, BORIS)

        (call,) = shown["communications"]
        assert (call["communication_id"], call["chosen"], call["reason"]) == (str(moved), True, "sale_of_other_phone")
        assert (shown["verdict"], shown["next_run"]["result"]) == ("mark_is_due", "would_be_applied")
        assert rows(await bridge.run(f"dry_run&phone={BORIS}"))[BORIS]["result"] == shown["next_run"]["result"]

    async def test_a_phone_without_money_is_not_said_to_bear_the_other_phones_sale(self, bridge: SyncApp) -> None:
        (moved,) = calls(bridge, (ANNA, 3))
        paid(bridge, ANNA, BORIS)
        await bridge.run()
        bridge.world.comagic.change_phone(moved, BORIS)
        for order in bridge.world.agbis.orders.values():
            if order.net_kopecks == 9000:
                bridge.world.agbis.refund(order.id, SUMS[BORIS])
        await bridge.get("update_db&dry_run")

        shown = await self.explained(bridge, BORIS)

        (call,) = shown["communications"]
        assert (call["chosen"], call["reason"]) == (False, "sale_of_other_phone")
        assert shown["verdict"] == "money_returned"

    @pytest.mark.parametrize("by_hand", [None, SUMS[BORIS]])
    async def test_the_old_owner_hears_that_its_communication_became_anothers(
        self, bridge: SyncApp, by_hand: str | None
    ) -> None:
        moved, later = calls(bridge, (ANNA, 3), (ANNA, 1))
        paid(bridge, ANNA, BORIS)
        await bridge.run()
        bridge.world.comagic.change_phone(moved, BORIS)
        if by_hand is not None:
            bridge.world.comagic.sell_by_hand(moved, by_hand)

        shown = await self.explained(bridge, ANNA)

        assert (shown["next_run"]["result"], shown["next_run"]["communication_id"]) == ("would_be_applied", str(later))
        (note,) = shown["notes"]
        assert "has become another client's" in note

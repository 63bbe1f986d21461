"""The main job: orders of the CRM become sales of CoMagic, once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.sandbox.faults import Fault
from tests.sandbox.world import populate
from tests.support.factories import NOON
from tests.support.sync_app import SyncApp, results, rows

pytestmark = pytest.mark.anyio

ANNA, BORIS, VERA = "79261234567", "79031112233", "74951234567"


def sums(bridge: SyncApp) -> dict[int, list[int]]:
    """The sums that stand in CoMagic, by communication, in kopecks."""
    return {
        key: [sale.amount_kopecks for sale in sales] for (_, key), sales in bridge.world.comagic.sales.items() if sales
    }


def paid_order(bridge: SyncApp, phone: str, *amounts: str, hours_ago: float = 5) -> str:
    agbis, at = bridge.world.agbis, NOON - timedelta(hours=hours_ago)
    order = agbis.add_order(agbis.add_client(phone), [("Химчистка пальто", "9000")], at=at)
    for amount in amounts:
        agbis.pay(order, amount, at=at + timedelta(minutes=5))
    return order


async def test_a_town_of_every_kind_of_client_comes_out_as_its_maker_expects(bridge_on_each_store: SyncApp) -> None:
    bridge = bridge_on_each_store
    truth = populate(bridge.world, seed=3, phones=60)

    journal = await bridge.run()

    assert results(journal) == truth.results
    assert {phone: int(row[phone]) for phone, row in rows(journal).items() if phone in truth.bearers} == truth.bearers
    assert journal["money"]["total"] == f"{sum(truth.fresh_totals.values()) / 100:.2f}"
    assert journal["refresh"]["orders_without_phone"] == truth.fresh_orders_without_phone


async def test_a_second_run_has_nothing_to_do(bridge_on_each_store: SyncApp) -> None:
    bridge = bridge_on_each_store
    populate(bridge.world, seed=3, phones=60)
    first = await bridge.run()
    before, history = sums(bridge), list(bridge.world.comagic.history)

    second = await bridge.run()

    assert (second["tags_applied"], second["tags_removed_updated"], second["tags_removed"]) == (0, 0, 0)
    assert second["problem"] == first["tags_applied"] + first["tags_removed_updated"] + first["problem"]
    assert sums(bridge) == before
    assert bridge.world.comagic.history == history


async def test_four_refreshes_over_overlapping_windows_give_the_sums_of_the_first(bridge: SyncApp) -> None:
    populate(bridge.world, seed=5, phones=40)
    first = await bridge.run()
    standing = sums(bridge)

    for _ in range(3):
        again = await bridge.run()
        assert again["money"]["total"] == first["money"]["total"]

    assert sums(bridge) == standing


async def test_a_plain_get_applies_what_the_database_holds_and_asks_the_crm_nothing(bridge: SyncApp) -> None:
    paid_order(bridge, ANNA, "100")
    await bridge.run()
    call = bridge.world.comagic.add_call(ANNA, NOON - timedelta(hours=6))
    asked = len(bridge.world.agbis.requests)

    journal = await bridge.run("")

    assert results(journal) == {ANNA: "applied"}
    assert sums(bridge) == {call: [10000]}
    assert len(bridge.world.agbis.requests) == asked
    assert "refresh" not in journal


async def test_payments_of_an_order_and_orders_of_a_phone_add_up(bridge: SyncApp) -> None:
    call = bridge.world.comagic.add_call(ANNA, NOON - timedelta(days=1))
    paid_order(bridge, "+7 926 123-45-67", "2500", "1800,50".replace(",", "."))
    paid_order(bridge, "8 (926) 123-45-67", "0.10", "0.20")  # another client with the same phone

    await bridge.run()

    assert sums(bridge) == {call: [430080]}


async def test_a_refund_lowers_the_sale(bridge: SyncApp) -> None:
    call = bridge.world.comagic.add_call(ANNA, NOON - timedelta(days=1))
    order = paid_order(bridge, ANNA, "1000")
    await bridge.run()

    bridge.world.agbis.refund(order, "300.50")
    journal = await bridge.run()

    assert sums(bridge) == {call: [69950]}
    assert rows(journal)[ANNA]["previous_amount"] == "1000.00"
    assert journal["tags_removed_updated"] == 1


async def test_a_cancellation_takes_the_sale_off(bridge: SyncApp) -> None:
    bridge.world.comagic.add_call(ANNA, NOON - timedelta(days=1))
    order = paid_order(bridge, ANNA, "1000")
    await bridge.run()

    bridge.world.agbis.cancel(order)
    journal = await bridge.run()
    after = await bridge.run()

    assert sums(bridge) == {}
    assert (journal["tags_removed"], results(journal)) == (1, {ANNA: "removed"})
    assert results(after) == {ANNA: "nothing_paid"}


async def test_a_clients_new_phone_moves_the_orders_and_the_sale(bridge: SyncApp) -> None:
    comagic, agbis = bridge.world.comagic, bridge.world.agbis
    comagic.add_call(ANNA, NOON - timedelta(days=1))
    new_call = comagic.add_call(BORIS, NOON - timedelta(hours=20))
    paid_order(bridge, ANNA, "700")
    await bridge.run()

    agbis.change_phone(next(iter(agbis.clients)), BORIS)
    journal = await bridge.run()

    assert results(journal) == {ANNA: "removed", BORIS: "applied"}
    assert sums(bridge) == {new_call: [70000]}
    assert results(await bridge.run()) == {BORIS: "problem"}  # the old phone has left the database


async def test_orders_without_a_usable_phone_are_counted_and_found_when_the_phone_is(bridge: SyncApp) -> None:
    agbis = bridge.world.agbis
    call = bridge.world.comagic.add_call(ANNA, NOON - timedelta(days=1))
    paid_order(bridge, "нет телефона", "700")

    first = await bridge.run()
    agbis.change_phone(next(iter(agbis.clients)), ANNA)
    second = await bridge.run()

    assert (first["refresh"]["orders_without_phone"], first["phones_analyzed"]) == (1, 0)
    assert (second["refresh"]["orders_without_phone"], sums(bridge)) == (0, {call: [70000]})


async def test_a_phone_that_becomes_garbage_takes_its_orders_out(bridge: SyncApp) -> None:
    agbis = bridge.world.agbis
    bridge.world.comagic.add_call(ANNA, NOON - timedelta(days=1))
    paid_order(bridge, ANNA, "700")
    await bridge.run()

    agbis.change_phone(next(iter(agbis.clients)), "---")
    journal = await bridge.run()

    assert (results(journal), journal["refresh"]["orders_without_phone"]) == ({ANNA: "removed"}, 1)
    assert sums(bridge) == {}


async def test_an_order_that_moves_to_another_client_moves_its_money(bridge: SyncApp) -> None:
    agbis = bridge.world.agbis
    first = bridge.world.comagic.add_call(ANNA, NOON - timedelta(days=1))
    second = bridge.world.comagic.add_call(BORIS, NOON - timedelta(days=1))
    paid_order(bridge, ANNA, "100")
    order = paid_order(bridge, ANNA, "30")
    paid_order(bridge, BORIS, "5")
    await bridge.run()
    assert sums(bridge) == {first: [13000], second: [500]}

    agbis.move_order(order, list(agbis.clients)[2])
    await bridge.run()

    assert sums(bridge) == {first: [10000], second: [3500]}


async def test_a_sale_tag_behind_other_tags_counts(bridge: SyncApp) -> None:
    comagic = bridge.world.comagic
    call = comagic.add_call(ANNA, NOON - timedelta(days=1), tags=["Нецелевой контакт", "Повторный"])
    comagic.sell_by_hand(call, "700")
    paid_order(bridge, ANNA, "700")

    assert results(await bridge.run()) == {ANNA: "problem"}


async def test_a_payment_before_the_communication_is_sent_with_the_communications_time(bridge: SyncApp) -> None:
    called_at = NOON - timedelta(hours=1)
    call = bridge.world.comagic.add_call(ANNA, called_at)
    paid_order(bridge, ANNA, "700", hours_ago=5)

    journal = await bridge.run()

    assert bridge.world.comagic.sales["call", call][0].date_time == called_at
    assert rows(journal)[ANNA]["date"] == "2026-06-15 11:00:00"


async def test_the_comment_is_cut_at_a_names_end_and_is_never_the_text_none(bridge: SyncApp) -> None:
    agbis, comagic = bridge.world.agbis, bridge.world.comagic
    many = agbis.add_order(agbis.add_client(ANNA), [(f"Химчистка изделия номер {n}", "10") for n in range(30)])
    none = agbis.add_order(agbis.add_client(BORIS), [])
    for order in (many, none):
        agbis.pay(order, "10")
    first, second = (comagic.add_call(phone, NOON - timedelta(days=1)) for phone in (ANNA, BORIS))

    await bridge.run()

    comment = comagic.sales["call", first][0].comment or ""
    assert 200 < len(comment) <= 255
    assert all(name.startswith("Химчистка изделия номер ") for name in comment.split(", "))
    assert comagic.sales["call", second][0].comment in (None, "")


async def test_lost_calls_and_calls_without_a_phone_bear_nothing(bridge: SyncApp) -> None:
    comagic = bridge.world.comagic
    comagic.add_call(ANNA, NOON - timedelta(days=2), lost=True)
    comagic.add_call(None, NOON - timedelta(days=2))
    paid_order(bridge, ANNA, "700")

    assert results(await bridge.run()) == {ANNA: "not_found"}


async def test_a_client_who_calls_after_paying_is_found_by_a_later_run(bridge: SyncApp) -> None:
    paid_order(bridge, ANNA, "700")
    assert results(await bridge.run()) == {ANNA: "not_found"}

    call = bridge.world.comagic.add_call(ANNA, bridge.clock.now())
    await bridge.run("")

    assert sums(bridge) == {call: [70000]}


async def test_a_sale_stays_on_its_communication_when_that_has_left_the_window(bridge: SyncApp) -> None:
    comagic, agbis = bridge.world.comagic, bridge.world.agbis
    old = comagic.add_call(ANNA, NOON - timedelta(days=29))
    order = paid_order(bridge, ANNA, "700")
    await bridge.run()

    bridge.clock.advance(timedelta(days=20))
    comagic.add_call(ANNA, bridge.clock.now() - timedelta(days=1))
    assert results(await bridge.run()) == {ANNA: "problem"}
    agbis.pay(order, "50")
    assert results(await bridge.run()) == {ANNA: "updated"}

    assert sums(bridge) == {old: [75000]}


async def test_a_communication_that_comagic_has_deleted_is_forgotten_and_another_chosen(bridge: SyncApp) -> None:
    comagic, agbis = bridge.world.comagic, bridge.world.agbis
    old = comagic.add_call(ANNA, NOON - timedelta(days=29))
    order = paid_order(bridge, ANNA, "700")
    await bridge.run()

    bridge.clock.advance(timedelta(days=20))
    comagic.delete_communication(old)
    fresh = comagic.add_call(ANNA, bridge.clock.now() - timedelta(days=1))
    agbis.pay(order, "50")
    journal = await bridge.run()

    assert results(journal) == {ANNA: "applied"}
    assert sums(bridge) == {fresh: [75000]}


async def test_a_call_that_comagic_does_not_show_keeps_its_sale(bridge: SyncApp) -> None:
    """Absence is not deletion: set again on the next call, the sum would stand twice when the first one returns."""
    comagic = bridge.world.comagic
    first, _ = (comagic.add_call(ANNA, NOON - timedelta(days=days)) for days in (3, 2))
    order = paid_order(bridge, ANNA, "700")
    await bridge.run()

    comagic.hide(first)
    journal = await bridge.run("")
    assert (rows(journal)[ANNA]["result"], rows(journal)[ANNA]["not_shown"]) == ("problem", True)
    bridge.world.agbis.pay(order, "50")
    assert results(await bridge.run()) == {ANNA: "updated"}
    comagic.show(first)

    assert results(await bridge.run()) == {ANNA: "problem"}
    assert sums(bridge) == {first: [75000]}


async def test_a_sale_moves_when_full_runs_of_three_days_did_not_see_its_call(bridge: SyncApp) -> None:
    comagic = bridge.world.comagic
    first, second = (comagic.add_call(ANNA, NOON - timedelta(days=days)) for days in (3, 2))
    paid_order(bridge, ANNA, "700")
    await bridge.run()

    comagic.hide(first)
    seen = []
    for _ in range(3):
        seen.append(results(await bridge.run(""))[ANNA])
        seen.append(results(await bridge.run(""))[ANNA])
        bridge.clock.advance(timedelta(days=1))

    assert seen == ["problem", "problem", "problem", "problem", "applied", "problem"]
    assert sums(bridge) == {second: [70000]}
    comagic.show(first)
    assert results(await bridge.run("")) == {ANNA: "problem"}
    assert sums(bridge) == {second: [70000]}


async def test_a_refused_look_neither_counts_a_day_of_absence_nor_takes_one_back(bridge: SyncApp) -> None:
    comagic = bridge.world.comagic
    first, second = (comagic.add_call(ANNA, NOON - timedelta(days=days)) for days in (3, 2))
    paid_order(bridge, ANNA, "700")
    await bridge.run()

    comagic.hide(first)
    seen = []
    for day in range(4):
        if day == 2:
            comagic.fail(Fault(method="get.calls_report", kind="error_unknown_mnemonic", skip=1))
        row = rows(await bridge.run(""))[ANNA]
        seen.append((row["result"], row.get("not_shown", False)))
        bridge.clock.advance(timedelta(days=1))

    assert seen == [("problem", True), ("problem", True), ("problem", True), ("applied", False)]
    assert sums(bridge) == {second: [70000]}


@pytest.mark.parametrize("query", ["dry_run", f"phone={ANNA}", "limit=1"])
async def test_a_run_that_is_not_about_all_phones_counts_no_day_of_absence(bridge: SyncApp, query: str) -> None:
    comagic = bridge.world.comagic
    first, _ = (comagic.add_call(ANNA, NOON - timedelta(days=days)) for days in (3, 2))
    paid_order(bridge, ANNA, "700")
    await bridge.run()

    comagic.hide(first)
    for _ in range(3):
        await bridge.run(query)
        bridge.clock.advance(timedelta(days=1))

    assert results(await bridge.run("")) == {ANNA: "problem"}
    assert sums(bridge) == {first: [70000]}


async def test_a_call_that_comagic_no_longer_has_loses_its_sale_at_the_first_write(bridge: SyncApp) -> None:
    comagic = bridge.world.comagic
    first, second = (comagic.add_call(ANNA, NOON - timedelta(days=days)) for days in (3, 2))
    order = paid_order(bridge, ANNA, "700")
    await bridge.run()

    comagic.delete_communication(first)
    assert results(await bridge.run("")) == {ANNA: "problem"}
    bridge.world.agbis.pay(order, "50")

    assert results(await bridge.run()) == {ANNA: "applied"}
    assert sums(bridge) == {second: [75000]}


async def test_a_sale_leaves_the_call_that_became_another_clients(bridge: SyncApp) -> None:
    """Both sums would overwrite each other in every run."""
    comagic = bridge.world.comagic
    annas, later = (comagic.add_call(ANNA, NOON - timedelta(days=days)) for days in (3, 1))
    paid_order(bridge, ANNA, "700")
    paid_order(bridge, BORIS, "90")
    await bridge.run()
    assert sums(bridge) == {annas: [70000]}

    comagic.change_phone(annas, BORIS)
    journal = await bridge.run("")

    assert results(journal) == {ANNA: "applied", BORIS: "applied"}
    assert sums(bridge) == {annas: [9000], later: [70000]}
    assert results(await bridge.run("")) == {ANNA: "problem", BORIS: "problem"}


async def test_a_shrunken_report_changes_nothing_and_says_so(bridge: SyncApp) -> None:
    comagic = bridge.world.comagic
    calls = []
    for number in range(12):
        phone = f"7926{number:07}"
        calls.append(comagic.add_call(phone, NOON - timedelta(days=2)))
        order = paid_order(bridge, phone, "100")
    await bridge.run()
    bridge.world.agbis.refund(order, "100")

    comagic.hide(*calls)
    journal = await bridge.run()

    assert set(results(journal).values()) == {"problem", "deferred"}
    assert "fewer than half" in journal["warnings"][0]
    assert not journal["complete"]
    comagic.show(*calls)
    assert results(await bridge.run(""))["79260000011"] == "removed"


async def test_a_run_that_would_take_off_too_much_is_stopped_and_can_be_confirmed(bridge: SyncApp) -> None:
    orders = []
    for number in range(12):
        phone = f"7926{number:07}"
        bridge.world.comagic.add_call(phone, NOON - timedelta(days=2))
        orders.append(paid_order(bridge, phone, "100"))
    await bridge.run()
    for order in orders[:10]:
        bridge.world.agbis.refund(order, "100")

    refused = await bridge.get("update_db")
    plan = (await bridge.run("dry_run"))["plan"]
    wrong = await bridge.get("confirm=0000000000000000")
    assert len(sums(bridge)) == 12

    journal = await bridge.run(f"confirm={plan['id']}")

    assert (refused.status_code, wrong.status_code) == (409, 409)
    assert plan["id"] in refused.json()["message"]
    assert plan["id"] in wrong.json()["message"]
    assert plan["guard"]["stops"] is True
    assert journal["tags_removed"] == 10
    assert len(sums(bridge)) == 2


async def test_at_most_so_many_changes_are_made_oldest_payments_first(bridge: SyncApp) -> None:
    for number in range(3):
        phone = f"7926{number:07}"
        bridge.world.comagic.add_call(phone, NOON - timedelta(days=2))
        paid_order(bridge, phone, "100")

    journal = await bridge.run("update_db&limit=2")

    assert sorted(results(journal).values()) == ["applied", "applied", "deferred"]
    assert journal["complete"] is False
    assert sorted(results(await bridge.run("")).values()) == ["applied", "problem", "problem"]


async def test_one_phone_can_be_tried_alone(bridge: SyncApp) -> None:
    calls = {phone: bridge.world.comagic.add_call(phone, NOON - timedelta(days=2)) for phone in (ANNA, BORIS)}
    for phone in calls:
        paid_order(bridge, phone, "100")

    journal = await bridge.run("update_db&phone=8 926 123-45-67")

    assert results(journal) == {ANNA: "applied"}
    assert sums(bridge) == {calls[ANNA]: [10000]}
    assert (await bridge.get("phone=nobody")).status_code == 400


async def test_a_refused_replacement_puts_the_old_sale_back(bridge: SyncApp) -> None:
    call = bridge.world.comagic.add_call(ANNA, NOON - timedelta(days=2))
    order = paid_order(bridge, ANNA, "700")
    await bridge.run()
    bridge.world.agbis.pay(order, "50")
    refusal = {"mnemonic": "invalid_parameter_value"}
    bridge.world.comagic.fail(Fault(method="set.tag_sales", kind="error", params=refusal, times=1))

    journal = await bridge.run()

    assert (rows(journal)[ANNA]["result"], rows(journal)[ANNA]["error"]) == ("failed", "invalid_parameter_value")
    assert sums(bridge) == {call: [70000]}
    assert results(await bridge.run("")) == {ANNA: "updated"}
    assert sums(bridge) == {call: [75000]}


async def test_a_payment_from_comagics_future_is_dated_by_the_call(bridge: SyncApp) -> None:
    """Our clock may be ahead; the old sale was taken off and none set, in every run."""
    call = bridge.world.comagic.add_call(ANNA, NOON - timedelta(days=2))
    order = paid_order(bridge, ANNA, "700")
    await bridge.run()
    bridge.world.agbis.pay(order, "50")
    refusal = {"mnemonic": "invalid_date_time"}
    bridge.world.comagic.fail(Fault(method="set.tag_sales", kind="error", params=refusal, times=1))

    assert results(await bridge.run()) == {ANNA: "updated"}
    assert sums(bridge) == {call: [75000]}


async def test_a_change_by_hand_is_undone_and_told(bridge: SyncApp) -> None:
    comagic = bridge.world.comagic
    call = comagic.add_call(ANNA, NOON - timedelta(days=1))
    paid_order(bridge, ANNA, "700")
    await bridge.run()

    comagic.unsell_by_hand(call)
    vanished = await bridge.run()
    comagic.unsell_by_hand(call)
    comagic.sell_by_hand(call, "9")
    changed = await bridge.run()

    assert (rows(vanished)[ANNA]["result"], rows(vanished)[ANNA]["drifted"]) == ("applied", True)
    assert (rows(changed)[ANNA]["result"], rows(changed)[ANNA]["drifted"]) == ("updated", True)
    assert sums(bridge) == {call: [70000]}


async def test_sales_of_somebody_else_are_named_and_left_alone(bridge: SyncApp) -> None:
    comagic = bridge.world.comagic
    first, second = (comagic.add_call(ANNA, NOON - timedelta(days=days)) for days in (3, 1))
    for call, amount in ((first, "1"), (second, "2")):
        comagic.sell_by_hand(call, amount)
    paid_order(bridge, ANNA, "700")

    journal = await bridge.run()

    assert rows(journal)[ANNA]["other_sales"] == [str(second)]
    assert sums(bridge) == {first: [70000], second: [200]}


async def test_a_backfill_brings_older_orders(bridge: SyncApp) -> None:
    call = bridge.world.comagic.add_call(ANNA, NOON - timedelta(days=20))
    paid_order(bridge, ANNA, "700", hours_ago=24 * 15)

    assert (await bridge.run())["phones_analyzed"] == 0
    journal = await bridge.run("update_db&date_from=2026-05-30&date_till=2026-06-02")

    assert sums(bridge) == {call: [70000]}
    assert journal["refresh"]["window"] == {"from": "2026-05-30 00:00:00", "till": "2026-06-03 00:00:00"}


async def test_no_client_is_looked_up_twice_over_all_runs(bridge: SyncApp) -> None:
    agbis = bridge.world.agbis
    for number in range(20):
        client = agbis.add_client(f"7926000{number:04}", at=NOON - timedelta(days=400))
        agbis.pay(agbis.add_order(client, [("Стирка", "10")]), "10")

    first = await bridge.run()
    for _ in range(3):
        for order in list(agbis.orders):
            agbis.pay(order, "1")
        await bridge.run()

    assert first["requests"]["ContrInfoForAll"] == 20
    assert agbis.count("ContrInfoForAll") == 20


async def test_a_client_without_a_phone_is_asked_for_again_after_a_day(bridge: SyncApp) -> None:
    agbis = bridge.world.agbis
    client = agbis.add_client("", at=NOON - timedelta(days=400))
    order = agbis.add_order(client, [("Стирка", "10")])
    for _ in range(3):
        agbis.touch(order)
        await bridge.run()
    assert agbis.count("ContrInfoForAll") == 1

    bridge.clock.advance(timedelta(days=1))
    agbis.touch(order)
    await bridge.run()

    assert agbis.count("ContrInfoForAll") == 2


async def test_the_journal_counts_every_remote_call(bridge: SyncApp) -> None:
    populate(bridge.world, seed=3, phones=30)
    world = bridge.world

    journal = await bridge.run()

    made = {record.method for record in (*world.agbis.requests, *world.comagic.requests)}
    assert journal["requests"] == {
        method: world.agbis.count(method) + world.comagic.count(method) for method in sorted(made)
    }


async def test_the_sale_tag_is_looked_for_once_over_all_runs(bridge: SyncApp) -> None:
    paid_order(bridge, ANNA, "700")
    for _ in range(3):
        await bridge.run()

    assert bridge.world.comagic.count("get.tags") == 1


async def test_a_change_that_was_cut_and_cannot_be_looked_at_any_more_fails_alone(bridge: SyncApp) -> None:
    """Where CoMagic shows no more than three months, an old half-done change must not stop everybody else's."""
    comagic, agbis = bridge.world.comagic, bridge.world.agbis
    comagic.add_call(ANNA, NOON - timedelta(days=29))
    order = paid_order(bridge, ANNA, "700")
    await bridge.run()
    bridge.clock.advance(timedelta(days=80))
    agbis.pay(order, "5")
    comagic.fail(Fault(method="set.tag_sales", kind="error", params={"mnemonic": "forbidden"}, times=2))
    await bridge.run()
    comagic.switches = replace(comagic.switches, interval_rule="age")
    call = comagic.add_call(BORIS, bridge.clock.now() - timedelta(hours=1))
    paid_at = bridge.clock.now() - timedelta(minutes=5)
    other = agbis.add_order(agbis.add_client(BORIS), [("Стирка", "9")], at=paid_at)
    agbis.pay(other, "9", at=paid_at)

    journal = await bridge.run()

    assert results(journal) == {ANNA: "failed", BORIS: "applied"}
    assert rows(journal)[ANNA]["error"] == "date_interval_limit_reached"
    assert sums(bridge) == {call: [900]}


async def test_a_clean_run_leaves_no_intent_open_however_many_changes_it_makes(bridge: SyncApp) -> None:
    for number in range(95):
        phone = f"7926{number:07}"
        bridge.world.comagic.add_call(phone, NOON - timedelta(days=2))
        paid_order(bridge, phone, "10")

    await bridge.run()

    kept = [phone async for page in bridge.store.all_phones() for phone in page]
    assert len(kept) == 95
    assert all(phone.intent is None and phone.sale is not None for phone in kept)

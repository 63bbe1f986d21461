"""What a refresh makes of orders that cannot be read, are too big, or change without being touched."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from crm_bridge.domain.aggregate import Order
from crm_bridge.domain.state import Watermark
from tests.sandbox.agbis.model import LONE_SURROGATE, SPOILS
from tests.sandbox.faults import Fault
from tests.support.factories import ANNA, BORIS, NOON
from tests.support.sync_app import SyncApp, results, rows

pytestmark = pytest.mark.anyio


def paid_order(bridge: SyncApp, phone: str = ANNA, amount: str = "700", *, days_ago: float = 1) -> str:
    """A client who called, ordered and paid."""
    agbis, at = bridge.world.agbis, NOON - timedelta(days=days_ago)
    bridge.world.comagic.add_call(phone, at - timedelta(hours=1))
    key = agbis.add_order(agbis.add_client(phone, at=at), at=at)
    agbis.pay(key, amount, at=at)
    return key


async def aside(bridge: SyncApp) -> dict[str, str]:
    return {order.order_id: order.reason for order in await bridge.store.unreadable_orders()}


async def check(bridge: SyncApp) -> dict[str, Any]:
    answer = await bridge.get(path="/check_setup")
    found: dict[str, Any] = next(row for row in answer.json()["checks"] if row["name"] == "crm_orders")
    return found


class TestRowsThatCannotBeRead:
    @pytest.mark.parametrize("how", [how for how in SPOILS if how != "no_id"])
    async def test_one_is_put_aside_and_the_others_land_in_the_same_run(
        self, bridge: SyncApp, how: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        bad, _ = paid_order(bridge, ANNA), paid_order(bridge, BORIS)
        bridge.world.agbis.spoil(bad, how)

        journal = await bridge.run()

        assert results(journal) == {BORIS: "applied"}
        assert journal["refresh"]["orders_unreadable"] == 1
        assert list(await aside(bridge)) == [bad]
        named = await check(bridge)
        assert (named["ok"], bad in named["hint"]) == (False, True)
        event = next(record for record in caplog.records if record.message == "rows_unreadable")
        assert (event.levelname, vars(event)["count"], vars(event)["orders"]) == ("WARNING", 1, [bad])

    async def test_one_without_an_id_is_counted(self, bridge: SyncApp) -> None:
        bad, _ = paid_order(bridge, ANNA), paid_order(bridge, BORIS)
        bridge.world.agbis.spoil(bad, "no_id")

        journal = await bridge.run()

        assert (results(journal), journal["refresh"]["orders_unreadable"]) == ({BORIS: "applied"}, 1)
        assert await aside(bridge) == {}

    async def test_a_readable_version_takes_it_back(self, bridge: SyncApp) -> None:
        bad = paid_order(bridge)
        bridge.world.agbis.spoil(bad, "bad_sum")
        await bridge.run()
        bridge.world.agbis.mend(bad)

        journal = await bridge.run()

        assert (results(journal), journal["refresh"]["orders_unreadable"]) == ({ANNA: "applied"}, 0)
        assert (await aside(bridge), (await check(bridge))["ok"]) == ({}, True)

    async def test_an_order_that_was_readable_keeps_its_last_readable_version(self, bridge: SyncApp) -> None:
        key = paid_order(bridge, amount="700")
        await bridge.run()
        bridge.world.agbis.pay(key, "300")
        bridge.world.agbis.spoil(key, "bad_date")

        journal = await bridge.run()

        assert rows(journal)[ANNA]["amount"] == "700.00"
        assert await aside(bridge) == {key: "payments.date_pay"}

    async def test_one_that_is_older_than_the_look_back_stays_named_and_is_not_counted_again(
        self, bridge: SyncApp
    ) -> None:
        bad = paid_order(bridge)
        bridge.world.agbis.spoil(bad)
        await bridge.run()
        bridge.clock.advance(timedelta(days=2))
        await bridge.run()
        bridge.clock.advance(timedelta(days=2))

        journal = await bridge.run()

        assert journal["refresh"]["orders_unreadable"] == 0
        assert await aside(bridge) == {bad: "contr_id"}

    @pytest.mark.parametrize(("bad", "status"), [(19, 200), (20, 502)])
    async def test_twenty_of_a_window_mean_that_the_format_has_changed(
        self, bridge: SyncApp, bad: int, status: int
    ) -> None:
        orders = [paid_order(bridge, f"7926000{number:04d}") for number in range(100)]
        for key in orders[:bad]:
            bridge.world.agbis.spoil(key, at=NOON - timedelta(days=1))

        answer = await bridge.get("update_db")

        assert answer.status_code == status
        assert await bridge.store.has_phones() is (status == 200)
        if status == 502:
            assert answer.json()["message"] == (
                f"ERROR: Agbis: OrderByDateTimeForAll: 20 of 100 orders cannot be read; "
                f"the first is {orders[0]}, by its contr_id"
            )

    async def test_a_tenth_of_a_large_window_is_put_aside(self, bridge: SyncApp) -> None:
        orders = [paid_order(bridge, f"7926000{number:04d}") for number in range(250)]
        for key in orders[:25]:
            bridge.world.agbis.spoil(key, at=NOON - timedelta(days=1))

        journal = await bridge.run()

        assert (journal["tags_applied"], journal["refresh"]["orders_unreadable"]) == (225, 25)


class TestOrdersThatAreTooBig:
    async def test_ten_thousand_long_services_are_kept_as_far_as_the_comment_needs_them(self, bridge: SyncApp) -> None:
        agbis, at = bridge.world.agbis, NOON - timedelta(days=1)
        bridge.world.comagic.add_call(ANNA, at)
        names = [f"Химчистка вещи номер {number} {'очень длинная ' * 20}" for number in range(10_000)]
        key = agbis.add_order(agbis.add_client(ANNA, at=at), [(name, "1") for name in names], at=at)
        agbis.pay(key, "700", at=at)

        journal = await bridge.run()

        assert rows(journal)[ANNA]["comment"] == names[0].strip()[:255]
        assert sum(map(len, (await bridge.store.orders([key]))[key].services)) <= 2 * 256

    async def test_twenty_thousand_payments_of_one_moment_are_added_up(self, bridge: SyncApp) -> None:
        key = paid_order(bridge, amount="700")
        for _ in range(10_000):
            bridge.world.agbis.pay(key, "2", at=NOON - timedelta(hours=2))
            bridge.world.agbis.refund(key, "1", at=NOON - timedelta(hours=2))

        journal = await bridge.run()

        assert rows(journal)[ANNA]["amount"] == "10700.00"
        assert journal["refresh"]["orders_unreadable"] == 0

    async def test_what_still_does_not_fit_is_put_aside(self, bridge: SyncApp) -> None:
        key, _ = paid_order(bridge, amount="700"), paid_order(bridge, BORIS)
        for second in range(20_000):
            bridge.world.agbis.pay(key, "2", at=NOON - timedelta(days=1) + timedelta(seconds=second))

        journal = await bridge.run()

        assert (results(journal), await aside(bridge)) == (
            {BORIS: "applied"},
            {key: "payments (too many payments)"},
        )

    async def test_a_sum_that_no_database_takes_is_put_aside(self, bridge: SyncApp) -> None:
        key, _ = paid_order(bridge, amount="999999999999999"), paid_order(bridge, BORIS)

        journal = await bridge.run()

        assert (results(journal), list(await aside(bridge))) == ({BORIS: "applied"}, [key])

    async def test_lone_surrogates_and_control_characters_are_dropped_from_names(self, bridge: SyncApp) -> None:
        agbis, at = bridge.world.agbis, NOON - timedelta(days=1)
        bridge.world.comagic.add_call(ANNA, at)
        key = agbis.add_order(agbis.add_client(ANNA, at=at), [(f"Хим{LONE_SURROGATE}чистка\x07\x00 пальто\x1b", "1")])
        agbis.pay(key, "700", at=at)

        journal = await bridge.run()

        assert rows(journal)[ANNA]["comment"] == "Химчистка пальто"


async def latest_update(bridge: SyncApp) -> str | None:
    date: str | None = (await bridge.get(path="/check_health")).json()["latest update date"]
    return date


class TestHowFreshTheDataAre:
    async def test_a_backfill_does_not_make_them_look_fresh(self, bridge: SyncApp) -> None:
        paid_order(bridge, days_ago=10)
        await bridge.run("update_db&date_from=2026-06-04&date_till=2026-06-06")
        assert await latest_update(bridge) is None
        await bridge.run()
        bridge.clock.advance(timedelta(days=1))

        await bridge.run("update_db&date_from=2026-06-04")

        assert await latest_update(bridge) == "2026-06-15 12:02:00"

    async def test_a_clock_that_ran_ahead_loses_no_order(self, bridge: SyncApp) -> None:
        bridge.clock.advance(timedelta(days=40))
        await bridge.run()
        bridge.clock.advance(timedelta(days=-40))
        assert await latest_update(bridge) == "2026-06-15 12:02:00", "nothing of ours is later than now"
        await bridge.run()
        bridge.clock.advance(timedelta(days=1))
        paid_order(bridge, days_ago=-1)
        bridge.clock.advance(timedelta(days=8))

        assert results(await bridge.run()) == {ANNA: "applied"}

    async def test_a_mark_of_the_future_is_written_down_before_the_crm_is_read(self, bridge: SyncApp) -> None:
        ahead = Watermark(read_until=NOON + timedelta(days=40), refreshed_at=NOON + timedelta(days=40))
        await bridge.store.save_state(ahead)
        bridge.world.agbis.fail(Fault("OrderByDateTimeForAll", "not_json", times=None))
        await bridge.get("update_db")
        bridge.world.agbis.faults.clear()
        bridge.clock.advance(timedelta(days=1))
        paid_order(bridge, days_ago=-1)
        bridge.clock.advance(timedelta(days=8))

        assert results(await bridge.run()) == {ANNA: "applied"}

    async def test_a_client_seen_in_the_future_is_asked_for_again(self, bridge: SyncApp) -> None:
        agbis, at = bridge.world.agbis, NOON - timedelta(hours=1)
        client = agbis.add_client("", at=NOON - timedelta(days=90))
        key = agbis.add_order(client, at=at)
        agbis.pay(key, "700", at=at)
        bridge.clock.advance(timedelta(days=2))
        await bridge.run()
        bridge.clock.advance(timedelta(days=-2))
        agbis.clients[client].phone = ANNA  # without a mark of the change, as late replication does it

        assert results(await bridge.run()) == {ANNA: "not_found"}


async def held(bridge: SyncApp, order_id: str) -> Order:
    return (await bridge.store.orders([order_id]))[order_id]


class TestPaymentsThatDoNotTouchTheOrder:
    """The order lies before the look-back, so that no list of changes shows it."""

    def old_order(self, bridge: SyncApp, amount: str = "700", *, phone: str = ANNA) -> str:
        return paid_order(bridge, phone, amount, days_ago=20)

    async def known(self, bridge: SyncApp) -> str:
        key = self.old_order(bridge)
        journal = await bridge.run("update_db&date_from=2026-05-20")
        assert results(journal) == {ANNA: "applied"}
        return key

    async def test_one_is_found_and_the_next_run_changes_nothing(self, bridge: SyncApp) -> None:
        key = await self.known(bridge)
        before, paid_at = await held(bridge, key), bridge.clock.now()
        bridge.world.agbis.pay(key, "300.50", touches=False)

        journal = await bridge.run()
        idle = await bridge.run()

        assert (results(journal), rows(journal)[ANNA]["amount"]) == ({ANNA: "updated"}, "1000.50")
        assert journal["refresh"]["payments_checked"] == 1
        assert journal["requests"]["OrderPaysBetweenForAll"] == 3
        assert journal["requests"]["FullOrderInfo"] == 1
        assert (results(idle), idle["requests"].get("FullOrderInfo")) == ({ANNA: "problem"}, None)
        after = await held(bridge, key)
        assert (after.last_paid_at, after.changed_at, after.services) == (paid_at, before.changed_at, before.services)

    async def test_a_refund_is_found(self, bridge: SyncApp) -> None:
        key = await self.known(bridge)
        bridge.world.agbis.refund(key, "700", touches=False)

        assert results(await bridge.run()) == {ANNA: "removed"}

    async def test_a_later_version_still_wins(self, bridge: SyncApp) -> None:
        key = await self.known(bridge)
        bridge.world.agbis.pay(key, "300", touches=False)
        await bridge.run()
        bridge.world.agbis.refund(key, "1000")

        assert results(await bridge.run()) == {ANNA: "removed"}
        assert len((await held(bridge, key)).payments) == 3

    async def test_an_order_never_held_is_counted_whole(self, bridge: SyncApp) -> None:
        key = self.old_order(bridge, "700")
        bridge.world.agbis.pay(key, "300", at=NOON - timedelta(days=2), touches=False)

        journal = await bridge.run()

        assert (results(journal), rows(journal)[ANNA]["amount"]) == ({ANNA: "applied"}, "1000.00")
        assert rows(journal)[ANNA]["comment"] == "Химчистка пальто"
        found = await held(bridge, key)
        assert [payment.in_kopecks for payment in found.payments] == [70_000, 30_000]
        assert found.last_paid_at == NOON - timedelta(days=2)
        bridge.world.agbis.touch(key)
        assert results(await bridge.run()) == {ANNA: "problem"}
        assert (await held(bridge, key)).changed_at > NOON - timedelta(days=1), "the first listed version wins"

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("pay_date", "date"),
            ("refund_form", "negative_debet"),
            ("cancel_form", "compensated"),
            ("doc_date", "date_time"),
            ("numeric_ids", True),
            ("key_case", "upper"),
            ("decimal", "dot"),
            ("nested_lines", True),
        ],
    )
    async def test_every_way_to_write_payments_is_understood(self, bridge: SyncApp, name: str, value: Any) -> None:
        agbis = bridge.world.agbis
        agbis.switches = replace(agbis.switches, **{name: value})
        key = await self.known(bridge)
        agbis.pay(key, "300.50", touches=False)
        agbis.refund(key, "100", touches=False)

        journal = await bridge.run()
        idle = await bridge.run()

        assert rows(journal)[ANNA]["amount"] == "900.50"
        assert (results(idle), idle["requests"].get("FullOrderInfo")) == ({ANNA: "problem"}, None)

    @pytest.mark.parametrize(
        ("kind", "params", "reason"),
        [
            ("error", {"code": 103, "msg": ""}, "Agbis: OrderPaysBetweenForAll: error 103"),
            ("error", {"code": 1, "msg": ""}, "Agbis: OrderPaysBetweenForAll: error 1"),
            ("http_403_json", {}, "Agbis: OrderPaysBetweenForAll: error 403: Forbidden"),
            ("no_orders_key", {}, "Agbis: OrderPaysBetweenForAll: no list `order_pays` in the answer"),
            ("not_json", {}, "Agbis: OrderPaysBetweenForAll: the answer is not JSON"),
            ("http_504_html", {}, "Agbis: OrderPaysBetweenForAll: HTTP 504"),
        ],
    )
    async def test_a_command_that_is_refused_or_unknown_is_one_warning(
        self, bridge: SyncApp, kind: str, params: dict[str, Any], reason: str
    ) -> None:
        paid_order(bridge)
        bridge.world.agbis.fail(Fault("OrderPaysBetweenForAll", kind, times=None, params=params))

        journal = await bridge.run()

        assert (results(journal), journal["complete"]) == ({ANNA: "applied"}, True)
        assert journal["warnings"] == [f"OrderPaysBetweenForAll was not read: {reason}"]
        assert journal["refresh"]["payments_checked"] == 0

    async def test_an_order_that_cannot_be_looked_up_stays_as_it_is(self, bridge: SyncApp) -> None:
        key = await self.known(bridge)
        bridge.world.agbis.pay(key, "300", touches=False)
        bridge.world.agbis.fail(Fault("FullOrderInfo", "error", times=None, params={"code": 1, "msg": ""}))

        journal = await bridge.run()

        assert results(journal) == {ANNA: "problem"}
        assert journal["warnings"] == ["FullOrderInfo was not read: Agbis: FullOrderInfo: error 1"]

    async def test_a_crm_that_is_away_is_still_a_503_and_the_windows_stay(self, bridge: SyncApp) -> None:
        paid_order(bridge)
        bridge.world.agbis.fail(Fault("OrderPaysBetweenForAll", "error", times=None, params={"code": 108}))

        assert (await bridge.get("update_db")).status_code == 503
        assert await bridge.store.has_phones()
        assert await latest_update(bridge) is None

    async def test_a_backfill_checks_no_payments(self, bridge: SyncApp) -> None:
        self.old_order(bridge)

        journal = await bridge.run("update_db&date_from=2026-05-20")

        assert "OrderPaysBetweenForAll" not in journal["requests"]

    async def test_an_order_that_is_put_aside_is_taken_back(self, bridge: SyncApp) -> None:
        key = self.old_order(bridge)
        bridge.world.agbis.spoil(key, "bad_sum", at=NOON - timedelta(days=20))
        await bridge.run("update_db&date_from=2026-05-20")
        assert list(await aside(bridge)) == [key]
        bridge.world.agbis.pay(key, "300", touches=False)

        journal = await bridge.run()

        assert rows(journal)[ANNA]["amount"] == "1000.00"
        assert await aside(bridge) == {}

    async def test_an_order_that_this_refresh_cannot_read_stays_aside(self, bridge: SyncApp) -> None:
        key = paid_order(bridge)
        bridge.world.agbis.spoil(key, "bad_sum")

        journal = await bridge.run()

        assert (results(journal), journal["requests"].get("FullOrderInfo")) == ({}, None)
        assert list(await aside(bridge)) == [key]

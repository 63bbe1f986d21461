"""What every SalesStore promises about phones, orders, clients, events and state."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import accumulate
from typing import Any

import pytest
from msgspec.structs import replace

from crm_bridge.domain.aggregate import (
    PAYMENTS_LIMIT,
    Client,
    Order,
    UnreadableOrder,
    bounded_names,
    bounded_payments,
)
from crm_bridge.domain.falls import Falls
from crm_bridge.domain.state import CrmMoney, CrmSession, SaleTag, Watermark
from crm_bridge.ports import Changes, SalesStore
from crm_bridge.stores import base, documents
from tests.support.database_dump import dump
from tests.support.factories import (
    MICROSECOND,
    NOON,
    client,
    event,
    full_phone,
    intent,
    lease,
    order,
    payment,
    phone,
    recorded_sale,
)

pytestmark = pytest.mark.anyio

STRANGE = [
    "1/2",
    "/",
    ".",
    "..",
    "__all__",
    "__",
    "____",
    "%2F",
    "%",
    "",
    "a b",
    "Ёж",
    "🙂",
    "a\tb\n",
    "'; --",
    "x" * 300,
]


@pytest.fixture
async def held(store: SalesStore) -> SalesStore:
    """The store, with its lease held by run `r1`."""
    await store.take_lease(lease("r1"), now=NOON)
    return store


class TestRecords:
    async def test_an_empty_database_answers(self, store: SalesStore) -> None:
        assert await store.phones(["1"]) == {}
        assert await store.orders(["1"]) == {}
        assert await store.clients(["1"]) == {}
        assert await store.orders_of_clients(["1"]) == []
        assert await store.orders_of_phones(["1"]) == []
        assert await store.clients_with_numbers(["1"]) == []
        assert await store.events("1") == []
        assert await store.state(Watermark) is None
        assert await store.state(CrmMoney) is None
        assert [page async for page in store.all_orders()] == []
        assert not await store.has_phones()
        assert [page async for page in store.all_phones()] == []
        assert await dump(store) == {}

    async def test_clients_are_found_by_each_of_their_numbers(self, held: SalesStore) -> None:
        clients = [
            client("1", phone="71", other_phones=("72", "73")),
            client("2", phone="72"),
            client("3", phone=None),
            client("4", phone="74", other_phones=("75",)),
        ]
        await held.write([Changes(clients=clients)], run_id="r1")
        many = [f"8{number}" for number in range(70)]

        found = await held.clients_with_numbers([*many, "72", "75"])

        assert sorted(found, key=lambda each: each.client_id) == [clients[0], clients[1], clients[3]]
        assert await held.clients_with_numbers(["71"]) == [clients[0]]
        assert await held.clients_with_numbers(["7"]) == []
        assert await held.clients_with_numbers([]) == []

    async def test_no_keys_find_nothing(self, held: SalesStore) -> None:
        await held.write([Changes(orders=[order("1")], phones=[phone("1")], clients=[client("1")])], run_id="r1")

        assert (await held.phones([]), await held.orders([]), await held.clients([])) == ({}, {}, {})
        assert (await held.orders_of_clients([]), await held.orders_of_phones([])) == ([], [])

    async def test_a_write_of_nothing_needs_no_lease(self, store: SalesStore) -> None:
        await store.write([], run_id="r1")
        await store.write([Changes()], run_id="r1")

        assert await dump(store) == {}

    async def test_every_field_comes_back(self, held: SalesStore) -> None:
        full, plain = full_phone("79261234567"), phone("79031112233", paid_at=None)
        orders = [order("1"), Order(order_id="2", client_id="c", changed_at=NOON, ordered_at=NOON)]
        clients = [client("1"), client("2", phone=None)]
        lines = [event("79261234567", "r1", error="tag_not_found", sale_id=3, previous_kopecks=1, sold_at=None)]
        await held.write([Changes(phones=[full, plain], orders=orders, clients=clients, events=lines)], run_id="r1")

        assert await held.phones([full.phone, plain.phone]) == {full.phone: full, plain.phone: plain}
        assert await held.orders(["1", "2"]) == {"1": orders[0], "2": orders[1]}
        assert await held.clients(["1", "2"]) == {"1": clients[0], "2": clients[1]}
        assert await held.events("79261234567") == lines

    async def test_times_come_back_in_utc_to_the_microsecond(self, held: SalesStore) -> None:
        moscow = datetime(2026, 3, 1, 15, 0, 0, 1, tzinfo=timezone(timedelta(hours=3)))
        await held.write([Changes(clients=[Client(client_id="c", phone=None, seen_at=moscow)])], run_id="r1")

        seen_at = (await held.clients(["c"]))["c"].seen_at

        assert type(seen_at) is datetime
        assert seen_at.isoformat() == "2026-03-01T12:00:00.000001+00:00"

    async def test_ids_may_be_anything(self, held: SalesStore) -> None:
        orders = {key: order(key, client_id=key) for key in STRANGE}
        clients = {key: client(key) for key in STRANGE}
        await held.write([Changes(orders=list(orders.values()), clients=list(clients.values()))], run_id="r1")

        assert await held.orders(STRANGE) == orders
        assert await held.clients(STRANGE) == clients
        for key in STRANGE:
            assert await held.orders_of_clients([key]) == [orders[key]]

    async def test_orders_are_found_by_phone_and_by_client(self, held: SalesStore) -> None:
        orders = [order("1", client_id="a", phone="7"), order("2", client_id="a", phone=None), order("3", phone="7")]
        await held.write([Changes(orders=orders)], run_id="r1")

        assert _ids(await held.orders_of_phones(["7", "8", "7"])) == ["1", "3"]
        assert _ids(await held.orders_of_clients(["a", "b"])) == ["1", "2"]

    async def test_a_moved_order_is_found_under_its_new_phone_only(self, held: SalesStore) -> None:
        await held.write([Changes(orders=[order("1", phone="7")])], run_id="r1")
        await held.write([Changes(orders=[order("1", phone="8")])], run_id="r1")

        assert await held.orders_of_phones(["7"]) == []
        assert await held.orders_of_phones(["8"]) == [order("1", phone="8")]

    async def test_phones_are_found_by_the_communications_of_their_sales_and_changes(self, held: SalesStore) -> None:
        sold, changing = phone("7", sale=recorded_sale(1)), phone("8", intent=intent(5))
        both = phone("9", sale=recorded_sale(3, amount_kopecks=0), intent=intent(3))
        large = full_phone("79261234567")
        await held.write([Changes(phones=[sold, changing, both, large, phone("6")])], run_id="r1")
        assert large.sale is not None

        assert await held.phones_on_communications([]) == []
        assert await held.phones_on_communications([4]) == []
        assert await held.phones_on_communications([large.sale.id]) == [large]
        found = await held.phones_on_communications({1, 3, 5, *range(100, 200)})
        assert sorted(found, key=lambda each: each.phone) == [sold, changing, both]

    async def test_many_are_found_at_once(self, held: SalesStore) -> None:
        keys = [f"{number:05}" for number in range(400)]
        changes = Changes(orders=[order(key, client_id=key, phone=key) for key in keys], phones=list(map(phone, keys)))
        await held.write([changes], run_id="r1")
        asked = [f"{number:05}" for number in range(-300, 500)]

        assert sorted(await held.orders(asked)) == keys
        assert sorted(await held.phones(set(asked))) == keys
        assert _ids(await held.orders_of_phones(asked)) == keys
        assert _ids(await held.orders_of_clients(asked)) == keys

    async def test_all_phones_are_read_once_in_pages(self, held: SalesStore, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(base, "PAGE", 100)
        numbers = [f"7926{number:07}" for number in range(250)]
        await held.write([Changes(phones=[phone(number)]) for number in numbers], run_id="r1")

        pages = [page async for page in held.all_phones()]

        assert [len(page) for page in pages] == [100, 100, 50]
        assert sorted(found.phone for page in pages for found in page) == numbers
        assert await held.has_phones()

    async def test_all_orders_are_read_once_in_pages(self, held: SalesStore, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(base, "ORDERS_PAGE", 100)
        orders = {f"{number:04}": order(f"{number:04}", phone=None) for number in range(250)}
        await held.write([Changes(orders=[each]) for each in orders.values()], run_id="r1")

        pages = [page async for page in held.all_orders()]

        assert [len(page) for page in pages] == [100, 100, 50]
        assert {each.order_id: each for page in pages for each in page} == orders

    async def test_the_crms_money_is_stored_with_the_orders_of_each_commit(
        self, held: SalesStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each group of a write has its own running total; the one of a commit's last group must be there."""
        monkeypatch.setattr(documents, "BATCH_WRITES", 7)
        commit, totals = held._commit, []  # type: ignore[attr-defined]

        async def recorded(*args: Any, **kwargs: Any) -> None:
            await commit(*args, **kwargs)
            money, stored = await held.state(CrmMoney), [each async for page in held.all_orders() for each in page]
            assert money is not None
            totals.append((money.total_kopecks, sum(each.net_kopecks for each in stored)))

        monkeypatch.setattr(held, "_commit", recorded)
        orders = [order(str(number)) for number in range(20)]
        nets = list(accumulate(each.net_kopecks for each in orders))
        groups = [
            Changes(orders=[each], state=[CrmMoney(total_kopecks=net)]) for each, net in zip(orders, nets, strict=True)
        ]

        await held.write(groups, run_id="r1")

        assert len(totals) == 4
        assert all(kept == summed for kept, summed in totals)

    async def test_the_largest_order_that_is_kept_fits(self, held: SalesStore) -> None:
        payments = [
            payment(10**9 + number, out_kopecks=10**9, paid_at=NOON + number * MICROSECOND)
            for number in range(PAYMENTS_LIMIT)
        ]
        names = bounded_names(f"{number} {'Ё🙂' * 5000}" for number in range(10_000))
        largest = order("x" * 100, client_id="y" * 100, payments=bounded_payments(payments), services=names)

        await held.write([Changes(orders=[largest])], run_id="r1")

        assert await held.orders([largest.order_id]) == {largest.order_id: largest}

    async def test_a_phones_falls_and_what_was_given_back_are_kept(self, held: SalesStore) -> None:
        below = phone("1", amount_kopecks=0, overpaid_kopecks=5, falls=Falls(cancelled=1, refunded=2, moved=3))
        await held.write([Changes(phones=[below])], run_id="r1")

        assert await held.phones(["1"]) == {"1": below}
        assert [page async for page in held.all_phones()] == [[below]]

    async def test_phones_may_change_while_they_are_read(
        self, held: SalesStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(base, "PAGE", 100)
        numbers = [f"7926{number:07}" for number in range(210)]
        await held.write([Changes(phones=[phone(number)]) for number in numbers], run_id="r1")
        found: list[str] = []

        async for page in held.all_phones():
            found += [each.phone for each in page]
            last = replace(page[-1], comment="changed")
            await held.write([Changes(phones=[last], deleted_phones=[page[0].phone])], run_id="r1")

        assert found == numbers

    async def test_a_deleted_phone_is_gone(self, held: SalesStore) -> None:
        await held.write([Changes(phones=[phone("1")])], run_id="r1")
        await held.write([Changes(deleted_phones=["1"])], run_id="r1")

        assert await held.phones(["1"]) == {}
        assert not await held.has_phones()

    async def test_orders_that_are_put_aside_are_found_until_they_are_readable(
        self, held: SalesStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(base, "PAGE", 100)
        aside = {
            key: UnreadableOrder(order_id=key, reason="contr_id", changed_at=NOON)
            for key in (*STRANGE, *map(str, range(250)))
        }
        assert await held.unreadable_orders() == []
        await held.write([Changes(unreadable=[order]) for order in aside.values()], run_id="r1")

        assert {order.order_id: order for order in await held.unreadable_orders()} == aside

        await held.write([Changes(readable=[*STRANGE, "unknown"])], run_id="r1")

        assert sorted(order.order_id for order in await held.unreadable_orders()) == sorted(map(str, range(250)))

    async def test_history_is_read_oldest_first(self, held: SalesStore) -> None:
        lines = [event("1", run_id, at=NOON + age * MICROSECOND) for run_id, age in [("b", 0), ("a", 1), ("c", 2)]]
        await held.write([Changes(events=[line]) for line in reversed(lines)], run_id="r1")
        await held.write([Changes(events=[event("2", "a")])], run_id="r1")

        assert await held.events("1") == lines

    async def test_the_latest_line_of_a_run_replaces_its_earlier_one(self, held: SalesStore) -> None:
        later = event("1", "r1", at=NOON + MICROSECOND, result="failed", error="timeout")
        await held.write([Changes(events=[event("1", "r1")]), Changes(events=[later])], run_id="r1")

        assert await held.events("1") == [later]

    async def test_state_needs_no_lease_and_is_replaced(self, store: SalesStore) -> None:
        session = CrmSession(session_id="s", refresh_id="", renewed_at=NOON, login_at=NOON)
        mark = Watermark(read_until=None, refreshed_at=NOON)
        money = CrmMoney(total_kopecks=-(10**15), without_phone_kopecks=5, revision=7)
        for state in (SaleTag(tag_id=1), session, Watermark(read_until=NOON, refreshed_at=None), mark, money):
            await store.save_state(state)

        assert await store.state(SaleTag) == SaleTag(tag_id=1)
        assert await store.state(CrmSession) == session
        assert await store.state(Watermark) == mark
        assert await store.state(CrmMoney) == money


def _ids(orders: list[Order]) -> list[str]:
    return sorted(order.order_id for order in orders)

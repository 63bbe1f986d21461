"""Eight days of a dry cleaner that leave every kind of document behind, and the run that comes after them."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

from starlette.types import ASGIApp, Receive, Scope, Send

from crm_bridge.domain.aggregate import Client, Order, Payment
from crm_bridge.domain.card import Card
from crm_bridge.domain.communication import CommunicationType
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.domain.run import Lease
from crm_bridge.domain.sale import RecordedSale
from crm_bridge.ports import CardStore, Changes, SalesStore
from crm_bridge.stores import journal_parts
from crm_bridge.usecases import run_sync
from tests.faults.killable_app import Killed
from tests.sandbox.agbis import model
from tests.sandbox.clock import ManualClock
from tests.sandbox.faults import Fault
from tests.sandbox.world import World, populate
from tests.support.sync_app import SyncApp, rows, sync_app_on

START = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)
FAR = datetime(2099, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)

SETTINGS = {
    "COMAGIC_SOURCES": "calls,chats,offline_messages",
    "COMAGIC_CONCURRENCY": "1",  # so that a killed run stops at the same call on both databases
}

PART_BYTES = 500
"""Size of a journal's parts here; several parts of the real size, 900 KiB, would be too much text for a repository."""

REGULAR = "79260000001"
CHATTED, WROTE = "79260000002", "79260000003"
LONG_ID, UNUSUAL_TEXT = "79260000004", "79260000005"
CANCELLED = "79260000006"
MOVED_FROM, MOVED_TO = "79260000007", "79260000008"
SET_BEFORE_KILL, UNSET_BEFORE_KILL = "79260000011", "79260000012"
REMOVED_BEFORE_KILL, NOT_STARTED = "79260000013", "79260000014"
OUT_OF_SIGHT = "79260000021"

ODD_IDS = ["a/b", "50%", "%2F", "__all__", ".", "..", "", "Ёлка 7", "x" * 200]
"""Most of these ids are not taken by Firestore as they are."""

COMMENT = '“Ёлка” 🎄\n\u0000 and \\ "quotes", it\'s'


class KillableWorld(World):
    """A world that kills the function's process at one of its requests.

    Attributes:
        kills: Called before each request; the first True kills the process for good.
    """

    kills: Callable[[], bool] = staticmethod(lambda: False)
    process_is_killed = False

    @property
    def app(self) -> ASGIApp:
        inner = super().app

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            self.process_is_killed = self.process_is_killed or self.kills()
            if self.process_is_killed:
                raise Killed
            await inner(scope, receive, send)

        return app


class KillableStore:
    """A store that the process can no longer use once it is killed."""

    def __init__(self, store: SalesStore, world: KillableWorld) -> None:
        self._store = store
        self._world = world

    def __getattr__(self, name: str) -> Any:
        if self._world.process_is_killed:
            raise Killed
        return getattr(self._store, name)


async def fill(sales: SalesStore, cards: CardStore) -> World:
    """Fill an empty database; the clock of the returned world stands a while after the last, killed run."""
    world = KillableWorld(ManualClock(START))
    numbers = itertools.count(1)
    # Ids of runs are random; both databases are to get the same.
    ids = SimpleNamespace(uuid4=lambda: uuid.uuid5(uuid.NAMESPACE_OID, str(next(numbers))))
    with patch.object(run_sync, "uuid", ids), patch.object(journal_parts, "PART_BYTES", PART_BYTES):
        async with sync_app_on(cast("SalesStore", KillableStore(sales, world)), SETTINGS, world=world) as bridge:
            await _days(bridge, world)
            await _write_by_hand(sales, world.clock.now())
            await _killed_run(bridge, world)
    for card in _cards(world.clock.now()):
        await cards.put(card)
    world.clock.advance(timedelta(minutes=10))
    return world


async def _days(bridge: SyncApp, world: World) -> None:
    """Eight days with a run each; on one of them a second run fails."""
    comagic, agbis = world.comagic, world.agbis
    populate(world, seed=13, phones=30, strangers=0)
    for phone in (REGULAR, UNUSUAL_TEXT, MOVED_FROM, UNSET_BEFORE_KILL, REMOVED_BEFORE_KILL):
        comagic.add_call(phone, world.clock.now() - timedelta(days=2))
    comagic.add_call(CANCELLED, world.clock.now() - timedelta(days=27))  # out of the reports when it is cancelled
    comagic.add_chat(CHATTED, world.clock.now() - timedelta(days=2))
    comagic.add_message(WROTE, world.clock.now() - timedelta(days=2))
    comagic.add_call(LONG_ID, world.clock.now() - timedelta(days=2), communication_id=9_007_199_254_740_993)
    comagic.add_call(MOVED_TO, world.clock.now() - timedelta(days=1))
    for phone in (CHATTED, WROTE, LONG_ID, CANCELLED, MOVED_FROM, UNSET_BEFORE_KILL, REMOVED_BEFORE_KILL):
        _pay(world, phone, "1000.10")
    _pay(world, UNUSUAL_TEXT, "31.50", service='Чистка «Ёлка» 🎄 "кавычки" и \\ — it\'s')
    for day in range(1, 9):
        _pay(world, REGULAR, f"{day}00.0{day}")
        if day == 3:
            agbis.change_phone(_client_of(world, MOVED_FROM), MOVED_TO)
            comagic.fail(Fault(method="get.calls_report", kind="slow", params={"seconds": 5}))
        if day == 5:
            agbis.fail(Fault(method="OrderByDateTimeForAll", kind="no_orders_key", times=None))
            await bridge.get("update_db&log=none")
            agbis.faults.clear()
            world.clock.advance(timedelta(minutes=2))
        if day == 8:
            agbis.cancel(_order_of(world, CANCELLED))
        tick = {"X-CloudScheduler-JobName": "sync", "X-CloudScheduler-ScheduleTime": world.clock.now().isoformat()}
        answer = await bridge.get("update_db", headers=tick)
        assert answer.status_code == 200, answer.text
        world.clock.advance(timedelta(days=1))


async def _write_by_hand(sales: SalesStore, now: datetime) -> None:
    """Write what the sandbox does not produce: odd ids and texts, and a chat that the reports no longer show."""
    started_at = now - timedelta(days=60)
    phone = PhoneRecord(
        phone=OUT_OF_SIGHT,
        amount_kopecks=450_050,
        paid_at=started_at + timedelta(microseconds=999_999),
        comment=COMMENT,
        order_count=len(ODD_IDS),
        sale=RecordedSale(
            type=CommunicationType.CHAT,
            id=9_007_199_254_740_995,
            started_at=started_at,
            amount_kopecks=450_050,
            sold_at=None,
            comment=COMMENT,
            sale_id=None,
            ours=True,
            recorded_at=started_at + timedelta(microseconds=1),
        ),
    )
    payments = (
        Payment(paid_at=started_at, in_kopecks=50_005, out_kopecks=0),
        Payment(paid_at=started_at + timedelta(hours=1), in_kopecks=-1, out_kopecks=-1),
    )
    changes = [Changes(phones=[phone])]
    for key in ODD_IDS:
        order = Order(
            order_id=key,
            client_id=key,
            changed_at=started_at,
            ordered_at=started_at,
            payments=payments,
            services=(COMMENT,),
            phone=OUT_OF_SIGHT,
        )
        changes.append(Changes(orders=[order], clients=[Client(client_id=key, phone=OUT_OF_SIGHT, seen_at=now)]))
    lease = Lease(run_id="by hand", started_at=now, until=now + timedelta(minutes=1))
    assert await sales.take_lease(lease, now=now) is None
    await sales.write(changes, run_id=lease.run_id)
    await sales.release_lease(lease.run_id)


async def _killed_run(bridge: SyncApp, world: KillableWorld) -> None:
    """Kill a run between taking a sale off and setting the new one; changes before it are made but not recorded."""
    for phone in (SET_BEFORE_KILL, NOT_STARTED):
        world.comagic.add_call(phone, world.clock.now() - timedelta(days=1))
    world.agbis.cancel(_order_of(world, REMOVED_BEFORE_KILL))
    for hours, phone in (
        (3, SET_BEFORE_KILL),
        (2, UNSET_BEFORE_KILL),
        (1, NOT_STARTED),
    ):  # changes go by the time of payment
        _pay(world, phone, "777.70", at=world.clock.now() - timedelta(hours=hours))
    call = next(each for each in world.comagic.communications() if each.phone == UNSET_BEFORE_KILL)
    world.comagic.fail(Fault(method="get.calls_report", kind="slow", params={"seconds": 5}))
    world.kills = lambda: not call.state.sales
    with suppress(Killed):
        await bridge.get("update_db")
    assert world.process_is_killed


def _cards(now: datetime) -> Iterable[Card]:
    for card_id, name, expires_at in (
        ("a1", "Зоя 🙂", FAR),
        ("__all__", 'Пётр "Первый"', FAR),
        ("A1", "A", now + timedelta(days=30)),
        ("expired_1", "Яна", now + timedelta(minutes=1)),
    ):
        body = {
            "date": "2026-06-09 12:00:00.000000",
            "id": card_id,
            "arpu": "4570",
            "name": name,
            "soc_tariff": "TEST",
            "phone": "9990000001",
        }
        yield Card(card_id=card_id, body=body, posted_at=now, expires_at=expires_at)


def _pay(world: World, phone: str, amount: str, *, service: str = "Стирка", at: datetime | None = None) -> None:
    """Let a client pay a new order, an hour ago if not said otherwise."""
    at = at or world.clock.now() - timedelta(hours=1)
    client = next((each.id for each in world.agbis.clients.values() if each.phone == phone), None)
    # Long-known clients are not in the bulk read of changed ones, so they are looked up one by one.
    client = client or world.agbis.add_client(phone, at=at - timedelta(days=300))
    world.agbis.pay(world.agbis.add_order(client, [(service, amount)], at=at), amount, at=at)


def _client_of(world: World, phone: str) -> str:
    return next(client.id for client in world.agbis.clients.values() if client.phone == phone)


def _order_of(world: World, phone: str) -> str:
    client = _client_of(world, phone)
    return next(order.id for order in world.agbis.orders.values() if order.client_id == client)


def comagic_of(world: World) -> list[dict[str, Any]]:
    """What CoMagic holds, as plain JSON; `rebuilt` undoes it."""
    return [
        {
            "type": each.kind,
            "id": each.communication_id,
            "start": each.start,
            "phone": each.phone,
            "lost": each.lost,
            "site": each.site_id,
            "sales": [[sale.amount_kopecks, sale.date_time.isoformat(), sale.comment] for sale in each.state.sales],
        }
        for each in world.comagic.communications()
    ]


def rebuilt(comagic: Iterable[dict[str, Any]], *, at: datetime) -> World:
    """Return a world with these communications and sales, and an empty CRM."""
    world = World(ManualClock(at))
    for each in comagic:
        began = datetime.fromtimestamp(each["start"], UTC)
        details: dict[str, Any] = {"site_id": each["site"], "communication_id": each["id"]}
        match each["type"]:
            case "call":
                world.comagic.add_call(each["phone"], began, lost=each["lost"], **details)
            case "chat":
                world.comagic.add_chat(each["phone"], began, **details)
            case "offline_message":
                world.comagic.add_message(each["phone"], began, **details)
        for kopecks, sold_at, comment in each["sales"]:
            amount = f"{kopecks // 100}.{kopecks % 100:02}"
            moment = datetime.fromisoformat(sold_at)
            world.comagic.sell_by_hand(each["id"], amount, at=moment, comment=comment, communication_type=each["type"])
    return world


async def next_run(sales: SalesStore, world: World) -> dict[str, Any]:
    """Run twice on a filled database in a rebuilt world, after one more payment; return the outcome as plain JSON."""
    now = world.clock.now()
    # A stored client's second account and an order made through the API: no stored document has their ids.
    client = model.Client("900001", "Клиент", REGULAR, "", now, now)
    world.agbis.clients[client.id] = client
    world.agbis.pay(world.agbis.add_order(client.id, [("Глажка", "0.09")], via_api=True), "0.09")
    before = len(world.comagic.history)
    async with sync_app_on(sales, SETTINGS, world=world) as bridge:
        journal = (await bridge.get("update_db")).json()["journal"]
        world.clock.advance(timedelta(minutes=2))
        changes = [
            [each.what, each.communication_type, each.communication_id, each.amount_kopecks]
            for each in world.comagic.history[before:]
        ]
        second = (await bridge.get("update_db")).json()["journal"]
    return {
        "results": {phone: [row["result"], row[phone]] for phone, row in sorted(rows(journal).items())},
        "repaired": sorted(phone for phone, row in rows(journal).items() if row.get("repaired")),
        "money": journal["money"],
        "changes": changes,
        "still_open": [phone.phone async for page in sales.all_phones() for phone in page if phone.intent],
        "changes_of_a_second_run": len(world.comagic.history) - before - len(changes),
        "results_of_a_second_run": sorted({row["result"] for row in second["log"]}),
    }

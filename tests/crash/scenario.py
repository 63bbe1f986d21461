"""A day on which every kind of change happens at once, built the same way every time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from tests.sandbox.agbis.model import Order
from tests.sandbox.faults import Fault
from tests.sandbox.world import World

APPLIED = [f"7926000{number:04}" for number in range(5)]
UPDATED = [f"7903000{number:04}" for number in range(3)]
REMOVED = "79150000001"
REFUNDED = "79150000002"
MOVED_FROM, MOVED_TO = "79160000001", "79160000002"
FOREIGN, FOREIGN_RIGHT = "79170000001", "79170000002"
OUT_OF_WINDOW = "79180000001"
DELETED = "79180000002"
DRIFTED = "79190000001"
REPAIRED = "79190000002"
NOT_FOUND = "79200000001"

LEFT, TAKER = "79210000001", "79210000002"
SWAPPED = ("79220000001", "79220000002")
REFUSED = "79230000001"
SPOILED, SPOILED_NEW, MENDED = "79240000001", "79240000002", "79240000003"
PAID_UNSEEN, REFUNDED_UNSEEN = "79250000001", "79250000002"

FAILED = 1
"""How many changes of the last run are refused, whatever happens."""

CHATTED = {APPLIED[3], UPDATED[1]}
WROTE = {APPLIED[4], UPDATED[2]}


@dataclass
class Day:
    """The scenario in three acts, each followed by a run; the third run is the one that is killed.

    Attributes:
        every_kind: Some clients do not call but chat, or write through a form.
        hostile: Calls become other clients', a sum is refused, rows cannot be read, and payments touch no order.
    """

    world: World
    every_kind: bool = False
    hostile: bool = False

    def before(self) -> None:
        """What an ordinary run has dealt with."""
        now = self.world.clock.now()
        for phone in [*UPDATED, REMOVED, REFUNDED, MOVED_FROM, OUT_OF_WINDOW, DELETED, DRIFTED, REPAIRED]:
            long_ago = phone in {OUT_OF_WINDOW, DELETED}
            self.get_in_touch(phone, now - timedelta(days=29 if long_ago else 3))
            self.pay(phone, "1000.10", now - timedelta(hours=30))
        if self.hostile:
            for phone in (LEFT, *SWAPPED, REFUSED, SPOILED, MENDED, PAID_UNSEEN, REFUNDED_UNSEEN):
                self.get_in_touch(phone, now - timedelta(days=3))
                self.pay(phone, f"2000.0{phone[-1]}", now - timedelta(hours=30))
            self.get_in_touch(LEFT, now - timedelta(days=2))

    def half_done(self) -> None:
        """A sale is taken off and the new one cannot be set: the next run has something to repair."""
        self.world.clock.advance(timedelta(days=1))
        self.pay(REPAIRED, "7.77", self.world.clock.now() - timedelta(hours=4))
        self.world.comagic.fail(
            Fault(method="set.tag_sales", kind="error", params={"mnemonic": "forbidden"}, times=None)
        )
        if self.hostile:
            self.world.agbis.spoil(self.order_of(MENDED), "bad_sum")

    def after(self) -> None:
        """Everything else, at once."""
        world = self.world
        world.comagic.faults.clear()
        world.clock.advance(timedelta(days=1))
        now = world.clock.now()
        for number, phone in enumerate(APPLIED):
            self.get_in_touch(phone, now - timedelta(days=2, hours=number))
            world.comagic.add_call(phone, now - timedelta(days=1))
            self.pay(phone, f"{number + 1}00.5{number}", now - timedelta(hours=number + 1))
        for number, phone in enumerate(UPDATED):
            self.pay(phone, f"{number + 1}0.01", now - timedelta(hours=number + 2))
        world.agbis.cancel(self.order_of(REMOVED))
        world.agbis.refund(self.order_of(REFUNDED), "0.11")
        world.agbis.change_phone(self.client_of(MOVED_FROM), MOVED_TO)
        world.comagic.add_call(MOVED_TO, now - timedelta(days=1))
        for phone, amount in ((FOREIGN, "5"), (FOREIGN_RIGHT, "42.42")):
            world.comagic.sell_by_hand(world.comagic.add_call(phone, now - timedelta(days=1)), amount)
            self.pay(phone, "42.42", now - timedelta(hours=1))
        self.pay(OUT_OF_WINDOW, "0.90", now - timedelta(hours=3))
        self.pay(DELETED, "0.90", now - timedelta(hours=3))
        world.comagic.delete_communication(self.call_of(DELETED))
        world.comagic.add_call(DELETED, now - timedelta(hours=9))
        world.comagic.unsell_by_hand(self.call_of(DRIFTED))
        self.pay(NOT_FOUND, "3", now - timedelta(hours=4))
        if self.hostile:
            self.become_hostile(now)

    def become_hostile(self, now: datetime) -> None:
        """Let everything happen that well-behaved systems do not do."""
        agbis, comagic = self.world.agbis, self.world.comagic
        self.pay(TAKER, "11.11", now - timedelta(hours=2))
        comagic.change_phone(self.call_of(LEFT), TAKER)
        first, second = (self.call_of(phone) for phone in SWAPPED)
        comagic.change_phone(first, SWAPPED[1])
        comagic.change_phone(second, SWAPPED[0])

        self.pay(REFUSED, "0.99", now - timedelta(hours=2))
        refusal = {"mnemonic": "invalid_parameter_value"}
        new_sum = {"communication_id": self.call_of(REFUSED), "transaction_value": Decimal("2001.00")}
        comagic.fail(Fault("set.tag_sales", "error", params=refusal, times=None, having=new_sum))

        self.get_in_touch(SPOILED_NEW, now - timedelta(days=1))
        for phone in (SPOILED, SPOILED_NEW):
            self.pay(phone, "5", now - timedelta(hours=2))
            agbis.spoil(self.order_of(phone), "no_client" if phone == SPOILED else "bad_date")
        agbis.mend(self.order_of(MENDED))
        agbis.pay(self.order_of(MENDED), "1", at=now - timedelta(hours=2))

        at = now - timedelta(minutes=50)
        agbis.pay(self.order_of(PAID_UNSEEN), "7", at=at, touches=False)
        agbis.refund(self.order_of(REFUNDED_UNSEEN), "7", at=at, touches=False)

    def get_in_touch(self, phone: str, at: datetime) -> None:
        """Let a client call, or do what this one does instead."""
        comagic = self.world.comagic
        if self.every_kind and phone in CHATTED:
            comagic.add_chat(phone, at)
        elif self.every_kind and phone in WROTE:
            comagic.add_message(phone, at)
        else:
            comagic.add_call(phone, at)

    def pay(self, phone: str, amount: str, at: datetime) -> None:
        agbis = self.world.agbis
        known = [client.id for client in agbis.clients.values() if client.phone == phone]
        # Long-known clients are not in the bulk read of changed ones, so they are looked up one by one.
        client = known[0] if known else agbis.add_client(phone, at=at - timedelta(days=300))
        agbis.pay(agbis.add_order(client, [(f"Стирка {amount}", amount)], at=at), amount, at=at)

    def client_of(self, phone: str) -> str:
        return next(client.id for client in self.world.agbis.clients.values() if client.phone == phone)

    def order_of(self, phone: str) -> str:
        client = self.client_of(phone)
        return next(order.id for order in self.world.agbis.orders.values() if order.client_id == client)

    def call_of(self, phone: str) -> int:
        return min(
            (call.start, call.communication_id) for call in self.world.comagic.communications() if call.phone == phone
        )[1]


def never_readable(world: World) -> dict[str, Order | None]:
    """Return the order that no run could read, as `deal_differences` takes it."""
    client = next(client.id for client in world.agbis.clients.values() if client.phone == SPOILED_NEW)
    return {order.id: None for order in world.agbis.orders.values() if order.client_id == client}


def standing(world: World) -> Mapping[str, list[tuple[int, int, str | None, str]]]:
    """What stands in CoMagic, by phone: communication, kopecks, comment and local date of every sale."""
    found: dict[str, list[tuple[int, int, str | None, str]]] = {}
    for call in world.comagic.communications():
        for sale in world.comagic.sales.get(call.key, []):
            date = f"{sale.date_time.astimezone(world.agbis.zone):%Y-%m-%d %H:%M:%S}"
            found.setdefault(call.phone or "", []).append(
                (call.communication_id, sale.amount_kopecks, sale.comment, date)
            )
    return found

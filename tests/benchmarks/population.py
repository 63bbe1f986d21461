"""Customers by the thousand, in both remote systems and in our database, made quickly and always the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from crm_bridge.domain.aggregate import Client, Order, Payment
from crm_bridge.domain.communication import CommunicationType
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.domain.run import LEASE_TTL, Lease
from crm_bridge.domain.sale import RecordedSale
from crm_bridge.domain.state import SaleTag, Watermark
from crm_bridge.ports import Changes, SalesStore
from tests.sandbox.world import World

SERVICE = "Химчистка пальто"


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A client with one paid order.

    Attributes:
        call_id: The call that bears the sale; None for one who never called.
    """

    phone: str
    client_id: str
    order_id: str
    kopecks: int
    paid_at: datetime
    called_at: datetime
    call_id: int | None


class Population:
    """Fills a world and a store."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now = world.clock.now().replace(microsecond=0)
        self.number = 0

    def customers(
        self, count: int, *, hours: float, known_hours: float | None = None, call_every: float = 0.6
    ) -> list[Customer]:
        """Add clients with a paid order each.

        Args:
            count: How many.
            hours: How long ago they paid; those of one call pay one after another within an hour.
            known_hours: How long ago the CRM got to know them; as long as the order when left out.
            call_every: The share of those who called, some days before they paid.
        """
        agbis, now = self.world.agbis, self.world.clock.now().replace(microsecond=0)
        rows = []
        for index in range(count):
            self.number += 1
            paid_at = now - timedelta(hours=hours, seconds=3600 * index // max(count, 1))
            known_at = paid_at if known_hours is None else now - timedelta(hours=known_hours)
            phone = f"7926{self.number:07d}"
            kopecks = 100_000 + self.number % 900_000
            client_id = agbis.add_client(f"+{phone}", name="Анна", at=known_at)
            order_id = agbis.add_order(client_id, [(SERVICE, f"{kopecks / 100:.2f}")], at=paid_at)
            agbis.pay(order_id, f"{kopecks / 100:.2f}", at=paid_at)
            calls = int((index + 1) * call_every) > int(index * call_every)
            rows.append((phone, client_id, order_id, kopecks, paid_at, calls))
        called_at = [
            paid_at - timedelta(hours=1 + index % 240) if paid_at > now - timedelta(days=15) else paid_at
            for index, (_, _, _, _, paid_at, _) in enumerate(rows)
        ]
        ids = iter(
            self.world.comagic.add_calls_bulk(
                (row[0], at, False) for row, at in zip(rows, called_at, strict=True) if row[5]
            )
        )
        return [
            Customer(
                phone=phone,
                client_id=client_id,
                order_id=order_id,
                kopecks=kopecks,
                paid_at=paid_at,
                called_at=at,
                call_id=next(ids) if calls else None,
            )
            for (phone, client_id, order_id, kopecks, paid_at, calls), at in zip(rows, called_at, strict=True)
        ]

    def strangers(self, count: int, *, days: int = 29) -> None:
        """Add calls of people who are no clients, a sixth of them lost."""
        last, span = int(self.now.timestamp()) - 3600, days * 86_400
        self.world.comagic.add_calls_bulk(
            (f"7996{number % 5_000_000:07d}", last - number * span // max(count, 1), number % 6 == 0)
            for number in range(count)
        )

    def sell(self, customers: Iterable[Customer], *, kopecks: int = 0) -> None:
        """Let sales stand on the customers' calls: of their own sums, or of another."""
        for customer in customers:
            if customer.call_id is not None:
                roubles = f"{(kopecks or customer.kopecks) / 100:.2f}"
                self.world.comagic.sell_by_hand(customer.call_id, roubles, at=customer.paid_at)

    async def remember(self, store: SalesStore, customers: Sequence[Customer], *, with_orders: bool = True) -> None:
        """Put customers into the database as earlier runs would have left them, their sales set by us."""
        now = self.now
        await store.take_lease(Lease(run_id="seed", started_at=now, until=now + 60 * LEASE_TTL), now=now)
        notes = Changes(
            state=[
                Watermark(read_until=now - timedelta(days=1), refreshed_at=now - timedelta(days=1)),
                SaleTag(tag_id=self.world.comagic.sale_tag_id),
            ]
        )
        changes = (_remembered(customer, with_orders=with_orders) for customer in customers)
        await store.write([notes, *changes], run_id="seed")
        await store.release_lease("seed")


def _remembered(customer: Customer, *, with_orders: bool) -> Changes:
    phone = PhoneRecord(
        phone=customer.phone,
        amount_kopecks=customer.kopecks,
        paid_at=customer.paid_at,
        comment=SERVICE,
        order_count=1,
        sale=None if customer.call_id is None else _sale(customer, customer.call_id),
    )
    if not with_orders:
        return Changes(phones=[phone])
    order = Order(
        order_id=customer.order_id,
        client_id=customer.client_id,
        changed_at=customer.paid_at,
        ordered_at=customer.paid_at,
        payments=(Payment(paid_at=customer.paid_at, in_kopecks=customer.kopecks, out_kopecks=0),),
        services=(SERVICE,),
        phone=customer.phone,
    )
    client = Client(client_id=customer.client_id, phone=customer.phone, seen_at=customer.paid_at)
    return Changes(phones=[phone], orders=[order], clients=[client])


def _sale(customer: Customer, call_id: int) -> RecordedSale:
    return RecordedSale(
        type=CommunicationType.CALL,
        id=call_id,
        started_at=customer.called_at,
        amount_kopecks=customer.kopecks,
        sold_at=customer.paid_at,
        comment=SERVICE,
        sale_id=1,
        ours=True,
        recorded_at=customer.paid_at,
    )

"""A dry cleaner made from a seed, with everything that was met in real accounts, and the expected first run."""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tests.sandbox.comagic.account import SITE_WITHOUT_SALES_ID
from tests.sandbox.money import roubles
from tests.sandbox.people import GARBAGE, SERVICES, TAGS, digits_of, full_name, spell

if TYPE_CHECKING:
    from tests.sandbox.world import World

# A first refresh reads the changes of the last three days; recent orders are well within them.
_FRESH = timedelta(days=3)
_RECENT_HOURS = 60


@dataclass
class Truth:
    """What `populate` made. Phones are E.164 digits without `+`, money is in kopecks.

    Attributes:
        results: Phone -> result of a first run with default settings (`applied`, `updated`, `problem`,
            `not_found`, `nothing_paid`, `failed`); only phones that a first refresh sees.
        bearers: Phone -> the call that should bear the sale.
        totals: Phone -> net of all its orders.
        fresh_totals: Phone -> net of its orders changed in the last three days.
        phones: Client id -> phone; None when the client has none that can be used.
        fresh_orders_without_phone: Orders of the last three days whose client has no usable phone.
    """

    results: dict[str, str] = field(default_factory=dict)
    bearers: dict[str, int] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)
    fresh_totals: dict[str, int] = field(default_factory=dict)
    phones: dict[str, str | None] = field(default_factory=dict)
    fresh_orders_without_phone: int = 0


class Population:
    """Makes people, orders and calls for the personas."""

    def __init__(self, world: "World", seed: int, days: int) -> None:
        self.agbis = world.agbis
        self.comagic = world.comagic
        self.now = world.clock.now().replace(microsecond=0)
        self.rng = random.Random(seed)
        self.days = days
        self.truth = Truth()
        self._number = 0

    def phone(self, kind: str = "mobile") -> str:
        """Return the next unused phone."""
        self._number += 1
        return digits_of(kind, self._number)

    def client(self, phone: str | None, *, landline: bool = False, typed: str | None = None) -> str:
        """Enter a client; the phone is spelled in one of the ways people spell."""
        text = typed if typed is not None else spell(phone or "", self.rng)
        created = self.now - timedelta(days=self.rng.randint(30, 900))
        key = self.agbis.add_client(
            "" if landline else text,
            landline=text if landline else "",
            name=full_name(self.rng),
            at=created,
        )
        self.truth.phones[key] = phone
        return key

    def order(self, client: str, *, hours: float | None = None, lines: int | None = None) -> str:
        """Enter an order so many hours ago."""
        ago = self.rng.uniform(6, _RECENT_HOURS) if hours is None else hours
        services = self.rng.sample(SERVICES, lines or self.rng.randint(1, 3))
        goods = [("Чехол для одежды", "150")] if self.rng.random() < 0.15 else []
        at = self._ago(ago)
        return self.agbis.add_order(client, services, goods=goods, at=at, via_api=self.rng.random() < 0.2)

    def pay(self, order: str, *, parts: int = 1, share: int = 100) -> None:
        """Pay `share` percent of an order, in parts spread between its entry and now."""
        entry = self.agbis.orders[order]
        due = entry.kredit_kopecks * share // 100
        for part in range(parts):
            amount = due // parts if part < parts - 1 else due - due // parts * (parts - 1)
            at = entry.update + (self.now - entry.update) * (part / (parts + 1))
            self.agbis.pay(order, roubles(amount), at=at)

    def paid_order(self, client: str, *, hours: float | None = None, parts: int = 1) -> str:
        """Enter an order and pay it."""
        order = self.order(client, hours=hours)
        self.pay(order, parts=parts)
        return order

    def call(self, phone: str | None, *, hours: float | None = None, **details: object) -> int:
        """Add a call so many hours ago, by default some time before any recent order."""
        ago = self.rng.uniform(_RECENT_HOURS + 2, self.days * 24) if hours is None else hours
        return self.comagic.add_call(phone, self._ago(ago), **details)  # type: ignore[arg-type]

    def expect(self, phone: str, result: str, bearer: int | None = None) -> None:
        """Record the expected result of a phone."""
        self.truth.results[phone] = result
        if bearer is not None:
            self.truth.bearers[phone] = bearer

    def sum_of(self, client: str) -> int:
        """Return the net of a client's orders."""
        return sum(order.net_kopecks for order in self.agbis.orders.values() if order.client_id == client)

    def settle(self) -> Truth:
        """Add up the sums."""
        truth = self.truth
        for order in self.agbis.orders.values():
            phone = truth.phones[order.client_id]
            fresh = order.update >= self.now - _FRESH
            if phone is None:
                truth.fresh_orders_without_phone += fresh
                continue
            truth.totals[phone] = truth.totals.get(phone, 0) + order.net_kopecks
            if fresh:
                truth.fresh_totals[phone] = truth.fresh_totals.get(phone, 0) + order.net_kopecks
        return truth

    def _ago(self, hours: float) -> datetime:
        return self.now - timedelta(seconds=int(hours * 3600))


def populate(
    world: "World", *, seed: int = 1, phones: int = 60, days: int = 20, calls: int = 0, strangers: int = 3
) -> Truth:
    """Fill a world, always the same way for the same seed and time.

    Args:
        world: An empty one.
        seed: Of the random numbers.
        phones: How many phones of clients; the first ones go through every persona once.
        days: How far back the calls go.
        calls: How many more calls of people who never ordered anything.
        strangers: Calls of strangers for each phone of a client.

    Returns:
        The truth; `world.truth` has it too.
    """
    # Imported here, because the personas import this module.
    from tests.sandbox.personas import COMMON, PERSONAS

    population = Population(world, seed, days)
    for number in range(phones):
        persona = PERSONAS[number] if number < len(PERSONAS) else population.rng.choice(COMMON)
        persona(population)
    _strangers(population, phones * strangers)
    _bulk(population, calls)
    world.truth = population.settle()
    return world.truth


def _strangers(population: Population, count: int) -> None:
    """Add what must not matter: other people's calls, hidden and internal numbers, chats, goals."""
    rng = population.rng
    for number in range(count):
        phone = {5: None, 10: "anonymous", 15: "101"}.get(number % 20, f"7998{number:07d}")
        tags = [rng.choice(TAGS)] if rng.random() < 0.1 else []
        population.call(
            phone,
            hours=rng.uniform(0.2, population.days * 24),
            lost=rng.random() < 0.2,
            direction="out" if rng.random() < 0.2 else "in",
            tags=tags,
        )
    for number in range(min(count, 40) // 4):
        at = population.now - timedelta(hours=rng.uniform(1, population.days * 24))
        spellings = [f"8997{number:07d}", f"997{number:07d}", f"7997{number:07d}", None, "нет"]
        typed = spellings[number % len(spellings)]
        population.comagic.add_chat(typed, at)
        population.comagic.add_message(typed, at, name=full_name(rng))
        population.comagic.add_goal(at)
    for _ in range(min(count, 10) // 2):
        population.client(None, typed=rng.choice(GARBAGE))


def _bulk(population: Population, count: int) -> None:
    if not count:
        return
    last, span = int(population.now.timestamp()) - 60, population.days * 86_400
    population.comagic.add_calls_bulk(
        (f"7996{number % 5_000_000:07d}", last - number * span // count, number % 6 == 0) for number in range(count)
    )


SITE_OFF = SITE_WITHOUT_SALES_ID

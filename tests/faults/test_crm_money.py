"""After any history of the shop, with runs killed between any two steps, the CRM's money is accounted for.

FAULTS_EXAMPLES=20 tries twenty times as many examples.
"""

from __future__ import annotations

import tempfile
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.clients.agbis import client as agbis_client
from tests.faults.killable_app import KillableApp
from tests.faults.profile import profile
from tests.sandbox.clock import ManualClock
from tests.sandbox.money import roubles
from tests.sandbox.world import World
from tests.support.factories import NOON

pytestmark = pytest.mark.anyio

PHONES = ["79260000001", "79260000002", "79260000003", "", "нет"]

some, kopecks = st.integers(0, 1000), st.integers(1, 500_000)
events = st.one_of(
    st.tuples(st.just("client"), st.sampled_from(PHONES)),
    st.tuples(st.just("order"), some, kopecks),
    st.tuples(st.just("order"), some, kopecks),
    st.tuples(st.just("pay"), some, kopecks, st.booleans()),
    st.tuples(st.just("refund"), some, kopecks, st.booleans()),
    st.tuples(st.just("cancel"), some),
    st.tuples(st.just("move"), some, some),
    st.tuples(st.just("phone"), some, st.sampled_from(PHONES)),
    st.tuples(st.just("spoil"), some),
    st.tuples(st.just("mend"), some),
)
rounds = st.lists(
    st.tuples(st.lists(events, min_size=1, max_size=6), st.one_of(st.none(), st.integers(0, 50))),
    min_size=1,
    max_size=4,
)


class Shop:
    """The shop, and what of its money can be read.

    Attributes:
        readable: The net of each order at its newest readable version.
    """

    def __init__(self, world: World) -> None:
        self.agbis = world.agbis
        self.readable: dict[str, int] = {}
        self.client("79260000001")
        self.order(0, 100_000)

    def play(self, event: tuple[Any, ...]) -> None:
        getattr(self, event[0])(*event[1:])

    def note(self) -> None:
        """Remember what a run has read just now."""
        self.readable |= {key: order.net_kopecks for key, order in self.agbis.orders.items() if not order.spoiled}

    def _client(self, number: int) -> str:
        return list(self.agbis.clients)[number % len(self.agbis.clients)]

    def _order(self, number: int) -> str:
        return list(self.agbis.orders)[number % len(self.agbis.orders)]

    def client(self, phone: str) -> None:
        self.agbis.add_client(phone)

    def order(self, client: int, paid: int) -> None:
        self.agbis.pay(self.agbis.add_order(self._client(client)), roubles(paid))

    def pay(self, order: int, paid: int, touches: bool) -> None:
        self.agbis.pay(self._order(order), roubles(paid), touches=touches)

    def refund(self, order: int, back: int, touches: bool) -> None:
        self.agbis.refund(self._order(order), roubles(back), touches=touches)

    def cancel(self, order: int) -> None:
        self.agbis.cancel(self._order(order))

    def move(self, order: int, client: int) -> None:
        self.agbis.move_order(self._order(order), self._client(client))

    def phone(self, client: int, phone: str) -> None:
        self.agbis.change_phone(self._client(client), phone)

    def spoil(self, order: int) -> None:
        self.agbis.spoil(self._order(order), "bad_sum")

    def mend(self, order: int) -> None:
        self.agbis.mend(self._order(order))


@profile(15)
@given(rounds)
async def test_the_crms_money_is_accounted_for(history: list[tuple[list[tuple[Any, ...]], int | None]]) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(agbis_client, "PART_BYTES", 6_000)
        world = World(ManualClock(NOON))
        shop = Shop(world)
        bridge = KillableApp(world, str(Path(folder) / "bridge.db"))
        try:
            for happened, killed_after in history:
                # Each event in a minute of its own: what a killed run has read of an unreadable order is not known.
                for event in happened:
                    shop.play(event)
                    world.clock.advance(timedelta(minutes=1))
                if killed_after is not None and not any(order.spoiled for order in world.agbis.orders.values()):
                    answer = await bridge.run_and_die(killed_after)
                    assert answer is None or answer.json()["journal"]["money"]["balanced"] is True
                    world.clock.advance(timedelta(minutes=3))

                money = (await bridge.run())["money"]

                shop.note()
                assert Decimal(money["crm_total"]) * 100 == sum(shop.readable.values())
                assert money["balanced"] is True
        finally:
            await bridge.close()

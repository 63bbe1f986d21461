"""Everything that clients, the shop and the people who use CoMagic may do, one method an event.

The strategies at the end draw the events: a name of a method and its arguments.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from tests.faults.witness import Witness
from tests.sandbox.agbis.model import SPOILS, Order
from tests.sandbox.comagic.store import Key
from tests.sandbox.money import roubles
from tests.sandbox.world import World

PHONES = ["79260000001", "79260000002", "79260000003", "74950000004"]
QUIET = [f"7903000{number:04}" for number in range(12)]
"""Phones of a large business, to which little happens: so many that a report can be called shrunken."""

SPELLINGS = [*PHONES, "+7 926 000-00-01", "8 (926) 000-00-02", "9260000003", "", "нет"]
STRANGER = "79990000099"
"""Somebody who has no orders."""

AGES = [timedelta(), timedelta(minutes=1), timedelta(hours=5), timedelta(days=2), timedelta(days=9), timedelta(days=28)]

HAND_REACHES = timedelta(days=15)
"""People change recent calls only: no report shows what they change in a call that has left the window."""

MOST_MISSING = 4
"""Communications that may be missing at once: more would make a clean run's report a shrunken one."""


@dataclass
class Business:
    """What happens in a world, and what an oracle has to know of it.

    Attributes:
        calls: The calls that were not deleted.
        readable: The last readable version of the orders that cannot be read now; None for one that never could.
        unread: Orders that have changed since the last clean run.
        deleted: How many communications with a recorded sale were deleted.
        clock_is_behind: A run does not see the latest changes of orders, but their payments: it reads such an order by
            itself, and may be able to. Then no row is spoiled.
    """

    world: World
    witness: Witness
    calls: list[int] = field(default_factory=list)
    readable: dict[str, Order | None] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    deleted: int = 0
    clock_is_behind: bool = False

    def happen(self, events: list[tuple[Any, ...]]) -> None:
        for name, *details in events:
            getattr(self, name)(*details)

    # The shop.

    def a_client_comes(self, phone: str, days_ago: int) -> None:
        self.world.agbis.add_client(phone, at=self.world.clock.now() - timedelta(days=days_ago))

    def an_order_is_paid(self, client: int, paid: int) -> str:
        order = self.world.agbis.add_order(self.client(client), [("Стирка", roubles(paid))])
        self.world.agbis.pay(order, roubles(paid))
        self.unread.add(order)
        return order

    def an_order_is_paid_ahead(self, client: int, paid: int, minutes: int) -> None:
        """The cashier's clock is ahead of everybody's."""
        now = self.world.clock.now()
        order = self.world.agbis.add_order(self.client(client), [("Стирка", roubles(paid))])
        self.world.agbis.pay(order, roubles(paid), at=now + timedelta(minutes=minutes), at_update=now)
        self.unread.add(order)

    def an_order_surfaces_late(self, client: int, paid: int, minutes: int) -> None:
        update = self.world.clock.now() - timedelta(minutes=minutes)
        self.unread.add(self.world.agbis.late_order(self.client(client), at_update=update, paid=roubles(paid)))

    def more_is_paid(self, order: int, paid: int, touches: bool = True) -> None:
        chosen = self.changed(order)
        self.world.agbis.pay(chosen, roubles(paid), touches=touches or chosen in self.readable)

    def money_is_returned(self, order: int, percent: int, touches: bool = True) -> None:
        chosen = self.changed(order)
        if back := self.world.agbis.net(chosen) * percent // 100:
            self.world.agbis.refund(chosen, roubles(back), touches=touches or chosen in self.readable)

    def an_order_is_cancelled(self, order: int) -> None:
        self.world.agbis.cancel(self.changed(order))

    def an_order_has_another_status(self, order: int, status: int) -> None:
        self.world.agbis.set_status(self.changed(order), status)

    def an_order_moves(self, order: int, client: int) -> None:
        self.world.agbis.move_order(self.changed(order), self.client(client))

    def a_client_has_another_phone(self, client: int, phone: str) -> None:
        self.world.agbis.change_phone(self.client(client), phone)

    def a_row_is_spoiled(self, order: int, how: str) -> None:
        """Only of an order that a clean run has read: of any other the last readable version is not known here."""
        chosen = self.order(order)
        if chosen not in self.unread and not self.clock_is_behind:
            self.readable.setdefault(chosen, copy.deepcopy(self.world.agbis.orders[chosen]))
            self.world.agbis.spoil(chosen, how)

    def an_unreadable_order_comes(self, client: int, paid: int, how: str) -> None:
        order = self.an_order_is_paid(client, paid)
        if not self.clock_is_behind:
            self.readable[order] = None
            self.world.agbis.spoil(order, how)

    def a_row_is_mended(self, number: int) -> None:
        if self.readable:
            order = list(self.readable)[number % len(self.readable)]
            del self.readable[order]
            self.unread.add(order)
            self.world.agbis.mend(order)

    def changed(self, number: int) -> str:
        order = self.order(number)
        self.unread.add(order)
        return order

    def client(self, number: int) -> str:
        clients = list(self.world.agbis.clients)
        return clients[number % len(clients)]

    def order(self, number: int) -> str:
        orders = list(self.world.agbis.orders)
        return orders[number % len(orders)]

    # The people who use CoMagic.

    def somebody_calls(self, phone: str, ago: timedelta, lost: int) -> None:
        at = self.world.clock.now() - ago
        self.calls.append(self.world.comagic.add_call(phone, at, lost=bool(lost)))

    def a_sale_is_set_by_hand(self, call: int, amount: int) -> None:
        if (chosen := self.visible_call(call)) is not None:
            self.world.comagic.sell_by_hand(chosen, roubles(amount))
            self.world.clock.advance(timedelta(minutes=1))  # reports lag: two people would set two

    def a_sale_of_our_sum_is_set_by_hand(self, call: int) -> None:
        """Exactly the sum that the phone of the call has in the database."""
        chosen = self.visible_call(call)
        if chosen is None:
            return
        record = self.witness.records.get(self.world.comagic.communication(chosen).phone or "")
        if record is not None and record.amount_kopecks:
            self.world.comagic.sell_by_hand(chosen, roubles(record.amount_kopecks))
            self.world.clock.advance(timedelta(minutes=1))

    def a_sale_is_taken_off_by_hand(self, call: int) -> None:
        chosen = self.visible_call(call)
        if chosen is not None and self.world.comagic.communication(chosen).state.sales:
            self.world.comagic.unsell_by_hand(chosen)
            self.world.clock.advance(timedelta(minutes=1))

    def a_call_is_deleted(self, call: int) -> None:
        chosen = self.recent_call(call)
        if chosen is None or not self.may_vanish(chosen):
            return
        self.deleted += self.witness.recorded(("call", chosen)) is not None
        self.world.comagic.delete_communication(chosen)
        self.calls.remove(chosen)
        self.witness.owners.pop(("call", chosen), None)

    def a_call_is_hidden(self, call: int) -> None:
        chosen = self.recent_call(call)
        if chosen is not None and self.may_vanish(chosen):
            self.world.comagic.hide(chosen)

    def a_call_is_shown(self, number: int) -> None:
        hidden = [key for key in self.hidden if key[0] == "call"]
        if hidden:
            self.world.comagic.show(sorted(hidden)[number % len(hidden)][1])

    def a_call_has_another_phone(self, call: int, phone: str | None) -> None:
        chosen = self.recent_call(call)
        if chosen is not None:
            self.world.comagic.change_phone(chosen, phone)

    @property
    def hidden(self) -> set[Key]:
        return self.world.comagic.store.hidden

    def may_vanish(self, call: int) -> bool:
        """Nobody can find out what people did to a sale on a call that is not shown, nor about many missing calls."""
        return len(self.hidden) + self.deleted < MOST_MISSING and self.is_as_recorded(("call", call))

    def is_as_recorded(self, key: Key) -> bool:
        """What stands is what the program has recorded, or it has recorded nothing there."""
        row, recorded = self.witness.communication(key), self.witness.recorded(key)
        if row is None or recorded is None:
            return True
        _, record = recorded
        stands = [sale.amount_kopecks for sale in row.state.sales]
        if record.intent is not None:
            return not stands or key in self.witness.owners
        return stands == [record.sale.amount_kopecks]

    def visible_call(self, number: int) -> int | None:
        """A recent call that is shown, so that people can change it."""
        chosen = self.recent_call(number)
        return None if ("call", chosen) in self.hidden else chosen

    def recent_call(self, number: int) -> int | None:
        since = (self.world.clock.now() - HAND_REACHES).timestamp()
        known = [self.world.comagic.communication(call) for call in self.calls]
        recent = [call.communication_id for call in known if call.start >= since and not call.lost]
        return recent[number % len(recent)] if recent else None

    @property
    def has_a_call_of_another_phone(self) -> bool:
        """A communication with a recorded sale has become another phone's, and no run has moved the sale yet."""
        for call in self.world.comagic.communications():
            recorded = self.witness.recorded(call.key)
            if recorded is not None and call.phone not in (None, recorded[0]):
                return True
        return False


some = st.integers(0, 1000)
kopecks = st.integers(1, 500_000)
touches = st.sampled_from([True, False])

shop = st.one_of(
    st.tuples(st.just("a_client_comes"), st.sampled_from(SPELLINGS), st.sampled_from([0, 400])),
    st.tuples(st.just("an_order_is_paid"), some, kopecks),
    st.tuples(st.just("an_order_is_paid_ahead"), some, kopecks, st.integers(1, 90)),
    st.tuples(st.just("an_order_surfaces_late"), some, kopecks, st.integers(1, 59)),
    st.tuples(st.just("more_is_paid"), some, kopecks, touches),
    st.tuples(st.just("more_is_paid"), some, kopecks),
    st.tuples(st.just("money_is_returned"), some, st.integers(1, 100), touches),
    st.tuples(st.just("an_order_is_cancelled"), some),
    st.tuples(st.just("an_order_moves"), some, some),
    st.tuples(st.just("a_client_has_another_phone"), some, st.sampled_from(SPELLINGS)),
    st.tuples(st.just("a_row_is_spoiled"), some, st.sampled_from(SPOILS)),
    st.tuples(st.just("an_unreadable_order_comes"), some, kopecks, st.sampled_from(SPOILS)),
    st.tuples(st.just("a_row_is_mended"), some),
)
people = st.one_of(
    st.tuples(st.just("somebody_calls"), st.sampled_from(PHONES), st.sampled_from(AGES), st.sampled_from([0, 0, 0, 1])),
    st.tuples(st.just("a_sale_is_set_by_hand"), some, kopecks),
    st.tuples(st.just("a_sale_of_our_sum_is_set_by_hand"), some),
    st.tuples(st.just("a_sale_is_taken_off_by_hand"), some),
    st.tuples(st.just("a_call_is_deleted"), some),
    st.tuples(st.just("a_call_is_hidden"), some),
    st.tuples(st.just("a_call_is_shown"), some),
    st.tuples(st.just("a_call_has_another_phone"), some, st.sampled_from([*PHONES, STRANGER, None])),
)

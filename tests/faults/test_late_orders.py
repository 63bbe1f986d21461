"""Orders come late, twice, in any order and in windows that fail: each counts once, at its newest."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import structs

from crm_bridge.domain.aggregate import ChangedOrders, Client, Order, Payment
from crm_bridge.domain.payment_check import OrderDetails, OrderPayment
from crm_bridge.ports import SalesStore
from crm_bridge.services import SyncServices
from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from tests.faults.killable_app import KillableApp
from tests.faults.oracle import orders_by_phone, owed
from tests.faults.profile import profile
from tests.sandbox.clock import ManualClock
from tests.sandbox.faults import Fault
from tests.sandbox.world import World
from tests.support.factories import NOON
from tests.support.sync_app import SyncApp

pytestmark = pytest.mark.anyio

ANNA = "79261234567"
PHONES = {"1": "79260000001", "2": "79260000002", "3": None}


async def counted(store: SalesStore) -> dict[str, tuple[int, int]]:
    """What the database holds of every phone: kopecks and orders."""
    return {
        phone.phone: (phone.amount_kopecks, phone.order_count)
        async for page in store.all_phones()
        for phone in page
        if phone.order_count
    }


def in_the_crm(world: World) -> dict[str, tuple[int, int]]:
    orders = orders_by_phone(world)
    return {phone: (kopecks, len(orders[phone])) for phone, kopecks in owed(world).items()}


@asynccontextmanager
async def killable_bridge() -> AsyncIterator[KillableApp]:
    with tempfile.TemporaryDirectory() as folder:
        bridge = KillableApp(World(ManualClock(NOON)), str(Path(folder) / "bridge.db"))
        yield bridge
        await bridge.close()


@pytest.mark.parametrize("late_by", [timedelta(minutes=1), timedelta(minutes=59), timedelta(days=2, hours=23)], ids=str)
async def test_an_order_that_surfaces_late_is_counted_by_the_next_run(late_by: timedelta) -> None:
    async with killable_bridge() as bridge:
        agbis, clock = bridge.world.agbis, bridge.clock
        client = agbis.add_client(ANNA)
        await bridge.run()

        agbis.late_order(client, at_update=clock.now() - late_by, paid="700")
        await bridge.run()
        await bridge.run()

        assert await counted(bridge.store) == {ANNA: (70000, 1)}


async def test_an_order_that_surfaces_in_a_long_outage_is_counted_after_it() -> None:
    async with killable_bridge() as bridge:
        agbis, clock = bridge.world.agbis, bridge.clock
        client = agbis.add_client(ANNA)
        await bridge.run()
        agbis.late_order(client, at_update=clock.now() - timedelta(minutes=50), paid="700")
        agbis.switches = replace(agbis.switches, database_down=True)
        for _ in range(10):
            clock.advance(timedelta(days=1))
            assert (await bridge.get("update_db")).status_code == 503

        agbis.switches = replace(agbis.switches, database_down=False)
        await bridge.run()

        assert await counted(bridge.store) == {ANNA: (70000, 1)}


@dataclass(frozen=True)
class Hour:
    """Some hours pass; by then orders have surfaced, and a run has been tried.

    Attributes:
        late: Minutes by which each order is late.
        fails: The way the run fails; None when it goes through, `killed` when its process dies.
        at: How many requests, or steps of the process, come before that.
    """

    hours: int
    late: Sequence[int]
    fails: str | None
    at: int


hours = st.builds(
    Hour,
    hours=st.sampled_from([0, 1, 5, 24, 60]),
    late=st.lists(st.integers(0, 59), max_size=2),
    fails=st.sampled_from([None, "killed", "http_503", "timeout_before", "http_504_html", "not_json", "no_orders_key"]),
    at=st.integers(0, 25),
)


@profile(25)
@example([Hour(1, [0, 30], None, 0), Hour(60, [0], "http_503", 1), Hour(60, [59], "http_503", 3)])
@given(st.lists(hours, min_size=3, max_size=10))
async def test_the_watermark_skips_no_order_whichever_windows_fail(story: list[Hour]) -> None:
    async with killable_bridge() as bridge:
        agbis, clock = bridge.world.agbis, bridge.clock
        client = agbis.add_client(ANNA)
        await bridge.run()
        for hour in story:
            clock.advance(timedelta(hours=hour.hours))
            for minutes in hour.late:
                agbis.late_order(client, at_update=clock.now() - timedelta(minutes=minutes), paid="1.01")
            if hour.fails == "killed":
                await bridge.run_and_die(hour.at)
            else:
                if hour.fails:
                    kind, skip = hour.fails, hour.at % 8
                    agbis.fail(Fault(method="OrderByDateTimeForAll", kind=kind, times=None, skip=skip))
                assert (await bridge.get("update_db")).status_code in (200, 409, 502, 503)
                agbis.faults.clear()
        clock.advance(timedelta(minutes=2))

        await bridge.run()

        assert await counted(bridge.store) == in_the_crm(bridge.world)


class ScriptedCrm:
    """A CRM that answers each window with the next part of its script."""

    def __init__(self, script: list[list[Order]]) -> None:
        self.requests: Counter[str] = Counter()
        self.warnings: list[str] = []
        self._script = script

    async def orders_changed(self, since: datetime, until: datetime) -> ChangedOrders:
        return ChangedOrders(orders=self._script.pop(0) if self._script else [])

    async def clients_changed(self, since: datetime, until: datetime) -> list[Client]:
        return []

    async def client(self, client_id: str) -> Client | None:
        return Client(client_id=client_id, phone=PHONES[client_id], seen_at=NOON)

    async def payments(self, day: date) -> list[OrderPayment] | None:
        return []

    async def order(self, order_id: str) -> OrderDetails | None:
        return None

    async def check_login(self) -> None:
        """Let everybody in."""


class ScriptedApp(SyncApp):
    """A bridge whose CRM follows a script."""

    script: list[list[Order]]

    def services_factory(self, required: tuple[str, ...] = ()) -> SyncServices:
        return structs.replace(super().services_factory(required), crm=lambda _: ScriptedCrm(self.script))


@st.composite
def readings(draw: st.DrawFn) -> tuple[list[Order], list[list[Order]]]:
    """Draw versions of some orders, and answers in which each version comes once or more, in any order."""
    version = st.tuples(st.sampled_from("abcd"), st.sampled_from("123"), st.integers(-50, 10_000))
    versions = [
        Order(
            order_id=order_id,
            client_id=client_id,
            changed_at=NOON + timedelta(minutes=number),
            ordered_at=NOON,
            payments=(Payment(paid_at=NOON, in_kopecks=max(0, kopecks), out_kopecks=max(0, -kopecks)),),
        )
        for number, (order_id, client_id, kopecks) in enumerate(draw(st.lists(version, min_size=1, max_size=8)))
    ]
    repeats = draw(st.lists(st.sampled_from(versions), max_size=8))
    sequence = draw(st.permutations([*versions, *repeats]))
    answers: list[list[Order]] = [[]]
    for order in sequence:
        if draw(st.booleans()):
            answers.append([])
        answers[-1].append(order)
    return versions, answers


@profile(60)
@given(readings())
async def test_the_sums_are_those_of_the_newest_orders_alone(reading: tuple[list[Order], list[list[Order]]]) -> None:
    versions, answers = reading
    newest = {order.order_id: order for order in versions}  # a later version comes later in the list
    expected: dict[str, tuple[int, int]] = {}
    for order in newest.values():
        if (phone := PHONES[order.client_id]) is not None:
            kopecks, orders = expected.get(phone, (0, 0))
            net = sum(payment.in_kopecks - payment.out_kopecks for payment in order.payments)
            expected[phone] = (kopecks + net, orders + 1)
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteSalesStore(str(Path(folder) / "bridge.db"))
        bridge = ScriptedApp(World(ManualClock(NOON)), store, {})
        bridge.script = [list(answer) for answer in answers]

        while bridge.script:
            await bridge.run()

        assert await counted(store) == {phone: (max(0, sum_), orders) for phone, (sum_, orders) in expected.items()}
        await bridge.close()
        await store.close()

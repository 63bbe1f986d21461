"""Two runs that start at the same instant: one does the work, the other is refused."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

import httpx
import pytest

from tests.faults.oracle import differences, standing
from tests.sandbox.clock import ManualClock
from tests.sandbox.comagic.switches import CoMagicSwitches
from tests.sandbox.transport import SandboxTransport
from tests.sandbox.world import World
from tests.support.databases import Database
from tests.support.factories import NOON
from tests.support.sync_app import SyncApp
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.anyio

ROUNDS = 200
ANNA, BORIS = "79261234567", "79031112233"


class SlowTransport(SandboxTransport):
    """A network that holds a run up, as a real run takes its time, until the other one has been answered.

    When no answer comes, both runs are at work; then both go on, and the test fails.
    """

    answered: asyncio.Event

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.answered.wait(), PATIENCE)
        self.answered.set()
        return await super().handle_async_request(request)


class Run(SyncApp):
    """A bridge of its own, in the same world and on the same database as the other."""

    def __init__(self, world: World, database: Database, transport: SlowTransport) -> None:
        super().__init__(world, database.sales(), {})
        self.transport = transport
        self.use_network(transport)

    async def begin(self) -> httpx.Response:
        answer = await self.get()
        self.transport.answered.set()
        return answer


async def test_of_two_runs_at_once_one_works_two_hundred_times_out_of_two_hundred(database: Database) -> None:
    world = World(ManualClock(NOON), comagic_switches=CoMagicSwitches(duplicate_set="add"))
    agbis, comagic = world.agbis, world.comagic
    for phone in (ANNA, BORIS):
        comagic.add_call(phone, NOON - timedelta(days=1))
        agbis.pay(agbis.add_order(agbis.add_client(phone), [("Стирка", "700")]), "700")
    transport = SlowTransport(world.app)
    transport.answered = asyncio.Event()
    transport.answered.set()
    runs = [Run(world, database, transport) for _ in range(2)]
    try:
        await runs[0].run("update_db")
        await runs[1].run("")
        for _ in range(ROUNDS):
            # The sales are gone, so every round has two to set again, and needs no refresh for it.
            for sales in standing(world).values():
                comagic.unsell_by_hand(sales[0].call.communication_id)
            world.clock.advance(timedelta(minutes=2))
            before = sum(entry.who == "api" for entry in comagic.history)
            transport.answered.clear()

            answers = await asyncio.gather(*(run.begin() for run in runs))

            assert sorted(answer.status_code for answer in answers) == [200, 409]
            worked, refused = sorted(answers, key=lambda answer: answer.status_code)
            journal = worked.json()["journal"]
            assert (journal["tags_applied"], journal["failed"]) == (2, 0)
            assert journal["run_id"] in refused.json()["message"]
            assert 0 < int(refused.headers["Retry-After"]) <= 60
            assert sum(entry.who == "api" for entry in comagic.history) == before + 2
            assert differences(world) == []
    finally:
        for run in runs:
            await run.close()

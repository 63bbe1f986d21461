"""Every wait of a run ends at its time budget, with at most five seconds to close, whatever it waits for."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from crm_bridge.clock import SystemClock
from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from tests.sandbox.faults import Fault
from tests.sandbox.transport import SandboxTransport
from tests.support.databases import locked
from tests.support.factories import NOON
from tests.support.sync_app import SyncApp, results, sync_app_on

pytestmark = pytest.mark.anyio

ANNA = "79261234567"
BUDGET = 15
LOOK_UPS = 120


@pytest.fixture
async def bridge(tmp_path: Path) -> AsyncIterator[SyncApp]:
    store = SqliteSalesStore(str(tmp_path / "bridge.db"))
    async with sync_app_on(store, {"SYNC_TIME_BUDGET_SECONDS": str(BUDGET)}) as bridge:
        yield bridge
    await store.close()


def paid(bridge: SyncApp, *phones: str) -> None:
    """Let clients of long ago call and pay: their number stands in no report of changed ones."""
    agbis, at = bridge.world.agbis, NOON - timedelta(hours=5)
    for phone in phones:
        client = agbis.add_client(phone, at=NOON - timedelta(days=300))
        agbis.pay(agbis.add_order(client, [("Химчистка", "700")], at=at), "700", at=at)
        bridge.world.comagic.add_call(phone, NOON - timedelta(days=1))


@pytest.mark.parametrize(
    ("method", "kind", "params"),
    [
        ("Login", "http_429", {}),
        ("Login", "timeout_after", {}),
        ("OrderByDateTimeForAll", "http_429", {}),
        ("OrderByDateTimeForAll", "http_503", {"retry_after": 10}),
        ("OrderByDateTimeForAll", "drip", {"seconds": 2}),
        ("ContrInfoForAll", "http_503", {}),
        ("ContrInfoForAll", "drip", {"seconds": 2}),
        ("OrderPaysBetweenForAll", "drip", {"seconds": 2}),
        ("get.tags", "http_503", {"retry_after": 10}),
        ("get.calls_report", "limit_exceeded_minute", {}),
        ("get.calls_report", "drip", {"seconds": 2}),
        ("get.calls_report", "http_429", {"retry_after": 10}),
        ("set.tag_sales", "timeout_before", {}),
        ("set.tag_sales", "http_503", {"retry_after": 10}),
        ("set.tag_sales", "limit_exceeded_minute", {}),
        ("set.tag_sales", "drip", {"seconds": 2}),
    ],
)
async def test_a_remote_system_that_keeps_us_waiting_does_not_keep_the_run(
    bridge: SyncApp, method: str, kind: str, params: dict[str, int]
) -> None:
    paid(bridge, ANNA)
    system = bridge.world.comagic if "." in method else bridge.world.agbis
    system.fail(Fault(method, kind, times=None, params=params))
    began = bridge.clock.monotonic()

    answer = await bridge.get("update_db")

    assert bridge.clock.monotonic() - began <= BUDGET + 5
    assert answer.status_code in (200, 502, 503)
    system.faults.clear()
    bridge.clock.advance(timedelta(minutes=5))
    assert results(await bridge.run()) in ({ANNA: "applied"}, {ANNA: "problem"})


async def test_a_look_at_what_an_unknown_change_became_ends_too(bridge: SyncApp) -> None:
    """The looks alone would take a minute."""
    paid(bridge, ANNA)
    bridge.world.comagic.fail(Fault("set.tag_sales", "timeout_after", times=None))
    bridge.world.comagic.fail(Fault("get.calls_report", "http_503", skip=1, times=None))
    began = bridge.clock.monotonic()

    answer = await bridge.get("update_db")

    assert answer.json()["journal"]["failed"] == 1
    assert bridge.clock.monotonic() - began <= BUDGET + 5


async def test_the_wait_for_a_change_that_reports_do_not_show_ends_and_the_change_is_deferred(bridge: SyncApp) -> None:
    paid(bridge, ANNA)
    await bridge.get("update_db")
    call = next(call.communication_id for call in bridge.world.comagic.communications())
    bridge.world.comagic.unsell_by_hand(call)  # it looks as if the reports lagged behind
    began = bridge.clock.monotonic()

    answer = await bridge.get("")

    assert results(answer.json()["journal"]) == {ANNA: "deferred"}
    assert bridge.clock.monotonic() - began <= BUDGET


async def test_many_look_ups_of_clients_end_and_the_next_runs_go_on_with_the_rest(bridge: SyncApp) -> None:
    paid(bridge, *(f"7926{number:07}" for number in range(LOOK_UPS)))
    bridge.world.agbis.fail(Fault("ContrInfoForAll", "slow", times=None, params={"seconds": 1}))

    for _ in range(LOOK_UPS // BUDGET + 1):
        began = bridge.clock.monotonic()
        await bridge.get("update_db")
        assert bridge.clock.monotonic() - began <= BUDGET + 5
        bridge.clock.advance(timedelta(minutes=2))
    made = [request.method for request in bridge.world.agbis.requests].count("ContrInfoForAll")

    assert LOOK_UPS <= made <= LOOK_UPS + 20  # those under way when the time was over are made again
    assert len(await bridge.store.clients([str(client) for client in bridge.world.agbis.clients])) == LOOK_UPS


class Locking(SandboxTransport):
    """Locks the database when CoMagic is asked for something first."""

    def __init__(self, bridge: SyncApp, method: str, path: Path, lock: ExitStack) -> None:
        super().__init__(bridge.world.app)
        self._method, self._path, self._lock = method, path, lock
        self._is_locked = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not self._is_locked and self._method in request.content.decode():
            self._is_locked = True
            self._lock.enter_context(locked(self._path))
        return await super().handle_async_request(request)


@pytest.mark.parametrize("query", ["update_db", "update_db&dry_run", "dry_run"])
async def test_a_database_that_is_locked_from_the_start_is_not_waited_for_longer(tmp_path: Path, query: str) -> None:
    path = tmp_path / "bridge.db"
    store = SqliteSalesStore(str(path))
    async with sync_app_on(store, {"SYNC_TIME_BUDGET_SECONDS": "1"}) as bridge:
        bridge.sync_clock = SteadyFromNoon()
        paid(bridge, ANNA)
        await store.has_phones()  # makes the file
        began = time.monotonic()
        with locked(path):
            answer = await bridge.get(query)
            took = time.monotonic() - began

        assert answer.status_code in (409, 503), answer.text  # a dry run without a refresh only reads
        assert took < 15
    await store.close()


@pytest.mark.parametrize("method", ["get.calls_report", "set.tag_sales"])
async def test_a_locked_database_does_not_keep_a_run_whose_time_is_over(tmp_path: Path, method: str) -> None:
    """A lock is waited for 30 seconds, and by the last writes again."""
    path = tmp_path / "bridge.db"
    store = SqliteSalesStore(str(path))
    async with sync_app_on(store, {"SYNC_TIME_BUDGET_SECONDS": "1"}) as bridge:
        bridge.sync_clock = SteadyFromNoon()
        paid(bridge, ANNA)
        with ExitStack() as lock:
            bridge.use_network(Locking(bridge, method, path, lock))
            began = time.monotonic()
            answer = await bridge.get("update_db")
            took = time.monotonic() - began

        assert answer.status_code == 503, answer.text
        assert took < 15  # 1 + 5, and the machine may be busy
    await store.close()


class SteadyFromNoon(SystemClock):
    """The machine's clock, at noon of the tests' day."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def now(self) -> datetime:
        return NOON + timedelta(seconds=time.monotonic() - self._began)

"""Our machine's clock is set forward or back by a day while `sync` works: no wait and no run goes by it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest

from tests.sandbox.faults import Fault
from tests.sandbox.transport import SandboxTransport
from tests.support.clocks import UnsteadyClock
from tests.support.factories import NOON
from tests.support.sync_app import SyncApp, results

pytestmark = pytest.mark.anyio

ANNA = "79261234567"
DAYS = [pytest.param(timedelta(days=-1), id="back"), pytest.param(timedelta(days=1), id="ahead")]


class SettingNetwork(SandboxTransport):
    """Sets the clock when a request is sent, once."""

    def __init__(self, bridge: SyncApp, at: str, act: Callable[[], None]) -> None:
        super().__init__(bridge.world.app)
        self._at, self._act, self._done = at, act, False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not self._done and self._at in f"{request.url}{request.content.decode()}":
            self._done = True
            self._act()
        return await super().handle_async_request(request)


@pytest.fixture
def clock(bridge: SyncApp) -> UnsteadyClock:
    bridge.sync_clock = clock = UnsteadyClock(bridge.clock)
    return clock


def paid(bridge: SyncApp) -> int:
    """Let a client call and pay, two days ago: whatever day our clock shows, the window holds both."""
    agbis, at = bridge.world.agbis, NOON - timedelta(days=2)
    order = agbis.add_order(agbis.add_client(ANNA), [("Химчистка пальто", "700")], at=at)
    agbis.pay(order, "700", at=at)
    return bridge.world.comagic.add_call(ANNA, at - timedelta(hours=1))


def sums(bridge: SyncApp) -> dict[int, list[int]]:
    return {key[1]: [sale.amount_kopecks for sale in sales] for key, sales in bridge.world.comagic.sales.items()}


@pytest.mark.parametrize("by", DAYS)
@pytest.mark.parametrize("at", ["Login=", "OrderByDateTimeForAll", "get.calls_report", "set.tag_sales"])
async def test_a_run_goes_on_to_its_end(bridge: SyncApp, clock: UnsteadyClock, at: str, by: timedelta) -> None:
    call = paid(bridge)
    bridge.use_network(SettingNetwork(bridge, at, lambda: clock.set_by(by)))
    began = bridge.clock.monotonic()

    journal = await bridge.run()

    assert (results(journal), journal["complete"]) == ({ANNA: "applied"}, True)
    assert sums(bridge) == {call: [70000]}
    assert clock.slept == []
    assert bridge.clock.monotonic() - began == 120  # those that `run` lets pass afterwards


@pytest.mark.parametrize("by", DAYS)
async def test_the_crms_block_lasts_its_two_minutes(bridge: SyncApp, clock: UnsteadyClock, by: timedelta) -> None:
    paid(bridge)
    bridge.world.agbis.fail(Fault("OrderByDateTimeForAll", "http_429"))
    clock.by = by

    assert results(await bridge.run()) == {ANNA: "applied"}
    assert 120 <= clock.slept[0] <= 125
    assert sum(clock.slept[1:]) < 20  # the gap between requests


@pytest.mark.parametrize("by", DAYS)
async def test_the_pause_between_two_logins_lasts_its_two_minutes(
    bridge: SyncApp, clock: UnsteadyClock, by: timedelta
) -> None:
    paid(bridge)
    bridge.world.agbis.fail(Fault("Login", "timeout_after"))
    clock.by = by

    assert results(await bridge.run()) == {ANNA: "applied"}
    assert clock.slept == [120]


@pytest.mark.parametrize("by", DAYS)
async def test_a_spent_minute_is_waited_out_and_no_longer(bridge: SyncApp, clock: UnsteadyClock, by: timedelta) -> None:
    call = paid(bridge)
    bridge.world.comagic.fail(Fault("set.tag_sales", "limit_exceeded_minute"))
    clock.by = by

    assert results(await bridge.run()) == {ANNA: "applied"}
    assert sums(bridge) == {call: [70000]}
    assert 0 < sum(clock.slept) <= 62


@pytest.mark.parametrize("by", DAYS)
async def test_a_change_that_reports_do_not_show_yet_is_waited_for_a_minute(
    bridge: SyncApp, clock: UnsteadyClock, by: timedelta
) -> None:
    """By the calendar, a change made before the clock was set back would be too fresh for a whole day."""
    call = paid(bridge)
    await bridge.get("update_db")
    bridge.world.comagic.unsell_by_hand(call)  # it looks as if the reports lagged behind
    clock.by = by

    assert results(await bridge.run("")) == {ANNA: "applied"}
    assert sum(clock.slept) == 60
    assert sums(bridge) == {call: [70000]}

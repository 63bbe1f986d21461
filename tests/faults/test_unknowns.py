"""What is unknown about the remote systems: the sums are right in every case.

Each switch of the sandbox is one such unknown. The day of `crash.scenario`, a second day of the same clients, and
answers that get lost in the middle of both, end in the same sums for every position of every switch.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from tests.crash import scenario
from tests.crash.scenario import Day
from tests.faults.oracle import differences, hasty_logins
from tests.faults.profile import profile
from tests.sandbox.agbis.switches import AgbisSwitches
from tests.sandbox.clock import ManualClock
from tests.sandbox.comagic.switches import CoMagicSwitches
from tests.sandbox.faults import Fault
from tests.sandbox.switches import all_positions
from tests.sandbox.world import World
from tests.support.factories import NOON
from tests.support.sync_app import SyncApp, sync_app_on

pytestmark = pytest.mark.anyio

AGBIS, COMAGIC = all_positions(AgbisSwitches), all_positions(CoMagicSwitches)

RESTORED, REFUNDED, CANCELLED, PAID_AGAIN, CHANGED_BY_HAND = scenario.APPLIED
MOVED_FROM, MOVED_TO = scenario.UPDATED[0], "79210000001"


def alone() -> Iterator[Any]:
    for system, positions in (("agbis", AGBIS), ("comagic", COMAGIC)):
        for name, values in positions.items():
            for value in values[1:]:
                yield pytest.param(system, name, value, id=f"{system}-{name}-{value}")


async def test_the_books_come_out_right_with_every_switch_where_it_likely_is(tmp_path: Path) -> None:
    await play(tmp_path, {}, {})


@pytest.mark.parametrize(("system", "name", "value"), [*alone()])
async def test_the_books_come_out_right_with_one_switch_moved(
    tmp_path: Path, system: str, name: str, value: object
) -> None:
    moved = {name: value}
    await play(tmp_path, moved if system == "agbis" else {}, moved if system == "comagic" else {})


@profile(15)
@given(
    st.fixed_dictionaries({name: st.sampled_from(values) for name, values in AGBIS.items()}),
    st.fixed_dictionaries({name: st.sampled_from(values) for name, values in COMAGIC.items()}),
)
async def test_the_sums_are_right_with_all_switches_at_random(agbis: dict[str, Any], comagic: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        await play(Path(folder), agbis, comagic)


async def play(folder: Path, agbis: dict[str, Any], comagic: dict[str, Any]) -> None:
    """Let two days pass with these switches, and compare the sums after each."""
    world = World(ManualClock(NOON), agbis_switches=AgbisSwitches(**agbis), comagic_switches=CoMagicSwitches(**comagic))
    store, day = SqliteSalesStore(str(folder / "bridge.db")), Day(world)
    async with sync_app_on(store, world=world) as bridge:
        day.before()
        await bridge.run()
        day.half_done()
        await bridge.run()
        day.after()
        await answers_get_lost(bridge)
        await assert_right_after_a_clean_run(bridge)
        another_day(day)
        await answers_get_lost(bridge)
        await assert_right_after_a_clean_run(bridge)
        history = list(world.comagic.history)
        await bridge.run()
        assert world.comagic.history == history, "a further run has nothing to do"
    await store.close()


def another_day(day: Day) -> None:
    """What happens to sales that stand: more money, less, none, a new phone, a change by hand."""
    world = day.world
    world.clock.advance(timedelta(hours=20))
    now, agbis, comagic = world.clock.now(), world.agbis, world.comagic
    day.pay(PAID_AGAIN, "0.01", now - timedelta(minutes=7))
    agbis.refund(day.order_of(REFUNDED), "100")
    agbis.cancel(day.order_of(CANCELLED))
    comagic.add_call(MOVED_TO, now - timedelta(days=4))
    agbis.change_phone(day.client_of(MOVED_FROM), MOVED_TO)
    comagic.unsell_by_hand(day.call_of(RESTORED))
    comagic.unsell_by_hand(day.call_of(CHANGED_BY_HAND))
    comagic.sell_by_hand(day.call_of(CHANGED_BY_HAND), "9")


async def answers_get_lost(bridge: SyncApp) -> None:
    """Run while the answers to a set and to an unset are lost; the run may report that, and must answer."""
    bridge.clock.advance(timedelta(minutes=1))  # what was done by hand may be in the reports as late as that
    comagic = bridge.world.comagic
    comagic.fail(Fault(method="set.tag_sales", kind="timeout_after", skip=2))
    comagic.fail(Fault(method="set.tag_sales", kind="timeout_before", skip=1))
    comagic.fail(Fault(method="unset.tag_communications", kind="reset_after", skip=2))
    await bridge.run()
    assert not comagic.faults
    assert hasty_logins(bridge.world) == []


async def assert_right_after_a_clean_run(bridge: SyncApp) -> None:
    journal = await bridge.run()

    assert differences(bridge.world) == []
    assert (journal["failed"], journal["deferred"], journal["complete"]) == (0, 0, True)

"""Cloud Scheduler delivers at least once: a tick that has succeeded is answered and not done again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.faults.killable_app import KillableApp
from tests.faults.oracle import differences
from tests.sandbox.clock import ManualClock
from tests.sandbox.comagic.switches import CoMagicSwitches
from tests.sandbox.faults import Fault
from tests.sandbox.world import World
from tests.support.factories import NOON

pytestmark = pytest.mark.anyio

ANNA = "79261234567"


def tick(hour: int, job: str = "sync-hourly") -> dict[str, str]:
    return {"X-CloudScheduler-JobName": job, "X-CloudScheduler-ScheduleTime": f"2026-06-15T{hour:02}:00:00+03:00"}


@pytest.fixture
async def bridge(tmp_path: Path) -> AsyncIterator[KillableApp]:
    """A bridge with one sale to set."""
    world = World(ManualClock(NOON), comagic_switches=CoMagicSwitches(duplicate_set="add"))
    world.comagic.add_call(ANNA, NOON - timedelta(days=1))
    agbis = world.agbis
    agbis.pay(agbis.add_order(agbis.add_client(ANNA), [("Стирка", "700")]), "700")
    bridge = KillableApp(world, str(tmp_path / "bridge.db"))
    yield bridge
    await bridge.close()


def pay_more(bridge: KillableApp) -> None:
    agbis = bridge.world.agbis
    agbis.pay(next(iter(agbis.orders)), "50")


async def test_a_tick_that_has_succeeded_is_answered_with_its_journal(bridge: KillableApp) -> None:
    first = (await bridge.get("update_db", headers=tick(12))).json()
    pay_more(bridge)
    asked = len(bridge.world.agbis.requests) + len(bridge.world.comagic.requests)
    bridge.clock.advance(timedelta(minutes=20))

    again = (await bridge.get("update_db", headers=tick(12))).json()

    assert again.pop("journal") == {**first.pop("journal"), "replayed": True}
    assert again == first
    assert len(bridge.world.agbis.requests) + len(bridge.world.comagic.requests) == asked


async def test_a_tick_is_known_to_another_process_too(bridge: KillableApp) -> None:
    first = (await bridge.get("update_db", headers=tick(12))).json()["journal"]
    await bridge.revive()

    again = (await bridge.get("update_db", headers=tick(12))).json()["journal"]

    assert (again["replayed"], again["run_id"]) == (True, first["run_id"])


@pytest.mark.parametrize("headers", [tick(13), tick(12, "sync-daily"), {}], ids=["later", "another job", "no tick"])
async def test_another_tick_runs(bridge: KillableApp, headers: dict[str, str]) -> None:
    await bridge.get("update_db", headers=tick(12))
    pay_more(bridge)

    journal = (await bridge.get("update_db", headers=headers)).json()["journal"]

    assert "replayed" not in journal
    assert (journal["tags_removed_updated"], differences(bridge.world)) == (1, [])


async def test_a_tick_that_has_failed_runs_when_it_is_delivered_again(bridge: KillableApp) -> None:
    bridge.world.comagic.fail(Fault(method="get.calls_report", kind="http_503", times=3))
    failed = await bridge.get("update_db", headers=tick(12))

    again = await bridge.get("update_db", headers=tick(12))
    replayed = await bridge.get("update_db", headers=tick(12))

    assert (failed.status_code, again.status_code) == (503, 200)
    assert "replayed" not in again.json()["journal"]
    assert differences(bridge.world) == []
    assert replayed.json()["journal"]["run_id"] == again.json()["journal"]["run_id"]


async def test_a_tick_whose_run_was_killed_anywhere_runs_when_it_is_delivered_again(bridge: KillableApp) -> None:
    """The platform kills, the Scheduler tries again: until a delivery gets through, each one is killed a step later."""
    killed = 0
    while (answer := await bridge.run_and_die(killed, headers=tick(12))) is None:
        killed += 1
        bridge.clock.advance(timedelta(minutes=2))

    assert killed > 20
    assert (answer.status_code, differences(bridge.world)) == (200, [])
    replayed = (await bridge.get("update_db", headers=tick(12))).json()["journal"]
    assert replayed["replayed"] is True
    assert len([entry for entry in bridge.world.comagic.history if entry.what == "set"]) == 1


async def test_only_a_complete_run_answers_for_its_tick(bridge: KillableApp) -> None:
    """A run that left work to do is not the day's run: the next delivery goes on."""
    bridge.world.comagic.fail(Fault(method="set.tag_sales", kind="limit_exceeded_day"))

    first = (await bridge.get("update_db", headers=tick(12))).json()["journal"]
    bridge.world.comagic.faults.clear()
    bridge.clock.advance(timedelta(days=1))
    again = (await bridge.get("update_db", headers=tick(12))).json()["journal"]

    assert (first["complete"], first["deferred"]) == (False, 1)
    assert "replayed" not in again
    assert (again["complete"], again["tags_applied"]) == (True, 1)


async def test_a_dry_run_with_the_headers_of_a_real_run_is_a_dry_run(bridge: KillableApp) -> None:
    await bridge.get("update_db", headers=tick(12))

    dry = (await bridge.get("dry_run", headers=tick(12))).json()["journal"]

    assert "replayed" not in dry
    assert dry["dry_run"] is True

"""/runs: the stored runs, and the progress of the run that is going on."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from crm_bridge.domain.run import LEASE_TTL, Lease, Phase, Run, RunStatus
from crm_bridge.ports import SalesStore
from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from crm_bridge.usecases.progress import ProgressReporter
from tests.sandbox.faults import Fault
from tests.sandbox.transport import SandboxTransport
from tests.sandbox.world import populate
from tests.support.database_dump import dump
from tests.support.sync_app import SyncApp, sync_app_on

pytestmark = pytest.mark.anyio


async def runs(bridge: SyncApp, query: str = "") -> list[dict[str, Any]]:
    answer = await bridge.get(query, path="/runs")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["runs"]
    return found


async def test_before_the_first_run_there_is_none(bridge: SyncApp) -> None:
    assert await runs(bridge) == []


async def test_the_newest_run_comes_first_with_its_parameters_and_how_it_ended(bridge_on_each_store: SyncApp) -> None:
    bridge = bridge_on_each_store
    populate(bridge.world, seed=3, phones=20)
    first, second = await bridge.run(), await bridge.run("")
    bridge.world.agbis.fail(Fault(method="OrderByDateTimeForAll", kind="no_orders_key", times=None))
    await bridge.get("update_db&log=none")

    listed = await runs(bridge)

    assert [run["status"] for run in listed] == ["failed", "succeeded", "succeeded"]
    assert [run["run_id"] for run in listed[1:]] == [second["run_id"], first["run_id"]]
    assert [run["parameters"] for run in listed] == ["update_db", "", "update_db"]
    assert "Agbis" in listed[0]["message"]
    assert listed[2]["figures"]["tags_applied"] == first["tags_applied"]
    assert (listed[2]["figures"]["balanced"], listed[2]["figures"]["complete"]) == (True, True)


async def test_a_stored_run_has_the_journal_that_it_answered(bridge_on_each_store: SyncApp) -> None:
    bridge = bridge_on_each_store
    populate(bridge.world, seed=3, phones=20)
    journal = await bridge.run()

    stored = (await bridge.get(path=f"/runs/{journal['run_id']}")).json()

    assert stored["journal"] == journal
    assert (stored["status"], stored["started_at"]) == ("succeeded", journal["started_at"])


async def test_the_log_of_a_stored_journal_can_be_cut_too(bridge: SyncApp) -> None:
    populate(bridge.world, seed=3, phones=20)
    journal = await bridge.run()

    stored = (await bridge.get("log=changes", path=f"/runs/{journal['run_id']}")).json()["journal"]

    assert stored["log"] == [row for row in journal["log"] if row["result"] not in {"not_found", "problem"}]


async def test_a_dry_run_leaves_no_run(bridge: SyncApp) -> None:
    populate(bridge.world, seed=3, phones=20)
    await bridge.run("update_db&dry_run")
    await bridge.run("dry_run")

    assert await runs(bridge) == []


async def test_no_more_runs_are_listed_than_asked_for(bridge: SyncApp) -> None:
    for _ in range(3):
        await bridge.run()

    assert len(await runs(bridge, "limit=2")) == 2


@pytest.mark.parametrize("query", ["limit=0", "limit=1000", "limit=many", "x=1", "format=csv", "limit=1&limit=2"])
async def test_a_bad_parameter_is_a_400(bridge: SyncApp, query: str) -> None:
    assert (await bridge.get(query, path="/runs")).status_code == 400


@pytest.mark.parametrize("run_id", ["unknown", "a/b", "<script>", "0" * 100, "lease"])
async def test_an_unknown_run_is_a_404(bridge: SyncApp, run_id: str) -> None:
    answer = await bridge.get(path=f"/runs/{run_id}")

    assert (answer.status_code, list(answer.json())) == (404, ["success", "message"])


@pytest.mark.parametrize("path", ["/runs", "/runs/x", "/explain", "/check_setup"])
async def test_these_paths_take_get_only(bridge: SyncApp, path: str) -> None:
    answer = await bridge.get(path=path, method="POST")

    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")


async def test_a_request_for_runs_changes_nothing_and_makes_no_remote_call(bridge: SyncApp) -> None:
    populate(bridge.world, seed=3, phones=20)
    journal = await bridge.run()
    before = await dump(bridge.store)
    calls = len(bridge.world.agbis.requests) + len(bridge.world.comagic.requests)

    await runs(bridge)
    await bridge.get(path=f"/runs/{journal['run_id']}")

    assert await dump(bridge.store) == before
    assert len(bridge.world.agbis.requests) + len(bridge.world.comagic.requests) == calls


async def test_a_run_is_deleted_after_its_days(tmp_path: Path) -> None:
    store = SqliteSalesStore(str(tmp_path / "bridge.db"))
    async with sync_app_on(store, {"RUNS_TTL_DAYS": "7"}) as bridge:
        old = await bridge.run()
        bridge.clock.advance(timedelta(days=7))
        new = await bridge.run()

        assert [run["run_id"] for run in await runs(bridge)] == [new["run_id"]]
        assert (await bridge.get(path=f"/runs/{old['run_id']}")).status_code == 404
    await store.close()


class Watched(httpx.AsyncBaseTransport):
    """A network on which each call takes a second; /runs is read before each call.

    Attributes:
        seen: The newest run as /runs showed it, each state once.
    """

    def __init__(self, bridge: SyncApp) -> None:
        self.seen: list[dict[str, Any]] = []
        self._bridge = bridge
        self._network = SandboxTransport(bridge.world.app)
        bridge.use_network(self)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._bridge.clock.advance(timedelta(seconds=1))
        newest = (await runs(self._bridge))[0]
        if newest not in self.seen:
            self.seen.append(newest)
        return await self._network.handle_async_request(request)

    async def run(self, query: str) -> None:
        assert (await self._bridge.get(query)).status_code == 200


async def test_a_run_that_is_going_on_shows_its_phases_and_how_far_it_is(bridge: SyncApp) -> None:
    agbis, comagic, now = bridge.world.agbis, bridge.world.comagic, bridge.clock.now()
    for number in range(100):
        client = agbis.add_client(f"7926{number:07}", at=now - timedelta(days=400))
        agbis.pay(agbis.add_order(client, [("Стирка", "10")], at=now - timedelta(hours=2)), "10")
        comagic.add_call(f"7926{number:07}", now - timedelta(hours=3))
    watched = Watched(bridge)

    await watched.run("update_db")

    reports = [run["progress"] for run in watched.seen if "progress" in run]
    phases = list(dict.fromkeys(progress["phase"] for progress in reports))
    assert phases[0] in {Phase.REFRESHING, Phase.LOOKING_UP}
    assert phases[-1] == Phase.APPLYING
    for phase in (Phase.LOOKING_UP, Phase.APPLYING):
        steps = [progress for progress in reports if progress["phase"] == phase]
        assert [step["done"] for step in steps] == sorted(step["done"] for step in steps)
        assert {step["total"] for step in steps} == {100}
    assert all(run["status"] == "running" for run in watched.seen[:-1])
    assert (await runs(bridge))[0]["status"] == "succeeded"


class Counting:
    """Counts what is saved."""

    def __init__(self, store: SalesStore) -> None:
        self.runs: list[Run] = []
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def save_run(self, run: Run) -> None:
        self.runs.append(run)
        await self._store.save_run(run)


async def test_progress_is_stored_at_most_every_three_seconds(bridge: SyncApp) -> None:
    store = Counting(bridge.store)
    now = bridge.clock.now()
    run = Run(run_id="r", status=RunStatus.RUNNING, started_at=now, expires_at=now + timedelta(days=1))
    progress = ProgressReporter(store, bridge.clock, run)  # type: ignore[arg-type]  # it passes the rest on

    for number in range(100):
        await progress.report(Phase.APPLYING, number, 100)
        bridge.clock.advance(timedelta(seconds=0.1))

    assert [saved.progress.done for saved in store.runs if saved.progress] == [30, 60, 90]


async def test_a_run_with_nothing_to_do_is_saved_twice_and_nothing_else(bridge: SyncApp) -> None:
    populate(bridge.world, seed=3, phones=20)
    await bridge.run()
    written: list[Any] = []
    store = Counting(bridge.store)
    bridge.store = store  # type: ignore[assignment]  # it passes the rest on
    write = store._store.write

    async def noted(changes: Any, *, run_id: str) -> None:
        batch = list(changes)
        written.extend(batch)
        await write(batch, run_id=run_id)

    store.write = noted  # type: ignore[attr-defined]
    await bridge.run("")

    assert [run.status for run in store.runs] == [RunStatus.RUNNING, RunStatus.SUCCEEDED]
    assert written == []


async def test_a_run_whose_process_was_killed_is_interrupted(bridge: SyncApp) -> None:
    now = bridge.clock.now()
    lease = Lease(run_id="killed", started_at=now, until=now + LEASE_TTL)
    run = Run(run_id="killed", status=RunStatus.RUNNING, started_at=now, expires_at=now + timedelta(days=1))
    await bridge.store.take_lease(lease, now=now)
    await bridge.store.save_run(run)

    assert (await runs(bridge))[0]["status"] == "running"
    bridge.clock.advance(LEASE_TTL)
    assert (await runs(bridge))[0]["status"] == "interrupted"


async def test_runs_are_listed_without_credentials(tmp_path: Path) -> None:
    store = SqliteSalesStore(str(tmp_path / "bridge.db"))
    async with sync_app_on(store, {"COMAGIC_TOKEN": "", "AGBIS_URL": ""}) as bridge:
        assert (await bridge.get(path="/runs")).status_code == 200
    await store.close()

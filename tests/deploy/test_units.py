"""The units' own command lines, run as another user in a scratch root; and the files as systemd reads them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.deploy.units import UNITS, ScratchRoot, supervised
from tests.sandbox.serve import serve_in_thread
from tests.sandbox.world import World, populate
from tests.support.function_process import ROOT, free_port
from tests.support.waiting import PATIENCE, wait_until

KEY = {"X-API-Key": "k3y-of-sync"}
TIMERS = {"daily": "crm-bridge-run@daily.service", "often": "crm-bridge-run@often.service", "backup": None}


@pytest.fixture
def world() -> World:
    world = World(password="pa55word-of-agbis", token="t0ken-of-comagic")
    populate(world, phones=20)
    return world


@pytest.fixture
def root(world: World) -> Iterator[ScratchRoot]:
    ports = {name: str(free_port()) for name in ("sync", "exchange")}
    # Not in `tmp_path`: every start of pytest closes its folder to other users.
    with tempfile.TemporaryDirectory(prefix="crm-bridge-") as folder, serve_in_thread(world) as base:
        root = ScratchRoot(Path(folder) / "root")
        of_sync = {**world.settings(base), "SYNC_API_KEY": KEY["X-API-Key"]}
        root.write_settings("sync", {"HOST": "127.0.0.1", "PORT": ports["sync"], **of_sync})
        root.write_settings("exchange", {"HOST": "127.0.0.1", "PORT": ports["exchange"], "EXCHANGE_API_KEY": "k2"})
        example = (ROOT / "deploy" / "schedule.env.example").read_text().splitlines()
        lines = dict(line.split("=", 1) for line in example if not line.startswith("#"))
        root.write_settings("schedule", {name: text.strip('"') for name, text in lines.items()})
        yield root


def address(root: ScratchRoot, function: str) -> str:
    env = root.environment(root.unit("crm-bridge@.service", function))
    return f"http://127.0.0.1:{env['PORT']}"


def is_healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/check_health", headers=KEY, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def test_sync_comes_back_after_a_kill_and_the_timers_do_their_runs(root: ScratchRoot, world: World) -> None:
    url = address(root, "sync")
    with supervised(root, "crm-bridge@.service", "sync") as service:
        wait_until(lambda: is_healthy(url), "sync answers")
        status = Path(f"/proc/{service.process.pid}/status").read_text()

        first = root.run("crm-bridge-run@.service", "daily", TRIGGER_TIMER_REALTIME_USEC="1767243900000000")
        sales = {key: list(value) for key, value in world.comagic.sales.items()}
        again = root.run("crm-bridge-run@.service", "daily", TRIGGER_TIMER_REALTIME_USEC="1767243900000000")
        os.kill(service.process.pid, signal.SIGKILL)  # and its workers are orphans now
        wait_until(lambda: service.starts >= 2 and is_healthy(url), "sync answers again")
        often = root.run("crm-bridge-run@.service", "often")
        runs = httpx.get(f"{url}/runs", headers=KEY, timeout=PATIENCE).json()["runs"]

    assert f"Uid:\t{root.uid}\t{root.uid}" in status
    assert (first[0], again[0], often[0]) == (0, 0, 0), (first, again, often)
    assert first[1] == again[1], "the same tick is answered with the first one's journal"
    assert [run["parameters"] for run in runs] == ["", "update_db"]
    assert {key: list(value) for key, value in world.comagic.sales.items()} == sales
    assert "often: 200 Sales that were applied: 0" in often[1]
    assert "k3y-of-sync" not in service.said + first[1] + often[1]
    assert (root.path("/var/lib/crm-bridge/sync/bridge.db").stat().st_mode & 0o777, url) == (0o600, url)


def test_exchange_runs_from_its_unit_and_comes_back_after_a_kill(root: ScratchRoot) -> None:
    url = address(root, "exchange")
    with supervised(root, "crm-bridge@.service", "exchange") as service:
        wait_until(lambda: is_healthy(url), "exchange answers")
        card = {"name": "Анна", "phone": "9156685347", "arpu": "4570", "soc_tariff": "TESTSOC"}
        posted = httpx.post(f"{url}/api/a1", json=card, headers={"X-API-Key": "k2"}, timeout=PATIENCE)
        os.kill(service.process.pid, signal.SIGKILL)
        wait_until(lambda: service.starts >= 2 and is_healthy(url), "exchange answers again")
        got = httpx.get(f"{url}/api/a1", headers={"X-API-Key": "k2"}, timeout=PATIENCE)
        without = httpx.get(f"{url}/api/a1", timeout=PATIENCE)

    assert (posted.status_code, got.json()["name"], without.status_code) == (200, "Анна", 401)
    assert "COMAGIC_TOKEN" not in root.environment(root.unit("crm-bridge@.service", "exchange"))


def test_a_tick_without_its_service_fails_and_says_why(root: ScratchRoot) -> None:
    status, said = root.run("crm-bridge-run@.service", "often")

    assert status == 1
    assert "sync does not answer" in said


@pytest.mark.parametrize("timer", TIMERS)
def test_a_timer_names_its_time_zone_and_makes_up_for_lost_time(root: ScratchRoot, timer: str) -> None:
    unit = root.unit(f"crm-bridge-{timer}.timer")

    assert unit["Timer.OnCalendar"][0].endswith(" Europe/Moscow")
    assert unit["Timer.Persistent"] == ["yes"]
    assert unit.get("Timer.Unit") == (None if TIMERS[timer] is None else [TIMERS[timer]])
    assert (UNITS / "crm-bridge-backup.service").exists()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="NO SYSTEMD: the units were not verified")
def test_systemd_finds_no_fault_in_the_units(root: ScratchRoot, tmp_path: Path) -> None:
    folder = tmp_path / "units"
    folder.mkdir()
    for file in UNITS.iterdir():
        (folder / file.name).write_text(root.moved(file.read_text()))
    for instance in ("sync", "exchange"):
        (folder / f"crm-bridge@{instance}.service").symlink_to(folder / "crm-bridge@.service")
    for job in ("daily", "often"):
        (folder / f"crm-bridge-run@{job}.service").symlink_to(folder / "crm-bridge-run@.service")
    files = [str(each) for each in folder.iterdir() if "@." not in each.name]

    found = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *files], capture_output=True, text=True, check=False, timeout=PATIENCE
    )

    ours = [line for line in found.stderr.splitlines() if "crm-bridge" in line]
    assert (found.returncode, ours) == (0, [])

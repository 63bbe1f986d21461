"""The time of a run over its ideal: necessary requests x latency / how many may be under way at once.

The simulators are a process of their own, behind real sockets. Under a quota time is simulated, because minutes would
have to be waited for; there the ideal is the quota's own minimum.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from crm_bridge import wiring
from crm_bridge.settings import Settings
from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from crm_bridge.usecases.run_context import SyncRequest
from crm_bridge.usecases.run_sync import run_sync
from tests.benchmarks.figures import Figure, ratio
from tests.benchmarks.population import Population
from tests.sandbox.clock import ManualClock
from tests.sandbox.serve import serve_in_thread
from tests.sandbox.world import World
from tests.support.factories import NOON
from tests.support.sync_app import sync_app_on

CONCURRENCY = 5
PAGE = 10_000


@dataclass(frozen=True, kw_only=True)
class Size:
    """`changes` of the phones have a sale to set; of another sixth of those one stands that is out of date."""

    phones: int
    calls: int
    changes: int


def fill(world: World, size: Size) -> None:
    """Fill a world so that a first run has so many changes to make: a sixth of them replacements."""
    population = Population(world)
    with_sales = size.changes // 6
    old = population.customers(with_sales, hours=30, known_hours=30, call_every=1)
    population.sell(old, kopecks=100)
    population.customers(size.changes - with_sales, hours=20, known_hours=20, call_every=1)
    population.customers(size.phones - size.changes, hours=10, known_hours=10, call_every=0)
    population.strangers(size.calls - size.changes)


def necessary(size: Size) -> tuple[int, int]:
    """Return the requests of such a run: to Agbis, one at a time, and to CoMagic."""
    return 1 + 2 * 3, 1 + -(-size.calls // PAGE) + size.changes + size.changes // 6


def measure(size: Size, *, latency: float) -> list[Figure]:
    with TemporaryDirectory() as folder, _sandbox(size, latency) as base:
        measured, round_trip, journal = asyncio.run(_timed(base, folder))
    agbis, comagic = necessary(size)
    made = sum(journal["requests"].values())
    assert journal["tags_applied"] + journal["tags_removed_updated"] == size.changes, journal["money"]
    ideal = latency * (agbis + comagic / CONCURRENCY)
    figure = ratio(
        "wall", f"{size.changes:,} changes, {latency * 1000:.0f} ms latency", measured, ideal, limit=1.15, unit="s"
    )
    reachable = round_trip * (agbis + comagic / CONCURRENCY)
    return [
        figure,
        Figure(
            concern="wall",
            name="the same, over what bare requests take here",
            value=measured / reachable,
            limit=1.15,
            how=f"a bare request took {round_trip * 1000:.1f} ms; {made} were made",
        ),
    ]


async def _timed(base: str, folder: str) -> tuple[float, float, Mapping[str, Any]]:
    env = {"STORE_URL": f"sqlite:///{folder}/bridge.db", **World().settings(base)}
    wiring._sync_services.cache_clear()
    services = wiring._sync_services(Settings.from_env(env))
    started = time.perf_counter()
    answer = await run_sync(SyncRequest(update_db=True), services)
    took = time.perf_counter() - started
    return took, await _round_trip(base), answer.journal


async def _round_trip(base: str) -> float:
    """Return how long a request takes with so many under way, and nothing of ours around it."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "get.account", "params": {"access_token": "token"}}
    requests = 50

    async def ask(http: httpx.AsyncClient) -> None:
        for _ in range(requests):
            (await http.post(f"{base}/v2.0", json=body)).raise_for_status()

    async with httpx.AsyncClient() as http:
        await ask(http)
        started = time.perf_counter()
        await asyncio.gather(*(ask(http) for _ in range(CONCURRENCY)))
        return (time.perf_counter() - started) / requests


@contextmanager
def _sandbox(size: Size, latency: float) -> Iterator[str]:
    """Serve a filled world from a process of its own."""
    options = json.dumps({"phones": size.phones, "calls": size.calls, "changes": size.changes, "latency": latency})
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.wall", options], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().decode().strip()
    finally:
        process.stdin.close()  # which ends it
        process.wait(20)


def _serve(text: str) -> None:
    options = json.loads(text)
    world = World(latency=options.pop("latency"))
    fill(world, Size(**options))
    with serve_in_thread(world) as base:
        print(base, flush=True)
        sys.stdin.read()


def measure_quota(size: Size, *, points_a_minute: int) -> list[Figure]:
    simulated = asyncio.run(_under_quota(size, points_a_minute))
    _, points = necessary(size)
    least = (points - 1) // points_a_minute * 60  # the last minute's points are there at once
    return [
        ratio(
            "wall",
            f"{size.changes:,} changes at {points_a_minute} points a minute",
            simulated,
            least,
            limit=1.05,
            unit="s",
        )
    ]


async def _under_quota(size: Size, points_a_minute: int) -> float:
    """Run on a clock that only waiting moves; return the seconds that passed."""
    with TemporaryDirectory() as folder:
        store = SqliteSalesStore(str(Path(folder) / "bridge.db"))
        world = World(ManualClock(NOON))
        world.comagic.minute_limit = points_a_minute
        fill(world, size)
        async with sync_app_on(store, {"SYNC_TIME_BUDGET_SECONDS": "3600"}, world=world) as bridge:
            journal = await bridge.run()
            assert journal["complete"], journal["money"]
            passed = bridge.clock.now() - NOON - timedelta(minutes=2)  # which `run` lets pass afterwards
        await store.close()
        return passed.total_seconds()


if __name__ == "__main__":
    _serve(sys.argv[1])

"""A backfill of many orders as deals: CoMagic's points, and the memory of the function, on both databases."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from tests.benchmarks.deployed import LIMIT_MB, peak_memory
from tests.benchmarks.figures import Figure
from tests.faults.deal_oracle import deal_differences
from tests.sandbox.serve import serve_in_thread
from tests.sandbox.world import World
from tests.support.databases import Database, FirestoreDatabase, SqliteDatabase
from tests.support.firestore_emulator import NoEmulatorError, firestore_emulator
from tests.support.function_process import running_function

DAYS = 100
EMULATED = 5_000
"""Orders on the emulator, which takes 30 ms for each order of a refresh."""

LIMIT_POINTS = 2.2
"""For a thousand orders: an upload, a request of contacts, and a tenth for all else."""


def measure(orders: int) -> list[Figure]:
    """Measure on SQLite and, when its emulator can be had, on Firestore."""
    figures = _measured(orders, None)
    try:
        with firestore_emulator() as host:
            figures += _measured(min(orders, EMULATED), host)
    except NoEmulatorError as exc:
        figures.append(Figure(concern="deals", name="Firestore was not measured", value=0, how=str(exc)))
    return figures


def _measured(orders: int, host: str | None) -> list[Figure]:
    with TemporaryDirectory() as folder, ExitStack() as stack:
        database: Database = FirestoreDatabase(host) if host else SqliteDatabase(Path(folder) / "bridge.db")
        world = World()
        first_day = _fill(world, orders)
        base = stack.enter_context(serve_in_thread(world))
        log = stack.enter_context((Path(folder) / "log").open("wb"))
        settings = {
            "STORE_URL": database.url,
            **world.settings(base),
            "COMAGIC_DEALS": "on",
            "SYNC_TIME_BUDGET_SECONDS": "3600",
            "WORKERS": "1",
            **database.env,
        }
        function = stack.enter_context(running_function("sync", settings, output=log.fileno()))
        started = time.perf_counter()
        query = f"update_db&date_from={first_day}&log=none"
        answer = httpx.get(f"{function.url}/?{query}", timeout=3600)
        seconds = time.perf_counter() - started
        assert answer.status_code == 200, answer.text[:500]
        journal: Mapping[str, Any] = answer.json()["journal"]
        assert journal["complete"], journal["deals"]
        assert journal["deals"]["uploaded"] == orders, journal["deals"]
        assert deal_differences(world) == []
        store = "Firestore" if host else "SQLite"
        asked = {name: count for name, count in journal["requests"].items() if "." in name}
        return [
            Figure(
                concern="deals",
                name=f"{store}, points for {orders:,} orders backfilled",
                value=world.comagic.points_used,
                limit=max(20, LIMIT_POINTS * orders / 1000),
                how=", ".join(f"{name} {count}" for name, count in asked.items()),
            ),
            Figure(
                concern="deals",
                name=f"{store}, memory for {orders:,} orders backfilled",
                value=peak_memory(function.process.pid),
                unit="MiB",
                limit=LIMIT_MB,
                how=f"the run took {seconds:.0f} s",
            ),
        ]


def _fill(world: World, orders: int) -> str:
    """Enter orders of as many clients, evenly over some days; return the first of them."""
    now = world.clock.now().replace(microsecond=0)
    for number in range(orders):
        at = now - timedelta(days=DAYS) + timedelta(days=DAYS) * number / orders
        client = world.agbis.add_client(f"79{number:09}", at=at)
        order = world.agbis.add_order(client, [("Химчистка пальто", "700.50")], at=at)
        world.agbis.pay(order, "700.50", at=at)
        if number % 2:
            world.agbis.set_status(order, 5, at=at)
    return f"{now - timedelta(days=DAYS + 1):%Y-%m-%d}"

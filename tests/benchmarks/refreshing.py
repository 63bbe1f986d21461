"""Memory of a refresh in which the CRM shows very many changed orders at once, as after a mass change in it."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from tests.benchmarks.deployed import peak_memory
from tests.benchmarks.figures import Figure
from tests.benchmarks.population import Population
from tests.sandbox.serve import serve_in_thread
from tests.sandbox.world import World
from tests.support.databases import SqliteDatabase
from tests.support.function_process import running_function

LIMIT_MB = 768
_HOURS = 70  # of the three days that a refresh looks back


def measure(orders: int) -> list[Figure]:
    """Refresh twice from three days with so many changed orders: into an empty database, and again."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        world = World()
        population = Population(world)
        for hour in range(_HOURS):
            population.customers(orders * (hour + 1) // _HOURS - population.number, hours=hour + 1, call_every=0)
        base = stack.enter_context(serve_in_thread(world))
        log = stack.enter_context((Path(folder) / "log").open("wb"))
        url = SqliteDatabase(Path(folder) / "bridge.db").url
        settings = {"STORE_URL": url, **world.settings(base), "WORKERS": "1"}
        function = stack.enter_context(running_function("sync", settings, output=log.fileno()))
        httpx.get(f"{function.url}/check_health", timeout=60).raise_for_status()
        idle = peak_memory(function.process.pid)
        figures = []
        for name in ("the first time", "again"):
            started = time.perf_counter()
            answer = httpx.get(f"{function.url}/?update_db&log=none", timeout=1500)
            seconds = time.perf_counter() - started
            answer.raise_for_status()
            journal = answer.json()["journal"]
            assert journal["complete"], journal["money"]
            assert journal["money"]["balanced"], journal["money"]
            assert journal["refresh"]["orders_read"] == orders, journal["refresh"]
            figures.append(
                Figure(
                    concern="memory",
                    name=f"a refresh of {orders:,} changed orders in three days, {name}",
                    value=peak_memory(function.process.pid),
                    unit="MiB",
                    limit=LIMIT_MB,
                    how=f"{idle:.0f} MiB before; the run took {seconds:.0f} s, "
                    f"{sum(journal['requests'].values()):,} requests",
                )
            )
    return figures

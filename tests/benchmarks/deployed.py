"""The real function as a process, at 1x, 10x and 100x: its memory, its CPU, and how they grow.

The simulators are in another process than the function, so only ours is measured.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from tests.benchmarks.figures import Figure, exponent
from tests.benchmarks.population import Population
from tests.sandbox.serve import serve_in_thread
from tests.sandbox.world import World
from tests.support.databases import Database, FirestoreDatabase, SqliteDatabase
from tests.support.firestore_emulator import NoEmulatorError, firestore_emulator
from tests.support.function_process import running_function

MEGABYTE = 1024 * 1024
LIMIT_MB = 512
LIMIT_EXPONENT = 1.05


@dataclass(frozen=True, kw_only=True)
class Run:
    """A daily run, measured from outside.

    Attributes:
        megabytes: The peak of resident memory, all processes of the function together.
        base: The same when it had only answered `/check_health`.
        cpu: Seconds.
        answered: Bytes of its answer.
    """

    calls: int
    phones: int
    megabytes: float
    base: float
    cpu: float
    seconds: float
    requests: int
    answered: int


def measure(sizes: list[tuple[int, int]]) -> list[Figure]:
    """Measure at sizes of (calls, phones), on SQLite and, when its emulator can be had, on Firestore."""
    figures = _figures("SQLite", [_measured(calls, phones, None) for calls, phones in sizes])
    try:
        runs = []
        for calls, phones in sizes:
            with firestore_emulator() as host:  # a new one for each, because it holds everything in memory
                runs.append(_measured(calls, phones, host))
    except NoEmulatorError as exc:
        figures.append(Figure(concern="memory", name="Firestore was not measured", value=0, how=str(exc)))
    else:
        figures += _figures("Firestore", runs)
    return figures


def _measured(calls: int, phones: int, host: str | None) -> Run:
    with TemporaryDirectory() as folder, ExitStack() as stack:
        database: Database = FirestoreDatabase(host) if host else SqliteDatabase(Path(folder) / "bridge.db")
        world = World()
        asyncio.run(_fill(world, database, calls, phones))
        base = stack.enter_context(serve_in_thread(world))
        log = stack.enter_context((Path(folder) / "log").open("wb"))
        settings = {
            "STORE_URL": database.url,
            **world.settings(base),
            "WORKERS": "1",
            **database.env,
        }
        function = stack.enter_context(running_function("sync", settings, output=log.fileno()))
        httpx.get(f"{function.url}/check_health", timeout=60).raise_for_status()
        idle, cpu = peak_memory(function.process.pid), _cpu_seconds(function.process.pid)
        started = time.perf_counter()
        answer = httpx.get(f"{function.url}/?update_db", timeout=1500)
        seconds = time.perf_counter() - started
        assert answer.status_code == 200, answer.text[:500]
        journal: Mapping[str, Any] = answer.json()["journal"]
        assert journal["complete"], journal["money"]
        assert journal["tags_applied"] == phones // 100, journal["tags_applied"]
        return Run(
            calls=calls,
            phones=phones,
            megabytes=peak_memory(function.process.pid),
            base=idle,
            cpu=_cpu_seconds(function.process.pid) - cpu,
            seconds=seconds,
            requests=sum(journal["requests"].values()),
            answered=len(answer.content),
        )


async def _fill(world: World, database: Database, calls: int, phones: int) -> None:
    """Make a settled customer on whom a day has passed: a hundredth of the phones are new and have a sale to set."""
    population = Population(world)
    new = phones // 100
    known = population.customers(phones - new, hours=24 * 12)
    population.sell(known)
    await population.remember(database.sales(), known, with_orders=False)
    await database.close()
    population.customers(new, hours=6, call_every=1)
    population.strangers(calls - len(world.comagic.communications()))


def _figures(store: str, runs: list[Run]) -> list[Figure]:
    figures = [
        Figure(
            concern="memory",
            name=f"{store}, {run.calls:,} calls, {run.phones:,} phones",
            value=run.megabytes,
            unit="MiB",
            limit=LIMIT_MB,
            how=f"{run.base:.0f} MiB before; the run took {run.seconds:.1f} s, {run.cpu:.1f} s of CPU, "
            f"{run.requests:,} requests; its answer has {run.answered / MEGABYTE:.1f} MiB",
        )
        for run in runs
    ]
    if len(runs) > 1:
        sizes = [float(run.calls) for run in runs]
        grows = {
            "memory above its base": [run.megabytes - run.base for run in runs],
            "CPU": [run.cpu for run in runs],
            "requests": [float(run.requests) for run in runs],
            "time": [run.seconds for run in runs],
        }
        figures += [
            Figure(
                concern="growth",
                name=f"{store}, {what}",
                value=exponent(sizes, values),
                unit="exponent",
                limit=LIMIT_EXPONENT,
                how=" → ".join(f"{value:,.3g}" for value in values),
            )
            for what, values in grows.items()
        ]
    return figures


def _processes(leader: int) -> list[Path]:
    """Find the processes of a function's group."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has ended meanwhile
            if int(fields[2]) == leader:
                found.append(folder)
    return found


def peak_memory(leader: int) -> float:
    """Return the peaks of resident memory of a group, in MiB."""
    lines = [line for folder in _processes(leader) for line in (folder / "status").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def _cpu_seconds(leader: int) -> float:
    fields = [(folder / "stat").read_text().rpartition(")")[2].split() for folder in _processes(leader)]
    return sum(int(each[11]) + int(each[12]) for each in fields) / 100

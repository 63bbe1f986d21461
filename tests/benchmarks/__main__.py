"""`make bench`: all measurements, as one table and as JSON.

`PYTHONPATH=function python -m tests.benchmarks --quick --only cpu memory`
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import (
    backfill,
    cpu,
    deployed,
    exchange,
    operations,
    refreshing,
    requests,
    starting,
    storing,
    wall,
)
from tests.benchmarks.days import Sizes, lived
from tests.benchmarks.figures import Figure, table
from tests.support.function_process import ROOT


def _requests(quick: bool) -> list[Figure]:
    return requests.measure(asyncio.run(lived(_customer(quick))))


def _operations(quick: bool) -> list[Figure]:
    sizes = _customer(quick)
    return operations.measure(asyncio.run(lived(sizes)), sizes)


def _customer(quick: bool) -> Sizes:
    return Sizes(phones=500, calls=12_000, daily=10) if quick else Sizes(phones=2_000, calls=25_000, daily=40)


def _wall(quick: bool) -> list[Figure]:
    changes = 300 if quick else 3_000
    size = wall.Size(phones=5_000, calls=50_000, changes=changes)
    return [*wall.measure(size, latency=0.05), *wall.measure_quota(size, points_a_minute=200)]


def _cpu(quick: bool) -> list[Figure]:
    return cpu.measure([1_000, 10_000] if quick else [1_000, 10_000, 100_000], rounds=15)


def _memory(quick: bool) -> list[Figure]:
    sizes = [(10_000, 2_000), (100_000, 20_000), (1_000_000, 200_000)]
    return [*deployed.measure(sizes[:2] if quick else sizes), *refreshing.measure(20_000 if quick else 200_000)]


def _start(quick: bool) -> list[Figure]:
    return starting.measure(rounds=3 if quick else 15)


def _store(quick: bool) -> list[Figure]:
    return storing.measure(1_000 if quick else 5_000)


def _exchange(quick: bool) -> list[Figure]:
    if quick:
        return exchange.measure(clients=[1, 8], rounds=3, seconds=0.5, waits=3)
    return exchange.measure(clients=[1, 8, 64], rounds=12, seconds=0.6, waits=20)


def _deals(quick: bool) -> list[Figure]:
    return backfill.measure(5_000 if quick else 100_000)


CONCERNS: dict[str, Callable[[bool], list[Figure]]] = {
    "requests": _requests,
    "wall": _wall,
    "cpu": _cpu,
    "memory": _memory,  # and growth
    "start": _start,
    "store": _store,
    "operations": _operations,
    "exchange": _exchange,
    "deals": _deals,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes: some minutes instead of ten")
    parser.add_argument("--only", nargs="+", choices=CONCERNS, default=list(CONCERNS), metavar="CONCERN")
    parser.add_argument("--json", type=Path, default=ROOT / "data" / "bench.json", help="where the figures are written")
    options = parser.parse_args()
    figures: list[Figure] = []
    for name in options.only:
        started = time.perf_counter()
        figures += CONCERNS[name](options.quick)
        print(f"{name}: {time.perf_counter() - started:.0f} s", flush=True)
    print()
    print(table(figures))
    missed = [figure.name for figure in figures if figure.met is False]
    print(f"\n{len(missed)} missed: {'; '.join(missed)}" if missed else "\nAll met.")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version(), "system": platform.system()},
        "quick": options.quick,
        "figures": [figure.as_json() for figure in figures],
    }
    options.json.write_text(json.dumps(report, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    print(f"Written: {options.json}")


if __name__ == "__main__":
    main()

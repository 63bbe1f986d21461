"""`make demo`: the main job twice, on simulated systems; the second run has nothing to do. Then a card is exchanged.

Prints the first answer, then the counters of the second, then the card. Exits with 1 when anything is wrong.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.sandbox.attribution_cases import CASES, add_attribution_cases
from tests.sandbox.serve import serve_in_thread
from tests.sandbox.world import World, populate
from tests.support.function_process import running_function

COUNTERS = (
    "tags_applied",
    "tags_removed_updated",
    "tags_removed",
    "problem",
    "failed",
    "deferred",
    "money",
    "requests",
)


def main() -> int:
    world = World()
    populate(world, seed=1, phones=60)
    add_attribution_cases(world)
    print("Among the clients, each of these is meant:", file=sys.stderr)
    for phone, case in CASES.items():
        print(f"  {phone} {case}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "function.log").open("w+b") as output:
        with serve_in_thread(world) as base:
            settings = {"STORE_URL": f"sqlite:///{folder}/bridge.db", **world.settings(base)}
            with running_function("sync", settings, output=output) as function:
                first = httpx.get(f"{function.url}/?update_db", timeout=120).json()
                print(json.dumps(first, ensure_ascii=False, indent=2))
                second = httpx.get(f"{function.url}/?update_db", timeout=120).json()
        journal = second.get("journal", {})
        print("\nThe same call again:")
        print(json.dumps({name: journal.get(name) for name in COUNTERS}, ensure_ascii=False, indent=2))
        card = {"name": "Анна Петрова", "phone": "9156685347", "arpu": "4570", "soc_tariff": "TESTSOC"}
        with running_function("exchange", {"STORE_URL": f"sqlite:///{folder}/cards.db"}, output=output) as function:
            posted = httpx.post(f"{function.url}/api/test_id/", json=card, timeout=30).json()
            got = httpx.get(f"{function.url}/api/test_id/", timeout=30).json()
        print(f"\nA caller's card, posted: {json.dumps(posted)}, and what the operator's panel gets:")
        print(json.dumps(got, ensure_ascii=False, indent=2))
        problems = _problems(first.get("journal", {}), journal)
        if any(got.get(name) != value for name, value in card.items()):
            problems.append(f"the card has come back as {got}")
        if problems:
            output.seek(0)
            sys.stderr.write(output.read().decode(errors="replace"))
    for problem in problems:
        print(f"NOT AS PROMISED: {problem}", file=sys.stderr)
    return 1 if problems else 0


def _problems(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    problems = []
    results = {row["result"] for row in first.get("log", [])}
    problems += [
        f"the first journal has no {result}"
        for result in ("applied", "updated", "problem", "not_found")
        if result not in results
    ]
    results_of = {next(iter(row)): row["result"] for row in first.get("log", [])}
    found = dict(zip(CASES, [*["applied"] * 4, "failed", *["not_found"] * 2], strict=True))
    problems += [
        f"{phone} is {results_of.get(phone)}, not {result}"
        for phone, result in found.items()
        if results_of.get(phone) != result
    ]
    problems += [
        f"{which} run's money is not balanced"
        for which, journal in (("first", first), ("second", second))
        if not journal.get("money", {}).get("balanced")
    ]
    problems += [
        f"the second run has {name}: {second.get(name)}"
        for name in ("tags_applied", "tags_removed_updated", "tags_removed")
        if second.get(name) != 0
    ]
    return problems


if __name__ == "__main__":
    sys.exit(main())

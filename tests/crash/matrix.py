"""The crash matrix: one day's run, killed at every remote call and every write to the database, before and after it.

`make crash-matrix` tries every moment on SQLite and every ninth on the Firestore emulator, where a transaction that
was killed with its process holds its lock for a minute. It prints how many were survived. The moments are not listed
by hand: a run that is not killed records them.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import httpx
from starlette.types import Receive, Scope, Send

from tests.crash.restoring import restore
from tests.crash.scenario import FAILED, Day, standing
from tests.sandbox.clock import SystemClock
from tests.sandbox.comagic.switches import CoMagicSwitches
from tests.sandbox.serve import serve_in_thread
from tests.sandbox.world import World
from tests.support.database_dump import dump
from tests.support.databases import Database, FirestoreDatabase, SqliteDatabase
from tests.support.firestore_emulator import firestore_emulator
from tests.support.function_process import ROOT, Function, running_function

KILLABLE = Path(__file__).parent / "killable.py"

EVERY = {"sqlite": 1, "firestore": 9}
"""The databases, and which moments are tried on each: all, or every ninth."""

RECOVERY = timedelta(minutes=2)
"""How long after a crash the next run comes: the lease of the killed one has ended by then."""

Dump = dict[str, dict[str, Any]]


@dataclass
class CrashHarness:
    """A killable function on a sandbox, and a database that can be put back to what it was."""

    folder: Path
    database: Database
    world: World
    function: Function | None = None
    before: tuple[World, Dump] | None = None
    moments: list[str] = field(default_factory=list)
    expected: dict[str, Any] = field(default_factory=dict)

    def prepare(self) -> None:
        """Play the scenario up to the run that is to be killed, and record what that run does when it is not killed."""
        day = Day(self.world, every_kind=True, hostile=True)
        day.before()
        self.run()
        day.half_done()
        self.run()
        day.after()
        self.before = (copy.deepcopy(self.world), self.dump())
        self.reset()
        journal = self.run()
        changes = sum(journal[name] for name in ("tags_applied", "tags_removed_updated", "tags_removed"))
        assert changes >= 20, f"only {changes} changes: {journal}"
        assert (journal["failed"], journal["deferred"]) == (FAILED, 0), journal
        self.moments = (self.folder / "moments.log").read_text(encoding="utf-8").splitlines()
        self.expected = self.state()
        assert all(phone["intent"] is None for phone in self.expected["phones"].values()), "a clean run left an intent"

    def case(self, number: int) -> list[str]:
        """Kill the run at one moment, let the next run follow, and return what is wrong then."""
        self.reset()
        self.plan(kill_at=number)
        if self.call() is not None:
            return ["the run was not killed"]
        self.world.clock.advance(RECOVERY)
        self.plan(kill_at=None)
        self.run()
        state = self.state()
        return [
            f"{what}: {key}: {state[what].get(key)} instead of {self.expected[what].get(key)}"
            for what in self.expected
            for key in sorted({*state[what], *self.expected[what]})
            if state[what].get(key) != self.expected[what].get(key)
        ]

    def reset(self) -> None:
        """Put the world and the database back to the moment before the run, under a new worker."""
        assert self.before is not None
        world, documents = self.before
        self.world = copy.deepcopy(world)
        asyncio.run(restore(self.database, documents))
        pid = self.folder / "pid"
        if pid.exists():
            os.kill(int(pid.read_text(encoding="utf-8")), signal.SIGKILL)
            pid.unlink()
        (self.folder / "moments.log").unlink(missing_ok=True)
        self.plan(kill_at=None)

    def plan(self, *, kill_at: int | None) -> None:
        ahead = cast("SystemClock", self.world.clock).offset.total_seconds()
        draft = self.folder / "plan.new"
        draft.write_text(json.dumps({"kill_at": kill_at, "ahead_seconds": ahead}), encoding="utf-8")
        draft.replace(self.folder / "plan.json")

    def call(self) -> httpx.Response | None:
        """Ask for a run; None when the process died during it."""
        assert self.function is not None
        try:
            return httpx.get(f"{self.function.url}/?update_db&log=none", timeout=300)
        except httpx.TimeoutException:
            raise  # the process lives, and hangs
        except httpx.TransportError:
            return None

    def run(self) -> dict[str, Any]:
        """Do a run that must succeed; two minutes pass afterwards."""
        self.plan(kill_at=None)
        answer = self.call()
        assert answer is not None, "the function died by itself"
        assert answer.status_code == 200, answer.text
        journal: dict[str, Any] = answer.json()["journal"]
        assert journal["money"]["balanced"], "the money is not balanced"
        self.world.clock.advance(RECOVERY)
        return journal

    def dump(self) -> Dump:
        async def read() -> Dump:
            documents = await dump(self.database.sales())
            await self.database.close()
            return documents

        return asyncio.run(read())

    def state(self) -> dict[str, Any]:
        """Everything that must be the same whether a run was killed or not."""
        documents = self.dump()
        phones = documents.get("phones", {})
        kept = ("amount_kopecks", "paid_at", "comment", "order_count", "intent")
        return {
            "sales in CoMagic": dict(standing(self.world)),
            "phones": {
                phone: {name: body.get(name) for name in kept} | {"sale": _place(body.get("sale"))}
                for phone, body in phones.items()
            },
            # When a deal was last sent depends on the kill.
            "orders": {key: {**body, "deal": None} for key, body in documents.get("orders", {}).items()},
            "deals in CoMagic": _deals(self.world),
            "orders put aside": {key: body["reason"] for key, body in documents.get("unreadable_orders", {}).items()},
            "clients": {key: body["phone"] for key, body in documents.get("clients", {}).items()},
            "leases": {key: body for key, body in documents.get("state", {}).items() if key == "lease"},
        }

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.world.app(scope, receive, send)


def _deals(world: World) -> dict[str, Any]:
    deals = world.comagic.deals
    return {
        key: (
            [(record.stage.name, record.stage_at.isoformat()) for record in deal.records],
            (deal.last.revenue_kopecks, deal.last.comments, deal.last.contacts),
            [row.communication_id for row in deals.communications_of(key)],
        )
        for key, deal in deals.deals.items()
    }


def _place(sale: dict[str, Any] | None) -> tuple[int, int] | None:
    return None if sale is None else (sale["id"], sale["amount_kopecks"])


@contextmanager
def crash_harness(
    database: Database, *, concurrency: int = 1, deals: bool = False, log: Path | None = None
) -> Iterator[CrashHarness]:
    """Start a harness; with a concurrency of 1 the moments of two runs are the same ones in the same order.

    Args:
        database: An empty one.
        concurrency: The value of COMAGIC_CONCURRENCY.
        deals: Every order is a deal too.
        log: Where the log of the function goes; None for a file that is deleted afterwards.
    """
    # A second set adds a second sale here: refused, a sale set twice would go unnoticed.
    world = World(SystemClock(), comagic_switches=CoMagicSwitches(duplicate_set="add"))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        harness = CrashHarness(folder, database, world)
        harness.plan(kill_at=None)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await harness.world.app(scope, receive, send)

        base = stack.enter_context(serve_in_thread(app))
        output = stack.enter_context((log or folder / "function.log").open("wb"))
        settings = {
            "STORE_URL": database.url,
            **database.env,
            **world.settings(base),
            "COMAGIC_SOURCES": "calls,chats,offline_messages",
            "COMAGIC_CONCURRENCY": str(concurrency),
            "COMAGIC_DEALS": "on" if deals else "off",
            "CRASH_PLAN": str(folder / "plan.json"),
            "CRASH_LOG": str(folder / "moments.log"),
            "CRASH_PID": str(folder / "pid"),
            "PYTHONPATH": str(ROOT / "function"),
        }
        harness.function = stack.enter_context(running_function("sync", settings, source=KILLABLE, output=output))
        harness.prepare()
        yield harness


def survive(harness: CrashHarness, numbers: Iterable[int]) -> tuple[int, list[str]]:
    """Try these moments; return how many were tried, and what went wrong."""
    tried, wrong = 0, []
    for number in numbers:
        tried += 1
        problems = harness.case(number)
        wrong += [f"killed {harness.moments[number]} (moment {number}): {problem}" for problem in problems]
    return tried, wrong


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.matrix", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--database", choices=EVERY, nargs="+", default=list(EVERY), help="default: both")
    parser.add_argument("--list", action="store_true", help="print the moments with their numbers and try none")
    parser.add_argument("--moment", type=int, nargs="+", metavar="N", help="try these moments only")
    parser.add_argument("--deals", action="store_true", help="with every order as a deal too")
    parser.add_argument("--log", type=Path, metavar="FILE", help="where the log of the function goes")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    failed = False
    for name in options.database:
        with ExitStack() as stack:
            database: Database
            if name == "sqlite":
                folder = stack.enter_context(tempfile.TemporaryDirectory())
                database = SqliteDatabase(Path(folder) / "bridge.db")
            else:
                database = FirestoreDatabase(stack.enter_context(firestore_emulator()))
            started = time.monotonic()
            harness = stack.enter_context(crash_harness(database, deals=options.deals, log=options.log))
            if options.list:
                print(*(f"{name} {number}: {moment}" for number, moment in enumerate(harness.moments)), sep="\n")
                continue
            tried, wrong = survive(harness, options.moment or range(0, len(harness.moments), EVERY[name]))
            not_survived = len({problem.partition(": ")[0] for problem in wrong})
            print(
                f"{name}: {tried} of {len(harness.moments)} moments tried, {tried - not_survived} survived, "
                f"in {time.monotonic() - started:.0f} s",
                flush=True,
            )
            for problem in wrong:
                print(f"  {problem}", file=sys.stderr)
            failed = failed or bool(wrong)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

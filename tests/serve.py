"""`make serve`: run both functions on the sandbox, or on the real systems when .env has a token."""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from tests.sandbox.serve import serve_in_thread
from tests.sandbox.world import World, populate
from tests.support.function_process import ROOT, running_function


def main() -> None:
    parser = argparse.ArgumentParser(prog="serve", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080, help="of `sync`; `exchange` gets the next one")
    args = parser.parse_args()

    stop = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    settings = read_env(ROOT / ".env")
    with ExitStack() as stack:
        if settings.get("COMAGIC_TOKEN"):
            print("Real systems, as .env names them.")
        else:
            settings |= stack.enter_context(_sandbox())
        sync = stack.enter_context(running_function("sync", settings, host=args.host, port=args.port))
        exchange = stack.enter_context(running_function("exchange", settings, host=args.host, port=args.port + 1))
        print(f'sync:     curl "{sync.url}/?update_db"')
        print(f"exchange: curl {exchange.url}/api/test_id/")
        print("Ctrl-C ends both.", flush=True)
        stop.wait()


@contextmanager
def _sandbox() -> Iterator[dict[str, str]]:
    world = World()
    populate(world)
    with serve_in_thread(world) as base:
        print(f"No COMAGIC_TOKEN in .env: working on the sandbox. What it knows: {base}/_sandbox/state")
        # Each sandbox starts empty, so the database of an earlier one would not fit.
        (ROOT / "data").mkdir(exist_ok=True)
        for file in (ROOT / "data").glob("sandbox.db*"):
            file.unlink()
        yield {"STORE_URL": f"sqlite:///{ROOT}/data/sandbox.db", **world.settings(base)}


def read_env(file: Path) -> dict[str, str]:
    """Read `NAME=value` lines; an empty value counts as not set."""
    if not file.exists():
        return {}
    lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name.strip(): text.strip().strip("\"'") for name, _, text in pairs if text.strip()}


if __name__ == "__main__":
    main()

"""`make serve`: run both functions on the sandbox, or on the real systems when there is a COMAGIC_TOKEN.

Settings come from the shell, then from `.env`. The command ends with 1 when a port is taken, when the address is not
this machine's own and a key is missing, and when one of the functions dies.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from dotenv import dotenv_values

from crm_bridge.settings import PREFIXES, VARIABLES
from tests.sandbox.serve import serve_in_thread
from tests.sandbox.world import World, populate
from tests.support.function_process import ROOT, Function, running_function

KEYS = ("SYNC_API_KEY", "EXCHANGE_API_KEY")

_CHECK_SECONDS = 0.5


def main() -> int:
    parser = argparse.ArgumentParser(prog="serve", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080, help="of `sync`; `exchange` gets the next one")
    args = parser.parse_args()
    settings = read_settings(os.environ, ROOT / ".env")
    if problem := refusal(args.host, args.port, settings):
        print(problem, file=sys.stderr)
        return 1

    stop = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    try:
        return _serve(args.host, args.port, settings, stop)
    except RuntimeError as exc:  # a function has ended before it listened
        print(exc, file=sys.stderr)
        return 1


def _serve(host: str, port: int, settings: dict[str, str], stop: threading.Event) -> int:
    with ExitStack() as stack:
        if settings.get("COMAGIC_TOKEN"):
            print("Real systems, as the settings name them.")
        else:
            settings |= stack.enter_context(_sandbox())
        sync = stack.enter_context(running_function("sync", settings, host=host, port=port))
        exchange = stack.enter_context(running_function("exchange", settings, host=host, port=port + 1))
        for line in addresses(sync, exchange, settings):
            print(line)
        print("Ctrl-C ends both.", flush=True)
        return _wait_for_an_end(stop, {"sync": sync, "exchange": exchange})


def addresses(sync: Function, exchange: Function, settings: Mapping[str, str]) -> list[str]:
    """Return a curl line for each function; a key stands there by its name."""
    sync_key, exchange_key = (f'-H "X-API-Key: ${name}" ' if settings.get(name) else "" for name in KEYS)
    return [
        f'sync:     curl {sync_key}"{sync.url}/?update_db"',
        f"exchange: curl {exchange_key}{exchange.url}/api/test_id/",
    ]


def _wait_for_an_end(stop: threading.Event, functions: Mapping[str, Function]) -> int:
    """Wait until somebody ends us, or a function has died."""
    while not stop.wait(_CHECK_SECONDS):
        for name, function in functions.items():
            if (status := function.process.poll()) is not None:
                print(f"{name} has died (status {status}), so everything ends.", file=sys.stderr)
                return 1
    return 0


def refusal(host: str, port: int, settings: Mapping[str, str]) -> str | None:
    """Return why nothing can be started, or None."""
    missing = [name for name in KEYS if not settings.get(name)]
    if missing and not is_loopback(host):
        return f"{host} is not only for this machine: set {' and '.join(missing)}, or leave --host out"
    if not 1 <= port < 65_535:  # `exchange` has the next one
        return f"The port must be from 1 to 65534, and {port} is not"
    for each in (port, port + 1):
        try:
            socket.create_server((host, each), family=_family(host)).close()
        except OSError as exc:
            return f"Cannot listen on {host}:{each}: {os.strerror(exc.errno or 0)}"
    return None


def is_loopback(host: str) -> bool:
    """Return whether an address can be reached from this machine only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # another name
        return False


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def read_settings(env: Mapping[str, str], file: Path) -> dict[str, str]:
    """Return our settings, misspelt ones too: the shell wins over the file, and an empty one counts as not set."""
    of_shell = {name: text for name, text in env.items() if name in VARIABLES or name.startswith(PREFIXES)}
    found = {**dotenv_values(file, interpolate=False), **of_shell}  # a password may have a `$`
    return {name: text for name, text in found.items() if text and text.strip()}


@contextmanager
def _sandbox() -> Iterator[dict[str, str]]:
    world = World()
    populate(world)
    with serve_in_thread(world) as base:
        print(f"No COMAGIC_TOKEN: working on the sandbox. What it knows: {base}/_sandbox/state")
        # Each sandbox starts empty, so the database of an earlier one would not fit.
        (ROOT / "data").mkdir(exist_ok=True)
        for file in (ROOT / "data").glob("sandbox.db*"):
            file.unlink()
        yield {"STORE_URL": f"sqlite:///{ROOT}/data/sandbox.db", **world.settings(base)}


if __name__ == "__main__":
    sys.exit(main())

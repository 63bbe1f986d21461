"""Our functions as functions-framework processes, for the demo, the end-to-end tests and the benchmarks."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from crm_bridge.settings import PREFIXES
from tests.support.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
MAIN = ROOT / "function" / "main.py"

_STOP_SECONDS = 60.0  # gunicorn ends its workers within 30
_PORTS = range(10_000, 32_000)  # below those that the system gives to outgoing connections
_DICE = random.SystemRandom()  # Hypothesis sets the common one back, in every process to the same numbers
_OURS = (*PREFIXES, "STORE_URL", "RUNS_", "LOG_", "TIME_ZONE", "PHONE_REGION")


@dataclass(frozen=True)
class Function:
    """A running function.

    Attributes:
        url: Its address, without a slash at the end.
        process: Its first process, the leader of its process group.
    """

    url: str
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """Kill it and its workers at once, as when the machine fails."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(_STOP_SECONDS)


def free_port() -> int:
    """Return a port for a server that is started next.

    A port that the system chooses (`bind` to 0) may become that of an outgoing connection before the server has it.
    """
    while True:
        port = _DICE.choice(_PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with these settings, and no other settings of ours."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(_OURS)}
    return {**kept, "PYTHONUNBUFFERED": "1", **settings}


@contextmanager
def running_function(
    target: str,
    settings: Mapping[str, str],
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    source: Path = MAIN,
    python: Path | str = sys.executable,
    folder: Path = ROOT,
    output: IO[bytes] | int | None = None,
) -> Iterator[Function]:
    """Start a function and stop it afterwards.

    Args:
        target: `sync` or `exchange`.
        settings: Environment variables of ours.
        host: The address to listen on.
        port: The port, or None for a free one.
        source: The file to load, as GOOGLE_FUNCTION_SOURCE names it.
        python: The interpreter, and with it the environment.
        folder: Where the process runs.
        output: Where its log goes; this process's output when not given.
    """
    port = port or free_port()
    process = subprocess.Popen(
        [str(python), "-m", "functions_framework", "--source", str(source), "--target", target],
        env=environment({**settings, "HOST": host, "PORT": str(port)}),
        stdout=output,
        stderr=output,
        cwd=folder,
        start_new_session=True,
    )
    try:
        _wait_until_it_listens(process, host, port)
        yield Function(url=f"http://{host}:{port}", process=process)
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP_SECONDS)
        with suppress(ProcessLookupError):  # workers outlive a first process that was killed
            os.killpg(process.pid, signal.SIGKILL)


def _wait_until_it_listens(process: subprocess.Popen[bytes], host: str, port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the function ended with status {process.returncode} before it listened")
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex((host, port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"the function does not listen on {host}:{port}")

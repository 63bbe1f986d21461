"""`make serve`: what it refuses, what it reads, and that it ends all that it started."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.serve import is_loopback, read_settings, refusal
from tests.support.function_process import ROOT, environment, free_port
from tests.support.waiting import PATIENCE, wait_until

BOTH = {"SYNC_API_KEY": "k1", "EXCHANGE_API_KEY": "k2"}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "my-machine", ""])
def test_an_address_of_others_needs_both_keys(host: str) -> None:
    assert "SYNC_API_KEY and EXCHANGE_API_KEY" in str(refusal(host, free_port(), {}))
    assert "set EXCHANGE_API_KEY," in str(refusal(host, free_port(), {"SYNC_API_KEY": "k1"}))


def test_with_both_keys_it_may_be_open() -> None:
    assert refusal("0.0.0.0", _free_pair(), BOTH) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_alone_needs_no_key(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("which", [0, 1])
def test_a_taken_port_is_named(which: int) -> None:
    port = _free_pair()
    with socket.create_server(("127.0.0.1", port + which)):
        assert refusal("127.0.0.1", port, {}) == f"Cannot listen on 127.0.0.1:{port + which}: Address already in use"


def test_the_shell_wins_over_the_file_and_empty_settings_are_none(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "export COMAGIC_TOKEN='to ken' # a comment\nAGBIS_PASSWORD=pa$$word${HOME}\nAGBIS_USER=\nCRM_LOOKBACK_DAYS=5\n"
    )
    env = {"CRM_LOOKBACK_DAYS": "7", "COMAGIC_TOKN": "x", "PATH": "/bin", "STORE_URL": " "}

    assert read_settings(env, file) == {
        "COMAGIC_TOKEN": "to ken",
        "AGBIS_PASSWORD": "pa$$word${HOME}",
        "CRM_LOOKBACK_DAYS": "7",
        "COMAGIC_TOKN": "x",
    }
    assert read_settings({}, tmp_path / "none") == {}


def test_a_function_that_dies_ends_the_other_and_the_command(tmp_path: Path) -> None:
    port = _free_pair()
    with _served(port, tmp_path / "log", SYNC_API_KEY="k3y-of-sync") as serve:
        url = f"http://127.0.0.1:{port}"
        without = httpx.get(f"{url}/check_health", timeout=PATIENCE)
        answer = httpx.get(f"{url}/check_health", headers={"X-API-Key": "k3y-of-sync"}, timeout=PATIENCE)
        (first_process,) = {pid for pid in _children(serve.pid) if "--target sync" in _command_of(pid)}
        os.kill(first_process, signal.SIGKILL)
        status = serve.wait(PATIENCE)
    output = (tmp_path / "log").read_text()

    assert (without.status_code, answer.status_code) == (401, 200)
    assert status == 1
    assert "sync has died (status -9), so everything ends." in output
    assert 'curl -H "X-API-Key: $SYNC_API_KEY"' in output
    assert "k3y-of-sync" not in output
    wait_until(lambda: refusal("127.0.0.1", port, {}) is None, "the ports are free: nothing has been left behind")


def test_a_sigterm_ends_all(tmp_path: Path) -> None:
    port = _free_pair()
    with _served(port, tmp_path / "log") as serve:
        serve.terminate()
        assert serve.wait(PATIENCE) == 0
    assert refusal("127.0.0.1", port, {}) is None


def test_a_taken_port_ends_the_command_with_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            _command(port),
            check=False,
            env=environment({"PYTHONPATH": "function"}),
            cwd=ROOT,
            capture_output=True,
            timeout=PATIENCE,
        )

    assert done.returncode == 1
    assert re.fullmatch(rf"Cannot listen on 127\.0\.0\.1:{port}: Address already in use\n", done.stderr.decode())


@contextmanager
def _served(port: int, log: Path, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        env = environment({"PYTHONPATH": "function", "COMAGIC_TOKEN": "", **settings})
        serve = subprocess.Popen(_command(port), env=env, cwd=ROOT, stdout=output, stderr=output)
        try:
            wait_until(lambda: b"Ctrl-C ends both." in log.read_bytes() or serve.poll() is not None, "it serves")
            yield serve
        finally:
            if serve.poll() is None:
                serve.terminate()
                serve.wait(PATIENCE)


def _command(port: int) -> list[str]:
    return [sys.executable, "-m", "tests.serve", "--port", str(port)]


def _free_pair() -> int:
    while True:
        port = free_port()
        with suppress(OSError), socket.create_server(("127.0.0.1", port + 1)):
            return port


def _children(pid: int) -> set[int]:
    return {int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def _command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()

"""`make deploy-test`: deploy/install.sh on an empty Debian with systemd, from the first run to the removal.

Needs root, `debootstrap` and `systemd-nspawn` (Debian's package systemd-container), and a network or `--bind` of what
pip is to find: its settings are those of this process (PIP_*). Nothing of this machine is changed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from tests.sandbox.serve import serve_in_thread
from tests.sandbox.world import World, populate
from tests.support.function_process import ROOT, free_port
from tests.support.waiting import wait_until

PACKAGES = "python3,python3-venv,ca-certificates,systemd,systemd-sysv,dbus,curl"
ETC = "etc/crm-bridge"
_LONGEST = 1800.0


class Machine:
    """A booted Debian, and the address of each function on it."""

    def __init__(self, folder: Path, leader: int, settings: dict[str, str]) -> None:
        self.folder = folder
        self._leader = leader
        self._settings = settings
        self.ports = {"sync": free_port(), "exchange": free_port()}
        (folder / ETC).mkdir(parents=True)
        for name, port in self.ports.items():  # the machine shares our network, and its usual ports may be taken
            (folder / ETC / f"{name}.env").write_text(f'HOST="127.0.0.1"\nPORT="{port}"\n')

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command on the machine as root, and return what it said."""
        env = {name: text for name, text in os.environ.items() if name.startswith("PIP_")}
        env |= {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
        done = subprocess.run(
            ["nsenter", "-t", str(self._leader), "-a", "--", *command],
            env=env | self._settings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=_LONGEST,
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def install(self, *options: str) -> str:
        return self.run("/usr/src/crm-bridge/deploy/install.sh", *options)

    def key(self, function: str) -> str:
        text = (self.folder / ETC / f"{function}.env").read_text()
        (key,) = re.findall(rf'^{function.upper()}_API_KEY="(.+)"$', text, re.M)
        return str(key)

    def get(self, function: str, path: str, *, key: str | None = None) -> httpx.Response:
        url = f"http://127.0.0.1:{self.ports[function]}{path}"
        shown = self.key(function) if key is None else key
        return httpx.get(url, headers={"X-API-Key": shown}, timeout=_LONGEST)

    def is_healthy(self) -> bool:
        try:
            return all(self.get(name, "/check_health").status_code == 200 for name in self.ports)
        except httpx.TransportError:
            return False


def main() -> int:
    parser = argparse.ArgumentParser(prog="make deploy-test", description=__doc__)
    parser.add_argument("--base", type=Path, help="a folder that keeps the empty Debian for the next time")
    parser.add_argument("--suite", default="bookworm")
    parser.add_argument("--mirror", default="http://deb.debian.org/debian")
    parser.add_argument("--bind", action="append", default=[], help="a folder to show to the machine, read-only")
    args = parser.parse_args()
    missing = [name for name in ("debootstrap", "systemd-nspawn", "nsenter") if not shutil.which(name)]
    if missing or os.geteuid() != 0:
        print(f"NOT TESTED: this needs root, and {', '.join(missing) or 'nothing else'}", file=sys.stderr)
        return 1
    world = World()
    populate(world, phones=30)
    with tempfile.TemporaryDirectory() as temporary:
        base = args.base or Path(temporary) / "base"
        if not base.exists():
            _report("an empty Debian")
            fetch = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", args.suite, str(base), args.mirror]
            subprocess.run(fetch, check=True, stdout=subprocess.DEVNULL, timeout=_LONGEST)
        folder = Path(temporary) / "machine"
        subprocess.run(["cp", "-a", base, folder], check=True)
        source = folder / "usr" / "src" / "crm-bridge"
        for name in ("function", "deploy"):
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.env"))
        shutil.copy(ROOT / "requirements.txt", source)
        with serve_in_thread(world) as url, _booted(folder, args.bind) as leader:
            _check(Machine(folder, leader, world.settings(url)), world)
    _report("all as promised")
    return 0


def _check(machine: Machine, world: World) -> None:
    _report("the first install")
    said = machine.install()
    assert "daily: 200 Sales that were applied: " in said, said
    assert machine.is_healthy()
    assert machine.get("sync", "/runs", key="").status_code == 401
    assert machine.get("exchange", "/api/a1", key="").status_code == 401
    sales, history = dict(world.comagic.sales), len(world.comagic.history)
    assert sales

    _report("whom the functions run as, and what they can see")
    for name, other in (("sync", "exchange"), ("exchange", "sync")):
        pid = machine.run("systemctl", "show", "-p", "MainPID", "--value", f"crm-bridge@{name}").strip()
        status = machine.run("cat", f"/proc/{pid}/status")
        assert not re.search(r"^Uid:\t0", status, re.M)
        assert re.search(r"^CapEff:\t0+$", status, re.M)
        seen = machine.run("nsenter", "-t", pid, "-m", "ls", "/var/lib/private/crm-bridge")
        assert other not in seen, f"{name} sees the data of {other}"
    files = machine.run("find", f"/{ETC}", "-name", "*.env", "-printf", "%m %u\n").split("\n")
    assert set(filter(None, files)) == {"600 root"}, files
    units = [f"crm-bridge@{name}.service" for name in ("sync", "exchange")]
    units += ["crm-bridge-run@daily.service", "crm-bridge-run@often.service", "crm-bridge-backup.service"]
    units += [f"crm-bridge-{name}.timer" for name in ("daily", "often", "backup")]
    assert machine.run("systemd-analyze", "verify", "--man=no", *units) == ""
    assert all(name in machine.run("systemctl", "list-timers", "--no-pager") for name in units[-3:])

    _report("kill -9")
    machine.run("systemctl", "kill", "-s", "SIGKILL", "--kill-whom=main", *units[:2])
    for unit in units[:2]:
        show = ["systemctl", "show", "-p", "NRestarts", "--value", unit]
        wait_until(lambda show=show: machine.run(*show).strip() == "1", f"{unit} is restarted")  # type: ignore[misc]
    wait_until(machine.is_healthy, "both answer again")

    _report("the timers' runs, a backup, and putting it back")
    machine.run("systemctl", "start", "crm-bridge-run@daily", "crm-bridge-run@often", "crm-bridge-backup")
    (copy,) = machine.install("--restore").split()
    assert "is now" in machine.install("--restore", copy)
    machine.run("systemctl", "start", "crm-bridge-run@daily")
    assert (dict(world.comagic.sales), len(world.comagic.history)) == (sales, history), "nothing was set twice"

    _report("the same command again: an update")
    settings = machine.run("sha256sum", f"/{ETC}/sync.env", f"/{ETC}/exchange.env")
    first = machine.run("readlink", "/opt/crm-bridge/current")
    said = machine.install()
    assert "Backup made" in said
    assert "The first run" not in said
    assert machine.run("readlink", "/opt/crm-bridge/current") != first
    assert machine.run("sha256sum", f"/{ETC}/sync.env", f"/{ETC}/exchange.env") == settings

    _report("back to the version before")
    machine.install("--roll-back")
    assert machine.run("readlink", "/opt/crm-bridge/current") == first
    assert machine.get("sync", "/runs").json()["runs"]

    _report("a version that does not start is taken back")
    broken = machine.folder / "usr" / "src" / "crm-bridge" / "function" / "main.py"
    text = broken.read_text()
    broken.write_text("raise SystemExit('broken')\n")
    said = machine.run("/usr/src/crm-bridge/deploy/install.sh", check=False)
    assert "ERROR: the functions do not answer" in said, said
    assert machine.run("readlink", "/opt/crm-bridge/current") == first
    wait_until(machine.is_healthy, "the version before answers")
    broken.write_text(text)

    _report("no key in the journal; and the removal, which keeps the data")
    journal = machine.run("journalctl", "--no-pager")
    assert not [name for name in machine.ports if machine.key(name) in journal]
    machine.install("--remove")
    assert not machine.is_healthy()
    assert machine.run("ls", "/var/lib/private/crm-bridge/sync/bridge.db", f"/{ETC}/sync.env")
    assert machine.run("systemctl", "list-units", "crm-bridge*", "--all", "--no-legend", "--no-pager") == ""


@contextmanager
def _booted(folder: Path, bind: list[str]) -> Iterator[int]:
    """Boot a folder in a container that shares our network; give its first process."""
    shown = [f"--bind-ro={each}" for each in bind]
    command = ["systemd-nspawn", "--quiet", "-D", str(folder), "--register=no", "--keep-unit", *shown, "--boot"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as nspawn:
        children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children")

        def leaders() -> list[str]:
            """Return the machine's first process; at first nspawn has other children."""
            return [pid for pid in children.read_text().split() if _is_up(pid)]

        try:
            wait_until(lambda: nspawn.poll() is not None or bool(leaders()), "the machine is up")
            leader = int(leaders()[0])
            yield leader
        finally:
            nspawn.terminate()
            with suppress(subprocess.TimeoutExpired):
                nspawn.wait(60)
            nspawn.kill()


def _is_up(leader: str) -> bool:
    state = ["nsenter", "-t", leader, "-a", "--", "systemctl", "is-system-running"]
    done = subprocess.run(state, capture_output=True, text=True, check=False)
    return done.stdout.strip() in {"running", "degraded"}


def _report(step: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {step}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

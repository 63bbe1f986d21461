"""Unit files of systemd without systemd: their settings, and a supervisor that does what `Restart=` says."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import IO

from tests.support.function_process import ROOT
from tests.support.waiting import PATIENCE

UNITS = ROOT / "deploy" / "systemd"

_PLACES = ("/opt/crm-bridge", "/etc/crm-bridge", "/var/lib/crm-bridge")
_HOME = "HOME=/tmp"  # PrivateTmp= makes it the service's own


class ScratchRoot:
    """The places of an installation below another folder, and the unit files as they stand there.

    Attributes:
        folder: The folder.
        uid: The user that commands run as: not root, where the tests are root's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uid = 64_999 if os.geteuid() == 0 else os.geteuid()
        current = self.path("/opt/crm-bridge/current")
        current.mkdir(parents=True)
        for name in ("function", "deploy"):
            shutil.copytree(ROOT / name, current / name, ignore=shutil.ignore_patterns("__pycache__", "*.env"))
        programs = current / ".venv" / "bin"
        programs.mkdir(parents=True)
        for name in ("python", "functions-framework"):
            # Not a link: Python looks for its packages where the file lies that it was started by.
            script = programs / name
            script.write_text(f'#!/bin/sh\nexec {shlex.quote(str(Path(sys.executable).with_name(name)))} "$@"\n')
            script.chmod(0o755)
        for name in ("sync", "exchange", "backup"):
            data = self.path(f"/var/lib/crm-bridge/{name}")
            data.mkdir(parents=True)
            if self.uid != os.geteuid():
                os.chown(data, self.uid, self.uid)
        self.path("/etc/crm-bridge").mkdir(parents=True)
        for each in (folder, folder.parent):  # the other user has to get here
            each.chmod(0o755)

    def path(self, absolute: str) -> Path:
        return self.folder / absolute.removeprefix("/")

    def moved(self, text: str) -> str:
        """Return a unit's text with its places below the folder."""
        for place in _PLACES:
            text = text.replace(place, str(self.path(place)))
        return text.replace(_HOME, f"HOME={self.path('/var/lib/crm-bridge/backup')}")

    def write_settings(self, name: str, settings: Mapping[str, str]) -> None:
        """Write `/etc/crm-bridge/<name>.env`."""
        lines = [f'{key}="{value}"' for key, value in settings.items()]
        self.path(f"/etc/crm-bridge/{name}.env").write_text("\n".join(lines) + "\n")

    def unit(self, file: str, instance: str = "") -> dict[str, list[str]]:
        """Return the settings of a unit file, as `Section.Name`, each with its values in their order."""
        found: dict[str, list[str]] = {}
        section = ""
        for line in self.moved((UNITS / file).read_text()).replace("%i", instance).splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            elif line and not line.startswith("#"):
                name, _, value = line.partition("=")
                found.setdefault(f"{section}.{name}", []).append(value)
        return found

    def environment(self, unit: Mapping[str, list[str]]) -> dict[str, str]:
        """Return what a command of the unit gets: nothing of this process but the path of programs."""
        env = {"PATH": os.environ["PATH"]}
        for line in unit.get("Service.Environment", []):
            env |= dict(word.split("=", 1) for word in shlex.split(line))
        for file in unit.get("Service.EnvironmentFile", []):
            lines = Path(file).read_text().splitlines()
            env |= {name: shlex.split(text)[0] for name, _, text in (line.partition("=") for line in lines)}
        return env

    def start(
        self,
        unit: Mapping[str, list[str]],
        *,
        output: IO[bytes] | int = subprocess.PIPE,
        more: Mapping[str, str] = MappingProxyType({}),
    ) -> subprocess.Popen[bytes]:
        """Start the unit's own command line, as another user, in a process group of its own."""
        (command,) = unit["Service.ExecStart"]
        return subprocess.Popen(
            [*self._as_another_user(), *shlex.split(command)],
            env=self.environment(unit) | dict(more),
            cwd=unit.get("Service.WorkingDirectory", [str(self.folder)])[0],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _as_another_user(self) -> list[str]:
        """Return how a command line begins that is to run as another user.

        That user may read everything, because this Python may lie in a folder of root's, and write only its own.
        """
        if self.uid == os.geteuid():
            return []
        capability = "+dac_read_search"
        user = [f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups"]
        return ["setpriv", *user, f"--inh-caps={capability}", f"--ambient-caps={capability}"]

    def run(self, file: str, instance: str = "", **more: str) -> tuple[int, str]:
        """Run a unit of `Type=oneshot` to its end; return its status and what it said."""
        unit = self.unit(file, instance)
        assert unit["Service.Type"] == ["oneshot"]
        with self.start(unit, more=more) as process:
            said, _ = process.communicate(timeout=PATIENCE)
        return process.returncode, said.decode()


class Supervisor(threading.Thread):
    """Keeps a service running as its unit says: after an end it kills what is left of the group, then restarts.

    Attributes:
        process: The one that runs now.
        starts: How often it was started.
    """

    def __init__(self, root: ScratchRoot, unit: Mapping[str, list[str]]) -> None:
        super().__init__(daemon=True)
        assert unit["Service.Restart"] == ["always"]
        self._root, self._unit = root, unit
        self._pause = float(unit["Service.RestartSec"][0])
        self._ends = threading.Event()
        self._output = (root.folder / "journal").open("ab")
        self.starts = 0
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self.starts += 1
        return self._root.start(self._unit, output=self._output)

    @property
    def said(self) -> str:
        """All that the service has said."""
        return (self._root.folder / "journal").read_text()

    def run(self) -> None:
        while True:
            self.process.wait()
            _kill_group(self.process.pid)
            if self._ends.wait(self._pause):
                return
            self.process = self._start()

    def stop(self) -> None:
        """End the service as systemd does with KillMode=mixed: SIGTERM to the first process."""
        self._ends.set()
        self.process.terminate()
        self.join(PATIENCE)
        _kill_group(self.process.pid)
        self._output.close()


@contextmanager
def supervised(root: ScratchRoot, file: str, instance: str) -> Iterator[Supervisor]:
    """Keep a service running during the block."""
    supervisor = Supervisor(root, root.unit(file, instance))
    supervisor.start()
    try:
        yield supervisor
    finally:
        supervisor.stop()


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)

"""Google's Firestore emulator as a process."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from google.auth.credentials import AnonymousCredentials
from google.cloud.firestore import Client

from tests.support.function_process import free_port
from tests.support.waiting import PATIENCE

_JAR = "platform/cloud-firestore-emulator/cloud-firestore-emulator.jar"
_MAIN = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"


class NoEmulatorError(Exception):
    """The emulator cannot be started here; the message says what is missing."""


@contextmanager
def firestore_emulator() -> Iterator[str]:
    """Start an emulator, empty, in memory, and stop it afterwards.

    Yields:
        Its `host:port`, for FIRESTORE_EMULATOR_HOST.

    Raises:
        NoEmulatorError: There is no gcloud, no emulator in it or no Java, or it does not start.
    """
    command = _command()
    port = free_port()
    # Java itself: gcloud, when it is stopped, leaves Java running.
    process = subprocess.Popen(
        [*command, "start", "--host=127.0.0.1", f"--port={port}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(process, f"http://127.0.0.1:{port}/")
        _warm_up(f"127.0.0.1:{port}")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _warm_up(host: str) -> None:
    """Make a first write and query: on a busy machine they take Java longer than the 5 s that `exchange` waits."""
    with patch.dict(os.environ, FIRESTORE_EMULATOR_HOST=host):
        credentials = AnonymousCredentials()  # type: ignore[no-untyped-call]
        client = Client(project="warm-up", credentials=credentials)
    collection = client.collection("warm-up")
    collection.document("first").set({"number": 1}, timeout=PATIENCE)
    assert len(list(collection.stream(timeout=PATIENCE))) == 1
    client.close()  # type: ignore[no-untyped-call]


def _command() -> list[str]:
    gcloud, java = shutil.which("gcloud"), shutil.which("java")
    if not gcloud or not java:
        raise NoEmulatorError(f"{'java' if gcloud else 'gcloud'} is not installed")
    info = [gcloud, "info", "--format=value(installation.sdk_root)"]
    root = subprocess.run(info, capture_output=True, text=True, check=False).stdout.strip()
    jar = Path(root, _JAR)
    if not root or not jar.exists():
        raise NoEmulatorError("gcloud has no component cloud-firestore-emulator")
    return [java, "-Xmx1g", "-cp", str(jar), _MAIN]


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise NoEmulatorError(f"it ended at once with status {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                if answer.read().strip() == b"Ok":
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.1)
    raise NoEmulatorError(f"it did not answer within {PATIENCE:.0f} seconds")

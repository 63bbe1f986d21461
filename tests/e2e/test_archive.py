"""What is uploaded is enough: in an empty folder and an empty environment both functions run from it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.sandbox.world import World, populate
from tests.support.databases import FirestoreDatabase
from tests.support.function_process import ROOT, running_function
from tests.support.waiting import PATIENCE
from tests.terraform.archive import build


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive as Terraform builds it, unpacked, with an environment that holds requirements.txt and no more."""
    folder = tmp_path_factory.mktemp("deployed")
    build(ROOT, folder / "source.zip")
    with zipfile.ZipFile(folder / "source.zip") as archive:
        archive.extractall(folder / "source")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True, timeout=600)
    pip = [str(folder / "venv" / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    requirements = str(folder / "source" / "requirements.txt")
    subprocess.run([*pip, "--require-hashes", "-r", requirements], check=True, timeout=600)
    return folder


def test_both_functions_run_from_the_archive_on_firestore(
    deployed: Path, world: World, settings: dict[str, str], emulator_host: str
) -> None:
    truth = populate(world, phones=30)
    database = FirestoreDatabase(emulator_host)
    changed = {**settings, "STORE_URL": database.url, **database.env}
    python, source = deployed / "venv" / "bin" / "python", deployed / "source" / "function" / "main.py"
    card = {"name": "Анна", "phone": "9156685347", "arpu": "4570", "soc_tariff": "TESTSOC"}

    with running_function("sync", changed, source=source, python=python, folder=deployed / "source") as sync:
        journal = httpx.get(f"{sync.url}/?update_db", timeout=PATIENCE).json()["journal"]
        page = httpx.get(f"{sync.url}/runs", headers={"Accept": "text/html"}, timeout=PATIENCE)
    with running_function("exchange", changed, source=source, python=python, folder=deployed / "source") as exchange:
        posted = httpx.post(f"{exchange.url}/api/7/", json=card, timeout=PATIENCE)
        got = httpx.get(f"{exchange.url}/api/7/", timeout=PATIENCE)

    assert {next(iter(row)): row["result"] for row in journal["log"]} == truth.results
    assert (page.status_code, page.headers["Content-Type"].partition(";")[0]) == (200, "text/html")
    assert (posted.json(), got.json()["name"]) == ({"result": "OK"}, "Анна")

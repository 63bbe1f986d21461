"""The container: its files, and, where there is a builder, the image itself."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from collections.abc import Iterator

import httpx
import pytest
import yaml

from tests.sandbox.serve import serve_in_thread
from tests.sandbox.world import World, populate
from tests.support.function_process import ROOT, free_port
from tests.support.waiting import PATIENCE, wait_until

COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
KEY = {"X-API-Key": "k3y-of-sync"}


def _engine() -> str | None:
    """Return the program that builds and runs images here, or None."""
    for name in ("docker", "podman"):
        if shutil.which(name) and subprocess.run([name, "info"], capture_output=True, check=False).returncode == 0:
            return name
    return None


@pytest.mark.parametrize("name", SERVICES)
def test_no_container_has_rights_or_a_file_system_to_write_to(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert "privileged" not in service
    assert "cap_add" not in service


def test_every_stage_that_runs_has_a_user_without_rights() -> None:
    stages = (ROOT / "deploy" / "Dockerfile").read_text().split("\nFROM ")[1:]
    by_name = {stage.splitlines()[0].rpartition(" ")[2]: stage for stage in stages}

    for service in SERVICES.values():
        assert "\nUSER 10001:10001" in by_name[service["build"]["target"]]
    assert "--require-hashes" in by_name["packages"]


def test_only_caddy_can_be_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["caddy"]


def test_exchange_sees_neither_the_settings_nor_the_data_of_sync() -> None:
    assert SERVICES["exchange"]["env_file"] == ["exchange.env"]
    assert set(SERVICES["exchange"]["volumes"]).isdisjoint(SERVICES["sync"]["volumes"])


def test_the_files_that_it_names_exist() -> None:
    for service in SERVICES.values():
        assert (ROOT / service["build"]["dockerfile"]).exists()
        for file in service.get("env_file", []):
            assert (ROOT / "deploy" / f"{file}.example").exists()


@pytest.fixture(scope="module")
def engine() -> str:
    found = _engine()
    if found is None:
        pytest.skip("NO BUILDER OF CONTAINERS: the image was not built")
    return found


@pytest.fixture(scope="module")
def image(engine: str) -> Iterator[str]:
    name = f"crm-bridge-test:{uuid.uuid4().hex[:8]}"
    build = [engine, "build", "--quiet", "--target", "bridge", "-f", "deploy/Dockerfile", "-t", name, "."]
    subprocess.run(build, cwd=ROOT, check=True, timeout=1800)
    yield name
    subprocess.run([engine, "rmi", "--force", name], capture_output=True, check=False)


def test_the_image_does_a_run_without_rights_and_with_nothing_to_write_to(engine: str, image: str) -> None:
    world = World()
    truth = populate(world, phones=10)
    name, port = f"crm-bridge-{uuid.uuid4().hex[:8]}", free_port()
    url = f"http://127.0.0.1:{port}"
    hardened = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp", "--network=host"]
    with serve_in_thread(world) as base:
        settings = {**world.settings(base), "SYNC_API_KEY": KEY["X-API-Key"], "PORT": str(port), "HOST": "127.0.0.1"}
        given = [word for key, value in settings.items() for word in ("-e", f"{key}={value}")]
        subprocess.run([engine, "run", "-d", "--rm", "--name", name, *hardened, *given, image], check=True)
        try:
            wait_until(lambda: _status(f"{url}/check_health") == 200, "the container answers")
            journal = httpx.get(f"{url}/?update_db", headers=KEY, timeout=PATIENCE).json()["journal"]
            user = subprocess.run([engine, "exec", name, "id", "-u"], capture_output=True, text=True, check=True).stdout
            health = subprocess.run([engine, "exec", name, "python", "deploy/health.py"], check=False).returncode
        finally:
            subprocess.run([engine, "stop", name], capture_output=True, check=False)

    assert {next(iter(row)): row["result"] for row in journal["log"]} == truth.results, json.dumps(journal["log"])
    assert (user.strip(), health) == ("10001", 0)


def _status(url: str) -> int:
    try:
        return httpx.get(url, headers=KEY, timeout=PATIENCE).status_code
    except httpx.TransportError:
        return 0

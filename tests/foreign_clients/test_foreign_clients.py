"""Clients that other people have written take the sandbox for CoMagic."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.foreign_clients import environment
from tests.foreign_clients.account import lived_in
from tests.foreign_clients.table import CALLS, SHAPES
from tests.sandbox.comagic.fields import TABLES
from tests.sandbox.comagic.simulator import CoMagic
from tests.sandbox.serve import serve_in_thread
from tests.sandbox_tests.callers import CoMagicCaller
from tests.support.waiting import PATIENCE

LOGINS = {
    "comagic-wrapper": {"login": "robot@example.ru", "password": "secret"},
    "comagic-data-api-sdk": {"token": "token"},
}


@pytest.fixture(scope="session")
def foreign(request: pytest.FixtureRequest) -> Path:
    """The environment with both clients, kept between runs."""
    try:
        return environment.prepared(Path(request.config.cache.mkdir("foreign_clients")))
    except environment.Unreachable as reason:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI needs the foreign clients: {reason}")
        pytest.skip(f"FOREIGN CLIENTS NOT RUN, their packages cannot be had: {reason}")


@pytest.fixture(scope="module", params=CALLS)
def played(request: pytest.FixtureRequest, foreign: Path) -> tuple[str, CoMagic, list[dict[str, Any]]]:
    """Let a client make all its calls; return its name, the account and what came of each call."""
    name, comagic = request.param, lived_in()
    with serve_in_thread(comagic) as base:
        order = {"url": f"{base}{comagic.path}", "login": LOGINS[name], "calls": CALLS[name]}
        done = subprocess.run(
            [environment.python_of(foreign), Path(__file__).with_name("run_client.py")],
            input=json.dumps(order),
            capture_output=True,
            text=True,
            timeout=PATIENCE * 4,
            env={"PYTHONPATH": str(foreign / name), "PYTHONIOENCODING": "utf-8", "no_proxy": "127.0.0.1"},
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return name, comagic, json.loads(done.stdout)


def test_a_client_from_pypi_passes_whole(played: tuple[str, CoMagic, list[dict[str, Any]]]) -> None:
    name, _, outcomes = played
    for call, outcome in zip(CALLS[name], outcomes, strict=True):
        kind, _, detail = call["gets"].partition(": ")
        shown = (call, outcome)
        if kind == "rows":
            assert outcome.get("value"), shown
            assert isinstance(outcome["value"], list), shown
        elif kind == "answer":
            assert isinstance(outcome.get("value"), dict), shown
        elif kind == "refused":
            assert outcome.get("mnemonic") == detail, shown
        else:
            assert outcome.get("raised") == detail, shown


def test_a_client_asks_only_what_the_table_says(played: tuple[str, CoMagic, list[dict[str, Any]]]) -> None:
    name, comagic, _ = played
    logins = [record for record in comagic.requests if record.method == "login.user"]
    refused = [record for record in comagic.requests if record.outcome != "ok"]

    assert len(comagic.requests) - len(logins) == len(CALLS[name])
    assert len(logins) == ("login" in LOGINS[name])
    assert len(refused) == sum(call["gets"].startswith("refused") for call in CALLS[name])
    if name == "comagic-wrapper":
        (sale,) = comagic.history
        assert (sale.what, sale.amount_kopecks, sale.comment) == ("set", 12300, "Пальто")


def test_packages_that_cannot_be_had_leave_nothing_half_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pins = tmp_path / "requirements.txt"
    pins.write_text("no-such-package-of-ours==1.0 --hash=sha256:" + "0" * 64 + "\n")
    monkeypatch.setattr(environment, "COMMON", pins)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")

    with pytest.raises(environment.Unreachable, match="no-such-package-of-ours"):
        environment.prepared(tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


# Request shapes of other programs


@pytest.mark.anyio
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape['program']}-{shape['method']}")
async def test_a_request_as_another_program_makes_it(shape: dict[str, Any]) -> None:
    api = CoMagicCaller(lived_in())
    body = {"jsonrpc": "2.0", "id": shape["id"], "method": shape["method"]}
    params = {"access_token": "token", **shape["params"]} if shape["method"] != "login.user" else shape["params"]
    headers = {"Content-Type": shape["content_type"]} if shape["content_type"] else {}

    response = await api.send(json.dumps(body | {"params": params}).encode(), headers=headers)

    answer = response.json()
    kind, _, detail = shape["gets"].partition(": ")
    assert response.status_code == 200
    assert answer["id"] == shape["id"]
    if kind == "refused":
        assert answer["error"]["data"]["mnemonic"] == detail
    elif kind == "rows":
        rows = answer["result"]["data"]
        named = shape["params"].get("fields")
        default = {name for name, field in TABLES[shape["method"]].items() if field.default}
        assert rows
        assert all(row.keys() == (set(named) if named else default) for row in rows)
        assert answer["result"]["metadata"]["total_items"] >= len(rows)
    else:
        assert isinstance(answer["result"]["data"], dict)

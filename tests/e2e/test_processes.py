"""Our functions as they are deployed: functions-framework processes, real sockets, a real end."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import threading
import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.sandbox.faults import Fault
from tests.sandbox.world import World, populate
from tests.support.databases import FirestoreDatabase, locked
from tests.support.function_process import running_function
from tests.support.waiting import PATIENCE, wait_until

SESSION_ID = re.compile(r"[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-")
FULL_PHONE = re.compile(r"(?<![0-9a-f])7\d{10}(?![0-9a-f])")  # and not a part of a run's id


def lines(log: Path) -> list[dict[str, Any]]:
    """Our lines of a function's log; the server's own start and end lines are not ours."""
    found = [line for line in log.read_text(encoding="utf-8").splitlines() if line.startswith("{")]
    return [json.loads(line) for line in found]


@pytest.mark.parametrize("execution_id", ["", "true"])
def test_every_line_of_a_run_is_json_with_severity_and_run_id_and_no_secret(
    world: World, settings: dict[str, str], tmp_path: Path, execution_id: str
) -> None:
    """With LOG_EXECUTION_ID the framework takes our handlers away after it has imported us."""
    populate(world, phones=30)
    world.comagic.fail(Fault(method="set.tag_sales", kind="http_502_after"))
    world.agbis.fail(Fault(method="OrderByDateTimeForAll", kind="error", params={"code": 101, "msg": "79261234567"}))
    log = tmp_path / "log"
    changed = {**settings, "LOG_EXECUTION_ID": execution_id}
    with log.open("wb") as output, running_function("sync", changed, output=output) as function:
        answer = httpx.get(f"{function.url}/?update_db", timeout=PATIENCE)
    text, journal = log.read_text(encoding="utf-8"), answer.json()["journal"]

    ours = lines(log)
    assert {"refresh_window_stored", "run_finished"} <= {line["message"] for line in ours}
    for line in ours:
        assert line["severity"] in {"DEBUG", "INFO", "WARNING", "ERROR"}
        assert line["run_id"] == journal["run_id"]
    for secret in ("t0ken-of-comagic", "pa55word-of-agbis", "SessionID", "Traceback"):
        assert secret not in text
    assert not SESSION_ID.search(text)
    assert not FULL_PHONE.search(text)


def test_the_key_of_sync_is_asked_for_and_is_in_no_log(world: World, settings: dict[str, str], tmp_path: Path) -> None:
    key, log = "k3y-of-sync", tmp_path / "log"
    shown = [{"X-API-Key": key}, {"Authorization": f"Bearer {key}"}, httpx.BasicAuth("admin", key), {}]
    populate(world, phones=5)
    changed = {**settings, "SYNC_API_KEY": key, "LOG_LEVEL": "DEBUG"}
    with log.open("wb") as output, running_function("sync", changed, output=output) as function:
        statuses = [
            httpx.get(
                f"{function.url}/check_setup",
                headers=each if isinstance(each, dict) else None,
                auth=each if isinstance(each, httpx.BasicAuth) else None,
                timeout=PATIENCE,
            ).status_code
            for each in shown
        ]
        run = httpx.get(f"{function.url}/?update_db", headers={"X-API-Key": f"{key}?"}, timeout=PATIENCE)
    text = log.read_text(encoding="utf-8")

    assert statuses == [503, 503, 503, 401]
    assert (run.status_code, run.json()) == (401, {"success": False, "message": "ERROR: Unauthorized"})
    for secret in (key, b64encode(f"admin:{key}".encode()).decode()):
        assert secret not in text


def test_a_fault_of_ours_is_logged_with_its_traceback_and_without_the_secrets_in_it(
    world: World, settings: dict[str, str], tmp_path: Path
) -> None:
    log, path = tmp_path / "log", tmp_path / "b.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE state (id TEXT PRIMARY KEY, body TEXT NOT NULL)")
        connection.execute("INSERT INTO state VALUES ('lease', '{}')")  # no version of ours has written this
    changed = {**settings, "STORE_URL": f"sqlite:///{path}"}
    with log.open("wb") as output, running_function("sync", changed, output=output) as function:
        answer = httpx.get(f"{function.url}/?update_db", timeout=PATIENCE)

    assert (answer.status_code, answer.json()) == (500, {"success": False, "message": "ERROR: Internal error"})
    (failure,) = [line for line in lines(log) if line["severity"] == "ERROR"]
    assert (failure["message"], "Error" in failure["exception"]) == ("run_failed", True)
    assert "t0ken-of-comagic" not in log.read_text(encoding="utf-8")


def test_a_database_that_cannot_be_used_is_named_with_its_cause(
    world: World, settings: dict[str, str], tmp_path: Path
) -> None:
    log, place = tmp_path / "log", tmp_path / "bridge.db"
    place.mkdir()
    changed = {**settings, "STORE_URL": f"sqlite:///{place}"}
    failed = f"STORE_URL: the database {place} cannot be used: it is a folder, not a file"
    with log.open("wb") as output, running_function("sync", changed, output=output) as function:
        run = httpx.get(f"{function.url}/?update_db", timeout=PATIENCE)
        health = httpx.get(f"{function.url}/check_health", timeout=PATIENCE)
        page = httpx.get(f"{function.url}/runs", headers={"Accept": "text/html", "Accept-Language": "ru"})
        setup = httpx.get(f"{function.url}/check_setup", timeout=PATIENCE).json()

    for answer in (run, health):
        assert (answer.status_code, answer.json()) == (503, {"success": False, "message": f"ERROR: {failed}"})
        assert "retry-after" not in answer.headers
    assert page.status_code == 503
    assert f"STORE_URL: база {place} недоступна: это папка, а не файл" in page.text
    hints = {check["name"]: check["hint"] for check in setup["checks"] if not check["ok"]}
    assert hints["database"].startswith(f"{failed}.")
    assert ("run_failed", failed) in [(line["message"], line.get("reason")) for line in lines(log)]
    assert world.comagic.history == []


def test_behind_a_lock_a_run_is_refused_after_half_a_minute_and_whoever_asks_is_answered(
    world: World, settings: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "bridge.db"
    changed = {**settings, "STORE_URL": f"sqlite:///{path}"}
    with running_function("sync", changed) as function, ThreadPoolExecutor() as pool:
        httpx.get(f"{function.url}/check_health", timeout=PATIENCE)  # makes the file
        with locked(path):
            started = time.monotonic()
            run = pool.submit(httpx.get, f"{function.url}/?update_db", timeout=PATIENCE)
            time.sleep(1)
            asked = [httpx.get(f"{function.url}/{each}", timeout=PATIENCE) for each in ("check_health", "runs")]
            assert not run.done()
            refused = run.result()
            took = time.monotonic() - started
        after = httpx.get(f"{function.url}/?update_db", timeout=PATIENCE)

    assert [answer.status_code for answer in asked] == [200, 200]
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
    assert refused.json()["message"].endswith(f"{path} cannot be used: another program has locked it")
    assert 29 < took < 40
    assert after.status_code == 200


def test_missing_settings_are_answered_and_the_process_lives_on(tmp_path: Path) -> None:
    with running_function("sync", {"STORE_URL": f"sqlite:///{tmp_path}/b.db"}) as function:
        refused = httpx.get(f"{function.url}/?update_db", timeout=PATIENCE)
        health = httpx.get(f"{function.url}/check_health", timeout=PATIENCE)

    assert refused.status_code == 500
    assert all(name in refused.json()["message"] for name in ("COMAGIC_TOKEN", "AGBIS_URL", "AGBIS_PASSWORD"))
    assert (health.status_code, health.json()) == (200, {"latest update date": None})


def test_exchange_starts_with_no_setting_at_all(tmp_path: Path) -> None:
    card = {"name": "John Doe", "phone": "9156685347", "arpu": "4570", "soc_tariff": "TESTSOC"}
    with running_function("exchange", {"STORE_URL": f"sqlite:///{tmp_path}/b.db"}) as function:
        posted = httpx.post(f"{function.url}/api/test_id/", json=card, timeout=PATIENCE)
        got = httpx.get(f"{function.url}/api/test_id/", timeout=PATIENCE).json()

    assert posted.json() == {"result": "OK"}
    assert {name: got[name] for name in card} == card


def test_wrong_settings_of_exchange_are_in_its_log_and_in_no_answer(tmp_path: Path) -> None:
    log = tmp_path / "log"
    wrong = {"STORE_URL": f"sqlite:///{tmp_path}/b.db", "EXCHANGE_TTL_SECONDS": "an hour"}
    with log.open("wb") as output, running_function("exchange", wrong, output=output) as function:
        answer = httpx.get(f"{function.url}/api/test_id/", timeout=PATIENCE)

    assert (answer.status_code, answer.json()) == (500, {"Error": "Internal error"})
    (failure,) = [line for line in lines(log) if line["severity"] == "ERROR"]
    assert "EXCHANGE_TTL_SECONDS must be a whole number" in failure["exception"]


def test_the_main_job_runs_on_the_firestore_emulator(
    world: World, settings: dict[str, str], emulator_host: str
) -> None:
    truth = populate(world, phones=30)
    database = FirestoreDatabase(emulator_host)
    with running_function("sync", {**settings, "STORE_URL": database.url, **database.env}) as function:
        first = httpx.get(f"{function.url}/?update_db", timeout=PATIENCE).json()["journal"]
        second = httpx.get(f"{function.url}/?update_db", timeout=PATIENCE).json()["journal"]

    assert {next(iter(row)): row["result"] for row in first["log"]} == truth.results
    assert (second["tags_applied"], second["tags_removed_updated"]) == (0, 0)


def test_a_run_that_gets_sigterm_stops_at_a_safe_point_and_the_next_one_completes_it(
    world: World, settings: dict[str, str]
) -> None:
    """SIGTERM: Cloud Run kills ten seconds later, so the run has to be over by then, its journal stored."""
    truth = populate(world, phones=60)
    world.comagic.latency = 0.4
    answers: list[httpx.Response] = []

    def ask(url: str) -> None:
        answers.append(httpx.get(f"{url}/?update_db", timeout=PATIENCE))

    with running_function("sync", {**settings, "COMAGIC_CONCURRENCY": "1"}) as function:
        caller = threading.Thread(target=ask, args=(function.url,))
        caller.start()
        wait_until(lambda: world.comagic.count("set.tag_sales") >= 3, "three sales are set")
        signalled_at = time.monotonic()
        function.process.send_signal(signal.SIGTERM)
        caller.join(PATIENCE)
        took = time.monotonic() - signalled_at
    world.comagic.latency = 0
    with running_function("sync", settings) as function:
        second = httpx.get(f"{function.url}/", timeout=PATIENCE).json()["journal"]

    (answer,) = answers
    first = answer.json()["journal"]
    assert took < 9
    assert (first["complete"], first["deferred"] > 0) == (False, True)
    assert first["money"]["balanced"] is True
    assert second["complete"] is True
    wrong = {phone for phone, result in truth.results.items() if result in {"applied", "updated"}} - {
        next(iter(row)) for row in second["log"] if row["result"] in {"applied", "updated", "problem"}
    }
    assert not wrong
    assert all(len(sales) == 1 for sales in world.comagic.sales.values())


def test_a_killed_runs_lease_is_free_within_two_minutes_and_named_until_then(
    world: World, settings: dict[str, str]
) -> None:
    populate(world, phones=20)
    world.comagic.fail(Fault(method="get.calls_report", kind="timeout_before"))
    # Both are started first: on a busy machine a start may take longer than the lease lasts.
    with running_function("sync", settings) as killed, running_function("sync", settings) as next_one:
        httpx.get(f"{next_one.url}/check_health", timeout=PATIENCE)
        caller = threading.Thread(target=_try, args=(f"{killed.url}/?update_db",))
        caller.start()
        wait_until(lambda: world.comagic.count("get.calls_report") > 0, "the run reads CoMagic")
        killed.kill()
        caller.join(PATIENCE)
        answer = httpx.get(f"{next_one.url}/", timeout=PATIENCE)

    assert answer.status_code == 409
    assert re.fullmatch(r"ERROR: Another run is in progress: \w+, started .+", answer.json()["message"])
    assert timedelta(0) < timedelta(seconds=int(answer.headers["Retry-After"])) <= timedelta(minutes=1)


def _try(url: str) -> None:
    try:
        httpx.get(url, timeout=PATIENCE)
    except httpx.TransportError:
        return


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="the libraries of a process are listed by Linux only")
def test_the_server_takes_the_fast_loop_and_parser_by_itself(tmp_path: Path) -> None:
    """It asks for what is installed; uvicorn's own fallbacks answer half to two thirds as many requests."""
    with running_function("exchange", {"STORE_URL": f"sqlite:///{tmp_path / 'b.db'}"}) as function:
        assert httpx.get(f"{function.url}/api/a1", timeout=PATIENCE).status_code == 400
        leader = function.process.pid
        workers = Path(f"/proc/{leader}/task/{leader}/children").read_text(encoding="ascii").split()
        loaded = [Path(f"/proc/{worker}/maps").read_text(encoding="utf-8") for worker in workers]

    assert loaded
    assert all("/uvloop/" in each and "/httptools/" in each for each in loaded)

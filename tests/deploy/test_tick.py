"""Scheduled calls: `deploy/tick.py` on one machine, `deploy/schedule.py` in a container."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from zoneinfo import ZoneInfo

import pytest

from deploy.schedule import every_day, every_minutes, jobs_of
from deploy.tick import headers_of, tick
from tests.support.factories import MOSCOW

Reply = tuple[int, dict[str, str], dict[str, object]]
"""Status, headers and body."""

OK: Reply = (200, {}, {"success": True, "message": "done"})
BUSY: Reply = (409, {"Retry-After": "42"}, {"success": False, "message": "ERROR: Another run is in progress"})
AWAY: Reply = (503, {}, {"success": False, "message": "ERROR: CoMagic is away"})
LATER: Reply = (503, {"Retry-After": "3000"}, {"success": False, "message": "ERROR: the day's points are spent"})
WRONG: Reply = (502, {}, {"success": False, "message": "ERROR: a wrong password"})
JOBS = {"TICK_DAILY": "/?update_db&log=none", "TICK_OFTEN": "/?log=none"}


@dataclass
class Sync:
    """Stands for `sync`: answers from a list, and remembers what it was asked."""

    env: dict[str, str]
    answers: list[Reply]
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def tick(self, job: str, **env: str) -> int:
        return tick(job, {**JOBS, **self.env, **env}, sleep=self.pauses.append)


@contextmanager
def answering(*answers: Reply) -> Iterator[Sync]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sync.asked.append((self.path, {name.lower(): text for name, text in self.headers.items()}))
            status, headers, body = sync.answers.pop(0)
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, text in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        sync = Sync({"PORT": str(server.server_address[1])}, list(answers))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield sync
        finally:
            server.shutdown()
            thread.join()


def test_a_tick_says_who_calls_and_for_when_and_shows_the_key(capsys: pytest.CaptureFixture[str]) -> None:
    with answering(OK) as sync:
        status = sync.tick("daily", SYNC_API_KEY="k3y\n", TRIGGER_TIMER_REALTIME_USEC="1767243900000000")

    ((path, headers),) = sync.asked
    assert (status, path) == (0, "/?update_db&log=none")
    assert headers["x-cloudscheduler-jobname"] == "daily"
    assert headers["x-cloudscheduler-scheduletime"] == "2026-01-01T05:05:00+00:00"
    assert headers["x-api-key"] == "k3y"
    assert capsys.readouterr().out == "daily: 200 done\n"


def test_every_try_is_the_same_tick_and_pauses_grow(capsys: pytest.CaptureFixture[str]) -> None:
    with answering(BUSY, AWAY, LATER, OK) as sync:
        status = sync.tick("daily")

    assert (status, len(sync.asked)) == (0, 4)
    assert len({headers["x-cloudscheduler-scheduletime"] for _, headers in sync.asked}) == 1
    assert sync.pauses == [120.0, 240.0, 3000.0]
    assert capsys.readouterr().out.splitlines()[0] == "daily: 409 ERROR: Another run is in progress"


def test_a_daily_run_is_given_up_after_six_tries() -> None:
    with answering(*[AWAY] * 6) as sync:
        assert sync.tick("daily") == 1

    assert sync.pauses == [120.0, 240.0, 480.0, 960.0, 1800.0]


def test_what_nobody_but_a_person_can_mend_is_not_repeated() -> None:
    with answering(WRONG) as sync:
        assert sync.tick("daily") == 1

    assert sync.pauses == []


@pytest.mark.parametrize(("answer", "status"), [(BUSY, 0), (AWAY, 1), (WRONG, 1)])
def test_the_frequent_run_is_tried_once_and_leaves_the_way_to_another_run(answer: Reply, status: int) -> None:
    with answering(answer) as sync:
        assert sync.tick("often") == status

    assert sync.pauses == []


@pytest.mark.parametrize("path", ["", "update_db", "http://example.org/"])
def test_a_job_without_a_path_is_refused(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert tick("daily", {"TICK_DAILY": path}, sleep=lambda _: None) == 2
    assert "TICK_DAILY must be a path" in capsys.readouterr().err


def test_without_a_timer_the_time_is_now() -> None:
    """So a person who starts the job by hand gets a run, and not the journal of the last one."""
    at = datetime.fromisoformat(headers_of("daily", {})["X-CloudScheduler-ScheduleTime"])

    assert abs(datetime.now(UTC) - at) < timedelta(minutes=5)


@pytest.mark.parametrize(
    ("now", "then"),
    [
        ("2026-06-15T00:00", "2026-06-15T04:05"),
        ("2026-06-15T04:04", "2026-06-15T04:05"),
        ("2026-06-15T04:05", "2026-06-16T04:05"),
        ("2026-12-31T23:59", "2027-01-01T04:05"),
    ],
)
def test_a_daily_time_is_the_next_one_of_the_zone(now: str, then: str) -> None:
    next_time = every_day("04:05", MOSCOW)

    assert next_time(datetime.fromisoformat(now).replace(tzinfo=MOSCOW)) == datetime.fromisoformat(then).replace(
        tzinfo=MOSCOW
    )


def test_a_daily_time_is_right_on_the_days_when_clocks_change() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    next_time = every_day("04:05", berlin)

    times = [datetime(2026, 3, 27, 12, tzinfo=UTC)]
    for _ in range(3):
        times.append(next_time(times[-1]))

    assert [at.astimezone(berlin).strftime("%d %H:%M") for at in times[1:]] == ["28 04:05", "29 04:05", "30 04:05"]


def test_every_ten_minutes_is_at_whole_tens() -> None:
    next_time = every_minutes("10")

    assert next_time(datetime(2026, 6, 15, 9, 0, tzinfo=UTC)) == datetime(2026, 6, 15, 9, 10, tzinfo=UTC)
    assert next_time(datetime(2026, 6, 15, 9, 9, 59, tzinfo=UTC)) == datetime(2026, 6, 15, 9, 10, tzinfo=UTC)


@pytest.mark.parametrize("env", [{"SCHEDULE_DAILY": "25:00"}, {"SCHEDULE_OFTEN_MINUTES": "0"}, {"TIME_ZONE": "Mars"}])
def test_a_time_that_cannot_be_read_is_an_error(env: dict[str, str]) -> None:
    with pytest.raises((ValueError, KeyError)):
        jobs_of(env)

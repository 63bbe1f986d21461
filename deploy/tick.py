"""One scheduled run of `sync`: `tick.py daily`. It says who calls and for when, as Cloud Scheduler does.

So a call that is repeated is a repeat: when the first one succeeded without our hearing of it, `sync` answers with that
run's journal instead of doing it again. Only the standard library is used.

Environment:
    TICK_<JOB>: What to ask for, e.g. `/?update_db&log=none`.
    PORT: Where `sync` listens on this machine. BRIDGE_SYNC_URL takes its place where it runs in another container.
    SYNC_API_KEY: Sent as `X-API-Key`.
    TRIGGER_TIMER_REALTIME_USEC: When the timer elapsed (systemd 252 or newer); without it the time is now.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

TRIES = {"daily": 6}
"""How often a job is tried; the others once, because the next one comes soon."""

_FIRST_PAUSE, _LONGEST_PAUSE = 120.0, 1800.0
"""Seconds between tries: at the least what a killed run's lease and the CRM's two logins need."""

_LONGEST_RUN = 3900.0
"""Seconds until an answer is given up: longer than any SYNC_TIME_BUDGET_SECONDS."""

_AGAIN = frozenset({409, 503})
"""Statuses that a later try may mend; the others need somebody."""


@dataclass(frozen=True)
class Answer:
    status: int
    message: str
    retry_after: float | None = None


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: tick.py <job>", file=sys.stderr)
        return 2
    return tick(sys.argv[1], os.environ, sleep=time.sleep)


def tick(job: str, env: Mapping[str, str], *, sleep: Callable[[float], None]) -> int:
    """Do one job; return 0 when its run has succeeded, or when another run is at work and the next tick comes soon."""
    path = env.get(f"TICK_{job.upper()}", "")
    if not path.startswith("/"):
        print(f"TICK_{job.upper()} must be a path, like /?update_db", file=sys.stderr)
        return 2
    headers = headers_of(job, env)
    tries = TRIES.get(job, 1)
    pause = _FIRST_PAUSE
    for number in range(1, tries + 1):
        answer = ask(path, env, headers)
        print(f"{job}: {answer.status} {answer.message}", flush=True)
        if 200 <= answer.status < 300:
            return 0
        if answer.status not in _AGAIN or number == tries:
            break
        sleep(max(pause, answer.retry_after or 0.0))
        pause = min(2 * pause, _LONGEST_PAUSE)
    return 0 if tries == 1 and answer.status == 409 else 1


def headers_of(job: str, env: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of every try: the same, so that a repeat is known as one."""
    microseconds = env.get("TRIGGER_TIMER_REALTIME_USEC", "")
    at = datetime.fromtimestamp(int(microseconds) / 1e6, UTC) if microseconds.isdigit() else datetime.now(UTC)
    headers = {
        "X-CloudScheduler-JobName": job,
        "X-CloudScheduler-ScheduleTime": at.isoformat(timespec="seconds"),
        "Accept": "application/json",
    }
    if key := env.get("SYNC_API_KEY", "").strip():
        headers["X-API-Key"] = key
    return headers


def ask(path: str, env: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
    """Send one request; no answer counts as 503."""
    place = urlsplit(env.get("BRIDGE_SYNC_URL") or f"http://127.0.0.1:{env.get('PORT') or 8080}")
    connection = HTTPConnection(place.hostname or "127.0.0.1", place.port or 80, timeout=_LONGEST_RUN)
    try:
        connection.request("GET", path, headers=dict(headers))
        response = connection.getresponse()
        body = response.read()
    except (OSError, HTTPException) as exc:
        return Answer(503, f"sync does not answer: {str(exc) or type(exc).__name__}")
    finally:
        connection.close()
    return Answer(response.status, _message(body), _seconds(response.getheader("Retry-After")))


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return "an answer that is not sync's"


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isdigit() else None


if __name__ == "__main__":
    sys.exit(main())

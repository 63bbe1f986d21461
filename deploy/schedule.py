"""The schedule of a container, where systemd's timers are not at hand: a daily run, one every ten minutes, a backup.

It is started as a module, from the folder of the program: `python -m deploy.schedule`.

Environment, beside that of `tick.py`:
    SCHEDULE_DAILY, SCHEDULE_BACKUP: Times of the day, e.g. `04:05`.
    SCHEDULE_OFTEN_MINUTES: How often the run between the daily ones comes.
    TIME_ZONE: Of both.
    BRIDGE_DATA: The folder of the database; backups go to its folder `backup`.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from deploy.backup import BackupError, make
from deploy.health import ALIVE
from deploy.tick import tick

_BEAT = 30.0
_DAY = timedelta(days=1)

NextTime = Callable[[datetime], datetime]


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # a call under way is sync's, which goes on with it
    try:
        jobs = jobs_of(os.environ)
    except ValueError as exc:
        print(exc, file=sys.stderr)
        return 1
    for name, (next_time, work) in jobs.items():
        threading.Thread(target=_turn, args=(name, next_time, work), daemon=True).start()
    while True:
        ALIVE.touch()
        time.sleep(_BEAT)


def jobs_of(env: Mapping[str, str]) -> dict[str, tuple[NextTime, Callable[[datetime], object]]]:
    """Return each job with the function that names its next time, and its work.

    Raises:
        ValueError: A time cannot be read.
    """
    zone = ZoneInfo(env.get("TIME_ZONE") or "Europe/Moscow")
    data = Path(env.get("BRIDGE_DATA") or "/data")
    daily = every_day(env.get("SCHEDULE_DAILY") or "04:05", zone)
    often = every_minutes(env.get("SCHEDULE_OFTEN_MINUTES") or "10")
    backups = every_day(env.get("SCHEDULE_BACKUP") or "03:30", zone)
    last = data / ".last-daily"

    def run_daily(at: datetime) -> None:
        _tick("daily", env, at)
        last.touch()

    def missed(now: datetime) -> datetime:
        """Make up at once for a day on which this container was off."""
        if last.exists() and now - datetime.fromtimestamp(last.stat().st_mtime, UTC) > _DAY:
            return now
        return daily(now)

    def back_up(_: datetime) -> None:
        print(f"backup: {make(data / 'bridge.db', data / 'backup', keep=14)}", flush=True)

    return {
        "daily": (missed, run_daily),
        "often": (often, lambda at: _tick("often", env, at)),
        "backup": (backups, back_up),
    }


def every_day(text: str, zone: ZoneInfo) -> NextTime:
    """Return the function that names the next time of a day's hour and minute, strictly after a moment."""
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
        raise ValueError(f"{text} is no time of the day, like 04:05")
    hour, minute = map(int, text.split(":"))

    def next_time(now: datetime) -> datetime:
        local = now.astimezone(zone)
        for days in range(3):
            at = (local + days * _DAY).replace(hour=hour, minute=minute, second=0, microsecond=0)
            if at.astimezone(UTC) > now:
                return at.astimezone(UTC)
        raise AssertionError("three days without this time")

    return next_time


def every_minutes(text: str) -> NextTime:
    """Return the function that names the next whole multiple of some minutes, strictly after a moment."""
    if not re.fullmatch(r"[1-9]\d{0,2}", text):
        raise ValueError(f"{text} is no number of minutes")
    seconds = 60 * int(text)
    return lambda now: datetime.fromtimestamp((now.timestamp() // seconds + 1) * seconds, UTC)


def _tick(job: str, env: Mapping[str, str], at: datetime) -> None:
    tick(job, {**env, "TRIGGER_TIMER_REALTIME_USEC": str(round(at.timestamp() * 1e6))}, sleep=time.sleep)


def _turn(name: str, next_time: NextTime, work: Callable[[datetime], object]) -> None:
    while True:
        at = next_time(datetime.now(UTC))
        while (left := (at - datetime.now(UTC)).total_seconds()) > 0:
            time.sleep(min(left, _BEAT))  # so that a clock that is set right is heeded
        try:
            work(at)
        except (BackupError, OSError) as exc:
            print(f"{name}: {exc}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

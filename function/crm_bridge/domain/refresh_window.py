"""Which stretches of time a refresh asks the CRM for, to the minute."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from crm_bridge.domain.state import Watermark

OVERLAP = timedelta(minutes=60)
"""Rows come from branches with some delay, bearing the time of their change and not of their arrival."""

LONGEST = timedelta(days=1)
"""The CRM answers 504 to long windows; a day has always passed."""

_MINUTE = timedelta(minutes=1)


class Window(Struct, frozen=True, kw_only=True):
    """From `since` to `until`, aware; both are whole minutes."""

    since: datetime
    until: datetime

    def by_days(self) -> Iterator[Window]:
        """Divide it into stretches of at most a day, oldest first; each begins in the minute the last one ended."""
        since = self.since
        while since < self.until:
            until = min(since + LONGEST, self.until)
            yield Window(since=since, until=until)
            since = until


def ordinary_window(watermark: Watermark | None, *, now: datetime, lookback: timedelta) -> Window:
    """Return the window of an ordinary refresh: from the watermark less an overlap, never less than the lookback."""
    until = _end_of_minute(now)
    since = until - lookback
    if watermark is not None and watermark.read_until is not None:
        since = min(since, watermark.read_until - OVERLAP)
    return Window(since=since, until=until)


def backfill_window(first: date, last: date, *, now: datetime, zone: ZoneInfo) -> Window:
    """Return the window of a backfill: whole local days, both included, but not beyond the present minute."""
    since = datetime.combine(first, time(), zone)
    until = datetime.combine(last + timedelta(days=1), time(), zone)
    return Window(since=min(since, _end_of_minute(now)), until=min(until, _end_of_minute(now)))


def advanced_watermark(
    watermark: Watermark | None, window: Window, *, now: datetime, lookback: timedelta
) -> Watermark | None:
    """Return the watermark after a window has been stored, or None when the window does not move it.

    It moves only when nothing is left out between it and the window, so a backfill of last year moves nothing.
    """
    read_until = watermark.read_until if watermark else None
    reached = read_until or _end_of_minute(now) - lookback  # a first refresh reads no more than the lookback
    if not window.since <= reached < window.until:
        return None
    return Watermark(read_until=window.until, refreshed_at=watermark.refreshed_at if watermark else None)


def _end_of_minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0) + _MINUTE

"""Which stretches of time a refresh reads, and how far the watermark moves."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.domain.refresh_window import LONGEST, Window, advanced_watermark, backfill_window, ordinary_window
from crm_bridge.domain.state import Watermark

NOW = datetime(2026, 6, 15, 9, 0, 30, tzinfo=UTC)
MOSCOW = ZoneInfo("Europe/Moscow")
THREE_DAYS = timedelta(days=3)


def watermark(ago: timedelta) -> Watermark:
    return Watermark(read_until=NOW.replace(second=0) - ago, refreshed_at=None)


def test_a_first_refresh_reads_the_lookback_and_the_present_minute() -> None:
    window = ordinary_window(None, now=NOW, lookback=THREE_DAYS)

    assert window.until == datetime(2026, 6, 15, 9, 1, tzinfo=UTC)
    assert window.until - window.since == THREE_DAYS


def test_a_recent_refresh_still_reads_the_whole_lookback() -> None:
    assert (
        ordinary_window(watermark(timedelta(hours=2)), now=NOW, lookback=THREE_DAYS).until - THREE_DAYS
        == ordinary_window(None, now=NOW, lookback=THREE_DAYS).since
    )


def test_after_a_long_pause_reading_begins_an_hour_before_the_watermark() -> None:
    window = ordinary_window(watermark(timedelta(days=10)), now=NOW, lookback=THREE_DAYS)

    assert window.since == NOW.replace(second=0) - timedelta(days=10, hours=1)


def test_three_days_are_three_windows() -> None:
    assert len(list(ordinary_window(None, now=NOW, lookback=THREE_DAYS).by_days())) == 3


def test_a_backfill_reads_whole_local_days_both_included() -> None:
    window = backfill_window(date(2026, 5, 1), date(2026, 5, 2), now=NOW, zone=MOSCOW)

    assert window.since == datetime(2026, 4, 30, 21, 0, tzinfo=UTC)
    assert window.until == datetime(2026, 5, 2, 21, 0, tzinfo=UTC)


def test_a_backfill_until_today_ends_with_the_present_minute() -> None:
    assert backfill_window(date(2026, 6, 14), date(2026, 6, 15), now=NOW, zone=MOSCOW).until == datetime(
        2026, 6, 15, 9, 1, tzinfo=UTC
    )


def test_a_window_that_leaves_a_gap_does_not_move_the_watermark() -> None:
    old = watermark(timedelta(days=10))
    gap = Window(since=NOW - timedelta(days=2), until=NOW)

    assert advanced_watermark(old, gap, now=NOW, lookback=THREE_DAYS) is None


def test_a_backfill_of_last_year_does_not_move_the_watermark() -> None:
    old = watermark(timedelta(hours=1))
    past = Window(since=NOW - timedelta(days=400), until=NOW - timedelta(days=390))

    assert advanced_watermark(old, past, now=NOW, lookback=THREE_DAYS) is None
    assert advanced_watermark(None, past, now=NOW, lookback=THREE_DAYS) is None


def test_a_window_that_joins_the_watermark_moves_it_and_keeps_the_time_of_the_last_whole_refresh() -> None:
    old = Watermark(read_until=NOW - timedelta(days=1), refreshed_at=NOW - timedelta(days=1))
    moved = advanced_watermark(old, Window(since=NOW - timedelta(days=2), until=NOW), now=NOW, lookback=THREE_DAYS)

    assert moved == Watermark(read_until=NOW, refreshed_at=NOW - timedelta(days=1))


def test_a_watermark_of_the_future_counts_as_now() -> None:
    ahead = Watermark(read_until=NOW + timedelta(days=10), refreshed_at=NOW + timedelta(days=10))

    assert ahead.as_of(NOW) == Watermark(read_until=datetime(2026, 6, 15, 9, 1, tzinfo=UTC), refreshed_at=NOW)


def test_a_watermark_of_the_past_stays_as_it_is() -> None:
    for mark in (watermark(timedelta(0)), Watermark(read_until=None, refreshed_at=None)):
        assert mark.as_of(NOW) == mark


@given(ago=st.one_of(st.none(), st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=60))))
def test_the_windows_of_a_refresh_leave_no_gap_and_carry_the_watermark_to_the_present(ago: timedelta | None) -> None:
    mark = None if ago is None else Watermark(read_until=NOW.replace(second=0) - ago, refreshed_at=None)
    whole = ordinary_window(mark, now=NOW, lookback=THREE_DAYS)
    windows = list(whole.by_days())

    assert windows[0].since == whole.since
    assert windows[-1].until == whole.until
    assert all(a.until == b.since for a, b in pairwise(windows))
    assert all(window.until - window.since <= LONGEST for window in windows)
    for window in windows:
        mark = advanced_watermark(mark, window, now=NOW, lookback=THREE_DAYS) or mark
    assert mark is not None
    assert mark.read_until == whole.until

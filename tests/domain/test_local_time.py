"""Moments as the journal and the pages write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.domain.local_time import local_text
from tests.support.factories import MOSCOW, NOON


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("Europe/Moscow", "2026-06-15 12:00:00"),
        ("Asia/Vladivostok", "2026-06-15 19:00:00"),
        ("America/New_York", "2026-06-15 05:00:00"),
        ("UTC", "2026-06-15 09:00:00"),
    ],
)
def test_a_moment_is_written_as_local_time_of_the_business(zone: str, text: str) -> None:
    assert local_text(NOON, ZoneInfo(zone)) == text


def test_the_day_is_the_local_one() -> None:
    assert local_text(datetime(2026, 12, 31, 21, 0, tzinfo=UTC), MOSCOW) == "2027-01-01 00:00:00"


def test_parts_of_a_second_are_left_out_and_not_rounded() -> None:
    assert local_text(NOON + timedelta(microseconds=999_999), MOSCOW) == "2026-06-15 12:00:00"


@given(
    moment=st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2090, 1, 1)),  # noqa: DTZ001
    hours=st.integers(-12, 14),
)
def test_the_same_moment_is_written_the_same_in_whatever_zone_it_comes(moment: datetime, hours: int) -> None:
    aware = moment.replace(tzinfo=UTC)

    assert local_text(aware.astimezone(timezone(timedelta(hours=hours))), MOSCOW) == local_text(aware, MOSCOW)


@given(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2090, 1, 1)))  # noqa: DTZ001
def test_it_can_be_read_back_to_the_second(moment: datetime) -> None:
    aware = moment.replace(tzinfo=UTC)

    read = datetime.strptime(local_text(aware, ZoneInfo("UTC")), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)

    assert read == aware.replace(microsecond=0)

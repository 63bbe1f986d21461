"""A run that goes on, and one whose process was killed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.domain.run import LEASE_TTL, RunStatus
from tests.support.factories import MICROSECOND, NOON, lease, run

RUNNING = run("r1", status=RunStatus.RUNNING)


def test_a_running_run_that_holds_the_lease_goes_on() -> None:
    assert RUNNING.is_going_on(lease("r1", until=NOON + MICROSECOND), now=NOON)


def test_a_run_without_a_lease_was_killed() -> None:
    assert not RUNNING.is_going_on(None, now=NOON)


def test_a_run_whose_lease_another_run_has_was_killed() -> None:
    assert not RUNNING.is_going_on(lease("r2"), now=NOON)


def test_a_lease_has_ended_at_the_instant_that_it_names() -> None:
    assert not RUNNING.is_going_on(lease("r1", until=NOON), now=NOON)


@pytest.mark.parametrize("status", [RunStatus.SUCCEEDED, RunStatus.FAILED])
def test_a_run_that_has_ended_does_not_go_on_though_its_lease_still_stands(status: RunStatus) -> None:
    assert not run("r1", status=status).is_going_on(lease("r1"), now=NOON)


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(minutes=5)))
def test_a_killed_run_is_known_as_such_a_minute_after_its_last_sign_of_life(silent_for: timedelta) -> None:
    standing = lease("r1", until=NOON + LEASE_TTL)

    assert RUNNING.is_going_on(standing, now=NOON + silent_for) is (silent_for < timedelta(minutes=1))

"""A fixed part of the crash matrix, for `make test`; `make crash-matrix` tries all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.matrix import CrashHarness, crash_harness, survive
from tests.support.databases import FirestoreDatabase, SqliteDatabase


def assert_survived(harness: CrashHarness, *, every: int) -> None:
    tried, wrong = survive(harness, range(every // 2, len(harness.moments), every))
    print(f"{tried} of {len(harness.moments)} moments tried, {len(wrong)} problems")
    assert tried
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("concurrency", "every"), [(1, 4), (5, 9)])
def test_a_run_killed_at_any_call_or_write_is_completed_by_the_next(
    tmp_path: Path, concurrency: int, every: int
) -> None:
    with crash_harness(SqliteDatabase(tmp_path / "bridge.db"), concurrency=concurrency) as harness:
        assert_survived(harness, every=every)


def test_on_firestore_too(emulator_host: str) -> None:
    with crash_harness(FirestoreDatabase(emulator_host)) as harness:
        assert_survived(harness, every=13)


def test_the_moments_are_every_call_and_every_write(tmp_path: Path) -> None:
    with crash_harness(SqliteDatabase(tmp_path / "bridge.db")) as harness:
        before = [name.removeprefix("before ") for name in harness.moments if name.startswith("before ")]
        made = [record.method for system in (harness.world.agbis, harness.world.comagic) for record in system.requests]
        since = harness.before[0] if harness.before else harness.world
        earlier = [record.method for system in (since.agbis, since.comagic) for record in system.requests]

    assert sorted(name for name in before if not name.startswith("store")) == sorted(_less(made, earlier))
    assert {"store_commit", "store_compare_and_set"} <= set(before)
    assert len(harness.moments) == 2 * len(before)


def _less(made: list[str], earlier: list[str]) -> list[str]:
    """What was made beyond what had been made earlier."""
    rest = list(made)
    for name in earlier:
        rest.remove(name)
    return rest

"""A fixed part of the crash matrix, for `make test`; `make crash-matrix` tries all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.matrix import Rig, rig_on, survive
from tests.support.databases import FirestoreDatabase, SqliteDatabase


def assert_survived(rig: Rig, *, every: int) -> None:
    tried, wrong = survive(rig, range(every // 2, len(rig.moments), every))
    print(f"{tried} of {len(rig.moments)} moments tried, {len(wrong)} problems")
    assert tried
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("concurrency", "every"), [(1, 4), (5, 9)])
def test_a_run_killed_at_any_call_or_write_is_completed_by_the_next(
    tmp_path: Path, concurrency: int, every: int
) -> None:
    with rig_on(SqliteDatabase(tmp_path / "bridge.db"), concurrency=concurrency) as rig:
        assert_survived(rig, every=every)


def test_on_firestore_too(emulator_host: str) -> None:
    with rig_on(FirestoreDatabase(emulator_host)) as rig:
        assert_survived(rig, every=13)


def test_the_moments_are_every_call_and_every_write(tmp_path: Path) -> None:
    with rig_on(SqliteDatabase(tmp_path / "bridge.db")) as rig:
        before = [name.removeprefix("before ") for name in rig.moments if name.startswith("before ")]
        made = [record.method for system in (rig.world.agbis, rig.world.comagic) for record in system.requests]
        since = rig.before[0] if rig.before else rig.world
        earlier = [record.method for system in (since.agbis, since.comagic) for record in system.requests]

    assert sorted(name for name in before if not name.startswith("store")) == sorted(_less(made, earlier))
    assert {"store_commit", "store_compare_and_set"} <= set(before)
    assert len(rig.moments) == 2 * len(before)


def _less(made: list[str], earlier: list[str]) -> list[str]:
    """What was made beyond what had been made earlier."""
    rest = list(made)
    for name in earlier:
        rest.remove(name)
    return rest

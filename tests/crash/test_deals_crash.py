"""A run killed while it sends deals: the moments of the crash matrix from the first request about deals on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.matrix import crash_harness, survive
from tests.crash.scenario import never_readable
from tests.faults.deal_oracle import deal_differences
from tests.support.databases import Database, FirestoreDatabase, SqliteDatabase


@pytest.mark.parametrize(("name", "every"), [("sqlite", 2), ("firestore", 6)])
def test_a_run_killed_while_it_sends_deals_is_completed_by_the_next(
    tmp_path: Path, request: pytest.FixtureRequest, name: str, every: int
) -> None:
    database: Database = SqliteDatabase(tmp_path / "bridge.db")
    if name == "firestore":
        database = FirestoreDatabase(request.getfixturevalue("emulator_host"))
    with crash_harness(database, deals=True) as harness:
        assert deal_differences(harness.world, never_readable(harness.world)) == []
        first = next(number for number, moment in enumerate(harness.moments) if "deal" in moment)
        tried, wrong = survive(harness, range(first, len(harness.moments), every))

    assert tried >= 3
    assert not wrong, "\n".join(wrong)

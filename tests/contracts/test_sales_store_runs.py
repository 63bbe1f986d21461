"""What every SalesStore promises about runs and their journals."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from msgspec.structs import replace

from crm_bridge.domain.run import Phase, Progress, Run, RunStatus
from crm_bridge.ports import SalesStore
from tests.support.factories import MICROSECOND, NOON, run

pytestmark = pytest.mark.anyio


class TestRuns:
    async def test_an_unknown_run_is_none(self, store: SalesStore) -> None:
        assert await store.run("r1") is None
        assert await store.run_of_tick("sync 2026") is None
        assert await store.runs(10) == []

    async def test_every_field_comes_back(self, store: SalesStore) -> None:
        full = run(
            "r/1",
            finished_at=NOON + MICROSECOND,
            tick="projects/p/jobs/sync 2026-03-01T12:00:00Z",
            parameters="update_db&log=all",
            message="готово",
            journal='{"log": [{"79261234567": "не найдено"}]}'.encode(),
            progress=Progress(phase=Phase.READING, done=30_000, total=None, at=NOON + MICROSECOND),
            figures={"tags_applied": 3, "complete": True},
        )
        await store.save_run(full)

        assert await store.run("r/1") == full

    async def test_a_run_is_saved_again_while_it_runs(self, store: SalesStore) -> None:
        running = run("r1", status=RunStatus.RUNNING, message="reading calls, page 3")
        await store.save_run(running)
        assert await store.run("r1") == running

        done = replace(running, status=RunStatus.SUCCEEDED, journal=b"{}", finished_at=NOON + timedelta(minutes=5))
        await store.save_run(done)
        assert await store.run("r1") == done

    @pytest.mark.parametrize("journal", [None, b"", b"{}"])
    async def test_small_journals_come_back_equal(self, store: SalesStore, journal: bytes | None) -> None:
        await store.save_run(run("r1", journal=journal))

        assert await store.run("r1") == run("r1", journal=journal)

    async def test_a_journal_of_twenty_megabytes_comes_back(self, store: SalesStore) -> None:
        dice = random.Random(1)
        rows = [
            f'{{"7926{dice.randrange(10**7):07}": "{dice.randrange(10**9)}", "result": "applied"}}' for _ in range(999)
        ]
        journal = ",".join(rows * 360).encode() + dice.randbytes(2_500_000)  # the end cannot be compressed
        assert len(journal) > 20_000_000
        await store.save_run(run("r1", journal=journal, tick="t"))

        found = await store.run("r1")

        assert found is not None
        assert found.journal == journal
        assert await store.runs(10) == [run("r1", tick="t")]

    async def test_a_journal_that_became_shorter_comes_back(self, store: SalesStore) -> None:
        await store.save_run(run("r1", journal=random.Random(1).randbytes(2_000_000)))
        await store.save_run(run("r1", journal=b"short"))

        assert await store.run("r1") == run("r1", journal=b"short")

    async def test_a_part_of_a_journal_is_not_a_run(self, store: SalesStore) -> None:
        await store.save_run(run("r1", journal=b"{}"))

        assert await store.run("r1-0") is None

    async def test_runs_come_newest_first_without_journals(self, store: SalesStore) -> None:
        runs = [run(run_id, started_at=NOON + n * MICROSECOND) for n, run_id in enumerate("cadb")]
        for one in (runs[2], runs[0], runs[3], runs[1]):
            await store.save_run(replace(one, journal=b'{"log": []}'))

        assert await store.runs(10) == runs[::-1]
        assert await store.runs(2) == [runs[3], runs[2]]
        assert await store.runs(0) == []

    async def test_the_newest_run_of_a_tick_that_succeeded_is_found(self, store: SalesStore) -> None:
        def of_tick(run_id: str, minute: int, status: RunStatus, tick: str = "t") -> None:
            runs[run_id] = run(
                run_id,
                started_at=NOON + timedelta(minutes=minute),
                status=status,
                tick=tick,
                journal=run_id.encode(),
            )

        runs: dict[str, Run] = {}
        of_tick("first", 0, RunStatus.SUCCEEDED)
        of_tick("second", 1, RunStatus.SUCCEEDED)
        of_tick("third", 2, RunStatus.FAILED)
        of_tick("fourth", 3, RunStatus.RUNNING)
        of_tick("other", 4, RunStatus.SUCCEEDED, "another tick")
        for one in runs.values():
            await store.save_run(one)
        await store.save_run(run("by hand", started_at=NOON + timedelta(minutes=5)))

        assert await store.run_of_tick("t") == runs["second"]
        assert await store.run_of_tick("third tick") is None

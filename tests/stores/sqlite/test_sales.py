"""The sales on SQLite: a write that fails, and runs that expire."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

import pytest

from crm_bridge.ports import Changes
from tests.support.database_dump import dump
from tests.support.databases import SqliteDatabase
from tests.support.factories import NOON, client, lease, order, phone, run

pytestmark = pytest.mark.anyio


async def test_a_write_that_fails_in_the_middle_leaves_nothing(sqlite: SqliteDatabase) -> None:
    store = sqlite.sales()
    await store.take_lease(lease("r1"), now=NOON)
    before = await dump(store)
    other = sqlite3.connect(sqlite.path)
    other.execute("CREATE TRIGGER full BEFORE INSERT ON clients BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    other.close()

    with pytest.raises(sqlite3.IntegrityError, match="disk full"):
        await store.write([Changes(orders=[order("1")], phones=[phone("1")], clients=[client("1")])], run_id="r1")

    assert await dump(store) == before
    await store.write([Changes(phones=[phone("1")])], run_id="r1")


async def test_expired_runs_and_their_journals_are_deleted_by_a_later_run(sqlite: SqliteDatabase) -> None:
    store = sqlite.sales()
    await store.save_run(run("gone", expires_at=NOON + timedelta(days=1), journal=b"{}"))
    await store.save_run(run("kept", expires_at=NOON + timedelta(days=2), journal=b"{}"))
    await store.save_run(run("new", started_at=NOON + timedelta(days=1)))

    assert sorted((await dump(store))["runs"]) == ["kept", "kept-0", "new"]

"""The SQLite file: opened late, shared with other processes, whole when it is closed."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from crm_bridge.ports import Changes
from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from tests.support.database_dump import dump
from tests.support.databases import SqliteDatabase
from tests.support.factories import NOON, card, client, lease, phone

pytestmark = pytest.mark.anyio


async def test_nothing_is_opened_before_the_first_use(sqlite: SqliteDatabase) -> None:
    store = sqlite.sales()
    assert not sqlite.path.parent.exists()

    assert not await store.has_phones()
    assert sqlite.path.exists()


async def test_a_file_is_used_again(sqlite: SqliteDatabase) -> None:
    await sqlite.cards().put(card("a1"))
    await sqlite.sales().take_lease(lease("r1"), now=NOON)
    await sqlite.close()

    assert await sqlite.cards().get("a1", now=NOON) == card("a1")
    assert await sqlite.sales().take_lease(lease("r2"), now=NOON) == lease("r1")


async def test_a_relative_path_is_below_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = SqliteSalesStore("bridge.db")

    await store.take_lease(lease("r1"), now=NOON)
    await store.close()

    assert (tmp_path / "bridge.db").exists()


async def test_many_workers_open_a_new_file_at_once(sqlite: SqliteDatabase) -> None:
    stores = [sqlite.sales() for _ in range(20)]
    cards = [sqlite.cards() for _ in range(20)]

    await asyncio.gather(
        *(store.has_phones() for store in stores), *(store.put(card(f"c{n}")) for n, store in enumerate(cards))
    )

    assert len((await dump(stores[0]))["cards"]) == 20


async def test_a_read_does_not_wait_for_a_writer(sqlite: SqliteDatabase) -> None:
    store = sqlite.sales()
    await store.take_lease(lease("r1"), now=NOON)
    other = sqlite3.connect(sqlite.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    assert await asyncio.wait_for(store.runs(10), 15) == []  # waiting for a writer takes 30

    other.execute("ROLLBACK")
    other.close()


async def test_a_write_waits_for_another_writer(sqlite: SqliteDatabase) -> None:
    store = sqlite.sales()
    await store.take_lease(lease("r1"), now=NOON)
    other = sqlite3.connect(sqlite.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writing = asyncio.create_task(store.write([Changes(phones=[phone("1")])], run_id="r1"))
    await asyncio.sleep(0.3)
    assert not writing.done()

    other.execute("COMMIT")
    other.close()
    await writing

    assert await store.has_phones()


async def test_a_cancelled_write_leaves_the_file_usable(sqlite: SqliteDatabase) -> None:
    store = sqlite.sales()
    await store.take_lease(lease("r1"), now=NOON)
    changes = [Changes(phones=[phone(f"{number}")], clients=[client(f"{number}")]) for number in range(2000)]
    other = sqlite3.connect(sqlite.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # so the write cannot be over before it is cancelled
    writing = asyncio.create_task(store.write(changes, run_id="r1"))
    await asyncio.sleep(0.3)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    other.execute("ROLLBACK")
    other.close()

    found = await dump(store)
    assert len(found.get("phones", ())) == len(found.get("clients", ()))
    await store.write([Changes(phones=[phone("last")])], run_id="r1")


async def test_a_closed_file_is_whole_without_its_log(sqlite: SqliteDatabase) -> None:
    """A copy of the file needs no log beside it."""
    sales, cards = sqlite.sales(), sqlite.cards()
    await sales.take_lease(lease("r1"), now=NOON)
    await cards.put(card("a1"))
    await cards.put(card("a2"))
    assert len([*sqlite.path.parent.iterdir()]) > 1

    await sales.close()
    await cards.close()

    assert [*sqlite.path.parent.iterdir()] == [sqlite.path]
    assert await cards.get("a2", now=NOON) == card("a2")  # which opens it again


def test_sqlite_needs_neither_google_nor_phonenumbers() -> None:
    """A cold start pays for its imports: 0.6 seconds for Firestore alone."""
    code = (
        "import sys, crm_bridge.stores.sqlite.cards, crm_bridge.stores.sqlite.sales\n"
        "unwanted = ('google.api_core', 'google.cloud.', 'grpc', 'phonenumbers')\n"
        "print([name for name in sys.modules if name.startswith(unwanted)])"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "function")}

    found = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)

    assert found.stdout == "[]\n"

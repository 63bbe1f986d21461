"""What is particular to SQLite: the file, other processes, cleaning."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from crm_bridge.ports import Changes
from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from tests.contracts.values import MICROSECOND, NOON, card, client, lease, order, phone, run
from tests.support.database_dump import dump
from tests.support.databases import SqliteDatabase

pytestmark = pytest.mark.anyio


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    database = SqliteDatabase(tmp_path / "some" / "folder" / "bridge.db")
    yield database
    await database.close()


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

    assert await asyncio.wait_for(store.runs(10), 1) == []

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


async def test_a_cancelled_write_leaves_the_file_usable(sqlite: SqliteDatabase) -> None:
    store = sqlite.sales()
    await store.take_lease(lease("r1"), now=NOON)
    changes = [Changes(phones=[phone(f"{number}")], clients=[client(f"{number}")]) for number in range(2000)]
    writing = asyncio.create_task(store.write(changes, run_id="r1"))
    await asyncio.sleep(0.01)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing

    found = await dump(store)
    assert len(found.get("phones", ())) == len(found.get("clients", ()))
    await store.write([Changes(phones=[phone("last")])], run_id="r1")


async def test_expired_cards_are_deleted_by_the_first_put_of_every_minute(sqlite: SqliteDatabase) -> None:
    later = NOON + timedelta(minutes=1)
    cards = sqlite.cards()
    await cards.put(card("gone", expires_at=later - MICROSECOND))  # cards go with the second in which they expired
    await cards.put(card("kept", expires_at=later + MICROSECOND))
    await cards.put(card("new", posted_at=later))

    assert sorted((await dump(cards))["cards"]) == ["kept", "new"]


async def test_expired_cards_are_deleted_by_the_first_put_of_a_process(sqlite: SqliteDatabase) -> None:
    await sqlite.cards().put(card("gone", expires_at=NOON - MICROSECOND))
    await sqlite.cards().put(card("new", posted_at=NOON))

    assert sorted((await dump(sqlite.cards()))["cards"]) == ["new"]


async def test_cards_put_at_once_are_all_there(sqlite: SqliteDatabase) -> None:
    cards = sqlite.cards()
    await asyncio.gather(*(cards.put(card(f"c{n}", name=f"{n}")) for n in range(50)))

    assert [await cards.get(f"c{n}", now=NOON) for n in range(50)] == [card(f"c{n}", name=f"{n}") for n in range(50)]


async def test_cards_are_put_when_another_writer_is_done_and_read_meanwhile(sqlite: SqliteDatabase) -> None:
    """Nobody else waits meanwhile: the exchange answers hundreds of callers from one event loop."""
    cards = sqlite.cards()
    await cards.put(card("a1"))
    other = sqlite3.connect(sqlite.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writing = [asyncio.create_task(cards.put(card(f"c{n}"))) for n in range(3)]

    assert await asyncio.wait_for(cards.get("a1", now=NOON), 1) == card("a1")
    await asyncio.sleep(0.3)
    assert not any(task.done() for task in writing)
    other.execute("COMMIT")
    other.close()
    await asyncio.gather(*writing)

    assert sorted((await dump(cards))["cards"]) == ["a1", "c0", "c1", "c2"]


async def test_a_put_that_fails_says_so(sqlite: SqliteDatabase) -> None:
    cards = sqlite.cards()
    await cards.put(card("a1"))
    other = sqlite3.connect(sqlite.path)
    other.execute("CREATE TRIGGER full BEFORE INSERT ON cards BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    other.close()

    with pytest.raises(sqlite3.IntegrityError, match="disk full"):
        await cards.put(card("c1"))
    assert sorted((await dump(cards))["cards"]) == ["a1"]


async def test_expired_runs_and_their_journals_are_deleted_by_a_later_run(sqlite: SqliteDatabase) -> None:
    store = sqlite.sales()
    await store.save_run(run("gone", expires_at=NOON + timedelta(days=1), journal=b"{}"))
    await store.save_run(run("kept", expires_at=NOON + timedelta(days=2), journal=b"{}"))
    await store.save_run(run("new", started_at=NOON + timedelta(days=1)))

    assert sorted((await dump(store))["runs"]) == ["kept", "kept-0", "new"]


def test_sqlite_needs_neither_google_nor_phonenumbers() -> None:
    """A cold start pays for what it imports: 0.6 seconds for Firestore alone."""
    code = (
        "import sys, crm_bridge.stores.sqlite.cards, crm_bridge.stores.sqlite.sales\n"
        "unwanted = ('google.api_core', 'google.cloud.', 'grpc', 'phonenumbers')\n"
        "print([name for name in sys.modules if name.startswith(unwanted)])"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "function")}

    found = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)

    assert found.stdout == "[]\n"

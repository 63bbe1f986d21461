"""The SQLite file: opened late, shared with other processes, whole when it is closed."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
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


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def usual_umask() -> Iterator[None]:
    """Let new files be readable by everybody, as they usually are."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("usual_umask")
async def test_a_new_file_and_its_folders_are_its_owners_alone(sqlite: SqliteDatabase) -> None:
    """It holds clients' phones and sums."""
    await sqlite.sales().take_lease(lease("r1"), now=NOON)
    await sqlite.cards().put(card("a1"))

    folder = sqlite.path.parent
    assert {path.name: mode_of(path) for path in folder.iterdir()} == {
        "bridge.db": 0o600,
        "bridge.db-wal": 0o600,
        "bridge.db-shm": 0o600,
    }
    assert [mode_of(path) for path in (folder, folder.parent)] == [0o700, 0o700]


@pytest.mark.usefixtures("usual_umask")
async def test_what_was_there_keeps_its_mode(tmp_path: Path) -> None:
    """A group that was given the file on purpose keeps it."""
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o750)
    path = folder / "bridge.db"
    path.touch(mode=0o640)
    database = SqliteDatabase(path)

    await database.cards().put(card("a1"))

    assert {name.name: mode_of(name) for name in folder.iterdir()} == {
        "bridge.db": 0o640,
        "bridge.db-wal": 0o640,
        "bridge.db-shm": 0o640,
    }
    assert mode_of(folder) == 0o750
    await database.close()


async def test_a_link_to_a_file_that_is_not_there_yet_makes_that_file(tmp_path: Path) -> None:
    link, target = tmp_path / "bridge.db", tmp_path / "elsewhere.db"
    link.symlink_to(target)
    database = SqliteDatabase(link)

    await database.cards().put(card("a1"))
    await database.close()

    assert mode_of(target) == 0o600


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

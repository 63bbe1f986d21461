"""Backups: made while a run goes on, restored, and then nothing is done twice."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from deploy.backup import BackupError, make, restore
from tests.sandbox.clock import ManualClock
from tests.sandbox.world import World, populate
from tests.support.database_dump import dump
from tests.support.factories import NOON
from tests.support.function_process import ROOT
from tests.support.sync_app import results, sync_app_on

COMMAND = [sys.executable, str(ROOT / "deploy" / "backup.py")]


@pytest.mark.anyio
@pytest.mark.parametrize("at", [1, 7, 15])
async def test_a_backup_of_the_middle_of_a_run_completes_to_the_same_sales(tmp_path: Path, at: int) -> None:
    """The copy is older than what CoMagic has by then: the next run must see that, and set nothing again."""
    world = World(ManualClock(NOON))
    populate(world, phones=30)
    database, folder = tmp_path / "bridge.db", tmp_path / "backup"
    store = SqliteSalesStore(str(database))
    copies: list[Path] = []
    async with sync_app_on(store, world=world) as bridge:

        def copy_at_the_call() -> None:
            if world.comagic.count("set.tag_sales") == at and not copies:
                copies.append(make(database, folder, keep=3))

        with _at_each_request(world, copy_at_the_call):
            whole = (await bridge.get("update_db")).json()["journal"]
        expected, history = dict(world.comagic.sales), len(world.comagic.history)
    await store.close()

    restore(copies[0], database)
    store = SqliteSalesStore(str(database))
    async with sync_app_on(store, world=world) as bridge:
        assert (await bridge.get("")).status_code == 409, "the lease of the run that was copied still stands"
        bridge.clock.advance(timedelta(minutes=2))
        journal = await bridge.run("")
        later = await bridge.run("update_db")
    await store.close()

    assert {**world.comagic.sales} == expected
    # Nothing was set twice: what a later run sends is a failed sale, tried again.
    assert len(world.comagic.history) == history
    assert {phone for phone, result in results(journal).items() if result in {"applied", "updated"}} == set()
    assert results(later) == {
        phone: {"applied": "problem", "updated": "problem"}.get(result, result)
        for phone, result in results(whole).items()
    }


@contextmanager
def _at_each_request(world: World, work: object) -> Iterator[None]:
    answer = world.comagic._answer

    async def with_work(incoming: object) -> object:
        work()  # type: ignore[operator]
        return await answer(incoming)  # type: ignore[arg-type]

    world.comagic._answer = with_work  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        world.comagic._answer = answer  # type: ignore[method-assign]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "bridge.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE phones (id TEXT PRIMARY KEY, body TEXT)")
        connection.execute("INSERT INTO phones VALUES ('1', 'one')")
    return path


def content(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT * FROM phones ORDER BY id").fetchall()


def test_a_copy_has_what_others_have_committed_and_not_what_they_are_writing(database: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("INSERT INTO phones VALUES ('2', 'two')")  # in the log, not in the file yet
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO phones VALUES ('3', 'three')")
        copy = make(database, tmp_path / "backup", keep=1)

    assert content(copy) == [("1", "one"), ("2", "two")]


def test_a_copy_is_its_owners_alone_and_one_file(database: Path, tmp_path: Path) -> None:
    copy = make(database, tmp_path / "backup", keep=1)

    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert stat.S_IMODE(copy.parent.stat().st_mode) == 0o700
    assert list(copy.parent.iterdir()) == [copy]


def test_the_oldest_copies_go(database: Path, tmp_path: Path) -> None:
    made = [make(database, tmp_path / "backup", keep=2) for _ in range(4)]

    assert sorted((tmp_path / "backup").iterdir()) == made[-2:]


def test_a_restored_database_is_the_copy_and_the_former_one_is_kept(database: Path, tmp_path: Path) -> None:
    copy = make(database, tmp_path / "backup", keep=1)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("INSERT INTO phones VALUES ('9', 'later')")

    restore(copy, database)

    (former,) = database.parent.glob("bridge.db.before-*")
    assert content(database) == [("1", "one")]
    assert content(former) == [("1", "one"), ("9", "later")]
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    assert copy.exists()


def test_nothing_is_restored_while_somebody_uses_the_database(database: Path, tmp_path: Path) -> None:
    copy = make(database, tmp_path / "backup", keep=1)
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("SELECT * FROM phones").fetchall()

        with pytest.raises(BackupError, match="is in use: stop the service first"):
            restore(copy, database)

        other.execute("INSERT INTO phones VALUES ('2', 'two')")
    assert content(database) == [("1", "one"), ("2", "two")]


def test_a_damaged_copy_is_refused(database: Path, tmp_path: Path) -> None:
    copy = make(database, tmp_path / "backup", keep=1)
    copy.write_bytes(b"nothing of SQLite" * 100)

    done = subprocess.run([*COMMAND, "restore", copy, database], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "file is not a database" in done.stderr
    assert content(database) == [("1", "one")]


def test_a_missing_database_is_named_and_none_is_made(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "make", tmp_path / "no.db", tmp_path / "backup"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (1, f"backup.py: there is no database {tmp_path}/no.db\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.anyio
async def test_a_copy_has_the_same_documents(tmp_path: Path) -> None:
    world = World(ManualClock(NOON))
    populate(world, phones=10)
    store = SqliteSalesStore(str(tmp_path / "bridge.db"))
    async with sync_app_on(store, world=world) as bridge:
        await bridge.run("update_db")
        copy = make(tmp_path / "bridge.db", tmp_path / "backup", keep=1)
        copied = SqliteSalesStore(str(copy))
        assert await dump(copied) == await dump(store)
    await copied.close()
    await store.close()

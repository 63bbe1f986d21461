"""A file that cannot be used: what passes is waited for, what does not fails at once, and both name the file."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from crm_bridge.errors import StoreUnavailable
from crm_bridge.ports import Changes
from crm_bridge.stores import causes
from crm_bridge.stores.sqlite.cards import SqliteCardStore
from crm_bridge.stores.sqlite.failures import unavailable
from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from tests.support.databases import SqliteDatabase, locked
from tests.support.factories import NOON, card, lease, phone, run

pytestmark = pytest.mark.anyio

AT_ONCE = 15.0
"""Seconds: far more than a failure takes, and half of what a lock is waited for."""

NOBODY = 65_534

FailureOf = Callable[[Path], Awaitable[StoreUnavailable]]


async def failure_of_sales(path: Path) -> StoreUnavailable:
    store = SqliteSalesStore(str(path))
    with pytest.raises(StoreUnavailable) as caught:
        await asyncio.wait_for(store.take_lease(lease("r1"), now=NOON), AT_ONCE)
    with pytest.raises(StoreUnavailable, match=caught.value.cause):
        await asyncio.wait_for(store.runs(1), AT_ONCE)
    await store.close()
    return caught.value


async def failure_of_cards(path: Path) -> StoreUnavailable:
    cards = SqliteCardStore(str(path))
    with pytest.raises(StoreUnavailable) as caught:
        await asyncio.wait_for(cards.put(card("a1")), AT_ONCE)
    with pytest.raises(StoreUnavailable, match=caught.value.cause):
        await asyncio.wait_for(cards.get("a1", now=NOON), AT_ONCE)
    await cards.close()
    return caught.value


def a_folder(folder: Path) -> Path:
    (folder / "bridge.db").mkdir()
    return folder / "bridge.db"


def below_a_file(folder: Path) -> Path:
    (folder / "file").write_text("no folder")
    return folder / "file" / "bridge.db"


def deep_below_a_file(folder: Path) -> Path:
    (folder / "file").write_text("no folder")
    return folder / "file" / "some" / "bridge.db"


def some_text(folder: Path) -> Path:
    (folder / "bridge.db").write_text("no database " * 100)
    return folder / "bridge.db"


def half_a_database(folder: Path) -> Path:
    path = folder / "bridge.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE some (id)")
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xff" * (len(content) - 100))
    return path


@pytest.mark.parametrize("failure_of", [failure_of_sales, failure_of_cards])
@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (a_folder, causes.IS_FOLDER),
        (below_a_file, causes.NO_FOLDER),
        (deep_below_a_file, causes.NO_FOLDER),
        (some_text, causes.NOT_SQLITE),
        (half_a_database, causes.DAMAGED),
    ],
)
async def test_what_is_no_database_fails_at_once_and_is_named(
    make: Callable[[Path], Path], cause: str, failure_of: FailureOf, tmp_path: Path
) -> None:
    path = make(tmp_path)

    failed = await failure_of(path)

    assert str(failed) == f"STORE_URL: the database {path} cannot be used: {cause}"
    assert (failed.place, failed.cause, failed.retry_after) == (str(path), cause, None)


@pytest.fixture
def closed_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that the test's user may not enter; root is made an ordinary user for it."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    yield folder
    os.seteuid(user)


@pytest.mark.parametrize("failure_of", [failure_of_sales, failure_of_cards])
async def test_a_folder_that_is_closed_to_us_is_named(failure_of: FailureOf, closed_folder: Path) -> None:
    failed = await failure_of(closed_folder / "bridge.db")

    assert failed.cause == causes.NO_PERMISSION


async def test_a_relative_path_is_named_from_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a process works is not seen from outside."""
    monkeypatch.chdir(tmp_path)

    failed = await failure_of_sales(a_folder(tmp_path).relative_to(tmp_path))

    assert failed.place == str(tmp_path / "bridge.db")


@pytest.mark.parametrize(
    ("exc", "cause"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), causes.FULL),
        (OSError(errno.EROFS, "Read-only file system"), causes.READ_ONLY),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files"),
    ],
)
def test_what_the_system_reports_is_the_cause(exc: OSError, cause: str) -> None:
    failed = unavailable("/data/bridge.db", exc, retry_after=5)

    assert (failed.place, failed.cause, failed.retry_after) == ("/data/bridge.db", cause, None)


def test_a_phone_in_the_path_is_hidden() -> None:
    failed = unavailable("/data/79261234567/bridge.db", OSError(errno.ENOSPC, "full"), retry_after=5)

    assert "79261234567" not in str(failed)


class TestUsedBefore:
    """A file that was in order when it was opened."""

    @pytest.fixture
    async def sales(self, sqlite: SqliteDatabase) -> SqliteSalesStore:
        store = sqlite.sales()
        await store.take_lease(lease("r1"), now=NOON)
        return store

    @pytest.fixture
    async def cards(self, sqlite: SqliteDatabase) -> SqliteCardStore:
        store = sqlite.cards()
        await store.put(card("a1"))
        return store

    @pytest.mark.parametrize(
        ("pragma", "cause"), [("max_page_count = 1", causes.FULL), ("query_only = 1", causes.READ_ONLY)]
    )
    async def test_a_write_to_a_disk_that_takes_no_more_fails_at_once_and_reads_go_on(
        self, pragma: str, cause: str, sales: SqliteSalesStore, cards: SqliteCardStore
    ) -> None:
        await sales.file.write(lambda connection: connection.execute(f"PRAGMA {pragma}"))
        await cards.file.write_here(lambda connection: connection.execute(f"PRAGMA {pragma}"))
        large = "Химчистка " * 5000

        with pytest.raises(StoreUnavailable) as of_sales:
            await asyncio.wait_for(sales.write([Changes(phones=[phone("1", comment=large)])], run_id="r1"), AT_ONCE)
        with pytest.raises(StoreUnavailable) as of_cards:
            await asyncio.wait_for(cards.put(card("a2", name=large)), AT_ONCE)

        for failed in (of_sales.value, of_cards.value):
            assert (failed.cause, failed.retry_after) == (cause, None)
        assert await sales.phones(["1"]) == {}
        assert await cards.get("a1", now=NOON) == card("a1")

    async def test_a_failed_write_is_no_end_of_the_store(self, sales: SqliteSalesStore) -> None:
        await sales.file.write(lambda connection: connection.execute("PRAGMA query_only = 1"))
        with pytest.raises(StoreUnavailable):
            await sales.save_run(run("r1"))
        await sales.file.write(lambda connection: connection.execute("PRAGMA query_only = 0"))

        await sales.save_run(run("r1"))

        assert await sales.run("r1") == run("r1")

    async def test_a_statement_of_ours_that_is_wrong_is_no_failure_of_the_database(
        self, sales: SqliteSalesStore, cards: SqliteCardStore
    ) -> None:
        def twice(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT INTO runs VALUES ('r1', ?)", [("{}",), ("{}",)])

        with pytest.raises(sqlite3.IntegrityError):
            await sales.file.write(twice)
        with pytest.raises(sqlite3.IntegrityError):
            await cards.file.write_here(lambda connection: connection.execute("INSERT INTO cards VALUES ('a1', '')"))


class TestLocked:
    @pytest.fixture
    async def impatient(self, sqlite: SqliteDatabase) -> AsyncIterator[tuple[SqliteSalesStore, SqliteCardStore]]:
        sales, cards = SqliteSalesStore(str(sqlite.path), patience=0.3), SqliteCardStore(str(sqlite.path), patience=0.3)
        await sales.take_lease(lease("r1"), now=NOON)
        await cards.put(card("a1"))
        yield sales, cards
        await sales.close()
        await cards.close()

    async def test_a_write_waits_and_then_says_when_to_try_again(
        self, impatient: tuple[SqliteSalesStore, SqliteCardStore], sqlite: SqliteDatabase
    ) -> None:
        sales, cards = impatient
        with locked(sqlite.path):
            for write in (sales.write([Changes(phones=[phone("1")])], run_id="r1"), cards.put(card("a2"))):
                started = time.monotonic()
                with pytest.raises(StoreUnavailable) as caught:
                    await asyncio.wait_for(write, AT_ONCE)
                assert time.monotonic() - started >= 0.3
                assert caught.value.cause == causes.LOCKED
                assert caught.value.retry_after is not None

        await cards.put(card("a2"))
        await sales.write([Changes(phones=[phone("1")])], run_id="r1")

    async def test_the_wait_of_a_write_counts_from_its_call_not_from_its_turn(self, sqlite: SqliteDatabase) -> None:
        """A hundred callers behind one lock would otherwise wait a hundred times as long."""
        cards = SqliteCardStore(str(sqlite.path), patience=1.0)
        await cards.put(card("a1"))
        with locked(sqlite.path):
            writing = [cards.put(card(f"c{number}")) for number in range(100)]
            answers = await asyncio.wait_for(asyncio.gather(*writing, return_exceptions=True), AT_ONCE)
        await cards.close()

        assert {type(answer) for answer in answers} == {StoreUnavailable}

    async def test_reads_go_on_while_writes_wait(self, sqlite: SqliteDatabase) -> None:
        """A person asks how it goes, and a caller's card was posted before."""
        sales, cards = sqlite.sales(), sqlite.cards()
        await sales.take_lease(lease("r1"), now=NOON)
        await sales.save_run(run("r1"))
        await cards.put(card("a1"))
        with locked(sqlite.path):
            writing = [
                asyncio.create_task(sales.write([Changes(phones=[phone("1")])], run_id="r1")),
                asyncio.create_task(cards.put(card("a2"))),
            ]
            await asyncio.sleep(0.3)

            async with asyncio.timeout(AT_ONCE / 5):  # cards are waited for 5 seconds
                assert await sales.runs(10) == [run("r1")]
                assert await sales.lease() == lease("r1")
                assert await sales.run("r1") == run("r1")
                assert [page async for page in sales.all_phones()] == []
                assert await cards.get("a1", now=NOON) == card("a1")
            assert not any(task.done() for task in writing)
        await asyncio.gather(*writing)

        assert await sales.phones(["1"]) == {"1": phone("1")}

    async def test_the_first_reads_of_a_process_go_on_while_its_first_writes_wait(self, sqlite: SqliteDatabase) -> None:
        before = sqlite.sales(), sqlite.cards()
        await before[0].take_lease(lease("r1"), now=NOON)
        await before[1].put(card("a1"))
        sales, cards = sqlite.sales(), sqlite.cards()
        with locked(sqlite.path):
            writing = [
                asyncio.create_task(sales.write([Changes(phones=[phone("1")])], run_id="r1")),
                asyncio.create_task(cards.put(card("a2"))),
            ]
            await asyncio.sleep(0.3)

            async with asyncio.timeout(AT_ONCE / 5):
                assert await sales.runs(10) == []
                assert await cards.get("a1", now=NOON) == card("a1")
            assert not any(task.done() for task in writing)
        await asyncio.gather(*writing)

    async def test_a_read_that_is_kept_out_waits_and_then_says_so(
        self, impatient: tuple[SqliteSalesStore, SqliteCardStore], sqlite: SqliteDatabase
    ) -> None:
        """Another program has the file for itself, as some do that repair or compress it."""
        sales, cards = impatient
        await sales.close()
        await cards.close()
        with closing(sqlite3.connect(sqlite.path, isolation_level=None)) as other:
            other.execute("PRAGMA locking_mode = EXCLUSIVE")
            other.execute("CREATE TABLE another (id)")
            for read in (sales.runs(1), cards.get("a1", now=NOON)):
                with pytest.raises(StoreUnavailable, match=causes.LOCKED):
                    await asyncio.wait_for(read, AT_ONCE)

        assert await cards.get("a1", now=NOON) == card("a1")

"""A SQLite file, used from asyncio, by several processes at once."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from crm_bridge.errors import StoreUnavailable
from crm_bridge.stores.documents import Document
from crm_bridge.stores.sqlite.failures import OURS, is_busy, unavailable

T = TypeVar("T")

_CHECKPOINT_PAGES = 4000
"""Pages of the log (16 MB) before `write_here` moves them to the file, which stops the event loop for milliseconds."""

_creation = threading.Lock()
"""Held while a file is made: to close it again would end the locks that SQLite holds on it in this process."""


class SqliteFile:
    """A file, opened by the first use: the server imports us, then forks, and a fork must not carry a connection over.

    Two threads of its own do the work, one piece after another: one writes, the other reads. So a read does not wait
    behind a write that waits for another process, a cancelled caller never leaves a transaction half-way, and callers
    that wait take no thread from others.

    Every use raises StoreUnavailable when the file cannot be used.
    """

    def __init__(self, path: str, schema: str, *, patience: float) -> None:
        """Keep the name of a file; the first use makes its folder.

        Args:
            path: Of the file.
            schema: Statements that create what is missing in the file.
            patience: Seconds that a caller waits at most for another process that writes.
        """
        self._path = path
        self._patience = patience
        self._reader = _ConnectionThread(path, schema, name="sqlite-reader")
        self._writer = _ConnectionThread(path, schema, name="sqlite-writer")
        self._impatient_connection: sqlite3.Connection | None = None

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Call a function that only reads, in the thread for it."""
        return await self._in(self._reader, work)

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Call a function in the thread that writes."""
        return await self._in(self._writer, work)

    async def read_here(self, statement: Callable[[sqlite3.Connection], T]) -> T:
        """Call a function of one statement at once: it takes less time than the way to the thread and back.

        A statement that meets another connection's lock is repeated in the thread, which has time to wait.
        """
        connection = self._impatient_connection or await self._open_impatient()
        try:
            return statement(connection)
        except sqlite3.DatabaseError as exc:
            self._raise_unless_busy(exc)
        return await self.read(statement)

    async def write_here(self, statement: Callable[[sqlite3.Connection], T]) -> T:
        """Do the same with a statement that writes."""
        connection = self._impatient_connection or await self._open_impatient()
        try:
            return statement(connection)
        except sqlite3.DatabaseError as exc:
            self._raise_unless_busy(exc)
        return await self.write(statement)

    async def close(self) -> None:
        """Close the file, which folds its log into it: only then a copy of the file alone is whole.

        The next use opens it again.
        """
        if self._impatient_connection is not None:
            self._impatient_connection.close()
            self._impatient_connection = None
        await self._reader.close()
        await self._writer.close()

    async def _in(self, thread: _ConnectionThread, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await thread.run(work, patience=self._patience)
        except OURS:
            raise
        except (sqlite3.DatabaseError, OSError) as exc:
            raise self._unavailable(exc) from exc

    async def _open_impatient(self) -> sqlite3.Connection:
        # In the thread: its first use makes the file and its tables, and waits for others that do.
        opened = await self.read(lambda _: _connect_impatient(self._path, timeout=self._patience))
        if self._impatient_connection is None:
            self._impatient_connection = opened
        else:  # another caller was faster
            opened.close()
        return self._impatient_connection

    def _raise_unless_busy(self, exc: sqlite3.DatabaseError) -> None:
        if isinstance(exc, OURS):
            raise exc
        if not is_busy(exc):
            raise self._unavailable(exc) from exc

    def _unavailable(self, exc: sqlite3.DatabaseError | OSError) -> StoreUnavailable:
        return unavailable(self._path, exc, retry_after=round(self._patience))


class _ConnectionThread:
    """A connection to a file, and the thread that uses it."""

    def __init__(self, path: str, schema: str, *, name: str) -> None:
        self._path = path
        self._schema = schema
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._connection: sqlite3.Connection | None = None

    async def run(self, work: Callable[[sqlite3.Connection], T], *, patience: float) -> T:
        """Call a function with the connection, in the thread.

        Args:
            work: The function.
            patience: Seconds to wait for locks at most, from now on: those behind other work of the thread count.
        """
        deadline = time.monotonic() + patience
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run_in_thread, work, deadline)

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close_in_thread)

    def _run_in_thread(self, work: Callable[[sqlite3.Connection], T], deadline: float) -> T:
        if self._connection is None:
            self._connection = _open(self._path, self._schema, deadline)
        _wait_until(deadline, self._connection)
        return work(self._connection)

    def _close_in_thread(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Write all or nothing. The lock is taken first: SQLite may refuse a reader that becomes a writer half-way."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def to_json(document: Document) -> str:
    """Write a document as JSON; times have one width, so that they sort as text."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=_plain)


def time_to_json(moment: datetime) -> str:
    """Write a time, aware and UTC, as the documents have it."""
    return moment.isoformat(timespec="microseconds")


def _plain(value: object) -> str:
    match value:
        case datetime():
            return time_to_json(value)
        case bytes():
            return b64encode(value).decode("ascii")
        case _:
            raise TypeError(f"{type(value).__name__} cannot be stored")


def _open(path: str, schema: str, deadline: float) -> sqlite3.Connection:
    _create(Path(path))
    connection = _connect(path, timeout=max(0.0, deadline - time.monotonic()))
    try:
        _switch_to_wal(connection, deadline)
        for statement in schema.split(";"):
            connection.execute(statement)
    except BaseException:
        connection.close()
        raise
    return connection


def _create(path: Path) -> None:
    """Make the file and its folders when they are missing, for their owner alone; SQLite's `-wal` and `-shm` follow."""
    with _creation:
        if path.exists():
            return
        for folder in (*reversed(path.parent.parents), path.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        os.close(os.open(path, os.O_CREAT, 0o600))


def _connect(path: str, *, timeout: float) -> sqlite3.Connection:
    # The thread that opens the impatient connection does not use it.
    connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous = NORMAL")  # enough in WAL mode to survive a killed process
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_impatient(path: str, *, timeout: float) -> sqlite3.Connection:
    connection = _connect(path, timeout=timeout)
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    connection.execute("PRAGMA busy_timeout = 0")
    return connection


def _wait_until(deadline: float, connection: sqlite3.Connection) -> None:
    """Let the next statements wait for locks until a moment of the monotonic clock."""
    milliseconds = max(0, round((deadline - time.monotonic()) * 1000))
    connection.execute(f"PRAGMA busy_timeout = {milliseconds}")


def _switch_to_wal(connection: sqlite3.Connection, deadline: float) -> None:
    """Let readers and a writer work at once. SQLite does not wait for other processes at this statement, so we do."""
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as exc:
            if not is_busy(exc) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return

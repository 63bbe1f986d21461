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

from crm_bridge.stores.documents import Document

T = TypeVar("T")

_BUSY_SECONDS = 30
"""How long to wait for another process that writes."""

_CHECKPOINT_PAGES = 4000
"""Pages of the log (16 MB) before `run_here` moves them to the file, which stops the event loop for milliseconds."""

_creation = threading.Lock()
"""Held while a file is made: to close it again would end the locks that SQLite holds on it in this process."""


class SqliteFile:
    """A file, opened by the first use: the server imports us, then forks, and a fork must not carry a connection over.

    A thread of its own does the work, one piece after another. So a cancelled caller never leaves a transaction
    half-way, and callers that wait take no thread from others.
    """

    def __init__(self, path: str, schema: str) -> None:
        """Keep the name of a file; the first use makes its folder.

        Args:
            path: Of the file.
            schema: Statements that create what is missing in the file.
        """
        self._path = path
        self._schema = schema
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite")
        self._connection: sqlite3.Connection | None = None
        self._impatient_connection: sqlite3.Connection | None = None

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Call a function with the connection, in the file's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run_in_thread, work)

    async def run_here(self, statement: Callable[[sqlite3.Connection], T]) -> T:
        """Call a function of one statement at once: it takes less time than the way to the thread and back.

        A statement that meets another connection's write is repeated in the file's thread, which has time to wait.
        """
        connection = self._impatient_connection or await self._open_impatient()
        try:
            return statement(connection)
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:  # the higher bits only say why it is busy
                raise
        return await self.run(statement)

    async def close(self) -> None:
        """Close the file, which folds its log into it: only then a copy of the file alone is whole.

        The next use opens it again.
        """
        if self._impatient_connection is not None:
            self._impatient_connection.close()
            self._impatient_connection = None
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close_in_thread)

    def _run_in_thread(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._connection is None:
            self._connection = _open(self._path, self._schema)
        return work(self._connection)

    async def _open_impatient(self) -> sqlite3.Connection:
        await self.run(lambda _: None)  # creates the file and its tables, and waits for others that do
        if self._impatient_connection is None:
            self._impatient_connection = _connect(self._path, timeout=0)
            self._impatient_connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        return self._impatient_connection

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


def _open(path: str, schema: str) -> sqlite3.Connection:
    _create(Path(path))
    connection = _connect(path, timeout=_BUSY_SECONDS)
    try:
        _switch_to_wal(connection)
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
    connection = sqlite3.connect(path, timeout=timeout, isolation_level=None)
    connection.execute("PRAGMA synchronous = NORMAL")  # enough in WAL mode to survive a killed process
    return connection


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Let readers and a writer work at once. SQLite does not wait for other processes at this statement, so we do."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return

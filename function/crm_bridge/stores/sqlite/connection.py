"""A SQLite file, used from asyncio, by several processes at once."""

from __future__ import annotations

import asyncio
import json
import sqlite3
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


class SqliteFile:
    """A file, opened by the first use: the server imports us, forks, and a connection must not be carried across.

    A thread of its own does all the work, one piece after another. So a cancelled caller never leaves a transaction
    half-way, and callers that wait take no thread from others.
    """

    def __init__(self, path: str, schema: str) -> None:
        """Take note of a file; its folder is made when it is opened.

        Args:
            schema: Statements that make what is missing in the file.
        """
        self._path = path
        self._schema = schema
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite")
        self._connection: sqlite3.Connection | None = None

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do a piece of work with the connection."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._work, work)

    async def close(self) -> None:
        """Close the file; the next use opens it again."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)

    def _work(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._connection is None:
            self._connection = _open(self._path, self._schema)
        return work(self._connection)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Write all or nothing. The lock is taken first: a reader that becomes a writer half-way may be refused."""
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
    """Write a time, aware and UTC, as it stands in the documents."""
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
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        _switch_to_wal(connection)
        connection.execute("PRAGMA synchronous = NORMAL")  # what WAL needs to survive a killed process
        for statement in schema.split(";"):
            connection.execute(statement)
    except BaseException:
        connection.close()
        raise
    return connection


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Let readers and a writer work at once. SQLite does not wait for other processes here, so we do."""
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

"""Callers' cards on SQLite."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from sqlite3 import Connection
from typing import NamedTuple

import msgspec

from crm_bridge.domain.card import Card
from crm_bridge.stores.documents import document_id
from crm_bridge.stores.sqlite_file import SqliteFile, time_to_json, transaction
from crm_bridge.stores.waiting import wait_for_card

# No index for the cleaning: it would make every write dearer by a third, for a look through one hour's cards a minute.
_SCHEMA = "CREATE TABLE IF NOT EXISTS cards (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID"
_PUT = "INSERT INTO cards VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body"
_CARD = msgspec.json.Decoder(Card)

_CHECKPOINT_PAGES = 4000
"""Pages of the log (16 MB) before they are moved to the file, which holds everybody up for some milliseconds."""

_PAUSE = 0.05
"""Seconds between two looks of somebody who waits: a look takes some microseconds."""


_CLEANING = timedelta(minutes=1)
"""How often what has expired is deleted; nobody else does, and callers' data must not stay for ever."""


class _Row(NamedTuple):
    id: str
    body: str


class SqliteCardStore:
    """The port `CardStore` in a file, which may be that of the sales.

    A look or a write takes less time than the way to another thread and back, so it is done on the spot. Only what
    meets another connection's write is done again in the file's thread, where there is time to wait for it.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = SqliteFile(path, _SCHEMA)
        self._here: Connection | None = None
        self._next_cleaning = datetime.min.replace(tzinfo=UTC)
        self._joining: list[tuple[_Row, asyncio.Future[None]]] | None = None
        self._crowded = False
        self._waiting: set[asyncio.Task[None]] = set()

    async def put(self, card: Card) -> None:
        connection = self._here or await self._open()
        row = _row(card)
        if card.posted_at >= self._next_cleaning:
            self._next_cleaning = card.posted_at + _CLEANING
            await self._file.run(lambda connection: _write_and_clean(connection, row, card.posted_at))
            return
        loop = asyncio.get_running_loop()
        if self._joining is None:  # the first in this turn of the loop
            self._joining = []
            loop.call_soon(self._write_joined, connection)
            if not self._crowded:
                if not _write_now(connection, [row]):
                    await self._file.run(lambda connection: _write(connection, [row]))
                return
        written = loop.create_future()  # whoever comes together is written together
        self._joining.append((row, written))
        await written

    async def get(self, card_id: str, *, now: datetime) -> Card | None:
        connection = self._here or await self._open()
        id_ = document_id(card_id)
        try:
            row = _read(connection, id_)
        except sqlite3.OperationalError as exc:
            if not _is_busy(exc):
                raise
            row = await self._file.run(lambda connection: _read(connection, id_))
        card = None if row is None else _CARD.decode(row[0])
        return card if card is not None and card.expires_at > now else None

    async def wait(self, card_id: str, *, now: datetime, seconds: float) -> Card | None:
        return await wait_for_card(
            lambda moment: self.get(card_id, now=moment),
            now=now,
            seconds=seconds,
            first_pause=_PAUSE,
            longest_pause=_PAUSE,
        )

    async def close(self) -> None:
        """Close the file; for tests, because a function's worker just ends."""
        if self._here is not None:
            self._here.close()
            self._here = None
        await self._file.close()

    async def _open(self) -> Connection:
        await self._file.run(lambda _: None)  # makes the file and its tables, and waits for others that do
        if self._here is None:
            self._here = _connect(self._path)
        return self._here

    def _write_joined(self, connection: Connection) -> None:
        joined, self._joining = self._joining or [], None
        # Nobody who is alone waits for company; once two have come together, more are expected.
        self._crowded = len(joined) > (1 if self._crowded else 0)
        if not joined:
            return
        rows = [row for row, _ in joined]
        written = [future for _, future in joined]
        try:
            done = _write_now(connection, rows)
        except sqlite3.Error as exc:
            _tell(written, exc)
            return
        if done:
            _tell(written, None)
        else:
            task = asyncio.get_running_loop().create_task(self._write_later(rows, written))
            self._waiting.add(task)  # the loop itself keeps only weak references to tasks
            task.add_done_callback(self._waiting.discard)

    async def _write_later(self, rows: Sequence[_Row], written: Sequence[asyncio.Future[None]]) -> None:
        try:
            await self._file.run(lambda connection: _write(connection, rows))
        except sqlite3.Error as exc:
            _tell(written, exc)
        else:
            _tell(written, None)


def _connect(path: str) -> Connection:
    # It never waits for a lock. Whichever thread ends a test may close it.
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    return connection


def _is_busy(exc: sqlite3.Error) -> bool:
    return exc.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY  # without what extends the code


def _row(card: Card) -> _Row:
    document = {
        "card_id": card.card_id,
        "name": card.name,
        "phone": card.phone,
        "arpu": card.arpu,
        "soc_tariff": card.soc_tariff,
        "posted_at": time_to_json(card.posted_at.astimezone(UTC)),
        "expires_at": time_to_json(card.expires_at.astimezone(UTC)),
    }
    return _Row(document_id(card.card_id), msgspec.json.encode(document).decode())


def _read(connection: Connection, id_: str) -> tuple[str] | None:
    row: tuple[str] | None = connection.execute("SELECT body FROM cards WHERE id = ?", (id_,)).fetchone()
    return row


def _write(connection: Connection, rows: Sequence[_Row]) -> None:
    if len(rows) == 1:  # a statement is a transaction by itself, and a cheaper one
        connection.execute(_PUT, rows[0])
        return
    with transaction(connection):
        connection.executemany(_PUT, rows)


def _write_now(connection: Connection, rows: Sequence[_Row]) -> bool:
    """Write unless another connection is writing; tell whether it was done."""
    try:
        _write(connection, rows)
    except sqlite3.OperationalError as exc:
        if _is_busy(exc):
            return False
        raise
    return True


def _write_and_clean(connection: Connection, row: _Row, now: datetime) -> None:
    with transaction(connection):
        expired = "DELETE FROM cards WHERE json_extract(body, '$.expires_at') <= ?"
        connection.execute(expired, (time_to_json(now.astimezone(UTC)),))
        connection.execute(_PUT, row)


def _tell(written: Sequence[asyncio.Future[None]], exc: Exception | None) -> None:
    for future in written:
        if future.done():
            continue  # its caller has gone
        if exc is None:
            future.set_result(None)
        else:
            future.set_exception(exc)

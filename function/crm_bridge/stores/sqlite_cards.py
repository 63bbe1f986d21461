"""Callers' cards on SQLite."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from sqlite3 import Connection
from typing import NamedTuple

import msgspec

from crm_bridge.domain.card import Card
from crm_bridge.stores.documents import document_id
from crm_bridge.stores.sqlite_file import SqliteFile, time_to_json, transaction
from crm_bridge.stores.waiting import wait_for_card

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS cards (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS cards_expires_at ON cards (json_extract(body, '$.expires_at'))
"""
_CARD = msgspec.json.Decoder(Card)

_CHECKPOINT_PAGES = 4000
"""Pages of the log (16 MB) before they are moved to the file, which holds everybody up for some milliseconds."""

_PAUSE = 0.05
"""Seconds between two looks of somebody who waits: a look takes some microseconds."""


class _Put(NamedTuple):
    card_id: str
    body: str
    posted_at: str
    done: asyncio.Future[None]


class SqliteCardStore:
    """The port `CardStore` in a file, which may be that of the sales.

    A look or a write takes less time than the way to another thread and back, so it is done on the spot; cards that are
    put at the same moment are committed together. Only what meets another connection's write is done again in the
    file's thread, where there is time to wait for it.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = SqliteFile(path, _SCHEMA)
        self._here: Connection | None = None
        self._puts: list[_Put] = []
        self._waiting_to_write: set[asyncio.Task[None]] = set()

    async def put(self, card: Card) -> None:
        connection = self._here or await self._open()
        loop = asyncio.get_running_loop()
        posted_at = time_to_json(card.posted_at.astimezone(UTC))
        put = _Put(document_id(card.card_id), _body(card, posted_at), posted_at, loop.create_future())
        if not self._puts:
            loop.call_soon(self._commit, connection)  # once all who are putting at this moment have come
        self._puts.append(put)
        await put.done

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
            self._here = _open(self._path)
        return self._here

    def _commit(self, connection: Connection) -> None:
        puts, self._puts = self._puts, []
        try:
            _write(connection, puts)
        except sqlite3.Error as exc:
            if _is_busy(exc):
                task = asyncio.get_running_loop().create_task(self._commit_later(puts))
                self._waiting_to_write.add(task)  # the loop itself keeps tasks by weak references only
                task.add_done_callback(self._waiting_to_write.discard)
            else:
                _tell(puts, exc)
        else:
            _tell(puts, None)

    async def _commit_later(self, puts: Sequence[_Put]) -> None:
        try:
            await self._file.run(lambda connection: _write(connection, puts))
        except sqlite3.Error as exc:
            _tell(puts, exc)
        else:
            _tell(puts, None)


def _open(path: str) -> Connection:
    # It never waits for a lock. Whichever thread ends a test may close it.
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    return connection


def _is_busy(exc: sqlite3.Error) -> bool:
    return exc.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY  # without what extends the code


def _body(card: Card, posted_at: str) -> str:
    document = {
        "card_id": card.card_id,
        "name": card.name,
        "phone": card.phone,
        "arpu": card.arpu,
        "soc_tariff": card.soc_tariff,
        "posted_at": posted_at,
        "expires_at": time_to_json(card.expires_at.astimezone(UTC)),
    }
    return msgspec.json.encode(document).decode()


def _read(connection: Connection, id_: str) -> tuple[str] | None:
    row: tuple[str] | None = connection.execute("SELECT body FROM cards WHERE id = ?", (id_,)).fetchone()
    return row


def _write(connection: Connection, puts: Sequence[_Put]) -> None:
    with transaction(connection):
        # Nobody else deletes what has expired: callers' data must not stay for ever.
        connection.execute(
            "DELETE FROM cards WHERE json_extract(body, '$.expires_at') <= ?", (max(put.posted_at for put in puts),)
        )
        connection.executemany(
            "INSERT INTO cards VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            [(put.card_id, put.body) for put in puts],
        )


def _tell(puts: Sequence[_Put], exc: Exception | None) -> None:
    for put in puts:
        if put.done.done():
            continue  # its caller has gone
        if exc is None:
            put.done.set_result(None)
        else:
            put.done.set_exception(exc)

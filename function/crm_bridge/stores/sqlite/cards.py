"""Callers' cards on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from sqlite3 import Connection
from typing import TypeVar

import msgspec

from crm_bridge.domain.card import Card
from crm_bridge.stores.polling import wait_for_card
from crm_bridge.stores.sqlite.connection import SqliteFile, transaction

T = TypeVar("T")

# No index for the cleaning: it would make every write dearer by a third, for a look through one hour's cards a minute.
_SCHEMA = "CREATE TABLE IF NOT EXISTS cards (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID"
_PUT = "INSERT INTO cards VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body"
_GET = "SELECT body FROM cards WHERE id = ?"
# To the second: as text, a time without microseconds stands behind one of the same second that has some.
_CLEAN = "DELETE FROM cards WHERE substr(json_extract(body, '$.expires_at'), 1, 19) < ?"

_CARD = msgspec.json.Decoder(Card)

_CHECKPOINT_PAGES = 4000
"""Pages of the log (16 MB) before they are moved to the file, which holds everybody up for some milliseconds."""

_PAUSE = 0.05
"""Seconds between two looks of somebody who waits: a look takes some microseconds."""

_CLEANING = timedelta(minutes=1)
"""How often what has expired is deleted; nobody else does, and callers' data must not stay for ever."""


class SqliteCardStore:
    """The port `CardStore` in a file, which may be that of the sales."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = SqliteFile(path, _SCHEMA)
        self._here: Connection | None = None
        self._next_cleaning = datetime.min.replace(tzinfo=UTC)

    async def put(self, card: Card) -> None:
        row = (card.card_id, _to_json(card))
        if card.posted_at < self._next_cleaning:
            await self._do(lambda connection: connection.execute(_PUT, row))
        else:
            self._next_cleaning = card.posted_at + _CLEANING
            await self._file.run(lambda connection: _clean_and_put(connection, row, card.posted_at))

    async def get(self, card_id: str, *, now: datetime) -> Card | None:
        row = await self._do(lambda connection: connection.execute(_GET, (card_id,)).fetchone())
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

    async def _do(self, work: Callable[[Connection], T]) -> T:
        """Do it on the spot, since one statement takes less time than the way to another thread and back.

        What meets another connection's write is done again in the file's thread, where there is time to wait for it.
        """
        connection = self._here or await self._open()
        try:
            return work(connection)
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:  # without what extends the code
                raise
        return await self._file.run(work)

    async def _open(self) -> Connection:
        await self._file.run(lambda _: None)  # makes the file and its tables, and waits for others that do
        if self._here is None:
            self._here = _connect(self._path)
        return self._here


def _connect(path: str) -> Connection:
    # It never waits for a lock. Whichever thread ends a test may close it.
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    return connection


def _to_json(card: Card) -> str:
    document = {
        "card_id": card.card_id,
        "body": card.body,
        "posted_at": card.posted_at.astimezone(UTC),
        "expires_at": card.expires_at.astimezone(UTC),
    }
    return msgspec.json.encode(document).decode()


def _clean_and_put(connection: Connection, row: tuple[str, str], now: datetime) -> None:
    with transaction(connection):
        connection.execute(_CLEAN, (now.astimezone(UTC).isoformat()[:19],))
        connection.execute(_PUT, row)

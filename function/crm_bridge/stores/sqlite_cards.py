"""Callers' cards on SQLite."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from sqlite3 import Connection
from typing import NamedTuple, TypeVar

import msgspec

from crm_bridge.domain.card import Card
from crm_bridge.stores.documents import document_id
from crm_bridge.stores.sqlite_file import SqliteFile, time_to_json, transaction
from crm_bridge.stores.waiting import wait_for_card

T = TypeVar("T")

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS cards (id TEXT PRIMARY KEY, body TEXT NOT NULL);
    CREATE INDEX IF NOT EXISTS cards_expires_at ON cards (json_extract(body, '$.expires_at'))
"""
_CHECKPOINT_PAGES = 4000
"""Pages of the log (16 MB) before they are moved to the file, which holds everybody up for some milliseconds."""

_PAUSE = 0.05
"""Seconds between two looks of somebody who waits: a look takes some microseconds."""


class _Put(NamedTuple):
    card_id: str
    body: str
    posted: str


class SqliteCardStore:
    """The port `CardStore` in a file, which may be that of the sales.

    A look or a write takes less time than the way to another thread and back, so it is done on the spot. Only when
    another connection is writing is it done again in the file's thread, where there is time to wait. Cards put at the
    same time are committed together.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = SqliteFile(path, _SCHEMA)
        self._here: Connection | None = None
        self._puts: list[_Put] = []
        self._committed: asyncio.Future[None] | None = None

    async def put(self, card: Card) -> None:
        posted = time_to_json(card.posted_at.astimezone(UTC))
        self._puts.append(_Put(document_id(card.card_id), _body(card, posted), posted))
        if self._committed is None:
            self._committed = asyncio.ensure_future(self._commit())
        await asyncio.shield(self._committed)  # a caller who goes away takes nobody's card along

    async def get(self, card_id: str, *, now: datetime) -> Card | None:
        id_ = document_id(card_id)
        row = await self._run(
            lambda connection: connection.execute("SELECT body FROM cards WHERE id = ?", (id_,)).fetchone()
        )
        card = None if row is None else msgspec.json.decode(row[0], type=Card)
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

    async def _commit(self) -> None:
        """Write what has been put until this task came to its turn."""
        puts, self._puts, self._committed = self._puts, [], None
        await self._run(lambda connection: _write(connection, puts))

    async def _run(self, work: Callable[[Connection], T]) -> T:
        if self._here is None:
            await self._file.run(lambda _: None)  # makes the file and its tables, in its own time
            self._here = self._here or _open(self._path)
        try:
            return work(self._here)
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
        return await self._file.run(work)


def _open(path: str) -> Connection:
    # Never waits for a lock; closed by whichever thread ends a test.
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    return connection


def _body(card: Card, posted: str) -> str:
    document = {
        "card_id": card.card_id,
        "name": card.name,
        "phone": card.phone,
        "arpu": card.arpu,
        "soc_tariff": card.soc_tariff,
        "posted_at": posted,
        "expires_at": time_to_json(card.expires_at.astimezone(UTC)),
    }
    return msgspec.json.encode(document).decode()


def _write(connection: Connection, puts: Sequence[_Put]) -> None:
    with transaction(connection):
        # Nobody else deletes what has expired: callers' data must not stay for ever.
        connection.execute(
            "DELETE FROM cards WHERE json_extract(body, '$.expires_at') <= ?", (max(put.posted for put in puts),)
        )
        connection.executemany(
            "INSERT INTO cards VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            [(put.card_id, put.body) for put in puts],
        )

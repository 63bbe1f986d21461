"""Callers' cards on SQLite."""

from __future__ import annotations

from datetime import UTC, datetime
from sqlite3 import Connection

import msgspec

from crm_bridge.domain.card import Card
from crm_bridge.stores.documents import document_id, to_document
from crm_bridge.stores.sqlite_file import SqliteFile, time_to_json, to_json, transaction
from crm_bridge.stores.waiting import wait_for_card

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS cards (id TEXT PRIMARY KEY, body TEXT NOT NULL);
    CREATE INDEX IF NOT EXISTS cards_expires_at ON cards (json_extract(body, '$.expires_at'))
"""


class SqliteCardStore:
    """The port `CardStore` in a file, which may be that of the sales."""

    def __init__(self, path: str) -> None:
        self._file = SqliteFile(path, _SCHEMA)

    async def put(self, card: Card) -> None:
        row = (document_id(card.card_id), to_json(to_document(card)))
        posted = time_to_json(card.posted_at.astimezone(UTC))

        def work(connection: Connection) -> None:
            with transaction(connection):
                # Nobody else deletes what has expired: callers' data must not stay for ever.
                connection.execute("DELETE FROM cards WHERE json_extract(body, '$.expires_at') <= ?", (posted,))
                connection.execute(
                    "INSERT INTO cards VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body", row
                )

        await self._file.run(work)

    async def get(self, card_id: str, *, now: datetime) -> Card | None:
        id_ = document_id(card_id)
        row = await self._file.run(
            lambda connection: connection.execute("SELECT body FROM cards WHERE id = ?", (id_,)).fetchone()
        )
        card = None if row is None else msgspec.json.decode(row[0], type=Card)
        return card if card is not None and card.expires_at > now else None

    async def wait(self, card_id: str, *, now: datetime, seconds: float) -> Card | None:
        return await wait_for_card(lambda moment: self.get(card_id, now=moment), now=now, seconds=seconds)

    async def close(self) -> None:
        """Close the file; for tests, because a function's worker just ends."""
        await self._file.close()

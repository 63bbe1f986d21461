"""Callers' cards on SQLite."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from sqlite3 import Connection

import msgspec

from crm_bridge.domain.card import Card
from crm_bridge.stores.polling import wait_for_card
from crm_bridge.stores.sqlite.connection import SqliteFile, transaction

# No index for the cleaning: it would cost every write a third more, to save one scan of an hour's cards a minute.
_SCHEMA = "CREATE TABLE IF NOT EXISTS cards (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID"
_PUT = "INSERT INTO cards VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body"
_DELETE = "DELETE FROM cards WHERE id = ?"
_GET = "SELECT body FROM cards WHERE id = ?"
# To the second: as text, a time without microseconds sorts after one of the same second that has some.
_CLEAN = "DELETE FROM cards WHERE substr(json_extract(body, '$.expires_at'), 1, 19) < ?"

_CARD = msgspec.json.Decoder(Card)

_PATIENCE = 5.0
"""Seconds to wait for another process that writes: a caller is on the line."""

_PAUSE = 0.05
"""Seconds between two reads of a caller who waits: a read takes some microseconds."""

_CLEANING = timedelta(minutes=1)
"""How often expired cards are deleted: nobody else does, and callers' data must not stay for ever."""


class SqliteCardStore:
    """The port `CardStore` in a file, which may be that of the sales."""

    def __init__(self, path: str, *, patience: float = _PATIENCE) -> None:
        """Keep the file's name; the first use opens it.

        Args:
            path: Of the file.
            patience: Seconds to wait for another process that writes.
        """
        self.file = SqliteFile(path, _SCHEMA, patience=patience)
        self._cleaned_at = datetime.min.replace(tzinfo=UTC)

    async def put(self, card: Card) -> None:
        row = (card.card_id, _to_json(card))
        if timedelta() <= card.posted_at - self._cleaned_at < _CLEANING:  # negative: the clock was set back
            await self.file.write_here(lambda connection: connection.execute(_PUT, row))
        else:
            self._cleaned_at = card.posted_at
            await self.file.write(lambda connection: _clean_and_put(connection, row, card.posted_at))

    async def get(self, card_id: str, *, now: datetime) -> Card | None:
        row = await self.file.read_here(lambda connection: connection.execute(_GET, (card_id,)).fetchone())
        card = None if row is None else _CARD.decode(row[0])
        return card if card is not None and card.expires_at > now else None

    async def delete(self, card_id: str) -> None:
        await self.file.write_here(lambda connection: connection.execute(_DELETE, (card_id,)))

    async def wait(self, card_id: str, *, now: Callable[[], datetime], seconds: float) -> Card | None:
        return await wait_for_card(
            lambda moment: self.get(card_id, now=moment),
            now=now,
            seconds=seconds,
            first_pause=_PAUSE,
            longest_pause=_PAUSE,
        )

    async def close(self) -> None:
        """Close the file: see `SqliteFile.close`."""
        await self.file.close()


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

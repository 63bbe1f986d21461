"""The sales on SQLite: the embedded default, for a machine without a cloud account."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from datetime import UTC, datetime
from functools import partial
from sqlite3 import Connection
from typing import TypeVar

import msgspec

from crm_bridge.errors import LeaseLost
from crm_bridge.stores.base import LEASE, STATE, DocumentSalesStore
from crm_bridge.stores.documents import Document, DocumentCollection, Write, document_id, key_of
from crm_bridge.stores.sqlite.connection import SqliteFile, time_to_json, to_json, transaction

T = TypeVar("T")

_PATIENCE = 30.0
"""Seconds to wait for another process that writes."""

_COLLECTIONS = ("phones", "clients", "orders", "unreadable_orders", "deal_contacts", "sales", "runs", "state")
_INDEXED = (
    ("orders", "phone"),
    ("orders", "client_id"),
    ("orders", "deal_due"),
    ("clients", "phone"),
    ("phones", "sale.id"),
    ("phones", "intent.id"),
    ("sales", "phone"),
    ("sales", "at"),
    ("runs", "tick"),
    ("runs", "started_at"),
)

# The statements contain names, because SQL takes no parameters there; they are our own constants.
_SCHEMA = ";".join(
    [
        *(f"CREATE TABLE IF NOT EXISTS {name} (id TEXT PRIMARY KEY, body TEXT NOT NULL)" for name in _COLLECTIONS),
        *(
            f"CREATE INDEX IF NOT EXISTS {name}_{field.replace('.', '_')} ON {name} (json_extract(body, '$.{field}'))"
            for name, field in _INDEXED
        ),
    ]
)

_PUT = "INSERT INTO {} VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body"
_DELETE = "DELETE FROM {} WHERE id = ?"


class SqliteSalesStore(DocumentSalesStore):
    """The port `SalesStore` in a file: a table a collection, a JSON document a row."""

    def __init__(self, path: str, *, patience: float = _PATIENCE) -> None:
        """Keep the file's name; the first use opens it.

        Args:
            path: Of the file.
            patience: Seconds to wait for another process that writes.
        """
        self.file = SqliteFile(path, _SCHEMA, patience=patience)

    async def close(self) -> None:
        """Close the file: see `SqliteFile.close`."""
        await self.file.close()

    async def _get(self, collection: str, keys: Collection[str]) -> dict[str, Document]:
        if not keys:
            return {}
        sql = f"SELECT id, body FROM {collection} WHERE id IN (SELECT value FROM json_each(?))"  # noqa: S608
        ids = json.dumps([document_id(key) for key in keys])
        return await self.file.read(
            lambda connection: {key_of(row[0]): _document(row[1]) for row in connection.execute(sql, (ids,))}
        )

    async def _query_in(
        self, collection: str, field: str, values: Collection[str | int], *, in_list: bool = False
    ) -> list[Document]:
        if not values:
            return []
        condition = f"json_extract(body, '$.{field}') IN (SELECT value FROM json_each(?))"  # noqa: S608
        if in_list:
            items = f"SELECT value FROM json_each(body, '$.{field}')"  # noqa: S608
            condition = f"EXISTS ({items} INTERSECT SELECT value FROM json_each(?))"  # noqa: S608
        return await self._documents(f"SELECT body FROM {collection} WHERE {condition}", json.dumps(list(values)))  # noqa: S608

    async def _latest(self, collection: str, field: str, limit: int) -> list[Document]:
        sql = (
            f"SELECT body FROM {collection} WHERE json_extract(body, '$.{field}') IS NOT NULL "  # noqa: S608
            f"ORDER BY json_extract(body, '$.{field}') DESC LIMIT ?"
        )
        return await self._documents(sql, limit)

    async def _earliest(
        self, collection: str, field: str, since: datetime, until: datetime, limit: int
    ) -> list[Document]:
        sql = (
            f"SELECT body FROM {collection} WHERE json_extract(body, '$.{field}') BETWEEN ? AND ? "  # noqa: S608
            f"ORDER BY json_extract(body, '$.{field}'), id LIMIT ?"
        )
        moments = [time_to_json(moment.astimezone(UTC)) for moment in (since, until)]
        return await self._documents(sql, *moments, limit)

    async def _scan(self, collection: DocumentCollection[T], *, at_once: int) -> AsyncIterator[list[T]]:
        def read(connection: Connection, after: str) -> list[tuple[str, str]]:
            sql = f"SELECT id, body FROM {collection.name} WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608
            return connection.execute(sql, (after, at_once)).fetchall()

        decoder = msgspec.json.Decoder(collection.type)  # by way of documents it would take three times as long
        last = ""
        while page := await self.file.read(partial(read, after=last)):
            yield [decoder.decode(body) for _, body in page]
            last = page[-1][0]

    async def _has_any(self, collection: str) -> bool:
        return bool(await self._documents(f"SELECT body FROM {collection} LIMIT 1"))  # noqa: S608

    async def _commit(self, writes: Sequence[Write], *, holder: str | None) -> None:
        rows: dict[tuple[str, bool], list[tuple[str, ...]]] = {}  # each document once, so the order is free
        for write in writes:
            row = (write.document_id,) if write.document is None else (write.document_id, to_json(write.document))
            rows.setdefault((write.collection, write.document is None), []).append(row)

        def work(connection: Connection) -> None:
            with transaction(connection):
                if holder is not None and (_read(connection, STATE, LEASE) or {}).get("run_id") != holder:
                    raise LeaseLost("Another run has taken over")
                for (collection, deleted), batch in rows.items():
                    connection.executemany((_DELETE if deleted else _PUT).format(collection), batch)

        await self.file.write(work)

    async def _compare_and_set(
        self, collection: str, key: str, document: Document | None, allowed: Callable[[Document | None], bool]
    ) -> tuple[bool, Document | None]:
        id_, body = document_id(key), None if document is None else to_json(document)

        def work(connection: Connection) -> tuple[bool, Document | None]:
            with transaction(connection):
                current = _read(connection, collection, key)
                if done := allowed(current):
                    statement, row = (_DELETE, (id_,)) if body is None else (_PUT, (id_, body))
                    connection.execute(statement.format(collection), row)
            return done, current

        return await self.file.write(work)

    async def _delete_expired(self, collection: str, *, until: datetime) -> None:
        sql = f"DELETE FROM {collection} WHERE json_extract(body, '$.expires_at') <= ?"  # noqa: S608
        await self.file.write(lambda connection: connection.execute(sql, (time_to_json(until),)).rowcount)

    async def _documents(self, sql: str, *parameters: str | int) -> list[Document]:
        return await self.file.read(
            lambda connection: [_document(row[0]) for row in connection.execute(sql, parameters)]
        )


def _document(body: str) -> Document:
    return msgspec.json.decode(body, type=dict)


def _read(connection: Connection, collection: str, key: str) -> Document | None:
    sql = f"SELECT body FROM {collection} WHERE id = ?"  # noqa: S608
    row = connection.execute(sql, (document_id(key),)).fetchone()
    return None if row is None else _document(row[0])

"""The sales on SQLite: the embedded default, for a machine without a cloud account."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from sqlite3 import Connection

import msgspec

from crm_bridge.errors import LeaseLost
from crm_bridge.stores.documents import Document, Write, document_id, key_of
from crm_bridge.stores.sales import LEASE, STATE, DocumentSalesStore
from crm_bridge.stores.sqlite_file import SqliteFile, time_to_json, to_json, transaction

_COLLECTIONS = ("phones", "clients", "orders", "sales", "runs", "state")
_INDEXED = (("orders", "phone"), ("orders", "client_id"), ("sales", "phone"), ("runs", "tick"), ("runs", "started_at"))

# Names stand in these statements, because SQL takes no parameters there; they are our own constants.
_SCHEMA = ";".join(
    [
        *(f"CREATE TABLE IF NOT EXISTS {name} (id TEXT PRIMARY KEY, body TEXT NOT NULL)" for name in _COLLECTIONS),
        *(
            f"CREATE INDEX IF NOT EXISTS {name}_{field} ON {name} (json_extract(body, '$.{field}'))"
            for name, field in _INDEXED
        ),
    ]
)


class SqliteSalesStore(DocumentSalesStore):
    """The port `SalesStore` in a file: a table a collection, a JSON document a row."""

    def __init__(self, path: str) -> None:
        self._file = SqliteFile(path, _SCHEMA)

    async def close(self) -> None:
        await self._file.close()

    async def _get(self, collection: str, keys: Collection[str]) -> dict[str, Document]:
        if not keys:
            return {}
        sql = f"SELECT id, body FROM {collection} WHERE id IN (SELECT value FROM json_each(?))"  # noqa: S608
        ids = json.dumps([document_id(key) for key in keys])
        return await self._file.run(
            lambda connection: {key_of(row[0]): _document(row[1]) for row in connection.execute(sql, (ids,))}
        )

    async def _find(self, collection: str, field: str, values: Collection[str]) -> list[Document]:
        if not values:
            return []
        sql = (
            f"SELECT body FROM {collection} "  # noqa: S608
            f"WHERE json_extract(body, '$.{field}') IN (SELECT value FROM json_each(?))"
        )
        return await self._documents(sql, json.dumps(list(values)))

    async def _newest(self, collection: str, field: str, limit: int) -> list[Document]:
        sql = (
            f"SELECT body FROM {collection} WHERE json_extract(body, '$.{field}') IS NOT NULL "  # noqa: S608
            f"ORDER BY json_extract(body, '$.{field}') DESC LIMIT ?"
        )
        return await self._documents(sql, limit)

    async def _page(self, collection: str, *, after: str | None, limit: int) -> list[Document]:
        sql = f"SELECT body FROM {collection} WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608
        return await self._documents(sql, "" if after is None else document_id(after), limit)

    async def _commit(self, writes: Sequence[Write], *, holder: str | None) -> None:
        rows = [(write, None if write.document is None else to_json(write.document)) for write in writes]

        def work(connection: Connection) -> None:
            with transaction(connection):
                if holder is not None and (_read(connection, STATE, LEASE) or {}).get("run_id") != holder:
                    raise LeaseLost("Another run has taken over")
                for write, body in rows:
                    _write(connection, write.collection, write.document_id, body)

        await self._file.run(work)

    async def _swap(
        self, collection: str, key: str, document: Document | None, allowed: Callable[[Document | None], bool]
    ) -> tuple[bool, Document | None]:
        body = None if document is None else to_json(document)

        def work(connection: Connection) -> tuple[bool, Document | None]:
            with transaction(connection):
                standing = _read(connection, collection, key)
                if done := allowed(standing):
                    _write(connection, collection, document_id(key), body)
            return done, standing

        return await self._file.run(work)

    async def _forget(self, collection: str, *, until: datetime) -> None:
        sql = f"DELETE FROM {collection} WHERE json_extract(body, '$.expires_at') <= ?"  # noqa: S608
        await self._file.run(lambda connection: connection.execute(sql, (time_to_json(until),)).rowcount)

    async def _documents(self, sql: str, *parameters: str | int) -> list[Document]:
        return await self._file.run(
            lambda connection: [_document(row[0]) for row in connection.execute(sql, parameters)]
        )


def _document(body: str) -> Document:
    return msgspec.json.decode(body, type=dict)


def _read(connection: Connection, collection: str, key: str) -> Document | None:
    sql = f"SELECT body FROM {collection} WHERE id = ?"  # noqa: S608
    row = connection.execute(sql, (document_id(key),)).fetchone()
    return None if row is None else _document(row[0])


def _write(connection: Connection, collection: str, id_: str, body: str | None) -> None:
    if body is None:
        connection.execute(f"DELETE FROM {collection} WHERE id = ?", (id_,))  # noqa: S608
        return
    connection.execute(
        f"INSERT INTO {collection} VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",  # noqa: S608
        (id_, body),
    )

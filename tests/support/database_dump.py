"""The whole content of a database as plain data, to compare two states of it."""

from __future__ import annotations

import json
from typing import Any

from crm_bridge.stores.firestore.cards import FirestoreCardStore
from crm_bridge.stores.firestore.encoding import decode, id_of
from crm_bridge.stores.firestore.queries import all_after
from crm_bridge.stores.firestore.sales import FirestoreSalesStore
from crm_bridge.stores.sqlite.cards import SqliteCardStore
from crm_bridge.stores.sqlite.sales import SqliteSalesStore


async def dump(store: object) -> dict[str, dict[str, Any]]:
    """Return all documents of the store's database by collection and id, without empty collections.

    SQLite stores times as texts, Firestore as times: compare dumps of one database only.
    """
    match store:
        case SqliteSalesStore() | SqliteCardStore():
            return await _dump_sqlite(store)
        case FirestoreSalesStore() | FirestoreCardStore():
            return await _dump_firestore(store)
        case _:
            raise TypeError(f"{type(store).__name__} is not one of our stores")


async def _dump_sqlite(store: SqliteSalesStore | SqliteCardStore) -> dict[str, dict[str, Any]]:
    def rows(sql: str) -> Any:
        return store.file.read(lambda connection: connection.execute(sql).fetchall())

    tables = [name for (name,) in await rows("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    found = {table: await rows(f"SELECT id, body FROM {table} ORDER BY id") for table in tables}
    return {table: {id_: json.loads(body) for id_, body in ids} for table, ids in found.items() if ids}


async def _dump_firestore(store: FirestoreSalesStore | FirestoreCardStore) -> dict[str, dict[str, Any]]:
    connection = store.connection
    names = await connection.api.list_collection_ids(parent=connection.documents, metadata=connection.metadata)
    return {
        name: {id_of(found): decode(found.fields) async for found in connection.query(all_after(name, None))}
        async for name in names
    }

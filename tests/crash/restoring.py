"""Putting a database back to what it held, under the feet of a process that has it open."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any

from crm_bridge.stores.documents import key_of
from crm_bridge.stores.firestore.encoding import write
from tests.support.database_dump import dump
from tests.support.databases import Database, FirestoreDatabase, SqliteDatabase

Dump = dict[str, dict[str, Any]]


async def restore(database: Database, documents: Dump) -> None:
    """Make a database hold exactly these documents, as `dumping.dump` gave them."""
    match database:
        case SqliteDatabase():
            _restore_sqlite(database, documents)
        case FirestoreDatabase():
            await _restore_firestore(database, documents)
        case _:
            raise TypeError(type(database).__name__)


def _restore_sqlite(database: SqliteDatabase, documents: Dump) -> None:
    with closing(sqlite3.connect(database.path, timeout=60)) as connection, connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            connection.execute(f"DELETE FROM {table}")
            rows = [(key, json.dumps(body, ensure_ascii=False)) for key, body in documents.get(table, {}).items()]
            connection.executemany(f"INSERT INTO {table} VALUES (?, ?)", rows)


async def _restore_firestore(database: FirestoreDatabase, documents: Dump) -> None:
    store = database.sales()
    name_of = store.connection.name_of
    present = await dump(store)
    deleted = [
        write(name_of(collection, key_of(id_)), None)
        for collection, bodies in present.items()
        for id_ in bodies
        if id_ not in documents.get(collection, {})
    ]
    written = [
        write(name_of(collection, key_of(id_)), body)
        for collection, bodies in documents.items()
        for id_, body in bodies.items()
    ]
    await store.connection.commit([*deleted, *written])
    await database.close()

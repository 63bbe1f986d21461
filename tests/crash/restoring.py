"""Putting a database back to what it held, under the feet of a process that has it open."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any

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
    with closing(sqlite3.connect(database.path, timeout=10)) as connection, connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            connection.execute(f"DELETE FROM {table}")
            rows = [(key, json.dumps(body, ensure_ascii=False)) for key, body in documents.get(table, {}).items()]
            connection.executemany(f"INSERT INTO {table} VALUES (?, ?)", rows)


async def _restore_firestore(database: FirestoreDatabase, documents: Dump) -> None:
    client = database.client()
    batch = client.batch()
    async for collection in client.collections():
        async for found in collection.stream():
            if found.id not in documents.get(collection.id, {}):
                batch.delete(found.reference)
    for name, bodies in documents.items():
        for key, body in bodies.items():
            batch.set(client.collection(name).document(key), body)
    await batch.commit()
    await database.close()

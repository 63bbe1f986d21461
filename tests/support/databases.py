"""The two databases of the tests. Several stores may be open on one database, as several workers have them."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from crm_bridge.ports import CardStore, SalesStore
from crm_bridge.stores.firestore.cards import FirestoreCardStore
from crm_bridge.stores.firestore.connection import FirestoreConnection
from crm_bridge.stores.firestore.sales import FirestoreSalesStore
from crm_bridge.stores.sqlite.cards import SqliteCardStore
from crm_bridge.stores.sqlite.sales import SqliteSalesStore


class Database(Protocol):
    """A database of its own for one test.

    Attributes:
        url: The value of STORE_URL.
        env: The environment with which another process reaches it.
    """

    @property
    def url(self) -> str: ...

    @property
    def env(self) -> dict[str, str]: ...

    def sales(self) -> SalesStore:
        """Open a store with a connection of its own."""

    def cards(self) -> CardStore:
        """Open a store with a connection of its own."""

    async def close(self) -> None:
        """Close every store that was opened."""


@dataclass
class SqliteDatabase:
    path: Path
    opened: list[SqliteSalesStore | SqliteCardStore] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    @property
    def env(self) -> dict[str, str]:
        return {}

    def sales(self) -> SqliteSalesStore:
        self.opened.append(store := SqliteSalesStore(str(self.path)))
        return store

    def cards(self) -> SqliteCardStore:
        self.opened.append(store := SqliteCardStore(str(self.path)))
        return store

    async def close(self) -> None:
        for store in self.opened:
            await store.close()


@dataclass
class FirestoreDatabase:
    """A project of the emulator. Each has a database of its own, empty at first, so nothing has to be reset."""

    host: str
    project: str = field(default_factory=lambda: f"test-{uuid.uuid4().hex[:20]}")
    opened: list[FirestoreConnection] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"firestore://{self.project}"

    @property
    def env(self) -> dict[str, str]:
        return {"FIRESTORE_EMULATOR_HOST": self.host}

    def connection(self) -> FirestoreConnection:
        self.opened.append(connection := FirestoreConnection(project=self.project, emulator_host=self.host))
        return connection

    def sales(self) -> FirestoreSalesStore:
        return FirestoreSalesStore(self.connection())

    def cards(self) -> FirestoreCardStore:
        return FirestoreCardStore(self.connection())

    async def close(self) -> None:
        for connection in self.opened:
            await close_connection(connection)
        self.opened.clear()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a SQLite file, as another program that writes does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


async def close_connection(connection: FirestoreConnection) -> None:
    transport: Any = connection.api.transport  # its methods have no types
    await transport.close()

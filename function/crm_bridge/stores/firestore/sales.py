"""The sales on Firestore: the database in the cloud."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from datetime import datetime
from typing import Any, TypeVar

from google.api_core.exceptions import Aborted, AlreadyExists, FailedPrecondition, GoogleAPICallError, NotFound

from crm_bridge.errors import LeaseLost
from crm_bridge.stores.base import LEASE, STATE, DocumentSalesStore
from crm_bridge.stores.documents import Document, DocumentCollection, Write, from_document, key_of
from crm_bridge.stores.firestore import queries
from crm_bridge.stores.firestore.connection import FirestoreConnection
from crm_bridge.stores.firestore.encoding import decode, id_of, unchanged, write
from crm_bridge.stores.firestore.failures import reporting_failures
from crm_bridge.stores.firestore.queries import read_batches, retrying

T = TypeVar("T")

_RETRY = retrying(120)
_TIMEOUT = 60.0
"""Seconds for one attempt of a read, a query's last document included."""

_KEYS_PER_READ = 300
"""Documents of one read by key: an answer is megabytes at most."""

_VALUES_PER_QUERY = 30
"""Firestore takes no more in one `in`."""

_PATIENCE = 75.0
"""Seconds to try again while others hold locks: a process killed in a transaction leaves its locks behind for 60."""


class FirestoreSalesStore(DocumentSalesStore):
    """The port `SalesStore` in Firestore."""

    def __init__(self, connection: FirestoreConnection, *, patience: float = _PATIENCE) -> None:
        """Keep the connection; nothing is sent yet.

        Args:
            connection: The database.
            patience: Seconds to try again while others hold locks.
        """
        self.connection = connection
        self._patience = patience
        # A commit holds the lease's document while it checks the fence; our own renewal would only wait, or abort it.
        self._lease_lock = asyncio.Lock()

    @reporting_failures
    async def _get(self, collection: str, keys: Collection[str]) -> dict[str, Document]:
        names = [self.connection.name_of(collection, key) for key in dict.fromkeys(keys)]
        found = await read_batches(self._read, names, size=_KEYS_PER_READ)
        return {key_of(id_of(message)): decode(message.fields) for message in found}

    @reporting_failures
    async def _query_in(
        self, collection: str, field: str, values: Collection[str | int], *, in_list: bool = False
    ) -> list[Document]:
        query = queries.list_has_any if in_list else queries.field_in

        async def read(batch: Sequence[str | int]) -> list[Document]:
            return await self._query(query(collection, field, batch))

        wanted: list[str | int] = list(dict.fromkeys(values))
        return await read_batches(read, wanted, size=_VALUES_PER_QUERY)

    @reporting_failures
    async def _latest(self, collection: str, field: str, limit: int) -> list[Document]:
        return await self._query(queries.latest(collection, field, limit))

    @reporting_failures
    async def _earliest(
        self, collection: str, field: str, since: datetime, until: datetime, limit: int
    ) -> list[Document]:
        return await self._query(queries.earliest(collection, field, since, until, limit))

    async def _scan(self, collection: DocumentCollection[T], *, at_once: int) -> AsyncIterator[list[T]]:
        scan = _Scan(self.connection, collection.name)
        while page := await scan.take(at_once):
            yield [from_document(document, collection.type) for document in page]

    @reporting_failures
    async def _has_any(self, collection: str) -> bool:
        return bool(await self._query(queries.first(collection)))

    @reporting_failures
    async def _commit(self, writes: Sequence[Write], *, holder: str | None) -> None:
        folder = self.connection.documents
        messages = [write(f"{folder}/{each.collection}/{each.document_id}", each.document) for each in writes]
        if holder is None:
            await self.connection.commit(messages)
            return
        async with self._lease_lock:
            await self._commit_fenced(messages, holder)

    async def _commit_fenced(self, messages: Sequence[Any], holder: str) -> None:
        """Commit in a transaction that has read the lease; begin again while others hold the locks."""
        lease = self.connection.name_of(STATE, LEASE)
        aborted: bytes | None = None
        async for is_last in _attempts(self._patience):
            try:
                async with self.connection.transaction(retry_of=aborted) as transaction:
                    aborted = transaction
                    found = await self.connection.get([lease], transaction=transaction, timeout=_TIMEOUT)
                    if not found or decode(found[0].fields)["run_id"] != holder:
                        raise LeaseLost("Another run has taken over")
                    await self.connection.commit(messages, transaction=transaction)
            except Aborted:
                if is_last:
                    raise
            else:
                return

    @reporting_failures
    async def _compare_and_set(
        self, collection: str, key: str, document: Document | None, allowed: Callable[[Document | None], bool]
    ) -> tuple[bool, Document | None]:
        name = self.connection.name_of(collection, key)
        async for is_last in _attempts(self._patience):
            found = next(iter(await self._read([name])), None)  # without a lock: losers are answered at once
            current = None if found is None else decode(found.fields)
            if not allowed(current):
                return False, current
            if current is None and document is None:
                return True, current
            try:
                async with self._lease_lock:
                    await self.connection.commit([write(name, document, only_if=unchanged(found))])
            except (Aborted, AlreadyExists, FailedPrecondition, NotFound):  # another process wrote first: read again
                if is_last:
                    raise
            else:
                return True, current
        raise AssertionError("the last attempt returns or raises")

    async def _delete_expired(self, collection: str, *, until: datetime) -> None:
        """Do nothing: TTL policies on `expires_at` delete them."""

    @_RETRY
    async def _read(self, names: Sequence[str]) -> list[Any]:
        return await self.connection.get(names, retry=None, timeout=_TIMEOUT)

    @_RETRY
    async def _query(self, query: Any) -> list[Document]:
        found = self.connection.query(query, retry=None, timeout=_TIMEOUT)
        return [decode(message.fields) async for message in found]


class _Scan:
    """A whole collection in one query, started again after the last document when it breaks off.

    With a query for each page, the emulator would search the whole collection for every page.
    """

    def __init__(self, connection: FirestoreConnection, collection: str) -> None:
        self.connection = connection
        self._collection = collection
        self._last: str | None = None
        self._page: list[Document] = []
        self._answers: AsyncIterator[Any] | None = None

    @reporting_failures
    @_RETRY
    async def take(self, count: int) -> list[Document]:
        """Return the next documents in the order of their ids; fewer than asked for, or none, at the end."""
        if self._answers is None:
            query = queries.all_after(self._collection, self._last)
            self._answers = self.connection.query(query, retry=None, timeout=_TIMEOUT)
        try:
            async for message in self._answers:
                self._page.append(decode(message.fields))
                self._last = message.name
                if len(self._page) == count:
                    break
        except GoogleAPICallError:
            self._answers = None
            raise
        page, self._page = self._page, []
        return page


async def _attempts(seconds: float) -> AsyncIterator[bool]:
    """Yield again and again after growing pauses: True for the last attempt, which begins when the time is over."""
    deadline = time.monotonic() + seconds
    pause = 0.1
    while (now := time.monotonic()) < deadline:
        yield False
        await asyncio.sleep(min(pause * random.uniform(0.5, 1.0), max(0.0, deadline - now)))  # noqa: S311 - not to meet
        pause = min(pause * 2, 2.0)
    yield True

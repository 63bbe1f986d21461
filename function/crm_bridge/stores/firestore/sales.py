"""The sales on Firestore: the database in the cloud.

Every query is on one field, so no composite index is needed: orders by `phone` and by `client_id`, sales by `phone`,
runs by `tick` and by `started_at`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from datetime import datetime
from typing import TypeVar

from google.api_core.exceptions import Aborted, AlreadyExists, FailedPrecondition, GoogleAPICallError, NotFound
from google.cloud.firestore import (
    AsyncClient,
    AsyncCollectionReference,
    AsyncDocumentReference,
    AsyncQuery,
    AsyncTransaction,
    AsyncWriteBatch,
    DocumentSnapshot,
    FieldFilter,
    Query,
    async_transactional,
)

from crm_bridge.errors import LeaseLost
from crm_bridge.stores.base import LEASE, STATE, DocumentSalesStore
from crm_bridge.stores.documents import Document, DocumentCollection, Write, document_id, from_document, key_of
from crm_bridge.stores.firestore.encoding import write
from crm_bridge.stores.firestore.queries import close_client, in_chunks, look_up, plain, retrying, run_query

T = TypeVar("T")

Found = DocumentSnapshot[AsyncDocumentReference]

_RETRY = retrying(120)
_TIMEOUT = 60.0
"""Seconds for one attempt of a read, a query's last document included."""

_KEYS = 300
"""Documents of one look-up: an answer is megabytes at most."""

_VALUES = 30
"""Firestore takes no more in one `in`."""

_PATIENCE = 75.0
"""Seconds to try while others are in the way: a process killed in a transaction leaves its locks behind for 60."""


class FirestoreSalesStore(DocumentSalesStore):
    """The port `SalesStore` in Firestore."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        # A commit holds the lease's document while it checks the fence; our own renewal would only wait, or abort it.
        self._lease_lock = asyncio.Lock()

    async def close(self) -> None:
        await close_client(self._client)

    async def _get(self, collection: str, keys: Collection[str]) -> dict[str, Document]:
        references = [self._reference(collection, key) for key in dict.fromkeys(keys)]
        return {key_of(id_): document for id_, document in await in_chunks(_looked_up, references, size=_KEYS)}

    async def _query_in(self, collection: str, field: str, values: Collection[str]) -> list[Document]:
        async def query(some: Sequence[str]) -> list[Document]:
            return await _documents(self._client.collection(collection).where(filter=FieldFilter(field, "in", some)))

        return await in_chunks(query, list(dict.fromkeys(values)), size=_VALUES)

    async def _latest(self, collection: str, field: str, limit: int) -> list[Document]:
        query = self._client.collection(collection).order_by(field, direction=Query.DESCENDING)
        return await _documents(query.limit(limit))

    async def _scan(self, collection: DocumentCollection[T], *, at_once: int) -> AsyncIterator[list[T]]:
        rest = _Rest(self._client.collection(collection.name))
        while page := await rest.take(at_once):
            yield [from_document(document, collection.type) for document in page]

    async def _has_any(self, collection: str) -> bool:
        return bool(await _documents(self._client.collection(collection).limit(1)))

    async def _commit(self, writes: Sequence[Write], *, holder: str | None) -> None:
        if holder is None:
            batch = self._client.batch()
            self._add(batch, writes)
            await batch.commit()
            return

        async def fenced(transaction: AsyncTransaction) -> bool:
            lease = await self._reference(STATE, LEASE).get(transaction=transaction)
            if not lease.exists or lease.get("run_id") != holder:
                return False  # and commit nothing: a roll-back that fails would hide why
            self._add(transaction, writes)
            return True

        async with self._lease_lock:
            if not await self._transact(fenced):
                raise LeaseLost("Another run has taken over")

    async def _compare_and_set(
        self, collection: str, key: str, document: Document | None, allowed: Callable[[Document | None], bool]
    ) -> tuple[bool, Document | None]:
        reference = self._reference(collection, key)
        async for is_last in _attempts():
            found = await reference.get(retry=_RETRY, timeout=_TIMEOUT)  # without a lock: losers are answered at once
            standing = plain(found.to_dict()) if found.exists else None
            if not allowed(standing):
                return False, standing
            try:
                async with self._lease_lock:
                    await self._replace(reference, found, document)
            except (Aborted, AlreadyExists, FailedPrecondition, NotFound):  # somebody was faster: look again
                if is_last:
                    raise
            else:
                return True, standing
        raise AssertionError("the last attempt returns or raises")

    async def _replace(self, reference: AsyncDocumentReference, found: Found, document: Document | None) -> None:
        """Write or delete a document if it is still as it was found."""
        if not found.exists:
            if document is not None:
                await reference.create(document)
            return
        unchanged = self._client.write_option(last_update_time=found.update_time)
        if document is None:
            await reference.delete(option=unchanged)
        else:
            await reference.update(document, option=unchanged)

    async def _delete_expired(self, collection: str, *, until: datetime) -> None:
        """Nothing: TTL policies on `expires_at` do it."""

    async def _transact(self, work: Callable[[AsyncTransaction], Awaitable[bool]]) -> bool:
        """Run a transaction again while others are in its way, and tell failures by their own names."""
        async for is_last in _attempts():
            try:
                return await async_transactional(work)(self._client.transaction())
            except (Aborted, ValueError) as exc:
                reason = _reason(exc)
                if is_last or not isinstance(reason, Aborted):
                    raise reason from None
        raise AssertionError("the last attempt returns or raises")

    def _add(self, batch: AsyncWriteBatch | AsyncTransaction, writes: Sequence[Write]) -> None:
        folder = f"{self._client._database_string}/documents"
        names = [f"{folder}/{each.collection}/{each.document_id}" for each in writes]
        batch._add_write_pbs([write(name, each.document) for name, each in zip(names, writes, strict=True)])

    def _reference(self, collection: str, key: str) -> AsyncDocumentReference:
        return self._client.collection(collection).document(document_id(key))


class _Rest:
    """What has not been read yet of a collection: one query, begun again after the last document when it breaks off.

    Pages with a query each would cost the emulator a look through the whole collection for every page.
    """

    def __init__(self, collection: AsyncCollectionReference) -> None:
        self._collection = collection
        self._last: str | None = None
        self._read: list[Document] = []
        self._answers: AsyncIterator[tuple[str, Document]] | None = None

    @_RETRY
    async def take(self, count: int) -> list[Document]:
        """Return the next documents in the order of their ids; fewer than asked for, or none, at the end."""
        if self._answers is None:
            query = self._collection.order_by("__name__")
            if self._last is not None:
                query = query.start_after({"__name__": self._collection.document(self._last)})
            self._answers = run_query(query, timeout=_TIMEOUT)
        try:
            async for id_, document in self._answers:
                self._read.append(document)
                self._last = id_
                if len(self._read) == count:
                    break
        except GoogleAPICallError:
            self._answers = None
            raise
        page, self._read = self._read, []
        return page


@_RETRY
async def _documents(query: AsyncQuery) -> list[Document]:
    return [document async for _, document in run_query(query, timeout=_TIMEOUT)]


@_RETRY
async def _looked_up(references: Sequence[AsyncDocumentReference]) -> list[tuple[str, Document]]:
    return await look_up(references, timeout=_TIMEOUT)


def _reason(exc: BaseException) -> BaseException:
    """Find what the library hides: spent attempts, and a roll-back of what never began, are a ValueError there."""
    reason: BaseException | None = exc
    while reason is not None and not isinstance(reason, GoogleAPICallError):
        reason = reason.__cause__ or reason.__context__
    return reason or exc


async def _attempts() -> AsyncIterator[bool]:
    """Come again and again after growing pauses, telling the last time that it is the last."""
    deadline = time.monotonic() + _PATIENCE
    pause = 0.1
    while (now := time.monotonic()) < deadline:
        yield False
        await asyncio.sleep(min(pause * random.uniform(0.5, 1.0), max(0.0, deadline - now)))  # noqa: S311 - not to meet
        pause = min(pause * 2, 2.0)
    yield True

"""A store that counts what Firestore would bill: documents read, written, deleted.

It counts at the primitives that both stores share, on SQLite, because the documents and the calls are the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import TypeVar

from crm_bridge.stores.documents import Document, DocumentCollection, Write
from crm_bridge.stores.sqlite.sales import SqliteSalesStore

T = TypeVar("T")

IN_ONE_QUERY = 30
"""Values that one `in` of Firestore takes; a query that finds nothing is billed as one read."""


class CountingStore(SqliteSalesStore):
    """Attributes: `reads`, `writes` and `deletes`, by collection; `commits`, how many requests they took."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.forget_counts()

    def forget_counts(self) -> None:
        self.reads: Counter[str] = Counter()
        self.writes: Counter[str] = Counter()
        self.deletes: Counter[str] = Counter()
        self.commits = 0

    async def _get(self, collection: str, keys: Collection[str]) -> dict[str, Document]:
        self.reads[collection] += len(set(keys))
        return await super()._get(collection, keys)

    async def _query_in(
        self, collection: str, field: str, values: Collection[str | int], *, in_list: bool = False
    ) -> list[Document]:
        wanted, found = list(dict.fromkeys(values)), []
        for start in range(0, len(wanted), IN_ONE_QUERY):
            some = await super()._query_in(collection, field, wanted[start : start + IN_ONE_QUERY], in_list=in_list)
            self.reads[collection] += max(1, len(some))
            found += some
        return found

    async def _latest(self, collection: str, field: str, limit: int) -> list[Document]:
        found = await super()._latest(collection, field, limit)
        self.reads[collection] += max(1, len(found))
        return found

    async def _scan(self, collection: DocumentCollection[T], *, at_once: int) -> AsyncIterator[list[T]]:
        found = 0
        async for page in super()._scan(collection, at_once=at_once):
            found += len(page)
            yield page
        self.reads[collection.name] += max(1, found)

    async def _has_any(self, collection: str) -> bool:
        self.reads[collection] += 1
        return await super()._has_any(collection)

    async def _commit(self, writes: Sequence[Write], *, holder: str | None) -> None:
        self.commits += 1
        self.reads["state"] += holder is not None  # the fence: the lease is read with the commit
        for write in writes:
            (self.deletes if write.document is None else self.writes)[write.collection] += 1
        await super()._commit(writes, holder=holder)

    async def _compare_and_set(
        self, collection: str, key: str, document: Document | None, allowed: Callable[[Document | None], bool]
    ) -> tuple[bool, Document | None]:
        self.reads[collection] += 1
        done, standing = await super()._compare_and_set(collection, key, document, allowed)
        if done:
            (self.deletes if document is None else self.writes)[collection] += 1
        return done, standing

"""Queries as messages of Firestore's protocol, and how the stores retry and share out their calls.

Every query is on one field, so no composite index is needed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from google.api_core.exceptions import Aborted, DeadlineExceeded, InternalServerError, ServiceUnavailable
from google.api_core.retry import AsyncRetry, if_exception_type
from google.cloud.firestore_v1.types import StructuredQuery

R = TypeVar("R")
T = TypeVar("T")

_CONCURRENT_CALLS = 8

_Query = StructuredQuery.pb()


def retrying(seconds: float) -> AsyncRetry:
    """Return a decorator that repeats a call which may be repeated, for so many seconds."""
    return AsyncRetry(
        if_exception_type(Aborted, DeadlineExceeded, InternalServerError, ServiceUnavailable),
        initial=0.1,
        maximum=2.0,
        timeout=seconds,
    )


async def read_batches(read: Callable[[Sequence[T]], Awaitable[list[R]]], items: Sequence[T], *, size: int) -> list[R]:
    """Read items in batches, several at once, and return what they found, in the order of the items.

    Args:
        read: Reads one batch in one call.
        items: What to read.
        size: Items of one batch.
    """
    semaphore = asyncio.Semaphore(_CONCURRENT_CALLS)

    async def read_one(batch: Sequence[T]) -> list[R]:
        async with semaphore:
            return await read(batch)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(read_one(items[start : start + size])) for start in range(0, len(items), size)]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None  # callers know the library's errors, and the first one says enough
    return [found for task in tasks for found in task.result()]


def field_in(collection: str, field: str, values: Sequence[str | int]) -> Any:
    """Query the documents whose field has one of the values, 30 at most; a dot leads into a field of a field."""
    return _field_filter(collection, field, "IN", values)


def list_has_any(collection: str, field: str, values: Sequence[str | int]) -> Any:
    """Query the documents whose field is a list with one of the values, 30 at most."""
    return _field_filter(collection, field, "ARRAY_CONTAINS_ANY", values)


def _field_filter(collection: str, field: str, op: str, values: Sequence[str | int]) -> Any:
    wanted = [{"string_value" if isinstance(value, str) else "integer_value": value} for value in values]
    condition = {"field": {"field_path": field}, "op": op, "value": {"array_value": {"values": wanted}}}
    return _Query(from_=[{"collection_id": collection}], where={"field_filter": condition})


def latest(collection: str, field: str, limit: int) -> Any:
    """Query the documents with the latest times in a field, latest first."""
    order = {"field": {"field_path": field}, "direction": "DESCENDING"}
    return _Query(from_=[{"collection_id": collection}], order_by=[order], limit={"value": limit})


def earliest(collection: str, field: str, since: datetime, until: datetime, limit: int) -> Any:
    """Query the documents whose field has a time between two moments, both included, earliest first."""

    def compared(operator: str, moment: datetime) -> dict[str, Any]:
        value = {"timestamp_value": {"seconds": int(moment.timestamp()), "nanos": moment.microsecond * 1000}}
        return {"field_filter": {"field": {"field_path": field}, "op": operator, "value": value}}

    filters = [compared("GREATER_THAN_OR_EQUAL", since), compared("LESS_THAN_OR_EQUAL", until)]
    return _Query(
        from_=[{"collection_id": collection}],
        where={"composite_filter": {"op": "AND", "filters": filters}},
        order_by=[{"field": {"field_path": field}, "direction": "ASCENDING"}],
        limit={"value": limit},
    )


def all_after(collection: str, name: str | None) -> Any:
    """Query all documents in the order of their ids.

    Args:
        collection: Where they are.
        name: Begin after the document of this full name; with the first when None.
    """
    order = {"field": {"field_path": "__name__"}, "direction": "ASCENDING"}
    start = None if name is None else {"values": [{"reference_value": name}], "before": False}
    return _Query(from_=[{"collection_id": collection}], order_by=[order], start_at=start)


def first(collection: str) -> Any:
    """Query one document, whichever comes first."""
    return _Query(from_=[{"collection_id": collection}], limit={"value": 1})

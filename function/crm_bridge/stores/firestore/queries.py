"""How both Firestore stores call the library."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from google.api_core.exceptions import Aborted, DeadlineExceeded, InternalServerError, ServiceUnavailable
from google.api_core.retry import AsyncRetry, if_exception_type
from google.cloud.firestore import AsyncClient, AsyncDocumentReference, AsyncQuery
from google.cloud.firestore_v1.types import BatchGetDocumentsResponse, RunQueryResponse

from crm_bridge.stores.documents import Document
from crm_bridge.stores.firestore.encoding import fields

R = TypeVar("R")
T = TypeVar("T")

_AT_ONCE = 8


def retrying(seconds: float) -> AsyncRetry:
    """Return a retry for a call that may be repeated, with an end to it."""
    return AsyncRetry(
        if_exception_type(Aborted, DeadlineExceeded, InternalServerError, ServiceUnavailable),
        initial=0.1,
        maximum=2.0,
        timeout=seconds,
    )


async def in_chunks(read: Callable[[Sequence[T]], Awaitable[list[R]]], items: Sequence[T], *, size: int) -> list[R]:
    """Read items so many in one call, several calls at once, and return what they found, in the order of the items."""
    semaphore = asyncio.Semaphore(_AT_ONCE)

    async def one(chunk: Sequence[T]) -> list[R]:
        async with semaphore:
            return await read(chunk)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(items[start : start + size])) for start in range(0, len(items), size)]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None  # callers know the library's errors, and the first one tells enough
    return [found for task in tasks for found in task.result()]


def plain(value: Any) -> Any:
    """Return what the library read with ordinary times in it: its own have nanoseconds, which msgspec does not take."""
    match value:
        case datetime():
            return datetime.combine(value.date(), value.time(), UTC)
        case dict():
            return {name: plain(item) for name, item in value.items()}
        case list():
            return [plain(item) for item in value]
        case _:
            return value


async def run_query(query: AsyncQuery, *, timeout: float) -> AsyncIterator[tuple[str, Document]]:
    """Yield the documents of a query as they come, each with its id; an error is the caller's to retry."""
    client = query._client
    parent, _ = query._parent._parent_info()
    answers = await client._firestore_api.run_query(
        request={"parent": parent, "structured_query": query._to_protobuf()},
        retry=None,
        timeout=timeout,
        metadata=client._rpc_metadata,
    )
    async for answer in answers:
        message = RunQueryResponse.pb(answer)
        if message.HasField("document"):
            yield message.document.name.rpartition("/")[2], fields(message.document.fields)


async def look_up(references: Sequence[AsyncDocumentReference], *, timeout: float) -> list[tuple[str, Document]]:
    """Return the documents there are of these, each with its id; an error is the caller's to retry."""
    client = references[0]._client
    answers = await client._firestore_api.batch_get_documents(
        request={"database": client._database_string, "documents": [each._document_path for each in references]},
        retry=None,
        timeout=timeout,
        metadata=client._rpc_metadata,
    )
    messages = (BatchGetDocumentsResponse.pb(answer) async for answer in answers)
    found = (message.found async for message in messages if message.HasField("found"))
    return [(document.name.rpartition("/")[2], fields(document.fields)) async for document in found]


async def close_client(client: AsyncClient) -> None:
    """Close the connection; `AsyncClient.close` does not."""
    await client._firestore_api.transport.close()

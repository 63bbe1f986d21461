"""A Firestore database, through the client that Google generates from Firestore's protocol.

The library's `AsyncClient` is a layer above it. That layer copies every document into a snapshot, hides the cause of a
failed transaction behind a ValueError, and cannot close its channel. The generated client is public as well
(https://cloud.google.com/python/docs/reference/firestore/latest/google.cloud.firestore_v1.services.firestore).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cached_property
from typing import Any

import google.auth
import grpc.aio  # type: ignore[import-untyped]
from google.api_core.exceptions import GoogleAPICallError
from google.cloud.firestore_v1.services.firestore import FirestoreAsyncClient
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcAsyncIOTransport
from google.cloud.firestore_v1.types import (
    BatchGetDocumentsRequest,
    BatchGetDocumentsResponse,
    BeginTransactionRequest,
    CommitRequest,
    RollbackRequest,
    RunQueryRequest,
    RunQueryResponse,
)

from crm_bridge.stores.documents import document_id

_CHANNEL_OPTIONS = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))
_KEEPALIVE = ("grpc.keepalive_time_ms", 30_000)  # as AsyncClient sets it: Cloud NAT forgets a silent connection


class FirestoreConnection:
    """The calls that the stores make. Documents, writes and queries are messages of the protocol: see `encoding`.

    Attributes:
        database: `projects/<project>/databases/<database>`.
        documents: The parent of the collections.
        place: `<project>/<database>`, as STORE_URL has it.
        metadata: What every call of `api` must send along.
    """

    def __init__(self, *, project: str, database: str = "(default)", emulator_host: str | None = None) -> None:
        """Keep the database's name; the first call finds the credentials and connects.

        Args:
            project: Google's id of the project.
            database: The database's name in it.
            emulator_host: `host:port` of an emulator to use in place of the cloud, without credentials.
        """
        self.database = f"projects/{project}/databases/{database}"
        self.documents = f"{self.database}/documents"
        self.place = f"{project}/{database}"
        self._emulator_host = emulator_host
        self.metadata = [("google-cloud-resource-prefix", self.database)]
        if emulator_host is not None:
            self.metadata.append(("authorization", "Bearer owner"))  # the emulator's word for "no rules apply"

    @cached_property
    def api(self) -> FirestoreAsyncClient:
        """The generated client. The first use makes it, because a channel belongs to the event loop that runs then.

        Raises:
            DefaultCredentialsError: The environment has no credentials; the next use looks for them again.
        """
        transport = FirestoreGrpcAsyncIOTransport
        if self._emulator_host is None:
            credentials, _ = google.auth.default(scopes=transport.AUTH_SCOPES)
            host, options = transport.DEFAULT_HOST, [_KEEPALIVE, *_CHANNEL_OPTIONS]
            channel = transport.create_channel(host, credentials=credentials, options=options)
        else:
            host = self._emulator_host
            channel = grpc.aio.insecure_channel(host, options=_CHANNEL_OPTIONS)
        return FirestoreAsyncClient(transport=transport(host=host, channel=channel))

    def name_of(self, collection: str, key: str) -> str:
        """Return the full name of a document."""
        return f"{self.documents}/{collection}/{document_id(key)}"

    async def get(self, names: Sequence[str], *, transaction: bytes | None = None, **call_options: Any) -> list[Any]:
        """Return the documents that exist of these names.

        Args:
            names: Full names, as `name_of` returns them.
            transaction: Keeps the documents locked until its end.
            call_options: `retry` and `timeout` in place of the generated client's own. Its retry repeats the beginning
                of the answer, not its middle.
        """
        request = _message(BatchGetDocumentsRequest, database=self.database, documents=names, transaction=transaction)
        answers = await self.api.batch_get_documents(request=request, metadata=self.metadata, **call_options)
        messages = [BatchGetDocumentsResponse.pb(answer) async for answer in answers]
        return [message.found for message in messages if message.HasField("found")]

    async def query(self, structured_query: Any, **call_options: Any) -> AsyncIterator[Any]:
        """Yield the documents of a query as they come.

        Args:
            structured_query: A message; see `queries`.
            call_options: As for `get`.
        """
        request = _message(RunQueryRequest, parent=self.documents, structured_query=structured_query)
        answers = await self.api.run_query(request=request, metadata=self.metadata, **call_options)
        async for answer in answers:
            message = RunQueryResponse.pb(answer)
            if message.HasField("document"):
                yield message.document

    async def commit(self, writes: Sequence[Any], *, transaction: bytes | None = None, **call_options: Any) -> None:
        """Write all or nothing.

        Args:
            writes: Messages; see `encoding.write`.
            transaction: Ends with this commit.
            call_options: `retry` and `timeout` in place of the generated client's own. Its retry repeats the commit
                while the service is unavailable, for a minute at most.
        """
        request = _message(CommitRequest, database=self.database, writes=writes, transaction=transaction)
        await self.api.commit(request=request, metadata=self.metadata, **call_options)

    @asynccontextmanager
    async def transaction(self, *, retry_of: bytes | None = None) -> AsyncIterator[bytes]:
        """Begin a transaction; roll it back when the block fails.

        Args:
            retry_of: The transaction whose place in the queue for locks this one takes over.

        Yields:
            Its id, for `get` and `commit`.
        """
        options = {"read_write": {"retry_transaction": retry_of}}
        request = _message(BeginTransactionRequest, database=self.database, options=options)
        transaction = (await self.api.begin_transaction(request=request, metadata=self.metadata)).transaction
        try:
            yield transaction
        except BaseException:
            with suppress(GoogleAPICallError):  # its locks end by themselves, and the block's error says more
                ended = _message(RollbackRequest, database=self.database, transaction=transaction)
                await self.api.rollback(request=ended, metadata=self.metadata)
            raise


def _message(type_: Any, **fields: Any) -> Any:
    """Make a request of its bare message: the wrapper's constructor would copy every write."""
    return type_.wrap(type_.pb()(**fields))

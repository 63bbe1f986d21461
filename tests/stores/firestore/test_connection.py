"""The connection to Firestore: where it goes, and what every call sends along."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import google.auth
import grpc.aio  # type: ignore[import-untyped]
import pytest
from google.api_core.exceptions import AlreadyExists, FailedPrecondition, InvalidArgument
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError
from google.cloud.firestore_v1.types import CommitResponse

from crm_bridge.errors import StoreUnavailable
from crm_bridge.stores.firestore.cards import FirestoreCardStore
from crm_bridge.stores.firestore.connection import FirestoreConnection
from crm_bridge.stores.firestore.encoding import decode, unchanged, write
from crm_bridge.stores.firestore.sales import FirestoreSalesStore
from tests.support.databases import close_connection
from tests.support.factories import NOON

pytestmark = pytest.mark.anyio

missing: Any = DefaultCredentialsError  # its constructor has no types


class RecordingServer(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """Answers every call with an empty commit, and keeps each call's method and metadata."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, str]]] = []

    def service(self, handler_call_details: Any) -> Any:
        async def answer(_: bytes, context: Any) -> bytes:
            metadata = dict(context.invocation_metadata())
            self.calls.append((handler_call_details.method, metadata))
            empty: bytes = CommitResponse.pb()().SerializeToString()
            return empty

        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.fixture
async def recording_server(one_loop: None) -> AsyncIterator[tuple[str, RecordingServer]]:
    """`host:port` of a server, and the server."""
    server, handler = grpc.aio.server(), RecordingServer()
    server.add_generic_rpc_handlers([handler])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}", handler
    await server.stop(None)


async def test_every_call_names_its_database(recording_server: tuple[str, RecordingServer]) -> None:
    """Firestore routes a call by these headers; the emulator wants the owner's token as well."""
    host, server = recording_server
    connection = FirestoreConnection(project="p1", database="other", emulator_host=host)

    await connection.commit([])

    ((method, metadata),) = server.calls
    assert method == "/google.firestore.v1.Firestore/Commit"
    assert metadata["google-cloud-resource-prefix"] == "projects/p1/databases/other"
    assert metadata["x-goog-request-params"] == "database=projects/p1/databases/other"
    assert metadata["authorization"] == "Bearer owner"
    await close_connection(connection)


async def test_the_cloud_is_reached_with_the_environments_credentials(
    one_loop: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_for: list[Any] = []

    def default(*, scopes: Any) -> tuple[Any, None]:
        asked_for.append(scopes)
        anonymous: Any = AnonymousCredentials
        return anonymous(), None

    monkeypatch.setattr(google.auth, "default", default)
    connection = FirestoreConnection(project="p1")

    api = connection.api
    assert asked_for == [
        ("https://www.googleapis.com/auth/cloud-platform", "https://www.googleapis.com/auth/datastore")
    ]
    assert connection.database == "projects/p1/databases/(default)"
    assert api.transport.host == "firestore.googleapis.com:443"
    assert [name for name, _ in connection.metadata] == ["google-cloud-resource-prefix"]
    await close_connection(connection)


async def test_missing_credentials_are_a_database_that_cannot_be_used(
    one_loop: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def default(**_: object) -> Any:
        raise missing("none found; see https://example.org/how?token=secret")

    monkeypatch.setattr(google.auth, "default", default)
    connection = FirestoreConnection(project="p1", database="other")

    for call in (FirestoreSalesStore(connection).runs(1), FirestoreCardStore(connection).get("a1", now=NOON)):
        with pytest.raises(StoreUnavailable) as caught:
            await call
        expected = "STORE_URL: the database p1/other cannot be used: there are no credentials for Google Cloud"
        assert (str(caught.value), caught.value.retry_after) == (expected, None)


async def test_a_write_can_require_that_a_document_is_unchanged(connection: FirestoreConnection) -> None:
    name = connection.name_of("state", "a/b")
    await connection.commit([write(name, {"n": 1}, only_if=unchanged(None))])
    (first,) = await connection.get([name])

    with pytest.raises(AlreadyExists):
        await connection.commit([write(name, {"n": 2}, only_if=unchanged(None))])
    await connection.commit([write(name, {"n": 3}, only_if=unchanged(first))])
    with pytest.raises(FailedPrecondition):
        await connection.commit([write(name, None, only_if=unchanged(first))])

    (found,) = await connection.get([name])
    assert decode(found.fields) == {"n": 3}


async def test_a_block_that_fails_rolls_its_transaction_back(connection: FirestoreConnection) -> None:
    name = connection.name_of("orders", "1")

    async def fail() -> None:
        async with connection.transaction() as transaction:
            ids.append(transaction)
            await connection.get([name], transaction=transaction)
            raise ZeroDivisionError

    ids: list[bytes] = []
    with pytest.raises(ZeroDivisionError):
        await fail()

    with pytest.raises(InvalidArgument):
        await connection.commit([write(name, {"n": 1})], transaction=ids[0])
    await connection.commit([write(name, {"n": 2})])  # and no lock is left

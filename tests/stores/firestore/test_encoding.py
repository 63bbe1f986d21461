"""Documents as messages, compared with what the library's own client stores and reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.cloud.firestore import AsyncClient
from hypothesis import given
from hypothesis import strategies as some

from crm_bridge.stores.firestore.connection import FirestoreConnection
from crm_bridge.stores.firestore.encoding import decode, id_of, write
from tests.support.databases import FirestoreDatabase
from tests.support.factories import NOON

DOCUMENT: dict[str, Any] = {
    "nothing": None,
    "yes": True,
    "number": -(2**62),
    "part": 0.1,
    "text": "Химчистка",
    "empty": "",
    "bytes": b"\x00\xff",
    "at": NOON + timedelta(microseconds=123_456),
    "map": {"at": NOON, "list": [1, "2", None, {"in": []}], "empty": {}, "a.b/c `d`": 1},
    "a.b/c `d`": [],
}

moments = some.integers(-(10**15), 10**16).map(lambda count: NOON + timedelta(microseconds=count))
values = some.recursive(
    some.none() | some.booleans() | some.integers(-(2**63), 2**63 - 1) | some.text() | some.binary() | moments,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(), inner, max_size=3),
)


@given(some.dictionaries(some.text(), values, max_size=5))
def test_a_document_comes_back_equal(document: dict[str, Any]) -> None:
    assert decode(write("a/b", document).update.fields) == document


def test_a_message_has_the_id_of_its_name() -> None:
    message = write("projects/p/databases/d/documents/orders/a%2Fb", {}).update

    assert id_of(message) == "a%2Fb"


def test_a_type_that_no_document_has_is_refused() -> None:
    with pytest.raises(TypeError, match="no set"):
        write("a/b", {"a": {1}})


@pytest.mark.anyio
async def test_documents_are_those_of_the_librarys_own_client(
    firestore: FirestoreDatabase, connection: FirestoreConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore.host)
    client = AsyncClient(project=firestore.project)
    names = [connection.name_of("orders", key) for key in ("ours", "theirs")]

    await client.collection("orders").document("theirs").set(DOCUMENT)
    await connection.commit([write(names[0], DOCUMENT)])

    ours, theirs = await connection.get(names)
    assert ours.fields == theirs.fields
    assert decode(theirs.fields) == DOCUMENT
    found = (await client.collection("orders").document("ours").get()).to_dict()
    assert with_plain_times(found) == DOCUMENT


def with_plain_times(value: Any) -> Any:
    """Return what the library read with ordinary times: its own have nanoseconds, and another type."""
    match value:
        case datetime():
            return datetime.combine(value.date(), value.time(), UTC)
        case dict():
            return {name: with_plain_times(item) for name, item in value.items()}
        case list():
            return [with_plain_times(item) for item in value]
        case _:
            return value

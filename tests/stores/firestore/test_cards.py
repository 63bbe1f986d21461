"""The cards on Firestore: what a TTL policy needs, and a database that is down."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from crm_bridge.errors import StoreUnavailable
from crm_bridge.stores import causes
from crm_bridge.stores.firestore.cards import FirestoreCardStore
from crm_bridge.stores.firestore.connection import FirestoreConnection
from crm_bridge.stores.firestore.encoding import decode
from tests.stores.firestore.conftest import BreakOff
from tests.support.databases import FirestoreDatabase
from tests.support.factories import NOON, card

pytestmark = pytest.mark.anyio


async def test_the_end_of_a_card_is_a_timestamp(connection: FirestoreConnection) -> None:
    """TTL policies take timestamps only."""
    await FirestoreCardStore(connection).put(card("a1"))

    (found,) = await connection.get([connection.name_of("cards", "a1")])

    assert found.fields["expires_at"].HasField("timestamp_value")
    assert decode(found.fields)["expires_at"] - NOON == timedelta(hours=1)


async def test_a_read_that_breaks_off_is_repeated(connection: FirestoreConnection, break_off: BreakOff) -> None:
    cards = FirestoreCardStore(connection)
    await cards.put(card("a1"))
    given = break_off("batch_get_documents", [0])

    assert await cards.get("a1", now=NOON) == card("a1")
    assert given == [0, 1]


@pytest.mark.parametrize("call", ["get", "put"])
async def test_a_database_that_is_down_fails_within_seconds(call: str, one_loop: None) -> None:
    """A caller is on the line."""
    database = FirestoreDatabase("127.0.0.1:1")
    cards = database.cards()
    started = time.monotonic()

    with pytest.raises(StoreUnavailable) as caught:
        await (cards.get("a1", now=NOON) if call == "get" else cards.put(card("a1")))

    assert (caught.value.cause, caught.value.retry_after) == (causes.NO_ANSWER, 30)
    assert time.monotonic() - started < 25  # we try for 5 seconds, the library by itself for 60
    await database.close()

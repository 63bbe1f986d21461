"""An empty database of the emulator, and calls of it that fail."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from google.api_core.exceptions import ServiceUnavailable

from crm_bridge.stores.firestore.connection import FirestoreConnection
from crm_bridge.stores.firestore.sales import FirestoreSalesStore
from tests.support.databases import FirestoreDatabase
from tests.support.factories import NOON, lease

BreakOff = Callable[[str, list[int]], list[int]]

unavailable: Any = ServiceUnavailable  # its constructor has no types


@pytest.fixture
async def firestore(emulator_host: str, one_loop: None) -> AsyncIterator[FirestoreDatabase]:
    database = FirestoreDatabase(emulator_host)
    yield database
    await database.close()


@pytest.fixture
async def connection(firestore: FirestoreDatabase) -> FirestoreConnection:
    return firestore.connection()


@pytest.fixture
async def sales(connection: FirestoreConnection) -> FirestoreSalesStore:
    """A store whose lease run `r1` holds."""
    store = FirestoreSalesStore(connection)
    await store.take_lease(lease("r1"), now=NOON)
    return store


@pytest.fixture
def break_off(connection: FirestoreConnection, monkeypatch: pytest.MonkeyPatch) -> BreakOff:
    """Let each call of a method break off after so many answers, and later calls end; list the answers of each call.

    The library repeats the start of a stream, not its middle.
    """

    def break_off(method: str, after: list[int]) -> list[int]:
        call, ends, given = getattr(connection.api, method), iter(after), []

        async def answers(stream: AsyncIterator[Any], end: float) -> AsyncIterator[Any]:
            given.append(0)
            async for answer in stream:
                if given[-1] == end:
                    raise unavailable("connection reset")
                yield answer
                given[-1] += 1

        async def called(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            return answers(await call(*args, **kwargs), next(ends, math.inf))

        monkeypatch.setattr(connection.api, method, called)
        return given

    return break_off

"""What is particular to Firestore: its failures told by their own names, and the shape of what is sent."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from google.api_core.exceptions import Aborted, GoogleAPICallError, ServiceUnavailable
from google.cloud.firestore import AsyncClient, AsyncTransaction

from crm_bridge.errors import LeaseLost
from crm_bridge.ports import Changes
from crm_bridge.stores import base as sales_module
from crm_bridge.stores.documents import put_document
from crm_bridge.stores.firestore.cards import FirestoreCardStore
from crm_bridge.stores.firestore.queries import in_chunks, plain
from crm_bridge.stores.firestore.sales import FirestoreSalesStore
from tests.contracts.values import NOON, card, full_phone, lease, order, phone, run
from tests.support.databases import FirestoreDatabase

pytestmark = pytest.mark.anyio

aborted: Any = Aborted  # their constructors have no types
unavailable: Any = ServiceUnavailable


@pytest.fixture
async def sales(firestore_client: AsyncClient) -> FirestoreSalesStore:
    store = FirestoreSalesStore(firestore_client)
    await store.take_lease(lease("r1"), now=NOON)
    return store


async def test_times_and_bytes_are_native_and_what_expires_says_when(firestore_client: AsyncClient) -> None:
    """TTL policies take timestamps only."""
    await FirestoreSalesStore(firestore_client).save_run(run("r1", journal=b"{}"))
    await FirestoreCardStore(firestore_client).put(card("a1"))

    for path in ("runs/r1", "runs/r1-0", "cards/a1"):
        found = (await firestore_client.document(path).get()).to_dict()
        assert found is not None
        assert found["expires_at"] - NOON in {timedelta(days=90), timedelta(hours=1)}
    assert isinstance((await firestore_client.document("runs/r1-0").get()).get("part"), bytes)


async def test_a_transaction_is_tried_again_while_others_are_in_its_way(
    sales: FirestoreSalesStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, calls = AsyncTransaction._commit, 0

    async def busy(self: AsyncTransaction) -> Any:
        nonlocal calls
        calls += 1
        if calls <= 7:  # more than the library's own five
            raise aborted("Transaction lock timeout")
        return await commit(self)

    monkeypatch.setattr(AsyncTransaction, "_commit", busy)

    await sales.write([Changes(phones=[full_phone("1")])], run_id="r1")

    assert await sales.phones(["1"]) == {"1": full_phone("1")}


async def test_a_transaction_that_never_gets_through_is_aborted_by_name(
    sales: FirestoreSalesStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library says ValueError when its attempts are spent."""

    async def busy(_: AsyncTransaction) -> Any:
        raise aborted("Transaction lock timeout")

    monkeypatch.setattr(AsyncTransaction, "_commit", busy)
    monkeypatch.setattr("crm_bridge.stores.firestore.sales._PATIENCE", 0.3)

    with pytest.raises(Aborted):
        await sales.write([Changes(phones=[phone("1")])], run_id="r1")


async def test_a_transaction_that_cannot_begin_tells_why(
    sales: FirestoreSalesStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library says ValueError, because it then rolls back what has not begun."""

    async def down(*_: object, **__: object) -> Any:
        raise unavailable("down")

    monkeypatch.setattr(sales._client._firestore_api, "begin_transaction", down)

    with pytest.raises(ServiceUnavailable):
        await sales.write([Changes(phones=[phone("1")])], run_id="r1")


async def test_a_lost_lease_is_told_though_the_database_stutters(
    sales: FirestoreSalesStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(*_: object, **__: object) -> Any:
        raise unavailable("down")

    monkeypatch.setattr(sales._client._firestore_api, "rollback", down)

    with pytest.raises(LeaseLost):
        await sales.write([Changes(phones=[phone("1")])], run_id="another")


@pytest.fixture
def breaking_off(sales: FirestoreSalesStore, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, list[int]], list[int]]:
    """Let the calls of a method break off after so many answers each; the rest are whole. Lists what each has given.

    The library repeats the start of a stream, not its middle.
    """
    api = sales._client._firestore_api

    def break_off(method: str, after: list[int]) -> list[int]:
        begin, ends, given = getattr(api, method), iter(after), []

        async def answers(stream: AsyncIterator[Any], end: float) -> AsyncIterator[Any]:
            given.append(0)
            async for answer in stream:
                if given[-1] == end:
                    raise unavailable("connection reset")
                yield answer
                given[-1] += 1

        async def begun(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            return answers(await begin(*args, **kwargs), next(ends, math.inf))

        monkeypatch.setattr(api, method, begun)
        return given

    return break_off


async def test_a_look_up_that_breaks_off_is_repeated(
    sales: FirestoreSalesStore, breaking_off: Callable[[str, list[int]], list[int]]
) -> None:
    await sales.write([Changes(phones=[phone("1"), phone("2")])], run_id="r1")
    given = breaking_off("batch_get_documents", [1])

    assert await sales.phones(["1", "2"]) == {"1": phone("1"), "2": phone("2")}
    assert given == [1, 2]


async def test_a_query_that_breaks_off_is_repeated(
    sales: FirestoreSalesStore, breaking_off: Callable[[str, list[int]], list[int]]
) -> None:
    await sales.write([Changes(orders=[order("1", phone="7"), order("2", phone="7")])], run_id="r1")
    given = breaking_off("run_query", [1])

    assert [found.order_id for found in await sales.orders_of_phones(["7"])] == ["1", "2"]
    assert given == [1, 2]


async def test_all_phones_go_on_where_they_broke_off(
    sales: FirestoreSalesStore, breaking_off: Callable[[str, list[int]], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sales_module, "PAGE", 4)
    phones = [phone(f"{number:02}") for number in range(11)]
    await sales.write([Changes(phones=phones)], run_id="r1")
    given = breaking_off("run_query", [0, 3, 1, 2, 0])

    pages = [page async for page in sales.all_phones()]

    assert [len(page) for page in pages] == [4, 4, 3]
    assert [found for page in pages for found in page] == phones
    assert given == [0, 3, 1, 2, 0, 5]


async def test_documents_are_read_and_written_as_by_the_library(sales: FirestoreSalesStore) -> None:
    """We go round its snapshots, which copy everything twice."""
    document: dict[str, Any] = {
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
    theirs = sales._client.collection("orders").document("theirs")
    ours = sales._client.collection("orders").document("ours")

    await theirs.set(document)
    await sales._commit([put_document("orders", "ours", document)], holder="r1")

    assert await sales._get("orders", ["ours", "theirs"]) == {"ours": document, "theirs": document}
    assert await sales._query_in("orders", "text", ["Химчистка"]) == [document, document]
    assert plain((await ours.get()).to_dict()) == plain((await theirs.get()).to_dict()) == document


async def test_a_card_is_not_waited_for_when_the_database_is_down(one_loop: None) -> None:
    database = FirestoreDatabase("127.0.0.1:1")
    begun = time.monotonic()

    with pytest.raises(Exception, match=r"(?i)timeout|unavailable|connect") as raised:
        await database.cards().get("a1", now=NOON)

    assert isinstance(raised.value, GoogleAPICallError) or raised.value.__cause__
    assert time.monotonic() - begun < 15
    await database.close()


async def test_chunks_are_read_in_order_and_the_first_failure_is_told() -> None:
    async def read(some: Any) -> list[int]:
        await asyncio.sleep(0.01 / (some[0] + 1))
        if 66 in some:
            raise unavailable("down")
        return [number * 2 for number in some]

    assert await in_chunks(read, range(50), size=7) == [number * 2 for number in range(50)]
    assert await in_chunks(read, [], size=7) == []
    with pytest.raises(ServiceUnavailable):
        await in_chunks(read, range(100), size=7)

"""The sales on Firestore: transactions under contention, and answers that break off."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from google.api_core.exceptions import Aborted, FailedPrecondition, PermissionDenied, ServiceUnavailable

from crm_bridge.errors import LeaseLost, StoreUnavailable
from crm_bridge.ports import Changes
from crm_bridge.stores import base, causes
from crm_bridge.stores.firestore.connection import FirestoreConnection
from crm_bridge.stores.firestore.encoding import decode
from crm_bridge.stores.firestore.sales import FirestoreSalesStore
from tests.stores.firestore.conftest import BreakOff
from tests.support.databases import FirestoreDatabase
from tests.support.factories import NOON, full_phone, lease, order, phone, run

pytestmark = pytest.mark.anyio

aborted: Any = Aborted  # these constructors have no types
failed_precondition: Any = FailedPrecondition
denied: Any = PermissionDenied
unavailable: Any = ServiceUnavailable


async def test_times_and_bytes_are_native(sales: FirestoreSalesStore, connection: FirestoreConnection) -> None:
    """TTL policies take timestamps only."""
    await sales.save_run(run("r1", journal=b"{}"))

    for key in ("r1", "r1-0"):
        (found,) = await connection.get([connection.name_of("runs", key)])
        assert found.fields["expires_at"].HasField("timestamp_value")
        assert decode(found.fields)["expires_at"] - NOON == timedelta(days=90)
    assert found.fields["part"].HasField("bytes_value")


class TestCommit:
    async def test_an_aborted_transaction_is_repeated(
        self, sales: FirestoreSalesStore, connection: FirestoreConnection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        commit, begin_transaction = connection.api.commit, connection.api.begin_transaction
        transactions, retried = [], []

        async def busy(request: Any, **kwargs: Any) -> Any:
            transactions.append(request.transaction)
            if len(transactions) <= 7:  # more than the five that the library's own loop would try
                raise aborted("Transaction lock timeout")
            return await commit(request=request, **kwargs)

        async def begin(request: Any, **kwargs: Any) -> Any:
            retried.append(request.options.read_write.retry_transaction)
            return await begin_transaction(request=request, **kwargs)

        monkeypatch.setattr(connection.api, "commit", busy)
        monkeypatch.setattr(connection.api, "begin_transaction", begin)

        await sales.write([Changes(phones=[full_phone("1")])], run_id="r1")

        assert await sales.phones(["1"]) == {"1": full_phone("1")}
        assert retried == [b"", *transactions[:-1]]  # each takes the place of the one before in the queue

    async def test_a_transaction_that_is_always_aborted_is_reported_as_a_lock(
        self, firestore: FirestoreDatabase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sales = FirestoreSalesStore(firestore.connection(), patience=0.3)
        await sales.take_lease(lease("r1"), now=NOON)

        async def busy(**_: object) -> Any:
            raise aborted("Transaction lock timeout")

        monkeypatch.setattr(sales.connection.api, "commit", busy)

        with pytest.raises(StoreUnavailable) as caught:
            await sales.write([Changes(phones=[phone("1")])], run_id="r1")
        assert isinstance(caught.value.__cause__, Aborted)
        assert (caught.value.cause, caught.value.retry_after) == (causes.LOCKED, 30)

    async def test_a_transaction_that_cannot_begin_raises_the_cause(
        self, sales: FirestoreSalesStore, connection: FirestoreConnection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def down(**_: object) -> Any:
            raise unavailable("down")

        monkeypatch.setattr(connection.api, "begin_transaction", down)

        with pytest.raises(StoreUnavailable) as caught:
            await sales.write([Changes(phones=[phone("1")])], run_id="r1")
        assert isinstance(caught.value.__cause__, ServiceUnavailable)

    async def test_a_failed_commit_leaves_no_lock_on_the_lease(
        self, sales: FirestoreSalesStore, connection: FirestoreConnection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def down(**_: object) -> Any:
            raise unavailable("down")

        monkeypatch.setattr(connection.api, "commit", down)
        with pytest.raises(StoreUnavailable, match=causes.NO_ANSWER):
            await sales.write([Changes(phones=[phone("1")])], run_id="r1")
        monkeypatch.undo()

        impatient = FirestoreSalesStore(connection, patience=0)
        assert await impatient.renew_lease(lease("r1", until=NOON + timedelta(hours=1)))
        assert await sales.phones(["1"]) == {}

    async def test_a_lost_lease_is_reported_though_the_rollback_fails(
        self, sales: FirestoreSalesStore, connection: FirestoreConnection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def down(**_: object) -> Any:
            raise unavailable("down")

        monkeypatch.setattr(connection.api, "rollback", down)

        with pytest.raises(LeaseLost):
            await sales.write([Changes(phones=[phone("1")])], run_id="another")


class TestLease:
    async def test_a_lease_that_changed_between_read_and_write_is_read_again(
        self, sales: FirestoreSalesStore, firestore: FirestoreDatabase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The slower of two runs that found an ended lease learns who was faster."""
        late = NOON + timedelta(hours=1)
        slower, faster = firestore.sales(), lease("r2", until=late + timedelta(minutes=1))
        commit = slower.connection.api.commit

        async def overtaken(**kwargs: Any) -> Any:
            if await sales.take_lease(faster, now=late) is None:
                overtaken_by.append("r2")
            return await commit(**kwargs)

        overtaken_by: list[str] = []
        monkeypatch.setattr(slower.connection.api, "commit", overtaken)

        assert await slower.take_lease(lease("r3"), now=late) == faster
        assert overtaken_by == ["r2"]

    async def test_a_lease_that_always_changes_raises_the_last_failure(
        self, firestore: FirestoreDatabase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sales = FirestoreSalesStore(firestore.connection(), patience=0.3)

        async def changed(**_: object) -> Any:
            raise failed_precondition("the stored version does not match")

        monkeypatch.setattr(sales.connection.api, "commit", changed)

        with pytest.raises(StoreUnavailable, match="the stored version does not match") as caught:
            await sales.take_lease(lease("r1"), now=NOON)
        assert isinstance(caught.value.__cause__, FailedPrecondition)


class TestBrokenAnswers:
    async def test_a_read_by_key_is_repeated(self, sales: FirestoreSalesStore, break_off: BreakOff) -> None:
        await sales.write([Changes(phones=[phone("1"), phone("2")])], run_id="r1")
        given = break_off("batch_get_documents", [1])

        assert await sales.phones(["1", "2"]) == {"1": phone("1"), "2": phone("2")}
        assert given == [1, 2]

    async def test_a_query_is_repeated(self, sales: FirestoreSalesStore, break_off: BreakOff) -> None:
        await sales.write([Changes(orders=[order("1", phone="7"), order("2", phone="7")])], run_id="r1")
        given = break_off("run_query", [1])

        assert [found.order_id for found in await sales.orders_of_phones(["7"])] == ["1", "2"]
        assert given == [1, 2]

    async def test_a_scan_goes_on_after_the_last_phone(
        self, sales: FirestoreSalesStore, break_off: BreakOff, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(base, "PAGE", 4)
        phones = [phone(f"{number:02}") for number in range(11)]
        await sales.write([Changes(phones=phones)], run_id="r1")
        given = break_off("run_query", [0, 3, 1, 2, 0])

        pages = [page async for page in sales.all_phones()]

        assert [len(page) for page in pages] == [4, 4, 3]
        assert [found for page in pages for found in page] == phones
        assert given == [0, 3, 1, 2, 0, 5]

    async def test_a_scan_that_breaks_off_for_good_is_reported(
        self, sales: FirestoreSalesStore, connection: FirestoreConnection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def refuse(**_: object) -> Any:
            raise denied("Missing or insufficient permissions")

        monkeypatch.setattr(connection.api, "run_query", refuse)

        with pytest.raises(StoreUnavailable, match=causes.NO_PERMISSION):
            [page async for page in sales.all_phones()]

"""Values as documents: ids, limits, and batches of one commit."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as some

from crm_bridge.domain.aggregate import Order
from crm_bridge.domain.sale import SaleEvent
from crm_bridge.stores import documents
from crm_bridge.stores.base import ORDERS, PHONES, SALES
from crm_bridge.stores.documents import (
    Write,
    commit_batches,
    document_id,
    from_document,
    key_of,
    put,
    put_document,
    to_document,
)
from crm_bridge.stores.firestore import encoding
from tests.support.factories import MICROSECOND, NOON, event, full_phone, order, run

MOSCOW = ZoneInfo("Europe/Moscow")
texts = some.text()
moments = some.integers(-(10**15), 10**16).map(lambda count: NOON.astimezone(MOSCOW) + count * MICROSECOND)


@given(texts)
def test_an_id_gives_its_key_back(key: str) -> None:
    assert key_of(document_id(key)) == key


@given(texts | some.text("_./%", max_size=6))
def test_an_id_is_one_that_firestore_takes(key: str) -> None:
    id_ = document_id(key)

    assert id_ not in {"", ".", ".."}
    assert "/" not in id_
    assert not (id_.startswith("__") and id_.endswith("__"))


@pytest.mark.parametrize("key", ["79261234567", "a_b", "__a", "a__", "Ёж 1-2", "4f1c-0"])
def test_ordinary_keys_are_their_own_ids(key: str) -> None:
    assert document_id(key) == key


@given(some.builds(Order, changed_at=moments, ordered_at=moments, order_id=texts))
def test_an_order_comes_back_equal(value: Order) -> None:
    assert from_document(to_document(value), Order) == value


@given(some.builds(SaleEvent, at=moments, sold_at=some.none() | moments))
def test_an_event_comes_back_equal(value: SaleEvent) -> None:
    assert from_document(to_document(value), SaleEvent) == value


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        to_document(event("1", "r1", sold_at=NOON.replace(tzinfo=None)))


def test_a_field_of_another_version_is_ignored() -> None:
    document = {**to_document(order("1")), "colour": "blue"}

    assert from_document(document, Order) == order("1")


LONG = order("9" * 300, client_id="я" * 200)


@pytest.mark.parametrize(
    "write",
    [
        put(PHONES, full_phone("79261234567")),
        put(ORDERS, LONG),
        put(SALES, event("79261234567", "4f1c", comment="🎄" * 255)),
        put_document("runs", "r1", to_document(run("r1"))),
        put_document("runs", "r1-0", {"part": b"\xff" * 900_000, "expires_at": NOON}),
        put_document("any", "x", {"numbers": [0, -1, 2**62] * 100, "texts": ["", "a"] * 100, "nothing": [None] * 9}),
    ],
)
def test_a_size_is_at_least_that_of_the_message_and_at_most_twice_that(write: Write) -> None:
    name = f"projects/{'p' * 30}/databases/{'d' * 63}/documents/{write.collection}/{write.document_id}"

    sent = encoding.write(name, write.document).ByteSize()

    assert sent - len(name) <= write.size <= 2 * sent


def writes(*keys: str, size: int = 100) -> list[Write]:
    return [Write("c", key, {}, size) for key in keys]


def test_groups_share_a_batch_and_are_not_split() -> None:
    groups = [writes(*(f"{group}-{number}" for number in range(150))) for group in range(5)]

    batches = list(commit_batches(groups))

    assert [len(batch) for batch in batches] == [300, 300, 150]
    assert [write for batch in batches for write in batch] == [write for group in groups for write in group]


def test_a_batch_is_limited_by_its_bytes() -> None:
    batches = list(commit_batches([writes(str(number), size=1_000_000) for number in range(7)]))

    assert [len(batch) for batch in batches] == [3, 3, 1]


def test_a_group_over_the_limit_is_a_batch_of_its_own() -> None:
    large = writes(*(str(number) for number in range(1000)))

    assert list(commit_batches([writes("a"), large, writes("b")])) == [writes("a"), large, writes("b")]


def test_of_two_writes_of_one_document_in_a_batch_the_later_wins() -> None:
    first, other, second = Write("c", "1", {"n": 1}, 9), Write("d", "1", {"n": 2}, 9), Write("c", "1", None, 9)

    assert [sorted(batch) for batch in commit_batches([[first, other], [second]])] == [[second, other]]


def test_empty_groups_make_no_batch() -> None:
    assert list(commit_batches([[], []])) == []


@given(some.lists(some.lists(some.integers(1, 2_000_000), max_size=300), max_size=20))
def test_every_write_is_in_one_batch_in_order(sizes: list[list[int]]) -> None:
    groups = [[Write("c", f"{i}-{j}", {}, size) for j, size in enumerate(group)] for i, group in enumerate(sizes)]

    batches = list(commit_batches(groups))

    assert [write for batch in batches for write in batch] == [write for group in groups for write in group]
    for batch in batches:
        alone = len({write.document_id.split("-")[0] for write in batch}) == 1
        fits = len(batch) <= documents.BATCH_WRITES and sum(write.size for write in batch) <= documents.BATCH_BYTES
        assert fits or alone


def test_times_are_stored_in_utc() -> None:
    moscow = NOON.astimezone(MOSCOW)

    assert str(to_document(event("1", "r", at=moscow))["at"]) == "2026-06-15 09:00:00+00:00"

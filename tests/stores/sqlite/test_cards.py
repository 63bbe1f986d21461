"""The cards on SQLite: cleaning, and other writers of the file."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import timedelta

import pytest

from tests.support.database_dump import dump
from tests.support.databases import SqliteDatabase
from tests.support.factories import MICROSECOND, NOON, card

pytestmark = pytest.mark.anyio


async def test_expired_cards_are_deleted_by_the_first_put_of_every_minute(sqlite: SqliteDatabase) -> None:
    later = NOON + timedelta(minutes=1)
    cards = sqlite.cards()
    await cards.put(card("gone", expires_at=later - MICROSECOND))  # deleted with the second in which it expired
    await cards.put(card("kept", expires_at=later + MICROSECOND))
    await cards.put(card("new", posted_at=later))

    assert sorted((await dump(cards))["cards"]) == ["kept", "new"]


async def test_cards_are_cleaned_after_the_clock_was_set_back_as_well(sqlite: SqliteDatabase) -> None:
    cards, earlier = sqlite.cards(), NOON - timedelta(days=1)
    await cards.put(card("first"))
    await cards.put(card("gone", posted_at=earlier - timedelta(hours=2), expires_at=earlier - timedelta(hours=1)))

    await cards.put(card("new", posted_at=earlier))

    assert "gone" not in (await dump(cards))["cards"]


async def test_expired_cards_are_deleted_by_the_first_put_of_a_process(sqlite: SqliteDatabase) -> None:
    await sqlite.cards().put(card("gone", expires_at=NOON - MICROSECOND))
    await sqlite.cards().put(card("new", posted_at=NOON))

    assert sorted((await dump(sqlite.cards()))["cards"]) == ["new"]


async def test_cards_put_at_once_are_all_there(sqlite: SqliteDatabase) -> None:
    cards = sqlite.cards()
    await asyncio.gather(*(cards.put(card(f"c{n}", name=f"{n}")) for n in range(50)))

    assert [await cards.get(f"c{n}", now=NOON) for n in range(50)] == [card(f"c{n}", name=f"{n}") for n in range(50)]


async def test_cards_are_put_when_another_writer_is_done_and_read_meanwhile(sqlite: SqliteDatabase) -> None:
    """Nobody else waits meanwhile: the exchange answers hundreds of callers from one event loop."""
    cards = sqlite.cards()
    await cards.put(card("a1"))
    other = sqlite3.connect(sqlite.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writing = [asyncio.create_task(cards.put(card(f"c{n}"))) for n in range(3)]

    assert await asyncio.wait_for(cards.get("a1", now=NOON), 15) == card("a1")
    await asyncio.sleep(0.3)
    assert not any(task.done() for task in writing)
    other.execute("COMMIT")
    other.close()
    await asyncio.gather(*writing)

    assert sorted((await dump(cards))["cards"]) == ["a1", "c0", "c1", "c2"]


async def test_a_put_that_fails_says_so(sqlite: SqliteDatabase) -> None:
    cards = sqlite.cards()
    await cards.put(card("a1"))
    other = sqlite3.connect(sqlite.path)
    other.execute("CREATE TRIGGER full BEFORE INSERT ON cards BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    other.close()

    with pytest.raises(sqlite3.IntegrityError, match="disk full"):
        await cards.put(card("c1"))
    assert sorted((await dump(cards))["cards"]) == ["a1"]

"""What every CardStore promises."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta, timezone
from itertools import count

import pytest

from crm_bridge.ports import CardStore
from tests.contracts.processes import result_of, start_worker
from tests.support.databases import Database
from tests.support.factories import MICROSECOND, NOON, card
from tests.support.waiting import fastest_of, until

pytestmark = pytest.mark.anyio


class TestCardStore:
    async def test_an_unknown_card_is_none(self, cards: CardStore) -> None:
        assert await cards.get("a1", now=NOON) is None

    async def test_every_field_comes_back(self, cards: CardStore) -> None:
        await cards.put(card("a1", posted_at=NOON + MICROSECOND))

        assert await cards.get("a1", now=NOON) == card("a1", posted_at=NOON + MICROSECOND)

    async def test_times_come_back_in_utc(self, cards: CardStore) -> None:
        await cards.put(card("a1", posted_at=NOON.astimezone(timezone(timedelta(hours=3)))))

        found = await cards.get("a1", now=NOON)

        assert found is not None
        assert type(found.posted_at) is datetime
        assert found.posted_at.isoformat() == "2026-06-15T09:00:00+00:00"

    async def test_a_deleted_card_is_gone_and_no_other(self, cards: CardStore) -> None:
        await cards.put(card("__all__"))
        await cards.put(card("a2"))

        await cards.delete("__all__")
        await cards.delete("nobody")

        assert await cards.get("__all__", now=NOON) is None
        assert await cards.get("a2", now=NOON) == card("a2")

    async def test_gone_at_the_instant_it_expires(self, cards: CardStore) -> None:
        """Firestore deletes expired documents hours later; readers must not see them."""
        await cards.put(card("a1", expires_at=NOON + timedelta(hours=1)))

        assert await cards.get("a1", now=NOON + timedelta(hours=1) - MICROSECOND) is not None
        assert await cards.get("a1", now=NOON + timedelta(hours=1)) is None

    async def test_a_second_card_replaces_the_first_and_starts_its_hour_again(self, cards: CardStore) -> None:
        await cards.put(card("a1"))
        second = card("a1", name="Anna", posted_at=NOON + timedelta(minutes=59))
        await cards.put(second)

        assert await cards.get("a1", now=NOON + timedelta(minutes=90)) == second

    @pytest.mark.parametrize("card_id", ["__all__", "__", "_", "____", "_a_", "A", "01234567890123456789"])
    async def test_every_valid_id_is_an_id(self, cards: CardStore, card_id: str) -> None:
        await cards.put(card(card_id))

        assert await cards.get(card_id, now=NOON) == card(card_id)

    async def test_ids_are_case_sensitive(self, cards: CardStore) -> None:
        await cards.put(card("a"))

        assert await cards.get("A", now=NOON) is None

    async def test_a_card_that_is_there_is_returned_at_once(self, cards: CardStore) -> None:
        await cards.put(card("a1"))

        found = await asyncio.wait_for(cards.wait("a1", now=lambda: NOON, seconds=25), 20)

        assert found == card("a1")

    async def test_a_wait_of_no_seconds_is_one_read(self, cards: CardStore) -> None:
        assert await cards.wait("a1", now=lambda: NOON, seconds=0) is None
        await cards.put(card("a1"))

        assert await cards.wait("a1", now=lambda: NOON, seconds=0) == card("a1")

    async def test_a_wait_ends_without_a_card(self, cards: CardStore) -> None:
        await cards.get("a1", now=NOON)  # opens the connection
        started = time.monotonic()

        assert await cards.wait("a1", now=lambda: NOON, seconds=0.5) is None
        assert 0.5 <= time.monotonic() - started < 20

    async def test_a_card_put_during_a_wait_is_returned_at_once(self, database: Database) -> None:
        reader, writer = database.cards(), database.cards()
        ids = count()

        async def hand_over() -> float:
            card_id = f"a{next(ids)}"
            waiting = [asyncio.create_task(reader.wait(card_id, now=lambda: NOON, seconds=25)) for _ in range(5)]
            await asyncio.sleep(1)
            assert not any(task.done() for task in waiting)
            await writer.put(card(card_id))
            put_at = time.monotonic()
            found = await asyncio.gather(*waiting)
            took = time.monotonic() - put_at
            assert found == [card(card_id)] * 5
            return took

        assert await fastest_of(hand_over, within=1) < 1  # a quarter of a second, and the machine may be busy

    async def test_a_card_put_by_another_process_is_returned(self, database: Database) -> None:
        waiting = asyncio.create_task(database.cards().wait("a1", now=lambda: NOON, seconds=25))

        await result_of(await start_worker("put", database, "a1"))

        assert await asyncio.wait_for(waiting, 20) == card("a1")

    async def test_an_expired_card_does_not_end_a_wait(self, cards: CardStore) -> None:
        await cards.put(card("a1", expires_at=NOON))
        waiting = asyncio.create_task(cards.wait("a1", now=lambda: NOON, seconds=25))
        await asyncio.sleep(0.5)
        assert not waiting.done()

        await cards.put(card("a1", name="Anna"))

        assert await asyncio.wait_for(waiting, 20) == card("a1", name="Anna")

    async def test_the_time_waited_counts_towards_the_hour(self, cards: CardStore) -> None:
        """A card that was valid when the wait began is not returned after its end."""
        began = time.monotonic()
        waiting = asyncio.create_task(
            cards.wait("a1", now=lambda: NOON + timedelta(seconds=time.monotonic() - began), seconds=1)
        )
        await asyncio.sleep(0.3)
        await cards.put(card("a1", expires_at=NOON + timedelta(seconds=0.1)))

        assert await waiting is None

    @pytest.mark.parametrize("by", [timedelta(days=-1), timedelta(days=1)], ids=["back", "ahead"])
    async def test_a_clock_that_is_set_during_a_wait_neither_ends_nor_prolongs_it(
        self, cards: CardStore, by: timedelta
    ) -> None:
        moments, started = [NOON], time.monotonic()
        waiting = asyncio.create_task(cards.wait("a1", now=lambda: moments[-1], seconds=25))
        nothing = asyncio.create_task(cards.wait("a2", now=lambda: moments[-1], seconds=1))
        await asyncio.sleep(0.3)
        moments.append(NOON + by)
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await cards.put(card("a1", expires_at=NOON + by + timedelta(hours=1)))

        assert await asyncio.wait_for(waiting, 20) is not None
        assert await nothing is None
        assert 1 <= time.monotonic() - started < 20

    async def test_a_cancelled_wait_leaves_nothing_behind(self, cards: CardStore) -> None:
        before = asyncio.all_tasks()
        waiting = asyncio.create_task(cards.wait("a1", now=lambda: NOON, seconds=25))
        await asyncio.sleep(0.3)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

        await until(lambda: asyncio.all_tasks() <= before, "nothing of the wait is left")
        await cards.put(card("a1"))
        assert await cards.get("a1", now=NOON) == card("a1")

"""The exchange on the real databases: what depends on them."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from itertools import count

import pytest

from crm_bridge.ports import CardStore
from tests.handlers.exchange_harness import DOCUMENTED_AT, JOHN, app, ask, get, post, services
from tests.sandbox.clock import ManualClock
from tests.support.databases import Database
from tests.support.waiting import fastest_of, until

pytestmark = pytest.mark.anyio


async def test_the_documented_example(cards: CardStore) -> None:
    serve = app(services(cards))

    assert (await post(serve, "test_id/", JOHN)).body == b'{"result": "OK"}'
    assert (await get(serve, "test_id/")).json() == {
        "date": "2017-04-03 00:59:53.667318",
        "id": "test_id",
        "arpu": "4570",
        "name": "John Doe",
        "soc_tariff": "TESTSOC",
        "phone": "9156685347",
    }


@pytest.mark.parametrize(
    ("card_id", "changes"),
    [
        ("__all__", {"name": "Ёлкина Жанна 👩‍👩‍👧", "soc_tariff": "ТАРИФ"}),
        ("_", {"name": "'\"\\; DROP TABLE cards --", "arpu": 10**18 - 1}),
        ("A" * 20, {"name": "я" * 50, "arpu": 0}),
        ("0", {"name": "\u2028 \ufeff\U0010ffff", "arpu": "000"}),
    ],
)
async def test_cards_come_back_as_they_went(cards: CardStore, card_id: str, changes: dict[str, object]) -> None:
    serve = app(services(cards))
    await post(serve, card_id, JOHN | changes)

    got = (await get(serve, card_id)).json()

    expected = JOHN | changes | {"arpu": str(int(str(changes.get("arpu", "4570"))))}
    assert {field: got[field] for field in JOHN} == expected
    assert got["id"] == card_id


async def test_readable_until_the_hour_is_over_though_nothing_is_cleaned(cards: CardStore) -> None:
    """The emulator has no TTL policies, and SQLite is cleaned only by writing."""
    clock = ManualClock(DOCUMENTED_AT)
    serve = app(services(cards, clock))
    await post(serve, "a1", JOHN)
    clock.advance(timedelta(minutes=59, seconds=59, microseconds=999_999))
    assert (await get(serve, "a1")).status == 200

    for step in (timedelta(microseconds=1), timedelta(seconds=1), timedelta(days=30)):
        clock.advance(step)
        for target in ("/api/a1", "/api/a1?wait=0.1"):
            assert (await ask(serve, "GET", target)).body == b'{"Error": "No data for id = a1"}'


async def test_the_time_of_cards_can_be_set(cards: CardStore) -> None:
    clock = ManualClock(DOCUMENTED_AT)
    serve = app(services(cards, clock, EXCHANGE_TTL_SECONDS="10"))
    await post(serve, "a1", JOHN)
    clock.advance(timedelta(seconds=9))
    assert (await get(serve, "a1")).status == 200
    clock.advance(timedelta(seconds=1))

    assert (await get(serve, "a1")).status == 400


async def test_a_second_post_replaces_the_card_and_starts_its_hour_again(cards: CardStore) -> None:
    clock = ManualClock(DOCUMENTED_AT)
    serve = app(services(cards, clock))
    await post(serve, "a1", JOHN)
    clock.advance(timedelta(minutes=59))
    await post(serve, "a1", JOHN | {"name": "Jane"})
    clock.advance(timedelta(minutes=59))

    assert (await get(serve, "a1")).json()["name"] == "Jane"


async def test_two_posts_at_once_leave_one_card_whole(database: Database) -> None:
    """Of one worker and of several; what the last reads is what all read."""
    workers = [app(services(database.cards())) for _ in range(3)]
    forms = [{"name": c * 50, "phone": c * 10, "arpu": c * 18, "soc_tariff": c * 10} for c in "123456789"]

    for _ in range(5):
        answers = await asyncio.gather(*(post(workers[n % 3], "a1", form) for n, form in enumerate(forms)))
        assert {answer.status for answer in answers} == {200}
        seen = [(await get(worker, "a1")).json() for worker in workers]
        assert seen[0] == seen[1] == seen[2]
        assert {field: seen[0][field] for field in JOHN} in forms


async def test_another_worker_and_the_next_process_have_the_card(database: Database) -> None:
    await post(app(services(database.cards())), "a1", JOHN)

    assert (await get(app(services(database.cards())), "a1")).json()["name"] == "John Doe"


async def test_a_reader_who_came_first_has_the_card_within_300_milliseconds(database: Database) -> None:
    """Whichever worker takes the POST; from its answer, because the emulator's own time is not ours."""
    reader, writer = app(services(database.cards())), app(services(database.cards()))
    await get(reader, "other")  # opens the connections
    await get(writer, "other")
    ids = count()

    async def hand_over() -> float:
        card_id = f"a{next(ids)}"
        waiting = [asyncio.create_task(ask(reader, "GET", f"/api/{card_id}?wait=25")) for _ in range(3)]
        await asyncio.sleep(0.7)
        assert not any(task.done() for task in waiting)
        await post(writer, card_id, JOHN)
        posted = time.monotonic()
        answers = await asyncio.gather(*waiting)
        took = time.monotonic() - posted
        assert {answer.status for answer in answers} == {200}
        return took

    assert await fastest_of(hand_over, within=0.3) < 0.3


async def test_a_reader_who_goes_leaves_nothing_behind(cards: CardStore) -> None:
    serve = app(services(cards))
    await get(serve, "other")
    before = asyncio.all_tasks()
    gone = asyncio.Event()
    waiting = asyncio.create_task(ask(serve, "GET", "/api/a1?wait=25", gone=gone))
    await asyncio.sleep(0.3)
    gone.set()
    await asyncio.wait_for(waiting, 15)

    # A call of gRPC that was cancelled takes some turns of the loop to end; some of gRPC's own may have ended.
    await until(lambda: asyncio.all_tasks() <= before, "nothing of the wait is left")

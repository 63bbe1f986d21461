"""Posting and getting cards, without HTTP."""

import asyncio
from datetime import timedelta

import pytest

from crm_bridge.domain.card import Card, CardForm
from crm_bridge.usecases.exchange_card import get_card, post_card
from tests.handlers.exchange_harness import DOCUMENTED_AT, JOHN, MemoryCards, services
from tests.sandbox.clock import ManualClock

pytestmark = pytest.mark.anyio
FORM = CardForm.read(JOHN)
NO_WAIT = timedelta()


async def test_a_card_is_stamped_with_its_moment_and_its_end() -> None:
    bridge = services(MemoryCards(), EXCHANGE_TTL_SECONDS="90")

    card = await post_card("a1", FORM, bridge)

    body = {"date": "2017-04-03 00:59:53.667318", "id": "a1"} | JOHN
    assert card == Card(
        card_id="a1", body=body, posted_at=DOCUMENTED_AT, expires_at=DOCUMENTED_AT + timedelta(seconds=90)
    )
    assert await get_card("a1", bridge, wait=NO_WAIT) == card


async def test_an_hour_is_the_default() -> None:
    card = await post_card("a1", FORM, services(MemoryCards()))

    assert card.expires_at - card.posted_at == timedelta(hours=1)


async def test_a_second_post_replaces_the_card_and_starts_its_hour_again() -> None:
    clock = ManualClock(DOCUMENTED_AT)
    bridge = services(MemoryCards(), clock)
    await post_card("a1", FORM, bridge)
    clock.advance(timedelta(minutes=59))
    second = await post_card("a1", CardForm.read(JOHN | {"name": "Jane"}), bridge)
    clock.advance(timedelta(minutes=59))

    assert await get_card("a1", bridge, wait=NO_WAIT) == second


async def test_getting_changes_nothing() -> None:
    cards = MemoryCards()
    bridge = services(cards)
    await post_card("a1", FORM, bridge)
    before = dict(cards.cards)

    for wait in (NO_WAIT, timedelta(milliseconds=5)):
        await get_card("a1", bridge, wait=wait)
        await get_card("nobody", bridge, wait=wait)

    assert cards.cards == before


async def test_waiting_ends_with_the_card() -> None:
    bridge = services(MemoryCards())
    waiting = asyncio.create_task(get_card("a1", bridge, wait=timedelta(seconds=20)))
    await asyncio.sleep(0)

    card = await post_card("a1", FORM, bridge)

    assert await asyncio.wait_for(waiting, 10) == card


async def test_waiting_ends_without_a_card() -> None:
    assert await get_card("a1", services(MemoryCards()), wait=timedelta(milliseconds=5)) is None

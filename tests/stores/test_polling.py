"""Waiting for a card: when it is read, and how often."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from crm_bridge.domain.card import Card
from crm_bridge.stores.polling import wait_for_card
from tests.support.factories import NOON, card

pytestmark = pytest.mark.anyio


class Reads:
    """A database that has the card from some read on.

    Attributes:
        moments: When each read was, by its own clock.
    """

    def __init__(self, *, found_at: int | None = None) -> None:
        self.moments: list[datetime] = []
        self._found_at = found_at

    async def get(self, moment: datetime) -> Card | None:
        self.moments.append(moment)
        return card("a1") if len(self.moments) == self._found_at else None


async def test_a_card_that_is_there_is_read_once_and_at_once() -> None:
    reads = Reads(found_at=1)
    started = time.monotonic()

    assert await wait_for_card(reads.get, now=lambda: NOON, seconds=25) == card("a1")
    assert len(reads.moments) == 1
    assert time.monotonic() - started < 0.1


async def test_a_card_ends_the_wait() -> None:
    reads = Reads(found_at=3)

    assert await wait_for_card(reads.get, now=lambda: NOON, seconds=25, first_pause=0.01) == card("a1")
    assert len(reads.moments) == 3


def ticking() -> Callable[[], datetime]:
    """Begin at noon, and go on with the time."""
    began = time.monotonic()
    return lambda: NOON + timedelta(seconds=time.monotonic() - began)


async def test_the_last_read_is_at_the_end_of_the_wait() -> None:
    """The card may come within the last pause."""
    reads = Reads()

    assert await wait_for_card(reads.get, now=ticking(), seconds=0.3, first_pause=0.2, longest_pause=0.2) is None
    assert len(reads.moments) == 3
    assert reads.moments[-1] - NOON >= timedelta(seconds=0.3)


async def test_a_wait_of_no_seconds_is_one_read() -> None:
    reads = Reads()

    assert await wait_for_card(reads.get, now=lambda: NOON, seconds=0) is None
    assert len(reads.moments) == 1


async def test_moments_are_the_callers_and_go_on_with_the_time() -> None:
    reads = Reads()

    await wait_for_card(reads.get, now=ticking(), seconds=0.2, first_pause=0.05, longest_pause=0.05)

    assert NOON <= reads.moments[0] < NOON + timedelta(seconds=0.05)
    assert reads.moments == sorted(set(reads.moments))


async def test_a_wait_of_25_seconds_costs_130_reads_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read of Firestore is billed."""
    reads, elapsed = Reads(), 0.0

    async def sleep(seconds: float) -> None:
        nonlocal elapsed
        elapsed += seconds

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: elapsed)

    assert await wait_for_card(reads.get, now=lambda: NOON, seconds=25) is None
    assert elapsed == 25
    assert 100 < len(reads.moments) <= 130

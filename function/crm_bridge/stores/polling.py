"""Waiting for a card by reading it again and again, on a database that does not call back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime

from crm_bridge.domain.card import Card

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 0.2


async def wait_for_card(
    get: Callable[[datetime], Awaitable[Card | None]],
    *,
    now: Callable[[], datetime],
    seconds: float,
    first_pause: float = _FIRST_PAUSE,
    longest_pause: float = _LONGEST_PAUSE,
) -> Card | None:
    """Read until the card is there: at once, then after pauses that grow from 100 to 200 milliseconds.

    Firestore's async client cannot listen (`on_snapshot` exists on the blocking client only), and another process may
    put the card. A wait of 25 seconds costs at most 130 reads.

    Args:
        get: Returns the card if it is valid at a moment.
        now: Returns the moment of a read. The wait does not go by it: it may be set forward or back meanwhile.
        seconds: How long to wait; the last read is at their end.
        first_pause, longest_pause: Seconds, for a database whose reads cost next to nothing.
    """
    started = time.monotonic()
    pause = first_pause
    while True:
        elapsed = time.monotonic() - started
        card = await get(now())
        if card is not None or elapsed >= seconds:
            return card
        await asyncio.sleep(min(pause, max(0.0, seconds - (time.monotonic() - started))))
        pause = min(pause * 1.25, longest_pause)

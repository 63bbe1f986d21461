"""Find the record for which CoMagic refuses a whole request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from crm_bridge.errors import RecordRefused

T = TypeVar("T")

Send = Callable[[list[T]], Awaitable[RecordRefused | None]]
"""Sends records; returns the refusal when nothing of them was taken."""


async def find_refused(
    records: list[T], refusal: RecordRefused, send: Send[T], *, trust_index: bool
) -> tuple[T, RecordRefused, list[T]]:
    """Find one record that is refused; the others that were sent on the way are taken.

    Ten more requests find it among a thousand: of two halves only the first is sent, and when it is taken the other
    one is known to be refused.

    Args:
        records: They were refused together.
        refusal: With this reason.
        send: Sends a part of them.
        trust_index: Believe the place that the refusal names; then nothing is sent.

    Returns:
        The record, its refusal, and the records that were not taken yet, in their order.
    """
    if trust_index and refusal.index is not None and refusal.index < len(records):
        at = refusal.index
        return records[at], refusal, records[:at] + records[at + 1 :]
    suspects, rest = records, list[T]()
    while len(suspects) > 1:
        middle = len(suspects) // 2
        first, second = suspects[:middle], suspects[middle:]
        if (again := await send(first)) is None:
            suspects = second
        else:
            refusal, suspects, rest = again, first, second + rest
    return suspects[0], refusal, rest

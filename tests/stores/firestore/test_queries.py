"""Reads in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from google.api_core.exceptions import ServiceUnavailable

from crm_bridge.stores.firestore.queries import read_batches

pytestmark = pytest.mark.anyio

unavailable: Any = ServiceUnavailable  # its constructor has no types


async def read(batch: Sequence[int]) -> list[int]:
    await asyncio.sleep(0.01 / (batch[0] + 1))  # the later, the quicker
    if 66 in batch:
        raise unavailable("down")
    return [number * 2 for number in batch]


async def test_results_come_in_the_order_of_the_items() -> None:
    assert await read_batches(read, range(50), size=7) == [number * 2 for number in range(50)]


async def test_no_items_need_no_call() -> None:
    assert await read_batches(read, [], size=7) == []


async def test_the_first_failure_is_raised_by_its_own_name() -> None:
    with pytest.raises(ServiceUnavailable):
        await read_batches(read, range(100), size=7)


async def test_eight_calls_at_most_run_at_once() -> None:
    running, most = 0, 0

    async def counted(batch: Sequence[int]) -> list[int]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        return list(batch)

    assert await read_batches(counted, range(30), size=1) == list(range(30))
    assert most == 8

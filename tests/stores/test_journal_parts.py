"""A run's journal in parts."""

from __future__ import annotations

import random

import pytest

from crm_bridge.stores.documents import DOCUMENT_LIMIT
from crm_bridge.stores.journal_parts import PART_BYTES, join, split

pytestmark = pytest.mark.anyio

INCOMPRESSIBLE = random.Random(1).randbytes(2 * PART_BYTES)


@pytest.mark.parametrize(
    "journal", [b"", b"{}", b"a" * 5_000_000, INCOMPRESSIBLE], ids=["empty", "small", "large", "noise"]
)
async def test_a_journal_comes_back_as_it_was(journal: bytes) -> None:
    assert await join(await split(journal)) == journal


async def test_an_empty_journal_has_a_part() -> None:
    """A run without parts is a run without a journal."""
    assert len(await split(b"")) == 1


async def test_parts_are_compressed() -> None:
    assert [len(part) < 50_000 for part in await split(b'{"result": "applied"}' * 100_000)] == [True]


async def test_every_part_fits_into_a_document() -> None:
    parts = await split(INCOMPRESSIBLE)

    assert [len(part) for part in parts[:2]] == [PART_BYTES, PART_BYTES]
    assert len(parts) == 3
    assert PART_BYTES < DOCUMENT_LIMIT - 100_000  # the document has other fields as well

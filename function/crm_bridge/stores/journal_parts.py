"""A run's journal in parts: it may have tens of MB, a document of Firestore at most one."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence

PART_BYTES = 900 * 1024
"""Below the 1 MiB of a document, with room for its other fields."""


async def split(journal: bytes) -> list[bytes]:
    """Compress a journal and split it into at least one part."""
    compressed = await asyncio.to_thread(zlib.compress, journal)  # a large journal takes a second
    return [compressed[start : start + PART_BYTES] for start in range(0, len(compressed), PART_BYTES)]


async def join(parts: Sequence[bytes]) -> bytes:
    """Return the journal that `split` made the parts of."""
    return await asyncio.to_thread(zlib.decompress, b"".join(parts))

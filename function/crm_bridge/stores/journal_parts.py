"""A run's journal in parts: it may have tens of MB, a document of Firestore has one."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence

PART_BYTES = 900 * 1024
"""Below the 1 MiB of a document, with room for its other fields."""


async def split(journal: bytes) -> list[bytes]:
    """Compress a journal and cut it; at least one part."""
    pack = await asyncio.to_thread(zlib.compress, journal)  # a big one takes a second
    return [pack[start : start + PART_BYTES] for start in range(0, len(pack), PART_BYTES)]


async def join(parts: Sequence[bytes]) -> bytes:
    """Return the journal of which `split` made the parts."""
    return await asyncio.to_thread(zlib.decompress, b"".join(parts))

"""Moments as people of the business read them."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo


def local_text(moment: datetime, zone: ZoneInfo) -> str:
    """Write a moment as local time of the business, to the second: `2026-11-24 17:59:00`."""
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}"

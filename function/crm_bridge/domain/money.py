"""Money: whole kopecks inside, Decimal at the borders, never a float."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

_KOPECK = Decimal("0.01")


def to_kopecks(roubles: Decimal) -> int:
    """Return roubles as whole kopecks; a part of a kopeck is rounded, half away from zero."""
    return int(roubles.quantize(_KOPECK, ROUND_HALF_UP).scaleb(2))


def to_roubles(kopecks: int) -> Decimal:
    """Return kopecks as roubles, always with two decimals: 450050 -> 4500.50."""
    return (Decimal(kopecks) / 100).quantize(_KOPECK)


def format_roubles(kopecks: int) -> str:
    """Write kopecks as the journal does: 450050 -> "4500.50"."""
    return str(to_roubles(kopecks))

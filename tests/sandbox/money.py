"""Roubles in tests, kopecks in the simulators."""

from decimal import ROUND_HALF_UP, Decimal

Roubles = Decimal | int | str


def kopecks(amount: Roubles) -> int:
    """Turn roubles into whole kopecks; a float is refused, because it has already lost the exact sum."""
    if isinstance(amount, float):
        msg = "money is Decimal, int or str"
        raise TypeError(msg)
    return int((Decimal(amount) * 100).quantize(Decimal(1), ROUND_HALF_UP))


def roubles(amount_kopecks: int) -> Decimal:
    """Turn kopecks into roubles with two decimals."""
    return Decimal(amount_kopecks).scaleb(-2)

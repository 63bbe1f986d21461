"""A caller's card: what an IVR knows of a caller, for the operator who takes the call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A card under its id.

    Attributes:
        card_id: 1-20 of `A-Z a-z 0-9 _`, case-sensitive.
        name: The caller's name, 1-50 characters of any script.
        phone: 10 digits.
        arpu: The caller's average spending a month, whole kopecks, as digits.
        soc_tariff: Code of the caller's tariff, 1-10 characters.
        posted_at: Aware.
        expires_at: Posted plus the time cards are kept, aware; gone from that instant on.
    """

    card_id: str
    name: str
    phone: str
    arpu: str
    soc_tariff: str
    posted_at: datetime
    expires_at: datetime

    def __repr__(self) -> str:
        return f"Card(posted_at={self.posted_at}, expires_at={self.expires_at})"

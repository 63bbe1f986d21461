"""What a run plans to change in CoMagic: its id, and how much of what stands it would take off."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from msgspec import Struct

from crm_bridge.domain.decision import Decision
from crm_bridge.domain.money import format_roubles
from crm_bridge.domain.phone import PhoneRecord

MIN_PHONES = 10
"""A guard that weighs less than this many falls would stop ordinary days of a small business."""


class PlannedChange(Struct, frozen=True, kw_only=True, gc=False):
    """What was decided about the sale of one phone, before anything is written.

    Attributes:
        stored: The phone's record as the database holds it; its sale is what we remember to stand.
        record: The same, corrected by what CoMagic shows.
    """

    stored: PhoneRecord
    record: PhoneRecord
    decision: Decision

    @property
    def decrease_kopecks(self) -> int:
        """How much of the sum that we remember to stand the change takes off; 0 when the sum grows."""
        sale = self.stored.sale
        return 0 if sale is None else max(0, sale.amount_kopecks - self.record.amount_kopecks)


class GuardReport(Struct, frozen=True, kw_only=True):
    """How much of what stands a plan takes off.

    Attributes:
        phones: Phones whose sum falls or is removed.
        decrease_kopecks: What these phones lose together.
        standing_kopecks: The sum of all sales that we remember to stand, ours and adopted.
        max_percent: The share of it that a run may take off; 100 switches the guard off.
    """

    phones: int
    decrease_kopecks: int
    standing_kopecks: int
    max_percent: int

    @property
    def stops(self) -> bool:
        """The plan takes off too much."""
        if self.max_percent >= 100 or self.phones < MIN_PHONES:
            return False
        return self.decrease_kopecks * 100 > self.standing_kopecks * self.max_percent

    def as_json(self) -> dict[str, object]:
        return {
            "phones": self.phones,
            "decrease": format_roubles(self.decrease_kopecks),
            "standing": format_roubles(self.standing_kopecks),
            "max_percent": self.max_percent,
            "stops": self.stops,
        }


def weigh(changes: Iterable[PlannedChange], *, standing_kopecks: int, max_percent: int) -> GuardReport:
    """Add up what the changes of a plan take off."""
    falls = [change.decrease_kopecks for change in changes if change.decrease_kopecks > 0]
    return GuardReport(
        phones=len(falls),
        decrease_kopecks=sum(falls),
        standing_kopecks=standing_kopecks,
        max_percent=max_percent,
    )


def plan_id(changes: Iterable[PlannedChange]) -> str:
    """Return a name for exactly these changes: the same whenever they are the same, in whatever order they come.

    Times, comments and deals are left out: they may differ between a dry run and the run that confirms it.
    """
    lines = sorted(_line(change) for change in changes)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _line(change: PlannedChange) -> str:
    record, decision, target = change.record, change.decision, change.decision.target
    sums = f"{decision.previous_kopecks} {record.amount_kopecks}"
    where = "-" if target is None else f"{target.id}"
    kind = "-" if target is None else target.type
    return " ".join((record.phone, decision.result, kind, where, sums))  # enums are joined in a third of the time

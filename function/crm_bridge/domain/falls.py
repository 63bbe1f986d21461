"""Why the sum of a phone has fallen since its sale was set: what the journal's `reason` is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:  # a phone's record holds falls, and an order's module uses records
    from crm_bridge.domain.aggregate import Order


class FallReason(StrEnum):
    """Why a sum has fallen, in the journal's words."""

    CANCELLED = "cancelled"
    REFUNDED = "refunded"
    MOVED = "moved"


class Falls(Struct, frozen=True, kw_only=True, gc=False):
    """What a phone has lost, in kopecks.

    Attributes:
        cancelled: By orders that are cancelled.
        refunded: By money that went back, or payments that were deleted, of orders that are not.
        moved: By orders that are counted under another phone now, or under none.
    """

    cancelled: int = 0
    refunded: int = 0
    moved: int = 0

    def __add__(self, other: Falls) -> Falls:
        return Falls(
            cancelled=self.cancelled + other.cancelled,
            refunded=self.refunded + other.refunded,
            moved=self.moved + other.moved,
        )

    @property
    def reason(self) -> FallReason:
        """The largest part; of equal ones the first."""
        parts = {FallReason.CANCELLED: self.cancelled, FallReason.REFUNDED: self.refunded, FallReason.MOVED: self.moved}
        return max(parts, key=lambda reason: parts[reason])


def falls_by_phone(stored: Mapping[str, Order], updated: Iterable[Order]) -> dict[str, Falls]:
    """Return what each phone loses when these versions of orders replace the stored ones."""
    found: dict[str, Falls] = {}
    for order in updated:
        before = stored.get(order.order_id)
        if before is None or before.phone is None:
            continue
        back = max(0, before.net_kopecks - order.net_kopecks)
        lost = back if order.phone == before.phone else before.net_kopecks
        if lost <= 0:
            continue
        if order.is_cancelled:
            falls = Falls(cancelled=lost)
        else:
            refunded = min(back, lost)
            falls = Falls(refunded=refunded, moved=lost - refunded)
        known = found.get(before.phone)
        found[before.phone] = falls if known is None else known + falls
    return found

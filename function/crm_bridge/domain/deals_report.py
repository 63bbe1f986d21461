"""What a run did about deals, as its journal says it."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from crm_bridge.domain.money import format_roubles

_NAMED = 20
"""Refused deals that a journal names; each order's own page has the reason too."""


class RefusedDeal(Struct, frozen=True, kw_only=True):
    """A deal that CoMagic refuses, with the reason."""

    order_id: str
    number: str
    reason: str


class DealsReport(Struct, kw_only=True):
    """The deals of one run, filled as it goes.

    Attributes:
        uploaded: Deals that CoMagic has accepted; in a dry run, those that would be sent.
        unchanged: Orders that have changed in nothing that a deal says.
        refused: Deals that CoMagic refuses by themselves.
        deferred: Deals left to the next run; a thousand stands for a thousand or more.
        revenue_kopecks: Of the accepted deals.
        is_denied: The account has no deals, so nothing is left over for the next run.
    """

    uploaded: int = 0
    unchanged: int = 0
    refused: list[RefusedDeal] = field(default_factory=list)
    deferred: int = 0
    revenue_kopecks: int = 0
    is_denied: bool = False

    def as_json(self) -> dict[str, Any]:
        report: dict[str, Any] = {
            "uploaded": self.uploaded,
            "unchanged": self.unchanged,
            "failed": len(self.refused),
            "deferred": self.deferred,
            "revenue": format_roubles(self.revenue_kopecks),
        }
        if self.refused:
            report["errors"] = [
                {"order": each.order_id, "number": each.number, "error": each.reason} for each in self.refused[:_NAMED]
            ]
        return report

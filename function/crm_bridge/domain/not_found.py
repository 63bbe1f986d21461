"""Why the money of a phone has no source: what a run has seen of the phone, in one word."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from crm_bridge.domain.communication import Communication
from crm_bridge.domain.decision import SALES_DISABLED, Decision, Result
from crm_bridge.domain.money import format_roubles
from crm_bridge.domain.phone import PhoneRecord

RECENT = timedelta(days=30)
"""The journal adds up the phones whose last payment is so recent."""


class WhyNotFound(StrEnum):
    """Why no communication bears the sale of a phone that has money."""

    NEVER_CALLED = "never_called"
    """No communication of the kinds that are read has a number of the client."""
    ONLY_LOST = "only_lost"
    """Nobody answered."""
    BEFORE_LOOKBACK = "before_lookback"
    """Nothing since the look-back began; our records know an earlier communication."""
    OTHER_KIND = "other_kind"
    """The client wrote, and COMAGIC_SOURCES leaves that kind out. A run does not read such kinds, so it cannot know."""
    SITES_WITHOUT_SALES = "sites_without_sales"
    """Only through sites whose option «Учитывать продажи» is off."""
    AFTER_PAYMENT = "after_payment"
    """Only after the last payment, and the policy looks before it."""


def why_not_found(
    phone: PhoneRecord,
    decision: Decision,
    communications: Sequence[Communication],
    *,
    has_lost_calls: bool,
    since: datetime,
) -> WhyNotFound | None:
    """Return why a phone has no source; None when it has one, or no money.

    Args:
        phone: Its record.
        decision: About its sale.
        communications: Those of the phone that count.
        has_lost_calls: A call of one of its numbers was lost.
        since: Where the reports begin, aware.
    """
    if decision.error == SALES_DISABLED:
        stands = decision.target is not None and decision.target.bears_sale
        return None if stands else WhyNotFound.SITES_WITHOUT_SALES
    if decision.result is not Result.NOT_FOUND:
        return None
    if communications:
        return WhyNotFound.AFTER_PAYMENT
    if has_lost_calls:
        return WhyNotFound.ONLY_LOST
    if phone.sale is not None and phone.sale.started_at < since:
        return WhyNotFound.BEFORE_LOOKBACK
    return WhyNotFound.NEVER_CALLED


class NotFoundTotals(Struct, kw_only=True):
    """Phones and kopecks without a source, by reason, of those whose last payment is recent.

    Attributes:
        since: The payments that count, aware.
        reads_all_kinds: No kind of communication is left out, so none of another kind can be missed.
    """

    since: datetime
    reads_all_kinds: bool
    phones: dict[WhyNotFound, int] = field(default_factory=dict)
    kopecks: dict[WhyNotFound, int] = field(default_factory=dict)

    def add(self, why: WhyNotFound, phone: PhoneRecord) -> None:
        """Count a phone, unless its last payment was longer ago."""
        if phone.paid_at is not None and phone.paid_at >= self.since:
            self.phones[why] = self.phones.get(why, 0) + 1
            self.kopecks[why] = self.kopecks.get(why, 0) + phone.amount_kopecks

    def as_json(self) -> dict[str, Any]:
        """Return the totals; null for the kinds that were not read, which a run cannot know of."""
        totals: dict[str, Any] = {
            str(why): {"phones": self.phones.get(why, 0), "amount": format_roubles(self.kopecks.get(why, 0))}
            for why in WhyNotFound
        }
        if not self.reads_all_kinds:
            totals[WhyNotFound.OTHER_KIND] = None
        return totals

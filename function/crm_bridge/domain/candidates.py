"""The communications of one phone that is explained: why each bears its sale, or does not."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from crm_bridge.domain.attribution import AttributionRule, Policy
from crm_bridge.domain.communication import (
    Communication,
    CommunicationDetails,
    CommunicationKey,
    CommunicationType,
    Site,
)
from crm_bridge.domain.decision import SALES_DISABLED, Decision
from crm_bridge.domain.phone import PhoneRecord


class Reason(StrEnum):
    """Why a communication bears the phone's sale, or does not."""

    OUR_SALE = "our_sale"
    """Our sale stands on it, and stays."""
    OUR_PLACE = "our_place"
    """Our sale stood on it and was taken off by somebody, so it goes back there."""
    SALE_BY_HAND = "sale_by_hand"
    """Somebody else's sale stands on it, so it is the one."""
    SALE_OF_OTHER_PHONE = "sale_of_other_phone"
    """The sale of another phone stands on it, whose communication it was; that is taken off first."""
    UNDER_WAY = "under_way"
    """A run was killed while it changed the sale of this one."""
    EARLIEST = "earliest"
    """It is the earliest that counts."""
    EARLIEST_BEFORE_PAYMENT = "earliest_before_payment"
    """It is the earliest that began before the last payment."""
    LATEST_BEFORE_PAYMENT = "latest_before_payment"
    """It is the latest that began before the last payment."""
    AFTER_PAYMENT = "after_payment"
    """It began after the last payment, and the policy chooses only among earlier ones."""
    SHARED_NUMBER = "shared_number"
    """It has a further number of the client that is another client's too."""
    SITE_OFF = "site_off"
    """Sales are off at the site it came from."""
    NO_SITE = "no_site"
    """It came from no site, and another one did not."""
    LOST = "lost"
    """Nobody answered."""
    TOO_OLD = "too_old"
    """It started before COMAGIC_LOOKBACK_DAYS."""
    NOT_A_SOURCE = "not_a_source"
    """COMAGIC_SOURCES leaves its kind out."""
    OTHER_SALE = "other_sale"
    """It bears a further sale of somebody else, which is left alone."""
    EARLIER = "earlier"
    """A later one bears the sale."""
    LATER = "later"
    """An earlier one bears the sale."""
    NO_SUM = "no_sum"
    """It would count, but the phone has no sum to set."""


class Candidate(Struct, frozen=True, kw_only=True):
    """A communication of the phone, judged.

    Attributes:
        chosen: It bears the phone's sale, or will.
        site: Where it came from; None when that is not known.
    """

    details: CommunicationDetails
    chosen: bool
    reason: Reason
    site: Site | None


def explain_candidates(
    details: Sequence[CommunicationDetails],
    record: PhoneRecord | None,
    decision: Decision | None,
    *,
    sources: Collection[CommunicationType],
    window_since: datetime,
    sites: Mapping[int, Site],
    rule: AttributionRule,
    numbers: Collection[str],
    owners: Collection[CommunicationKey] = (),
) -> list[Candidate]:
    """Say of every communication why it was chosen, or not; the choice itself is the decision's.

    Args:
        details: The communications of the phone and all its further numbers.
        record, decision, window_since: See `Explanation`.
        sources, sites, rule: What a run reads, and decides by.
        numbers: The phone, and the further numbers that are nobody else's.
        owners: Communications that bear the sale of another phone.
    """
    target = decision.target if decision is not None else None
    others = set(decision.other_sales) if decision is not None else set()
    has_sum = record is not None and record.amount_kopecks > 0
    can_be_set = has_sum and (decision is None or decision.error != SALES_DISABLED)

    def chosen(details: CommunicationDetails) -> bool:
        is_target = target is not None and details.communication.key == target.key
        bears_sale = details.communication.bears_sale and details.communication.key not in owners
        return is_target and (can_be_set or bears_sale)

    def reason(details: CommunicationDetails) -> Reason:
        communication = details.communication
        if communication.key in owners:
            return Reason.SALE_OF_OTHER_PHONE
        if chosen(details) and record is not None:
            return _why_chosen(details, record, rule)
        if communication.phone not in numbers:
            return Reason.SHARED_NUMBER
        if details.lost:
            return Reason.LOST
        if communication.type not in sources:
            return Reason.NOT_A_SOURCE
        if communication.started_at < window_since:
            return Reason.TOO_OLD
        if communication.key in others:
            return Reason.OTHER_SALE
        if record is None or not has_sum:
            return Reason.NO_SUM
        return _why_not_chosen(communication, target, record, rule)

    return [
        Candidate(
            details=details,
            chosen=chosen(details),
            reason=reason(details),
            site=sites.get(details.communication.site_id or 0),
        )
        for details in details
    ]


def _why_not_chosen(
    communication: Communication, target: Communication | None, record: PhoneRecord, rule: AttributionRule
) -> Reason:
    if rule.excludes(communication, record.paid_at):
        return Reason.AFTER_PAYMENT
    if rule.refuses_sale(communication):
        return Reason.SITE_OFF
    if communication.site_id is None and target is not None and target.site_id is not None:
        return Reason.NO_SITE
    if target is not None and (communication.started_at, communication.id) < (target.started_at, target.id):
        return Reason.EARLIER
    return Reason.LATER


_CHOSEN_BY = {
    Policy.FIRST: Reason.EARLIEST,
    Policy.FIRST_BEFORE_PAYMENT: Reason.EARLIEST_BEFORE_PAYMENT,
    Policy.LAST_BEFORE_PAYMENT: Reason.LATEST_BEFORE_PAYMENT,
}


def _why_chosen(details: CommunicationDetails, record: PhoneRecord, rule: AttributionRule) -> Reason:
    key, sale = details.communication.key, record.sale
    if record.intent is not None and record.intent.key == key:
        return Reason.UNDER_WAY
    if sale is not None and sale.key == key and sale.amount_kopecks > 0 and sale.ours:
        return Reason.OUR_SALE if details.communication.bears_sale else Reason.OUR_PLACE
    return Reason.SALE_BY_HAND if details.communication.bears_sale else _CHOSEN_BY[rule.policy]

"""The explanation of one phone: what is known of it, and why each of its communications bears its sale or does not."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from msgspec import Struct, field

from crm_bridge.domain.aggregate import Order
from crm_bridge.domain.attribution import AttributionRule, Policy
from crm_bridge.domain.communication import (
    Communication,
    CommunicationDetails,
    CommunicationKey,
    CommunicationType,
    Site,
)
from crm_bridge.domain.decision import SALES_DISABLED, Decision, Result
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.domain.sale import VISIBLE_WITHIN, SaleEvent


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


class Verdict(StrEnum):
    """The explanation in one word: how things stand, and what the next run does about it."""

    UNKNOWN_PHONE = "unknown_phone"
    NOT_ASKED = "not_asked"
    NOT_SHOWN = "not_shown"
    SALES_DISABLED = "sales_disabled"
    CHANGE_DISABLED = "change_disabled"
    MARKED = "marked"
    MARK_IS_DUE = "mark_is_due"
    CHANGE_IS_DUE = "change_is_due"
    REMOVAL_IS_DUE = "removal_is_due"
    NOTHING_PAID = "nothing_paid"
    MONEY_RETURNED = "money_returned"
    NO_CONTACT = "no_contact"
    ONLY_LOST = "only_lost"
    ONLY_SHARED_NUMBER = "only_shared_number"
    ONLY_AFTER_PAYMENT = "only_after_payment"
    ONLY_TOO_OLD = "only_too_old"
    ONLY_OTHER_SOURCES = "only_other_sources"


class Note(StrEnum):
    """What else an admin should know."""

    WITHOUT_SITE = "without_site"
    LAST_TRY_FAILED = "last_try_failed"
    CUT_CHANGE = "cut_change"
    REASSIGNED = "reassigned"
    DRIFTED = "drifted"
    OTHER_SALES = "other_sales"
    OUT_OF_SIGHT = "out_of_sight"
    NOT_SHOWN = "not_shown"
    JUST_CHANGED = "just_changed"
    RUN_IN_PROGRESS = "run_in_progress"
    NOT_ALL_READ = "not_all_read"
    CALLED_AFTER_PAYING = "called_after_paying"


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


class Explanation(Struct, frozen=True, kw_only=True):
    """All that is known of one phone.

    Attributes:
        phone: E.164 digits.
        record: What the database holds; None when it does not know the phone.
        orders: Those counted under it, newest first.
        events: What runs did to its sale, oldest first.
        candidates: Its communications, oldest first.
        decision: What the next run would decide; None when CoMagic could not be asked or there is nothing to decide.
        notes: In the order of their weight.
        read_since: How far back CoMagic was asked.
        window_since: How far back a run looks.
        refreshed_at: When the CRM was last read whole; None when never.
        failure: Why CoMagic could not be asked.
        warnings: Sources that the settings name and CoMagic does not give.
        requests, quota: What the look-up did, and CoMagic's limits afterwards.
        busy_run: A run that is going on.
    """

    phone: str
    explained_at: datetime
    record: PhoneRecord | None
    orders: Sequence[Order]
    events: Sequence[SaleEvent]
    candidates: Sequence[Candidate]
    decision: Decision | None
    verdict: Verdict
    notes: Sequence[Note]
    read_since: datetime
    window_since: datetime
    refreshed_at: datetime | None
    failure: str | None = None
    warnings: Sequence[str] = ()
    requests: Mapping[str, int] = field(default_factory=dict)
    quota: Mapping[str, int] = field(default_factory=dict)
    busy_run: str | None = None


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


def verdict_of(
    record: PhoneRecord | None, orders: Sequence[Order], candidates: Sequence[Candidate], decision: Decision | None
) -> Verdict:
    """Sum a explanation up in one word."""
    if record is None:
        return Verdict.UNKNOWN_PHONE
    if decision is None:
        return Verdict.NOT_ASKED
    match decision.result:
        case Result.PROBLEM:
            return Verdict.MARKED
        case Result.APPLIED:
            return Verdict.MARK_IS_DUE
        case Result.UPDATED:
            return Verdict.CHANGE_IS_DUE
        case Result.REMOVED:
            return Verdict.REMOVAL_IS_DUE
        case Result.FAILED if decision.error == SALES_DISABLED:
            stands = decision.target is not None and decision.target.bears_sale
            return Verdict.CHANGE_DISABLED if stands else Verdict.SALES_DISABLED
        case Result.FAILED:
            return Verdict.NOT_SHOWN
        case Result.NOTHING_PAID:
            was_paid = any(payment.in_kopecks > 0 for order in orders for payment in order.payments)
            return Verdict.MONEY_RETURNED if was_paid else Verdict.NOTHING_PAID
        case _:
            return _why_not_found(candidates)


def _why_not_found(candidates: Sequence[Candidate]) -> Verdict:
    """Of several reasons, the one that an admin can do something about."""
    reasons = {candidate.reason for candidate in candidates}
    for reason, verdict in (
        (Reason.AFTER_PAYMENT, Verdict.ONLY_AFTER_PAYMENT),
        (Reason.SHARED_NUMBER, Verdict.ONLY_SHARED_NUMBER),
        (Reason.NOT_A_SOURCE, Verdict.ONLY_OTHER_SOURCES),
        (Reason.TOO_OLD, Verdict.ONLY_TOO_OLD),
        (Reason.LOST, Verdict.ONLY_LOST),
    ):
        if reason in reasons:
            return verdict
    return Verdict.NO_CONTACT


def notes_of(
    record: PhoneRecord | None,
    decision: Decision | None,
    candidates: Sequence[Candidate],
    events: Sequence[SaleEvent],
    *,
    now: datetime,
    run_in_progress: bool,
    all_read: bool,
    reassigned: bool = False,
) -> list[Note]:
    """Return what else an admin should know, the weightiest first.

    Args:
        record, decision, candidates, events: See `Explanation`.
        now: Aware.
        run_in_progress: A run holds the lease.
        all_read: Everything that a run would see of the phone was read.
        reassigned: The communication of the recorded sale has become another phone's.
    """
    holds = {
        Note.WITHOUT_SITE: _is_without_site(decision, candidates),
        Note.LAST_TRY_FAILED: bool(events) and events[-1].result == Result.FAILED,
        Note.CUT_CHANGE: record is not None and record.intent is not None,
        Note.REASSIGNED: reassigned,
        Note.DRIFTED: decision is not None and decision.drifted and not reassigned,
        Note.OTHER_SALES: any(candidate.reason is Reason.OTHER_SALE for candidate in candidates),
        Note.OUT_OF_SIGHT: _is_out_of_sight(decision, candidates),
        Note.NOT_SHOWN: decision is not None and decision.not_shown,
        Note.CALLED_AFTER_PAYING: _called_after_paying(record, decision),
        Note.JUST_CHANGED: bool(events) and now - events[-1].at < VISIBLE_WITHIN,
        Note.RUN_IN_PROGRESS: run_in_progress,
        Note.NOT_ALL_READ: not all_read,
    }
    return [note for note, is_so in holds.items() if is_so]


def _is_without_site(decision: Decision | None, candidates: Sequence[Candidate]) -> bool:
    chosen = next((candidate for candidate in candidates if candidate.chosen), None)
    bears = decision is not None and decision.result in {Result.APPLIED, Result.UPDATED, Result.PROBLEM}
    return bears and chosen is not None and chosen.details.communication.site_id is None


def _is_out_of_sight(decision: Decision | None, candidates: Sequence[Candidate]) -> bool:
    if decision is None or decision.target is None or decision.not_shown:
        return False
    return decision.target.key not in {candidate.details.communication.key for candidate in candidates}


def _called_after_paying(record: PhoneRecord | None, decision: Decision | None) -> bool:
    if record is None or record.paid_at is None or decision is None or decision.target is None:
        return False
    return decision.sold_at is not None and record.paid_at < decision.target.started_at

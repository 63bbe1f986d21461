"""The explanation of one phone: what is known of it, and why each of its communications bears its sale or does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from msgspec import Struct, field

from crm_bridge.domain.aggregate import Order
from crm_bridge.domain.candidates import Candidate, Reason
from crm_bridge.domain.deal import KnownDeal
from crm_bridge.domain.decision import SALES_DISABLED, Decision, Result
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.domain.sale import VISIBLE_WITHIN, SaleEvent


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
        deals: What CoMagic has of the orders, by order id; None when it was not asked.
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
    deals: Mapping[str, KnownDeal] | None = None


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

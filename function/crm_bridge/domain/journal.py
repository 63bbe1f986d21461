"""The journal: what a run did, phone by phone, with its money added up.

The result `problem` is not an error: the call already carries a sale of this exact amount, so nothing was sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from crm_bridge.domain.communication import CommunicationKey, CommunicationType
from crm_bridge.domain.deals_report import DealsReport
from crm_bridge.domain.decision import Result
from crm_bridge.domain.falls import FallReason
from crm_bridge.domain.guard import GuardReport
from crm_bridge.domain.local_time import local_text
from crm_bridge.domain.money import format_roubles
from crm_bridge.domain.not_found import NotFoundTotals, WhyNotFound
from crm_bridge.domain.policy_comparison import PolicyComparison
from crm_bridge.domain.state import CrmMoney

MONEY_OF = {
    Result.APPLIED: "applied",
    Result.UPDATED: "updated",
    Result.PROBLEM: "already_set",
    Result.NOT_FOUND: "not_found",
    Result.FAILED: "failed",
    Result.DEFERRED: "deferred",
}
"""Where the sum of a phone goes in `money`; the other results have no sum."""

COUNTERS = {
    "tags_applied": Result.APPLIED,
    "tags_removed_updated": Result.UPDATED,
    "tags_removed": Result.REMOVED,
    "problem": Result.PROBLEM,
    "not_found": Result.NOT_FOUND,
    "nothing_paid": Result.NOTHING_PAID,
    "failed": Result.FAILED,
    "deferred": Result.DEFERRED,
}
"""The counters of a run, by their names in the journal and in the list of runs."""

LOG_FILTERS = ("all", "changes", "none")
"""How much of a journal's log a caller may ask for."""

_NOT_CHANGES = frozenset({Result.NOT_FOUND, Result.PROBLEM})
"""Results whose rows `log=changes` leaves out."""


class Row(Struct, frozen=True, kw_only=True, gc=False):
    """What became of one phone.

    Attributes:
        amount_kopecks: The phone's sum.
        communication_id: The communication that bears its sale; None reads "not found".
        communication_type: Its kind; shown only when it is no call, because ids repeat between kinds.
        reason: Why less stands than before; None when it does not, or the CRM is not the cause.
        error: A stable code: CoMagic's mnemonic, or one of ours.
        not_shown: CoMagic does not show the communication, though it should; it counts as standing there.
        date_moved: The sale is dated by the communication, because that is later than the payment.
        why: Why no communication bears its sale.
        would_be_on: What another policy would choose, a communication or "not found"; None where it is the same.
        doubled: The phone's sum stands on more than one communication.
        points: What its change costs of CoMagic's quota; shown by a dry run.
    """

    phone: str
    result: Result
    amount_kopecks: int
    communication_id: int | None = None
    communication_type: CommunicationType = CommunicationType.CALL
    previous_kopecks: int | None = None
    sold_at: datetime | None = None
    comment: str = ""
    reason: FallReason | None = None
    sale_id: int | None = None
    error: str | None = None
    points: int = 0
    other_sales: tuple[CommunicationKey, ...] = ()
    drifted: bool = False
    repaired: bool = False
    not_shown: bool = False
    doubled: bool = False
    date_moved: bool = False
    would_be_on: str | None = None
    why: WhyNotFound | None = None

    def as_json(self, *, zone: ZoneInfo, dry_run: bool) -> dict[str, Any]:
        row: dict[str, Any] = {
            self.phone: "not found" if self.communication_id is None else str(self.communication_id),
            "result": f"would_be_{self.result}" if dry_run else str(self.result),
            "amount": format_roubles(self.amount_kopecks),
        }
        if self.communication_type is not CommunicationType.CALL:
            row["communication_type"] = str(self.communication_type)
        if self.previous_kopecks is not None:
            row["previous_amount"] = format_roubles(self.previous_kopecks)
        if self.sold_at is not None:
            row["date"] = local_text(self.sold_at, zone)
        if self.comment:
            row["comment"] = self.comment
        for name in ("reason", "sale_id", "error", "why", "would_be_on"):
            if (value := getattr(self, name)) is not None:
                row[name] = value
        if dry_run and self.points:
            row["points"] = self.points
        if self.other_sales:
            row["other_sales"] = [str(key.id) for key in self.other_sales]
        for name in ("drifted", "repaired", "not_shown", "date_moved"):
            if getattr(self, name):
                row[name] = True
        return row


class RefreshReport(Struct, frozen=True, kw_only=True):
    """What a refresh from the CRM did.

    Attributes:
        orders_read: Orders met, each once.
        phones_changed: Phones whose sum, date, comment or orders changed, each once.
        orders_without_phone: Orders met whose client has no usable phone; they are kept, under no phone.
        orders_unreadable: Orders met that cannot be read, each once; they are put aside.
        payments_checked: Payments that were compared with what is stored.
        since, until: The window read, aware.
        complete: False when the run's time ended before the window's end.
    """

    orders_read: int
    phones_changed: int
    orders_without_phone: int
    since: datetime
    until: datetime
    complete: bool = True
    orders_unreadable: int = 0
    payments_checked: int = 0


class Journal(Struct, kw_only=True):
    """The journal of one run, filled as it goes.

    Attributes:
        phones_kopecks: The sum of all phones as read from the database: what `money` must add up to.
        crm_money: The running totals of the CRM's orders; None for a run of one phone, or one that another run changed.
        overpaid_kopecks: How far the phones whose net is below zero are below it together.
        points_needed: What the changes decided on cost of CoMagic's quota: a set is 1, a replacement 2.
        requests: Remote calls made, per method.
        quota: CoMagic's limits as last reported.
        warnings: What was not read, and why, although the settings ask for it.
        day_remaining: The day's points left when the changes were decided on; None when CoMagic does not report them.
        deals: None while COMAGIC_DEALS is off.
        reports_shrunken: CoMagic's reports show fewer than half of the sales that should stand.
        attribution: What another policy would find, when that was asked for.
        why_not_found: Why phones have no source; None until phones are decided on.
    """

    run_id: str
    started_at: datetime
    zone: ZoneInfo
    dry_run: bool = False
    finished_at: datetime | None = None
    complete: bool = True
    phones_kopecks: int = 0
    crm_money: CrmMoney | None = None
    overpaid_kopecks: int = 0
    communications_found: int = 0
    points_needed: int = 0
    rows: list[Row] = field(default_factory=list)
    refresh: RefreshReport | None = None
    requests: Counter[str] = field(default_factory=Counter)
    quota: Mapping[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    day_remaining: int | None = None
    plan_id: str = ""
    guard: GuardReport | None = None
    deals: DealsReport | None = None
    reports_shrunken: bool = False
    attribution: PolicyComparison | None = None
    why_not_found: NotFoundTotals | None = None

    @property
    def has_read(self) -> bool:
        """The refresh has stored at least one window."""
        return self.refresh is not None and self.refresh.until > self.refresh.since

    def money(self) -> dict[str, Any]:
        """Add the rows up, and compare with the database and the CRM, so that no sum is lost between them."""
        parts = dict.fromkeys(MONEY_OF.values(), 0)
        for row in self.rows:
            if row.result in MONEY_OF:
                parts[MONEY_OF[row.result]] += row.amount_kopecks
        balanced = sum(parts.values()) == self.phones_kopecks and not any(row.doubled for row in self.rows)
        lines = {"total": self.phones_kopecks, **parts}
        if (crm := self.crm_money) is not None:
            without_phone, overpaid_back = crm.without_phone_kopecks, self.overpaid_kopecks
            lines = {
                "crm_total": crm.total_kopecks,
                "without_phone": without_phone,
                "overpaid_back": overpaid_back,
                **lines,
            }
            balanced = balanced and crm.total_kopecks == self.phones_kopecks + without_phone - overpaid_back
        return {**{name: format_roubles(kopecks) for name, kopecks in lines.items()}, "balanced": balanced}

    def counts(self) -> Counter[Result]:
        return Counter(row.result for row in self.rows)

    def figures(self) -> dict[str, int | bool]:
        """Return the counters, and whether all went well: what the list of runs shows of this one."""
        return {
            "phones_analyzed": len(self.rows),
            **self._counters(),
            "complete": self.complete,
            "balanced": bool(self.money()["balanced"]),
        }

    def as_json(self) -> dict[str, Any]:
        return {
            "run_id": self.run_id,
            "started_at": local_text(self.started_at, self.zone),
            "finished_at": local_text(self.finished_at, self.zone) if self.finished_at else None,
            "dry_run": self.dry_run,
            "complete": self.complete,
            "phones_analyzed": len(self.rows),
            "communications_found": self.communications_found,
            **self._counters(),
            "money": self.money(),
            "why_not_found": self._why_not_found(),
            **({"refresh": self._refresh_as_json(self.refresh)} if self.refresh else {}),
            "plan": {
                "points_needed": self.points_needed,
                "day_remaining": self.day_remaining,
                "id": self.plan_id,
                **({"guard": self.guard.as_json()} if self.guard else {}),
            },
            **({"deals": self.deals.as_json()} if self.deals else {}),
            **({"attribution": self.attribution.as_json()} if self.attribution else {}),
            "warnings": list(self.warnings),
            "requests": dict(sorted(self.requests.items())),
            "quota": dict(self.quota),
            "log": [row.as_json(zone=self.zone, dry_run=self.dry_run) for row in self.rows],
        }

    def _counters(self) -> dict[str, int]:
        counts = self.counts()
        return {name: counts[result] for name, result in COUNTERS.items()}

    def _why_not_found(self) -> dict[str, Any] | None:
        totals = self.why_not_found
        return None if totals is None else {"since": local_text(totals.since, self.zone), **totals.as_json()}

    def _refresh_as_json(self, refresh: RefreshReport) -> dict[str, Any]:
        return {
            "orders_read": refresh.orders_read,
            "phones_changed": refresh.phones_changed,
            "orders_without_phone": refresh.orders_without_phone,
            "orders_unreadable": refresh.orders_unreadable,
            "payments_checked": refresh.payments_checked,
            "window": {"from": local_text(refresh.since, self.zone), "till": local_text(refresh.until, self.zone)},
        }

    def summary(self) -> str:
        """One sentence for the answer's `message`."""
        counts = self.counts()
        done = "would be" if self.dry_run else "were"
        text = (
            f"Sales that {done} applied: {counts[Result.APPLIED]}, updated: {counts[Result.UPDATED]}, "
            f"removed: {counts[Result.REMOVED]}; already set: {counts[Result.PROBLEM]}, "
            f"not found: {counts[Result.NOT_FOUND]}, failed: {counts[Result.FAILED]}, "
            f"deferred: {counts[Result.DEFERRED]}"
        )
        return text if self.complete else f"{text}. Not complete: the next run goes on"


def filter_log(journal: Mapping[str, Any], log_filter: str) -> dict[str, Any]:
    """Return the journal with the rows of its log that are wanted.

    Args:
        journal: As `Journal.as_json` makes it.
        log_filter: One of LOG_FILTERS.
    """
    filtered = dict(journal)
    if log_filter == "none":
        filtered["log"] = []
    elif log_filter == "changes":
        left_out = {f"{prefix}{result}" for prefix in ("", "would_be_") for result in _NOT_CHANGES}
        filtered["log"] = [row for row in filtered["log"] if row["result"] not in left_out]
    return filtered

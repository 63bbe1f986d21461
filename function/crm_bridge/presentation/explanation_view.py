"""Runs, stories and checks as plain data, ready for JSON and for the templates."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from crm_bridge.domain.aggregate import Order
from crm_bridge.domain.communication import CommunicationType
from crm_bridge.domain.decision import CHANGES, Result
from crm_bridge.domain.explanation import Candidate, Explanation, Note, Reason
from crm_bridge.domain.local_time import local_text
from crm_bridge.domain.money import format_roubles
from crm_bridge.domain.run import Lease, Run, RunStatus
from crm_bridge.domain.sale import Intent, RecordedSale, SaleEvent
from crm_bridge.domain.setup_check import Check
from crm_bridge.settings import SOURCES, Settings
from crm_bridge.translations import Translator


def run_view(run: Run, lease: Lease | None, *, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    """Return a run without its journal; one whose process was killed is `interrupted`."""
    status: str = run.status
    if run.status is RunStatus.RUNNING and not run.is_going_on(lease, now=now):
        status = "interrupted"
    view: dict[str, Any] = {
        "run_id": run.run_id,
        "status": str(status),
        "started_at": local_text(run.started_at, zone),
        "finished_at": local_text(run.finished_at, zone) if run.finished_at else None,
        "parameters": run.parameters,
        "message": run.message,
    }
    if run.figures:
        view["figures"] = dict(run.figures)
    if run.progress is not None and run.status is RunStatus.RUNNING:
        view["progress"] = {
            "phase": str(run.progress.phase),
            "done": run.progress.done,
            "total": run.progress.total,
            "at": local_text(run.progress.at, zone),
        }
    return view


def journal_of(run: Run) -> dict[str, Any] | None:
    """Return the journal that a run has left."""
    journal: dict[str, Any] | None = None if run.journal is None else json.loads(run.journal)
    return journal


def setup_view(checks: Sequence[Check], words: Translator) -> dict[str, Any]:
    """Return the rows of `/check_setup`."""
    return {
        "ok": all(check.ok for check in checks),
        "checks": [{"name": check.name, "ok": check.ok, "hint": _hint(check, words)} for check in checks],
    }


def _hint(check: Check, words: Translator) -> str:
    if not check.hint:
        return ""
    values = dict(check.values)
    if check.hint == "setup.skipped":
        values["name"] = words(f"check.{values['name']}")
    return words(check.hint, **values)


def explanation_view(explanation: Explanation, settings: Settings, words: Translator) -> dict[str, Any]:
    """Return a explanation, its sentences in the language of `words`."""
    return _ExplanationView(explanation, settings, words).whole()


class _ExplanationView:
    """One explanation being told."""

    def __init__(self, explanation: Explanation, settings: Settings, words: Translator) -> None:
        self.explanation = explanation
        self.settings = settings
        self.words = words
        self.zone = settings.time_zone

    def whole(self) -> dict[str, Any]:
        explanation, record = self.explanation, self.explanation.record
        return {
            "phone": explanation.phone,
            "verdict": str(explanation.verdict),
            "summary": self._summary(),
            "notes": [self._note(note) for note in explanation.notes],
            "amount": format_roubles(record.amount_kopecks) if record else None,
            "paid_at": self._at(record.paid_at) if record else None,
            "comment": record.comment if record else "",
            "orders": [self._order(order) for order in explanation.orders],
            "communications": [self._candidate(candidate) for candidate in explanation.candidates],
            "stands": self._standing(record.sale) if record and record.sale else None,
            "under_way": self._under_way(record.intent) if record and record.intent else None,
            "history": [self._event(event) for event in explanation.events],
            "next_run": self._next_run(),
            "asked": {
                "since": self._at(explanation.read_since),
                "window_since": self._at(explanation.window_since),
                "requests": dict(sorted(explanation.requests.items())),
                "quota": dict(explanation.quota),
                "failure": explanation.failure,
                "warnings": list(explanation.warnings),
            },
            "refreshed_at": self._at(explanation.refreshed_at),
            "told_at": self._at(explanation.explained_at),
        }

    def _at(self, moment: datetime | None) -> str | None:
        return None if moment is None else local_text(moment, self.zone)

    def _money(self, kopecks: int | None) -> str:
        return self.words("sale_without_sum") if kopecks is None else self.words.money(format_roubles(kopecks))

    def _communication(self, kind: CommunicationType, number: int, started_at: datetime) -> str:
        return self.words("communication", kind=self.words(f"kind.{kind}"), id=number, at=self._at(started_at))

    def _summary(self) -> str:
        explanation, record, decision = self.explanation, self.explanation.record, self.explanation.decision
        target = decision.target if decision else None
        kinds = {
            candidate.details.communication.type
            for candidate in explanation.candidates
            if candidate.reason is Reason.NOT_A_SOURCE
        }
        return self.words(
            f"verdict.{explanation.verdict}",
            amount=self._money(record.amount_kopecks if record else None),
            previous=self._money(decision.previous_kopecks if decision else None),
            communication=self._communication(target.type, target.id, target.started_at) if target else "",
            refreshed=self._refreshed(),
            since=self._at(explanation.read_since),
            window=self._at(explanation.window_since),
            lookback=self.settings.comagic_lookback.days,
            kinds=", ".join(self.words(f"kind.{kind}") for kind in CommunicationType if kind in kinds),
            sources=", ".join(name for name, kind in SOURCES.items() if kind in kinds),
            failure=explanation.failure,
        )

    def _refreshed(self) -> str:
        if self.explanation.refreshed_at is None:
            return self.words("setup.never_refreshed")
        return self.words("setup.refreshed", at=self._at(self.explanation.refreshed_at))

    def _note(self, note: Note) -> str:
        failed = self.explanation.events[-1] if self.explanation.events else None
        chosen = next((candidate for candidate in self.explanation.candidates if candidate.chosen), None)
        error = (failed.error if failed else None) or ""
        return self.words(
            f"note.{note}",
            site=chosen.site.domain if chosen and chosen.site else "",
            at=self._at(failed.at) if failed else "",
            error=error,
            hint=self.words.error_hint(error),
            run=self.explanation.busy_run,
        )

    def _order(self, order: Order) -> dict[str, Any]:
        return {
            "order_id": order.order_id,
            "client_id": order.client_id,
            "ordered_at": self._at(order.ordered_at),
            "changed_at": self._at(order.changed_at),
            "services": list(order.services),
            "payments": [
                {
                    "paid_at": self._at(payment.paid_at),
                    "in": format_roubles(payment.in_kopecks),
                    "out": format_roubles(payment.out_kopecks),
                }
                for payment in order.payments
            ],
            "net": format_roubles(order.net_kopecks),
        }

    def _candidate(self, candidate: Candidate) -> dict[str, Any]:
        communication = candidate.details.communication
        view: dict[str, Any] = {
            "communication_id": str(communication.id),
            "communication_type": str(communication.type),
            "started_at": self._at(communication.started_at),
            "lost": candidate.details.lost,
            "chosen": candidate.chosen,
            "reason": str(candidate.reason),
            "why": self._why(candidate),
            "sale": None if communication.sale_kopecks is None else format_roubles(communication.sale_kopecks),
            "bears_sale": communication.bears_sale,
        }
        if candidate.site is not None:
            view["site"] = {"domain": candidate.site.domain, "sales_enabled": candidate.site.sales_enabled}
        return view

    def _why(self, candidate: Candidate) -> str:
        return self.words(
            f"reason.{candidate.reason}",
            window=self._at(self.explanation.window_since),
            lookback=self.settings.comagic_lookback.days,
        )

    def _standing(self, sale: RecordedSale) -> dict[str, Any]:
        return {
            "communication_id": str(sale.id),
            "communication_type": str(sale.type),
            "started_at": self._at(sale.started_at),
            "amount": format_roubles(sale.amount_kopecks),
            "ours": sale.ours,
            "date": self._at(sale.sold_at),
            "comment": sale.comment,
            "sale_id": sale.sale_id,
            "recorded_at": self._at(sale.recorded_at),
        }

    def _under_way(self, intent: Intent) -> dict[str, Any]:
        return {
            "communication_id": str(intent.id),
            "communication_type": str(intent.type),
            "amount": format_roubles(intent.amount_kopecks),
            "previous_amount": None if intent.previous_kopecks is None else format_roubles(intent.previous_kopecks),
            "run_id": intent.run_id,
            "written_at": self._at(intent.written_at),
        }

    def _event(self, event: SaleEvent) -> dict[str, Any]:
        return {
            "at": self._at(event.at),
            "result": event.result,
            "communication_id": str(event.communication_id),
            "communication_type": str(event.type),
            "amount": format_roubles(event.amount_kopecks),
            "previous_amount": None if event.previous_kopecks is None else format_roubles(event.previous_kopecks),
            "date": self._at(event.sold_at),
            "comment": event.comment,
            "sale_id": event.sale_id,
            "error": event.error,
            "run_id": event.run_id,
        }

    def _next_run(self) -> dict[str, Any] | None:
        decision, record = self.explanation.decision, self.explanation.record
        if decision is None or record is None:
            return None
        is_change = decision.result in CHANGES
        view: dict[str, Any] = {
            "result": f"would_be_{decision.result}",
            "communication_id": str(decision.target.id) if decision.target else None,
            "communication_type": str(decision.target.type) if decision.target else None,
            "amount": format_roubles(record.amount_kopecks),
            "previous_amount": None if decision.previous_kopecks is None else format_roubles(decision.previous_kopecks),
            "points": int(decision.unset) + int(record.amount_kopecks > 0) if is_change else 0,
        }
        if is_change and decision.result is not Result.REMOVED:
            view |= {"date": self._at(decision.sold_at), "comment": record.comment}
        return view

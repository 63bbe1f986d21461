"""The explanation of one phone as plain data, the same for JSON and for pages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from crm_bridge.domain.aggregate import Order
from crm_bridge.domain.candidates import Candidate, Reason
from crm_bridge.domain.communication import CommunicationType
from crm_bridge.domain.decision import Result
from crm_bridge.domain.explanation import Explanation, Note
from crm_bridge.domain.local_time import local_text
from crm_bridge.domain.money import format_roubles
from crm_bridge.domain.sale import Intent, RecordedSale, SaleEvent
from crm_bridge.settings import SOURCES, Settings
from crm_bridge.translations import Translator


def explanation_view(explanation: Explanation, settings: Settings, t: Translator) -> dict[str, Any]:
    """Return an explanation, its sentences in the language of `t`."""
    return _View(explanation, settings, t).as_json()


class _View:
    """What every part of an explanation needs to be written."""

    def __init__(self, explanation: Explanation, settings: Settings, t: Translator) -> None:
        self.explanation = explanation
        self.settings = settings
        self.t = t
        self.zone = settings.time_zone

    def as_json(self) -> dict[str, Any]:
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
            "stands": self._recorded_sale(record.sale) if record and record.sale else None,
            "under_way": self._intent(record.intent) if record and record.intent else None,
            "history": [self._event(event) for event in explanation.events],
            "next_run": self._next_run(),
            "asked": {
                "since": self._at(explanation.read_since),
                "window_since": self._at(explanation.window_since),
                "requests": dict(sorted(explanation.requests.items())),
                "quota": dict(explanation.quota),
                "failure": self._failure(),
                "warnings": [self.t.from_english(warning) for warning in explanation.warnings],
            },
            "refreshed_at": self._at(explanation.refreshed_at),
            "told_at": self._at(explanation.explained_at),
        }

    def _at(self, moment: datetime | None) -> str | None:
        return None if moment is None else local_text(moment, self.zone)

    def _money(self, kopecks: int | None) -> str:
        return self.t("sale_without_sum") if kopecks is None else self.t.money(format_roubles(kopecks))

    def _communication(self, kind: CommunicationType, number: int, started_at: datetime) -> str:
        return self.t("communication", kind=self.t(f"kind.{kind}"), id=number, at=self._at(started_at))

    def _summary(self) -> str:
        explanation, record, decision = self.explanation, self.explanation.record, self.explanation.decision
        target = decision.target if decision else None
        kinds = {
            candidate.details.communication.type
            for candidate in explanation.candidates
            if candidate.reason is Reason.NOT_A_SOURCE
        }
        shared = {
            candidate.details.communication.phone
            for candidate in explanation.candidates
            if candidate.reason is Reason.SHARED_NUMBER
        }
        refusing = [
            candidate.site.domain
            for candidate in explanation.candidates
            if candidate.site is not None and not candidate.site.sales_enabled
        ]
        return self.t(
            f"verdict.{explanation.verdict}",
            sites=", ".join(dict.fromkeys(refusing)),
            amount=self._money(record.amount_kopecks if record else None),
            previous=self._money(decision.previous_kopecks if decision else None),
            communication=self._communication(target.type, target.id, target.started_at) if target else "",
            refreshed=self._refreshed(),
            since=self._at(explanation.read_since),
            window=self._at(explanation.window_since),
            lookback=self.settings.comagic_lookback.days,
            kinds=", ".join(self.t(f"kind.{kind}") for kind in CommunicationType if kind in kinds),
            sources=", ".join(name for name, kind in SOURCES.items() if kind in kinds),
            failure=self._failure(),
            attribution=self.settings.attribution,
            paid_at=self._at(record.paid_at if record else None),
            numbers=", ".join(sorted(shared)),
        )

    def _failure(self) -> str | None:
        failure = self.explanation.failure
        return None if failure is None else self.t.from_english(failure)

    def _refreshed(self) -> str:
        if self.explanation.refreshed_at is None:
            return self.t("setup.never_refreshed")
        return self.t("setup.refreshed", at=self._at(self.explanation.refreshed_at))

    def _note(self, note: Note) -> str:
        failed = self.explanation.events[-1] if self.explanation.events else None
        error = (failed.error if failed else None) or ""
        return self.t(
            f"note.{note}",
            at=self._at(failed.at) if failed else "",
            error=error,
            hint=self.t.error_hint(error),
            run=self.explanation.busy_run,
        )

    def _order(self, order: Order) -> dict[str, Any]:
        deal = self._deal(order)
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
            **({"deal": deal} if deal else {}),
        }

    def _deal(self, order: Order) -> dict[str, Any] | None:
        """Return how the order's deal stands; None for an order that is no deal."""
        deal, refusal = order.deal, order.deal_refusal
        if deal is None and refusal is None and order.deal_due is None:
            return None
        known = self.explanation.deals.get(order.order_id) if self.explanation.deals is not None else None
        view: dict[str, Any] = {
            "number": order.number,
            "stage": str(deal.stage) if deal else None,
            "revenue": format_roubles(deal.revenue_kopecks) if deal else None,
            "sent_at": self._at(deal.modified_at) if deal else None,
            "due": order.deal_due is not None,
            "refused": refusal.reason if refusal else None,
            "status": self.t(f"deal.{self._deal_status(order)}"),
        }
        if self.explanation.deals is not None and deal is not None:
            view["comagic"] = None
            if known is not None:
                revenue = None if known.revenue_kopecks is None else format_roubles(known.revenue_kopecks)
                view["comagic"] = {"name": known.name, "stage": known.stage_id, "revenue": revenue}
        return view

    def _deal_status(self, order: Order) -> str:
        deal, shown = order.deal, self.explanation.deals
        if order.deal_refusal is not None:
            return "refused"
        if deal is None or order.deal_due is not None:
            return "due"
        if shown is None:
            return "sent"
        known = shown.get(order.order_id)
        if known is None:
            return "missing"
        return "stands" if known.revenue_kopecks == deal.revenue_kopecks else "differs"

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
        if communication.phone != self.explanation.phone:
            view["number"] = communication.phone
        if candidate.site is not None:
            view["site"] = {"domain": candidate.site.domain, "sales_enabled": candidate.site.sales_enabled}
        return view

    def _why(self, candidate: Candidate) -> str:
        return self.t(
            f"reason.{candidate.reason}",
            attribution=self.settings.attribution,
            window=self._at(self.explanation.window_since),
            lookback=self.settings.comagic_lookback.days,
        )

    def _recorded_sale(self, sale: RecordedSale) -> dict[str, Any]:
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

    def _intent(self, intent: Intent) -> dict[str, Any]:
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
        view: dict[str, Any] = {
            "result": f"would_be_{decision.result}",
            "communication_id": str(decision.target.id) if decision.target else None,
            "communication_type": str(decision.target.type) if decision.target else None,
            "amount": format_roubles(record.amount_kopecks),
            "previous_amount": None if decision.previous_kopecks is None else format_roubles(decision.previous_kopecks),
            "points": decision.points,
        }
        if decision.is_change and decision.result is not Result.REMOVED:
            view |= {"date": self._at(decision.sold_at), "comment": record.comment}
        return view

"""Values to store, small and full."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from crm_bridge.domain.aggregate import Client, Order, Payment
from crm_bridge.domain.card import Card
from crm_bridge.domain.communication import CommunicationType
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.domain.run import Lease, Run, RunStatus
from crm_bridge.domain.sale import Intent, RecordedSale, SaleEvent

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def lease(run_id: str, *, until: datetime = NOON + timedelta(minutes=1)) -> Lease:
    return Lease(run_id=run_id, started_at=NOON, until=until)


def phone(number: str, **fields: Any) -> PhoneRecord:
    plain: dict[str, Any] = {
        "amount_kopecks": 450_050,
        "paid_at": NOON,
        "comment": "Химчистка пальто",
        "order_count": 1,
    }
    return PhoneRecord(phone=number, **plain | fields)


def full_phone(number: str) -> PhoneRecord:
    sale = RecordedSale(
        type=CommunicationType.CHAT,
        id=9_007_199_254_740_993,  # more than a float holds
        started_at=NOON - timedelta(days=1),
        amount_kopecks=100,
        sold_at=None,
        comment='“Ёлка” 🎄\n\u0000 and \\ "quotes"',
        sale_id=None,
        ours=True,
        recorded_at=NOON + MICROSECOND,
    )
    intent = Intent(
        type=CommunicationType.OFFLINE_MESSAGE,
        id=2,
        started_at=NOON,
        amount_kopecks=0,
        previous_kopecks=100,
        replaces=True,
        sold_at=NOON + timedelta(microseconds=999_999),
        comment="",
        run_id="r1",
        written_at=NOON,
    )
    return phone(number, sale=sale, intent=intent)


def order(order_id: str, *, client_id: str = "c1", phone: str | None = "79261234567") -> Order:
    return Order(
        order_id=order_id,
        client_id=client_id,
        changed_at=NOON + MICROSECOND,
        ordered_at=NOON - timedelta(days=3),
        payments=(
            Payment(paid_at=NOON, in_kopecks=450_050, out_kopecks=0),
            Payment(paid_at=NOON + timedelta(hours=1), in_kopecks=-1, out_kopecks=50),
        ),
        services=("Химчистка пальто", "Ремонт «молнии»"),
        phone=phone,
    )


def client(client_id: str, *, phone: str | None = "79261234567") -> Client:
    return Client(client_id=client_id, phone=phone, seen_at=NOON)


def event(number: str, run_id: str, *, at: datetime = NOON, **fields: Any) -> SaleEvent:
    plain: dict[str, Any] = {
        "result": "applied",
        "type": CommunicationType.CALL,
        "communication_id": 7,
        "amount_kopecks": 450_050,
        "previous_kopecks": None,
        "sold_at": NOON,
        "comment": "Химчистка",
    }
    return SaleEvent(phone=number, run_id=run_id, at=at, **plain | fields)


def run(run_id: str, *, started_at: datetime = NOON, **fields: Any) -> Run:
    plain: dict[str, Any] = {"status": RunStatus.SUCCEEDED, "expires_at": started_at + timedelta(days=90)}
    return Run(run_id=run_id, started_at=started_at, **plain | fields)


def card(card_id: str, *, name: str = "Зоя 🙂", posted_at: datetime = NOON, **fields: Any) -> Card:
    plain: dict[str, Any] = {
        "body": {"id": card_id, "name": name, "arpu": "4570"},
        "expires_at": posted_at + timedelta(hours=1),
    }
    return Card(card_id=card_id, posted_at=posted_at, **plain | fields)

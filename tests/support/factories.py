"""Values of the domain for tests: what a test does not name has a usual value."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from crm_bridge.domain.aggregate import Client, Order, Payment
from crm_bridge.domain.card import Card
from crm_bridge.domain.communication import Communication, CommunicationDetails, CommunicationType
from crm_bridge.domain.decision import Result
from crm_bridge.domain.journal import Row
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.domain.run import Lease, Run, RunStatus
from crm_bridge.domain.sale import Intent, RecordedSale, SaleEvent

NOON = datetime(2026, 6, 15, 9, 0, tzinfo=UTC)
"""Noon in Moscow, where the dry cleaner of the tests is."""

MOSCOW = ZoneInfo("Europe/Moscow")
MICROSECOND = timedelta(microseconds=1)
ANNA, BORIS = "79261234567", "79031112233"


def lease(run_id: str, *, until: datetime = NOON + timedelta(minutes=1)) -> Lease:
    return Lease(run_id=run_id, started_at=NOON, until=until)


def phone(number: str = ANNA, **fields: Any) -> PhoneRecord:
    """Return a phone's record."""
    plain: dict[str, Any] = {
        "amount_kopecks": 450_050,
        "paid_at": NOON,
        "comment": "Химчистка пальто",
        "order_count": 1,
    }
    return PhoneRecord(phone=number, **plain | fields)


def full_phone(number: str) -> PhoneRecord:
    """Return a phone's record of which every field has a value that is hard to store."""
    sale = recorded_sale(
        9_007_199_254_740_993,  # more than a float holds
        type=CommunicationType.CHAT,
        amount_kopecks=100,
        sold_at=None,
        comment='“Ёлка” 🎄\n\u0000 and \\ "quotes"',
        recorded_at=NOON + MICROSECOND,
    )
    change = intent(
        2,
        type=CommunicationType.OFFLINE_MESSAGE,
        started_at=NOON,
        amount_kopecks=0,
        previous_kopecks=100,
        replaces=True,
        sold_at=NOON + timedelta(microseconds=999_999),
        comment="",
    )
    return phone(number, sale=sale, intent=change)


def recorded_sale(communication_id: int, **fields: Any) -> RecordedSale:
    plain: dict[str, Any] = {
        "type": CommunicationType.CALL,
        "started_at": NOON - timedelta(days=1),
        "amount_kopecks": 450_050,
        "sold_at": NOON,
        "comment": "Химчистка пальто",
        "sale_id": None,
        "ours": True,
        "recorded_at": NOON,
    }
    return RecordedSale(id=communication_id, **plain | fields)


def intent(communication_id: int, **fields: Any) -> Intent:
    plain: dict[str, Any] = {
        "type": CommunicationType.CALL,
        "started_at": NOON - timedelta(days=1),
        "amount_kopecks": 450_050,
        "previous_kopecks": None,
        "replaces": False,
        "sold_at": NOON,
        "comment": "Химчистка пальто",
        "run_id": "r1",
        "written_at": NOON,
    }
    return Intent(id=communication_id, **plain | fields)


def communication(communication_id: int, **fields: Any) -> Communication:
    plain: dict[str, Any] = {
        "type": CommunicationType.CALL,
        "started_at": NOON - timedelta(days=1),
        "phone": ANNA,
    }
    return Communication(id=communication_id, **plain | fields)


def details(
    communication_id: int, *, lost: bool = False, site_id: int | None = None, **fields: Any
) -> CommunicationDetails:
    """Return a communication as a look-up of its phone shows it."""
    return CommunicationDetails(communication=communication(communication_id, site_id=site_id, lost=lost, **fields))


def payment(in_kopecks: int = 450_050, *, out_kopecks: int = 0, paid_at: datetime = NOON) -> Payment:
    return Payment(paid_at=paid_at, in_kopecks=in_kopecks, out_kopecks=out_kopecks)


def order(order_id: str, **fields: Any) -> Order:
    plain: dict[str, Any] = {
        "client_id": "c1",
        "changed_at": NOON + MICROSECOND,
        "ordered_at": NOON - timedelta(days=3),
        "payments": (payment(), payment(-1, out_kopecks=50, paid_at=NOON + timedelta(hours=1))),
        "services": ("Химчистка пальто", "Ремонт «молнии»"),
        "phone": ANNA,
    }
    return Order(order_id=order_id, **plain | fields)


def client(client_id: str, *, phone: str | None = ANNA, other_phones: tuple[str, ...] = ()) -> Client:
    return Client(client_id=client_id, phone=phone, seen_at=NOON, other_phones=other_phones)


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


def row(number: str, result: Result, amount_kopecks: int, **fields: Any) -> Row:
    """Return what a run's journal has of one phone."""
    return Row(phone=number, result=result, amount_kopecks=amount_kopecks, **fields)


def run(run_id: str, *, started_at: datetime = NOON, **fields: Any) -> Run:
    plain: dict[str, Any] = {"status": RunStatus.SUCCEEDED, "expires_at": started_at + timedelta(days=90)}
    return Run(run_id=run_id, started_at=started_at, **plain | fields)


def card(card_id: str, *, name: str = "Зоя 🙂", posted_at: datetime = NOON, **fields: Any) -> Card:
    plain: dict[str, Any] = {
        "body": {"id": card_id, "name": name, "arpu": "4570"},
        "expires_at": posted_at + timedelta(hours=1),
    }
    return Card(card_id=card_id, posted_at=posted_at, **plain | fields)

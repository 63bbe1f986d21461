"""The explanation of one phone as plain data. Whole explanations of real stories are in `tests/integration`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from crm_bridge.domain.aggregate import Order, Payment
from crm_bridge.domain.candidates import Candidate, Reason
from crm_bridge.domain.communication import Communication, CommunicationDetails, CommunicationType, Site
from crm_bridge.domain.decision import Decision, Result
from crm_bridge.domain.explanation import Explanation, Note, Verdict
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.domain.sale import Intent, RecordedSale, SaleEvent
from crm_bridge.presentation.explanation_view import explanation_view
from crm_bridge.settings import Settings
from crm_bridge.translations import Translator
from tests.support.factories import NOON

CALLED = NOON - timedelta(days=2)
PHONE = "79261234567"
ENGLISH, RUSSIAN = Translator("en"), Translator("ru")
SETTINGS = Settings.from_env({})

CALL = Communication(type=CommunicationType.CALL, id=11, started_at=CALLED, phone=PHONE)
CHAT = Communication(type=CommunicationType.CHAT, id=12, started_at=CALLED, phone=PHONE, sale_kopecks=5_000)
RECORD = PhoneRecord(phone=PHONE, amount_kopecks=250_000, paid_at=NOON, comment="Стирка", order_count=1)


def candidate(communication: Communication, reason: Reason, *, chosen: bool = False) -> Candidate:
    details = CommunicationDetails(communication=communication)
    site = Site(site_id=1, domain="himchistka.example", sales_enabled=False)
    return Candidate(details=details, chosen=chosen, reason=reason, site=site)


def view(t: Translator = ENGLISH, **values: Any) -> dict[str, Any]:
    """The view of an explanation that knows nothing but what is given."""
    known: dict[str, Any] = {
        "phone": PHONE,
        "explained_at": NOON,
        "record": None,
        "orders": [],
        "events": [],
        "candidates": [],
        "decision": None,
        "verdict": Verdict.UNKNOWN_PHONE,
        "notes": [],
        "read_since": NOON - timedelta(days=88),
        "window_since": NOON - timedelta(days=30),
        "refreshed_at": None,
    }
    return explanation_view(Explanation(**known | values), SETTINGS, t)


def test_of_an_unknown_phone_nothing_is_said_that_is_not_known() -> None:
    shown = view()

    assert (shown["phone"], shown["verdict"]) == (PHONE, "unknown_phone")
    assert (shown["amount"], shown["paid_at"], shown["stands"], shown["under_way"], shown["next_run"]) == (None,) * 5
    assert (shown["orders"], shown["communications"], shown["history"], shown["notes"]) == ([], [], [], [])
    assert "The CRM has not been read yet" in shown["summary"]
    assert shown["asked"]["since"] == "2026-03-19 12:00:00"
    assert shown["told_at"] == "2026-06-15 12:00:00"


def test_the_summary_names_sum_and_communication_in_the_readers_language() -> None:
    decision = Decision(result=Result.PROBLEM, target=CALL, previous_kopecks=250_000)
    known = {"record": RECORD, "decision": decision, "verdict": Verdict.MARKED}

    english, russian = view(ENGLISH, **known)["summary"], view(RUSSIAN, **known)["summary"]

    assert english == "Marked: ₽2,500.00 stands on call 11 of 2026-06-13 12:00:00. Nothing is left to do."
    assert russian.replace("\u00a0", " ").startswith("Отмечен: сделка на 2 500,00 ₽ стоит на обращении «звонок 11 от ")


def test_a_failure_and_warnings_of_comagic_are_in_the_readers_language() -> None:
    known = {
        "verdict": Verdict.NOT_ASKED,
        "failure": "CoMagic: get.calls_report: HTTP 503",
        "warnings": ["get.chats_report was not read: CoMagic: get.chats_report: HTTP 503"],
    }

    english, russian = view(ENGLISH, **known), view(RUSSIAN, **known)

    assert english["asked"]["failure"] == known["failure"]
    assert english["asked"]["warnings"] == known["warnings"]
    assert english["summary"].endswith(f": {known['failure']}")
    assert russian["asked"]["failure"] == "CoMagic ответил на get.calls_report кодом HTTP 503"
    assert russian["summary"].endswith(": CoMagic ответил на get.calls_report кодом HTTP 503")
    assert russian["asked"]["warnings"] == [
        "get.chats_report не прочитан: CoMagic ответил на get.chats_report кодом HTTP 503"
    ]


def test_ways_of_contact_that_the_settings_leave_out_are_named_with_the_setting() -> None:
    shown = view(record=RECORD, candidates=[candidate(CHAT, Reason.NOT_A_SOURCE)], verdict=Verdict.ONLY_OTHER_SOURCES)

    assert "COMAGIC_SOURCES leaves out: chat. Add chats to it." in shown["summary"]


def test_a_communication_says_why_it_carries_the_sale_or_does_not() -> None:
    first, second = view(
        candidates=[candidate(CALL, Reason.EARLIEST, chosen=True), candidate(CHAT, Reason.TOO_OLD)],
    )["communications"]

    assert (first["communication_id"], first["chosen"], first["sale"]) == ("11", True, None)
    assert first["site"] == {"domain": "himchistka.example", "sales_enabled": False}
    assert (second["communication_type"], second["reason"], second["sale"]) == ("chat", "too_old", "50.00")
    assert second["why"] == "too old: it began before 2026-05-16 12:00:00 (COMAGIC_LOOKBACK_DAYS is 30)"


def test_notes_name_the_last_error_and_the_run_in_progress() -> None:
    event = SaleEvent(
        phone=PHONE,
        run_id="7",
        at=NOON,
        result="failed",
        type=CommunicationType.CALL,
        communication_id=11,
        amount_kopecks=250_000,
        previous_kopecks=None,
        sold_at=NOON,
        comment="Стирка",
        error="forbidden",
    )

    shown = view(
        events=[event],
        candidates=[candidate(CALL, Reason.EARLIEST, chosen=True)],
        notes=[Note.LAST_TRY_FAILED, Note.RUN_IN_PROGRESS],
        busy_run="99",
    )

    failed, busy = shown["notes"]
    assert failed.startswith("The last try, 2026-06-15 12:00:00, failed: forbidden. Give the key's user the right")
    assert busy.endswith("/runs/99")
    assert (shown["history"][0]["error"], shown["history"][0]["previous_amount"]) == ("forbidden", None)


def test_an_order_has_its_payments_and_what_is_left_of_them() -> None:
    payments = (
        Payment(paid_at=CALLED, in_kopecks=30_050, out_kopecks=0),
        Payment(paid_at=NOON, in_kopecks=0, out_kopecks=5_000),
    )
    order = Order(
        order_id="1", client_id="2", changed_at=NOON, ordered_at=CALLED, payments=payments, services=("Стирка",)
    )

    (shown,) = view(orders=[order])["orders"]

    assert [(payment["in"], payment["out"]) for payment in shown["payments"]] == [("300.50", "0.00"), ("0.00", "50.00")]
    assert (shown["net"], shown["ordered_at"]) == ("250.50", "2026-06-13 12:00:00")


def test_the_recorded_sale_and_an_open_change_are_shown() -> None:
    sale = RecordedSale(
        type=CommunicationType.CALL,
        id=11,
        started_at=CALLED,
        amount_kopecks=100_000,
        sold_at=None,
        comment="",
        sale_id=5,
        ours=True,
        recorded_at=NOON,
    )
    intent = Intent(
        type=CommunicationType.CALL,
        id=11,
        started_at=CALLED,
        amount_kopecks=250_000,
        previous_kopecks=100_000,
        replaces=True,
        sold_at=NOON,
        comment="Стирка",
        run_id="7",
        written_at=NOON,
    )
    record = PhoneRecord(
        phone=PHONE, amount_kopecks=250_000, paid_at=NOON, comment="", order_count=1, sale=sale, intent=intent
    )

    shown = view(record=record)

    assert (shown["stands"]["amount"], shown["stands"]["date"], shown["stands"]["ours"]) == ("1000.00", None, True)
    assert (shown["under_way"]["amount"], shown["under_way"]["previous_amount"]) == ("2500.00", "1000.00")
    assert shown["under_way"]["run_id"] == "7"


def test_the_next_run_is_shown_with_its_cost_when_it_changes_something() -> None:
    replaced = Decision(
        result=Result.UPDATED, target=CALL, previous_kopecks=100_000, unset=True, sold_at=NOON, points=2
    )
    standing = Decision(result=Result.PROBLEM, target=CALL, previous_kopecks=250_000)

    changed = view(record=RECORD, decision=replaced)["next_run"]
    idle = view(record=RECORD, decision=standing)["next_run"]

    assert changed == {
        "result": "would_be_updated",
        "communication_id": "11",
        "communication_type": "call",
        "amount": "2500.00",
        "previous_amount": "1000.00",
        "points": 2,
        "date": "2026-06-15 12:00:00",
        "comment": "Стирка",
    }
    assert (idle["points"], "date" in idle) == (0, False)

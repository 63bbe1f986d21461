"""Deals of CoMagic: docs/remote/comagic-deals.md#simulator, line by line."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.sandbox.clock import ManualClock
from tests.sandbox.comagic.deal_switches import DealSwitches
from tests.sandbox.comagic.simulator import CoMagic
from tests.sandbox.faults import Fault
from tests.sandbox.switches import all_positions
from tests.sandbox_tests.callers import CoMagicCaller
from tests.support.factories import ANNA, BORIS, NOON

pytestmark = pytest.mark.anyio

STAGES = {
    "in_process": [
        {"ext_id": "accepted", "name": "Принят", "order": 10},
        {"ext_id": "paid", "name": "Оплачен", "order": 20},
    ],
    "success": {"ext_id": "issued", "name": "Выдан"},
    "failed": {"ext_id": "cancelled", "name": "Отменён"},
}
CLOSED = {"stage_ext_id": "cancelled", "modified_stage_date_time": "2026-06-15 11:00:00"}
LATER = {"modified_date_time": "2026-06-15 11:30:00"}


def deal(ext_id: str = "1062062", **fields: Any) -> dict[str, Any]:
    plain = {
        "name": "Заказ 02361-3",
        "created_date_time": "2026-06-14 11:04:10",
        "modified_date_time": "2026-06-15 10:30:00",
        "modified_stage_date_time": "2026-06-15 10:30:00",
        "sales_funnel_ext_id": "agbis",
        "stage_ext_id": "paid",
        "revenue": 4300.5,
        "contact_ext_ids": ["12345"],
        "main_contact_ext_id": "12345",
    }
    return {"ext_id": ext_id, **plain, **fields}


def without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def contact(ext_id: str = "12345", **fields: Any) -> dict[str, Any]:
    return {"ext_id": ext_id, "name": f"Клиент {ext_id}", "phone_numbers": [ANNA], **fields}


@pytest.fixture
async def account(api: CoMagicCaller, comagic: CoMagic) -> CoMagic:
    """Give an account with a funnel and a contact."""
    await api.result("create.sales_funnel", ext_id="agbis", name="Заказы", stages=STAGES)
    await api.result("create.deal_contacts", contacts=[contact()])
    return comagic


async def upload(api: CoMagicCaller, *deals: dict[str, Any]) -> tuple[str, str | None]:
    """Return the mnemonic and the path of the field that an upload is refused with; `ok` when it is not."""
    answer = await api.answer("upload.deals_history", deals=list(deals))
    if "error" not in answer:
        assert answer["result"]["data"] == {}
        return "ok", None
    data = answer["error"]["data"]
    return data["mnemonic"], data["field"]


def move(comagic: CoMagic, **switches: Any) -> None:
    comagic.deal_switches = replace(comagic.deal_switches, **switches)


async def test_a_funnel_is_made_once_and_shown_with_its_stages(api: CoMagicCaller, account: CoMagic) -> None:
    assert await api.mnemonic("create.sales_funnel", ext_id="agbis", name="Заказы", stages=STAGES) == "duplicate_entity"
    await api.result("create.sales_funnel_stages", sales_funnel_ext_id="agbis", ext_id="x", name="Х", order=15)
    await api.result("update.sales_funnel_stages", sales_funnel_ext_id="agbis", ext_id="x", name="Готов")

    (funnel,) = (await api.result("get.sales_funnel"))["data"]
    assert funnel["ext_id"] == "agbis"
    assert [(stage["stage_ext_id"], stage["stage_name"], stage["stage_status"]) for stage in funnel["stages"]] == [
        ("accepted", "Принят", "in_process"),
        ("paid", "Оплачен", "in_process"),
        ("issued", "Выдан", "success"),
        ("cancelled", "Отменён", "failed"),
        ("x", "Готов", "in_process"),
    ]


@pytest.mark.parametrize(
    "stages",
    [
        {**STAGES, "in_process": []},
        {**STAGES, "in_process": [{"ext_id": f"{n}", "name": "x", "order": n} for n in range(101)]},
        {**STAGES, "in_process": [{"ext_id": "a", "name": "x", "order": 10_001}]},
        without(STAGES, "failed"),
    ],
    ids=["no stage", "101 stages", "a late order", "no failure"],
)
async def test_a_funnel_needs_its_stages(api: CoMagicCaller, comagic: CoMagic, stages: dict[str, Any]) -> None:
    mnemonic = await api.mnemonic("create.sales_funnel", ext_id="agbis", name="Заказы", stages=stages)

    assert mnemonic in {"invalid_parameter_value", "required_parameter_missed"}
    assert not comagic.deals.references.funnels


@pytest.mark.parametrize(
    ("fields", "mnemonic", "field"),
    [
        ({"ext_id": None}, "required_parameter_missed", "ext_id"),
        ({"name": None}, "required_parameter_missed", "name"),
        ({"created_date_time": None}, "required_parameter_missed", "created_date_time"),
        ({"modified_stage_date_time": None}, "required_parameter_missed", "modified_stage_date_time"),
        ({"sales_funnel_ext_id": None}, "required_parameter_missed", "sales_funnel_ext_id"),
        ({"stage_ext_id": None}, "required_parameter_missed", "stage_ext_id"),
        ({"created_date_time": "2026-06-15 12:00:01"}, "invalid_parameter_value", "created_date_time"),
        ({"created_date_time": "2026-06-15T10:00:00"}, "invalid_parameter_value", "created_date_time"),
        ({"modified_stage_date_time": "2026-06-14 11:04:09"}, "invalid_parameter_value", "modified_stage_date_time"),
        ({"closed_date_time": "2026-06-14 11:04:09"}, "invalid_parameter_value", "closed_date_time"),
        ({"sales_funnel_ext_id": "other"}, "entity_not_found", "sales_funnel_ext_id"),
        ({"stage_ext_id": "other"}, "entity_not_found", "stage_ext_id"),
        ({"revenue": "4300.50"}, "data_type_error", "revenue"),
        ({"contact_ext_ids": None}, "required_parameter_missed", "contact_ext_ids"),
        ({"main_contact_ext_id": None}, "required_parameter_missed", "main_contact_ext_id"),
        ({"main_contact_ext_id": "1"}, "invalid_parameter_value", "main_contact_ext_id"),
        ({"contact_ext_ids": ["12345", "1"]}, "entity_not_found", "contact_ext_ids[1]"),
        ({"communication_id": 1}, "required_parameter_missed", "communication_type"),
        ({"communication_type": "call"}, "required_parameter_missed", "communication_id"),
        ({"communication_id": 1, "communication_type": "visit"}, "invalid_parameter_value", "communication_type"),
        ({"communication_id": 1, "communication_type": "call"}, "entity_not_found", "communication_id"),
        ({"comments": "x" * 1001}, "invalid_parameter_value", "comments"),
        ({"name": "x" * 256}, "invalid_parameter_value", "name"),
        ({"phone": ANNA}, "unexpected_parameters", "phone"),
    ],
    ids=lambda value: None if value is None else str(value)[:40],
)
async def test_a_bad_record_fails_the_whole_request_by_its_field(
    api: CoMagicCaller, account: CoMagic, fields: dict[str, Any], mnemonic: str, field: str
) -> None:
    used = account.points_used

    assert await upload(api, deal("1"), {**deal("2"), **fields}, deal("3")) == (mnemonic, f"deals[1].{field}")
    assert account.deals.deals == {}
    assert account.points_used == used


async def test_a_thousand_records_cost_one_point_and_one_more_is_refused(api: CoMagicCaller, account: CoMagic) -> None:
    used = account.points_used

    assert await upload(api, *(deal(str(number)) for number in range(1000))) == ("ok", None)
    assert account.points_used == used + 1
    assert await upload(api, *(deal(str(number)) for number in range(1001))) == ("invalid_parameter_value", "deals")
    thousand_and_one = [contact(str(number)) for number in range(1001)]
    assert await api.mnemonic("create.deal_contacts", contacts=thousand_and_one) == "invalid_parameter_value"


async def test_a_deal_is_made_by_its_first_record_and_updated_by_the_next(api: CoMagicCaller, account: CoMagic) -> None:
    await upload(api, deal(stage_ext_id="accepted", modified_stage_date_time="2026-06-14 11:04:10"))
    await upload(api, deal(revenue=100, **LATER))
    await upload(api, deal(revenue=50.25, modified_date_time="2026-06-15 11:45:00"))

    rows = (await api.result("get.deals_history", filter=named("1062062")))["data"]
    assert [(row["stage_ext_id"], row["revenue"], row["is_generated"]) for row in rows] == [
        ("accepted", 4300.5, False),
        ("paid", 50.25, False),
    ]
    assert account.deals.revenue_kopecks() == 5025


def named(*ext_ids: str) -> dict[str, Any]:
    return {"field": "ext_id", "operator": "in", "value": list(ext_ids)}


async def test_a_skipped_stage_is_made_up(api: CoMagicCaller, account: CoMagic) -> None:
    issued = {"stage_ext_id": "issued", "closed_date_time": "2026-06-15 10:30:00"}
    await upload(api, deal("1", **issued), deal("2", stage_ext_id="cancelled"))

    rows = (await api.result("get.deals_history"))["data"]
    assert [(row["ext_id"], row["stage_ext_id"], row["is_generated"]) for row in rows] == [
        ("1", "accepted", True),
        ("1", "paid", True),
        ("1", "issued", False),
        ("2", "cancelled", False),
    ]
    assert rows[2]["closed_date_time"] == "2026-06-15 10:30:00"


async def test_stage_times_never_go_back(api: CoMagicCaller, account: CoMagic) -> None:
    await upload(api, deal())

    back = deal(stage_ext_id="issued", modified_stage_date_time="2026-06-15 10:29:59", **LATER)
    assert await upload(api, back) == ("invalid_parameter_value", "deals[0].modified_stage_date_time")


async def test_comments_can_be_read_and_not_filtered(api: CoMagicCaller, account: CoMagic) -> None:
    await upload(api, deal(comments="Химчистка"))

    assert (await api.result("get.deals_history", fields=["comments"]))["data"][-1] == {"comments": "Химчистка"}
    wanted = {"field": "comments", "operator": "=", "value": "Химчистка"}
    assert await api.mnemonic("get.deals_history", filter=wanted) == "filter_prohibited"


@pytest.mark.parametrize("switch", ["component", "option"])
async def test_all_is_refused_without_the_component_or_the_option(
    api: CoMagicCaller, account: CoMagic, switch: str
) -> None:
    move(account, **{switch: False})

    assert await upload(api, deal()) == ("method_component_disabled", None)
    assert await api.mnemonic("get.sales_funnel") == "method_component_disabled"
    assert "result" in await api.answer("get.tags")


async def test_contacts_are_made_read_updated_and_deleted(api: CoMagicCaller, account: CoMagic) -> None:
    await api.result("update.deal_contacts", ext_id="12345", phone_numbers=[BORIS, "4951112233"])

    (row,) = (await api.result("get.deal_contacts", filter=named("12345", "1")))["data"]
    assert (row["ext_id"], row["name"], row["phone_numbers"]) == ("12345", "Клиент 12345", [BORIS, "4951112233"])
    assert row["created_date_time"] == "2026-06-15 12:00:00"
    await api.result("delete.deal_contacts", ext_id="12345")
    assert await api.mnemonic("update.deal_contacts", ext_id="12345") == "entity_not_found"
    plus = contact("7", phone_numbers=[f"+{ANNA}"])
    assert await api.mnemonic("create.deal_contacts", contacts=[plus]) == "invalid_parameter_value"


@pytest.mark.parametrize(("position", "made"), [("none_made", {"12345"}), ("others_made", {"12345", "1", "2"})])
async def test_a_known_contact_is_a_duplicate(
    api: CoMagicCaller, account: CoMagic, position: str, made: set[str]
) -> None:
    move(account, duplicate_contact=position)

    error = await api.error("create.deal_contacts", contacts=[contact("1"), contact(), contact("2")])

    assert (error["data"]["mnemonic"], error["data"]["field"]) == ("duplicate_entity", "contacts[1].ext_id")
    assert set(account.deals.references.contacts) == made


async def test_processing_goes_on_after_the_answer(api: CoMagicCaller, account: CoMagic, clock: ManualClock) -> None:
    move(account, processing_seconds=90)
    await upload(api, deal("1"), deal("2"))

    assert (await api.result("get.deals_in_processing"))["data"] == {"count": 2}
    assert (await api.result("get.deals_history"))["data"] == []
    clock.advance(timedelta(seconds=90))
    assert (await api.result("get.deals_in_processing"))["data"] == {"count": 0}
    assert len((await api.result("get.deals_history"))["data"]) == 4


@pytest.mark.parametrize(("position", "outcome"), [("allowed", "ok"), ("refused", "invalid_parameter_value")])
async def test_the_way_back_from_failed(api: CoMagicCaller, account: CoMagic, position: str, outcome: str) -> None:
    move(account, back_from_failed=position)
    await upload(api, deal(**CLOSED))

    back = deal(modified_stage_date_time="2026-06-15 11:10:00", **LATER)
    assert (await upload(api, back))[0] == outcome
    won = deal(
        stage_ext_id="issued", modified_stage_date_time="2026-06-15 11:20:00", modified_date_time="2026-06-15 11:40:00"
    )
    assert await upload(api, won) == ("ok", None)


@pytest.mark.parametrize(("position", "outcome"), [("new", "ok"), ("refused", "invalid_parameter_value")])
async def test_a_deleted_deal_comes_again(api: CoMagicCaller, account: CoMagic, position: str, outcome: str) -> None:
    move(account, deleted_again=position)
    await upload(api, deal())

    assert (await api.result("delete.deals", ext_id="1062062"))["data"] == {}
    assert await api.mnemonic("delete.deals", ext_id="1062062") == "entity_not_found"
    assert (await upload(api, deal()))[0] == outcome


@pytest.mark.parametrize(
    ("switches", "fields", "outcome", "revenue"),
    [
        ({}, {"revenue": 1}, "ok", 100),
        ({"same_stage": "needs_later_modified"}, {"revenue": 1}, "invalid_parameter_value", 430_050),
        ({"same_stage": "needs_later_modified"}, {"revenue": 1, **LATER}, "ok", 100),
        ({"same_stage": "needs_later_modified", "stale_update": "ignored"}, {"revenue": 1}, "ok", 430_050),
        ({}, {"stage_ext_id": "issued", "revenue": 1}, "invalid_parameter_value", 430_050),
        ({"stale_update": "ignored"}, {"stage_ext_id": "issued", "revenue": 1}, "ok", 430_050),
        ({}, LATER, "ok", 430_050),
        ({"repeated_record": "refused"}, LATER, "invalid_parameter_value", 430_050),
        ({"repeated_record": "refused"}, {"revenue": 1, **LATER}, "ok", 100),
    ],
    ids=str,
)
async def test_what_an_update_needs(
    api: CoMagicCaller, account: CoMagic, switches: Any, fields: Any, outcome: str, revenue: int
) -> None:
    move(account, **switches)
    await upload(api, deal())

    assert (await upload(api, deal(**fields)))[0] == outcome
    assert account.deals.deals["1062062"].last.revenue_kopecks == revenue


async def test_contacts_may_be_seen_late(api: CoMagicCaller, account: CoMagic, clock: ManualClock) -> None:
    move(account, contacts_seen_after_seconds=20)

    assert await upload(api, deal()) == ("entity_not_found", "deals[0].contact_ext_ids[0]")
    clock.advance(timedelta(seconds=20))
    assert await upload(api, deal()) == ("ok", None)


async def test_errors_may_name_no_field(api: CoMagicCaller, account: CoMagic) -> None:
    move(account, error_fields="absent")

    assert await upload(api, deal(stage_ext_id="x")) == ("entity_not_found", None)


async def test_a_deal_is_linked_by_the_phones_of_its_contact(api: CoMagicCaller, account: CoMagic) -> None:
    """Those of the 30 days before it; again only when a `modified_*` moves."""
    created = NOON - timedelta(hours=24, minutes=55, seconds=50)
    first = account.add_call(ANNA, created - timedelta(days=30))
    account.add_call(ANNA, created - timedelta(days=30, seconds=1))
    chat = account.add_chat(ANNA, created)
    account.add_call(ANNA, created + timedelta(seconds=1))
    other = account.add_call(BORIS, created - timedelta(days=1))
    await upload(api, deal())

    assert linked(account) == [first, chat]
    await api.result("update.deal_contacts", ext_id="12345", phone_numbers=[BORIS])
    assert linked(account) == [first, chat]
    await upload(api, deal(revenue=1))
    assert linked(account) == [first, chat], "no later time, so no new link"
    await upload(api, deal(revenue=1, **LATER))
    assert linked(account) == [other]


async def test_a_named_communication_wins(api: CoMagicCaller, account: CoMagic) -> None:
    account.add_call(ANNA, NOON - timedelta(days=2))
    call = account.add_call(BORIS, NOON - timedelta(days=50))

    await upload(api, deal(communication_id=call, communication_type="call"))

    assert linked(account) == [call]


def linked(account: CoMagic) -> list[int]:
    return [row.communication_id for row in account.deals.communications_of("1062062")]


@pytest.mark.parametrize(
    "kind", ["timeout_after", "reset_after", "http_502_after", "http_503", "limit_exceeded_minute"]
)
async def test_the_faults_of_every_method_are_there(api: CoMagicCaller, account: CoMagic, kind: str) -> None:
    account.fail(Fault("upload.deals_history", kind))
    try:
        answered = (await upload(api, deal()))[0]
    except (httpx.TransportError, AssertionError):
        answered = "lost"

    assert answered in {"lost", "limit_exceeded"}
    assert ("1062062" in account.deals.deals) == kind.endswith("_after")


def test_every_switch_has_two_positions() -> None:
    positions = all_positions(DealSwitches, states=True)

    assert all(len(set(values)) == 2 for values in positions.values()), positions
    with pytest.raises(ValueError, match="choose from"):
        DealSwitches(deleted_again="maybe")

"""CoMagic's lists and their `create`, `update` and `delete`; reports made of parts of communications."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.sandbox.comagic.simulator import CoMagic, CoMagicSwitches
from tests.sandbox_tests.callers import JUNE, CoMagicCaller

pytestmark = pytest.mark.anyio
TEN = datetime(2026, 6, 14, 7, 0, 1, tzinfo=UTC)
CREATED: dict[str, dict[str, Any]] = {
    "tags": {"name": "Свой тег"},
    "sites": {"domain_name": "example.net", "default_phone_number": "74950000003", "industry_id": 17},
    "site_blocks": {"site_id": 25187, "name": "Второй блок"},
    "employees": {"last_name": "Иванов"},
    "group_employees": {"name": "Ночная смена"},
    "contacts": {"last_name": "Сидоров", "phone_numbers": ["79990000009"]},
    "group_contacts": {"name": "Новые"},
    "contact_organizations": {"name": "Прачечная"},
    "schedules": {"name": "Выходные", "schedules": []},
    "campaigns": {"name": "Осень", "site_id": 25187},
    "sip_lines": {"employee_id": 2310, "virtual_phone_number": "74950000000"},
}


async def names(api: CoMagicCaller, what: str) -> dict[int, dict[str, Any]]:
    return {row["id"]: row for row in (await api.result(f"get.{what}"))["data"]}


@pytest.mark.parametrize("what", CREATED)
async def test_an_entity_is_made_changed_and_removed(api: CoMagicCaller, what: str) -> None:
    params = CREATED[what]
    label, value = next(iter(params.items())) if what not in ("site_blocks", "sip_lines") else ("", "")
    before = await names(api, what)

    key = (await api.result(f"create.{what}", **params))["data"]["id"]
    made = await names(api, what)
    changed = {label: f"{value} 2"} if label else {"id": key}
    await api.result(f"update.{what}", **{"id": key} | changed)
    after = await names(api, what)
    assert (await api.result(f"delete.{what}", id=key))["data"] == {}

    assert made.keys() - before.keys() == {key}
    assert all(made[key][name] == shown for name, shown in params.items() if name in made[key])
    assert {name: after[key][name] for name in changed} == changed | ({"id": key} if not label else {})
    assert await names(api, what) == before
    for verb, given in (("update", {"id": key} | changed), ("delete", {"id": key})):
        error = await api.error(f"{verb}.{what}", **given)
        assert (error["data"]["mnemonic"], error["data"]["field"]) == ("entity_not_found", "id")


@pytest.mark.parametrize(
    ("what", "params", "field"),
    [
        ("tags", {"name": "Продажа"}, "name"),
        ("sites", CREATED["sites"] | {"domain_name": "example.ru"}, "domain_name"),
        ("group_contacts", {"name": "Постоянные"}, "name"),
        ("campaigns", {"name": "Поисковые системы", "site_id": 25187}, "name"),
    ],
)
async def test_a_second_one_of_the_same_name_is_refused(
    api: CoMagicCaller, what: str, params: dict[str, Any], field: str
) -> None:
    error = await api.error(f"create.{what}", **params)

    assert (error["data"]["mnemonic"], error["data"]["field"]) == ("duplicate_entity", field)


async def test_what_the_system_has_made_cannot_be_removed(api: CoMagicCaller, comagic: CoMagic) -> None:
    for method, key in (
        ("delete.tags", comagic.sale_tag_id),
        ("update.tags", 1),
        ("delete.group_contacts", 70),
        ("delete.campaigns", 30001),
    ):
        error = await api.error(method, id=key)
        assert (error["data"]["mnemonic"], error["code"]) == ("forbidden", -32602)


async def test_a_tag_that_was_made_can_be_set(api: CoMagicCaller, comagic: CoMagic) -> None:
    call = comagic.add_call("79990000001", TEN)
    key = (await api.result("create.tags", name="Свой тег"))["data"]["id"]
    await api.result("set.tag_communications", communication_id=call, communication_type="call", tag_id=key)

    row = await api.row(call)

    assert [(tag["tag_id"], tag["tag_name"]) for tag in row["tags"]] == [(key, "Свой тег")]
    assert comagic.add_tag_name("Ещё один") != key


async def test_results_of_creating_may_be_flat(api: CoMagicCaller, comagic: CoMagic) -> None:
    comagic.switches = CoMagicSwitches(result_shape="flat")

    assert (await api.result("create.tags", name="Свой тег")).keys() == {"id"}


async def test_names_stand_beside_the_ids_that_are_given(api: CoMagicCaller) -> None:
    block = (await api.result("create.site_blocks", site_id=25187, name="Второй"))["data"]["id"]
    line = (await api.result("create.sip_lines", **CREATED["sip_lines"]))["data"]
    person = {"last_name": "Сидоров", "first_name": "Пётр", "phone_numbers": [], "organization_id": 61}
    contact = (await api.result("create.contacts", **person))["data"]["id"]
    await api.result("update.contacts", id=contact, patronymic="Ильич")
    campaign = (await api.result("create.campaigns", **CREATED["campaigns"]))["data"]["id"]
    await api.result("update.campaigns", id=campaign, cost_ratio=1.5)

    assert (await names(api, "site_blocks"))[block]["site_domain_name"] == "example.ru"
    shown = (await names(api, "sip_lines"))[line["id"]]
    assert (shown["employee_full_name"], shown["phone_number"]) == ("Смирнова Анна Петровна", line["phone_number"])
    known = (await names(api, "contacts"))[contact]
    assert (known["full_name"], known["organization_name"]) == ("Сидоров Пётр Ильич", "Ателье")
    assert (await names(api, "campaigns"))[campaign]["cost_ratio"] == 1.5


# Sites


async def test_a_new_site_has_no_sales_until_they_are_switched_on(api: CoMagicCaller, comagic: CoMagic) -> None:
    key = (await api.result("create.sites", **CREATED["sites"]))["data"]["id"]
    call = comagic.add_call("79990000001", TEN, site_id=key)
    refused = await api.sell(call)
    await api.result("update.sites", id=key, sales_enabled=True)
    done = await api.sell(call)

    assert (await names(api, "sites"))[key]["sales_enabled"] is True
    assert refused["error"]["data"]["mnemonic"] == "tariff_restrictions"
    assert "result" in done


async def test_a_copied_account_has_sites_of_its_own(api: CoMagicCaller, comagic: CoMagic) -> None:
    """Tests copy worlds; what the copy shows is its own."""
    comagic.add_call("79990000001", TEN)
    other = deepcopy(comagic)
    await api.result("update.sites", id=25187, domain_name="example.com")

    assert [row["site_domain_name"] for row in await api.rows(fields=["site_domain_name"])] == ["example.com"]
    copied = await CoMagicCaller(other).rows(fields=["site_domain_name"])
    assert [row["site_domain_name"] for row in copied] == ["example.ru"]


async def test_a_site_in_use_cannot_be_removed(api: CoMagicCaller, comagic: CoMagic) -> None:
    comagic.add_call("79990000001", TEN)

    assert await api.mnemonic("delete.sites", id=25187) == "dependency_error"


async def test_an_unknown_site_bears_nothing(api: CoMagicCaller) -> None:
    for method in ("create.site_blocks", "create.campaigns"):
        error = await api.error(method, name="x", site_id=5)
        assert (error["data"]["mnemonic"], error["data"]["field"]) == ("entity_not_found", "site_id")
    assert await api.mnemonic("update.campaign_parameter_weights", site_id=5) == "entity_not_found"


async def test_weights_of_a_site(api: CoMagicCaller) -> None:
    await api.result("update.campaign_parameter_weights", site_id=25187, referrer=7)

    rows = (await api.result("get.campaign_parameter_weights"))["data"]

    assert {row["site_id"]: row["referrer"] for row in rows} == {25187: 7, 25999: 1}


# Numbers


async def test_numbers_are_switched_on_and_off(api: CoMagicCaller) -> None:
    free = (await api.result("get.available_virtual_numbers"))["data"][0]["phone_number"]

    assert (await api.result("enable.virtual_numbers", virtual_phone_number=free))["data"] == {"success": True}
    assert free in [row["virtual_phone_number"] for row in (await names(api, "virtual_numbers")).values()]
    await api.result("disable.virtual_numbers", virtual_phone_number=free)
    error = await api.error("disable.virtual_numbers", virtual_phone_number=free)

    assert (error["code"], error["message"]) == (-32007, f"Virtual phone number {free} not found.")
    assert await api.mnemonic("enable.virtual_numbers", virtual_phone_number="1") == "virtual_phone_number_not_found"


async def test_a_line_gets_another_password(api: CoMagicCaller) -> None:
    assert (await api.result("update.sip_line_password", id=5001))["data"].keys() == {"password"}
    assert await api.mnemonic("update.sip_line_password", id=1) == "entity_not_found"


# The key


async def test_the_key_knows_its_rights(api: CoMagicCaller, comagic: CoMagic) -> None:
    comagic.switches = CoMagicSwitches(tag_rights="select", key_rights="tags_only", components="telephony")

    data = (await api.result("getobj.account"))["data"]
    rights = {unit.pop("unit_id"): unit for unit in data["permissions"]}

    assert rights["tag_management"] == {
        "is_select": True,
        "is_insert": False,
        "is_update": False,
        "is_delete": False,
    }
    assert not any(rights["site_selected"].values())
    assert data["components"] == ["va"]


# Reports of parts


async def test_legs_and_their_charges_belong_to_calls(api: CoMagicCaller, comagic: CoMagic) -> None:
    heard = comagic.add_call("79990000001", TEN, direction="out", duration=61)
    lost = comagic.add_call("79990000002", TEN, lost=True)
    legs = await api.rows("get.call_legs_report")
    charges = await api.rows("get.financial_call_legs_report")

    assert [(leg["call_session_id"], leg["is_failed"]) for leg in legs] == [(heard, False), (lost, True)]
    assert [leg["called_phone_number"] for leg in legs] == ["79990000001", "74950000000"]
    assert [charge["leg_id"] for charge in charges] == [leg["id"] for leg in legs]
    assert [charge["total_charge"] for charge in charges] == [3.6, 0.0]


async def test_two_reports_of_the_same_calls_do_not_mix(api: CoMagicCaller, comagic: CoMagic) -> None:
    """A filtered report is worked out once; the same filter means something else in another report."""
    call = comagic.add_call("79990000001", TEN, duration=61)
    by_id = {"field": "id", "operator": "=", "value": call * 10 + 1}

    assert await api.rows("get.calls_report", filter=by_id) == []
    assert len(await api.rows("get.call_legs_report", filter=by_id)) == 1


async def test_messages_of_chats(api: CoMagicCaller, comagic: CoMagic) -> None:
    comagic.add_chat("79990000001", TEN)
    comagic.add_chat("79990000002", TEN + timedelta(hours=1))
    first, second = (row["id"] for row in await api.rows("get.chats_report"))

    async def chats(**params: Any) -> list[int]:
        return [row["chat_id"] for row in (await api.result("get.chat_messages_report", **params))["data"]]

    assert await chats(chat_id=first) == [first, first]
    assert await chats(chat_ids=[first, second], limit=3) == [first, first, second]
    assert await chats(**JUNE) == [first, first, second, second]
    assert await chats(**JUNE, chat_id=second) == [second, second]
    assert await api.mnemonic("get.chat_messages_report") == "required_parameter_missed"
    assert await api.mnemonic("get.chat_messages_report", chat=first) == "unexpected_parameters"
    comagic.hide(784617, communication_type="chat")
    assert await chats(**JUNE) == [second, second]
    too_long = JUNE | {"date_from": "2026-05-01 00:00:00"}
    assert await api.mnemonic("get.chat_messages_report", **too_long) == "date_interval_limit_reached"


async def test_sessions_only_of_those_who_came_by_a_site(api: CoMagicCaller, comagic: CoMagic) -> None:
    call = comagic.add_call("79990000001", TEN)
    comagic.add_call("79990000002", TEN, site_id=None)
    chat = comagic.add_chat("79990000001", TEN)

    result = await api.result("get.visitor_sessions_report", **JUNE, fields=["id", "communications"])

    shown = [row["communications"][0]["communication_id"] for row in result["data"]]
    assert (shown, result["metadata"]["total_items"]) == ([call, chat], 2)


async def test_days_of_campaigns_count_what_they_brought(api: CoMagicCaller, comagic: CoMagic) -> None:
    for hours in (0, 1, 30):
        comagic.add_call("79990000001", TEN - timedelta(hours=hours))
    comagic.add_goal(TEN)
    comagic.add_chat(None, TEN, site_id=25999)

    rows = await api.rows("get.campaign_daily_stat", site_id=25187, fields=["date", "calls_count", "goals_count"])

    assert {row["date"] for row in rows} == {"2026-06-13", "2026-06-14"}
    assert (sum(row["calls_count"] for row in rows), sum(row["goals_count"] for row in rows)) == (3, 1)
    assert await api.mnemonic("get.campaign_daily_stat", **JUNE) == "required_parameter_missed"
    of_a_day = {"field": "date", "operator": "=", "value": "2026-06-13"}
    found = await api.rows("get.campaign_daily_stat", site_id=25187, filter=of_a_day)
    assert {row["date"] for row in found} == {"2026-06-13"}

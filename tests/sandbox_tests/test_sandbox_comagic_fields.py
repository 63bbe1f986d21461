"""Every documented field of CoMagic's reports and lists: there when asked for, typed and flagged as documented."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.sandbox.clock import ManualClock
from tests.sandbox.comagic.fields import REPORTS, TABLES
from tests.sandbox.comagic.generate_table import CORRECTIONS, DOCUMENTED, TABLE, table_text
from tests.sandbox.comagic.simulator import CoMagic, CoMagicSwitches
from tests.sandbox_tests.callers import JUNE, CoMagicCaller

pytestmark = pytest.mark.anyio
TEN = datetime(2026, 6, 14, 7, 0, 1, tzinfo=UTC)
DOCUMENTS = json.loads(DOCUMENTED.read_text())
CHECKED = tuple(TABLES)
TYPES: dict[str, Any] = {
    "number": (int, float),
    "string": str,
    "phone": str,
    "enum": str,
    "boolean": bool,
    "iso8601": str,
    "array": list,
    "object": dict,
}


@pytest.fixture
def busy(comagic: CoMagic) -> CoMagic:
    """An account with rows of every kind: with and without a site, a phone, a tag, a sale; lost and going on."""
    for number in range(40):
        at = TEN - timedelta(hours=number)
        site = (25187, None)[number % 4 == 3]
        phone = (f"7999{number:07d}", None, "74951234567", "anonymous")[number % 4 if number % 5 else 0]
        call = comagic.add_call(phone, at, lost=number % 3 == 0, site_id=site, direction=("in", "out")[number % 2])
        chat = comagic.add_chat(phone, at, site_id=site)
        message = comagic.add_message(phone, at, site_id=site, email="anna@example.ru", ext_id=f"M{number}")
        goal = comagic.add_goal(at, site_id=site, person_id=2273849500)
        if number % 6 == 0:
            comagic.add_tag(call, "Нецелевой контакт")
            for kind, key in (("call", call), ("chat", chat), ("offline_message", message), ("goal", goal)):
                comagic.sell_by_hand(key, "4500.50", communication_type=kind)
    comagic.add_call("79990000001", TEN, ongoing=True)
    return comagic


# The table and the documents


def test_the_table_is_as_the_script_writes_it() -> None:
    assert TABLE.read_text() == table_text(DOCUMENTS)


def test_the_table_agrees_with_the_documents() -> None:
    """All differences are corrections with their evidence; nothing is missing, and only what clients name is more."""
    differing = set()
    for method, fields in DOCUMENTS["fields"].items():
        table = TABLES[method]
        without_defaults = not any("D" in flags for _, flags in fields.values())
        for name, (kind, flags) in fields.items():
            seen = table[name]
            if (seen.type, seen.filterable, seen.sortable) != (kind, "F" in flags, "S" in flags):
                differing.add((method, name))
            assert seen.default == ("D" in flags or without_defaults), (method, name)
        surplus = {name: field for name, field in table.items() if name not in fields}
        assert surplus.keys() == DOCUMENTS["named_by_clients"].get(method, {}).keys()
        assert not any(field.documented or field.default or field.filterable for field in surplus.values())

    assert differing == set(CORRECTIONS)


def test_the_documents_data_is_whole() -> None:
    sizes = {method: len(fields) for method, fields in DOCUMENTS["fields"].items()}

    assert {method: sizes[method] for method in list(REPORTS)[:5]} == {
        "get.calls_report": 105,
        "get.chats_report": 83,
        "get.offline_messages_report": 79,
        "get.communications_report": 62,
        "get.goals_report": 60,
    }
    assert (sizes["get.tags"], sizes["get.sites"]) == (3, 26)
    assert DOCUMENTS["methods"].keys() >= DOCUMENTS["fields"].keys()


# What comes back


def needed(method: str) -> dict[str, Any]:
    """Return what a method wants beside the fields."""
    params: dict[str, Any] = dict(JUNE) if method in REPORTS else {}
    if method == "get.calls_report":
        params["include_ongoing_calls"] = True
    if method == "get.campaign_daily_stat":
        params["site_id"] = 25187
    return params


async def asked(api: CoMagicCaller, method: str, names: list[str] | None) -> list[dict[str, Any]]:
    params = needed(method)
    if names is not None and method != "get.account":
        params["fields"] = names
    rows: list[dict[str, Any]] = (await api.result(method, **params))["data"]
    assert rows
    return rows


@pytest.mark.parametrize("method", CHECKED)
async def test_without_fields_the_defaults_come(api: CoMagicCaller, busy: CoMagic, method: str) -> None:
    defaults = {name for name, field in TABLES[method].items() if field.default}

    for row in await asked(api, method, None):
        assert row.keys() == defaults


@pytest.mark.parametrize("method", [method for method in CHECKED if method != "get.account"])
async def test_a_field_asked_for_is_returned_and_no_other(api: CoMagicCaller, busy: CoMagic, method: str) -> None:
    for name in TABLES[method]:
        for row in await asked(api, method, [name]):
            assert row.keys() == {name}
    names = list(TABLES[method])[::3]
    for row in await asked(api, method, names):
        assert list(row) == names


@pytest.mark.parametrize("method", CHECKED)
async def test_values_have_their_types_and_are_among_those_allowed(
    api: CoMagicCaller, busy: CoMagic, method: str
) -> None:
    rows = await asked(api, method, list(TABLES[method]))
    for name, field in TABLES[method].items():
        everywhere = {} if field.type == "number" else DOCUMENTS["values"]["*"]
        allowed = DOCUMENTS["values"].get(method, {}).get(name) or everywhere.get(name)
        for value in (row.get(name) for row in rows):
            if value is None:
                continue
            assert isinstance(value, TYPES[field.type]), (name, value)
            assert isinstance(value, bool) == (field.type == "boolean"), (name, value)
            for one in value if isinstance(value, list) else [value]:
                assert allowed is None or isinstance(one, dict) or one in allowed, (name, value)


NEVER_KNOWN = {
    *("properties", "voice_mail_records", "auto_call_campaign_name", "call_api_request_id", "call_api_external_id"),
    *("contact_id", "contact_full_name", "ymclid", "ef_id", "utm_content", "eq_utm_content", "eq_utm_referrer"),
    *("eq_utm_expid", "openstat_ad", "openstat_campaign", "openstat_service", "openstat_source", "utm_expid"),
    *("chat_ad_url", "visitor_profile_url", "process_time", "employee_answer_message", "employee_comment"),
    *("last_answered_employee_rating", "call_records", "wav_call_records", "utm_referrer", "ext_id"),
}


@pytest.mark.parametrize("method", list(REPORTS)[:5])
async def test_most_fields_have_a_value_somewhere(api: CoMagicCaller, busy: CoMagic, method: str) -> None:
    """A column that is null everywhere hides a client's mistakes; the exceptions are listed."""
    rows = await asked(api, method, list(TABLES[method]))
    empty = {name for name in TABLES[method] if all(row.get(name) is None for row in rows)}
    nobody = {"employee_id", "employee_full_name"} if method == "get.offline_messages_report" else set()

    assert empty <= NEVER_KNOWN | nobody


async def test_the_same_communication_always_shows_the_same(api: CoMagicCaller, busy: CoMagic) -> None:
    names = list(TABLES["get.calls_report"])

    assert await asked(api, "get.calls_report", names) == await asked(api, "get.calls_report", names)


async def test_a_call_without_a_site_has_no_visitor(api: CoMagicCaller, comagic: CoMagic) -> None:
    comagic.add_call("79990000001", TEN, site_id=None)
    names = [
        "site_domain_name",
        "visitor_id",
        "visitor_session_id",
        "campaign_id",
        "utm_source",
        "communication_number",
    ]

    assert await asked(api, "get.calls_report", names) == [dict.fromkeys(names)]


async def test_a_phone_is_one_person_and_one_visitor_everywhere(api: CoMagicCaller, comagic: CoMagic) -> None:
    comagic.add_call("79990000001", TEN)
    comagic.add_chat("79990000001", TEN)
    comagic.add_message("79990000002", TEN)
    names = ["person_id", "visitor_id"]
    (call,) = await asked(api, "get.calls_report", names)
    (chat,) = await asked(api, "get.chats_report", names)
    (message,) = await asked(api, "get.offline_messages_report", names)

    assert call == chat != message


async def test_what_a_test_says_goes_before_what_is_made_up(api: CoMagicCaller, comagic: CoMagic) -> None:
    key = comagic.add_call("79990000001", TEN)
    comagic.communication(key).extra = {"utm_source": "mine"}

    assert await asked(api, "get.calls_report", ["utm_source"]) == [{"utm_source": "mine"}]


# Flags


@pytest.mark.parametrize("method", [method for method in CHECKED if method != "get.account"])
async def test_filters_and_sorts_by_the_flags(api: CoMagicCaller, busy: CoMagic, method: str) -> None:
    interval = needed(method)
    for name, field in TABLES[method].items():
        by_field = {"field": name, "operator": "=", "value": None}
        filtered = await api.answer(method, **interval, filter=by_field)
        ordered = await api.answer(method, **interval, sort=[{"field": name, "order": "desc"}])
        assert ("result" in filtered) is field.filterable, (name, filtered)
        assert ("result" in ordered) is field.sortable, (name, ordered)
        if not field.filterable:
            assert filtered["error"]["data"]["mnemonic"] == "filter_prohibited"
        if not field.sortable:
            assert ordered["error"]["data"]["mnemonic"] == "sort_prohibited"


@pytest.mark.parametrize(
    ("method", "name", "operator"),
    [
        ("get.calls_report", "campaign_name", "like"),
        ("get.calls_report", "utm_source", "="),
        ("get.calls_report", "visitor_city", "in"),
        ("get.chats_report", "employee_id", "="),
        ("get.offline_messages_report", "form_name", "regexp"),
        ("get.communications_report", "site_domain_name", "="),
        ("get.goals_report", "type", "="),
    ],
)
async def test_a_made_up_value_can_be_filtered_by(
    api: CoMagicCaller, busy: CoMagic, method: str, name: str, operator: str
) -> None:
    seen = next(row[name] for row in await asked(api, method, [name]) if row[name] is not None)
    value = [seen] if operator == "in" else seen
    found = await api.rows(method, fields=[name], filter={"field": name, "operator": operator, "value": value})

    assert found
    assert {row[name] for row in found} == {seen}


@pytest.mark.parametrize(
    ("tree", "count"),
    [
        ({"field": "utm_source", "operator": "ilike", "value": "YAN%"}, 1),
        ({"field": "utm_source", "operator": "not_like", "value": "yan%"}, 1),
        ({"field": "utm_source", "operator": "not_ilike", "value": "YAN%"}, 1),
        ({"field": "utm_source", "operator": "not_in", "value": ["yandex", "google"]}, 0),
        ({"field": "utm_source", "operator": "is_null", "value": None}, 1),
        ({"field": "utm_source", "operator": "is_not_null"}, 2),
        ({"field": "attributes", "operator": "overlap", "value": ["lost", "rest"]}, 1),
        ({"field": "attributes", "operator": "not_overlap", "value": ["lost"]}, 2),
        ({"field": "employees", "operator": "jsquery", "value": '#.employee_full_name = "Анна"'}, 0),
    ],
)
async def test_operators_of_the_russian_edition(
    api: CoMagicCaller, comagic: CoMagic, tree: dict[str, Any], count: int
) -> None:
    for number, source in enumerate(("yandex", "google", None)):
        key = comagic.add_call("79990000001", TEN)
        comagic.communication(key).extra = {"utm_source": source, "attributes": ["lost"] if number == 0 else ["first"]}

    assert len(await api.rows(filter=tree)) == count
    comagic.switches = CoMagicSwitches(newer_operators="refused")
    newer = tree["operator"] != "jsquery"
    assert ("error" in await api.answer("get.calls_report", **JUNE, filter=tree)) is newer


# Fields that no page has


async def test_names_that_only_clients_know_may_be_refused(api: CoMagicCaller, busy: CoMagic) -> None:
    known = await api.rows(fields=["id", "utm_referrer"])
    comagic = busy
    comagic.switches = CoMagicSwitches(client_fields="refused")
    error = await api.error("get.calls_report", **JUNE, fields=["id", "utm_referrer"])

    assert known[0].keys() == {"id", "utm_referrer"}
    assert (error["data"]["mnemonic"], error["data"]["field"]) == ("invalid_parameter_value", "fields[1]")


async def test_rows_may_have_what_nobody_asked_for(api: CoMagicCaller, busy: CoMagic) -> None:
    busy.switches = CoMagicSwitches(unasked_fields="present")

    assert (await api.rows(fields=["id"]))[0].keys() == {"id", "utm_referrer", "source"}


# Cost


async def test_made_up_fields_cost_nothing_until_they_are_asked_for(clock: ManualClock) -> None:
    """100,000 calls are made in 0.15 s, a page of 2,000 rows with all 106 fields in as much."""
    began = time.process_time()
    comagic = CoMagic(clock)
    start = int(TEN.timestamp()) - 86_400
    comagic.add_calls_bulk((f"7999{n:07d}", start + n // 2, n % 5 == 0) for n in range(100_000))
    made = time.process_time() - began
    rows = await CoMagicCaller(comagic).rows(fields=list(TABLES["get.calls_report"]), limit=2_000)

    assert len(rows) == 2_000
    # Ten times the usual: the bounds only catch rows that are made whole in advance.
    assert made < 1.5
    assert time.process_time() - began < 3.0

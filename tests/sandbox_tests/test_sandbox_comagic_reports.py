"""The reports of CoMagic: rows, fields, filters, sorting, paging."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.sandbox.clock import ManualClock
from tests.sandbox.comagic.simulator import CoMagic, CoMagicSwitches
from tests.sandbox_tests.callers import JUNE, CoMagicCaller

pytestmark = pytest.mark.anyio
TEN = datetime(2026, 6, 14, 7, 0, 1, tzinfo=UTC)  # 10:00:01 in Moscow
HOUR = timedelta(hours=1)


def condition(field: str, operator: str, value: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


async def ids(api: CoMagicCaller, method: str = "get.calls_report", **params: Any) -> list[int]:
    rows = await api.rows(method, fields=["communication_id"], **params)
    return [row["communication_id"] for row in rows]


async def test_a_call_as_the_documentation_shows_it(api: CoMagicCaller, comagic: CoMagic) -> None:
    call = comagic.add_call("79990000001", TEN)
    fields = [
        "id", "communication_id", "communication_type", "start_time", "direction", "source", "is_lost",
        "contact_phone_number", "virtual_phone_number", "talk_duration", "tags", "sale_date", "sale_cost",
        "contact_id", "ext_id",
    ]  # fmt: skip

    assert await api.rows(fields=fields, limit=10000, offset=0) == [
        {
            "id": call,
            "communication_id": call,
            "communication_type": "call",
            "start_time": "2026-06-14 10:00:01",
            "direction": "in",
            "source": "call_tracking",
            "is_lost": False,
            "contact_phone_number": "79990000001",
            "virtual_phone_number": "74950000000",
            "talk_duration": 61,
            "tags": None,
            "sale_date": None,
            "sale_cost": None,
            "contact_id": None,
            "ext_id": None,
        }
    ]


async def test_fields_replace_the_defaults(api: CoMagicCaller, comagic: CoMagic) -> None:
    comagic.add_call("79990000001", TEN)

    (default,) = await api.rows()
    (named,) = await api.rows(fields=["tags"])

    assert not {"tags", "sale_date", "sale_cost", "contact_id", "ext_id"} & default.keys()
    assert {"id", "communication_id", "start_time", "is_lost", "contact_phone_number"} <= default.keys()
    assert named == {"tags": None}


@pytest.mark.parametrize(
    ("method", "defaults"),
    [
        ("get.chats_report", {"id", "communication_id", "date_time", "visitor_phone_number"}),
        ("get.offline_messages_report", {"id", "communication_id", "visitor_phone_number", "text"}),
        ("get.communications_report", {"id", "communication_type", "date_time", "person_id"}),
        ("get.goals_report", {"type", "communication_id", "ext_id", "site_id"}),
    ],
)
async def test_defaults_of_the_other_reports(
    api: CoMagicCaller, comagic: CoMagic, method: str, defaults: set[str]
) -> None:
    comagic.add_chat("79990000001", TEN)
    comagic.add_message("79990000001", TEN)
    comagic.add_goal(TEN)

    row = (await api.rows(method))[0]

    assert defaults <= row.keys()
    if method in ("get.offline_messages_report", "get.goals_report"):
        assert "date_time" not in row


async def test_row_ids_are_not_communication_ids(api: CoMagicCaller, comagic: CoMagic) -> None:
    keys = {
        "get.chats_report": comagic.add_chat(None, TEN),
        "get.offline_messages_report": comagic.add_message(None, TEN),
        "get.goals_report": comagic.add_goal(TEN),
    }
    for method, key in keys.items():
        (row,) = await api.rows(method, fields=["id", "communication_id"])
        assert row["communication_id"] == key != row["id"]
    rows = await api.rows("get.communications_report", fields=["id", "communication_type"])
    assert {row["id"] for row in rows} == set(keys.values())


async def test_calls_may_have_other_row_ids(api: CoMagicCaller, comagic: CoMagic) -> None:
    comagic.switches = CoMagicSwitches(call_ids="different")
    call = comagic.add_call(None, TEN)

    (row,) = await api.rows(fields=["id", "communication_id"])

    assert row["communication_id"] == call != row["id"]


async def test_what_visitors_typed_may_be_a_number(api: CoMagicCaller, comagic: CoMagic) -> None:
    for typed in ("89990000001", "9990000001", None, "нет"):
        comagic.add_chat(typed, TEN)
    plain = await api.rows("get.chats_report", fields=["visitor_phone_number"])
    comagic.switches = CoMagicSwitches(visitor_phone_form="number")
    numbers = await api.rows("get.chats_report", fields=["visitor_phone_number"])

    assert [row["visitor_phone_number"] for row in plain] == ["89990000001", "9990000001", None, "нет"]
    assert [row["visitor_phone_number"] for row in numbers] == [89990000001, 9990000001, None, "нет"]


async def test_the_account_zone_and_another(clock: ManualClock) -> None:
    dubai = CoMagic(clock, zone="Asia/Dubai")
    dubai.add_call(None, TEN)

    (row,) = await CoMagicCaller(dubai).rows(fields=["start_time"])

    assert row["start_time"] == "2026-06-14 11:00:01"


async def test_finish_is_unknown_while_a_call_goes_on(api: CoMagicCaller, comagic: CoMagic) -> None:
    over = comagic.add_call(None, TEN)
    ongoing = comagic.add_call(None, TEN, ongoing=True)

    assert await ids(api) == [over]
    assert await ids(api, include_ongoing_calls=True) == [over, ongoing]
    rows = await api.rows(fields=["finish_time", "talk_duration"], include_ongoing_calls=True)
    assert rows == [
        {"finish_time": "2026-06-14 10:01:02", "talk_duration": 61},
        {"finish_time": None, "talk_duration": None},
    ]


async def test_what_has_not_happened_is_in_no_report(api: CoMagicCaller, comagic: CoMagic, clock: ManualClock) -> None:
    call = comagic.add_call(None, clock.now() + HOUR)

    assert await ids(api) == []
    clock.advance(HOUR)
    assert await ids(api) == [call]


@pytest.mark.parametrize(("position", "found"), [("inclusive", 1), ("exclusive", 0)])
async def test_the_end_of_the_interval(api: CoMagicCaller, comagic: CoMagic, position: str, found: int) -> None:
    comagic.switches = CoMagicSwitches(interval_end=position)
    comagic.add_call(None, TEN)

    one_second = {"date_from": "2026-06-14 09:00:00", "date_till": "2026-06-14 10:00:01"}

    assert len(await ids(api, **one_second)) == found
    assert len(await ids(api, **JUNE | {"date_from": "2026-06-14 10:00:01"})) == 1


# Filters


@pytest.fixture
def calls(comagic: CoMagic) -> list[int]:
    return [
        comagic.add_call("79990000001", TEN),
        comagic.add_call("79990000002", TEN + HOUR, lost=True),
        comagic.add_call(None, TEN + 2 * HOUR, direction="out"),
        comagic.add_call("74950000003", TEN + 3 * HOUR, site_id=None),
    ]


@pytest.mark.parametrize(
    ("tree", "found"),
    [
        (condition("contact_phone_number", "=", "79990000001"), [0]),
        (condition("contact_phone_number", "=", None), [2]),
        ({"field": "contact_phone_number", "operator": "="}, [2]),
        (condition("contact_phone_number", "!=", None), [0, 1, 3]),
        (condition("contact_phone_number", "in", ["79990000001", "74950000003"]), [0, 3]),
        (condition("contact_phone_number", "like", "7999%"), [0, 1]),
        (condition("contact_phone_number", "regexp", "3$"), [3]),
        (condition("is_lost", "=", True), [1]),
        (condition("is_lost", "!=", True), [0, 2, 3]),
        (condition("direction", "in", ["out"]), [2]),
        (condition("site_id", ">=", 25187), [0, 1, 2]),
        (condition("site_id", "<", 25187), []),
        (condition("site_id", "=", None), [3]),
        (condition("sale_cost", "!=", None), [1]),
        (condition("sale_cost", ">", 4500), [1]),
        (condition("sale_cost", "=", 4500.5), [1]),
        (condition("sale_date", "<=", "2026-06-15 10:00:00"), [1]),
        (condition("tags", "jsquery", "#.tag_id = 88"), [1]),
        (condition("tags", "=", None), [0, 2, 3]),
        (
            {
                "condition": "and",
                "filters": [
                    condition("is_lost", "=", False),
                    {
                        "condition": "or",
                        "filters": [
                            condition("direction", "=", "out"),
                            condition("contact_phone_number", "like", "%1"),
                        ],
                    },
                ],
            },
            [0, 2],
        ),
    ],
)
async def test_filters(
    api: CoMagicCaller, comagic: CoMagic, calls: list[int], tree: dict[str, Any], found: list[int]
) -> None:
    comagic.add_tag(calls[1], "Нецелевой контакт")
    comagic.sell_by_hand(calls[1], "4500.50", at=datetime(2026, 6, 15, 7, tzinfo=UTC))

    assert await ids(api, filter=tree) == [calls[index] for index in found]


@pytest.mark.parametrize(
    ("tree", "mnemonic", "field"),
    [
        (condition("no", "=", 1), "unexpected_parameters", "filter.field"),
        (condition("start_time", ">", "2026-06-14 00:00:00"), "filter_prohibited", "filter.field"),
        (condition("finish_time", "=", None), "filter_prohibited", "filter.field"),
        (condition("id", "like", "1"), "invalid_parameter_value", "filter.operator"),
        (condition("id", "~", 1), "invalid_parameter_value", "filter.operator"),
        (condition("id", "=", "1"), "invalid_parameter_value", "filter.value"),
        (condition("is_lost", "=", 1), "invalid_parameter_value", "filter.value"),
        (condition("sale_date", ">", "2026-06-14"), "invalid_parameter_value", "filter.value"),
        (condition("id", ">", None), "invalid_parameter_value", "filter.value"),
        (condition("id", "in", 5), "invalid_parameter_value", "filter.value"),
        (condition("id", "in", list(range(201))), "invalid_parameter_value", "filter.value"),
        (condition("contact_phone_number", "regexp", "("), "invalid_parameter_value", "filter.value"),
        (condition("tags", "jsquery", "whatever"), "invalid_parameter_value", "filter.value"),
        ({"operator": "=", "value": 1}, "required_parameter_missed", "filter.field"),
        ({"filters": []}, "required_parameter_missed", "filter.condition"),
        ({"filters": [], "condition": "xor"}, "invalid_parameter_value", "filter.condition"),
        ({"filters": {}, "condition": "or"}, "data_type_error", "filter.filters"),
        ({"field": "id", "operator": "=", "values": 1}, "unexpected_parameters", "filter.values"),
        (
            {"filters": [condition("no", "=", 1)], "condition": "or"},
            "unexpected_parameters",
            "filter.filters[0].field",
        ),
    ],
)
async def test_wrong_filters(api: CoMagicCaller, tree: dict[str, Any], mnemonic: str, field: str) -> None:
    error = await api.error("get.calls_report", **JUNE, filter=tree)

    assert (error["data"]["mnemonic"], error["data"]["field"]) == (mnemonic, field)


async def test_filters_on_the_reports_of_all_kinds(api: CoMagicCaller, comagic: CoMagic) -> None:
    """The cheapest way to reconcile: one request for all sales that stand."""
    call, chat = comagic.add_call("79990000001", TEN), comagic.add_chat("79990000001", TEN)
    comagic.add_goal(TEN, person_id=2273849500)
    comagic.sell_by_hand(call, "4500.50")
    comagic.sell_by_hand(chat, 100, communication_type="chat")

    rows = await api.rows(
        "get.communications_report",
        filter=condition("sale_cost", "!=", None),
        fields=["id", "communication_type", "sale_cost"],
    )
    goals = await api.rows("get.goals_report", filter=condition("person_id", "in", [2273849500]))

    assert rows == [
        {"id": call, "communication_type": "call", "sale_cost": 4500.5},
        {"id": chat, "communication_type": "chat", "sale_cost": 100},
    ]
    assert len(goals) == 1


async def test_a_typed_phone_is_filtered_as_string_and_as_number(api: CoMagicCaller, comagic: CoMagic) -> None:
    comagic.add_chat("79990000001", TEN)
    for value in ("79990000001", 79990000001):
        tree = condition("visitor_phone_number", "=", value)
        assert len(await ids(api, "get.chats_report", filter=tree)) == 1


# Sorting and paging


async def test_sorting(api: CoMagicCaller, comagic: CoMagic, calls: list[int]) -> None:
    comagic.sell_by_hand(calls[2], 10)
    comagic.sell_by_hand(calls[0], 20)
    newest = [{"field": "start_time", "order": "desc"}]
    cheapest = [{"field": "sale_cost"}, {"field": "start_time", "order": "desc"}]

    assert await ids(api) == calls
    assert await ids(api, sort=newest) == calls[::-1]
    assert await ids(api, sort=cheapest) == [calls[2], calls[0], calls[3], calls[1]]


async def test_messages_may_be_sorted_by_time_and_goals_not(api: CoMagicCaller, comagic: CoMagic) -> None:
    by_time = [{"field": "date_time", "order": "asc"}]

    await api.rows("get.offline_messages_report", sort=by_time)

    assert await api.mnemonic("get.goals_report", **JUNE, sort=by_time) == "sort_prohibited"


async def test_a_thousand_rows_when_no_limit_is_given(api: CoMagicCaller, comagic: CoMagic) -> None:
    start = int(TEN.timestamp())
    keys = comagic.add_calls_bulk((f"7999{n:07d}", start + n, False) for n in range(12_000))

    silent = await api.result("get.calls_report", **JUNE, fields=["communication_id"])
    pages = [await ids(api, limit=10_000, offset=offset) for offset in (0, 10_000, 20_000)]

    assert len(silent["data"]) == 1000
    assert silent["metadata"]["total_items"] == 12_000
    assert [len(page) for page in pages] == [10_000, 2000, 0]
    assert pages[0] + pages[1] == keys


async def test_ties_may_swap_between_pages(api: CoMagicCaller, comagic: CoMagic) -> None:
    keys = set(comagic.add_calls_bulk((None, int(TEN.timestamp()), False) for _ in range(30)))
    comagic.switches = CoMagicSwitches(sort_ties="shuffled")
    by_time = [{"field": "start_time"}]

    pages = [await ids(api, limit=10, offset=offset, sort=by_time) for offset in (0, 10, 20)]
    whole = await ids(api, limit=30, sort=by_time)

    assert [len(page) for page in pages] == [10, 10, 10]
    assert len({key for page in pages for key in page}) < 30
    assert set(whole) == keys


async def test_a_page_of_a_big_account_is_quick(api: CoMagicCaller, comagic: CoMagic) -> None:
    start = int(TEN.timestamp()) - 86_400
    comagic.add_calls_bulk((f"7999{n:07d}", start + n // 2, n % 5 == 0) for n in range(120_000))
    fields = ["communication_id", "start_time", "is_lost", "contact_phone_number", "tags", "sale_cost"]
    answered = condition("is_lost", "=", False)
    await api.rows(fields=fields, limit=10_000, filter=answered)
    began = time.process_time()

    rows = await api.rows(fields=fields, limit=10_000, offset=50_000, filter=answered)

    assert len(rows) == 10_000
    # Usually 30 ms; the bound only catches a loss of the index or of the kept result.
    assert time.process_time() - began < 1.0

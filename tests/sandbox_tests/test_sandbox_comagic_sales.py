"""Sales and tags of CoMagic."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.sandbox.clock import ManualClock
from tests.sandbox.comagic.account import SITE_WITHOUT_SALES_ID
from tests.sandbox.comagic.simulator import CoMagic, CoMagicSwitches
from tests.sandbox.switches import all_positions
from tests.sandbox_tests.callers import CoMagicCaller, sale

pytestmark = pytest.mark.anyio
MORNING = datetime(2026, 6, 15, 7, 15, 1, tzinfo=UTC)  # 10:15:01 in Moscow; it is noon now


@pytest.fixture
def call(comagic: CoMagic) -> int:
    return comagic.add_call("79990000001", MORNING)


async def test_a_sale_shows_in_the_report(api: CoMagicCaller, comagic: CoMagic, call: int) -> None:
    answer = await api.sell(call, 4500.5, comment="Химчистка пальто")

    row = await api.row(call)
    assert answer["result"]["data"] == {"id": 777001}
    assert answer["result"]["metadata"]["limits"]
    assert row["sale_cost"] == 4500.5
    assert row["sale_date"] == "2026-06-15 11:30:00"
    assert [(tag["tag_id"], tag["tag_name"]) for tag in row["tags"]] == [(comagic.sale_tag_id, "Продажа")]
    (standing,) = comagic.sales["call", call]
    assert standing.amount_kopecks == 450_050
    assert standing.date_time == datetime(2026, 6, 15, 8, 30, tzinfo=UTC)
    assert (standing.comment, standing.sale_id, standing.set_by) == ("Химчистка пальто", 777001, "api")


async def test_unset_takes_tag_and_sale(api: CoMagicCaller, comagic: CoMagic, call: int) -> None:
    comagic.add_tag(call, "Нецелевой контакт")
    await api.sell(call)

    answer = await api.unsell(call)

    row = await api.row(call)
    assert answer["result"]["data"] == {}
    assert (row["sale_cost"], row["sale_date"]) == (None, None)
    assert [tag["tag_id"] for tag in row["tags"]] == [88]
    assert comagic.sales == {}
    assert [(entry.what, entry.who, entry.amount_kopecks) for entry in comagic.history] == [
        ("set", "api", 320_000),
        ("unset", "api", 320_000),
    ]


async def test_results_may_be_flat(api: CoMagicCaller, comagic: CoMagic, call: int) -> None:
    comagic.switches = CoMagicSwitches(result_shape="flat")

    assert (await api.sell(call))["result"] == {"id": 777001}
    assert (await api.unsell(call))["result"] == {}


@pytest.mark.parametrize(
    ("position", "sums"), [("error", [320_000]), ("replace", [50_000]), ("add", [320_000, 50_000])]
)
async def test_a_second_set(api: CoMagicCaller, comagic: CoMagic, call: int, position: str, sums: list[int]) -> None:
    comagic.switches = CoMagicSwitches(duplicate_set=position)
    await api.sell(call)

    answer = await api.sell(call, 500)

    assert [standing.amount_kopecks for standing in comagic.sales["call", call]] == sums
    assert len((await api.row(call))["tags"]) == 1
    if position == "error":
        assert answer["error"]["data"]["mnemonic"] == "duplicate_entity"
        assert len(comagic.history) == 1
    else:
        assert [entry.what for entry in comagic.history] == ["set", position]


async def test_unset_may_leave_the_sale(api: CoMagicCaller, comagic: CoMagic, call: int) -> None:
    comagic.switches = CoMagicSwitches(unset_clears="tag_only")
    await api.sell(call)
    await api.unsell(call)

    row = await api.row(call)
    await api.sell(call, 500)

    assert (row["tags"], row["sale_cost"]) == (None, 3200)
    assert [standing.amount_kopecks for standing in comagic.sales["call", call]] == [50_000]


@pytest.mark.parametrize(("position", "key"), [("error", "error"), ("ok", "result")])
async def test_unset_of_an_absent_tag(api: CoMagicCaller, comagic: CoMagic, call: int, position: str, key: str) -> None:
    comagic.switches = CoMagicSwitches(unset_absent=position)

    answer = await api.unsell(call)

    assert key in answer
    assert comagic.history == []


async def test_tags_may_be_empty_lists_or_hidden(api: CoMagicCaller, comagic: CoMagic, call: int) -> None:
    comagic.switches = CoMagicSwitches(empty_tags="list")
    before = await api.row(call)
    comagic.switches = CoMagicSwitches(tags_with_sale="hidden")
    await api.sell(call)
    after = await api.row(call)

    assert before["tags"] == []
    assert (after["tags"], after["sale_cost"]) == (None, 3200)


async def test_reports_may_lag(api: CoMagicCaller, comagic: CoMagic, clock: ManualClock, call: int) -> None:
    comagic.switches = CoMagicSwitches(visibility_delay_seconds=30)
    await api.sell(call)
    clock.advance(timedelta(seconds=29))
    early = await api.row(call)
    clock.advance(timedelta(seconds=1))
    await api.unsell(call)
    late = await api.row(call)
    clock.advance(timedelta(seconds=30))
    gone = await api.row(call)

    assert [row["sale_cost"] for row in (early, late, gone)] == [None, 3200, None]
    assert [bool(row["tags"]) for row in (early, late, gone)] == [False, True, False]


@pytest.mark.parametrize(
    ("form", "whole", "broken"), [("number", 3200, 4500.5), ("float", 3200.0, 4500.5), ("string", "3200.00", "4500.50")]
)
async def test_forms_of_sale_cost(
    api: CoMagicCaller, comagic: CoMagic, call: int, form: str, whole: Any, broken: Any
) -> None:
    comagic.switches = CoMagicSwitches(sale_cost_form=form, duplicate_set="replace")
    await api.sell(call)
    first = (await api.row(call))["sale_cost"]
    await api.sell(call, 4500.50)
    second = (await api.row(call))["sale_cost"]

    assert (first, second) == (whole, broken)
    assert (type(first), type(second)) == (type(whole), type(broken))


async def test_kopecks_survive(api: CoMagicCaller, comagic: CoMagic) -> None:
    for kopecks in (1, 10, 29, 57, 4_500_109, 199_999_999):
        call = comagic.add_call("79990000001", MORNING)
        await api.sell(call, kopecks / 100)
        assert comagic.sales["call", call][0].amount_kopecks == kopecks
        assert round((await api.row(call))["sale_cost"] * 100) == kopecks


# What is refused


@pytest.mark.parametrize(
    ("wrong", "mnemonic", "field"),
    [
        ({"communication_id": "1"}, "data_type_error", "communication_id"),
        ({"communication_id": 1.5}, "data_type_error", "communication_id"),
        ({"communication_id": None}, "required_parameter_missed", "communication_id"),
        ({"communication_id": 1}, "entity_not_found", "communication_id"),
        ({"communication_ext_id": "x"}, "unexpected_parameters", "communication_ext_id"),
        ({"communication_type": "email"}, "invalid_parameter_value", "communication_type"),
        ({"communication_type": "chat"}, "entity_not_found", "communication_id"),
        ({"transaction_value": "3200"}, "data_type_error", "transaction_value"),
        ({"transaction_value": True}, "data_type_error", "transaction_value"),
        ({"transaction_value": 0}, "invalid_parameter_value", "transaction_value"),
        ({"transaction_value": -1.5}, "invalid_parameter_value", "transaction_value"),
        ({"comment": "я" * 256}, "invalid_parameter_value", "comment"),
        ({"comment": 5}, "data_type_error", "comment"),
        ({"date_time": "2026-06-15T11:30:00"}, "invalid_parameter_value", "date_time"),
        ({"date_time": "2026-06-15 11:30:00.123"}, "invalid_parameter_value", "date_time"),
        ({"date_time": "2026-06-15"}, "invalid_parameter_value", "date_time"),
        ({"date_time": 1767261600}, "data_type_error", "date_time"),
        ({"date_time": "2026-06-15 10:15:00"}, "invalid_date_time", "date_time"),
        ({"date_time": "2026-06-15 12:00:01"}, "invalid_date_time", "date_time"),
    ],
)
async def test_wrong_sales(
    api: CoMagicCaller, comagic: CoMagic, call: int, wrong: dict[str, Any], mnemonic: str, field: str
) -> None:
    error = await api.error("set.tag_sales", **sale(call) | wrong)

    assert (error["data"]["mnemonic"], error["data"]["field"]) == (mnemonic, field)
    assert comagic.history == []
    assert comagic.points_used == 0


@pytest.mark.parametrize("moment", ["2026-06-15 10:15:01", "2026-06-15 12:00:00"])
async def test_the_limits_of_a_sale_s_date(api: CoMagicCaller, call: int, moment: str) -> None:
    assert "result" in await api.sell(call, date_time=moment, comment="я" * 255)


async def test_dates_may_be_checked_by_day_and_lie_ahead(api: CoMagicCaller, comagic: CoMagic, call: int) -> None:
    comagic.switches = CoMagicSwitches(sale_date_check="day", future_sale="allowed", duplicate_set="replace")

    assert "result" in await api.sell(call, date_time="2026-06-15 00:00:00")
    assert "result" in await api.sell(call, date_time="2026-06-16 00:00:00")
    assert "error" in await api.sell(call, date_time="2026-06-14 23:59:59")


async def test_nothing_may_be_a_sale(api: CoMagicCaller, comagic: CoMagic, call: int) -> None:
    comagic.switches = CoMagicSwitches(zero_sale="allowed")

    assert "result" in await api.sell(call, 0)


@pytest.mark.parametrize("mnemonic", ["tariff_restrictions", "forbidden", "method_component_disabled"])
async def test_a_site_with_sales_off(api: CoMagicCaller, comagic: CoMagic, mnemonic: str) -> None:
    comagic.switches = CoMagicSwitches(sales_off_error=mnemonic)
    call = comagic.add_call("79990000001", MORNING, site_id=SITE_WITHOUT_SALES_ID)

    assert await api.mnemonic("set.tag_sales", **sale(call)) == mnemonic
    assert comagic.sales == {}


@pytest.mark.parametrize(("position", "key"), [("allowed", "result"), ("refused", "error")])
async def test_a_call_without_a_site(api: CoMagicCaller, comagic: CoMagic, position: str, key: str) -> None:
    comagic.switches = CoMagicSwitches(no_site_sale=position)

    assert key in await api.sell(comagic.add_call("79990000001", MORNING, site_id=None))


# Other kinds, other tags, other people


async def test_every_kind_bears_sales(api: CoMagicCaller, comagic: CoMagic) -> None:
    keys = {
        "call": comagic.add_call(None, MORNING),
        "chat": comagic.add_chat(None, MORNING),
        "offline_message": comagic.add_message(None, MORNING),
        "goal": comagic.add_goal(MORNING),
    }
    for kind, key in keys.items():
        assert "result" in await api.sell(key, communication_type=kind)
    assert set(comagic.sales) == set(keys.items())
    assert (await api.row(keys["goal"], "get.communications_report"))["sale_cost"] == 3200


async def test_tags_by_id_and_by_ext_id(api: CoMagicCaller, comagic: CoMagic) -> None:
    message = comagic.add_message("79990000001", MORNING, ext_id="form-5")
    where = {"communication_ext_id": "form-5", "communication_type": "offline_message"}

    await api.result("set.tag_communications", **where, tag_id=88)
    assert [tag.tag_id for tag in comagic.communication(message, "offline_message").state.tags] == [88]
    assert await api.mnemonic("set.tag_communications", **where, tag_id=5) == "entity_not_found"
    assert await api.mnemonic("set.tag_communications", communication_type="call", tag_id=88) == (
        "required_parameter_missed"
    )
    await api.result("unset.tag_communications", **where, tag_id=88)
    assert comagic.communication(message, "offline_message").state.tags == ()
    assert comagic.history == []


async def test_a_bare_sale_tag_has_no_sum(api: CoMagicCaller, comagic: CoMagic, call: int) -> None:
    target = {"communication_id": call, "communication_type": "call", "tag_id": comagic.sale_tag_id}

    await api.result("set.tag_communications", **target)

    row = await api.row(call)
    assert (len(row["tags"]), row["sale_cost"]) == (1, None)
    assert await api.mnemonic("set.tag_communications", **target) == "duplicate_entity"
    assert await api.mnemonic("set.tag_sales", **sale(call)) == "duplicate_entity"


async def test_other_people_sell_too(api: CoMagicCaller, comagic: CoMagic, call: int) -> None:
    comagic.add_tag(call, "Нецелевой контакт")
    comagic.sell_by_hand(call, "100.10", at=MORNING, comment="вручную")
    tags = (await api.row(call))["tags"]
    comagic.sell_by_hand(call, 200)
    comagic.unsell_by_hand(call)

    assert [tag["tag_name"] for tag in tags] == ["Нецелевой контакт", "Продажа"]
    assert {tag["tag_user_login"] for tag in tags} == {"operator@example.ru"}
    assert [(entry.what, entry.who) for entry in comagic.history] == [
        ("set", "hand"),
        ("replace", "hand"),
        ("unset", "hand"),
    ]
    assert comagic.sales == {}


async def test_a_deleted_communication_is_gone_with_its_sale(api: CoMagicCaller, comagic: CoMagic, call: int) -> None:
    twin = comagic.add_call("79990000001", MORNING)
    await api.sell(twin)
    comagic.delete_communication(twin)

    assert [row["communication_id"] for row in await api.rows()] == [call]
    assert await api.mnemonic("set.tag_sales", **sale(twin)) == "entity_not_found"
    assert comagic.sales == {}


def test_positions_begin_with_the_default() -> None:
    positions = all_positions(CoMagicSwitches, states=True)

    assert {name: options[0] for name, options in positions.items()} == vars(CoMagicSwitches())
    assert not {"ip_blocked", "key"} & all_positions(CoMagicSwitches).keys()

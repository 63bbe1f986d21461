"""Every switch of Agbis does what it says, and changes the form of things, never the money."""

import json
import random
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.sandbox.agbis.simulator import Agbis, AgbisSwitches
from tests.sandbox.switches import all_positions
from tests.sandbox_tests.callers import POST_HEADERS, AgbisCaller

pytestmark = pytest.mark.anyio
WINDOW = {"StartDate": "15.06.2026 00:00", "StopDate": "15.06.2026 23:59"}


@pytest.fixture
def order(agbis: Agbis) -> str:
    client = agbis.add_client("+79990000001", name="Иванова Мария")
    order = agbis.add_order(client, [("Химчистка пальто", "12800.50")], goods=[("Чехол", 150)])
    agbis.pay(order, "12800.50")
    agbis.refund(order, 300)
    return order


async def raw_orders(crm: AgbisCaller) -> str:
    await crm.login()
    body = json.dumps({"OrderByDateTimeForAll": WINDOW, "SessionID": crm.session_id})
    response = await crm.raw("OrderByDateTimeForAll", verb="POST", content=body, headers=POST_HEADERS)
    return response.content.decode()


@pytest.mark.parametrize(
    ("switch", "position", "there", "gone"),
    [
        ("spaces", "plus", "15.06.2026+12:00:00", "%20"),
        ("spaces", "percent", "15.06.2026%2012:00:00", "+"),
        ("orders_key", "order", '"order":', '"orders":'),
        ("key_case", "capitalised", '"Orders":', '"orders":'),
        ("key_case", "upper", '"SRVICES":', '"Srvices":'),
        ("key_case", "lower", '"tovars":', '"Tovars":'),
        ("thousands", "nbsp", '"12%C2%A0800,50"', '"12800,50"'),
        ("thousands", "narrow_nbsp", '"12%E2%80%AF800,50"', '"12800,50"'),
        ("decimal", "dot", '"12800.50"', '"12800,50"'),
        ("whole_sums", "with_decimals", '"300,00"', '"300"'),
        ("error_type", "string", '"error":"0"', '"error":0'),
        ("refund_form", "negative_debet", '"debet":"-300"', '"kredit":"300"'),
        ("doc_date", "date_time", '"doc_date":"15.06.2026+12:00:00"', '"doc_date":"15.06.2026"'),
        ("datetime_seconds", False, '12:00"', "12:00:00"),
        ("colons", "encoded", "12%3A00%3A00", "12:00:00"),
        ("status_key", "status", '"status":"1"', '"status_id":"1","payments"'),
        ("numeric_ids", True, '"dor_id":1062062', '"dor_id":"1062062"'),
    ],
)
async def test_a_switch_shows_on_the_wire(
    crm: AgbisCaller, agbis: Agbis, order: str, switch: str, position: Any, there: str, gone: str
) -> None:
    agbis.switches = replace(AgbisSwitches(spaces="plus"), **{switch: position})

    text = await raw_orders(crm)

    assert there in text
    assert gone not in text


async def test_thousands_may_be_a_space(crm: AgbisCaller, agbis: Agbis, order: str) -> None:
    agbis.switches = AgbisSwitches(thousands="space")

    assert (await crm.orders())[0]["kredit"] == "12 950,50"


async def test_a_bom(crm: AgbisCaller, agbis: Agbis) -> None:
    agbis.switches = AgbisSwitches(bom=True)

    assert (await crm.raw("api_version")).content.startswith(b"\xef\xbb\xbf{")


@pytest.mark.parametrize(("position", "kind"), [("json", "application/json"), ("html", "text/html")])
async def test_content_types(crm: AgbisCaller, agbis: Agbis, position: str, kind: str) -> None:
    agbis.switches = AgbisSwitches(content_type=position)

    for verb in ("GET", "POST"):
        response = await crm.raw("api_version", verb=verb)
        assert response.headers["content-type"] == f"{kind}; charset=UTF-8"


async def test_answers_may_be_deflated(crm: AgbisCaller, agbis: Agbis) -> None:
    agbis.switches = AgbisSwitches(compressed=True)

    response = await crm.raw("api_version")

    assert response.headers["content-encoding"] == "deflate"
    assert response.json() == {"api_version": "1.3"}


@pytest.mark.parametrize(("form", "msg"), [("encoded", "%D0%"), ("plain", "Не "), ("missing", None)])
async def test_forms_of_msg(crm: AgbisCaller, agbis: Agbis, form: str, msg: str | None) -> None:
    agbis.switches = AgbisSwitches(error_msg=form)

    answer = (await crm.raw("NoSuch")).json()

    assert answer["error"] == 103
    assert ("Msg" in answer) == (msg is not None)


@pytest.mark.parametrize(
    ("form", "payments"), [("null", {"payments": None}), ("absent", {}), ("list", {"payments": []})]
)
async def test_no_payments(crm: AgbisCaller, agbis: Agbis, form: str, payments: dict[str, Any]) -> None:
    agbis.switches = AgbisSwitches(payments_empty=form)
    agbis.add_order(agbis.add_client())

    (row,) = await crm.orders()

    assert {key: value for key, value in row.items() if key == "payments"} == payments


async def test_a_refund_may_reduce_or_remove_the_payment(crm: AgbisCaller, agbis: Agbis, order: str) -> None:
    agbis.switches = AgbisSwitches(refund_form="reduced")
    reduced = (await crm.orders())[0]["payments"]
    agbis.refund(order, "12500.50")
    removed = (await crm.orders())[0]["payments"]

    assert [(row["debet"], row["kredit"]) for row in reduced] == [("12500,50", "0")]
    assert removed is None


async def test_a_cancellation_may_keep_the_payments(crm: AgbisCaller, agbis: Agbis, order: str) -> None:
    agbis.switches = AgbisSwitches(cancel_form="compensated")
    agbis.cancel(order)

    (row,) = await crm.orders()

    assert row["debet"] == "0"
    assert [(pay["debet"], pay["kredit"]) for pay in row["payments"]] == [
        ("12800,50", "0"),
        ("0", "300"),
        ("0", "12500,50"),
    ]


async def test_the_minute_of_stop_date_may_be_left_out(crm: AgbisCaller, agbis: Agbis, order: str) -> None:
    agbis.switches = AgbisSwitches(window_end="exclusive")

    assert await crm.orders("15.06.2026 11:00", "15.06.2026 12:00") == []
    assert len(await crm.orders("15.06.2026 12:00", "15.06.2026 12:01")) == 1


async def test_a_bare_plus_decodes_to_a_space(crm: AgbisCaller, agbis: Agbis) -> None:
    agbis.switches = AgbisSwitches(phone_plus="bare")
    client = agbis.add_client("+79990000001")
    await crm.login()

    assert (await crm.get("ContrInfoForAll", {"contr_id": client}))["fone_cell"] == " 79990000001"


async def test_services_may_hang_below_an_item(crm: AgbisCaller, agbis: Agbis, order: str) -> None:
    agbis.switches = AgbisSwitches(nested_lines=True)

    item, service = (await crm.orders())[0]["Srvices"]

    assert (item["kredit"], item["parent_id"]) == ("0", "")
    assert (service["kredit"], service["parent_id"]) == ("12800,50", item["dos_id"])


async def test_rows_may_come_newest_first(crm: AgbisCaller, agbis: Agbis, order: str) -> None:
    other = agbis.add_order(agbis.add_client())
    agbis.switches = AgbisSwitches(row_order="reversed")

    assert [row["dor_id"] for row in await crm.orders()] == [other, order]


async def test_orders_between_may_go_by_payment(crm: AgbisCaller, agbis: Agbis) -> None:
    agbis.switches = AgbisSwitches(orders_between_by="pay_date", pay_date="date")
    agbis.add_order(agbis.add_client())
    await crm.login()
    window = {"StartDate": "15.06.2026", "StopDate": "15.06.2026"}
    unpaid = await crm.post("OrdersBetweenForAll", **window)
    agbis.pay("1062062", 5)
    paid = await crm.post("OrdersBetweenForAll", **window)
    pays = await crm.post("OrderPaysBetweenForAll", **window)

    assert (len(unpaid["orders"]), len(paid["orders"])) == (0, 1)
    assert pays["order_pays"][0]["pay_date"] == "15.06.2026"


@pytest.mark.parametrize("days", [31, 7, 1])
async def test_the_widest_window(crm: AgbisCaller, agbis: Agbis, days: int) -> None:
    agbis.switches = AgbisSwitches(max_window_days=days)
    await crm.login()
    window = {"StartDate": f"{15 - days % 15:02d}.{5 if days == 31 else 6:02d}.2026 00:00"}
    body = {"OrderByDateTimeForAll": window | {"StopDate": "15.06.2026 00:01"}, "SessionID": crm.session_id}

    response = await crm.raw("OrderByDateTimeForAll", verb="POST", content=json.dumps(body), headers=POST_HEADERS)

    assert response.status_code == 504


def test_a_slip_in_a_position_is_told() -> None:
    with pytest.raises(ValueError, match="spaces"):
        AgbisSwitches(spaces="tab")


def test_positions_begin_with_the_default() -> None:
    positions = all_positions(AgbisSwitches, states=True)

    assert positions["expired_code"] == [3, 106, 2]
    assert {name: options[0] for name, options in positions.items()} == vars(AgbisSwitches())
    assert "database_down" not in all_positions(AgbisSwitches)


async def test_no_combination_changes_the_money(crm: AgbisCaller, agbis: Agbis, order: str) -> None:
    positions = all_positions(AgbisSwitches)
    dice = random.Random(5)
    combinations = [{name: option} for name, options in positions.items() for option in options]
    combinations += [{name: dice.choice(options) for name, options in positions.items()} for _ in range(100)]
    for number, combination in enumerate(combinations):
        agbis.switches = AgbisSwitches(**{**combination, "login_guard_seconds": 0})
        await crm.login()
        rows = await crm.orders("15.06.2026 00:00", "15.06.2026 23:59")
        row = {key.lower(): value for key, value in rows[0].items()}
        paid = sum((number_of(pay["debet"]) - number_of(pay["kredit"]) for pay in row["payments"]), Decimal())
        assert paid == number_of(row["debet"]) == Decimal("12500.50"), (number, combination)


def number_of(text: str) -> Decimal:
    return Decimal(text.replace(" ", "").replace("\u00a0", "").replace("\u202f", "").replace(",", "."))

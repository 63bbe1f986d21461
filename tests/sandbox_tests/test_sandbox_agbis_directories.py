"""Price lists and other directories of Agbis, as public pages ask for them, and one order in full."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from tests.sandbox.agbis.simulator import Agbis, AgbisSwitches
from tests.sandbox.agbis.switches import SEEN
from tests.sandbox_tests.callers import AgbisCaller, decoded

pytestmark = pytest.mark.anyio
ITEM = {
    *("id", "folder_id", "tovar_type", "code", "name", "unit", "price", "group_p", "group_c", "top_parent"),
    *("order_addon_pack_id", "sort_index", "is_price_editable", "is_not_for_discount", "is_repair"),
    *("is_percent_price", "additional_text", "short_name", "index", "image_id", "own_times", "duration", "price_id"),
}


@pytest.mark.parametrize(
    "query",
    [
        "PriceList",
        "PriceList=",
        'PriceList={"id":"100489"}',
        "PriceList=%7B%22price_id%22%3A%220%22%7D",
        'PriceList={"price_id":"0"}&json=yes',
    ],
)
async def test_a_page_asks_for_prices_in_its_own_way(crm: AgbisCaller, query: str) -> None:
    answer = await crm.answer(query)

    assert answer["error"] == 0
    assert [row["name"] for row in answer["price_list"]][:2] == ["Химчистка пальто", "Химчистка пуховика"]
    assert all(row.keys() == ITEM for row in answer["price_list"])


@pytest.mark.parametrize(("kind", "goods", "services"), [("0", 2, 11), ("1", 2, 0), ("2", 0, 11)])
async def test_goods_and_services(crm: AgbisCaller, kind: str, goods: int, services: int) -> None:
    rows = (await crm.get("PriceList", {"price_id": "0", "tovar_type": kind}))["price_list"]

    assert [row["tovar_type"] for row in rows] == ["2"] * services + ["1"] * goods


async def test_a_page_builds_its_tree_from_the_items(crm: AgbisCaller) -> None:
    """As a public page does: names of groups begin with a number, an item knows its folder and that folder's parent."""
    folders = {row["folder_id"]: row for row in (await crm.get("PriceTree", {"id": "0"}))["price"]}
    items = (await crm.get("PriceList", {"tovar_type": "0"}))["price_list"]

    for item in items:
        folder = folders[item["folder_id"]]
        parent = folders.get(folder["parent"])
        assert item["group_c"] == folder["name"]
        assert item["group_p"] == (parent["name"] if parent else "")
        assert item["top_parent"] == (parent or folder)["name"]
        assert re.fullmatch(r"([\d.]+)\.\s?(.*)", item["group_c"])
    assert all(isinstance(item["id"], int) for item in items)
    assert {row["parent"] for row in folders.values()} - {"0"} <= folders.keys()


async def test_a_tree_wants_an_id(crm: AgbisCaller, agbis: Agbis) -> None:
    refused = [await crm.answer(query) for query in ("PriceTree", "PriceTree={}")]
    agbis.switches = AgbisSwitches(price_tree_without_id="whole")
    whole = await crm.answer("PriceTree={}")

    assert [answer["error"] for answer in refused] == [105, 105]
    assert len(whole["price"]) == 8
    assert (await crm.get("PriceTree", {"id": "77"}))["price"] == []
    assert (await crm.get("PriceList", {"price_id": "77"}))["price_list"] == []


async def test_the_one_real_answer_that_is_public_was_written_like_this(crm: AgbisCaller, agbis: Agbis) -> None:
    agbis.switches = SEEN
    raw = (await crm.raw("PriceList")).text
    order = agbis.add_order(agbis.add_client(), [("Стирка / глажка: бельё", "10")])
    await crm.login()
    orders = (await crm.raw(f'FullOrderInfo={{"dor_id":"{order}"}}&SessionID={crm.session_id}')).text

    assert "%20" in raw
    assert "%2F" in raw
    assert "+" not in raw
    assert "%3A" not in raw + orders
    assert all(
        isinstance(row["id"], int) and isinstance(row["folder_id"], int) for row in json.loads(raw)["price_list"]
    )
    assert "%20%2F%20" in orders
    assert json.loads(orders)["dor_id"] == int(order)


async def test_both_spellings_decode_to_the_same(crm: AgbisCaller, agbis: Agbis) -> None:
    plain = await crm.answer("PriceTree=%7B%22id%22:%220%22%7D")
    agbis.switches = replace(SEEN, numeric_ids=False)

    assert await crm.answer("PriceTree=%7B%22id%22:%220%22%7D") == plain


@pytest.mark.parametrize(
    ("command", "key"),
    [
        ("ReceptionCenters", "list"),
        ("ContrTree", "list"),
        ("Regions", "regions"),
        ("Cars", "cars"),
        ("AddonTypes", "addon_types"),
        ("AddonPacks", "addon_packs"),
    ],
)
async def test_directories_need_no_session(crm: AgbisCaller, command: str, key: str) -> None:
    answer = await crm.answer(command)

    assert answer["error"] == 0
    assert answer[key]


async def test_directories_that_need_one(crm: AgbisCaller) -> None:
    assert (await crm.answer("PriceLists"))["error"] == 2
    await crm.login()

    assert [row["id"] for row in (await crm.get("PriceLists"))["price_lists"]] == ["0"]
    assert (await crm.get("LastChangeOrder"))["last_orders"] == []


# One order in full


async def test_an_order_in_full_has_goods_and_services_in_one_list(crm: AgbisCaller, agbis: Agbis) -> None:
    order = agbis.add_order(agbis.add_client(), [("Химчистка пальто", "2800.50")], goods=[("Чехол", "150")])
    await crm.login()

    full = await crm.get("FullOrderInfo", {"dor_id": order})

    shown = [(row["name"], row["tovar_type"], row["kredit"]) for row in full["order_services"]]
    assert shown == [("Химчистка пальто", "2", "2800,50"), ("Чехол", "1", "150")]
    assert full["order_dop_info"].keys() >= {"barcode", "firm_id", "sclad_name", "fast_exec_id", "max_bonus_pay"}
    assert full["order_dop_info"]["kredit"] == "2950,50"


@pytest.mark.parametrize(
    ("doc_type", "purse"),
    [("3", "kassa"), ("31", "kassa"), ("4", "bank"), ("9", "card"), ("91", "bonus"), ("92", "deposit")],
)
async def test_money_stands_in_the_purse_of_its_kind(crm: AgbisCaller, agbis: Agbis, doc_type: str, purse: str) -> None:
    order = agbis.add_order(agbis.add_client())
    agbis.pay(order, 100, doc_type=doc_type)
    await crm.login()

    (payment,) = (await crm.get("FullOrderInfo", {"dor_id": order}))["order_payments"]
    (row,) = (await crm.post("OrderPaysBetweenForAll", StartDate="15.06.2026", StopDate="15.06.2026"))["order_pays"]

    debets = {name: value for name, value in payment.items() if name.endswith("_debet")}
    assert {name for name, value in debets.items() if value == "100"} == {f"{purse}_debet"}
    assert sorted(debets.values()) == ["0"] * 4 + ["100"]
    assert (row["doc_type"], row["pay_debet"], row["pay_kredit"]) == (doc_type, "100", "0")


async def test_payments_of_a_period_have_the_documented_fields(crm: AgbisCaller, agbis: Agbis) -> None:
    order = agbis.add_order(agbis.add_client("+79990000001"))
    agbis.pay(order, 100)
    await crm.login()

    (row,) = (await crm.post("OrderPaysBetweenForAll", StartDate="15.06.2026", StopDate="15.06.2026"))["order_pays"]

    assert list(row) == [
        *("dor_id", "doc_num", "contr_id", "contr_name", "teleph_cell", "doc_date", "date_out", "status_id"),
        *("kredit", "debet", "pay_date", "pay_kassa_id", "doc_type", "pay_debet", "pay_kredit"),
    ]


def test_decoding_leaves_numbers_alone() -> None:
    answer: dict[str, Any] = {"id": 500, "name": "%D0%90%20%2F+%2B7"}

    assert decoded(answer) == {"id": 500, "name": "А / +7"}

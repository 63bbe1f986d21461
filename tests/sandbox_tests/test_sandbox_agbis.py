"""The simulator of Agbis against the facts known about it."""

import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.sandbox.agbis.model import LONE_SURROGATE
from tests.sandbox.agbis.simulator import Agbis, AgbisSwitches
from tests.sandbox.clock import ManualClock
from tests.sandbox_tests.callers import POST_HEADERS, AgbisCaller, coded, credentials

pytestmark = pytest.mark.anyio
GUID = re.compile(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}")
WINDOW = {"StartDate": "15.06.2026 00:00", "StopDate": "15.06.2026 23:59"}


def at(agbis: Agbis, text: str) -> datetime:
    return datetime.strptime(text, "%d.%m.%Y %H:%M:%S").replace(tzinfo=agbis.zone)


# 1. Route, command, parameters


@pytest.mark.parametrize("path", ["/cl/demo_clean/api/", "/cl/demo_clean/api", "/cl/demo_clean/api/index.php"])
@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_one_route_three_spellings(crm: AgbisCaller, path: str, verb: str) -> None:
    response = await crm.send(verb, f"{path}?api_version")

    assert response.json() == {"api_version": "1.3"}


async def test_other_paths_are_not_there(crm: AgbisCaller) -> None:
    assert (await crm.send("GET", "/cl/other/api/?api_version")).status_code == 404


async def test_the_www_host_redirects(crm: AgbisCaller) -> None:
    response = await crm.raw("api_version", headers={"Host": "www.himinfo.example"})

    assert response.status_code == 301
    assert response.headers["location"] == "//himinfo.example/cl/demo_clean/api/?api_version"


async def test_the_command_is_the_first_key_that_is_no_other(crm: AgbisCaller) -> None:
    answer = await crm.raw("SessionID=x&json=yes&callback=fn&api_version")

    assert answer.text == 'fn({"api_version":"1.3"})'


@pytest.mark.parametrize("query", ["", "SessionID=1", "NoSuchCommand=%7B%7D"])
async def test_unknown_or_absent_command_is_103(crm: AgbisCaller, query: str) -> None:
    answer = await crm.answer(query)

    assert answer["error"] == 103
    assert answer["Msg"]


async def test_missing_parameters_are_104(crm: AgbisCaller) -> None:
    await crm.login()

    assert (await crm.get("ContrInfoForAll"))["error"] == 104
    assert (await crm.get("ContrInfoForAll", {}))["error"] == 104
    assert (await crm.post("OrderByDateTimeForAll", StartDate="15.06.2026 00:00"))["error"] == 104


@pytest.mark.parametrize("text", ["%7Bbroken", "%5B1%5D", "12"])
async def test_bad_json_is_105(crm: AgbisCaller, text: str) -> None:
    assert (await crm.answer(f"Login={text}"))["error"] == 105


@pytest.mark.parametrize("date", ["2026-06-15 09:00", "15.06.2026", "15.06.2026 09:00:00", "1.6.2026 09:00", ""])
async def test_bad_date_is_105(crm: AgbisCaller, date: str) -> None:
    await crm.login()

    answer = await crm.post("OrderByDateTimeForAll", StartDate=date, StopDate="15.06.2026 10:00")

    assert answer["error"] == 105


async def test_json_encoded_twice_is_error_1(crm: AgbisCaller) -> None:
    twice = coded(credentials()).replace("%", "%25")

    assert (await crm.answer(f"Login={twice}"))["error"] == 1


async def test_an_empty_duplicate_of_the_command_is_tolerated(crm: AgbisCaller) -> None:
    answer = await crm.answer(f"Login=&Login={coded(credentials())}")

    assert answer["error"] == 0


# 2. POST


async def test_post_needs_the_command_in_query_and_body(crm: AgbisCaller) -> None:
    await crm.login()
    body = json.dumps({"OrderByDateTimeForAll": WINDOW, "SessionID": crm.session_id})

    right = await crm.answer("OrderByDateTimeForAll", verb="POST", content=body, headers=POST_HEADERS)
    without_query = await crm.answer("", verb="POST", content=body, headers=POST_HEADERS)
    bare = json.dumps(WINDOW | {"SessionID": crm.session_id})
    without_body = await crm.answer("OrderByDateTimeForAll", verb="POST", content=bare, headers=POST_HEADERS)
    by_get = await crm.get("OrderByDateTimeForAll", WINDOW)

    assert [right["error"], without_query["error"], without_body["error"], by_get["error"]] == [0, 103, 104, 104]


async def test_post_takes_the_session_from_the_body_only(crm: AgbisCaller) -> None:
    await crm.login()
    body = json.dumps({"OrderByDateTimeForAll": WINDOW})
    query = f"OrderByDateTimeForAll&SessionID={crm.session_id}"

    assert (await crm.answer(query, verb="POST", content=body, headers=POST_HEADERS))["error"] == 2


async def test_post_needs_its_content_type(crm: AgbisCaller) -> None:
    await crm.login()
    body = json.dumps({"OrderByDateTimeForAll": WINDOW, "SessionID": crm.session_id})

    answer = await crm.answer("OrderByDateTimeForAll", verb="POST", content=body)

    assert answer["error"] == 105


async def test_strings_of_a_body_may_be_percent_encoded(crm: AgbisCaller) -> None:
    await crm.login()
    window = {key: value.replace(" ", "%20") for key, value in WINDOW.items()}

    assert (await crm.post("OrderByDateTimeForAll", **window))["error"] == 0


# 3. Sessions


async def test_login_gives_guids_in_upper_case(crm: AgbisCaller) -> None:
    answer = await crm.login()

    assert answer["error"] == 0
    assert GUID.fullmatch(answer["Session_id"])
    assert GUID.fullmatch(answer["Refresh_id"])
    assert answer["User_ID"] == "1022"


async def test_the_password_of_the_documentation_hashes_as_there(clock: ManualClock) -> None:
    crm = AgbisCaller(Agbis(clock, password="1234"))

    answer = await crm.login("1234")

    assert credentials("1234")["Pwd"].startswith("7110eda4")
    assert credentials("1234")["Pwd"].endswith("0220")
    assert answer["error"] == 0


async def test_a_cyrillic_user_logs_in(clock: ManualClock) -> None:
    crm = AgbisCaller(Agbis(clock, user="Робот"))

    assert (await crm.login(user="Робот"))["error"] == 0


async def test_wrong_credentials(crm: AgbisCaller, agbis: Agbis) -> None:
    first = await crm.login("wrong")
    agbis.switches = AgbisSwitches(wrong_credentials_code=1)
    second = await crm.login(user="nobody")

    assert first == {"error": 2, "Msg": "Не авторизован"}
    assert second["error"] == 1


async def test_a_session_lives_ten_minutes(crm: AgbisCaller, clock: ManualClock) -> None:
    await crm.login()
    clock.advance(timedelta(minutes=9, seconds=59))
    alive = await crm.get("ValidSessionID")
    clock.advance(timedelta(seconds=1))
    expired = await crm.get("ValidSessionID")

    assert alive == {"error": 0, "contr_id": "123"}
    assert expired["error"] == 3


async def test_use_prolongs_a_session_by_switch(crm: AgbisCaller, agbis: Agbis, clock: ManualClock) -> None:
    agbis.switches = AgbisSwitches(session_slides=True)
    await crm.login()
    for _ in range(3):
        clock.advance(timedelta(minutes=9))
        assert (await crm.get("ValidSessionID"))["error"] == 0


async def test_unknown_session_is_106_and_no_session_is_2(crm: AgbisCaller) -> None:
    assert (await crm.get("ValidSessionID", session_id="0BE170AB"))["error"] == 106
    assert (await crm.get("ValidSessionID"))["error"] == 2


@pytest.mark.parametrize("code", [3, 106, 2])
async def test_code_of_an_expired_session(crm: AgbisCaller, agbis: Agbis, code: int) -> None:
    agbis.switches = AgbisSwitches(expired_code=code)
    await crm.login()
    agbis.expire_sessions()

    assert (await crm.get("ValidSessionID"))["error"] == code


async def test_refresh_rotates_both_ids(crm: AgbisCaller, agbis: Agbis) -> None:
    await crm.login()
    agbis.expire_sessions()
    old_session, old_refresh = crm.session_id, crm.refresh_id

    answer = await crm.refresh()

    assert answer["error"] == 0
    assert "User_ID" not in answer
    assert crm.session_id != old_session
    assert crm.refresh_id != old_refresh
    assert (await crm.get("ValidSessionID"))["error"] == 0
    assert (await crm.get("ValidSessionID", session_id=old_session))["error"] == 106
    assert (await crm.refresh(old_refresh))["error"] == 106


async def test_a_refresh_id_can_be_too_old(crm: AgbisCaller, agbis: Agbis, clock: ManualClock) -> None:
    agbis.switches = AgbisSwitches(refresh_life_minutes=10)
    await crm.login()
    clock.advance(timedelta(minutes=11))

    assert (await crm.refresh())["error"] == 3
    assert (await crm.login())["error"] == 0


async def test_logout_ends_the_session(crm: AgbisCaller) -> None:
    await crm.login()

    assert (await crm.get("Logout"))["error"] == 0
    assert (await crm.get("ValidSessionID"))["error"] == 106


@pytest.mark.parametrize("kills", [False, True])
async def test_a_new_login_may_end_the_older_session(crm: AgbisCaller, agbis: Agbis, kills: bool) -> None:
    agbis.switches = AgbisSwitches(login_kills_older=kills, login_guard_seconds=0)
    await crm.login()
    older = crm.session_id
    await crm.login()

    assert (await crm.get("ValidSessionID", session_id=older))["error"] == (106 if kills else 0)


async def test_a_second_login_is_429_for_two_minutes(crm: AgbisCaller, clock: ManualClock) -> None:
    query = f"Login={coded(credentials())}"
    await crm.login()
    clock.advance(timedelta(seconds=60))
    statuses = [(await crm.raw(query)).status_code]
    clock.advance(timedelta(seconds=119))
    statuses.append((await crm.raw(query)).status_code)
    clock.advance(timedelta(seconds=1))
    statuses.append((await crm.raw(query)).status_code)

    assert statuses == [429, 429, 200]


async def test_the_guard_can_answer_102_or_be_off(crm: AgbisCaller, agbis: Agbis) -> None:
    agbis.switches = AgbisSwitches(throttle_form="error_102")
    await crm.login()
    second = await crm.login()
    agbis.switches = AgbisSwitches(login_guard_seconds=0)
    third = await crm.login()

    assert [second["error"], third["error"]] == [102, 0]


async def test_hasty_data_commands_are_throttled_by_switch(crm: AgbisCaller, agbis: Agbis) -> None:
    agbis.switches = AgbisSwitches(min_gap_seconds=1, throttle_form="error_102")
    await crm.login()

    assert (await crm.get("ValidSessionID"))["error"] == 0
    assert (await crm.get("ValidSessionID"))["error"] == 102


# 4. Escapes


async def test_escapes_arrive_empty(clock: ManualClock) -> None:
    crm = AgbisCaller(Agbis(clock, user="Робот"))
    text = json.dumps(credentials(user="Робот"))  # ensure_ascii writes \u0420...

    answer = await crm.answer(f"Login={coded(json.loads(text)).replace('%D0%A0', '%5Cu0420')}")

    assert answer["error"] == 2


async def test_an_escaped_date_of_a_body_is_empty(crm: AgbisCaller) -> None:
    await crm.login()
    window = '{"StartDate":"15.06.2026\\u002009:00","StopDate":"15.06.2026 10:00"}'
    body = f'{{"OrderByDateTimeForAll":{window},"SessionID":"{crm.session_id}"}}'

    answer = await crm.answer("OrderByDateTimeForAll", verb="POST", content=body, headers=POST_HEADERS)

    assert answer["error"] == 105


# 6. and 7. Data and windows


async def test_the_example_of_an_order_with_a_refund(crm: AgbisCaller, agbis: Agbis) -> None:
    client = agbis.add_client("+79990000001", name="Иванова Мария")
    moment = at(agbis, "12.06.2026 11:05:40")
    services = [("Химчистка пальто", "2800.50"), ("Стирка пуховика", "1500")]
    order = agbis.add_order(client, services, at=moment)
    agbis.pay(order, 2500, at=moment)
    agbis.pay(order, "1800.50", at=at(agbis, "15.06.2026 14:20:00"))
    agbis.refund(order, 300, at=at(agbis, "15.06.2026 14:31:02"))
    agbis.set_status(order, 3, at=moment)

    (row,) = await crm.orders("15.06.2026 14:31", "15.06.2026 14:31")

    expected = {
        "update": "15.06.2026 14:31:02",
        "dor_id": "1062062",
        "contr_id": client,
        "kredit": "4300,50",
        "debet": "4000,50",
        "dolg": "300",
        "doc_date": "12.06.2026",
        "status": "3",
        "status_id": "3",
        "status_name": "В исполнении",
        "Tovars": [],
    }
    assert expected.items() <= row.items()
    assert [(line["service"], line["kredit"]) for line in row["Srvices"]] == [
        ("Химчистка пальто", "2800,50"),
        ("Стирка пуховика", "1500"),
    ]
    assert [(pay["date_pay"], pay["debet"], pay["kredit"]) for pay in row["payments"]] == [
        ("12.06.2026 11:05:40", "2500", "0"),
        ("15.06.2026 14:20:00", "1800,50", "0"),
        ("15.06.2026 14:31:02", "0", "300"),
    ]
    assert agbis.net(order) == 400_050


async def test_the_example_of_a_cancelled_order(crm: AgbisCaller, agbis: Agbis) -> None:
    order = agbis.add_order(agbis.add_client("+79990000001"))
    agbis.pay(order, "2800.50")
    agbis.cancel(order)

    (row,) = await crm.orders()
    full = await crm.get("FullOrderInfo", {"dor_id": order})

    assert [row[key] for key in ("kredit", "debet", "dolg", "status", "payments")] == ["0", "0", "0", "7", None]
    assert [(line["service"], line["kredit"], line["status_id"]) for line in row["Srvices"]] == [
        ("Химчистка пальто", "0", "7")
    ]
    assert full["order_services"] == []


async def test_an_empty_window(crm: AgbisCaller) -> None:
    await crm.login()

    assert await crm.post("OrderByDateTimeForAll", **WINDOW) == {"error": 0, "orders": []}


async def test_values_are_encoded_strings(crm: AgbisCaller, agbis: Agbis) -> None:
    order = agbis.add_order(agbis.add_client("+79990000001", name="Иванова Мария"))
    agbis.pay(order, 1)
    await crm.login()
    body = json.dumps({"OrderByDateTimeForAll": WINDOW, "SessionID": crm.session_id})

    response = await crm.raw("OrderByDateTimeForAll", verb="POST", content=body, headers=POST_HEADERS)
    row = response.json()["orders"][0]

    assert {type(value) for key, value in row.items() if key not in ("Srvices", "Tovars", "payments")} == {str}
    assert row["status_name"] == "%D0%9D%D0%BE%D0%B2%D1%8B%D0%B9"
    assert response.headers["content-type"] == "text/html; charset=UTF-8"
    # Both spellings of a space in one answer, as in the documentation's own example.
    assert "+" in response.text
    assert "%20" in response.text


async def test_orders_are_found_by_update_to_the_minute(crm: AgbisCaller, agbis: Agbis) -> None:
    order = agbis.add_order(
        agbis.add_client(), at=at(agbis, "15.06.2026 10:05:59"), doc_date=at(agbis, "16.06.2026 00:00:00")
    )

    assert [row["dor_id"] for row in await crm.orders("15.06.2026 10:05", "15.06.2026 10:05")] == [order]
    assert await crm.orders("15.06.2026 10:06", "15.06.2026 10:10") == []
    assert await crm.orders("16.06.2026 00:00", "16.06.2026 23:59") == []


async def test_orders_between_go_by_doc_date(crm: AgbisCaller, agbis: Agbis) -> None:
    agbis.add_order(agbis.add_client(), doc_date=at(agbis, "14.06.2026 23:59:59"))
    await crm.login()

    found = await crm.post("OrdersBetweenForAll", StartDate="14.06.2026", StopDate="14.06.2026")
    other = await crm.post("OrdersBetweenForAll", StartDate="15.06.2026", StopDate="15.06.2026")

    assert [row["doc_date"] for row in found["orders"]] == ["14.06.2026"]
    assert "update" not in found["orders"][0]
    assert found["orders"][0]["doc_time"] == "23:59:59"
    assert other["orders"] == []


async def test_payments_go_by_their_own_date(crm: AgbisCaller, agbis: Agbis) -> None:
    client = agbis.add_client("+79990000001", name="Иванова Мария")
    order = agbis.add_order(client, at=at(agbis, "01.06.2026 10:00:00"))
    agbis.pay(order, "1800.50", at=at(agbis, "15.06.2026 14:20:00"))
    agbis.refund(order, 300, at=at(agbis, "15.06.2026 14:31:00"))
    await crm.login()

    answer = await crm.post("OrderPaysBetweenForAll", StartDate="15.06.2026", StopDate="15.06.2026")

    rows = answer["order_pays"]
    assert [(row["doc_type"], row["pay_debet"], row["pay_kredit"]) for row in rows] == [
        ("31", "1800,50", "0"),
        ("32", "0", "300"),
    ]
    assert rows[0]["teleph_cell"] == "+79990000001"
    assert rows[0]["contr_name"] == "Иванова Мария"
    assert rows[0]["pay_date"] == "15.06.2026 14:20:00"


async def test_too_wide_a_window_is_a_504_page(crm: AgbisCaller) -> None:
    await crm.login()
    window = {"StartDate": "01.01.2026 00:00", "StopDate": "15.06.2026 00:00"}
    body = json.dumps({"OrderByDateTimeForAll": window, "SessionID": crm.session_id})

    response = await crm.raw("OrderByDateTimeForAll", verb="POST", content=body, headers=POST_HEADERS)

    assert response.status_code == 504
    assert response.text.startswith("<html>")


async def test_thirty_days_pass(crm: AgbisCaller) -> None:
    assert await crm.orders("16.05.2026 00:00", "15.06.2026 00:00") == []


# Clients


async def test_a_client_by_id(crm: AgbisCaller, agbis: Agbis) -> None:
    client = agbis.add_client("+79990000001", landline="8 (495) 000-00-01", name="Иванова Мария")
    await crm.login()

    answer = await crm.get("ContrInfoForAll", {"contr_id": client})
    response = await crm.raw(f"ContrInfoForAll={coded({'contr_id': client})}&SessionID={crm.session_id}")

    assert (answer["fone_cell"], answer["fone"]) == ("+79990000001", "8 (495) 000-00-01")
    assert response.json()["fone_cell"] == "%2B79990000001"
    assert response.headers["content-type"] == "application/json; charset=UTF-8"


async def test_unknown_and_deleted_clients(crm: AgbisCaller, agbis: Agbis) -> None:
    client = agbis.add_client("+79990000001")
    agbis.delete_client(client)
    await crm.login()

    unknown = await crm.get("ContrInfoForAll", {"contr_id": "1"})
    agbis.switches = AgbisSwitches(not_found_form="empty")
    deleted = await crm.get("ContrInfoForAll", {"contr_id": client})

    assert unknown["error"] == 1
    assert deleted["error"] == 0
    assert deleted["fone_cell"] == deleted["contr_id"] == ""


async def test_changed_clients_of_a_window(crm: AgbisCaller, agbis: Agbis, clock: ManualClock) -> None:
    client = agbis.add_client("+79990000001")
    clock.advance(timedelta(hours=1))
    agbis.change_phone(client, "89990000002")
    await crm.login()

    before = await crm.post("ClientsByDateTimeForAll", StartDate="15.06.2026 12:00", StopDate="15.06.2026 12:59")
    after = await crm.post("ClientsByDateTimeForAll", StartDate="15.06.2026 13:00", StopDate="15.06.2026 13:00")

    assert before["clients"] == []
    (row,) = after["clients"]
    assert (row["contr_id"], row["teleph_cell"], row["is_deleted"]) == (client, "89990000002", "0")
    assert row["update"] == "15.06.2026 13:00:00"


async def test_a_client_by_phone_needs_the_plus(crm: AgbisCaller, agbis: Agbis) -> None:
    client = agbis.add_client("+79990000001")
    await crm.login()

    assert (await crm.get("ContragInfoForAll", {"teleph_cell": "+79990000001"}))["contr_id"] == client
    assert (await crm.get("ContragInfoForAll", {"teleph_cell": "79990000001"}))["error"] == 1


async def test_one_order_and_its_renamed_fields(crm: AgbisCaller, agbis: Agbis) -> None:
    order = agbis.add_order(agbis.add_client())
    agbis.pay(order, 100)
    await crm.login()

    full = await crm.get("FullOrderInfo", {"dor_id": order})
    old = await crm.get("OrderInfoForAll", {"dor_id": order})
    status = await crm.get("GetStatusOrder", {"doc_num": agbis.orders[order].number}, session_id="")

    assert full["order_dop_info"]["contragent_id"] == agbis.orders[order].client_id
    assert full["order_services"][0].keys() >= {"tovar_id", "name", "qty_kredit"}
    assert full["order_payments"][0]["kassa_debet"] == "100"
    assert old["order"]["contr_id"] == agbis.orders[order].client_id
    assert (status["Msg"], status["status_id"]) == ("Новый", "1")


async def test_helpers_answer_without_a_session(crm: AgbisCaller, agbis: Agbis) -> None:
    for command, params in [("ExecutedApiCount", None), ("ReceptionCenters", None), ("PriceList", {"price_id": "0"})]:
        assert (await crm.get(command, params))["error"] == 0


async def test_a_database_that_is_down_answers_108_to_all_but_the_gateway(crm: AgbisCaller, agbis: Agbis) -> None:
    agbis.switches = AgbisSwitches(database_down=True)

    assert await crm.login() == {"error": 108, "Msg": "Сервер недоступен!"}
    assert (await crm.get("api_version")) == {"api_version": "1.3"}


# 9. Events


async def test_every_event_of_an_order_bumps_it(crm: AgbisCaller, agbis: Agbis, clock: ManualClock) -> None:
    client, other = agbis.add_client(), agbis.add_client()
    order = agbis.add_order(client)
    events: list[Any] = [
        lambda: agbis.pay(order, 100),
        lambda: agbis.refund(order, 50),
        lambda: agbis.move_order(order, other),
        lambda: agbis.set_status(order, 5),
        lambda: agbis.set_status(order, 3),
        lambda: agbis.change_price(order, "3640.40"),
        lambda: agbis.touch(order),
        lambda: agbis.cancel(order),
    ]
    for event in events:
        clock.advance(timedelta(minutes=1))
        event()
        assert agbis.orders[order].update == clock.now()
    assert agbis.orders[order].client_id == other


async def test_a_late_order_surfaces_with_an_old_update(crm: AgbisCaller, agbis: Agbis) -> None:
    client = agbis.add_client()
    old = at(agbis, "15.06.2026 08:00:00")

    order = agbis.late_order(client, at_update=old, paid="100.10")

    assert agbis.orders[order].update == old
    assert agbis.net(order) == 10_010
    assert [row["dor_id"] for row in await crm.orders("15.06.2026 08:00", "15.06.2026 08:00")] == [order]


async def test_a_deleted_order_stops_appearing(crm: AgbisCaller, agbis: Agbis) -> None:
    order = agbis.add_order(agbis.add_client())
    agbis.delete_order(order)

    assert await crm.orders() == []


@pytest.mark.parametrize(
    ("how", "seen"),
    [
        ("no_id", ("", "12345", "2500", "15.06.2026")),
        ("no_client", ("1062062", "", "2500", "15.06.2026")),
        ("bad_sum", ("1062062", "12345", "1 5OO", "15.06.2026")),
        ("bad_date", ("1062062", "12345", "2500", "31.02.2026")),
    ],
)
async def test_a_row_can_be_spoiled_and_mended(crm: AgbisCaller, agbis: Agbis, how: str, seen: tuple[str, ...]) -> None:
    key = agbis.add_order(agbis.add_client("79261234567"))
    agbis.pay(key, "2500")
    sound = await crm.orders()
    agbis.spoil(key, how)

    row = (await crm.orders())[0]

    payment = row["payments"][0]
    assert (row["dor_id"], row["contr_id"], payment["debet"], payment["date_pay"][:10]) == seen
    agbis.mend(key)
    assert await crm.orders() == sound


async def test_a_lone_surrogate_is_a_real_one_in_the_answer(crm: AgbisCaller, agbis: Agbis) -> None:
    agbis.add_order(agbis.add_client("79261234567"), [(f"a{LONE_SURROGATE}b", "1")])

    assert (await crm.orders())[0]["Srvices"][0]["service"] == "a\ud800b"


async def test_payments_can_come_without_touching_the_order(agbis: Agbis, clock: ManualClock) -> None:
    agbis.switches = AgbisSwitches(payment_bumps_update=False, refund_bumps_update=False)
    order = agbis.add_order(agbis.add_client())
    entered = clock.now()
    clock.advance(timedelta(days=1))
    agbis.pay(order, 100)
    agbis.refund(order, 10)

    assert agbis.orders[order].update == entered


@pytest.mark.parametrize("event", ["pay", "refund"])
async def test_one_payment_can_come_without_touching_the_order(agbis: Agbis, clock: ManualClock, event: str) -> None:
    order = agbis.add_order(agbis.add_client())
    entered = clock.now()
    clock.advance(timedelta(days=1))

    getattr(agbis, event)(order, 100, touches=False)

    assert (agbis.orders[order].update, len(agbis.orders[order].payments)) == (entered, 1)


def test_ids_come_from_two_ranges(agbis: Agbis) -> None:
    client = agbis.add_client()

    assert int(agbis.add_order(client)) > int(agbis.add_order(client, via_api=True))


def test_a_float_is_no_money(agbis: Agbis) -> None:
    order = agbis.add_order(agbis.add_client())

    with pytest.raises(TypeError):
        agbis.pay(order, 10.5)  # type: ignore[arg-type]

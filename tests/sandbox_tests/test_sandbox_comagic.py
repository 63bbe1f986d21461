"""The simulator of CoMagic against the facts known about it: envelope, access, limits, errors."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.sandbox.clock import ManualClock
from tests.sandbox.comagic.errors import ERRORS
from tests.sandbox.comagic.simulator import CoMagic, CoMagicSwitches
from tests.sandbox_tests.callers import JUNE, CoMagicCaller, envelope, sale

pytestmark = pytest.mark.anyio


async def refused(api: CoMagicCaller, body: Any) -> Any:
    response = await api.send(body)
    assert response.status_code == 200
    return response.json()


# Transport


async def test_one_path_one_verb(api: CoMagicCaller) -> None:
    body = envelope("get.account")
    answers = [
        await api.send(body),
        await api.send(body, path="/v2.0/"),
        await api.send(body, path="/v1.0"),
        await api.send(body, verb="GET"),
        await api.send(body, headers={}),
    ]

    assert [answer.status_code for answer in answers] == [200, 404, 404, 405, 200]
    assert answers[0].headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-www-form-urlencoded", None])
async def test_any_content_type_works(api: CoMagicCaller, kind: str | None) -> None:
    """The documents demand one; clients that send others, or none, work."""
    response = await api.send(envelope("get.account"), headers={"Content-Type": kind} if kind else {})

    assert "result" in response.json()


async def test_the_account(api: CoMagicCaller) -> None:
    result = await api.result("get.account")

    assert result["data"] == [{"app_id": 4735, "name": "Химчистка", "timezone": "Europe/Moscow"}]
    assert result["metadata"]["total_items"] == 1
    assert result["metadata"]["version"] is None


@pytest.mark.parametrize("identity", ["c2f1e0", 17, "17"])
async def test_the_id_is_echoed_as_given(api: CoMagicCaller, identity: str | int) -> None:
    good = (await api.send(envelope("get.account") | {"id": identity})).json()
    bad = (await api.send(envelope("get.nothing") | {"id": identity})).json()

    assert good["id"] == bad["id"] == identity


async def test_names_beside_params_are_tolerated(api: CoMagicCaller) -> None:
    answer = (await api.send(envelope("get.account") | {"extra": 1})).json()

    assert "result" in answer


# The order of the checks: JSON, array, id, jsonrpc, method, token, IP, account, limits, rights, params


@pytest.mark.parametrize(
    ("body", "mnemonic", "code"),
    [
        (b"{broken", "parse_error", -32700),
        (b'{"id": NaN}', "parse_error", -32700),
        ([envelope("get.account")], "batch_operations_not_supported", -32099),
        ("text", "invalid_request", -32600),
        ({"jsonrpc": "1.0"}, "notifications_not_supported", -32099),
        ({"id": True, "jsonrpc": "2.0", "method": "get.account"}, "invalid_request", -32600),
        ({"id": None, "jsonrpc": "2.0", "method": "get.account"}, "invalid_request", -32600),
        ({"id": 1, "jsonrpc": "1.0", "method": "get.account"}, "invalid_request", -32600),
        ({"id": 1, "jsonrpc": "2.0"}, "invalid_request", -32600),
        ({"id": 1, "jsonrpc": "2.0", "method": "get.account", "params": []}, "invalid_request", -32600),
        ({"id": 1, "jsonrpc": "2.0", "method": "get.nothing"}, "method_not_found", -32601),
        ({"id": 1, "jsonrpc": "2.0", "method": "get.account"}, "required_parameter_missed", -32602),
    ],
)
async def test_broken_envelopes(api: CoMagicCaller, body: Any, mnemonic: str, code: int) -> None:
    answer = await refused(api, body)

    assert answer["error"]["data"]["mnemonic"] == mnemonic
    assert answer["error"]["code"] == code
    assert answer["error"]["message"] == ERRORS[mnemonic][1]
    assert "result" not in answer


async def test_an_unparsed_request_has_no_id_to_echo(api: CoMagicCaller) -> None:
    assert (await refused(api, b"{broken"))["id"] is None
    assert (await refused(api, [envelope("get.account")]))["id"] is None


async def test_checks_come_in_their_order(api: CoMagicCaller, comagic: CoMagic) -> None:
    """Everything is wrong at once; each repair brings the next complaint."""
    comagic.day_limit = 1
    await api.result("get.account")
    comagic.switches = CoMagicSwitches(key="blocked", ip_blocked=True, account_active=False, tag_rights="select")
    wrong: dict[str, Any] = {"access_token": "no", "surplus": 1}
    seen = [await api.mnemonic("set.tag_sales", **wrong)]
    wrong["access_token"] = "token"
    repairs: list[dict[str, Any]] = [{}, {"key": "valid"}, {"ip_blocked": False}, {"account_active": True}]
    for repair in repairs:
        comagic.switches = replace(comagic.switches, **repair)
        seen.append(await api.mnemonic("set.tag_sales", **wrong))
    comagic.day_limit = None
    seen.append(await api.mnemonic("set.tag_sales", **wrong))
    comagic.switches = replace(comagic.switches, tag_rights="update")
    seen.append(await api.mnemonic("set.tag_sales", **wrong))
    del wrong["surplus"]
    seen.append(await api.mnemonic("set.tag_sales", **wrong))
    seen.append(await api.mnemonic("set.tag_sales", **wrong, **sale(1, "x")))
    seen.append(await api.mnemonic("set.tag_sales", **wrong, **sale(1, comment="x" * 256)))
    seen.append(await api.mnemonic("set.tag_sales", **wrong, **sale(1)))

    assert seen == [
        "access_token_invalid",
        "access_token_blocked",
        "ip_not_whitelisted",
        "account_inactive",
        "limit_exceeded",
        "forbidden",
        "unexpected_parameters",
        "required_parameter_missed",
        "data_type_error",
        "invalid_parameter_value",
        "entity_not_found",
    ]


# Access


async def test_key_expired(api: CoMagicCaller, comagic: CoMagic) -> None:
    comagic.switches = CoMagicSwitches(key="expired")

    error = await api.error("get.account")

    assert (error["code"], error["message"]) == (-32001, "Access token has been expired")


async def test_ip_blocked_tells_the_address(api: CoMagicCaller, comagic: CoMagic) -> None:
    comagic.switches = CoMagicSwitches(ip_blocked=True)

    error = await api.error("get.account")

    assert error["code"] == -32003
    assert error["data"]["params"] == {"ip": "127.0.0.1"}
    assert error["message"] == "Your IP 127.0.0.1 is not whitelisted"


async def test_a_login_session_ends_after_an_hour(api: CoMagicCaller, clock: ManualClock) -> None:
    answer = await api.send(login("secret"))
    data = answer.json()["result"]["data"]
    token = {"access_token": data["access_token"]}

    await api.result("get.account", **token)
    clock.advance(timedelta(hours=1))

    assert data["expire_at"] == int(clock.now().timestamp())
    assert await api.mnemonic("get.account", **token) == "access_token_invalid"


async def test_logout_ends_the_session(api: CoMagicCaller) -> None:
    token = (await api.send(login("secret"))).json()["result"]["data"]["access_token"]

    assert await api.result("logout.user", access_token=token) == {"data": {}}
    assert await api.mnemonic("get.account", access_token=token) == "access_token_invalid"


async def test_wrong_password(api: CoMagicCaller) -> None:
    error = (await api.send(login("wrong"))).json()["error"]

    assert (error["code"], error["message"]) == (-32001, "Login or password is wrong")


def login(password: str) -> dict[str, Any]:
    params = {"login": "robot@example.ru", "password": password}
    return {"jsonrpc": "2.0", "id": "1", "method": "login.user", "params": params}


async def test_rights_on_tags(api: CoMagicCaller, comagic: CoMagic) -> None:
    comagic.switches = CoMagicSwitches(tag_rights="select")
    await api.result("get.tags")
    assert await api.mnemonic("unset.tag_communications", **sale(1)) == "forbidden"
    comagic.switches = CoMagicSwitches(tag_rights="none")
    assert await api.mnemonic("get.tags") == "forbidden"


async def test_a_component_that_is_off(api: CoMagicCaller, comagic: CoMagic) -> None:
    comagic.switches = CoMagicSwitches(consultant=False)

    error = await api.error("get.chats_report", **JUNE)

    assert error["code"] == -32008
    assert error["data"]["params"] == {"components": ["call_tracking", "consultant", "lead", "sitephone"]}
    assert await api.mnemonic("get.offline_messages_report", **JUNE) == "method_component_disabled"
    await api.result("get.calls_report", **JUNE)


# Limits


async def test_points_are_taken_for_successes_only(api: CoMagicCaller, comagic: CoMagic) -> None:
    comagic.minute_limit, comagic.day_limit = 60, 3000
    first = await api.result("get.tags")
    error = await api.error("get.calls_report", date_from="x", date_till="y")
    await api.send(login("secret"))
    second = await api.result("get.tags")

    assert first["metadata"]["limits"] == {
        "day_limit": 3000,
        "day_remaining": 2999,
        "day_reset": 12 * 3600,
        "minute_limit": 60,
        "minute_remaining": 59,
        "minute_reset": 60,
    }
    assert error["data"]["metadata"]["limits"]["minute_remaining"] == 59
    assert second["metadata"]["limits"]["minute_remaining"] == 58
    assert comagic.points_used == 2


async def test_a_spent_minute_lasts_until_the_clock_s_next(
    api: CoMagicCaller, comagic: CoMagic, clock: ManualClock
) -> None:
    comagic.minute_limit = 2
    clock.advance(timedelta(seconds=37))
    await api.result("get.tags")
    await api.result("get.tags")

    error = await api.error("get.tags")

    assert error["code"] == -32029
    assert error["message"] == ("Limit per minute has been exceeded. Value of current limit per minute is 2")
    assert error["data"]["params"] == {"limit_type": "minute", "limit_max_value": 2}
    assert error["data"]["metadata"]["limits"]["minute_reset"] == 23
    clock.advance(timedelta(seconds=22))
    assert await api.mnemonic("get.tags") == "limit_exceeded"
    clock.advance(timedelta(seconds=1))
    await api.result("get.tags")


async def test_a_spent_day_lasts_until_midnight_of_the_account(
    api: CoMagicCaller, comagic: CoMagic, clock: ManualClock
) -> None:
    comagic.day_limit = 100
    comagic.quota.spend_rest_of_day()

    error = await api.error("get.tags")

    assert error["data"]["params"]["limit_type"] == "day"
    assert error["data"]["metadata"]["limits"]["day_remaining"] == 0
    clock.advance(timedelta(hours=12, seconds=-1))
    assert await api.mnemonic("get.tags") == "limit_exceeded"
    clock.advance(timedelta(seconds=1))
    await api.result("get.tags")


async def test_limit_exceeded_may_be_http_429(api: CoMagicCaller, comagic: CoMagic) -> None:
    comagic.switches = CoMagicSwitches(limit_status=429)
    comagic.minute_limit = 1
    await api.result("get.tags")

    response = await api.send(envelope("get.tags"))

    assert response.status_code == 429
    assert response.json()["error"]["data"]["mnemonic"] == "limit_exceeded"


@pytest.mark.parametrize(("position", "metadata"), [("empty", {"limits": {}}), ("absent", {})])
async def test_limits_may_not_be_told(
    api: CoMagicCaller, comagic: CoMagic, position: str, metadata: dict[str, Any]
) -> None:
    comagic.switches = CoMagicSwitches(limits_in_metadata=position)

    result = await api.result("get.tags")
    error = await api.error("get.tags", limit=0)

    assert {key: value for key, value in result["metadata"].items() if key == "limits"} == metadata
    assert {key: value for key, value in error["data"]["metadata"].items() if key == "limits"} == metadata


async def test_errors_may_have_no_id(api: CoMagicCaller, comagic: CoMagic) -> None:
    comagic.switches = CoMagicSwitches(error_id="null")

    assert (await api.answer("get.tags", limit=0))["id"] is None
    assert (await api.answer("get.tags"))["id"] == "c2f1e0"


# Parameters


@pytest.mark.parametrize(
    ("params", "mnemonic", "field"),
    [
        ({"surplus": 1}, "unexpected_parameters", "surplus"),
        ({"date_from": None}, "required_parameter_missed", "date_from"),
        ({"date_from": 5}, "data_type_error", "date_from"),
        ({"limit": "10"}, "data_type_error", "limit"),
        ({"limit": True}, "data_type_error", "limit"),
        ({"filter": []}, "data_type_error", "filter"),
        ({"sort": {}}, "data_type_error", "sort"),
        ({"limit": 10001}, "invalid_parameter_value", "limit"),
        ({"limit": 0}, "invalid_parameter_value", "limit"),
        ({"offset": 100001}, "invalid_parameter_value", "offset"),
        ({"offset": -1}, "invalid_parameter_value", "offset"),
        ({"date_from": "2026-06-01T00:00:00"}, "invalid_parameter_value", "date_from"),
        ({"date_from": "2026-06-01 00:00:00Z"}, "invalid_parameter_value", "date_from"),
        ({"date_from": "2026-06-01 00:00:00.5"}, "invalid_parameter_value", "date_from"),
        ({"date_from": "2026-6-1 00:00:00"}, "invalid_parameter_value", "date_from"),
        ({"date_from": "2026-06-16 00:00:00"}, "invalid_parameter_value", "date_till"),
        ({"date_from": "2026-03-15 23:59:58"}, "date_interval_limit_reached", "date_from"),
        ({"fields": ["id", "no"]}, "invalid_parameter_value", "fields[1]"),
        ({"fields": [1]}, "data_type_error", "fields[0]"),
        ({"sort": [{"field": "no"}]}, "unexpected_parameters", "sort[0].field"),
        ({"sort": [{"field": "id"}]}, "sort_prohibited", "sort[0].field"),
        ({"sort": [{"field": "start_time", "order": "up"}]}, "invalid_parameter_value", "sort[0].order"),
        ({"sort": [{"order": "asc"}]}, "required_parameter_missed", "sort[0].field"),
    ],
)
async def test_wrong_parameters_of_a_report(
    api: CoMagicCaller, params: dict[str, Any], mnemonic: str, field: str
) -> None:
    error = await api.error("get.calls_report", **JUNE | params)

    assert error["data"]["mnemonic"] == mnemonic
    assert error["data"]["field"] == field
    assert error["data"].keys() == {"mnemonic", "field", "value", "params", "extended_helper", "metadata"}


async def test_exactly_three_months_pass(api: CoMagicCaller) -> None:
    await api.result("get.calls_report", **JUNE | {"date_from": "2026-03-15 23:59:59"})


async def test_data_older_than_three_months_by_switch(api: CoMagicCaller, comagic: CoMagic) -> None:
    comagic.switches = CoMagicSwitches(interval_rule="age")
    old = {"date_from": "2026-02-01 00:00:00", "date_till": "2026-02-02 00:00:00"}

    assert await api.mnemonic("get.calls_report", **old) == "date_interval_limit_reached"


async def test_unknown_field_may_be_unexpected(api: CoMagicCaller, comagic: CoMagic) -> None:
    comagic.switches = CoMagicSwitches(unknown_field_error="unexpected_parameters")

    assert await api.mnemonic("get.calls_report", **JUNE, fields=["no"]) == "unexpected_parameters"


# Tags and sites


async def test_the_sale_tag_is_found_among_the_system_tags(api: CoMagicCaller, comagic: CoMagic) -> None:
    comagic.add_tag_name("Свой тег")
    wanted = {"field": "is_system", "operator": "=", "value": True}

    russian = (await api.result("get.tags", limit=10000, filter=wanted))["data"]
    comagic.switches = CoMagicSwitches(sale_tag_name="Sale")
    english = (await api.result("get.tags", filter=wanted, sort=[{"field": "name", "order": "desc"}]))["data"]

    assert {"id": comagic.sale_tag_id, "name": "Продажа", "is_system": True} in russian
    assert "Свой тег" not in [tag["name"] for tag in russian]
    assert "Sale" in [tag["name"] for tag in english]
    assert comagic.sale_tag_id != 1555


async def test_sites_tell_whether_sales_are_on(api: CoMagicCaller, comagic: CoMagic) -> None:
    site = comagic.add_site("example.net", sales_enabled=False)
    result = await api.result("get.sites", fields=["id", "domain_name", "sales_enabled"])

    assert {"id": 25187, "domain_name": "example.ru", "sales_enabled": True} in result["data"]
    assert {"id": site, "domain_name": "example.net", "sales_enabled": False} in result["data"]


async def test_requests_are_recorded_without_secrets(api: CoMagicCaller, comagic: CoMagic) -> None:
    await api.result("get.tags", limit=5)
    await api.error("get.tags", limit=0)

    assert [(record.method, record.params, record.outcome) for record in comagic.requests] == [
        ("get.tags", {"limit": 5}, "ok"),
        ("get.tags", {"limit": 0}, "error invalid_parameter_value"),
    ]
    assert comagic.count("get.tags") == 2

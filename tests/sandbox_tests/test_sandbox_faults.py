"""Faults: what a client feels of each, and whether anything has been done."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.sandbox.agbis.simulator import Agbis
from tests.sandbox.clock import ManualClock, SystemClock
from tests.sandbox.comagic.simulator import CoMagic
from tests.sandbox.faults import COMMON_KINDS, Fault
from tests.sandbox.serve import serve_in_thread
from tests.sandbox_tests.callers import POST_HEADERS, AgbisCaller, CoMagicCaller, envelope, sale
from tests.support.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.anyio
MORNING = datetime(2026, 6, 15, 7, tzinfo=UTC)


async def felt(api: CoMagicCaller, comagic: CoMagic, fault: Fault) -> tuple[str, bool]:
    """Try to sell under a fault; return the outcome and whether the sale stands."""
    call = comagic.add_call("79990000001", MORNING)
    comagic.fail(fault)
    try:
        response = await api.send(envelope("set.tag_sales", **sale(call)))
    except httpx.TransportError as error:
        return type(error).__name__, ("call", call) in comagic.sales
    try:
        answer = response.json()
    except ValueError:
        return f"{response.status_code} no JSON", ("call", call) in comagic.sales
    has = "error" if "error" in answer else "result" if "result" in answer else "neither"
    return f"{response.status_code} {has}", ("call", call) in comagic.sales


@pytest.mark.parametrize(
    ("kind", "outcome", "done"),
    [
        ("http_500", "500 no JSON", False),
        ("http_502_html", "502 no JSON", False),
        ("http_503", "503 no JSON", False),
        ("http_504_html", "504 no JSON", False),
        ("http_429", "429 no JSON", False),
        ("not_json", "200 no JSON", False),
        ("truncated_json", "200 no JSON", False),
        ("empty_body", "200 no JSON", False),
        ("empty_success", "200 result", False),
        ("reset_before", "ReadError", False),
        ("timeout_before", "ReadTimeout", False),
        ("connect_error", "ConnectError", False),
        ("reset_after", "RemoteProtocolError", True),
        ("timeout_after", "ReadTimeout", True),
        ("http_502_after", "502 no JSON", True),
        ("not_json_after", "200 no JSON", True),
        ("truncated_after", "200 no JSON", True),
        ("slow", "200 result", True),
        ("error", "200 error", False),
        ("error_unknown_mnemonic", "200 error", False),
        ("no_result", "200 neither", False),
        ("no_data", "200 result", False),
        ("limit_exceeded_minute", "200 error", False),
        ("limit_exceeded_day", "200 error", False),
        ("id_mismatch", "200 result", True),
    ],
)
async def test_faults_of_comagic(api: CoMagicCaller, comagic: CoMagic, kind: str, outcome: str, done: bool) -> None:
    assert await felt(api, comagic, Fault("set.tag_sales", kind)) == (outcome, done)
    assert comagic.requests[-1].fault == kind
    assert (await felt(api, comagic, Fault("get.tags", kind))) == ("200 result", True)


async def test_an_error_can_come_after_the_effect(api: CoMagicCaller, comagic: CoMagic) -> None:
    fault = Fault("*", "error", params={"mnemonic": "internal_error", "after": True})

    assert await felt(api, comagic, fault) == ("200 error", True)


@pytest.mark.parametrize("mnemonic", ["limit_exceeded", "internal_error", "entity_not_found", "access_token_expired"])
async def test_any_mnemonic_can_be_ordered(api: CoMagicCaller, comagic: CoMagic, mnemonic: str) -> None:
    comagic.fail(Fault("get.tags", "error", params={"mnemonic": mnemonic}))

    error = await api.error("get.tags")

    assert error["data"]["mnemonic"] == mnemonic
    assert "{" not in error["message"]


async def test_a_limit_without_metadata(api: CoMagicCaller, comagic: CoMagic) -> None:
    comagic.fail(Fault("get.tags", "limit_exceeded_day"))
    comagic.fail(Fault("get.tags", "limit_exceeded_day", params={"metadata": False}))

    shown, silent = await api.error("get.tags"), await api.error("get.tags")

    assert shown["data"]["metadata"]["limits"]["day_remaining"] == 0
    assert silent["data"]["metadata"] == {}


async def test_a_stranger_s_id(api: CoMagicCaller, comagic: CoMagic) -> None:
    comagic.fail(Fault("get.tags", "id_mismatch"))

    answer = await api.answer("get.tags")

    assert answer["id"] == "someone-elses"
    assert answer["result"]["data"]


async def test_faults_are_skipped_and_counted(api: CoMagicCaller, comagic: CoMagic) -> None:
    comagic.fail(Fault("get.tags", "http_503", times=2, skip=1))
    statuses = [(await api.send(envelope(method))).status_code for method in ["get.tags", "get.sites"] * 4]

    assert statuses == [200, 200, 503, 200, 503, 200, 200, 200]
    assert comagic.faults == []


async def test_a_fault_for_ever(api: CoMagicCaller, comagic: CoMagic) -> None:
    comagic.fail(Fault(kind="http_503", times=None))

    assert {(await api.send(envelope("get.tags"))).status_code for _ in range(5)} == {503}
    comagic.faults.clear()
    assert (await api.send(envelope("get.tags"))).status_code == 200


async def test_an_unknown_kind_is_the_test_s_mistake(api: CoMagicCaller, comagic: CoMagic) -> None:
    comagic.fail(Fault(kind="no such thing"))

    with pytest.raises(ValueError, match="no such thing"):
        await api.send(envelope("get.tags"))


async def test_a_slow_answer_moves_the_clock(api: CoMagicCaller, comagic: CoMagic, clock: ManualClock) -> None:
    before = clock.now()
    comagic.fail(Fault("get.tags", "slow", params={"seconds": 40}))
    await api.result("get.tags")

    assert clock.now() - before == timedelta(seconds=40)


# Agbis


@pytest.mark.parametrize(
    ("fault", "error", "msg"),
    [
        (Fault("ValidSessionID", "error"), 108, "Сервер недоступен!"),
        (Fault("ValidSessionID", "error", params={"code": 102, "msg": "Часто"}), 102, "Часто"),
        (Fault("ValidSessionID", "error", params={"code": 3}), 3, None),
        (Fault("ValidSessionID", "error_as_string", params={"code": 108}), "108", None),
        (Fault("ValidSessionID", "session_lost"), 106, "Неверный SessionID"),
        (Fault("ValidSessionID", "empty_success"), 0, None),
        (Fault("ValidSessionID", "bom"), 0, None),
        (Fault("ValidSessionID", "wrong_content_type"), 0, None),
    ],
)
async def test_faults_of_agbis(crm: AgbisCaller, agbis: Agbis, fault: Fault, error: int | str, msg: str | None) -> None:
    await crm.login()
    agbis.fail(fault)

    answer = await crm.get("ValidSessionID")

    assert (answer["error"], answer.get("Msg")) == (error, msg)


async def test_faults_of_agbis_on_the_wire(crm: AgbisCaller, agbis: Agbis) -> None:
    for kind in ("bom", "wrong_content_type", "http_403_json"):
        agbis.fail(Fault("api_version", kind))
    bom, typed, forbidden = [await crm.raw("api_version") for _ in range(3)]

    assert bom.content.startswith(b"\xef\xbb\xbf")
    assert typed.headers["content-type"] == "text/plain; charset=windows-1251"
    assert (forbidden.status_code, forbidden.json()["error"]) == (403, 403)


@pytest.mark.parametrize(
    ("kind", "keys"), [("no_orders_key", {"error", "Msg"}), ("empty_success", {"error", "orders"})]
)
async def test_orders_that_are_not_there(crm: AgbisCaller, agbis: Agbis, kind: str, keys: set[str]) -> None:
    await crm.login()
    agbis.add_order(agbis.add_client())
    agbis.fail(Fault("OrderByDateTimeForAll", kind))

    answer = await crm.post("OrderByDateTimeForAll", StartDate="15.06.2026 00:00", StopDate="15.06.2026 23:59")

    assert answer.keys() == keys


READABLE = ("slow", "rewritten", "drip")
"""Kinds whose answer is JSON; the tests below have them."""


@pytest.mark.parametrize("kind", [kind for kind in COMMON_KINDS if kind not in READABLE])
async def test_common_faults_hit_agbis_too(crm: AgbisCaller, agbis: Agbis, kind: str) -> None:
    await crm.login()
    agbis.fail(Fault("OrderByDateTimeForAll", kind))
    window = {"StartDate": "15.06.2026 00:00", "StopDate": "15.06.2026 23:59"}
    body = json.dumps({"OrderByDateTimeForAll": window, "SessionID": crm.session_id})
    request = crm.raw("OrderByDateTimeForAll", verb="POST", content=body, headers=POST_HEADERS)
    if kind.startswith(("reset", "timeout", "connect")):
        with pytest.raises(httpx.TransportError):
            await request
    elif kind == "empty_success":
        assert (await request).json() == {"error": 0, "orders": []}
    elif kind == "deep_json":
        assert (await request).text.count("[") == 900
    elif kind.startswith("http"):
        assert (await request).status_code == int(kind[5:8])
    else:
        with pytest.raises(ValueError):  # noqa: PT011  (any kind of JSON error)
            (await request).json()


async def test_an_answer_can_be_rewritten_and_can_drip(crm: AgbisCaller, agbis: Agbis) -> None:
    await crm.login()
    window = {"StartDate": "15.06.2026 00:00", "StopDate": "15.06.2026 23:59"}
    agbis.fail(Fault("OrderByDateTimeForAll", "rewritten", params={"pattern": '"error": ?0', "by": '"error":7'}))
    agbis.fail(Fault("OrderByDateTimeForAll", "drip", params={"seconds": 2}))

    assert (await crm.post("OrderByDateTimeForAll", **window))["error"] == 7
    began = agbis.clock.now()
    assert (await crm.post("OrderByDateTimeForAll", **window))["orders"] == []
    assert agbis.clock.now() - began >= timedelta(seconds=40)


async def test_an_answer_names_the_delay_that_a_test_wants(crm: AgbisCaller, agbis: Agbis) -> None:
    agbis.fail(Fault("Login", "http_503", params={"retry_after": 90}))

    answer = await crm.raw("Login")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "90")


# Over real sockets


@pytest.mark.parametrize(
    ("kind", "error", "done"),
    [
        ("reset_before", httpx.RemoteProtocolError, False),
        ("reset_after", httpx.RemoteProtocolError, True),
        ("timeout_before", httpx.ReadTimeout, False),
        ("timeout_after", httpx.ReadTimeout, True),
    ],
)
def test_faults_over_sockets(kind: str, error: type[Exception], done: bool) -> None:
    comagic = CoMagic(SystemClock())
    now = comagic.clock.now()
    call = comagic.add_call("79990000001", now - timedelta(hours=1))
    body = envelope("set.tag_sales", **sale(call, date_time=comagic.local.text(int(now.timestamp()) - 60)))
    comagic.fail(Fault("set.tag_sales", kind))
    # Only the hangs may run into the limit, and only after the sandbox has the request: a server that has not read it
    # when the client goes away does nothing.
    hangs = kind.startswith("timeout")
    limits = httpx.Timeout(PATIENCE, read=0.2) if hangs else httpx.Timeout(PATIENCE)

    def wait_for_the_sandbox(event: str, _details: Any) -> None:
        if hangs and event == "http11.receive_response_headers.started":
            wait_until(lambda: bool(comagic.requests), "the sandbox has the request")

    with serve_in_thread(comagic) as url, httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False) as http:
        with pytest.raises(error):
            http.post("/v2.0", json=body, timeout=limits, extensions={"trace": wait_for_the_sandbox})
        assert http.post("/v2.0", json=envelope("get.tags")).status_code == 200
        assert bool(comagic.sales) is done


def test_a_hang_ends_by_itself_over_sockets() -> None:
    comagic = CoMagic(SystemClock())
    comagic.fail(Fault("get.tags", "timeout_before", params={"seconds": 0.05}))
    with serve_in_thread(comagic) as url, pytest.raises(httpx.RemoteProtocolError):
        httpx.post(f"{url}/v2.0", json=envelope("get.tags"), timeout=PATIENCE, trust_env=False)

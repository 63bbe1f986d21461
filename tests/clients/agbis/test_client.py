"""The CRM client on the simulator: what it reads, what it repeats, and what it raises."""

from __future__ import annotations

import asyncio
import re
import traceback
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from crm_bridge.clients.agbis import client as module
from crm_bridge.domain.aggregate import Client
from crm_bridge.errors import (
    RemoteError,
    RemoteProtocolError,
    RemoteRejected,
    RemoteTimeout,
    RemoteUnavailable,
    RunStopped,
)
from tests.clients.harness import AgbisHarness, Clock, agbis_of
from tests.sandbox.agbis.simulator import AgbisSwitches
from tests.sandbox.faults import Fault
from tests.sandbox.switches import all_positions
from tests.support.factories import ANNA, BORIS, NOON

pytestmark = pytest.mark.anyio

ORDERS, CLIENTS, CLIENT = "OrderByDateTimeForAll", "ClientsByDateTimeForAll", "ContrInfoForAll"
POSITIONS = [(name, value) for name, values in all_positions(AgbisSwitches).items() for value in values]


@pytest.fixture
def harness() -> AgbisHarness:
    return AgbisHarness()


def fill(harness: AgbisHarness) -> tuple[str, str]:
    """Add a client, and an order of 14000.50 net that has two services, a product, two payments and a refund."""
    agbis = harness.agbis
    client = agbis.add_client("+79261234567", at=harness.ago(hours=5))
    order = agbis.add_order(
        client,
        [("Химчистка пальто", "12800.50"), ("Стирка пуховика", "1500")],
        goods=[("Чехол", "0")],
        at=harness.ago(hours=4),
    )
    agbis.pay(order, "12500", at=harness.ago(hours=4))
    agbis.pay(order, "1800.50", at=harness.ago(hours=2))
    agbis.refund(order, "300", at=harness.ago(hours=1))
    return client, order


@pytest.mark.parametrize(("name", "value"), POSITIONS)
async def test_everything_is_read_right_in_every_position_of_every_switch(name: str, value: Any) -> None:
    harness = AgbisHarness(**{name: value})
    client_id, order_id = fill(harness)
    crm = harness.client()
    since, until = harness.ago(hours=6), harness.clock.now() + timedelta(minutes=1)

    orders = (await crm.orders_changed(since, until)).orders
    clients = await crm.clients_changed(since, until)

    assert [(order.order_id, order.client_id, order.net_kopecks) for order in orders] == [
        (order_id, client_id, 1_400_050)
    ]
    order = orders[0]
    assert order.changed_at == NOON - timedelta(hours=1)
    assert order.last_paid_at == NOON - timedelta(hours=2)
    assert order.services == ("Химчистка пальто", "Стирка пуховика", "Чехол")
    assert clients == [Client(client_id=client_id, phone=ANNA, seen_at=NOON)]
    assert await crm.client(client_id) == clients[0]
    assert await crm.client("424242") is None


@pytest.mark.parametrize("form", ["payments_removed", "compensated"])
async def test_a_cancelled_order_has_no_money(form: str) -> None:
    harness = AgbisHarness(cancel_form=form)
    _, order_id = fill(harness)
    harness.agbis.cancel(order_id)

    orders = (await harness.client().orders_changed(harness.ago(hours=6), harness.clock.now())).orders

    assert [order.net_kopecks for order in orders] == [0]


@pytest.mark.parametrize("url", [AgbisHarness.URL, AgbisHarness.URL.rstrip("/"), f"{AgbisHarness.URL}index.php"])
async def test_every_spelling_of_the_address_works(harness: AgbisHarness, url: str) -> None:
    fill(harness)

    assert len((await harness.client(url=url).orders_changed(harness.ago(hours=6), harness.clock.now())).orders) == 1


async def test_a_cyrillic_user_can_log_in() -> None:
    harness = AgbisHarness()
    harness.agbis._commands.user = "Анна Иванова"

    crm = harness.client(harness.session(user="Анна Иванова"))

    assert (await crm.orders_changed(harness.ago(hours=1), harness.clock.now())).orders == []


async def test_bounds_go_out_in_local_time_to_the_minute(harness: AgbisHarness) -> None:
    since = datetime(2026, 6, 14, 20, 59, 59, tzinfo=UTC)

    await harness.client().orders_changed(since, since + timedelta(hours=1, seconds=1))

    assert harness.agbis.requests[-1].params == {"StartDate": "14.06.2026 23:59", "StopDate": "15.06.2026 01:00"}


async def test_every_request_is_counted_by_its_command(harness: AgbisHarness) -> None:
    client_id, _ = fill(harness)
    crm = harness.client()
    await crm.orders_changed(harness.ago(hours=6), harness.clock.now())
    await crm.client(client_id)

    assert crm.requests == {"Login": 1, ORDERS: 1, CLIENT: 1}
    assert sum(crm.requests.values()) == len(harness.agbis.requests)


async def test_one_request_at_a_time_is_under_way(harness: AgbisHarness) -> None:
    harness.agbis.latency = 0.001
    session = harness.session()
    first, second = harness.client(session), harness.client(session)

    await asyncio.gather(*(crm.client(str(number)) for number in range(5) for crm in (first, second)))

    assert harness.agbis.max_in_flight == 1


class TestSession:
    @pytest.mark.parametrize("code", [3, 2, 106])
    async def test_a_refused_session_is_renewed_and_the_call_repeated(self, code: int) -> None:
        harness = AgbisHarness(expired_code=code)
        fill(harness)
        crm = harness.client()
        await crm.orders_changed(harness.ago(hours=6), harness.clock.now())
        harness.agbis.expire_sessions()

        assert len((await crm.orders_changed(harness.ago(hours=6), harness.clock.now())).orders) == 1
        assert crm.requests == {"Login": 1, "RefreshSession": 1, ORDERS: 3}

    async def test_a_server_that_has_forgotten_everything_costs_one_login(self, harness: AgbisHarness) -> None:
        fill(harness)
        crm = harness.client()
        await crm.orders_changed(harness.ago(hours=6), harness.clock.now())
        harness.agbis.sessions.forget()

        assert len((await crm.orders_changed(harness.ago(hours=6), harness.clock.now())).orders) == 1
        assert crm.requests == {"Login": 2, "RefreshSession": 1, ORDERS: 3}

    @pytest.mark.parametrize("code", [3, 2, 106])
    async def test_a_second_refusal_is_final(self, harness: AgbisHarness, code: int) -> None:
        harness.agbis.fail(Fault(ORDERS, "error", times=None, params={"code": code}))
        crm = harness.client()

        with pytest.raises(RemoteRejected) as raised:
            await crm.orders_changed(harness.ago(hours=1), harness.clock.now())

        assert raised.value.code == str(code)
        assert crm.requests == {"Login": 1, "RefreshSession": 1, ORDERS: 2}

    async def test_a_login_that_times_out_does_not_look_like_a_window_that_is_too_wide(
        self, harness: AgbisHarness
    ) -> None:
        harness.agbis.fail(Fault("Login", "timeout_before", times=None))
        crm = harness.client()

        with pytest.raises(RemoteUnavailable) as raised:
            await crm.orders_changed(harness.ago(hours=6), harness.clock.now())

        assert not isinstance(raised.value, RemoteTimeout)
        assert crm.requests == {"Login": 2}


def windows(harness: AgbisHarness) -> list[tuple[str, ...]]:
    """The windows of orders that were asked for."""
    return [tuple(record.params.values()) for record in harness.agbis.requests if record.method == ORDERS]


def orders_of_hours(harness: AgbisHarness, hours: int, *, each: int) -> set[str]:
    """Add so many orders in the middle of each of the last hours."""
    client = harness.agbis.add_client(ANNA)
    return {
        harness.agbis.add_order(client, at=harness.ago(hours=hour + 0.5)) for hour in range(hours) for _ in range(each)
    }


class TestWindows:
    @pytest.mark.parametrize("kind", ["http_504_html", "timeout_before"])
    async def test_a_window_that_is_too_wide_is_halved_and_never_asked_again(
        self, harness: AgbisHarness, kind: str
    ) -> None:
        fill(harness)
        harness.agbis.fail(Fault(ORDERS, kind))
        crm = harness.client()

        orders = await harness.orders(crm, NOON - timedelta(hours=6), NOON)

        assert {order.order_id for order in orders} == set(harness.agbis.orders)
        assert windows(harness) == [
            ("15.06.2026 06:00", "15.06.2026 12:00"),
            ("15.06.2026 06:00", "15.06.2026 09:00"),
            ("15.06.2026 09:00", "15.06.2026 12:00"),
        ]
        assert harness.clock.slept == []

    @pytest.mark.parametrize("end", ["inclusive", "exclusive"])
    async def test_no_order_falls_between_the_halves(self, end: str) -> None:
        harness = AgbisHarness(max_window_days=1, window_end=end)
        client = harness.agbis.add_client(ANNA)
        made = {harness.agbis.add_order(client, at=harness.ago(hours=hours)) for hours in range(1, 24 * 6)}

        orders = await harness.orders(harness.client(), harness.ago(days=6), harness.clock.now())

        assert {order.order_id for order in orders} == made

    async def test_clients_are_halved_too(self) -> None:
        harness = AgbisHarness(max_window_days=1)
        made = {harness.agbis.add_client(ANNA, at=harness.ago(hours=hours)) for hours in range(1, 48)}

        clients = await harness.client().clients_changed(harness.ago(days=2), harness.clock.now())

        assert {client.client_id for client in clients} == made

    async def test_a_window_is_halved_down_to_a_minute_and_then_fails(self, harness: AgbisHarness) -> None:
        harness.agbis.fail(Fault(ORDERS, "http_504_html", times=None))
        crm = harness.client()

        with pytest.raises(RemoteTimeout):
            await crm.orders_changed(harness.ago(days=1), harness.clock.now())

        assert crm.requests[ORDERS] <= 12
        last = harness.agbis.requests[-1].params
        assert last["StartDate"][:-2] == last["StopDate"][:-2]

    async def test_an_answer_that_is_too_large_halves_the_window_and_the_next_part_is_no_wider(
        self, harness: AgbisHarness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "PART_BYTES", 40_000)
        made = orders_of_hours(harness, 8, each=10)

        orders = await harness.orders(harness.client(), NOON - timedelta(hours=8), NOON)

        assert {order.order_id for order in orders} == made
        assert windows(harness)[:4] == [
            ("15.06.2026 04:00", "15.06.2026 12:00"),
            ("15.06.2026 04:00", "15.06.2026 08:00"),
            ("15.06.2026 04:00", "15.06.2026 06:00"),
            ("15.06.2026 06:00", "15.06.2026 08:00"),
        ]

    async def test_clients_in_an_answer_that_is_too_large_are_read_in_parts(
        self, harness: AgbisHarness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "PART_BYTES", 5_000)
        made = {harness.agbis.add_client(ANNA, at=harness.ago(minutes=10 * number)) for number in range(1, 48)}

        clients = await harness.client().clients_changed(harness.ago(hours=8), harness.clock.now())

        assert {client.client_id for client in clients} == made

    async def test_one_minute_may_have_an_answer_as_large_as_any(
        self, harness: AgbisHarness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "PART_BYTES", 1000)
        client = harness.agbis.add_client(ANNA)
        made = {harness.agbis.add_order(client, at=NOON - timedelta(minutes=7)) for _ in range(20)}

        orders = await harness.orders(harness.client(), NOON - timedelta(hours=1), NOON)

        assert {order.order_id for order in orders} == made

    async def test_parts_follow_the_number_of_their_rows(
        self, harness: AgbisHarness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "PART_ROWS", 40)
        crm, made = harness.client(), orders_of_hours(harness, 8, each=10)
        await harness.orders(crm, NOON - timedelta(hours=8), NOON)
        harness.agbis.requests.clear()

        orders = await harness.orders(crm, NOON - timedelta(hours=8), NOON)

        assert {order.order_id for order in orders} == made
        assert windows(harness)[0] == ("15.06.2026 04:00", "15.06.2026 08:00")
        for _ in range(4):  # quiet again: parts grow
            await harness.orders(crm, NOON - timedelta(days=9), NOON - timedelta(days=8))
        harness.agbis.requests.clear()
        await harness.orders(crm, NOON - timedelta(days=9), NOON - timedelta(days=8))
        assert len(windows(harness)) == 1

    async def test_small_parts_do_not_hide_that_the_format_has_changed(
        self, harness: AgbisHarness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "PART_BYTES", 20_000)
        for key in sorted(orders_of_hours(harness, 8, each=10)):
            harness.agbis.spoil(key, "bad_sum", at=harness.agbis.orders[key].update)

        with pytest.raises(RemoteProtocolError, match="orders cannot be read"):
            await harness.orders(harness.client(), NOON - timedelta(hours=8), NOON)


PASSING: list[dict[str, Any]] = [
    {"kind": "http_500"},
    {"kind": "http_502_html"},
    {"kind": "http_503"},
    {"kind": "reset_before"},
    {"kind": "reset_after"},
    {"kind": "connect_error"},
    {"kind": "not_json"},
    {"kind": "truncated_json"},
    {"kind": "empty_body"},
    *({"kind": "error", "params": {"code": code}} for code in (100, 101, 107, 108, 109)),
]


class TestRepeating:
    @pytest.mark.parametrize("fault", PASSING, ids=str)
    async def test_a_call_is_repeated_after_a_failure_that_passes(
        self, harness: AgbisHarness, fault: dict[str, Any]
    ) -> None:
        fill(harness)
        harness.agbis.fail(Fault(ORDERS, times=2, **fault))
        crm = harness.client()

        assert len((await crm.orders_changed(harness.ago(hours=6), harness.clock.now())).orders) == 1
        assert crm.requests[ORDERS] == 3
        assert 10 <= sum(harness.clock.slept) <= 12

    @pytest.mark.parametrize("fault", PASSING, ids=str)
    async def test_a_failure_that_does_not_pass_is_raised_after_three_tries(
        self, harness: AgbisHarness, fault: dict[str, Any]
    ) -> None:
        harness.agbis.fail(Fault(ORDERS, times=None, **fault))
        crm = harness.client()
        garbled = fault["kind"] in {"not_json", "truncated_json", "empty_body"}

        with pytest.raises(RemoteProtocolError if garbled else RemoteUnavailable) as raised:
            await crm.orders_changed(harness.ago(hours=6), harness.clock.now())

        assert raised.value.system == "Agbis"
        assert crm.requests[ORDERS] == 3

    async def test_a_look_up_that_times_out_is_repeated(self, harness: AgbisHarness) -> None:
        client_id, _ = fill(harness)
        harness.agbis.fail(Fault(CLIENT, "timeout_before", times=2))

        assert await harness.client().client(client_id) is not None

    @pytest.mark.parametrize("form", ["http", "error_102"])
    async def test_after_a_block_the_client_waits_and_then_asks_more_slowly(self, form: str) -> None:
        harness = AgbisHarness(throttle_form=form, min_gap_seconds=1)
        client_id, _ = fill(harness)
        crm = harness.client()
        for _ in range(5):
            assert await crm.client(client_id) is not None

        refused = [record for record in harness.agbis.requests if record.outcome in {"http 429", "error 102"}]
        assert len(refused) == 1
        assert max(harness.clock.slept) >= 120

    @pytest.mark.parametrize("fault", [{"kind": "http_429"}, {"kind": "error", "params": {"code": 102}}], ids=str)
    async def test_a_block_that_does_not_end_is_raised_with_its_length(
        self, harness: AgbisHarness, fault: dict[str, Any]
    ) -> None:
        harness.agbis.fail(Fault(ORDERS, times=None, **fault))
        crm = harness.client()

        with pytest.raises(RemoteUnavailable) as raised:
            await crm.orders_changed(harness.ago(hours=6), harness.clock.now())

        assert raised.value.retry_after == 120
        assert crm.requests[ORDERS] == 3
        assert sum(harness.clock.slept) >= 240

    @pytest.mark.parametrize("code", [1, 103, 104, 105, 117, 4711])
    async def test_a_refusal_is_not_repeated(self, harness: AgbisHarness, code: int) -> None:
        harness.agbis.fail(Fault(ORDERS, "error", params={"code": code, "msg": "Ошибка"}))
        crm = harness.client()

        with pytest.raises(RemoteRejected, match=f"error {code}: Ошибка") as raised:
            await crm.orders_changed(harness.ago(hours=6), harness.clock.now())

        assert raised.value.code == str(code)
        assert crm.requests[ORDERS] == 1

    async def test_a_success_without_its_list_is_a_protocol_error(self, harness: AgbisHarness) -> None:
        harness.agbis.fail(Fault(ORDERS, "no_orders_key"))

        with pytest.raises(RemoteProtocolError, match="orders"):
            await harness.client().orders_changed(harness.ago(hours=6), harness.clock.now())

    async def test_a_wrong_content_type_does_not_matter(self, harness: AgbisHarness) -> None:
        fill(harness)
        harness.agbis.fail(Fault(ORDERS, "wrong_content_type"))

        assert len((await harness.client().orders_changed(harness.ago(hours=6), harness.clock.now())).orders) == 1


class TestStatus:
    async def test_a_redirect_is_not_followed_and_names_the_setting(self, harness: AgbisHarness) -> None:
        crm = harness.client(url="http://www.agbis.test/cl/demo_clean/api/")

        with pytest.raises(RemoteProtocolError, match="AGBIS_URL to the bare host") as raised:
            await crm.orders_changed(harness.ago(hours=6), harness.clock.now())

        assert "/cl/" not in str(raised.value)

    async def test_a_wrong_path_is_a_refusal(self, harness: AgbisHarness) -> None:
        crm = harness.client(url="http://agbis.test/cl/another/api/")

        with pytest.raises(RemoteRejected, match="HTTP 404"):
            await crm.orders_changed(harness.ago(hours=6), harness.clock.now())

    async def test_a_status_may_come_with_an_error_of_its_own(self, harness: AgbisHarness) -> None:
        harness.agbis.fail(Fault(ORDERS, "http_403_json"))

        with pytest.raises(RemoteRejected, match="error 403: Forbidden"):
            await harness.client().orders_changed(harness.ago(hours=6), harness.clock.now())

    @pytest.mark.parametrize(
        "failure",
        [
            httpx.ReadTimeout("https://h/?SessionID=S"),
            httpx.PoolTimeout("https://h/?SessionID=S"),
            httpx.WriteError("https://h/?SessionID=S"),
            httpx.ProxyError("https://h/?SessionID=S"),
            httpx.UnsupportedProtocol("https://h/?SessionID=S"),
            httpx.DecodingError("https://h/?SessionID=S"),
            httpx.TooManyRedirects("https://h/?SessionID=S"),
            httpx.InvalidURL("https://h/?SessionID=S"),
        ],
        ids=lambda failure: type(failure).__name__,
    )
    async def test_no_error_of_httpx_leaves_the_client(self, failure: Exception) -> None:
        def fail(request: httpx.Request) -> httpx.Response:
            raise failure

        with pytest.raises(RemoteError) as raised:
            await agbis_of(fail).client("5")

        assert "https://h" not in str(raised.value)


async def test_no_secret_is_in_an_error_or_its_causes(harness: AgbisHarness) -> None:
    harness.agbis.fail(Fault(ORDERS, "http_502_html", times=None))

    with pytest.raises(RemoteUnavailable) as raised:
        await harness.client().orders_changed(harness.ago(hours=6), harness.clock.now())

    text = "".join(traceback.format_exception(raised.value))
    known = harness.memory.saved[-1]
    for secret in (known.session_id, known.refresh_id, "agbis.test", "e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4"):
        assert secret not in text


async def test_a_client_that_changed_its_phone_is_read_with_the_new_one(harness: AgbisHarness) -> None:
    client_id, _ = fill(harness)
    crm = harness.client()
    harness.agbis.change_phone(client_id, "8 (903) 111-22-33")

    assert [client.phone for client in await crm.clients_changed(harness.ago(minutes=5), harness.clock.now())] == [
        BORIS
    ]
    assert await crm.client(client_id) == Client(client_id=client_id, phone=BORIS, seen_at=NOON)


async def test_error_1_of_a_look_up_means_that_there_is_no_such_client(harness: AgbisHarness) -> None:
    harness.agbis.switches = replace(harness.agbis.switches, not_found_form="error_1")

    assert await harness.client().client("1") is None


async def test_the_given_clock_is_the_only_source_of_time(harness: AgbisHarness) -> None:
    clock = Clock(NOON + timedelta(days=400))
    crm = agbis_of(lambda _: httpx.Response(200, json={"error": 0, "contr_id": "5", "fone_cell": ANNA}), clock)

    assert await crm.client("5") == Client(client_id="5", phone=ANNA, seen_at=clock.now())


class TestTime:
    """Every wait ends at the run's deadline, and a delay that Agbis names is kept."""

    @pytest.mark.parametrize("form", ["http_429", "error_102"])
    async def test_a_block_that_would_outlast_the_run_is_raised_at_once(self, harness: AgbisHarness, form: str) -> None:
        kind, params = ("http_429", {}) if form == "http_429" else ("error", {"code": 102})
        harness.agbis.fail(Fault(ORDERS, kind, times=None, params=params))
        client = harness.client(time=harness.time(timedelta(seconds=100)))

        with pytest.raises(RemoteUnavailable) as raised:
            await client.orders_changed(harness.ago(hours=1), harness.clock.now())

        assert raised.value.retry_after == 120
        assert harness.clock.slept == []

    @pytest.mark.parametrize(("kind", "pause"), [("http_503", 17), ("http_429", 17), ("http_429", 300)])
    async def test_a_delay_that_agbis_names_is_kept(self, harness: AgbisHarness, kind: str, pause: int) -> None:
        harness.agbis.fail(Fault(ORDERS, kind, params={"retry_after": pause}))

        await harness.client().orders_changed(harness.ago(hours=1), harness.clock.now())

        assert pause <= harness.clock.slept[0] <= pause + 5

    async def test_a_named_delay_beyond_the_deadline_is_passed_on(self, harness: AgbisHarness) -> None:
        harness.agbis.fail(Fault(ORDERS, "http_503", times=None, params={"retry_after": 3600}))

        with pytest.raises(RemoteUnavailable) as raised:
            await harness.client().orders_changed(harness.ago(hours=1), harness.clock.now())

        assert raised.value.retry_after == 3600
        assert harness.clock.slept == []

    async def test_the_two_minutes_between_logins_are_not_waited_for_beyond_the_deadline(
        self, harness: AgbisHarness
    ) -> None:
        await harness.session().session_id(Counter(), harness.time())
        harness.agbis.sessions.forget()
        client = harness.client(time=harness.time(timedelta(seconds=60)))

        with pytest.raises(RemoteUnavailable, match="next login") as raised:
            await client.orders_changed(harness.ago(hours=1), harness.clock.now())

        assert raised.value.retry_after == 120
        assert harness.clock.slept == []

    async def test_nothing_is_asked_when_the_time_is_over(self, harness: AgbisHarness) -> None:
        client = harness.client(time=harness.time(timedelta(seconds=-6)))

        with pytest.raises(RunStopped):
            await client.orders_changed(harness.ago(hours=1), harness.clock.now())

        assert harness.commands() == []

    async def test_an_answer_that_drips_past_the_deadline_ends_the_run_and_halves_no_window(
        self, harness: AgbisHarness
    ) -> None:
        harness.agbis.fail(Fault(ORDERS, "drip", times=None, params={"seconds": 10}))
        client, began = harness.client(time=harness.time(timedelta(seconds=60))), harness.clock.now()

        with pytest.raises(RunStopped):
            await client.orders_changed(harness.ago(hours=8), harness.clock.now())

        assert harness.clock.now() - began <= timedelta(seconds=75)
        assert harness.commands().count(ORDERS) == 1

    async def test_a_call_does_not_wait_for_another_longer_than_its_own_run_lasts(self, harness: AgbisHarness) -> None:
        session = harness.session()
        await session.session_id(Counter(), harness.time())
        client = harness.client(session, time=harness.time(timedelta(milliseconds=20)))

        async with session.throttle.held(harness.time()):
            with pytest.raises(RemoteUnavailable, match="another call") as raised:
                await client.orders_changed(harness.ago(hours=1), harness.clock.now())

        assert raised.value.retry_after == 120


@pytest.mark.parametrize("text", ["refused for secret", "hash E5E9FA1BA31ECD1AE84F75CAAA474F3A663F05F4", "+7%20926..."])
async def test_no_error_text_quotes_the_password_or_its_hash(harness: AgbisHarness, text: str) -> None:
    harness.agbis.fail(Fault(ORDERS, "error", params={"code": 1, "msg": f"{text} for client 8 (926) 123-45-67"}))

    with pytest.raises(RemoteRejected) as raised:
        await harness.client().orders_changed(harness.ago(hours=1), harness.clock.now())

    message = str(raised.value)
    assert not re.search(r"\bsecret\b|e5e9fa1b|123-45|1234567", message, re.IGNORECASE)
    assert "***" in message

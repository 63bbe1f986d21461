"""The CoMagic client on the simulator: what it reads and writes, and what it repeats."""

from __future__ import annotations

import asyncio
import json
import traceback
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from crm_bridge.clients.comagic.client import ComagicClient
from crm_bridge.domain.communication import CommunicationKey, CommunicationRef, CommunicationType
from crm_bridge.domain.sale import Sale
from crm_bridge.errors import (
    AccessDenied,
    QuotaSpent,
    RemoteError,
    RemoteProtocolError,
    RemoteRejected,
    RemoteTimeout,
    RemoteUnavailable,
    RunStopped,
)
from tests.clients.harness import Clock, ComagicHarness, Time, comagic_of
from tests.sandbox.comagic.errors import ERRORS
from tests.sandbox.comagic.simulator import CoMagicSwitches
from tests.sandbox.faults import Fault
from tests.sandbox.switches import all_positions
from tests.support.factories import ANNA, BORIS, NOON

pytestmark = pytest.mark.anyio

CALLS, SET, UNSET = "get.calls_report", "set.tag_sales", "unset.tag_communications"
CALL, CHAT, MESSAGE = CommunicationType.CALL, CommunicationType.CHAT, CommunicationType.OFFLINE_MESSAGE
POSITIONS = [(name, value) for name, values in all_positions(CoMagicSwitches).items() for value in values]


@pytest.fixture
def harness() -> ComagicHarness:
    return ComagicHarness()


def sale(call_id: int, amount: int = 320_050, *, kind: CommunicationType = CALL, **changes: Any) -> Sale:
    started = NOON - timedelta(hours=5)
    values = {"started_at": started, "sold_at": started + timedelta(hours=1), "comment": "Чистка, Стирка"}
    return Sale(type=kind, id=call_id, amount_kopecks=amount, **{**values, **changes})


@pytest.mark.parametrize(("name", "value"), POSITIONS)
async def test_a_sale_goes_there_and_back_in_every_position_of_every_switch(name: str, value: Any) -> None:
    harness = ComagicHarness(**{name: value})
    call_id = harness.comagic.add_call(ANNA, harness.ago(hours=5), tags=["Чужая"])
    client = harness.client()
    tag = await client.sale_tag_id()
    key = CommunicationKey(CALL, call_id)

    sale_id = await client.set_sale(sale(call_id))
    harness.clock.advance(timedelta(minutes=1))  # reports may be behind

    assert tag == harness.tag
    (stands,) = harness.comagic.sales[key]
    assert (stands.sale_id, stands.amount_kopecks, stands.comment) == (sale_id, 320_050, "Чистка, Стирка")
    assert stands.date_time == NOON - timedelta(hours=4)
    (found,) = await harness.read(client)
    assert (found.id, found.phone, found.started_at) == (call_id, ANNA, NOON - timedelta(hours=5))
    assert found.bears_sale
    assert found.sale_kopecks == 320_050
    assert (await client.get_communications([CommunicationRef(*key, found.started_at)], sale_tag_id=tag))[key] == found

    await client.unset_sale(key, sale_tag_id=tag)
    harness.clock.advance(timedelta(minutes=1))
    (after,) = await harness.read(client)
    assert not after.tagged or name == "unset_clears"


async def test_all_kinds_are_read_one_after_the_other(harness: ComagicHarness) -> None:
    at = harness.ago(hours=3)
    call, chat = harness.comagic.add_call(ANNA, at), harness.comagic.add_chat("8 926 123-45-67", at)
    message = harness.comagic.add_message("9261234567", at)
    harness.comagic.add_call(BORIS, at, lost=True)
    harness.comagic.add_call(None, at)
    harness.comagic.add_goal(at)
    client = harness.client(sources=(CALL, CHAT, MESSAGE))

    found = await harness.read(client)

    counted = [item for item in found if not item.lost]
    assert [(item.type, item.id) for item in counted] == [(CALL, call), (CHAT, chat), (MESSAGE, message)]
    assert {item.phone for item in counted} == {ANNA}
    assert [item.phone for item in found if item.lost] == [BORIS], "a lost call says why a phone has no source"
    assert client.requests == {CALLS: 1, "get.chats_report": 1, "get.offline_messages_report": 1}


async def test_only_the_needed_fields_are_asked_for(harness: ComagicHarness) -> None:
    await harness.read()

    params = harness.comagic.requests[-1].params
    assert params["fields"] == [
        "communication_id",
        "start_time",
        "is_lost",
        "contact_phone_number",
        "tags",
        "sale_cost",
        "sale_date",
        "site_id",
    ]
    assert params["sort"] == [{"field": "start_time", "order": "asc"}]
    assert (params["limit"], params["offset"]) == (10_000, 0)
    assert params["date_till"] == "2026-06-15 12:00:00"


async def test_a_source_whose_component_is_off_is_a_warning_and_the_others_are_read() -> None:
    harness = ComagicHarness(consultant=False)
    call = harness.comagic.add_call(ANNA, NOON - timedelta(hours=1))
    client = harness.client(sources=(CHAT, CALL, MESSAGE))

    found = await harness.read(client)

    assert [item.id for item in found] == [call]
    assert [warning.partition(":")[0] for warning in client.warnings] == [
        "get.chats_report was not read",
        "get.offline_messages_report was not read",
    ]
    assert all("method_component_disabled" in warning for warning in client.warnings)


@pytest.mark.parametrize("mnemonic", sorted(set(ERRORS) - {"limit_exceeded", "internal_error"}))
async def test_only_denied_access_says_that_the_key_may_not_change_tags(harness: ComagicHarness, mnemonic: str) -> None:
    """A component that is off says nothing about the key's rights."""
    harness.comagic.fail(Fault(UNSET, "error", params={"mnemonic": mnemonic}, times=None))
    denied = mnemonic in {
        *("access_token_invalid", "access_token_expired", "access_token_blocked", "auth_error"),
        *("ip_not_whitelisted", "account_inactive", "forbidden"),
    }

    if denied:
        with pytest.raises(AccessDenied, match=mnemonic):
            await harness.client().check_tag_permission()
    else:
        await harness.client().check_tag_permission()
    assert harness.comagic.count(UNSET) == 1


async def test_the_request_reaches_the_address_as_it_is_set() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        body = json.loads(request.content)
        return httpx.Response(200, json={"id": body["id"], "result": {"data": []}})

    for url in ("https://dataapi.comagic.ru/v2.0", "https://dataapi.comagic.ru/v2.0/"):
        with pytest.raises(RemoteProtocolError):
            await comagic_of(answer, url=url, user_id=12).sale_tag_id()

    assert {str(request.url) for request in seen} == {"https://dataapi.comagic.ru/v2.0"}
    assert seen[0].headers["content-type"] == "application/json; charset=UTF-8"
    assert json.loads(seen[0].content)["params"]["user_id"] == 12


class TestGetCommunications:
    async def test_communications_are_found_by_key_whatever_their_type_and_age(self, harness: ComagicHarness) -> None:
        made = {
            CommunicationKey(CALL, harness.comagic.add_call(ANNA, at)): at
            for at in (harness.ago(days=days, hours=5) for days in (0, 1, 28, 29, 30, 60, 85))
        }
        made[CommunicationKey(CHAT, harness.comagic.add_chat(ANNA, harness.ago(days=2)))] = harness.ago(days=2)
        made[CommunicationKey(MESSAGE, harness.comagic.add_message(ANNA, harness.ago(days=3)))] = harness.ago(days=3)
        harness.comagic.add_call(BORIS, harness.ago(days=1))

        found = await harness.client().get_communications(
            [CommunicationRef(*key, at) for key, at in made.items()], sale_tag_id=harness.tag
        )

        assert {key: item.started_at for key, item in found.items()} == made

    async def test_two_hundred_ids_cost_one_request(self, harness: ComagicHarness) -> None:
        ids = harness.comagic.add_calls_bulk((ANNA, harness.ago(minutes=number + 1), False) for number in range(401))
        client = harness.client()
        asked = [CommunicationRef(CALL, key, harness.ago(minutes=number + 1)) for number, key in enumerate(ids)]

        assert len(await client.get_communications(asked, sale_tag_id=harness.tag)) == 401
        assert client.requests == {CALLS: 3}

    async def test_communications_that_comagic_no_longer_has_are_left_out(self, harness: ComagicHarness) -> None:
        client = harness.client()

        assert await client.get_communications([CommunicationRef(CALL, 1, NOON)], sale_tag_id=harness.tag) == {}
        assert await client.get_communications([], sale_tag_id=harness.tag) == {}
        assert client.requests == {CALLS: 1}

    async def test_communications_that_became_lost_or_hidden_are_returned(self, harness: ComagicHarness) -> None:
        at = harness.ago(hours=1)
        lost, hidden = harness.comagic.add_call(ANNA, at, lost=True), harness.comagic.add_call(None, at)
        keys = [CommunicationKey(CALL, lost), CommunicationKey(CALL, hidden)]

        found = await harness.client().get_communications(
            [CommunicationRef(*key, at) for key in keys], sale_tag_id=harness.tag
        )

        assert [found[key].phone for key in keys] == [ANNA, ""]


class TestWriting:
    async def test_a_comment_is_left_out_when_empty(self, harness: ComagicHarness) -> None:
        call_id = harness.comagic.add_call(ANNA, harness.ago(hours=5))

        await harness.client().set_sale(sale(call_id, 1, comment=""))

        assert "comment" not in harness.comagic.requests[-1].params
        assert harness.comagic.requests[-1].params["transaction_value"] == Decimal("0.01")

    @pytest.mark.parametrize("kind", [CHAT, MESSAGE])
    async def test_other_kinds_bear_sales_too(self, harness: ComagicHarness, kind: CommunicationType) -> None:
        add = {CHAT: harness.comagic.add_chat, MESSAGE: harness.comagic.add_message}[kind]
        key = CommunicationKey(kind, add(ANNA, harness.ago(hours=5)))
        client = harness.client()

        await client.set_sale(sale(key.id, kind=kind))
        assert list(harness.comagic.sales) == [key]
        await client.unset_sale(key, sale_tag_id=harness.tag)
        assert harness.comagic.sales == {}

    @pytest.mark.parametrize(
        ("kind", "expected", "happened"),
        [
            ("http_502_html", RemoteUnavailable, False),
            ("http_502_after", RemoteUnavailable, True),
            ("http_504_html", RemoteTimeout, False),
            ("timeout_before", RemoteTimeout, False),
            ("timeout_after", RemoteTimeout, True),
            ("reset_after", RemoteUnavailable, True),
            ("connect_error", RemoteUnavailable, False),
            ("truncated_after", RemoteProtocolError, True),
            ("not_json_after", RemoteProtocolError, True),
            ("empty_body", RemoteProtocolError, False),
            ("no_result", RemoteProtocolError, False),
            ("id_mismatch", RemoteProtocolError, True),
        ],
    )
    async def test_a_write_whose_outcome_is_unknown_is_made_once(
        self, harness: ComagicHarness, kind: str, expected: type[RemoteError], happened: bool
    ) -> None:
        call_id = harness.comagic.add_call(ANNA, harness.ago(hours=5))
        client = harness.client()
        harness.comagic.fail(Fault(SET, kind, times=None))

        with pytest.raises(expected) as raised:
            await client.set_sale(sale(call_id))

        assert not isinstance(raised.value, QuotaSpent | RemoteRejected)
        assert client.requests == {SET: 1}
        assert bool(harness.comagic.sales) is happened
        assert harness.clock.slept == []

    @pytest.mark.parametrize("kind", ["limit_exceeded_minute", "http_429"])
    async def test_a_write_refused_for_the_minute_did_nothing_and_is_made_again(
        self, harness: ComagicHarness, kind: str
    ) -> None:
        call_id = harness.comagic.add_call(ANNA, harness.ago(hours=5))
        client = harness.client()
        harness.comagic.fail(Fault(SET, kind))

        assert await client.set_sale(sale(call_id)) is not None
        assert client.requests == {SET: 2}
        assert harness.clock.slept == [61]

    async def test_a_refusal_has_its_mnemonic_as_code(self, harness: ComagicHarness) -> None:
        call_id = harness.comagic.add_call(ANNA, harness.ago(hours=5))
        client = harness.client()

        with pytest.raises(RemoteRejected) as raised:
            await client.set_sale(sale(call_id, sold_at=harness.ago(hours=6)))
        assert raised.value.code == "invalid_date_time"
        assert str(raised.value) == "CoMagic: invalid_date_time: Invalid date time"

        with pytest.raises(RemoteRejected) as raised:
            await client.unset_sale(CommunicationKey(CALL, 1), sale_tag_id=harness.tag)
        assert raised.value.code == "entity_not_found"

    async def test_success_without_any_id_is_success(self, harness: ComagicHarness) -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, json={"id": json.loads(request.content)["id"], "result": {}})

        assert await comagic_of(answer).set_sale(sale(5)) is None


class TestRepeating:
    @pytest.mark.parametrize(
        "fault",
        [
            {"kind": "http_500"},
            {"kind": "http_502_html"},
            {"kind": "http_503"},
            {"kind": "http_504_html"},
            {"kind": "not_json"},
            {"kind": "truncated_json"},
            {"kind": "truncated_after"},
            {"kind": "empty_body"},
            {"kind": "reset_before"},
            {"kind": "reset_after"},
            {"kind": "timeout_before"},
            {"kind": "connect_error"},
            {"kind": "error", "params": {"mnemonic": "internal_error"}},
        ],
        ids=str,
    )
    async def test_a_read_is_repeated_twice_after_growing_pauses(
        self, harness: ComagicHarness, fault: dict[str, Any]
    ) -> None:
        harness.comagic.add_call(ANNA, harness.ago(hours=5))
        harness.comagic.fail(Fault(CALLS, times=2, **fault))
        client = harness.client()

        assert len(await harness.read(client)) == 1
        assert client.requests == {CALLS: 3}
        assert 5 <= sum(harness.clock.slept) <= 7

        harness.comagic.fail(Fault(CALLS, times=None, **fault))
        with pytest.raises((RemoteUnavailable, RemoteProtocolError)) as raised:
            await harness.read(client)
        assert raised.value.system == "CoMagic"
        assert client.requests == {CALLS: 6}

    @pytest.mark.parametrize(
        ("kind", "message"),
        [("no_result", "No result in CoMagic answer"), ("no_data", "No data in CoMagic answer result")],
    )
    async def test_documented_messages_stay_as_they_are(self, harness: ComagicHarness, kind: str, message: str) -> None:
        harness.comagic.fail(Fault(CALLS, kind))

        with pytest.raises(RemoteProtocolError) as raised:
            await harness.read()

        assert str(raised.value) == message

    @pytest.mark.parametrize("mnemonic", sorted(set(ERRORS) - {"limit_exceeded", "internal_error"}))
    async def test_a_refusal_is_not_repeated_with_any_mnemonic(self, harness: ComagicHarness, mnemonic: str) -> None:
        harness.comagic.fail(Fault(CALLS, "error", params={"mnemonic": mnemonic}))
        client = harness.client()

        with pytest.raises(RemoteRejected) as raised:
            await harness.read(client)

        assert raised.value.code == mnemonic
        assert str(raised.value).startswith(f"CoMagic: {mnemonic}: ")
        assert client.requests == {CALLS: 1}

    async def test_no_repetition_starts_after_the_deadline(self, harness: ComagicHarness) -> None:
        harness.comagic.fail(Fault(CALLS, "http_502_html", times=None))
        client = harness.client(time=Time(harness.clock, timedelta()))

        with pytest.raises(RemoteUnavailable):
            await harness.read(client)

        assert client.requests == {CALLS: 1}

    async def test_a_wrong_address_names_the_setting(self, harness: ComagicHarness) -> None:
        with pytest.raises(RemoteProtocolError, match="HTTP 404: COMAGIC_URL"):
            await harness.read(harness.client(url="http://comagic.test/v3"))

    async def test_a_redirect_is_not_followed(self) -> None:
        client = comagic_of(lambda _: httpx.Response(301, headers={"location": "https://elsewhere.test/"}))

        with pytest.raises(RemoteProtocolError, match="HTTP 301"):
            await client.sale_tag_id()

    async def test_what_the_body_says_counts_more_than_the_status(self) -> None:
        error = {"code": -32001, "message": "Access token is invalid", "data": {"mnemonic": "access_token_invalid"}}
        client = comagic_of(lambda _: httpx.Response(401, json={"id": None, "error": error}))

        with pytest.raises(RemoteRejected, match="access_token_invalid"):
            await client.sale_tag_id()

    @pytest.mark.parametrize(
        "failure",
        [
            httpx.ReadTimeout("t0p-secret"),
            httpx.PoolTimeout("t0p-secret"),
            httpx.WriteError("t0p-secret"),
            httpx.ProxyError("t0p-secret"),
            httpx.UnsupportedProtocol("https://h/ t0p-secret"),
            httpx.DecodingError("t0p-secret"),
            httpx.InvalidURL("https://h/ t0p-secret"),
        ],
        ids=lambda failure: type(failure).__name__,
    )
    async def test_no_error_of_httpx_leaves_the_client(self, failure: Exception) -> None:
        def fail(request: httpx.Request) -> httpx.Response:
            raise failure

        with pytest.raises(RemoteError) as raised:
            await comagic_of(fail).sale_tag_id()

        assert "t0p-secret" not in str(raised.value)
        assert "https://h" not in str(raised.value)

    async def test_the_token_is_in_no_error_and_no_cause(self, harness: ComagicHarness) -> None:
        harness.comagic.fail(Fault(CALLS, "not_json", times=None))

        with pytest.raises(RemoteProtocolError) as raised:
            await harness.read()

        assert "t0p-secret" not in "".join(traceback.format_exception(raised.value))


class TestQuota:
    async def test_the_quota_is_that_of_the_last_answer(self, harness: ComagicHarness) -> None:
        harness.comagic.minute_limit, harness.comagic.day_limit = 60, 3000
        client = harness.client()
        assert client.quota.limits == {}

        await client.sale_tag_id()

        assert client.quota.limits["minute_remaining"] == 59
        assert client.quota.limits["day_remaining"] == 2999

    @pytest.mark.parametrize("limits", ["present", "empty", "absent"])
    @pytest.mark.parametrize("status", [200, 429])
    async def test_a_spent_minute_is_waited_out(self, limits: str, status: int) -> None:
        harness = ComagicHarness(limits_in_metadata=limits, limit_status=status)
        harness.comagic.minute_limit = 12
        calls = harness.comagic.add_calls_bulk((ANNA, harness.ago(hours=5), False) for _ in range(40))
        client = harness.client()

        await asyncio.gather(*(client.set_sale(sale(key)) for key in calls))

        assert len(harness.comagic.sales) == 40
        if limits == "present":
            assert client.requests == {SET: 40}, "nothing was refused"

    async def test_at_most_as_many_requests_as_allowed_are_under_way(self, harness: ComagicHarness) -> None:
        harness.comagic.latency = 0.002
        calls = harness.comagic.add_calls_bulk((ANNA, harness.ago(hours=5), False) for _ in range(20))
        client = harness.client(concurrency=4)

        await asyncio.gather(*(client.set_sale(sale(key)) for key in calls))

        assert harness.comagic.max_in_flight == 4

    async def test_a_spent_day_is_raised_before_a_request(self, harness: ComagicHarness) -> None:
        harness.comagic.day_limit = 30
        client = harness.client()
        await client.sale_tag_id()
        for _ in range(27):
            await client.sale_tag_id()

        with pytest.raises(QuotaSpent) as raised:
            await client.sale_tag_id()

        assert raised.value.retry_after == 12 * 3600 + 1
        assert client.requests == {"get.tags": 28}

    async def test_a_day_that_somebody_else_spent_is_raised_at_the_first_refusal(self, harness: ComagicHarness) -> None:
        harness.comagic.fail(Fault(SET, "limit_exceeded_day", times=None))
        client = harness.client()

        with pytest.raises(QuotaSpent, match="limit_exceeded: Limit per day") as raised:
            await client.set_sale(sale(5))

        assert raised.value.retry_after == 12 * 3600
        assert client.requests == {SET: 1}

    async def test_a_wait_beyond_the_deadline_is_not_started(self, harness: ComagicHarness) -> None:
        harness.comagic.fail(Fault(CALLS, "limit_exceeded_minute", times=None))
        client = harness.client(time=Time(harness.clock, timedelta(seconds=30)))

        with pytest.raises(QuotaSpent, match="limit_exceeded"):
            await harness.read(client)

        assert harness.clock.slept == []

    async def test_points_reserved_for_a_change_serve_all_of_its_calls(self, harness: ComagicHarness) -> None:
        harness.comagic.minute_limit = 14
        call_id = harness.comagic.add_call(ANNA, harness.ago(hours=5))
        client = harness.client()
        for _ in range(10):
            await client.sale_tag_id()

        async with client.reserve_quota(2):
            await client.set_sale(sale(call_id))
            await client.unset_sale(CommunicationKey(CALL, call_id), sale_tag_id=harness.tag)
        assert harness.clock.slept == []

        async with client.reserve_quota(2):
            assert harness.clock.slept == [61]

    async def test_a_refusal_within_a_reservation_is_waited_out(self, harness: ComagicHarness) -> None:
        harness.comagic.fail(Fault(SET, "limit_exceeded_minute"))
        call_id = harness.comagic.add_call(ANNA, harness.ago(hours=5))
        client = harness.client()

        async with client.reserve_quota(1):
            assert await client.set_sale(sale(call_id)) is not None

        assert harness.clock.slept == [61]


async def test_the_sale_tag_of_an_account_without_one_names_the_setting(harness: ComagicHarness) -> None:
    harness.comagic.switches = replace(harness.comagic.switches, sale_tag_name="Sale")
    assert await harness.client().sale_tag_id() == harness.tag

    harness.comagic.add_tag_name("Продажа", is_system=True)
    with pytest.raises(RemoteProtocolError, match="COMAGIC_SALE_TAG_ID"):
        await harness.client().sale_tag_id()


async def test_a_new_client_has_made_no_requests() -> None:
    client: ComagicClient = comagic_of(lambda _: httpx.Response(500), Clock())

    assert client.requests == {}


class TestTime:
    """Every wait ends at the run's deadline, and a delay that CoMagic names is kept."""

    @pytest.mark.parametrize("kind", ["http_503", "http_429", "limit_exceeded_minute"])
    async def test_a_named_delay_is_kept(self, harness: ComagicHarness, kind: str) -> None:
        params = {"retry_after": 200} if kind.startswith("http") else {}
        harness.comagic.fail(Fault(CALLS, kind, params=params))
        began = harness.clock.now()

        await harness.read()

        assert harness.clock.now() - began >= timedelta(seconds=200 if params else 1)

    @pytest.mark.parametrize("kind", ["http_503", "http_429"])
    async def test_a_named_delay_beyond_the_deadline_is_passed_on_at_once(
        self, harness: ComagicHarness, kind: str
    ) -> None:
        harness.comagic.fail(Fault(CALLS, kind, times=None, params={"retry_after": 7200}))

        with pytest.raises(RemoteUnavailable) as raised:
            await harness.read()

        assert raised.value.retry_after == 7200
        assert harness.clock.slept == []

    async def test_a_look_after_a_write_waits_for_the_named_delay_too(self, harness: ComagicHarness) -> None:
        call = harness.comagic.add_call(ANNA, harness.ago(hours=1))
        harness.comagic.fail(Fault("set.tag_sales", "http_503", params={"retry_after": 50}))
        client, began = harness.client(), harness.clock.now()
        sale = Sale(
            type=CommunicationType.CALL, id=call, started_at=harness.ago(hours=1), amount_kopecks=100,
            sold_at=harness.clock.now(), comment="",
        )  # fmt: skip
        with pytest.raises(RemoteUnavailable):
            await client.set_sale(sale)

        ref = CommunicationRef(type=sale.type, id=sale.id, started_at=sale.started_at)
        await client.get_communications([ref], sale_tag_id=harness.tag)

        assert harness.clock.now() - began >= timedelta(seconds=50)

    async def test_nothing_is_asked_when_the_time_is_over(self, harness: ComagicHarness) -> None:
        client = harness.client(time=Time(harness.clock, timedelta(seconds=-6)))

        with pytest.raises(RunStopped):
            await harness.read(client)

        assert harness.comagic.requests == []

    async def test_a_read_that_drips_past_the_deadline_stops_the_run(self, harness: ComagicHarness) -> None:
        harness.comagic.fail(Fault(CALLS, "drip", times=None))
        client, began = harness.client(time=Time(harness.clock, timedelta(seconds=30))), harness.clock.now()

        with pytest.raises(RunStopped):
            await harness.read(client)

        assert harness.clock.now() - began <= timedelta(seconds=36)
        assert client.requests == {CALLS: 1}


async def test_a_report_that_contradicts_its_total_is_a_warning(harness: ComagicHarness) -> None:
    call = harness.comagic.add_call(ANNA, harness.ago(hours=1))
    rewritten = {"pattern": r'"total_items": ?\d+', "by": '"total_items":3000000'}
    harness.comagic.fail(Fault(CALLS, "rewritten", times=None, params=rewritten))
    client = harness.client()

    read = await harness.read(client)

    assert [each.id for each in read] == [call]
    assert client.warnings == [f"CoMagic: {CALLS}: 3000000 rows were reported (total_items), 1 were shown"]
    assert client.requests[CALLS] <= 10

"""The session of Agbis: one renewal for all who need it, and as few logins as possible."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import httpx
import pytest

from crm_bridge.clients.agbis.session import AgbisSession
from crm_bridge.domain.state import CrmSession
from crm_bridge.errors import AccessDenied, Barrier, RemoteProtocolError, RemoteRejected, RemoteUnavailable
from tests.clients.harness import AgbisHarness, Answers, SessionMemory
from tests.sandbox.faults import Fault

pytestmark = pytest.mark.anyio

LOGIN, REFRESH = "Login", "RefreshSession"


@pytest.fixture
def harness() -> AgbisHarness:
    return AgbisHarness()


def count() -> Counter[str]:
    return Counter()


async def test_the_first_call_logs_in_and_the_next_eight_minutes_use_it(harness: AgbisHarness) -> None:
    session, requests = harness.session(), count()

    first = await session.session_id(requests, harness.time())
    harness.clock.advance(timedelta(minutes=7, seconds=59))

    assert await session.session_id(requests, harness.time()) == first
    assert requests == {LOGIN: 1}


async def test_a_session_of_eight_minutes_is_refreshed_before_it_is_refused(harness: AgbisHarness) -> None:
    session, requests = harness.session(), count()
    first = await session.session_id(requests, harness.time())
    harness.clock.advance(timedelta(minutes=8))

    assert await session.session_id(requests, harness.time()) != first
    assert requests == {LOGIN: 1, REFRESH: 1}


async def test_both_ids_rotate_again_and_again(harness: AgbisHarness) -> None:
    session, requests = harness.session(), count()
    ids = set()
    for _ in range(4):
        ids.add(await session.session_id(requests, harness.time()))
        harness.clock.advance(timedelta(minutes=9))

    assert len(ids) == 4
    assert requests == {LOGIN: 1, REFRESH: 3}


async def test_another_process_goes_on_with_the_session_in_the_store(harness: AgbisHarness) -> None:
    first = await harness.session().session_id(count(), harness.time())
    requests = count()

    assert await harness.session().session_id(requests, harness.time()) == first
    assert requests == {}


async def test_a_day_later_the_session_is_refreshed_without_a_login(harness: AgbisHarness) -> None:
    await harness.session().session_id(count(), harness.time())
    harness.clock.advance(timedelta(hours=23))
    requests = count()

    await harness.session().session_id(requests, harness.time())

    assert requests == {REFRESH: 1}


@pytest.mark.parametrize("switches", [{"refresh_life_minutes": 10}, {"refresh_life_minutes": 10, "expired_code": 106}])
async def test_an_expired_refresh_id_costs_one_login(switches: dict[str, Any]) -> None:
    harness = AgbisHarness(**switches)
    await harness.session().session_id(count(), harness.time())
    harness.clock.advance(timedelta(minutes=30))
    requests = count()

    await harness.session().session_id(requests, harness.time())

    assert requests == {REFRESH: 1, LOGIN: 1}


async def test_many_tasks_that_were_refused_at_once_cause_one_renewal(harness: AgbisHarness) -> None:
    session, requests = harness.session(), count()
    old = await session.session_id(requests, harness.time())

    renewed = await asyncio.gather(*(session.renew(old, requests, harness.time()) for _ in range(20)))

    assert len(set(renewed)) == 1
    assert old not in renewed
    assert requests == {LOGIN: 1, REFRESH: 1}


async def test_many_tasks_that_need_the_first_session_cause_one_login(harness: AgbisHarness) -> None:
    session, requests = harness.session(), count()

    ids = await asyncio.gather(*(session.session_id(requests, harness.time()) for _ in range(20)))

    assert len(set(ids)) == 1
    assert requests == {LOGIN: 1}


async def test_a_session_that_another_process_has_renewed_is_used(harness: AgbisHarness) -> None:
    mine, other = harness.session(), harness.session()
    old = await mine.session_id(count(), harness.time())
    newer = await other.renew(old, count(), harness.time())
    requests = count()

    assert await mine.renew(old, requests, harness.time()) == newer
    assert requests == {}


async def test_a_session_serves_one_event_loop_after_another(harness: AgbisHarness) -> None:
    """A worker's loop may be replaced under an object that is made once."""
    session = harness.session()

    async def many() -> None:
        await asyncio.gather(*(session.renew(None, count(), harness.time()) for _ in range(3)))
        harness.clock.advance(timedelta(minutes=9))

    def in_a_loop_of_its_own() -> None:
        asyncio.run(many())

    await asyncio.to_thread(in_a_loop_of_its_own)
    await asyncio.to_thread(in_a_loop_of_its_own)

    assert harness.commands() == [LOGIN, REFRESH]


class TestLogin:
    async def test_its_time_is_saved_before_it_is_tried(self, harness: AgbisHarness) -> None:
        """A process that is killed during a login must not let the next one log in too early."""
        harness.agbis.fail(Fault(LOGIN, "connect_error", times=None))

        with pytest.raises(RemoteUnavailable):
            await harness.session().session_id(count(), harness.time())

        assert [state.login_at for state in harness.memory.saved] == [harness.agbis.requests[0].at]
        assert harness.memory.saved[0].session_id == ""

    async def test_no_login_follows_another_within_two_minutes_in_any_process(self, harness: AgbisHarness) -> None:
        await harness.session().session_id(count(), harness.time())
        harness.agbis.sessions.forget()
        harness.clock.advance(timedelta(seconds=30))
        again = harness.session()

        await again.renew(await again.session_id(count(), harness.time()), count(), harness.time())

        times = [record.at for record in harness.agbis.requests if record.method == LOGIN]
        assert times[1] - times[0] == timedelta(seconds=120)
        assert all(record.outcome != "http 429" for record in harness.agbis.requests)

    async def test_a_session_that_another_process_started_while_we_waited_is_used(self, harness: AgbisHarness) -> None:
        harness.memory.saved.append(
            CrmSession(session_id="", refresh_id="", renewed_at=harness.ago(days=1), login_at=harness.clock.now())
        )
        theirs = CrmSession(
            session_id="T",
            refresh_id="R",
            renewed_at=harness.clock.now() + timedelta(seconds=2),
            login_at=harness.clock.now(),
        )
        session, requests = harness.session(), count()

        async def other_process() -> None:
            harness.memory.saved.append(theirs)

        mine, _ = await asyncio.gather(session.session_id(requests, harness.time()), other_process())

        assert mine == "T"
        assert requests == {}

    @pytest.mark.parametrize("form", ["http", "error_102"])
    async def test_a_login_refused_as_too_early_is_tried_once_more_after_two_minutes(self, form: str) -> None:
        harness = AgbisHarness(throttle_form=form)
        await harness.session().session_id(count(), harness.time())
        harness.memory.saved.clear()  # as if somebody else had logged in with our user
        harness.clock.advance(timedelta(seconds=1))
        requests = count()

        assert await harness.session().session_id(requests, harness.time())
        assert requests == {LOGIN: 2}
        assert harness.clock.slept == [120]

    @pytest.mark.parametrize(
        "fault",
        [
            {"kind": "http_429"},
            {"kind": "http_502_html"},
            {"kind": "timeout_after"},
            {"kind": "truncated_json"},
            {"kind": "error", "params": {"code": 108}},
            {"kind": "error", "params": {"code": 102}},
        ],
        ids=str,
    )
    async def test_a_login_that_keeps_failing_is_tried_twice(
        self, harness: AgbisHarness, fault: dict[str, Any]
    ) -> None:
        harness.agbis.fail(Fault(LOGIN, times=None, **fault))
        requests = count()

        with pytest.raises((RemoteUnavailable, RemoteProtocolError)):
            await harness.session().session_id(requests, harness.time())

        assert requests == {LOGIN: 2}
        assert sum(harness.clock.slept) == 120

    async def test_a_login_that_failed_for_the_moment_succeeds_two_minutes_later(self, harness: AgbisHarness) -> None:
        harness.agbis.fail(Fault(LOGIN, "error", params={"code": 101}))
        requests = count()

        assert await harness.session().session_id(requests, harness.time())
        assert requests == {LOGIN: 2}

    async def test_a_login_that_found_no_connection_is_repeated_within_seconds(self, harness: AgbisHarness) -> None:
        harness.agbis.fail(Fault(LOGIN, "connect_error", times=2))

        assert await harness.session().session_id(count(), harness.time())
        assert sum(harness.clock.slept) < 15

    @pytest.mark.parametrize("code", [2, 1])
    async def test_a_wrong_password_is_denied_access_at_once_and_never_shown(self, code: int) -> None:
        harness = AgbisHarness(wrong_credentials_code=code)
        session, requests = harness.session(password="wrong-password", user="robot"), count()

        with pytest.raises(AccessDenied, match="AGBIS_USER and AGBIS_PASSWORD") as raised:
            await session.session_id(requests, harness.time())

        assert raised.value.code == str(code)
        assert raised.value.barrier is Barrier.KEY
        assert raised.value.fatal
        assert requests == {LOGIN: 1}
        assert "wrong-password" not in str(raised.value)

    async def test_a_server_that_quotes_our_secrets_is_not_quoted(self, harness: AgbisHarness) -> None:
        digest = "e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4"  # of "secret"
        harness.agbis.fail(Fault(LOGIN, "error", params={"code": 2, "msg": f"api secret {digest}"}))

        with pytest.raises(RemoteRejected) as raised:
            await harness.session().session_id(count(), harness.time())

        assert "secret" not in str(raised.value)
        assert digest not in str(raised.value)

    async def test_a_ready_hash_is_a_password_too(self, harness: AgbisHarness) -> None:
        assert await harness.session(password="E5E9FA1BA31ECD1AE84F75CAAA474F3A663F05F4").session_id(
            count(), harness.time()
        )

    async def test_a_success_without_a_session_id_is_an_error(self) -> None:
        harness = AgbisHarness()
        http = httpx.AsyncClient(transport=Answers(lambda _: httpx.Response(200, json={"error": 0})))
        session = AgbisSession(
            http=http, url=harness.URL, user="u", password="p", store=SessionMemory(), clock=harness.clock
        )

        with pytest.raises(RemoteProtocolError, match="Session_id"):
            await session.session_id(count(), harness.time())


class TestRefresh:
    @pytest.mark.parametrize("kind", ["http_502_html", "reset_before", "truncated_json", "timeout_before"])
    async def test_a_passing_failure_does_not_cost_a_login(self, harness: AgbisHarness, kind: str) -> None:
        session, requests = harness.session(), count()
        old = await session.session_id(requests, harness.time())
        harness.agbis.fail(Fault(REFRESH, kind, times=2))

        assert await session.renew(old, requests, harness.time()) != old
        assert requests == {LOGIN: 1, REFRESH: 3}

    async def test_an_answer_that_was_lost_after_the_ids_rotated_costs_one_login(self, harness: AgbisHarness) -> None:
        session, requests = harness.session(), count()
        old = await session.session_id(requests, harness.time())
        harness.agbis.fail(Fault(REFRESH, "reset_after"))

        assert await session.renew(old, requests, harness.time()) != old
        assert requests == {LOGIN: 2, REFRESH: 2}
        assert harness.agbis.requests[-1].at - harness.agbis.requests[0].at >= timedelta(seconds=120)

    async def test_a_refresh_that_finds_no_database_raises_without_a_login(self, harness: AgbisHarness) -> None:
        session, requests = harness.session(), count()
        old = await session.session_id(requests, harness.time())
        harness.agbis.fail(Fault(REFRESH, "error", times=None, params={"code": 108}))

        with pytest.raises(RemoteUnavailable, match="108"):
            await session.renew(old, requests, harness.time())

        assert requests == {LOGIN: 1, REFRESH: 3}

"""5,000 generated bad requests: never a 5xx, never a traceback, never a stored card."""

import asyncio
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings

from tests.handlers import bad_requests
from tests.handlers.bad_requests import KEY, InvalidInput
from tests.handlers.exchange_harness import AsgiApp, MemoryCards, app, ask, services

A_QUARTER = settings(
    max_examples=1250,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)


class SyncApp:
    """The exchange in one event loop, with all it stores and logs in sight."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self.cards = MemoryCards()
        self.app: AsgiApp = app(services(self.cards, EXCHANGE_API_KEY=KEY))

    def refuse(self, bad: InvalidInput, *statuses: int) -> None:
        answer = self._runner.run(ask(self.app, bad.method, bad.target, body=bad.body, headers=bad.headers))

        assert answer.status in statuses
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        if bad.method == "HEAD":
            assert answer.body == b""
        else:
            content = json.loads(answer.body)
            assert list(content) in (["result"], ["Error"])
            assert answer.body.isascii()  # nothing of what was sent is sent back
        assert not self.cards.cards


@pytest.fixture
def bridge(caplog: pytest.LogCaptureFixture) -> Iterator[SyncApp]:
    caplog.set_level(logging.WARNING)
    with asyncio.Runner() as runner:
        yield SyncApp(runner)
    assert not caplog.records


@A_QUARTER
@given(bad=bad_requests.with_a_bad_id() | bad_requests.with_a_bad_path())
def test_bad_ids_and_paths(bridge: SyncApp, bad: InvalidInput) -> None:
    bridge.refuse(bad, 400, 404, 405)


@A_QUARTER
@given(bad=bad_requests.with_a_bad_body())
def test_bad_bodies(bridge: SyncApp, bad: InvalidInput) -> None:
    bridge.refuse(bad, 413 if sum(map(len, bad.body)) > 4096 else 400)


@A_QUARTER
@given(bad=bad_requests.with_a_bad_verb_query_or_key())
def test_bad_verbs_queries_and_keys(bridge: SyncApp, bad: InvalidInput) -> None:
    bridge.refuse(bad, 400, 401, 405)


@A_QUARTER
@given(
    bad=bad_requests.with_a_bad_id()
    | bad_requests.with_a_bad_path()
    | bad_requests.with_a_bad_body()
    | bad_requests.with_a_bad_verb_query_or_key()
)
def test_bad_in_any_way(bridge: SyncApp, bad: InvalidInput) -> None:
    bridge.refuse(bad, 400, 401, 404, 405, 413)

"""`sync` between HTTP and the use case: what is asked for, and where it goes."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from crm_bridge import errors
from crm_bridge.domain.attribution import Policy
from crm_bridge.errors import (
    AccessDenied,
    AlreadyExists,
    Barrier,
    BridgeError,
    EmptyDatabase,
    InvalidInput,
    LeaseLost,
    NotFound,
    PlanRefused,
    QuotaSpent,
    RemoteProtocolError,
    RemoteRejected,
    RemoteTimeout,
    RemoteUnavailable,
    RunInProgress,
    RunStopped,
    SettingsError,
    StoreUnavailable,
)
from crm_bridge.handlers import sync
from crm_bridge.handlers.parameters import PARAMETERS, parse
from crm_bridge.handlers.responses import STATUS
from crm_bridge.handlers.sync import ROUTES
from crm_bridge.settings import Settings
from crm_bridge.usecases.run_context import SyncRequest
from crm_bridge.usecases.run_sync import RunResult
from tests.support.factories import NOON

pytestmark = pytest.mark.anyio

SCHEDULER = {"X-CloudScheduler-JobName": "sync", "X-CloudScheduler-ScheduleTime": "2026-06-15T05:00:00Z"}

EVERY_PARAMETER: dict[str, tuple[str, object]] = {
    # field of SyncRequest: (query, the value it has then)
    "update_db": ("update_db", True),
    "dry_run": ("dry_run", True),
    "date_from": ("date_from=2026-06-01", date(2026, 6, 1)),
    "date_till": ("date_till=2026-06-02", date(2026, 6, 2)),
    "phone": ("phone=79261234567", "79261234567"),
    "limit": ("limit=10", 10),
    "confirm": ("confirm=0123456789abcdef", "0123456789abcdef"),
    "attribution": ("attribution=last_before_payment", Policy.LAST_BEFORE_PAYMENT),
}


async def requested(monkeypatch: pytest.MonkeyPatch, query: str, headers: dict[str, str]) -> SyncRequest:
    """Ask `sync`, and return what its use case is given."""
    given: list[SyncRequest] = []

    async def run_sync(request: SyncRequest, services: object) -> RunResult:
        given.append(request)
        return RunResult(message="done", journal={"log": []})

    monkeypatch.setattr(sync, "run_sync", run_sync)
    assert (await answered(query, headers)).status_code == 200
    return given[0]


async def answered(
    query: str,
    headers: dict[str, str],
    *,
    path: str = "/",
    method: str = "GET",
    body: bytes = b"",
    api_key: str | None = None,
) -> Response:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    request = Request(
        {
            "type": "http",
            "method": method,
            "path": path,
            "server": ("sync.test", 443),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        },
        receive,
    )

    def services_factory(required: object = ()) -> Any:
        return Settings.from_env({})

    return await sync.handle(request, services_factory, api_key=api_key)


async def test_every_field_of_a_request_survives_the_headers_of_the_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy field by field would drop a new parameter there. Only a button of the home page asks for `keep`."""
    assert set(EVERY_PARAMETER) | {"tick", "keep"} == {field.name for field in msgspec.structs.fields(SyncRequest)}
    query = "&".join(part for part, _ in EVERY_PARAMETER.values())

    by_curl = await requested(monkeypatch, query, {})
    by_scheduler = await requested(monkeypatch, query, SCHEDULER)

    assert by_curl == SyncRequest(**{name: value for name, (_, value) in EVERY_PARAMETER.items()})  # type: ignore[arg-type]
    assert by_scheduler.tick is not None
    assert by_scheduler == msgspec.structs.replace(by_curl, tick=by_scheduler.tick)
    assert by_scheduler.tick.startswith("sync 2026-06-15T05:00:00Z ")


async def test_a_tick_holds_the_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run with the headers of a real run must not be answered with the real run's journal."""
    queries = ["", "update_db", "dry_run", "update_db&dry_run", "phone=79261234567", "phone=79261239567", "limit=3"]

    ticks = [(await requested(monkeypatch, query, SCHEDULER)).tick for query in queries]

    assert len(set(ticks)) == len(queries)


# The query


@pytest.mark.parametrize("name", ["update_db", "dry_run"])
@pytest.mark.parametrize("text", ["", "1", "true", "yes", "on", "TRUE", "On"])
def test_a_flag_is_on_without_a_value_or_as_people_write_it(name: str, text: str) -> None:
    assert getattr(parse(QueryParams(f"{name}={text}"), {})[0], name) is True


@pytest.mark.parametrize("text", ["0", "false", "no", "off", "OFF"])
def test_a_flag_is_off_as_people_write_it(text: str) -> None:
    assert parse(QueryParams(f"dry_run={text}"), {})[0].dry_run is False


def test_a_plain_request_asks_for_nothing_but_to_apply() -> None:
    assert parse(QueryParams(""), {}) == (SyncRequest(), "all")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "update",
            "Unknown parameter: update. Known parameters: update_db, dry_run, date_from, date_till, phone, limit, "
            "confirm, attribution, log, format",
        ),
        (f"{'x' * 60}=1", f"Unknown parameter: {'x' * 50}. Known parameters: update_db, dry_run, date_from"),
        ("update_db&update_db", "update_db is given more than once"),
        ("update_db=2", "update_db must be without a value, or 1, true, yes, on, 0, false, no, off"),
        ("update_db&date_from=01.06.2026", "date_from must be a date as YYYY-MM-DD"),
        ("update_db&date_from=2026-02-30", "date_from must be a date as YYYY-MM-DD"),
        ("update_db&date_from=2026-06-01&date_till=9999-12-31", "date_till must be a date of the years 2000 to 2100"),
        ("update_db&date_from=0001-01-01", "date_from must be a date of the years 2000 to 2100"),
        ("update_db&date_from=", "date_from must be a date as YYYY-MM-DD"),
        ("phone=", "phone must be a phone, e.g. phone=79261234567"),
        ("limit=0", "limit must be a whole number from 1 to 1000000"),
        ("limit=ten", "limit must be a whole number from 1 to 1000000"),
        ("confirm=yes", "confirm must be the plan id of a dry run: 16 of 0-9 a-f"),
        ("log=some", "log must be one of all, changes, none"),
        ("date_till=2026-06-01", "date_till needs date_from"),
        ("date_from=2026-06-01", "date_from needs update_db"),
        ("update_db&date_from=2026-06-02&date_till=2026-06-01", "date_till lies before date_from"),
    ],
)
def test_a_bad_query_is_refused_with_its_reason(query: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(QueryParams(query), {})

    assert str(caught.value).startswith(message)


@given(query=st.dictionaries(st.text(max_size=12) | st.sampled_from(PARAMETERS), st.text()))
def test_any_query_is_understood_or_refused_with_a_reason(query: dict[str, str]) -> None:
    try:
        parse(QueryParams(query), {})
    except InvalidInput as exc:
        assert str(exc)  # noqa: PT017 - both ways are right


# Routes


async def test_every_route_has_a_handler() -> None:
    for path, route in ROUTES.items():
        assert callable(route.load()), path


@pytest.mark.parametrize("path", [path.replace("<run_id>", "7") for path in ROUTES])
async def test_a_path_takes_its_verbs_only(path: str) -> None:
    allowed = "GET, POST" if path in {"/", "/start"} else "GET"

    answer = await answered("", {}, path=path, method="PUT")

    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)
    assert b"takes only GET" in answer.body


@pytest.mark.parametrize("path", ["/nothing", "/check_health/x", "/run", "/explain/7", "//"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_unknown_path_is_a_404_that_names_the_known_ones(path: str, method: str) -> None:
    answer = await answered("log=wrong", {}, path=path, method=method)

    if path == "//":
        assert answer.status_code == 400, "slashes at the end do not count"
    else:
        assert answer.status_code == 404
        assert b"/, /start, /check_health, /explain, /check_setup, /runs, /runs/<run_id>" in answer.body


# The body


@pytest.mark.parametrize("body", [b"dry_run=1", b'{"dry_run": true}', b"\x00", b"  1 "])
async def test_parameters_in_the_body_are_refused(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    """`curl -d dry_run=1` must never be a real run."""
    monkeypatch.setattr(sync, "run_sync", never)

    answer = await answered("", {"Content-Length": str(len(body))}, method="POST", body=body)

    assert answer.status_code == 400
    assert b"Parameters stand in the address" in bytes(answer.body)


@pytest.mark.parametrize("body", [b"", b" \r\n", b"{}", b"{ }"])
async def test_an_empty_body_is_no_parameter(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    """Cloud Scheduler may post an empty object."""

    async def run_sync(request: SyncRequest, services: object) -> RunResult:
        return RunResult(message="done", journal={"log": []})

    monkeypatch.setattr(sync, "run_sync", run_sync)

    answer = await answered("", {"Content-Length": str(len(body))}, method="POST", body=body)

    assert answer.status_code == 200


async def never(request: SyncRequest, services: object) -> RunResult:
    raise AssertionError("nothing may run")


# Statuses


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (InvalidInput("x"), 400, None),
        (RunInProgress("7", NOON, 42), 409, "42"),
        (EmptyDatabase("x"), 409, None),
        (PlanRefused("x"), 409, None),
        (RunStopped("x", retry_after=60), 503, "60"),
        (LeaseLost("x"), 503, None),
        (StoreUnavailable("/data/x.db", "x"), 503, None),
        (StoreUnavailable("/data/x.db", "x", retry_after=30), 503, "30"),
        (RemoteUnavailable("CoMagic", "x"), 503, None),
        (RemoteUnavailable("CoMagic", "x", retry_after=0), 503, "0"),
        (RemoteTimeout("CoMagic", "x"), 503, None),
        (QuotaSpent("CoMagic", "x", retry_after=3600), 503, "3600"),
        (RemoteRejected("Agbis", "1", "x"), 502, None),
        (AccessDenied("Agbis", "2", "x", barrier=Barrier.KEY), 502, None),
        (NotFound("CoMagic", "x", "x"), 502, None),
        (AlreadyExists("CoMagic", "x", "x"), 502, None),
        (RemoteProtocolError("CoMagic", "x"), 502, None),
        (SettingsError("x"), 500, None),
        (BridgeError("x"), 500, None),
        (ZeroDivisionError("x"), 500, None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
async def test_an_error_has_its_status_and_the_time_to_try_again(
    monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, retry_after: str | None
) -> None:
    async def run_sync(request: SyncRequest, services: object) -> RunResult:
        raise error

    monkeypatch.setattr(sync, "run_sync", run_sync)
    answer = await answered("", {})

    assert (answer.status_code, answer.headers.get("Retry-After")) == (status, retry_after)
    text = str(error) if isinstance(error, BridgeError) else "Internal error"
    assert bytes(answer.body).decode() == f'{{"success":false,"message":"ERROR: {text}"}}'


def test_every_error_that_the_table_names_is_one_of_ours() -> None:
    ours = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, BridgeError)}

    assert set(STATUS) <= ours
    assert BridgeError in STATUS, "so that every error has a status"

"""`sync` between HTTP and the use case: what is asked for, and where it goes."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest
from starlette.requests import Request
from starlette.responses import Response

from crm_bridge.handlers import sync
from crm_bridge.settings import Settings
from crm_bridge.usecases.run_sync import RunResult, SyncRequest

pytestmark = pytest.mark.anyio

SCHEDULER = {"X-CloudScheduler-JobName": "sync", "X-CloudScheduler-ScheduleTime": "2026-06-15T05:00:00Z"}

EVERY_PARAMETER: dict[str, tuple[str, object]] = {
    # field of SyncRequest: (query, the value it has then)
    "update_db": ("update_db", True),
    "dry_run": ("dry_run", True),
    "date_from": ("date_from=2026-06-01", date(2026, 6, 1)),
    "date_till": ("date_till=2026-06-02", date(2026, 6, 2)),
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


async def answered(query: str, headers: dict[str, str]) -> Response:
    request = Request(
        {
            "type": "http",
            "method": "GET",
            "path": "/",
            "server": ("sync.test", 443),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
    )

    def services_factory(required: object = ()) -> Any:
        return Settings.from_env({})

    return await sync.handle(request, services_factory)


async def test_every_field_of_a_request_survives_the_headers_of_the_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy field by field would drop a new parameter there, and keep it for curl."""
    assert set(EVERY_PARAMETER) | {"tick"} == {field.name for field in msgspec.structs.fields(SyncRequest)}
    query = "&".join(part for part, _ in EVERY_PARAMETER.values())

    by_curl = await requested(monkeypatch, query, {})
    by_scheduler = await requested(monkeypatch, query, SCHEDULER)

    assert by_curl == SyncRequest(**{name: value for name, (_, value) in EVERY_PARAMETER.items()})  # type: ignore[arg-type]
    assert by_scheduler == msgspec.structs.replace(by_curl, tick="sync 2026-06-15T05:00:00Z")

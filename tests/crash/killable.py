"""`sync` as a functions-framework process that can be killed at any remote call and any write to the database.

Loaded by functions-framework in place of `function/main.py`. The file named by CRASH_PLAN says how far the clock is
ahead, and at which moment the worker kills itself with SIGKILL; every moment passed is written to CRASH_LOG. The
master process forks a new worker, which has nothing of the old one but the database.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, cast

import functions_framework.aio
import httpx
from starlette.requests import Request
from starlette.responses import Response

from crm_bridge import wiring
from crm_bridge.handlers.sync import handle
from crm_bridge.stores import base
from crm_bridge.usecases import change_queue


class Plan:
    """What the test wants of this process."""

    def __init__(self) -> None:
        self._path = Path(os.environ["CRASH_PLAN"])
        self._log = Path(os.environ["CRASH_LOG"])
        self._passed = 0

    def read(self) -> dict[str, Any]:
        plan: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
        return plan

    def write_pid(self) -> None:
        Path(os.environ["CRASH_PID"]).write_text(str(os.getpid()), encoding="utf-8")

    def moment(self, name: str) -> None:
        """Record a moment, and kill the process if it is the one."""
        with self._log.open("a", encoding="utf-8") as log:
            log.write(f"{name}\n")
        if self._passed == self.read()["kill_at"]:
            os.kill(os.getpid(), signal.SIGKILL)
        self._passed += 1


class AheadClock:
    """The machine's clock, as far ahead as the plan says."""

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=PLAN.read()["ahead_seconds"])

    def monotonic(self) -> float:
        return time.monotonic() + float(PLAN.read()["ahead_seconds"])

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


PLAN = Plan()
change_queue.BATCH = 4  # several batches of a dozen changes, as a real day has of hundreds
wiring.clock = AheadClock()
_real_http = wiring._http


@cache
def _http() -> httpx.AsyncClient:
    async def before(request: httpx.Request) -> None:
        PLAN.moment(f"before {_name(request)}")

    async def after(response: httpx.Response) -> None:
        body = await _whole(response)
        response.stream = httpx.ByteStream(body)  # the client decompresses it by itself
        PLAN.moment(f"after {_name(response.request)}")

    client = _real_http()
    client.event_hooks = {"request": [before], "response": [after]}
    return client


async def _whole(response: httpx.Response) -> bytes:
    """Receive the whole body, as it was sent."""
    stream = cast("httpx.AsyncByteStream", response.stream)
    body = b"".join([chunk async for chunk in stream])
    await stream.aclose()
    return body


def _name(request: httpx.Request) -> str:
    if request.url.path.startswith("/cl/"):
        return request.url.query.decode().partition("=")[0].partition("&")[0]
    return str(json.loads(request.content)["method"])


def _watched(write: Callable[..., Awaitable[Any]], name: str) -> Callable[..., Awaitable[Any]]:
    async def watched(*args: Any, **kwargs: Any) -> Any:
        PLAN.moment(f"before {name}")
        result = await write(*args, **kwargs)
        PLAN.moment(f"after {name}")
        return result

    return watched


def _watch(store: type[base.DocumentSalesStore]) -> None:
    for name in ("_commit", "_compare_and_set"):
        setattr(store, name, _watched(getattr(store, name), f"store{name}"))


wiring._http = _http
if os.environ["STORE_URL"].startswith("sqlite"):
    from crm_bridge.stores.sqlite.sales import SqliteSalesStore

    _watch(SqliteSalesStore)
else:
    from crm_bridge.stores.firestore.sales import FirestoreSalesStore

    _watch(FirestoreSalesStore)


@functions_framework.aio.http
async def sync(request: Request) -> Response:
    PLAN.write_pid()
    return await handle(request, wiring.build_sync_services)

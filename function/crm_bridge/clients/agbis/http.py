"""Calls of Agbis: the HTTP exchange, one at a time, what failures mean, and which are tried again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import httpx

from crm_bridge.clients.agbis import wire
from crm_bridge.clients.retry import AGBIS_BLOCK_SECONDS, AGBIS_BLOCKED, AGBIS_CALL, MalformedResponse, retry_call
from crm_bridge.clock import Clock
from crm_bridge.errors import RemoteProtocolError, RemoteRejected, RemoteTimeout, RemoteUnavailable
from crm_bridge.redaction import redact_remote

_GAP = timedelta(seconds=1.1)  # at most a request a second, after Agbis has once said that we ask too often
_TIMEOUT = httpx.Timeout(60)  # seconds; 10 is too short for a slow link to the shop's database

_JSON = {"Content-Type": "application/json; charset=UTF-8"}  # obligatory: docs/remote/agbis.md#post


class PerLoopLock:
    """A lock that serves one event loop after another: a session outlives the loop of one request."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = asyncio.Lock()

    def of_this_loop(self) -> asyncio.Lock:
        """Return the lock of the running loop."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._lock = loop, asyncio.Lock()
        return self._lock


class Throttle(PerLoopLock):
    """Lets one request at a time through, and keeps a gap between two once Agbis says that we ask too often.

    Source: docs/remote/agbis.md#operations

    Attributes:
        last_request_at: When the last request was sent.
        gap: Time between two requests.
    """

    def __init__(self) -> None:
        super().__init__()
        self.last_request_at: datetime | None = None
        self.gap = timedelta()


class ConnectionFailed(RemoteUnavailable):
    """No connection was made, so Agbis has received nothing."""


class AgbisHttp:
    """The one entry point of the API.

    Attributes:
        base: Its address, as `wire.base_url` writes it.
    """

    def __init__(self, *, http: httpx.AsyncClient, url: str, clock: Clock, throttle: Throttle) -> None:
        self.base = wire.base_url(url)
        self._http = http
        self._clock = clock
        self._throttle = throttle

    async def call(self, request: wire.Request, requests: Counter[str], *, window: bool = False) -> dict[str, Any]:
        """Make a call that may be repeated: a read or `RefreshSession`.

        Args:
            request: What to send.
            requests: Counts every HTTP request made, by command.
            window: The call reads a window, so a timeout means that the window is too wide: it is not repeated.

        Raises:
            RemoteTimeout: No answer in time, or HTTP 504.
            RemoteUnavailable, RemoteRejected, RemoteProtocolError: See `errors`.
        """

        def may_pass(error: BaseException) -> bool:
            if window and isinstance(error, RemoteTimeout):
                return False
            return isinstance(error, MalformedResponse) or (
                isinstance(error, RemoteUnavailable) and not _throttled(error)
            )

        async def with_retries() -> dict[str, Any]:
            return await self._call_repeatedly(request, requests, may_pass)

        async with self._throttle.of_this_loop():
            return await _readable(
                request,
                lambda: retry_call(
                    with_retries,
                    again=_throttled,
                    policy=AGBIS_BLOCKED,
                    clock=self._clock,
                    name=f"Agbis {request.command}",
                ),
            )

    async def call_once(self, request: wire.Request, requests: Counter[str]) -> dict[str, Any]:
        """Make a call that is repeated only while there is no connection, such as `Login`; raises like `call`."""
        async with self._throttle.of_this_loop():
            return await _readable(
                request,
                lambda: self._call_repeatedly(request, requests, lambda error: isinstance(error, ConnectionFailed)),
            )

    async def _call_repeatedly(
        self, request: wire.Request, requests: Counter[str], again: Callable[[BaseException], bool]
    ) -> dict[str, Any]:
        return await retry_call(
            lambda: self._exchange(request, requests),
            again=again,
            policy=AGBIS_CALL,
            clock=self._clock,
            name=f"Agbis {request.command}",
        )

    async def _exchange(self, request: wire.Request, requests: Counter[str]) -> dict[str, Any]:
        command = request.command
        await self._keep_gap()
        requests[command] += 1
        try:
            response = await self._http.request(
                "GET" if request.content is None else "POST",
                request.url,
                content=request.content,
                headers=None if request.content is None else _JSON,
                timeout=_TIMEOUT,
                follow_redirects=False,  # a redirected POST loses its body: docs/remote/agbis.md#base-url
            )
        except httpx.ReadTimeout as exc:
            raise RemoteTimeout(wire.SYSTEM, f"Agbis: {command}: no answer in time") from exc
        except httpx.DecodingError as exc:
            raise MalformedResponse("the answer cannot be decompressed") from exc
        except (httpx.ConnectError, httpx.ConnectTimeout) as exc:
            raise ConnectionFailed(wire.SYSTEM, f"Agbis: {command}: no connection: {_cause(exc)}") from exc
        except httpx.RequestError as exc:
            raise RemoteUnavailable(wire.SYSTEM, f"Agbis: {command}: {_cause(exc)}") from exc
        except httpx.InvalidURL as exc:
            raise RemoteProtocolError(wire.SYSTEM, "Agbis: AGBIS_URL is not an address that can be asked") from exc
        try:
            return _read(command, response)
        except RemoteUnavailable as exc:
            if _throttled(exc) and command != wire.LOGIN:  # a login is blocked by another login, not by our pace
                self._throttle.gap = _GAP
            raise

    async def _keep_gap(self) -> None:
        throttle = self._throttle
        if throttle.last_request_at is not None:
            pause = throttle.last_request_at + throttle.gap - self._clock.now()
            if pause > timedelta():
                await self._clock.sleep(pause.total_seconds())
        throttle.last_request_at = self._clock.now()


def _read(command: str, response: httpx.Response) -> dict[str, Any]:
    """Decode a response, or raise what its status means. Source: docs/remote/agbis.md#http-statuses"""
    status = response.status_code
    failure = f"Agbis: {command}: HTTP {status}"
    if status == 429:
        raise RemoteUnavailable(wire.SYSTEM, failure, retry_after=AGBIS_BLOCK_SECONDS)
    if status == 504:
        raise RemoteTimeout(wire.SYSTEM, failure)
    if response.is_server_error:
        raise RemoteUnavailable(wire.SYSTEM, failure)
    if response.is_redirect or response.has_redirect_location:
        raise RemoteProtocolError(
            wire.SYSTEM, f"{failure}: set AGBIS_URL to the bare host, such as himinfo.org, no www"
        )
    if response.is_success:
        return wire.reply(command, response.content)
    with suppress(MalformedResponse, RemoteProtocolError):
        wire.reply(command, response.content)  # a refusal may have an error number and a text: those say more
    raise RemoteRejected(wire.SYSTEM, f"HTTP {status}", failure)


async def _readable(request: wire.Request, ask: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    try:
        return await ask()
    except MalformedResponse as exc:
        raise RemoteProtocolError(wire.SYSTEM, f"Agbis: {request.command}: {exc}") from exc


def _throttled(error: BaseException) -> bool:
    """HTTP 429 or error 102: the only failures that say how long to wait."""
    return isinstance(error, RemoteUnavailable) and error.retry_after is not None


def _cause(exc: httpx.HTTPError) -> str:
    return redact_remote(f"{type(exc).__name__} {exc}")

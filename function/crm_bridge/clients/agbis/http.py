"""Asking Agbis one thing: the HTTP exchange, what its failures mean, and which are tried again."""

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

_GAP = timedelta(seconds=1.1)  # a request a second is what is advised; once throttled, we keep to it
_TIMEOUT = httpx.Timeout(60)  # seconds; 10 was seen to be too short for a slow link to the shop's database

_JSON = {"Content-Type": "application/json; charset=UTF-8"}  # the POST form demands it


class PerLoopLock:
    """A lock for an object that outlives event loops, as a worker's do in tests."""

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
    """The right to ask, and how quickly one request may follow another.

    Attributes:
        last_request_at: When somebody last asked.
        gap: Time to keep between two requests: none until Agbis says that we ask too often.
    """

    def __init__(self) -> None:
        super().__init__()
        self.last_request_at: datetime | None = None
        self.gap = timedelta()


class ConnectionFailed(RemoteUnavailable):
    """The connection was not even made, so nothing has been asked."""


class AgbisHttp:
    """The one entry point of the API, asked one thing at a time.

    Attributes:
        base: Its address, as `wire` wants it.
    """

    def __init__(self, *, http: httpx.AsyncClient, url: str, clock: Clock, throttle: Throttle) -> None:
        self.base = wire.base_url(url)
        self._http = http
        self._clock = clock
        self._throttle = throttle

    async def call(self, request: wire.Request, requests: Counter[str], *, window: bool = False) -> dict[str, Any]:
        """Ask until there is an answer, as long as that may help; for reads and `RefreshSession`.

        Args:
            request: What to ask.
            requests: Counts every HTTP request made, by command.
            window: It asks for a window, so a timeout means that the window is too wide: it is not asked again.

        Raises:
            RemoteTimeout: No answer in time, or HTTP 504.
            RemoteUnavailable, RemoteRejected, RemoteProtocolError: As the tree of errors tells.
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
        """Ask, and again only while there is no connection; for `Login`. Raises like `ask`."""
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
                follow_redirects=False,  # a POST would lose its body on the way
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
            if _throttled(exc) and command != wire.LOGIN:  # a login is refused for reasons of its own
                self._throttle.gap = _GAP
            raise

    async def _keep_gap(self) -> None:
        throttle = self._throttle
        if (
            throttle.last_request_at is not None
            and (pause := throttle.last_request_at + throttle.gap - self._clock.now()) > timedelta()
        ):
            await self._clock.sleep(pause.total_seconds())
        throttle.last_request_at = self._clock.now()


def _read(command: str, response: httpx.Response) -> dict[str, Any]:
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
        wire.reply(command, response.content)  # a refusal may come with its error number and text
    raise RemoteRejected(wire.SYSTEM, f"HTTP {status}", failure)


async def _readable(request: wire.Request, ask: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    try:
        return await ask()
    except MalformedResponse as exc:
        raise RemoteProtocolError(wire.SYSTEM, f"Agbis: {request.command}: {exc}") from exc


def _throttled(error: BaseException) -> bool:
    """HTTP 429 or error 102: the only failures that come with a time to wait."""
    return isinstance(error, RemoteUnavailable) and error.retry_after is not None


def _cause(exc: httpx.HTTPError) -> str:
    return redact_remote(f"{type(exc).__name__} {exc}")

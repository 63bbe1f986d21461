"""Calls of Agbis: the HTTP exchange, one at a time, what failures mean, and which are tried again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx

from crm_bridge.clients.agbis import wire
from crm_bridge.clients.exchange import ConnectionFailed, HttpAnswer, HttpRequest, exchange
from crm_bridge.clients.retry import AGBIS_BLOCK_SECONDS, AGBIS_BLOCKED, AGBIS_CALL, MalformedResponse, retry_call
from crm_bridge.clock import RunTime
from crm_bridge.errors import RemoteProtocolError, RemoteRejected, RemoteTimeout, RemoteUnavailable

_GAP = 1.1  # seconds: at most a request a second, after Agbis has once said that we ask too often

_JSON = {"Content-Type": "application/json; charset=UTF-8"}  # obligatory: docs/remote/agbis.md#post


class PerLoopLock:
    """A lock that serves one event loop after another: a session outlives the loop of one request."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def held(self, time: RunTime) -> AsyncIterator[None]:
        """Hold the lock; wait for it no longer than the run may.

        Raises:
            RemoteUnavailable: Another call to Agbis has held it until the deadline, in a pause of its own.
        """
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._lock = loop, asyncio.Lock()
        lock, left = self._lock, time.left()
        if lock.locked():
            try:
                async with asyncio.timeout(max(0, left)):
                    await lock.acquire()
            except TimeoutError as exc:
                message = "Agbis: another call has not ended in time"
                raise RemoteUnavailable(wire.SYSTEM, message, retry_after=AGBIS_BLOCK_SECONDS) from exc
        else:
            await lock.acquire()
        try:
            yield
        finally:
            lock.release()


class Throttle(PerLoopLock):
    """Lets one request at a time through, and keeps a gap between two once Agbis says that we ask too often.

    Source: docs/remote/agbis.md#operations

    Attributes:
        last_request_at: When the last request was sent, by the monotonic clock.
        gap: Seconds between two requests.
    """

    def __init__(self) -> None:
        super().__init__()
        self.last_request_at: float | None = None
        self.gap = 0.0


class AgbisHttp:
    """The one entry point of the API.

    Attributes:
        base: Its address, as `wire.base_url` writes it.
    """

    def __init__(self, *, http: httpx.AsyncClient, url: str, throttle: Throttle, secrets: Sequence[str] = ()) -> None:
        """Take what every call needs; no message quotes one of the secrets."""
        self.base = wire.base_url(url)
        self._http = http
        self._throttle = throttle
        self._secrets = tuple(secrets)

    async def call(
        self, request: wire.Request, requests: Counter[str], time: RunTime, *, window: bool = False
    ) -> dict[str, Any]:
        """Make a call that may be repeated: a read or `RefreshSession`.

        Args:
            request: What to send.
            requests: Counts every HTTP request made, by command.
            time: The run's; no wait lasts beyond its deadline.
            window: The call reads a window, so a timeout means that the window is too wide: it is not repeated.

        Raises:
            RemoteTimeout: No answer in time, or HTTP 504.
            RunStopped: The run's time was over before the call.
            RemoteUnavailable, RemoteRejected, RemoteProtocolError: See `errors`.
        """

        def may_pass(error: BaseException) -> bool:
            if window and isinstance(error, RemoteTimeout):
                return False
            return isinstance(error, MalformedResponse) or (
                isinstance(error, RemoteUnavailable) and not isinstance(error, wire.TooFrequent)
            )

        async def with_retries() -> dict[str, Any]:
            return await self._call_repeatedly(request, requests, time, may_pass)

        async with self._throttle.held(time):
            return await _readable(
                request,
                lambda: retry_call(
                    with_retries,
                    again=lambda error: isinstance(error, wire.TooFrequent),
                    policy=AGBIS_BLOCKED,
                    time=time,
                    name=f"Agbis {request.command}",
                ),
            )

    async def call_once(self, request: wire.Request, requests: Counter[str], time: RunTime) -> dict[str, Any]:
        """Make a call that is repeated only while there is no connection, such as `Login`; raises like `call`."""

        async def ask() -> dict[str, Any]:
            return await self._call_repeatedly(
                request, requests, time, lambda error: isinstance(error, ConnectionFailed)
            )

        async with self._throttle.held(time):
            return await _readable(request, ask)

    async def _call_repeatedly(
        self, request: wire.Request, requests: Counter[str], time: RunTime, again: Callable[[BaseException], bool]
    ) -> dict[str, Any]:
        return await retry_call(
            lambda: self._exchange(request, requests, time),
            again=again,
            policy=AGBIS_CALL,
            time=time,
            name=f"Agbis {request.command}",
        )

    async def _exchange(self, request: wire.Request, requests: Counter[str], time: RunTime) -> dict[str, Any]:
        command = request.command
        asked = HttpRequest(
            system=wire.SYSTEM,
            call=command,
            url=request.url,
            content=request.content,
            headers={} if request.content is None else _JSON,
            most_bytes=request.most_bytes,
        )
        await self._keep_gap(time)
        requests[command] += 1
        answer = await exchange(self._http, asked, time)
        try:
            return _read(command, answer, (*self._secrets, *request.secrets))
        except wire.TooFrequent as exc:
            if command != wire.LOGIN:  # a login is blocked by another login, not by our pace
                self._throttle.gap = _GAP
            exc.retry_after = answer.retry_after or exc.retry_after
            raise
        except RemoteUnavailable as exc:
            exc.retry_after = answer.retry_after
            raise

    async def _keep_gap(self, time: RunTime) -> None:
        throttle = self._throttle
        if throttle.last_request_at is not None:
            pause = throttle.last_request_at + throttle.gap - time.monotonic()
            if pause > 0:
                await time.sleep(pause)
        throttle.last_request_at = time.monotonic()


def _read(command: str, answer: HttpAnswer, secrets: Sequence[str]) -> dict[str, Any]:
    """Decode an answer, or raise what its status means. Source: docs/remote/agbis.md#http-statuses"""
    status = answer.status_code
    failure = f"Agbis: {command}: HTTP {status}"
    if status == 429:
        raise wire.TooFrequent(wire.SYSTEM, failure, retry_after=AGBIS_BLOCK_SECONDS)
    if status == 504:
        raise RemoteTimeout(wire.SYSTEM, failure)
    if status >= 500:
        raise RemoteUnavailable(wire.SYSTEM, failure)
    if answer.is_redirect:
        raise RemoteProtocolError(
            wire.SYSTEM, f"{failure}: set AGBIS_URL to the bare host, such as himinfo.org, no www"
        )
    if answer.is_success:
        return wire.reply(command, answer.content, secrets=secrets)
    with suppress(MalformedResponse, RemoteProtocolError):
        wire.reply(command, answer.content, secrets=secrets)  # an error number and a text say more than a status
    raise RemoteRejected(wire.SYSTEM, f"HTTP {status}", failure)


async def _readable(request: wire.Request, ask: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    try:
        return await ask()
    except MalformedResponse as exc:
        raise RemoteProtocolError(wire.SYSTEM, f"Agbis: {request.command}: {exc}") from exc

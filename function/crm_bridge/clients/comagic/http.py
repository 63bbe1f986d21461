"""JSON-RPC calls of CoMagic: the HTTP exchange, the quota, what failures mean, and which are tried again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import httpx

from crm_bridge.clients.comagic import wire
from crm_bridge.clients.comagic.errors import SYSTEM, LimitExceeded
from crm_bridge.clients.comagic.quota import QuotaThrottle
from crm_bridge.clients.exchange import HttpAnswer, HttpRequest, exchange
from crm_bridge.clients.retry import COMAGIC_READ, MalformedResponse, retry_call
from crm_bridge.clock import RunTime
from crm_bridge.errors import QuotaSpent, RemoteProtocolError, RemoteTimeout, RemoteUnavailable, RunStopped
from crm_bridge.redaction import register_secrets

_HEADERS = {"Content-Type": "application/json; charset=UTF-8"}


class ComagicHttp:
    """The one entry point of the API, for one run.

    Attributes:
        requests: HTTP requests made so far, per method, retries included.
        quota: The points of the run.
    """

    def __init__(
        self,
        *,
        http: httpx.AsyncClient,
        url: str,
        token: str,
        user_id: int | None,
        concurrency: int,
        time: RunTime,
    ) -> None:
        register_secrets(token)
        self.requests: Counter[str] = Counter()
        self.quota = QuotaThrottle(time)
        self._http = http
        self._url = url.rstrip("/")  # with a slash at its end it would be another address
        self._token = token
        self._user_id = user_id
        self._time = time
        self._slots = asyncio.Semaphore(concurrency)

    async def call(self, method: str, params: Mapping[str, Any]) -> wire.Answer:
        """Make a call that changes nothing; repeat it while the network or CoMagic fails for the moment.

        Raises:
            QuotaSpent: There are no points, or waiting for them would last beyond the deadline.
            RunStopped: The run's time was over before there was an answer.
            RemoteTimeout, RemoteUnavailable, RemoteRejected, RemoteProtocolError: See `errors`.
        """
        try:
            return await _readable(
                method,
                lambda: retry_call(
                    lambda: self._within_quota(method, params),
                    again=_may_pass,
                    policy=COMAGIC_READ,
                    time=self._time,
                    name=f"CoMagic {method}",
                ),
            )
        except RemoteTimeout as exc:
            if self._time.left() > 0:
                raise
            raise RunStopped("The time of this run was over before CoMagic had answered", retry_after=60) from exc

    async def call_once(self, method: str, params: Mapping[str, Any]) -> wire.Answer:
        """Make a call that writes; only a refusal for the quota is repeated, because it did nothing.

        After a lost answer the write may have happened, so the caller must read before it repeats the call.
        Raises like `call`.
        """
        return await _readable(method, lambda: self._within_quota(method, params))

    async def _within_quota(self, method: str, params: Mapping[str, Any]) -> wire.Answer:
        """Make a call when there is a point for it, and again after each refusal for the quota."""
        times = 0
        while True:
            try:
                async with self.quota.reserve_quota(1), self._slots:
                    return await self._exchange(method, params)
            except LimitExceeded as refusal:
                times += 1
                self.quota.refused(refusal, times=times)
            except RemoteUnavailable as exc:
                if exc.retry_after is not None and not isinstance(exc, QuotaSpent):
                    self.quota.close_for(exc.retry_after, str(exc))
                raise

    async def _exchange(self, method: str, params: Mapping[str, Any]) -> wire.Answer:
        request = wire.request(method, params, token=self._token, user_id=self._user_id)
        asked = HttpRequest(system=SYSTEM, call=method, url=self._url, content=request.content, headers=_HEADERS)
        self.requests[method] += 1
        received = await exchange(self._http, asked, self._time)
        try:
            answer = _read(request, received, secrets=(self._token,))
        except (LimitExceeded, RemoteUnavailable) as exc:
            exc.retry_after = received.retry_after
            raise
        self.quota.note(answer.limits)
        return answer


def _read(request: wire.Request, received: HttpAnswer, *, secrets: tuple[str, ...]) -> wire.Answer:
    if received.is_success:
        return wire.answer(request, received.content, secrets=secrets)
    # Errors come as HTTP 200, so a body that can be read counts more than a status.
    # Source: docs/remote/comagic-data-api.md#http-status
    with suppress(MalformedResponse, RemoteProtocolError):
        wire.answer(request, received.content, secrets=secrets)
    status = received.status_code
    failure = f"CoMagic: {request.method}: HTTP {status}"
    if status == 429:
        raise LimitExceeded(failure, {}, "")
    if status == 504:
        raise RemoteTimeout(SYSTEM, failure)
    if status >= 500:
        raise RemoteUnavailable(SYSTEM, failure)
    raise RemoteProtocolError(SYSTEM, f"{failure}: COMAGIC_URL is to be checked")


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, MalformedResponse) or (
        isinstance(error, RemoteUnavailable) and not isinstance(error, QuotaSpent)
    )


async def _readable(method: str, call: Callable[[], Awaitable[wire.Answer]]) -> wire.Answer:
    try:
        return await call()
    except MalformedResponse as exc:
        raise RemoteProtocolError(SYSTEM, f"CoMagic: {method}: {exc}") from exc

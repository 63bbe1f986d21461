"""JSON-RPC calls of CoMagic: the HTTP exchange, the quota, what failures mean, and which are tried again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import httpx

from crm_bridge.clients.comagic import wire
from crm_bridge.clients.comagic.errors import SYSTEM, LimitExceeded
from crm_bridge.clients.comagic.quota import QuotaThrottle
from crm_bridge.clients.retry import COMAGIC_READ, MalformedResponse, retry_call
from crm_bridge.clock import Clock
from crm_bridge.errors import QuotaSpent, RemoteProtocolError, RemoteTimeout, RemoteUnavailable
from crm_bridge.redaction import redact_remote

_TIMEOUT = httpx.Timeout(60)  # seconds; a page of 10 000 rows takes its time
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
        clock: Clock,
        deadline: datetime,
    ) -> None:
        self.requests: Counter[str] = Counter()
        self.quota = QuotaThrottle(clock=clock, deadline=deadline)
        self._http = http
        self._url = url.rstrip("/")  # with a slash at its end it would be another address
        self._token = token
        self._user_id = user_id
        self._clock = clock
        self._deadline = deadline
        self._slots = asyncio.Semaphore(concurrency)

    async def call(self, method: str, params: Mapping[str, Any]) -> wire.Answer:
        """Make a call that changes nothing; repeat it while the network or CoMagic fails for the moment.

        Raises:
            QuotaSpent: There are no points, or waiting for them would last beyond the deadline.
            RemoteTimeout, RemoteUnavailable, RemoteRejected, RemoteProtocolError: See `errors`.
        """
        return await _readable(
            method,
            lambda: retry_call(
                lambda: self._within_quota(method, params),
                again=_may_pass,
                policy=COMAGIC_READ.within(self._deadline - self._clock.now()),
                clock=self._clock,
                name=f"CoMagic {method}",
            ),
        )

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
                self.quota.refused(str(refusal), refusal.limits, kind=refusal.kind, times=times)

    async def _exchange(self, method: str, params: Mapping[str, Any]) -> wire.Answer:
        request = wire.request(method, params, token=self._token, user_id=self._user_id)
        self.requests[method] += 1
        try:
            response = await self._http.post(
                self._url, content=request.content, headers=_HEADERS, timeout=_TIMEOUT, follow_redirects=False
            )
        except httpx.ReadTimeout as exc:
            raise RemoteTimeout(SYSTEM, f"CoMagic: {method}: no answer in time") from exc
        except httpx.DecodingError as exc:
            raise MalformedResponse("the answer cannot be decompressed") from exc
        except httpx.RequestError as exc:
            cause = redact_remote(f"{type(exc).__name__} {exc}", (self._token,))
            raise RemoteUnavailable(SYSTEM, f"CoMagic: {method}: {cause}") from exc
        except httpx.InvalidURL as exc:
            raise RemoteProtocolError(SYSTEM, "CoMagic: COMAGIC_URL is not an address that can be asked") from exc
        answer = _read(request, response, secrets=(self._token,))
        self.quota.note(answer.limits)
        return answer


def _read(request: wire.Request, response: httpx.Response, *, secrets: tuple[str, ...]) -> wire.Answer:
    if response.is_success:
        return wire.answer(request, response.content, secrets=secrets)
    # Errors come as HTTP 200, so a body that can be read counts more than a status.
    # Source: docs/remote/comagic-data-api.md#http-status
    with suppress(MalformedResponse, RemoteProtocolError):
        wire.answer(request, response.content, secrets=secrets)
    status = response.status_code
    failure = f"CoMagic: {request.method}: HTTP {status}"
    if status == 429:
        raise LimitExceeded(failure, {}, "")
    if status == 504:
        raise RemoteTimeout(SYSTEM, failure)
    if response.is_server_error:
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

"""CoMagic as the use cases need it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from crm_bridge.clients.comagic import errors, mapping, paging, wire
from crm_bridge.clients.comagic.quota import QuotaThrottle
from crm_bridge.clients.retry import COMAGIC_READ, MalformedResponse, retry_call
from crm_bridge.clock import Clock
from crm_bridge.domain.communication import (
    Communication,
    CommunicationDetails,
    CommunicationKey,
    CommunicationType,
    FoundCommunications,
    Site,
)
from crm_bridge.domain.quota import Quota
from crm_bridge.domain.sale import Sale
from crm_bridge.errors import (
    AccessDenied,
    Barrier,
    QuotaSpent,
    RemoteProtocolError,
    RemoteRejected,
    RemoteTimeout,
    RemoteUnavailable,
)
from crm_bridge.redaction import redact_remote

_TIMEOUT = httpx.Timeout(60)  # seconds; a page of 10 000 rows takes its time
_HEADERS = {"Content-Type": "application/json; charset=UTF-8"}

_IDS = 200  # in one filter: how long its list may be is not documented
_AROUND = timedelta(days=1)  # a report wants an interval even for known ids


class ComagicClient:
    """A `CallTracking` for one run.

    Attributes:
        requests: HTTP requests made so far, per method, retries included.
        warnings: Sources that the settings name and CoMagic does not give, each told once.
    """

    def __init__(
        self,
        *,
        http: httpx.AsyncClient,
        url: str,
        token: str,
        user_id: int | None,
        time_zone: ZoneInfo,
        region: str,
        sources: tuple[CommunicationType, ...],
        concurrency: int,
        clock: Clock,
        deadline: datetime,
    ) -> None:
        """Make a client.

        Args:
            http: Sends requests; nothing has to be set in it.
            url: The API's one address.
            token: A key of the Data API.
            user_id: The customer for whom an agency's key acts.
            time_zone: The account's; all times on the wire are of it.
            region: For phones in national spelling.
            sources: The kinds of communications that `communications` reads.
            concurrency: Requests under way at once.
            clock: All waiting is done on it.
            deadline: No wait for a quota and no repetition goes beyond it, aware.
        """
        self.requests: Counter[str] = Counter()
        self.warnings: list[str] = []
        self._http = http
        self._url = url.rstrip("/")  # a path of its own would be a wrong one
        self._token = token
        self._user_id = user_id
        self._zone = time_zone
        self._region = region
        self._sources = sources
        self._concurrency = concurrency
        self._clock = clock
        self._deadline = deadline
        self._quota = QuotaThrottle(clock=clock, deadline=deadline)
        self._turns = asyncio.Semaphore(concurrency)

    @property
    def quota(self) -> Quota:
        """The quota as CoMagic's last answer reported it."""
        limits = self._quota.limits
        return Quota(
            day_remaining=limits.get("day_remaining"), day_reset_seconds=limits.get("day_reset"), limits=limits
        )

    def reserve_quota(self, count: int) -> AbstractAsyncContextManager[None]:
        """Hold `count` points of the quota for the calls made inside; see `QuotaThrottle.points`."""
        return self._quota.reserve_quota(count)

    async def sale_tag_id(self) -> int:
        """Find the id of the system tag «Продажа» or "Sale" (`get.tags`); it differs between accounts.

        Raises:
            RemoteProtocolError: There is not exactly one; the message names COMAGIC_SALE_TAG_ID.
        """
        return mapping.sale_tag_id(await self._read(wire.GET_TAGS, wire.system_tags()))

    async def communications(
        self, since: datetime, until: datetime, *, sale_tag_id: int
    ) -> AsyncGenerator[list[Communication]]:
        """Read every communication of the interval with a usable phone that was not lost, page by page.

        Full pages of 10 000 rows, one point each: 120 000 calls cost 12 requests. No row comes twice, and none is
        missed because rows moved between pages; see `reports`. A page may be empty.
        """
        reading = mapping.Reading(zone=self._zone, region=self._region, sale_tag_id=sale_tag_id)
        for kind in self._sources:
            pages = paging.read(
                partial(self._page, kind, reading),
                since,
                until,
                ordered=wire.REPORTS[kind].sortable,
                concurrency=self._concurrency,
            )
            try:
                async with aclosing(pages):
                    async for page in pages:
                        yield page
            except RemoteRejected as exc:
                self._warn(kind, exc)

    async def get_communications(
        self, communications: Collection[tuple[CommunicationKey, datetime]], *, sale_tag_id: int
    ) -> dict[CommunicationKey, Communication]:
        """Read some communications again, each named by its key and start; one CoMagic no longer has is left out.

        One that is lost by now, or has no usable phone any more, is returned all the same, its phone perhaps empty.
        """
        reading = mapping.Reading(zone=self._zone, region=self._region, sale_tag_id=sale_tag_id, every=True)
        calls = [
            partial(self._page, kind, reading, since, until, ids=ids)
            for kind, since, until, ids in _chunks(communications)
        ]
        found = {}
        wanted = {key for key, _ in communications}
        async with aclosing(paging.in_order(calls, self._concurrency)) as pages:
            async for page in pages:
                for row in page.rows:
                    if row.communication is not None and row.communication.key in wanted:
                        found[row.communication.key] = row.communication
        return found

    async def communications_of_phone(
        self, phone: str, kind: CommunicationType, since: datetime, until: datetime, *, sale_tag_id: int
    ) -> FoundCommunications:
        """Read the communications of one phone and one kind, lost ones too, in a single request."""
        reading = mapping.Reading(zone=self._zone, region=self._region, sale_tag_id=sale_tag_id, every=True)
        params = wire.phone_report(kind, since, until, zone=self._zone, phone=phone)
        try:
            page = mapping.page(await self._read(wire.REPORTS[kind].method, params), kind, reading)
        except RemoteRejected as exc:
            self._warn(kind, exc)
            return FoundCommunications(found=())
        found = {
            row.communication.key: CommunicationDetails(
                communication=row.communication, lost=row.lost, site_id=row.site_id
            )
            for row in page.rows
            if row.communication is not None and row.communication.phone == phone
        }
        in_order = sorted(found.values(), key=lambda each: (each.communication.started_at, each.communication.id))
        total = len(page.rows) if page.total is None else page.total
        return FoundCommunications(found=tuple(in_order), complete=total <= wire.PAGE)

    async def sites(self) -> list[Site]:
        """Return the account's sites, and whether each takes sales (`get.sites`)."""
        return mapping.sites(await self._read(wire.GET_SITES, wire.sites()))

    async def account_zone(self) -> str:
        """Return the IANA name of the account's time zone (`get.account`)."""
        return mapping.account_zone(await self._read(wire.GET_ACCOUNT, {}))

    async def check_tag_permission(self) -> None:
        """Make sure that the key may change tags, without changing anything and without costing a point.

        It asks for a tag that no account has to be taken off a communication that no account has. What is not allowed
        is refused before what does not exist, and only what succeeds costs a point.
        """
        nothing = CommunicationKey(CommunicationType.CALL, 0)
        try:
            await self._read(wire.UNSET_TAG, wire.unset_tag(nothing, 0))
        except AccessDenied as exc:
            if exc.barrier is not Barrier.COMPONENT:
                raise
        except RemoteRejected:  # the expected answer: there is no such communication
            return

    async def set_sale(self, sale: Sale) -> int | None:
        """Set a sale (`set.tag_sales`), once; only a refusal for the quota, which did nothing, is asked again.

        Returns:
            CoMagic's id of the sale, when it tells one.

        Raises:
            QuotaSpent, RemoteRejected: It was not set.
            RemoteUnavailable, RemoteProtocolError: It may have been set.
        """
        return mapping.sale_id(await self._write(wire.SET_SALE, wire.set_sale(sale, self._zone)))

    async def unset_sale(self, key: CommunicationKey, *, sale_tag_id: int) -> None:
        """Take the sale off a communication (`unset.tag_communications`); raises like `set_sale`."""
        await self._write(wire.UNSET_TAG, wire.unset_tag(key, sale_tag_id))

    def _warn(self, kind: CommunicationType, exc: RemoteRejected) -> None:
        """Go on without a source whose component is not enabled; calls need none, so of them nothing is forgiven."""
        component_is_off = isinstance(exc, AccessDenied) and exc.barrier is Barrier.COMPONENT
        if kind is CommunicationType.CALL or not component_is_off:
            raise exc
        self.warnings.append(f"{wire.REPORTS[kind].method} was not read: {exc}")

    async def _page(
        self,
        kind: CommunicationType,
        reading: mapping.Reading,
        since: datetime,
        until: datetime,
        offset: int = 0,
        *,
        ids: Collection[int] = (),
    ) -> mapping.Page:
        params = wire.report(kind, since, until, zone=self._zone, offset=offset, ids=tuple(ids))
        return mapping.page(await self._read(wire.REPORTS[kind].method, params), kind, reading)

    async def _read(self, method: str, params: Mapping[str, Any]) -> wire.Answer:
        """Make a call that changes nothing, so it is repeated when the network or CoMagic fails for the moment."""
        policy = COMAGIC_READ.within(self._deadline - self._clock.now())
        return await _readable(
            method,
            lambda: retry_call(
                lambda: self._admitted(method, params),
                again=_may_pass,
                policy=policy,
                clock=self._clock,
                name=f"CoMagic {method}",
            ),
        )

    async def _write(self, method: str, params: Mapping[str, Any]) -> wire.Answer:
        """Make a call that must not be repeated: nobody knows whether a lost answer was a success."""
        return await _readable(method, lambda: self._admitted(method, params))

    async def _admitted(self, method: str, params: Mapping[str, Any]) -> wire.Answer:
        """Make a call when there is a point for it, and again when it is refused for the quota all the same."""
        times = 0
        while True:
            try:
                async with self._quota.reserve_quota(1), self._turns:
                    return await self._exchange(method, params)
            except errors.LimitExceeded as refusal:
                times += 1
                self._quota.refused(str(refusal), refusal.limits, kind=refusal.kind, times=times)

    async def _exchange(self, method: str, params: Mapping[str, Any]) -> wire.Answer:
        request = wire.request(method, params, token=self._token, user_id=self._user_id)
        self.requests[method] += 1
        try:
            response = await self._http.post(
                self._url, content=request.content, headers=_HEADERS, timeout=_TIMEOUT, follow_redirects=False
            )
        except httpx.ReadTimeout as exc:
            raise RemoteTimeout(errors.SYSTEM, f"CoMagic: {method}: no answer in time") from exc
        except httpx.DecodingError as exc:
            raise MalformedResponse("the answer cannot be decompressed") from exc
        except httpx.RequestError as exc:
            raise RemoteUnavailable(
                errors.SYSTEM, f"CoMagic: {method}: {redact_remote(f'{type(exc).__name__} {exc}', (self._token,))}"
            ) from exc
        except httpx.InvalidURL as exc:
            raise RemoteProtocolError(
                errors.SYSTEM, "CoMagic: COMAGIC_URL is not an address that can be asked"
            ) from exc
        answer = self._answer(request, response)
        self._quota.note(answer.limits)
        return answer

    def _answer(self, request: wire.Request, response: httpx.Response) -> wire.Answer:
        secrets = (self._token,)
        if response.is_success:
            return wire.answer(request, response.content, secrets=secrets)
        # No page of the reference mentions a status, so what the body says comes first.
        with suppress(MalformedResponse, RemoteProtocolError):
            wire.answer(request, response.content, secrets=secrets)
        status = response.status_code
        failure = f"CoMagic: {request.method}: HTTP {status}"
        if status == 429:
            raise errors.LimitExceeded(failure, {}, "")
        if status == 504:
            raise RemoteTimeout(errors.SYSTEM, failure)
        if response.is_server_error:
            raise RemoteUnavailable(errors.SYSTEM, failure)
        raise RemoteProtocolError(errors.SYSTEM, f"{failure}: COMAGIC_URL is to be checked")


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, MalformedResponse) or (
        isinstance(error, RemoteUnavailable) and not isinstance(error, QuotaSpent)
    )


async def _readable(method: str, call: Callable[[], Awaitable[wire.Answer]]) -> wire.Answer:
    try:
        return await call()
    except MalformedResponse as exc:
        raise RemoteProtocolError(errors.SYSTEM, f"CoMagic: {method}: {exc}") from exc


def _chunks(
    communications: Collection[tuple[CommunicationKey, datetime]],
) -> list[tuple[CommunicationType, datetime, datetime, list[int]]]:
    """Group communications into queries: of one kind, not too many, close enough in time."""
    chunks = []
    nearby = paging.SPAN - 2 * _AROUND
    ordered = sorted(communications, key=lambda item: (item[0].type, item[1], item[0].id))
    for kind, group in groupby(ordered, key=lambda item: item[0].type):
        items = list(group)
        while items:
            first = items[0][1]
            chunk = [item for item in items[:_IDS] if item[1] - first <= nearby]
            chunks.append((kind, first - _AROUND, chunk[-1][1] + _AROUND, [key.id for key, _ in chunk]))
            items = items[len(chunk) :]
    return chunks

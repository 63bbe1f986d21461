"""CoMagic as the use cases need it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

import httpx

from crm_bridge.clients.comagic import mapping, paging, wire
from crm_bridge.clients.comagic.http import ComagicHttp
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
from crm_bridge.errors import AccessDenied, Barrier, RemoteRejected


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
        self.warnings: list[str] = []
        self._api = ComagicHttp(
            http=http,
            url=url,
            token=token,
            user_id=user_id,
            concurrency=concurrency,
            clock=clock,
            deadline=deadline,
        )
        self.requests = self._api.requests
        self._zone = time_zone
        self._region = region
        self._sources = sources
        self._concurrency = concurrency

    @property
    def quota(self) -> Quota:
        """The quota as CoMagic's last answer reported it."""
        limits = self._api.quota.limits
        return Quota(
            day_remaining=limits.get("day_remaining"), day_reset_seconds=limits.get("day_reset"), limits=limits
        )

    def reserve_quota(self, count: int) -> AbstractAsyncContextManager[None]:
        """Hold `count` points of the quota for the calls made inside; see `QuotaThrottle.reserve_quota`."""
        return self._api.quota.reserve_quota(count)

    async def sale_tag_id(self) -> int:
        """Find the id of the system tag «Продажа» or "Sale" (`get.tags`); it differs between accounts.

        Raises:
            RemoteProtocolError: There is not exactly one; the message names COMAGIC_SALE_TAG_ID.
        """
        return mapping.sale_tag_id(await self._api.call(wire.GET_TAGS, wire.system_tags()))

    async def communications(
        self, since: datetime, until: datetime, *, sale_tag_id: int
    ) -> AsyncGenerator[list[Communication]]:
        """Read every communication of the interval with a usable phone that was not lost, page by page.

        Full pages of 10 000 rows, one point each: 120 000 calls cost 12 requests. No row comes twice, and none is
        missed because rows moved between pages; see `reports`. A page may be empty.
        """
        options = mapping.RowOptions(zone=self._zone, region=self._region, sale_tag_id=sale_tag_id)
        for kind in self._sources:
            pages = paging.read(
                partial(self._page, kind, options),
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
        options = mapping.RowOptions(zone=self._zone, region=self._region, sale_tag_id=sale_tag_id, keep_unusable=True)
        calls = [
            partial(self._page, kind, options, since, until, ids=ids)
            for kind, since, until, ids in paging.batches(communications)
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
        options = mapping.RowOptions(zone=self._zone, region=self._region, sale_tag_id=sale_tag_id, keep_unusable=True)
        params = wire.phone_report(kind, since, until, zone=self._zone, phone=phone)
        try:
            page = mapping.page(await self._api.call(wire.REPORTS[kind].method, params), kind, options)
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
        return mapping.sites(await self._api.call(wire.GET_SITES, wire.sites()))

    async def account_zone(self) -> str:
        """Return the IANA name of the account's time zone (`get.account`)."""
        return mapping.account_zone(await self._api.call(wire.GET_ACCOUNT, {}))

    async def check_tag_permission(self) -> None:
        """Make sure that the key may change tags, without changing anything and without costing a point.

        It asks for a tag that no account has to be taken off a communication that no account has. What is not allowed
        is refused before what does not exist, and only what succeeds costs a point.
        """
        nothing = CommunicationKey(CommunicationType.CALL, 0)
        try:
            await self._api.call(wire.UNSET_TAG, wire.unset_tag(nothing, 0))
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
        return mapping.sale_id(await self._api.call_once(wire.SET_SALE, wire.set_sale(sale, self._zone)))

    async def unset_sale(self, key: CommunicationKey, *, sale_tag_id: int) -> None:
        """Take the sale off a communication (`unset.tag_communications`); raises like `set_sale`."""
        await self._api.call_once(wire.UNSET_TAG, wire.unset_tag(key, sale_tag_id))

    def _warn(self, kind: CommunicationType, exc: RemoteRejected) -> None:
        """Go on without a source whose component is not enabled; calls need none, so of them nothing is forgiven."""
        component_is_off = isinstance(exc, AccessDenied) and exc.barrier is Barrier.COMPONENT
        if kind is CommunicationType.CALL or not component_is_off:
            raise exc
        self.warnings.append(f"{wire.REPORTS[kind].method} was not read: {exc}")

    async def _page(
        self,
        kind: CommunicationType,
        options: mapping.RowOptions,
        since: datetime,
        until: datetime,
        offset: int = 0,
        *,
        ids: Collection[int] = (),
    ) -> mapping.Page:
        params = wire.report(kind, since, until, zone=self._zone, offset=offset, ids=tuple(ids))
        return mapping.page(await self._api.call(wire.REPORTS[kind].method, params), kind, options)

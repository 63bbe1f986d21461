"""CoMagic as the use cases need it: each method of the port as calls of the Data API."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

import httpx

from crm_bridge.clients.comagic import mapping, paging, wire
from crm_bridge.clients.comagic.deals import ComagicDeals
from crm_bridge.clients.comagic.http import ComagicHttp
from crm_bridge.clock import RunTime
from crm_bridge.domain.communication import (
    Communication,
    CommunicationKey,
    CommunicationRef,
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
        warnings: One for each source that the settings name and CoMagic refuses, and for each report that lacked rows.
        deals: The account's deals, at the same quota.
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
        time: RunTime,
    ) -> None:
        """Make a client.

        Args:
            http: Sends requests; needs no settings of its own.
            url: The API's one address.
            token: A key of the Data API.
            user_id: The customer for whom an agency's key acts.
            time_zone: The account's, in which all times are written and read.
            region: For phones in national spelling.
            sources: The types of communications that `communications` reads.
            concurrency: The most requests under way at once.
            time: The run's; no wait for a quota, no repetition and no answer lasts beyond its deadline.
        """
        self.warnings: list[str] = []
        self._api = ComagicHttp(
            http=http,
            url=url,
            token=token,
            user_id=user_id,
            concurrency=concurrency,
            time=time,
        )
        self.requests = self._api.requests
        self.deals = ComagicDeals(self._api, time_zone)
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
        """Book `count` points of the quota for the calls made inside; see `QuotaThrottle.reserve_quota`."""
        return self._api.quota.reserve_quota(count)

    def keep_points(self, count: int) -> None:
        """Leave so many of the day's points to what comes later in the run; 0 gives them free."""
        self._api.quota.kept = count

    async def sale_tag_id(self) -> int:
        """Find the id of the system tag «Продажа» or "Sale" (`get.tags`); it differs between accounts.

        Raises:
            RemoteProtocolError: There is not exactly one; the message names COMAGIC_SALE_TAG_ID.
        """
        return mapping.sale_tag_id(await self._api.call(wire.GET_TAGS, wire.system_tags()))

    async def communications(
        self, since: datetime, until: datetime, *, sale_tag_id: int
    ) -> AsyncGenerator[list[Communication]]:
        """Read every communication of the interval with a usable phone, lost ones too, page by page.

        Pages have 10 000 rows and cost a point each: 120 000 calls cost 12 requests. No row comes twice, and none is
        missed because rows moved between pages; see `paging`. A page may be empty.
        """
        options = self._options(sale_tag_id)
        for kind in self._sources:
            pages = paging.read(
                partial(self._page, kind, options),
                since,
                until,
                ordered=wire.REPORTS[kind].sortable,
                concurrency=self._concurrency,
                warn=partial(self._warn_of_rows, kind),
            )
            try:
                async with aclosing(pages):
                    async for page in pages:
                        yield page
            except RemoteRejected as exc:
                self._warn(kind, exc)

    async def get_communications(
        self, communications: Collection[CommunicationRef], *, sale_tag_id: int
    ) -> dict[CommunicationKey, Communication]:
        """Read some communications again, each named by its key and start; those CoMagic no longer has are left out.

        A communication that has no usable phone any more is returned too, with an empty phone.
        """
        options = self._options(sale_tag_id, keep_unusable=True)
        calls = [
            partial(self._page, kind, options, since, until, ids=ids)
            for kind, since, until, ids in paging.batches(communications)
        ]
        found = {}
        wanted = {ref.key for ref in communications}
        async with aclosing(paging.in_order(calls, self._concurrency)) as pages:
            async for page in pages:
                for row in page.rows:
                    if row.communication is not None and row.communication.key in wanted:
                        found[row.communication.key] = row.communication
        return found

    async def communications_of_phones(
        self, phones: Collection[str], kind: CommunicationType, since: datetime, until: datetime, *, sale_tag_id: int
    ) -> FoundCommunications:
        """Read the communications of some phones and one kind, lost ones too, in a single request."""
        options = self._options(sale_tag_id, keep_unusable=True)
        params = wire.phone_report(kind, since, until, zone=self._zone, phones=phones)
        try:
            page = mapping.page(await self._api.call(wire.REPORTS[kind].method, params), kind, options)
        except RemoteRejected as exc:
            self._warn(kind, exc)
            return FoundCommunications(found=())
        return mapping.found_of_phones(page, phones)

    async def sites(self) -> list[Site]:
        """Return the account's sites, and whether each takes sales (`get.sites`)."""
        return mapping.sites(await self._api.call(wire.GET_SITES, wire.sites()))

    async def account_zone(self) -> str:
        """Return the IANA name of the account's time zone (`get.account`)."""
        return mapping.account_zone(await self._api.call(wire.GET_ACCOUNT, {}))

    async def check_tag_permission(self) -> None:
        """Make sure that the key may change tags, without changing anything and without using a point.

        The call unsets a tag that no account has, of a communication that no account has. CoMagic checks rights before
        it looks for either, and only a success costs a point. Source: docs/remote/comagic-data-api.md#mnemonics
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
        """Set a sale (`set.tag_sales`), once; only a refusal for the quota, which did nothing, is repeated.

        Returns:
            CoMagic's id of the sale; None when the answer has none.

        Raises:
            QuotaSpent, RemoteRejected: It was not set.
            RemoteUnavailable, RemoteProtocolError: It may have been set.
        """
        return mapping.sale_id(await self._api.call_once(wire.SET_SALE, wire.set_sale(sale, self._zone)))

    async def unset_sale(self, key: CommunicationKey, *, sale_tag_id: int) -> None:
        """Take the sale off a communication (`unset.tag_communications`); raises like `set_sale`."""
        await self._api.call_once(wire.UNSET_TAG, wire.unset_tag(key, sale_tag_id))

    def _warn(self, kind: CommunicationType, exc: RemoteRejected) -> None:
        """Go on without a source whose component is off. Calls need no component, so their refusal is raised.

        Source: docs/remote/comagic-data-api.md#access
        """
        component_is_off = isinstance(exc, AccessDenied) and exc.barrier is Barrier.COMPONENT
        if kind is CommunicationType.CALL or not component_is_off:
            raise exc
        self.warnings.append(f"{wire.REPORTS[kind].method} was not read: {exc}")

    def _warn_of_rows(self, kind: CommunicationType, reported: int, read: int) -> None:
        method = wire.REPORTS[kind].method
        self.warnings.append(f"CoMagic: {method}: {reported} rows were reported (total_items), {read} were shown")

    def _options(self, sale_tag_id: int, *, keep_unusable: bool = False) -> mapping.RowOptions:
        return mapping.RowOptions(
            zone=self._zone, region=self._region, sale_tag_id=sale_tag_id, keep_unusable=keep_unusable
        )

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

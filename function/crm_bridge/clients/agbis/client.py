"""The Agbis CRM as the use cases need it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import httpx

from crm_bridge.clients.agbis import mapping, wire
from crm_bridge.clients.agbis.http import AgbisHttp
from crm_bridge.clients.agbis.session import AgbisSession
from crm_bridge.clock import RunTime
from crm_bridge.domain.aggregate import ChangedOrders, Client
from crm_bridge.domain.payment_check import OrderDetails, OrderPayment
from crm_bridge.errors import RemoteProtocolError, RemoteRejected, RemoteTimeout, RunStopped

T = TypeVar("T")

_MINUTE = timedelta(minutes=1)  # the precision of a window's ends


class AgbisClient:
    """A `Crm` for one run.

    Attributes:
        requests: HTTP requests made so far, per command, retries, `Login` and `RefreshSession` included.
        warnings: What Agbis does not give, and why, each once.
    """

    def __init__(
        self,
        *,
        http: httpx.AsyncClient,
        url: str,
        session: AgbisSession,
        time_zone: ZoneInfo,
        region: str,
        time: RunTime,
    ) -> None:
        """Make a client whose waits and answers end at the run's deadline."""
        self.requests: Counter[str] = Counter()
        self.warnings: list[str] = []
        self._session = session
        self._api = AgbisHttp(http=http, url=url, throttle=session.throttle, secrets=session.secrets)
        self._zone = time_zone
        self._region = region
        self._time = time

    async def orders_changed(self, since: datetime, until: datetime) -> ChangedOrders:
        """Return the orders entered or changed from `since` to `until` (`OrderByDateTimeForAll`).

        The command selects by the moment of change, not by the order's date, so late changes of old orders come too
        (docs/remote/agbis.md#order-commands). An order may come more than once: whether a window includes its last
        minute is not known, so the halves of a window share a minute.
        """
        answers = await self._window(wire.ORDERS_CHANGED, _floor(since), _floor(until))
        return mapping.orders(wire.ORDERS_CHANGED, answers, zone=self._zone, now=self._time.now())

    async def clients_changed(self, since: datetime, until: datetime) -> list[Client]:
        """Return the clients changed from `since` to `until` (`ClientsByDateTimeForAll`), some perhaps twice."""
        answers = await self._window(wire.CLIENTS_CHANGED, _floor(since), _floor(until))
        now = self._time.now()
        return [
            client
            for answer in answers
            for client in mapping.clients(wire.CLIENTS_CHANGED, answer, region=self._region, now=now)
        ]

    async def client(self, client_id: str) -> Client | None:
        """Look one client up (`ContrInfoForAll`); None when Agbis does not know the client.

        Agbis says so by error 1 or by empty fields. Source: docs/remote/agbis.md#error-codes
        """
        try:
            answer = await self._call(lambda session_id: wire.client(self._api.base, client_id, session_id))
        except RemoteRejected as exc:
            if exc.code == wire.NOT_FOUND:
                return None
            raise
        return mapping.client(client_id, answer, region=self._region, now=self._time.now())

    async def payments(self, day: date) -> list[OrderPayment] | None:
        """Return the payments of a local day (`OrderPaysBetweenForAll`); None when Agbis does not give them.

        The command is documented, and no public code uses it, so its failures are a warning and no more, but for those
        that say that Agbis cannot be reached. Source: docs/remote/agbis.md#unknowns
        """

        def request(session_id: str) -> wire.Request:
            return wire.day(self._api.base, wire.PAYMENTS, session_id, day)

        return await self._optional(wire.PAYMENTS, request, lambda answer: mapping.payments(answer, zone=self._zone))

    async def order(self, order_id: str) -> OrderDetails | None:
        """Look one order up (`FullOrderInfo`); None when Agbis does not know it, or does not show it readably."""

        def request(session_id: str) -> wire.Request:
            return wire.order(self._api.base, order_id, session_id)

        return await self._optional(
            wire.ORDER, request, lambda answer: mapping.order_details(order_id, answer, zone=self._zone)
        )

    async def check_login(self) -> None:
        """Make sure that Agbis lets us in; see `AgbisSession.check`."""
        await self._session.check(self.requests, self._time)

    async def _window(self, command: str, since: datetime, until: datetime) -> list[dict[str, Any]]:
        """Read a window; when the server needs too long, read its halves, down to a minute.

        Source: docs/remote/agbis.md#http-statuses
        """

        def request(session_id: str) -> wire.Request:
            return wire.window(self._api.base, command, session_id, since=since, until=until, zone=self._zone)

        try:
            return [await self._call(request, window=True)]
        except RemoteTimeout:
            if until - since <= _MINUTE:
                raise
        middle = _floor(since + (until - since) / 2)
        return [*await self._window(command, since, middle), *await self._window(command, middle, until)]

    async def _optional(
        self, command: str, request: Callable[[str], wire.Request], read: Callable[[dict[str, Any]], T]
    ) -> T | None:
        """Make a call that a refresh can do without; a refusal or an answer of another form is one warning."""
        try:
            return read(await self._call(request, window=True))
        except RemoteRejected as exc:
            if exc.fatal:
                raise
            reason = str(exc)
        except (RemoteProtocolError, RemoteTimeout) as exc:
            reason = str(exc)
        warning = f"{command} was not read: {reason}"
        if warning not in self.warnings:
            self.warnings.append(warning)
        return None

    async def _call(self, request: Callable[[str], wire.Request], *, window: bool = False) -> dict[str, Any]:
        """Make a call; when its session is refused, make it once more with another session."""
        session_id = await self._session.session_id(self.requests, self._time)
        try:
            return await self._ask(request(session_id), window=window)
        except RemoteRejected as exc:
            if exc.code not in wire.REFUSED_SESSION:
                raise
        session_id = await self._session.renew(session_id, self.requests, self._time)
        return await self._ask(request(session_id), window=window)

    async def _ask(self, request: wire.Request, *, window: bool) -> dict[str, Any]:
        """Make a call; one that the deadline has cut off says nothing about Agbis."""
        try:
            return await self._api.call(request, self.requests, self._time, window=window)
        except RemoteTimeout as exc:
            if self._time.left() > 0:
                raise
            raise RunStopped("The time of this run was over before Agbis had answered", retry_after=60) from exc


def _floor(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(second=0, microsecond=0)

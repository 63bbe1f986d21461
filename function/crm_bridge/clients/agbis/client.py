"""The Agbis CRM as the use cases need it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import httpx
from msgspec.structs import replace

from crm_bridge.clients.agbis import mapping, wire
from crm_bridge.clients.agbis.http import AgbisHttp
from crm_bridge.clients.agbis.session import AgbisSession
from crm_bridge.clock import RunTime
from crm_bridge.domain.aggregate import ChangedOrders, Client
from crm_bridge.domain.payment_check import OrderDetails, OrderPayment
from crm_bridge.errors import AnswerTooLarge, RemoteProtocolError, RemoteRejected, RemoteTimeout, RunStopped

T = TypeVar("T")

_MINUTE = timedelta(minutes=1)  # the precision of a window's ends

PART_BYTES = 16 * 2**20
"""A larger answer halves its window: decoded it takes ten times as much memory. A day of a shop has less than 1 MiB."""

PART_ROWS = 10_000
"""After a part with more rows the next one is half as wide."""


class _Part(NamedTuple):
    """What one answer holds of a window: its rows reach from `since` to `until`."""

    answer: dict[str, Any]
    since: datetime
    until: datetime
    was_halved: bool


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
        self._widest: dict[str, timedelta] = {}  # of a part, by command, once a window was too wide
        self._tally = mapping.Tally()
        self._tallied_until: datetime | None = None

    async def orders_changed(self, since: datetime, until: datetime) -> ChangedOrders:
        """Return the orders entered or changed from `since` to `until` (`OrderByDateTimeForAll`), or a first part.

        The command selects by the moment of change, not by the order's date, so late changes of old orders come too
        (docs/remote/agbis.md#order-commands). An order may come more than once: whether a window includes its last
        minute is not known, so the parts of a window share a minute.
        """
        since = _floor(since)
        if since != self._tallied_until:
            self._tally = mapping.Tally()
        part = await self._part(wire.ORDERS_CHANGED, since, _floor(until))
        now = self._time.now()
        found = mapping.orders(wire.ORDERS_CHANGED, part.answer, zone=self._zone, now=now, tally=self._tally)
        self._adapt(wire.ORDERS_CHANGED, part, rows=len(found.orders))
        is_whole = part.until >= _floor(until)
        self._tallied_until = None if is_whole else part.until
        return found if is_whole else replace(found, until=part.until)

    async def clients_changed(self, since: datetime, until: datetime) -> list[Client]:
        """Return the clients changed from `since` to `until` (`ClientsByDateTimeForAll`), some perhaps twice."""
        since, until = _floor(since), _floor(until)
        found: list[Client] = []
        while True:
            part = await self._part(wire.CLIENTS_CHANGED, since, until)
            now = self._time.now()
            clients = mapping.clients(wire.CLIENTS_CHANGED, part.answer, region=self._region, now=now)
            self._adapt(wire.CLIENTS_CHANGED, part, rows=len(clients))
            found += clients
            if part.until >= until:
                return found
            since = part.until

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

    async def _part(self, command: str, since: datetime, until: datetime) -> _Part:
        """Read a window, or its first part when it is too wide: the server needs too long, or the answer is too large.

        A window is halved down to a minute, and the next part is no wider than the last one that passed.
        Source: docs/remote/agbis.md#http-statuses
        """

        def request(session_id: str) -> wire.Request:
            asked = wire.window(self._api.base, command, session_id, since=since, until=until, zone=self._zone)
            return replace(asked, most_bytes=PART_BYTES if until - since > _MINUTE else None)

        if command in self._widest:
            until = min(until, since + self._widest[command])
        was_halved = False
        while True:
            try:
                return _Part(await self._call(request, window=True), since, until, was_halved)
            except (RemoteTimeout, AnswerTooLarge):
                if until - since <= _MINUTE:
                    raise
            until = _floor(since + (until - since) / 2)
            self._widest[command] = until - since
            was_halved = True

    def _adapt(self, command: str, part: _Part, *, rows: int) -> None:
        """Choose how wide the next part may be, by the rows of this one."""
        if rows > PART_ROWS:
            self._widest[command] = max(_MINUTE, (part.until - part.since) // (2 * _MINUTE) * _MINUTE)
        elif command in self._widest and not part.was_halved and rows < PART_ROWS // 4:
            self._widest[command] = 2 * self._widest[command]

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

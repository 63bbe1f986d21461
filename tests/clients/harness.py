"""Our clients on the simulators, in one process and on a clock that only waiting moves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx

from crm_bridge.clients.agbis.client import AgbisClient
from crm_bridge.clients.agbis.session import AgbisSession
from crm_bridge.clients.comagic.client import ComagicClient
from crm_bridge.domain.aggregate import Order
from crm_bridge.domain.communication import Communication, CommunicationType
from crm_bridge.domain.state import CrmSession
from tests.sandbox.agbis.simulator import Agbis, AgbisSwitches
from tests.sandbox.clock import ManualClock
from tests.sandbox.comagic.simulator import CoMagic, CoMagicSwitches
from tests.sandbox.transport import SandboxTransport
from tests.support.factories import MOSCOW, NOON

Handler = Callable[[httpx.Request], httpx.Response]


class Clock(ManualClock):
    """Remembers how long it was slept on.

    Attributes:
        slept: Seconds of each sleep, in their order.
    """

    def __init__(self, start: datetime = NOON) -> None:
        super().__init__(start)
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await super().sleep(seconds)


class Time:
    """The time of one run."""

    def __init__(self, clock: ManualClock, limit: timedelta = timedelta(minutes=25)) -> None:
        self._clock = clock
        self._until = clock.monotonic() + limit.total_seconds()

    def now(self) -> datetime:
        return self._clock.now()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def left(self) -> float:
        return self._until - self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


class Answers(httpx.MockTransport):
    """Answers as the test says, byte by byte like a network: what a `Response` holds, it has decompressed already."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        return httpx.Response(answer.status_code, headers=answer.headers, stream=answer.stream)


class SessionMemory:
    """The part of a store that keeps the session.

    Attributes:
        saved: Everything that was saved, oldest first.
    """

    def __init__(self) -> None:
        self.saved: list[CrmSession] = []

    async def state(self, kind: type[CrmSession], /) -> CrmSession | None:
        assert kind is CrmSession
        return self.saved[-1] if self.saved else None

    async def save_state(self, state: CrmSession, /) -> None:
        self.saved.append(state)


class AgbisHarness:
    """Agbis, and as many of our processes as a test wants."""

    URL = "http://agbis.test/cl/demo_clean/api/"

    def __init__(self, **switches: Any) -> None:
        self.clock = Clock()
        self.memory = SessionMemory()
        self.agbis = Agbis(self.clock, switches=AgbisSwitches(**switches))
        self.http = httpx.AsyncClient(transport=SandboxTransport(self.agbis.app))

    def session(self, *, password: str = "secret", user: str = "api", url: str = URL) -> AgbisSession:
        """Make a session as another process would, with the same store."""
        return AgbisSession(http=self.http, url=url, user=user, password=password, store=self.memory, clock=self.clock)

    def time(self, limit: timedelta = timedelta(minutes=25)) -> Time:
        """Give the time of a run that begins now."""
        return Time(self.clock, limit)

    def client(self, session: AgbisSession | None = None, *, url: str = URL, time: Time | None = None) -> AgbisClient:
        """Make a client as another run would."""
        return AgbisClient(
            http=self.http,
            url=url,
            session=session or self.session(url=url),
            time_zone=MOSCOW,
            region="RU",
            time=time or self.time(),
        )

    async def orders(self, client: AgbisClient, since: datetime, until: datetime) -> list[Order]:
        """Read a window to its end, part by part."""
        found: list[Order] = []
        reached: datetime | None = since
        while reached is not None:
            part = await client.orders_changed(reached, until)
            found += part.orders
            reached = part.until
        return found

    def commands(self) -> list[str]:
        """Return what was asked, in its order."""
        return [record.method for record in self.agbis.requests]

    def ago(self, **parts: float) -> datetime:
        return self.clock.now() - timedelta(**parts)


def agbis_of(handler: Handler, clock: Clock | None = None, time: Time | None = None) -> AgbisClient:
    """Make a client of an Agbis that answers as the test says, to everything but a login."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.query.startswith(b"Login="):
            return httpx.Response(200, json={"error": 0, "Session_id": "S", "Refresh_id": "R"})
        return handler(request)

    http, clock = httpx.AsyncClient(transport=Answers(answer)), clock or Clock()
    session = AgbisSession(
        http=http, url=AgbisHarness.URL, user="api", password="secret", store=SessionMemory(), clock=clock
    )
    return AgbisClient(
        http=http, url=AgbisHarness.URL, session=session, time_zone=MOSCOW, region="RU", time=time or Time(clock)
    )


class ComagicHarness:
    """CoMagic, and as many of our runs as a test wants."""

    URL = "http://comagic.test/v2.0"

    def __init__(self, **switches: Any) -> None:
        self.clock = Clock()
        self.comagic = CoMagic(self.clock, token="t0p-secret", switches=CoMagicSwitches(**switches))
        self.http = httpx.AsyncClient(transport=SandboxTransport(self.comagic.app))

    @property
    def tag(self) -> int:
        return self.comagic.sale_tag_id

    def client(self, **changes: Any) -> ComagicClient:
        """Make a client as another run would."""
        return comagic_client(self.http, self.clock, **changes)

    async def read(
        self, client: ComagicClient | None = None, *, days: float = 30, until: datetime | None = None
    ) -> list[Communication]:
        """Return everything that the days before now hold, in the order in which it comes."""
        client, until = client or self.client(), until or self.clock.now()
        pages = client.communications(until - timedelta(days=days), until, sale_tag_id=self.tag)
        return [communication async for page in pages for communication in page]

    def ago(self, **parts: float) -> datetime:
        return self.clock.now() - timedelta(**parts)


def comagic_client(http: httpx.AsyncClient, clock: Clock, **changes: Any) -> ComagicClient:
    arguments: dict[str, Any] = {
        "http": http,
        "url": ComagicHarness.URL,
        "token": "t0p-secret",
        "user_id": None,
        "time_zone": MOSCOW,
        "region": "RU",
        "sources": (CommunicationType.CALL,),
        "concurrency": 5,
        "time": Time(clock),
    }
    return ComagicClient(**{**arguments, **changes})


def comagic_of(handler: Handler, clock: Clock | None = None, **changes: Any) -> ComagicClient:
    """Make a client of a CoMagic that answers as the test says."""
    return comagic_client(httpx.AsyncClient(transport=Answers(handler)), clock or Clock(), **changes)

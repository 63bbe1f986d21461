"""The part of a simulator that both systems share: an ASGI app with faults, a request log and a latency."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.sandbox.clock import Clock
from tests.sandbox.faults import Fault, play, take
from tests.sandbox.reply import Incoming, Reply, RequestRecord

_SECRETS = frozenset({"access_token", "password", "login", "Pwd", "SessionID", "Session_id", "Refresh_ID"})


def without_secrets(params: dict[str, Any]) -> dict[str, Any]:
    """Leave out the secrets, which must not be in a log."""
    return {name: value for name, value in params.items() if name not in _SECRETS}


class Simulator(ABC):
    """A simulated remote system.

    Attributes:
        requests: Every request so far, oldest first.
        faults: Faults waiting for their request.
        latency: Seconds of real time from a request to its answer, the work for it included; for benchmarks.
        max_in_flight: The most requests that were in progress at once.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.requests: list[RequestRecord] = []
        self.faults: list[Fault] = []
        self.latency = 0.0
        self.max_in_flight = 0
        self._in_flight = 0

    @property
    def app(self) -> ASGIApp:
        """The system as an ASGI app."""

        # A function, not a bound method: uvicorn takes the latter for an app of ASGI 2.
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await self._serve(scope, receive, send)

        return app

    def fail(self, fault: Fault) -> None:
        """Order a fault."""
        self.faults.append(fault)

    def count(self, method: str) -> int:
        """Return how many requests had this method."""
        return sum(1 for record in self.requests if record.method == method)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request = Request(scope, receive)
        incoming = Incoming(
            verb=request.method,
            path=request.url.path,
            query=scope["query_string"].decode("latin-1"),
            headers=dict(request.headers),
            body=await request.body(),
            address=request.client.host if request.client else "127.0.0.1",
        )
        self._in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self._in_flight)
        try:
            reply = await self._answer(incoming)
            if self.latency:
                await asyncio.sleep(started + self.latency - time.perf_counter())
        finally:
            self._in_flight -= 1
        headers = {"content-type": reply.content_type, **reply.headers}
        await Response(reply.body, reply.status, headers)(scope, receive, send)

    async def _answer(self, incoming: Incoming) -> Reply:
        record = RequestRecord(*self._describe(incoming), at=self.clock.now())
        self.requests.append(record)

        def act() -> Reply:
            reply, record.outcome = self._handle(incoming)
            return reply

        fault = take(self.faults, record.method, record.params)
        if fault is None:
            return act()
        record.fault = fault.kind
        reply = await play(fault, act, self.clock)
        if reply is None:
            reply = self._special(fault, incoming, act)
        if reply is None:
            msg = f"{type(self).__name__} knows no fault {fault.kind!r}"
            raise ValueError(msg)
        return reply

    @abstractmethod
    def _describe(self, incoming: Incoming) -> tuple[str, dict[str, Any]]:
        """Return the method and its parameters without secrets; never raises."""

    @abstractmethod
    def _handle(self, incoming: Incoming) -> tuple[Reply, str]:
        """Carry out the request; return the answer and the outcome."""

    @abstractmethod
    def _special(self, fault: Fault, incoming: Incoming, act: Callable[[], Reply]) -> Reply | None:
        """Answer as a fault wants it that only this system has."""

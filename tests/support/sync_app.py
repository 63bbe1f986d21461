"""The function `sync` in the test's process: handler, use cases and clients, on the sandbox and a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from crm_bridge.clock import Clock
from crm_bridge.handlers.sync import handle
from crm_bridge.ports import SalesStore
from crm_bridge.services import SyncServices
from crm_bridge.settings import Settings
from crm_bridge.wiring import assemble_sync_services
from tests.sandbox.clock import ManualClock
from tests.sandbox.transport import SandboxTransport
from tests.sandbox.world import World
from tests.support.factories import NOON

SETTINGS = {
    "AGBIS_URL": "http://agbis.test/cl/demo_clean/api/",
    "AGBIS_USER": "api",
    "AGBIS_PASSWORD": "secret",
    "COMAGIC_URL": "http://comagic.test/v2.0",
    "COMAGIC_TOKEN": "token",
}


class SyncApp:
    """`sync`, called as over HTTP, with the simulated systems and the database that it works on.

    Attributes:
        world: The simulated systems; their clock is also that of `sync`, unless a test gives it another.
        store: The database.
        sync_clock: The clock of `sync`.
    """

    def __init__(self, world: World, store: SalesStore, settings: Mapping[str, str]) -> None:
        self.world = world
        self.store = store
        self.sync_clock: Clock = self.clock
        self._settings = {**SETTINGS, **settings}
        self.use_network(SandboxTransport(world.app))
        app = Starlette(routes=[Route("/{path:path}", self.endpoint, methods=["GET", "POST", "PUT", "DELETE"])])
        self._caller = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://sync.test")

    def use_network(self, network: httpx.AsyncBaseTransport) -> None:
        """Send the requests to the remote systems through this transport."""
        self._remote = httpx.AsyncClient(transport=network)

    @property
    def clock(self) -> ManualClock:
        return cast("ManualClock", self.world.clock)

    async def endpoint(self, request: Request) -> Response:
        return await handle(request, self.services_factory)

    def services_factory(self, required: tuple[str, ...] = ()) -> SyncServices:
        settings = Settings.from_env(self._settings, required=required)
        return assemble_sync_services(settings, clock=self.sync_clock, http=lambda: self._remote, store=self.store)

    async def get(
        self, query: str = "", *, path: str = "/", method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        return await self._caller.request(method, f"{path}?{query}" if query else path, headers=dict(headers or {}))

    async def run(self, query: str = "update_db") -> dict[str, Any]:
        """Do a run that must succeed and return its journal; two minutes pass afterwards."""
        answer = await self.get(query)
        assert answer.status_code == 200, answer.text
        journal: dict[str, Any] = answer.json()["journal"]
        assert journal["money"]["balanced"] is True
        self.clock.advance(timedelta(minutes=2))  # CoMagic's reports show everything by then
        return journal

    async def close(self) -> None:
        await self._remote.aclose()
        await self._caller.aclose()


@asynccontextmanager
async def sync_app_on(
    store: SalesStore, settings: Mapping[str, str] | None = None, *, world: World | None = None
) -> AsyncIterator[SyncApp]:
    """Give a `sync` on a store, and on an empty world whose clock stands at noon."""
    bridge = SyncApp(world or World(ManualClock(NOON)), store, settings or {})
    try:
        yield bridge
    finally:
        await bridge.close()


def rows(journal: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the rows of a journal's log by their phones."""
    return {next(iter(row)): row for row in journal["log"]}


def results(journal: Mapping[str, Any]) -> dict[str, str]:
    """Return the result of each phone."""
    return {phone: row["result"] for phone, row in rows(journal).items()}

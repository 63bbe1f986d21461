"""A database that another program locks in the middle of a run."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from crm_bridge.domain.run import LEASE_TTL
from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from crm_bridge.usecases import lease, run_sync
from tests.sandbox.transport import SandboxTransport
from tests.sandbox.world import populate
from tests.support.databases import locked
from tests.support.sync_app import SyncApp, sync_app_on
from tests.support.waiting import until

pytestmark = pytest.mark.anyio


class Locking(httpx.AsyncBaseTransport):
    """A network whose first call to CoMagic finds the database locked from then on."""

    def __init__(self, bridge: SyncApp, path: Path, lock: ExitStack) -> None:
        self._network = SandboxTransport(bridge.world.app)
        self._path = path
        self._lock = lock
        self._is_locked = False
        bridge.use_network(self)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "comagic.test" and not self._is_locked:
            self._is_locked = True
            self._lock.enter_context(locked(self._path))
        return await self._network.handle_async_request(request)


async def test_a_run_behind_a_lock_fails_after_one_wait_and_the_next_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (lease, run_sync):
        monkeypatch.setattr(module, "CLOSING_SECONDS", 0.1)
    path = tmp_path / "bridge.db"
    store = SqliteSalesStore(str(path), patience=3.0)
    async with sync_app_on(store) as bridge:
        populate(bridge.world, phones=5)
        before = list(bridge.world.comagic.history)
        with ExitStack() as lock:
            Locking(bridge, path, lock)
            answer = await bridge.get("update_db")
            shown = (await bridge.get(path="/runs")).json()["runs"]

        message = f"STORE_URL: the database {path} cannot be used: another program has locked it"
        assert (answer.status_code, answer.json()["message"]) == (503, f"ERROR: {message}")
        assert answer.headers["Retry-After"] == "3"
        assert bridge.world.comagic.history == before
        assert [run["status"] for run in shown] == ["running"]

        async def is_recorded() -> bool:
            run = (await bridge.get(path="/runs")).json()["runs"][0]
            return (run["status"], run.get("message")) == ("failed", message)

        # Had the run waited for this write as long as for the one before, it would have failed as well.
        await until(is_recorded, "the last write of the run, still under way, is stored when the lock is gone")
        bridge.clock.advance(LEASE_TTL)
        bridge.use_network(SandboxTransport(bridge.world.app))
        assert (await bridge.run())["complete"] is True
    await store.close()

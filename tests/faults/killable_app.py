"""An app that can be killed in this process: after a step it stops, and nothing that it does later has an effect."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import httpx

from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from tests.sandbox.transport import SandboxTransport
from tests.sandbox.world import World
from tests.support.sync_app import SyncApp


class Killed(BaseException):
    """The process is gone. No `except Exception` may hold it up."""


class Life:
    """How many steps a process has left: every remote call and every write is one before it and one after it."""

    def __init__(self) -> None:
        self._left: int | None = None
        self.is_over = False

    def end_after(self, steps: int) -> None:
        self._left = steps

    def step(self) -> None:
        if self._left is not None and not self.is_over:
            self._left -= 1
            self.is_over = self._left < 0
        if self.is_over:
            raise Killed

    async def around(self, act: Callable[[], Awaitable[Any]]) -> Any:
        self.step()
        result = await act()
        self.step()
        return result


class KillableStore(SqliteSalesStore):
    """A store whose process may die before and after every write."""

    def __init__(self, path: str, life: Life) -> None:
        super().__init__(path)
        self._life = life

    async def _commit(self, *args: Any, **kwargs: Any) -> None:
        commit = super()._commit
        await self._life.around(lambda: commit(*args, **kwargs))

    async def _compare_and_set(self, *args: Any, **kwargs: Any) -> Any:
        swap = super()._compare_and_set
        return await self._life.around(lambda: swap(*args, **kwargs))


class KillableTransport(httpx.AsyncBaseTransport):
    """A network whose caller may die before a request is sent and after its answer has come."""

    def __init__(self, inner: httpx.AsyncBaseTransport, life: Life) -> None:
        self._inner = inner
        self._life = life

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response: httpx.Response = await self._life.around(lambda: self._inner.handle_async_request(request))
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class KillableApp(SyncApp):
    """One process after another on the same database and in the same world."""

    def __init__(self, world: World, path: str, settings: Mapping[str, str] | None = None) -> None:
        self.life = Life()
        super().__init__(world, KillableStore(path, self.life), settings or {})
        self.path = path
        self.use_network(KillableTransport(SandboxTransport(world.app), self.life))

    async def close(self) -> None:
        await super().close()
        await self.store.close()  # type: ignore[attr-defined]

    async def run_and_die(self, steps: int, query: str = "update_db", **kwargs: Any) -> httpx.Response | None:
        """Run, and die after so many steps; return the answer when the run was shorter. Then a new process starts."""
        self.life.end_after(steps)
        answer = None
        with suppress(Killed):
            answer = await self.get(query, **kwargs)
        await self.revive()
        return answer

    async def revive(self) -> None:
        """Let a new process take the place of this one: all that it knows is in the database."""
        await self._remote.aclose()
        await self.store.close()  # type: ignore[attr-defined]
        self.life = Life()
        self.store = KillableStore(self.path, self.life)
        self.use_network(KillableTransport(SandboxTransport(self.world.app), self.life))

"""An app that can be killed in this process: after a step it stops, and nothing that it does later has an effect."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import httpx

from crm_bridge.stores.base import DocumentSalesStore
from crm_bridge.stores.documents import Write
from crm_bridge.stores.firestore.sales import FirestoreSalesStore
from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from tests.sandbox.clock import ManualClock
from tests.sandbox.transport import SandboxTransport
from tests.sandbox.world import World
from tests.support.databases import FirestoreDatabase
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


class OwnClock:
    """The clock of the machine that `sync` runs on: as fast as the world's, and ahead of it or behind."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.ahead = timedelta()

    def now(self) -> datetime:
        return self._clock.now() + self.ahead

    def monotonic(self) -> float:
        """Return the seconds since some moment; the time of the world is never set."""
        return self._clock.now().timestamp()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


class KillableApp(SyncApp):
    """One process after another on the same database and in the same world.

    Attributes:
        on_commit: Gets the writes of every commit that took effect.
    """

    def __init__(
        self, world: World, database: str | FirestoreDatabase, settings: Mapping[str, str] | None = None
    ) -> None:
        """Start the first process.

        Args:
            world: The simulated systems.
            database: The path of a SQLite file, or a database of the emulator.
            settings: Those that differ from `SETTINGS`.
        """
        self.life = Life()
        self.on_commit: Callable[[Sequence[Write]], None] = lambda writes: None
        self._connection = None if isinstance(database, str) else database.connection()
        self._path = database if isinstance(database, str) else ""
        super().__init__(world, self._open_store(), settings or {})
        self.own_clock = OwnClock(self.clock)
        self.sync_clock = self.own_clock
        self._use_killable_network()

    def _open_store(self) -> DocumentSalesStore:
        """Open a store whose process may die before and after every write."""
        store: DocumentSalesStore
        store = SqliteSalesStore(self._path) if self._connection is None else FirestoreSalesStore(self._connection)
        life, commit, compare_and_set = self.life, store._commit, store._compare_and_set

        async def killable_commit(writes: Sequence[Write], *, holder: str | None) -> None:
            async def act() -> None:
                await commit(writes, holder=holder)
                self.on_commit(writes)

            await life.around(act)

        async def killable_compare_and_set(*args: Any) -> Any:
            return await life.around(lambda: compare_and_set(*args))

        vars(store).update(_commit=killable_commit, _compare_and_set=killable_compare_and_set)
        return store

    def _use_killable_network(self) -> None:
        self.use_network(KillableTransport(SandboxTransport(self.world.app), self.life))

    async def close(self) -> None:
        await super().close()
        await self._close_store()

    async def _close_store(self) -> None:
        if isinstance(self.store, SqliteSalesStore):
            await self.store.close()

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
        await self._close_store()
        self.life = Life()
        self.store = self._open_store()
        self._use_killable_network()

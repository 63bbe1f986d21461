"""When a run must stop: its lease lost, its time over, or the platform about to end the process."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from functools import cache
from types import FrameType
from typing import TypeVar

from msgspec.structs import replace

from crm_bridge.clock import Clock
from crm_bridge.domain.run import LEASE_TTL, Lease
from crm_bridge.errors import LeaseLost, RunInProgress, RunStopped
from crm_bridge.ports import SalesStore

T = TypeVar("T")

_HEARTBEAT = LEASE_TTL / 12
"""Often, so that a killed run's lease ends nearly a minute after its last call: by then CoMagic's reports show it."""

_going_on: set[Stopping] = set()


def stop_all() -> None:
    """End every run of this process at its next safe point."""
    for stopping in tuple(_going_on):
        stopping.stop_soon()


@cache
def heed_sigterm() -> None:
    """End runs when the platform ends the process; what the server does about the signal, it still does."""
    if threading.current_thread() is not threading.main_thread():
        return  # only the main thread may
    servers = signal.getsignal(signal.SIGTERM)

    def end(number: int, frame: FrameType | None) -> None:
        stop_all()
        if callable(servers):
            servers(number, frame)

    signal.signal(signal.SIGTERM, end)


class Stopping:
    """The time of one run, which may end early: at its deadline, or when the platform ends the process.

    Attributes:
        deadline: When the run's time is over, aware.
    """

    def __init__(self, clock: Clock, deadline: datetime) -> None:
        self._clock = clock
        self._stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.deadline = deadline

    def now(self) -> datetime:
        return self._clock.now()

    async def sleep(self, seconds: float) -> None:
        """Wait.

        Raises:
            RunStopped: The run is to stop.
        """
        await self.unless_stopped(self._clock.sleep(seconds))

    def stop_soon(self) -> None:
        """End the run at the next safe point; fit to be called from a signal handler."""
        self._loop.call_soon_threadsafe(self._stop.set)

    def must_stop(self) -> bool:
        """The run should begin nothing new; what it has begun it may finish."""
        return self._stop.is_set() or self._clock.now() >= self.deadline

    async def unless_stopped(self, work: Awaitable[T], *, grace: float = 0) -> T:
        """Wait for something that may be dropped half-way.

        Args:
            work: It is cancelled when the run is to stop.
            grace: So many seconds it still has then.

        Raises:
            RunStopped: The run is to stop, and the work has not come to its end.
        """
        task = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done() and grace:
                await asyncio.wait({task}, timeout=grace)
            if task.done():
                return task.result()
            raise RunStopped("This process is being ended", retry_after=60)
        finally:
            for each in (task, stop):
                each.cancel()
            await asyncio.gather(task, stop, return_exceptions=True)


class Guard(Stopping):
    """Asked before every step of a run that writes.

    Attributes:
        run_id: The run that holds the lease.
    """

    def __init__(self, store: SalesStore, clock: Clock, lease: Lease, deadline: datetime) -> None:
        super().__init__(clock, deadline)
        self._store = store
        self._lease = lease
        self._renewing = asyncio.Lock()
        self.run_id = lease.run_id

    async def check(self) -> None:
        """Make sure that the lease is ours before something is written.

        Raises:
            LeaseLost: Another run has taken over.
        """
        if self._clock.now() >= self._lease.until - LEASE_TTL / 2:
            await self.renew()

    async def renew(self) -> None:
        async with self._renewing:
            lease = replace(self._lease, until=self._clock.now() + LEASE_TTL)
            if not await self._store.renew_lease(lease):
                raise LeaseLost("Another run has taken over")
            self._lease = lease

    async def beat(self) -> None:
        """Renew the lease while the run waits for something long; a loss is found by the next check."""
        with suppress(LeaseLost):
            while True:
                await asyncio.sleep(_HEARTBEAT.total_seconds())
                await self.renew()


@asynccontextmanager
async def hold_lease(store: SalesStore, clock: Clock, run_id: str, budget: timedelta) -> AsyncIterator[Guard]:
    """Hold the lease for the time of the block; it is given back on every ordinary ending.

    Raises:
        RunInProgress: Another run holds it.
    """
    now = clock.now()
    lease = Lease(run_id=run_id, started_at=now, until=now + LEASE_TTL)
    standing = await store.take_lease(lease, now=now)
    if standing is not None:
        seconds = max(1, round((standing.until - now).total_seconds()))
        raise RunInProgress(standing.run_id, standing.started_at, seconds)
    guard = Guard(store, clock, lease, deadline=now + budget)
    heart = asyncio.create_task(guard.beat())
    _going_on.add(guard)
    try:
        yield guard
    finally:
        _going_on.discard(guard)
        heart.cancel()
        with suppress(asyncio.CancelledError):
            await heart
        await store.release_lease(run_id)

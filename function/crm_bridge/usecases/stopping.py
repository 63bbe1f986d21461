"""When a run must stop: its lease lost, its time over, or the platform about to end the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta

from crm_bridge.domain.run import LEASE_TTL, Lease
from crm_bridge.errors import Busy, LeaseLost
from crm_bridge.ports import Clock, SalesStore

_HEARTBEAT = LEASE_TTL / 3


class Stopping:
    """Tells a run when to begin nothing new.

    Attributes:
        deadline: When the run's time is over, aware.
    """

    def __init__(self, clock: Clock, deadline: datetime) -> None:
        self._clock = clock
        self._stopping = False
        self.deadline = deadline

    def stop_soon(self) -> None:
        """End the run at the next safe point."""
        self._stopping = True

    def must_stop(self) -> bool:
        """The run should begin nothing new; what it has begun it may finish."""
        return self._stopping or self._clock.now() >= self.deadline


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
        Busy: Another run holds it.
    """
    now = clock.now()
    lease = Lease(run_id=run_id, started_at=now, until=now + LEASE_TTL)
    standing = await store.take_lease(lease, now=now)
    if standing is not None:
        seconds = max(1, round((standing.until - now).total_seconds()))
        raise Busy(standing.run_id, standing.started_at, seconds)
    guard = Guard(store, clock, lease, deadline=now + budget)
    heart = asyncio.create_task(guard.beat())
    try:
        yield guard
    finally:
        heart.cancel()
        with suppress(asyncio.CancelledError):
            await heart
        await store.release_lease(run_id)

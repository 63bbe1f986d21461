"""The lease: one run at a time writes, and it stops writing when another run has taken over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, tzinfo

from msgspec.structs import replace

from crm_bridge.clock import Clock, RunTime
from crm_bridge.domain.run import LEASE_TTL, Lease
from crm_bridge.errors import LeaseLost, RunInProgress, StoreUnavailable
from crm_bridge.ports import Changes, SalesStore

_HEARTBEAT = LEASE_TTL / 12
"""Every 5 s: a killed run's lease then outlives its last call by 55-60 s, longer than reports lag (VISIBLE_WITHIN)."""

CLOSING_SECONDS = 5.0
"""How long each last write of a run waits for a database that has failed the run already."""

_LEAST_SECONDS = 0.5
"""What the release of a lease gets, however late it is."""


class LeaseKeeper:
    """Holds the lease of one run, and writes under it.

    Attributes:
        run_id: The run that holds the lease.
    """

    def __init__(self, store: SalesStore, clock: Clock, lease: Lease) -> None:
        self._store = store
        self._clock = clock
        self._lease = lease
        self._renewed_at = clock.monotonic()
        self._renewal = asyncio.Lock()
        self.run_id = lease.run_id

    async def check(self) -> None:
        """Make sure that the lease is ours, before something is written.

        Raises:
            LeaseLost: Another run has taken over.
        """
        if self._clock.monotonic() - self._renewed_at >= LEASE_TTL.total_seconds() / 2:
            await self.renew()

    async def write(self, changes: Iterable[Changes]) -> None:
        """Write changes to the database.

        Raises:
            LeaseLost: Another run has taken over.
        """
        await self.check()
        await self._store.write(changes, run_id=self.run_id)

    async def renew(self) -> None:
        """Prolong the lease.

        Raises:
            LeaseLost: Another run has taken over.
        """
        async with self._renewal:
            began = self._clock.monotonic()
            lease = replace(self._lease, until=self._clock.now() + LEASE_TTL)
            if not await self._store.renew_lease(lease):
                raise LeaseLost("Another run has taken over")
            self._lease, self._renewed_at = lease, began

    async def heartbeat(self) -> None:
        """Renew the lease while the run waits for something long; the next check finds a loss."""
        with suppress(LeaseLost):
            while True:
                await asyncio.sleep(_HEARTBEAT.total_seconds())
                with suppress(StoreUnavailable):  # the next beat tries again, and a write will say so
                    await self.renew()


@asynccontextmanager
async def hold_lease(
    store: SalesStore, time: RunTime, run_id: str, *, zone: tzinfo = UTC
) -> AsyncIterator[LeaseKeeper]:
    """Hold the lease during the block, and give it back on every ending that the database allows.

    Args:
        store: Where the lease is kept.
        time: That of the run.
        run_id: The run.
        zone: In which a refusal names the start of the other run.

    Raises:
        RunInProgress: Another run holds it.
    """
    now = time.now()
    lease = Lease(run_id=run_id, started_at=now, until=now + LEASE_TTL)
    standing = await store.take_lease(lease, now=now)
    if standing is not None:
        seconds = max(1, round((standing.until - now).total_seconds()))
        raise RunInProgress(standing.run_id, standing.started_at.astimezone(zone), seconds)
    keeper = LeaseKeeper(store, time, lease)
    heartbeat = asyncio.create_task(keeper.heartbeat())
    seconds_to_release = None
    try:
        yield keeper
    except StoreUnavailable:
        seconds_to_release = CLOSING_SECONDS
        raise
    finally:
        heartbeat.cancel()
        with suppress(asyncio.CancelledError):
            await heartbeat
        with suppress(StoreUnavailable, TimeoutError):  # then it ends by itself
            until_closed = asyncio.timeout(max(_LEAST_SECONDS, time.left() + CLOSING_SECONDS))
            async with until_closed, asyncio.timeout(seconds_to_release):
                await store.release_lease(run_id)

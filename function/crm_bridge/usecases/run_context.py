"""What carries one run through the use cases: who it is, until when it may go on, and what it may write."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import date, datetime, timedelta
from functools import cache
from types import FrameType
from typing import TypeVar

from msgspec import Struct

from crm_bridge.clock import Clock
from crm_bridge.domain.attribution import Policy
from crm_bridge.errors import RunStopped
from crm_bridge.redaction import redact
from crm_bridge.services import SyncServices
from crm_bridge.usecases.lease import LeaseKeeper
from crm_bridge.usecases.progress import ProgressReporter

T = TypeVar("T")

TIME_OVER = "The time of this run was over"

_LEAST_SECONDS = 1.5
"""What the record of a run gets, however late it is: a journal of 200,000 rows takes most of a second."""

_stoppable: set[Deadline] = set()


class SyncRequest(Struct, frozen=True, kw_only=True):
    """What a caller of `sync` asks for.

    Attributes:
        update_db: Refresh the phone aggregates from the CRM first.
        dry_run: Decide everything, write nothing to CoMagic and nothing about sales to the database.
        date_from, date_till: A backfill's local days, both included; only with `update_db`.
        phone: Decide and apply this phone only, E.164 digits.
        limit: Make at most so many changes, oldest payments first.
        attribution: Compare this policy with the one in force; only with `dry_run`.
        confirm: The id of the plan that the caller has agreed to.
        tick: The Scheduler's job and schedule time, when it is the caller.
        keep: Keep the journal of a dry run, too.
    """

    update_db: bool = False
    dry_run: bool = False
    date_from: date | None = None
    date_till: date | None = None
    phone: str | None = None
    limit: int | None = None
    confirm: str | None = None
    attribution: Policy | None = None
    tick: str | None = None
    keep: bool = False

    @property
    def is_over_all_phones(self) -> bool:
        """It is a real run, and about every phone."""
        return not self.dry_run and self.phone is None and self.limit is None

    def __str__(self) -> str:
        names = [name for name in ("update_db", "dry_run") if getattr(self, name)]
        valued = ("date_from", "date_till", "limit", "confirm", "attribution")
        names += [f"{name}={getattr(self, name)}" for name in valued if getattr(self, name)]
        if self.phone:
            names.append(f"phone={redact(self.phone)}")
        return "&".join(names)


class Deadline:
    """The end of a run or a look-up: a time limit, or earlier, when the platform ends the process."""

    def __init__(self, clock: Clock, limit: timedelta) -> None:
        """Start the time limit now."""
        self._clock = clock
        self._stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._until = clock.monotonic() + limit.total_seconds()

    def now(self) -> datetime:
        return self._clock.now()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def left(self) -> float:
        """Return the seconds until the time is over, negative afterwards."""
        return self._until - self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait.

        Raises:
            RunStopped: The run is to stop, or the wait would last beyond its end.
        """
        if seconds > self.left():
            raise RunStopped(TIME_OVER, retry_after=60)
        await self.unless_stopped(self._clock.sleep(seconds))

    @asynccontextmanager
    async def closing(self, seconds: float) -> AsyncIterator[None]:
        """Give what happens inside the time that is left and some seconds more, one and a half at least.

        Raises:
            RunStopped: It took longer.
        """
        try:
            async with asyncio.timeout(max(_LEAST_SECONDS, self.left() + seconds)) as limit:
                yield
        except TimeoutError as exc:
            if not limit.expired():
                raise
            raise RunStopped(TIME_OVER, retry_after=60) from exc

    def stop_soon(self) -> None:
        """End the run at the next safe point; a signal handler may call this."""
        self._loop.call_soon_threadsafe(self._stop.set)

    def must_stop(self) -> bool:
        """The run should start nothing new; it may finish what it has started."""
        return self._stop.is_set() or self.left() <= 0

    async def unless_stopped(self, work: Awaitable[T], *, grace: float = 0) -> T:
        """Wait for work that may be dropped half-way.

        Args:
            work: Cancelled when the run is to stop.
            grace: Seconds that the work still has then.

        Raises:
            RunStopped: The run is to stop, and the work has not finished.
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

    @contextmanager
    def stopped_by_sigterm(self) -> Iterator[None]:
        """Stop soon when the platform ends the process during the block."""
        _stoppable.add(self)
        try:
            yield
        finally:
            _stoppable.discard(self)


def stop_all_runs() -> None:
    """End every run of this process at its next safe point."""
    for deadline in tuple(_stoppable):
        deadline.stop_soon()


@cache
def stop_runs_on_sigterm() -> None:
    """End runs when the platform ends the process; the server still handles the signal in its own way."""
    if threading.current_thread() is not threading.main_thread():
        return  # Python allows it in the main thread only
    servers_handler = signal.getsignal(signal.SIGTERM)

    def end(number: int, frame: FrameType | None) -> None:
        stop_all_runs()
        if callable(servers_handler):
            servers_handler(number, frame)

    signal.signal(signal.SIGTERM, end)


class RunContext(Struct, frozen=True, kw_only=True):
    """One run of `sync`: who it is, until when, and what it may write.

    Attributes:
        deadline: Every wait of the run ends at it.
        lease: None: this run reads only.
    """

    run_id: str
    services: SyncServices
    deadline: Deadline
    lease: LeaseKeeper | None
    progress: ProgressReporter
    request: SyncRequest

    @property
    def sales_lease(self) -> LeaseKeeper | None:
        """The lease to write sales under; None for a dry run, which may refresh but writes nothing about sales."""
        return None if self.request.dry_run else self.lease

    @property
    def counts_absence(self) -> bool:
        """What this run does not see counts as absent: it is a real run over all phones."""
        return self.request.is_over_all_phones

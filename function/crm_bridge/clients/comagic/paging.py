"""Reading a whole report of any size: few pages, no row lost between them, none twice.

A query reaches 110 000 rows and cannot be continued by a key. Rows of the same second have no order, so they may swap
between two pages; a row that vanishes moves all rows after it. So the rows read are counted against `total_items`, and
only when some are missing, the seams between pages are read again. Source: docs/remote/comagic-data-api.md#paging
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import TypeVar

from msgspec import Struct

from crm_bridge.clients.comagic.mapping import Page
from crm_bridge.clients.comagic.wire import PAGE, REACH
from crm_bridge.domain.communication import Communication, CommunicationRef, CommunicationType

T = TypeVar("T")

SPAN = timedelta(days=31)
"""The longest interval of a query; CoMagic refuses over three months (`date_interval_limit_reached`)."""

_SECOND = timedelta(seconds=1)  # the precision of all times in rows
_MOST_IDS = 200  # in one filter; the longest list that CoMagic takes is not known
_AROUND = timedelta(days=1)  # a report needs an interval, also for known ids
_MOST_HALVINGS = 5  # of an interval, to find rows that are missing without a seam

logger = logging.getLogger(__name__)

Fetch = Callable[[datetime, datetime, int], Awaitable[Page]]
"""Reads the page at an offset of an interval; whether the interval's ends are included is not known."""


async def in_order(calls: Iterable[Callable[[], Awaitable[T]]], limit: int) -> AsyncGenerator[T]:
    """Make up to `limit` calls at once, ahead of the caller, and yield their results in the order of the calls."""
    waiting = iter(calls)
    under_way: deque[asyncio.Future[T]] = deque()
    try:
        while True:
            while len(under_way) < limit and (call := next(waiting, None)) is not None:
                under_way.append(asyncio.ensure_future(call()))
            if not under_way:
                return
            yield await under_way.popleft()
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def read(
    fetch: Fetch, since: datetime, until: datetime, *, ordered: bool, concurrency: int
) -> AsyncGenerator[list[Communication]]:
    """Read every row from `since` to `until`, page by page.

    Args:
        fetch: Reads one page.
        since, until: Aware.
        ordered: The rows come by time; otherwise in any order.
        concurrency: Pages read at once, and the most that are in memory.
    """
    before: set[int] = set()
    for start, end in spans(since, until):
        interval = _Interval(fetch, start, end, ordered=ordered, concurrency=concurrency, known=before)
        async with aclosing(interval.read()) as pages:
            async for page in pages:
                yield page
        before = interval.seen


def spans(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Divide an interval into spans that one query takes, to whole seconds.

    A span starts in the second in which the one before ends, because whether ends are included is not documented.
    """
    start = since.astimezone(UTC).replace(microsecond=0)
    last = -(-until.astimezone(UTC).timestamp() // 1)
    until = datetime.fromtimestamp(last, UTC)
    while True:
        end = min(start + SPAN, until)
        yield start, end
        if end >= until:
            return
        start = end


def batches(
    communications: Collection[CommunicationRef],
) -> Iterator[tuple[CommunicationType, datetime, datetime, list[int]]]:
    """Divide communications into queries: of one type, not too many, and close enough in time.

    Yields:
        The type, the interval and the ids of one query.
    """
    nearby = SPAN - 2 * _AROUND
    ordered = sorted(communications, key=lambda ref: (ref.type, ref.started_at, ref.id))
    for kind, group in groupby(ordered, key=lambda ref: ref.type):
        refs = list(group)
        while refs:
            first = refs[0].started_at
            batch = [ref for ref in refs[:_MOST_IDS] if ref.started_at - first <= nearby]
            yield kind, first - _AROUND, batch[-1].started_at + _AROUND, [ref.id for ref in batch]
            refs = refs[len(batch) :]


class _Seam(Struct, frozen=True):
    """Where one page ends and the next begins: the times of the last and the first row."""

    low: datetime
    high: datetime


class _Interval:
    """One interval being read.

    Attributes:
        seen: Ids of all rows read, usable or not.
    """

    def __init__(
        self,
        fetch: Fetch,
        since: datetime,
        until: datetime,
        *,
        ordered: bool,
        concurrency: int,
        known: set[int],
        depth: int = 0,
    ) -> None:
        self.seen: set[int] = set()
        self._fetch = fetch
        self._since = since
        self._until = until
        self._ordered = ordered
        self._concurrency = concurrency
        self._known = known
        self._depth = depth
        self._total = 0
        self._without_id = 0
        self._seams: list[_Seam] = []

    async def read(self) -> AsyncGenerator[list[Communication]]:
        async with aclosing(self._pages(self._since, self._until)) as pages:
            async for page in pages:
                yield page
        if not self._lacks_rows() or self._total <= PAGE:
            return
        # A narrow seam comes first: rows of one second are those that swap.
        for seam in sorted(self._seams, key=lambda seam: seam.high - seam.low):
            around = self._pages(seam.low - _SECOND, seam.high + 2 * _SECOND, again=True)
            async with aclosing(around) as pages:
                async for page in pages:
                    yield page
            if not self._lacks_rows():
                return
        async with aclosing(self._halves()) as pages:
            async for page in pages:
                yield page

    def _lacks_rows(self) -> bool:
        return len(self.seen) + self._without_id < self._total

    async def _pages(
        self, since: datetime, until: datetime, *, again: bool = False
    ) -> AsyncGenerator[list[Communication]]:
        """Read the pages of a query; beyond its reach, go on with a query that starts after the last row.

        Args:
            since, until: The interval.
            again: The interval is a part that has been read before.
        """
        while True:
            page = await self._fetch(since, until, 0)
            total = _total(page, 0)
            if not self._total and not again:
                self._total = total
            if total > REACH and not self._ordered:
                return  # without an order there is no "after the last row": the halves are read instead
            last = _last(page)
            yield self._take_new(page, again=again)
            covered = PAGE
            while covered < min(total, REACH):  # the total grows when calls end meanwhile
                offsets = range(covered, min(total, REACH), PAGE)
                calls = (partial(self._fetch, since, until, offset) for offset in offsets)
                async with aclosing(in_order(calls, self._concurrency)) as pages:
                    asked = iter(offsets)
                    async for page in pages:
                        total = max(total, _total(page, next(asked)))
                        self._add_seam(last, page)
                        last = _last(page) or last
                        yield self._take_new(page, again=again)
                covered = offsets[-1] + PAGE
            if total <= REACH or last is None or not since <= last < until:
                return
            self._seams.append(_Seam(last, last))
            since = last + _SECOND

    async def _halves(self) -> AsyncGenerator[list[Communication]]:
        """Read both halves of the interval, each as an interval of its own."""
        too_deep = self._depth >= _MOST_HALVINGS and self._total <= REACH
        if too_deep or self._until - self._since <= 2 * _SECOND:
            logger.warning(
                "report_rows_missing",
                extra={"rows_reported": self._total, "rows_read": len(self.seen) + self._without_id},
            )
            return
        middle = self._since + timedelta(seconds=(self._until - self._since) // (2 * _SECOND))
        for since, until in ((self._since, middle), (middle, self._until)):
            half = _Interval(
                self._fetch,
                since,
                until,
                ordered=self._ordered,
                concurrency=self._concurrency,
                known=self._known | self.seen,
                depth=self._depth + 1,
            )
            async with aclosing(half.read()) as pages:
                async for page in pages:
                    yield page
            self.seen |= half.seen

    def _add_seam(self, last: datetime | None, page: Page) -> None:
        first = next((row.at for row in page.rows if row.at is not None), None)
        if self._ordered and last is not None and first is not None:
            self._seams.append(_Seam(min(last, first), max(last, first)))

    def _take_new(self, page: Page, *, again: bool) -> list[Communication]:
        """Count a page's rows and return the communications that were not read before."""
        fresh = []
        for row in page.rows:
            if row.id is None:
                self._without_id += not again
            elif row.id not in self.seen and not (again and self._is_outside(row.at)):
                self.seen.add(row.id)
                if row.communication is not None and row.id not in self._known:
                    fresh.append(row.communication)
        return fresh

    def _is_outside(self, moment: datetime | None) -> bool:
        return moment is None or not self._since <= moment <= self._until


def _total(page: Page, offset: int) -> int:
    """Return how many rows there are; without `total_items`, a full page means that there may be one more."""
    if page.total is not None:
        return page.total
    return offset + len(page.rows) + (len(page.rows) >= PAGE)


def _last(page: Page) -> datetime | None:
    return next((row.at for row in reversed(page.rows) if row.at is not None), None)

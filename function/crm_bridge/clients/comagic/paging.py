"""Reading a whole report of any size: few pages, no row lost between them, none twice.

A query reaches 110 000 rows and cannot be continued by a key. Rows of the same second have no order, so they may swap
between two pages; a row that vanishes moves all rows after it. So the rows read are counted against `total_items`, and
only when some are missing, the seams between pages are read again. A total that the rows contradict ends the reading
instead, with a warning. Source: docs/remote/comagic-data-api.md#paging
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
_MOST_BARREN = 100  # pages in a row without a new row, while rows are said to be missing

logger = logging.getLogger(__name__)

Fetch = Callable[[datetime, datetime, int], Awaitable[Page]]
"""Reads the page at an offset of an interval; whether the interval's ends are included is not known."""

Warn = Callable[[int, int], None]
"""Takes note of an interval that lacks rows: how many were reported, and how many were shown."""


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
    fetch: Fetch, since: datetime, until: datetime, *, ordered: bool, concurrency: int, warn: Warn
) -> AsyncGenerator[list[Communication]]:
    """Read every row from `since` to `until`, page by page.

    Args:
        fetch: Reads one page.
        since, until: Aware.
        ordered: The rows come by time; otherwise in any order.
        concurrency: Pages read at once, and the most that are in memory.
        warn: Called for each interval whose rows contradict its total.
    """
    before: set[int] = set()
    for start, end in spans(since, until):
        trust = _Trust()
        interval = _Interval(fetch, start, end, ordered=ordered, concurrency=concurrency, known=before, trust=trust)
        async with aclosing(interval.read()) as pages:
            async for page in pages:
                yield page
        if trust.is_lost() or interval.has_given_up:
            warn(interval.total, len(interval.seen))
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


class _Trust:
    """Whether CoMagic's totals are believed, in an interval and all of its parts."""

    def __init__(self) -> None:
        self._is_lost = False
        self._barren = 0

    def is_lost(self) -> bool:
        """The rows contradict the totals, so nothing more is to be asked for."""
        return self._is_lost

    def note(self, page: Page, offset: int, *, has_new: bool) -> None:
        """Judge a page: one without rows before the total's end is a contradiction, so are many without new rows."""
        self._barren = 0 if has_new else self._barren + 1
        if (not page.rows and _total(page, offset) > offset) or self._barren >= _MOST_BARREN:
            self._is_lost = True


class _Interval:
    """One interval being read.

    Attributes:
        seen: Ids of all rows read, usable or not.
        total: Rows that the first answer has reported.
        has_given_up: Rows are missing, and could not be found in any part.
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
        trust: _Trust,
        depth: int = 0,
    ) -> None:
        self.seen: set[int] = set()
        self.total = 0
        self.has_given_up = False
        self._fetch = fetch
        self._since = since
        self._until = until
        self._ordered = ordered
        self._concurrency = concurrency
        self._known = known
        self._depth = depth
        self._trust = trust
        self._without_id = 0
        self._seams: list[_Seam] = []

    async def read(self) -> AsyncGenerator[list[Communication]]:
        async with aclosing(self._pages(self._since, self._until)) as pages:
            async for page in pages:
                yield page
        if not self._lacks_rows() or self.total <= PAGE:
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
        return len(self.seen) + self._without_id < self.total and not self._trust.is_lost()

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
            if not self.total and not again:
                self.total = total
            if total > REACH and not self._ordered:
                yield self._take_new(page, 0, again=again)
                return  # without an order there is no "after the last row": the halves are read instead
            last = _last(page)
            yield self._take_new(page, 0, again=again)
            covered = PAGE
            while covered < min(total, REACH) and not self._trust.is_lost():  # the total grows when calls end meanwhile
                offsets = range(covered, min(total, REACH), PAGE)
                calls = (partial(self._fetch, since, until, offset) for offset in offsets)
                async with aclosing(in_order(calls, self._concurrency)) as pages:
                    asked = iter(offsets)
                    async for page in pages:
                        offset = next(asked)
                        total = max(total, _total(page, offset))
                        self._add_seam(last, page)
                        last = _last(page) or last
                        yield self._take_new(page, offset, again=again)
                        if self._trust.is_lost():
                            return
                covered = offsets[-1] + PAGE
            if total <= REACH or last is None or not since <= last < until or self._trust.is_lost():
                return
            self._seams.append(_Seam(last, last))
            since = last + _SECOND

    async def _halves(self) -> AsyncGenerator[list[Communication]]:
        """Read both halves of the interval, each as an interval of its own."""
        too_deep = self._depth >= _MOST_HALVINGS and self.total <= REACH
        if too_deep or self._until - self._since <= 2 * _SECOND:
            self.has_given_up = True
            logger.warning(
                "report_rows_missing",
                extra={"rows_reported": self.total, "rows_read": len(self.seen) + self._without_id},
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
                trust=self._trust,
                depth=self._depth + 1,
            )
            async with aclosing(half.read()) as pages:
                async for page in pages:
                    yield page
            self.seen |= half.seen
            self.has_given_up |= half.has_given_up
            if self._trust.is_lost():
                return

    def _add_seam(self, last: datetime | None, page: Page) -> None:
        first = next((row.at for row in page.rows if row.at is not None), None)
        if self._ordered and last is not None and first is not None:
            self._seams.append(_Seam(min(last, first), max(last, first)))

    def _take_new(self, page: Page, offset: int, *, again: bool) -> list[Communication]:
        """Count a page's rows and return the communications that were not read before."""
        known = self._known
        has_new = any(row.id is None or (row.id not in self.seen and row.id not in known) for row in page.rows)
        self._trust.note(page, offset, has_new=has_new)
        fresh = []
        for row in page.rows:
            if row.id is None:
                self._without_id += not again
            elif row.id not in self.seen and not (again and self._is_outside(row.at)):
                self.seen.add(row.id)
                if row.communication is not None and row.id not in known:
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

"""Reading whole reports: few requests, nothing missed, nothing doubled, little in memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.clients.comagic import paging
from crm_bridge.clients.comagic.mapping import Page, Row
from crm_bridge.clients.comagic.wire import PAGE
from crm_bridge.domain.communication import Communication, CommunicationType
from crm_bridge.errors import RemoteUnavailable
from tests.clients.harness import ComagicHarness
from tests.support.factories import ANNA, NOON

pytestmark = pytest.mark.anyio

CALLS = "get.calls_report"
SECOND = timedelta(seconds=1)


def bulk(harness: ComagicHarness, count: int, *, spread: timedelta = timedelta(days=29), tie: int = 1) -> list[int]:
    """Add calls up to an hour ago, `tie` of them in each second that has any; return their ids."""
    last, step = int(harness.ago(hours=1).timestamp()), max(1, int(spread.total_seconds()) * tie // count)
    return harness.comagic.add_calls_bulk((ANNA, last - number // tie * step, False) for number in range(count))


async def assert_all(harness: ComagicHarness, ids: Iterable[int], *, requests: int | None = None) -> None:
    client = harness.client()
    read = Counter(communication.id for communication in await harness.read(client))
    assert set(read) == set(ids)
    assert max(read.values()) == 1
    if requests is not None:
        assert sum(client.requests.values()) == requests


@pytest.mark.parametrize(("count", "requests"), [(1, 1), (9_999, 1), (10_000, 1), (10_001, 2), (25_000, 3)])
async def test_a_report_costs_one_request_for_ten_thousand_rows(count: int, requests: int) -> None:
    harness = ComagicHarness()
    await assert_all(harness, bulk(harness, count), requests=requests)


async def test_an_empty_report_costs_one_request() -> None:
    harness = ComagicHarness()
    client = harness.client()

    assert await harness.read(client) == []
    assert client.requests == {CALLS: 1}


async def test_120_000_rows_cost_twelve_requests_although_one_query_reaches_110_000() -> None:
    harness = ComagicHarness()
    await assert_all(harness, bulk(harness, 120_000), requests=12)


async def test_rows_of_the_second_at_which_a_query_ends_cost_one_request_more() -> None:
    harness = ComagicHarness()
    ids = bulk(harness, 119_000)
    border = harness.comagic.communication(ids[119_000 - 110_000]).start  # the last one reached
    more = harness.comagic.add_calls_bulk((ANNA, border, False) for _ in range(3))

    await assert_all(harness, [*ids, *more], requests=13)


@pytest.mark.parametrize("tie", [2, 7, 400])
@pytest.mark.parametrize("end", ["inclusive", "exclusive"])
async def test_rows_that_swap_between_pages_are_neither_missed_nor_doubled(tie: int, end: str) -> None:
    harness = ComagicHarness(sort_ties="shuffled", interval_end=end)
    await assert_all(harness, bulk(harness, 30_500, tie=tie))


async def test_rows_that_swap_where_a_query_ends_are_not_missed() -> None:
    harness = ComagicHarness(sort_ties="shuffled")
    await assert_all(harness, bulk(harness, 115_000, tie=11))


async def test_all_rows_may_be_of_one_second() -> None:
    harness = ComagicHarness()
    await assert_all(harness, bulk(harness, 21_000, tie=21_000))


@pytest.mark.parametrize("end", ["inclusive", "exclusive"])
async def test_a_long_interval_is_divided_without_losing_the_second_between_the_parts(end: str) -> None:
    harness = ComagicHarness(interval_end=end)
    border = harness.ago(days=80) + paging.SPAN
    ids = [harness.comagic.add_call(ANNA, border + offset * SECOND) for offset in (-1, 0, 0, 1)]
    client = harness.client()

    assert [call.id for call in await harness.read(client, days=80)] == ids
    assert client.requests == {CALLS: 3}


async def test_an_unsortable_report_is_halved_when_one_query_does_not_reach_all_of_it() -> None:
    harness = ComagicHarness(sort_ties="shuffled")
    made = {
        harness.comagic.add_message(ANNA, harness.ago(minutes=number)) if number % 7 else 0
        for number in range(1, 15_000)
    } - {0}
    client = harness.client(sources=(CommunicationType.OFFLINE_MESSAGE,))

    read = Counter(message.id for message in await harness.read(client))

    assert set(read) == made
    assert max(read.values()) == 1
    assert all("sort" not in record.params for record in harness.comagic.requests)


async def test_pages_read_ahead_are_limited_by_the_concurrency() -> None:
    harness = ComagicHarness()
    ids = bulk(harness, 90_000)
    harness.comagic.latency = 0.001
    client = harness.client(concurrency=3)
    pages = client.communications(harness.ago(days=30), harness.clock.now(), sale_tag_id=harness.tag)

    first = [await anext(pages), await anext(pages)]
    await asyncio.sleep(0.3)
    assert len(harness.comagic.requests) <= 2 + 3

    rest = [page async for page in pages]
    assert sum(map(len, [*first, *rest])) == len(ids)
    assert harness.comagic.max_in_flight == 3


async def test_a_reader_that_stops_early_leaves_no_task() -> None:
    before = asyncio.all_tasks()

    async def page(number: int) -> int:
        if number:
            await asyncio.sleep(3600)
        return number

    pages = paging.in_order([partial(page, number) for number in range(9)], 4)
    assert await anext(pages) == 0
    assert len(asyncio.all_tasks() - before) == 3

    await pages.aclose()

    assert asyncio.all_tasks() == before


async def test_a_page_that_fails_cancels_the_pages_read_beside_it() -> None:
    before = asyncio.all_tasks()

    async def page(number: int) -> int:
        if number:
            await asyncio.sleep(3600)
        raise RemoteUnavailable("CoMagic", "away")

    with pytest.raises(RemoteUnavailable):
        await anext(paging.in_order([partial(page, number) for number in range(9)], 4))

    assert asyncio.all_tasks() == before


Made = list[tuple[int, datetime]]


def report_of(
    rows: Callable[[int], Made], asked: list[tuple[datetime, datetime, int]], total: Callable[[Made], int | None] = len
) -> Callable[[datetime, datetime, int], Awaitable[Page]]:
    """Make a report whose rows depend on how many requests came before."""

    async def fetch(since: datetime, until: datetime, offset: int) -> Page:
        found = [(key, at) for key, at in rows(len(asked)) if since <= at <= until]
        asked.append((since, until, offset))
        page = [
            Row(key, at, Communication(type=CommunicationType.CALL, id=key, started_at=at, phone=ANNA))
            for key, at in found[offset : offset + PAGE]
        ]
        return Page(page, total(found))

    return fetch


async def ids_of(
    fetch: Callable[[datetime, datetime, int], Awaitable[Page]],
    *,
    ordered: bool = True,
    warnings: list[tuple[int, int]] | None = None,
) -> list[int]:
    """Read a report; without a list for them, there must be no warnings."""
    noted: list[tuple[int, int]] = [] if warnings is None else warnings
    pages = paging.read(
        fetch,
        NOON - timedelta(days=20),
        NOON,
        ordered=ordered,
        concurrency=2,
        warn=lambda reported, read: noted.append((reported, read)),
    )
    read = [row.id async for page in pages for row in page]
    assert warnings is not None or not noted
    return read


def row(number: int) -> tuple[int, datetime]:
    return number, NOON - timedelta(days=19) + number * SECOND * 10


async def test_a_row_that_vanishes_between_two_pages_hides_no_other_row() -> None:
    """All rows after it move up, so the first of the next page is skipped."""
    asked: list[tuple[datetime, datetime, int]] = []
    everything = [row(number) for number in range(25_000)]
    fetch = report_of(lambda before: everything if before < 1 else everything[1:], asked)

    read = await ids_of(fetch)

    assert sorted(read) == list(range(25_000))


async def test_rows_that_appear_meanwhile_do_no_harm() -> None:
    asked: list[tuple[datetime, datetime, int]] = []
    everything = [row(number) for number in range(30_001)]
    fetch = report_of(lambda before: everything[: 20_000 if before < 1 else None], asked)

    read = await ids_of(fetch)

    assert len(read) == len(set(read)) >= 20_000
    assert len(asked) <= 4


async def test_a_report_without_a_total_is_read_until_a_page_is_not_full() -> None:
    asked: list[tuple[datetime, datetime, int]] = []
    everything = [row(number) for number in range(20_000)]

    read = await ids_of(report_of(lambda _: everything, asked, total=lambda _: None))

    assert sorted(read) == list(range(20_000))
    assert len(asked) == 3


@pytest.mark.parametrize("claimed", [20_000, 3_000_000, 10**17])
@pytest.mark.parametrize("ordered", [True, False])
async def test_a_report_that_claims_more_rows_than_it_has_is_not_read_for_ever(*, ordered: bool, claimed: int) -> None:
    asked: list[tuple[datetime, datetime, int]] = []
    everything = [row(number) for number in range(100)]
    warnings: list[tuple[int, int]] = []

    fetch = report_of(lambda _: everything, asked, total=lambda _: claimed)
    read = await ids_of(fetch, ordered=ordered, warnings=warnings)

    assert sorted(read) == list(range(100))
    assert warnings == [(claimed, len(read))]
    assert len(asked) <= 110


async def test_a_report_that_shows_the_same_rows_for_ever_is_not_read_for_ever() -> None:
    asked = 0
    page = Page([Row(key, at, None) for key, at in map(row, range(PAGE))], 10**9)
    warnings: list[tuple[int, int]] = []

    async def fetch(since: datetime, until: datetime, offset: int) -> Page:
        nonlocal asked
        asked += 1
        return page

    await ids_of(fetch, warnings=warnings)

    assert warnings == [(10**9, PAGE)]
    assert asked <= 200


@given(
    st.datetimes(min_value=NOON.replace(tzinfo=None), max_value=NOON.replace(tzinfo=None, year=2036)),
    st.timedeltas(timedelta(), timedelta(days=400)),
)
def test_spans_cover_an_interval_and_share_their_ends(naive: datetime, length: timedelta) -> None:
    since = naive.replace(tzinfo=NOON.tzinfo)

    spans = list(paging.spans(since, since + length))

    assert spans[0][0] <= since < spans[0][0] + SECOND
    assert since + length <= spans[-1][1] < since + length + SECOND
    assert all(timedelta() <= end - start <= paging.SPAN for start, end in spans)
    assert all(before[1] == after[0] for before, after in pairwise(spans))

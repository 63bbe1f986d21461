"""CPU of reading calls and deciding phones, over what a bare typed JSON decoder needs for the same bytes."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec

from crm_bridge.clients.comagic.client import ComagicClient
from crm_bridge.domain.communication import Communication, CommunicationType
from crm_bridge.domain.decision import Decision, Result
from crm_bridge.domain.journal import Journal, Row
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.domain.sale import RecordedSale
from crm_bridge.domain.state import CrmMoney
from crm_bridge.services import SyncServices
from crm_bridge.settings import Settings
from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from crm_bridge.usecases.progress import ProgressReporter
from crm_bridge.usecases.record_sales import record_sales
from crm_bridge.usecases.run_context import Deadline, RunContext, SyncRequest
from tests.benchmarks.figures import Figure, exponent
from tests.sandbox.clock import ManualClock
from tests.support.factories import NOON
from tests.support.sync_app import SETTINGS

PAGE = 10_000
_SALE_TAG = 2718
_KOPECKS = 280_050
_SITE = 25187


class _Tag(msgspec.Struct):
    tag_id: int


class _Row(msgspec.Struct):
    communication_id: int
    start_time: datetime
    is_lost: bool
    contact_phone_number: str | None
    tags: list[_Tag] | None
    sale_cost: Decimal | None
    sale_date: str | None
    site_id: int | None


class _Result(msgspec.Struct):
    data: list[_Row]


class _Answer(msgspec.Struct):
    result: _Result


_DECODER = msgspec.json.Decoder(_Answer)


def measure(sizes: list[int], *, rounds: int) -> list[Figure]:
    """Take the medians of some rounds, in each of which everything is measured once, one after the other."""
    made = {size: (_phones(size), _pages(size)) for size in sizes}
    phones, pages = made[calls := sizes[-1]]
    bare, loop, grown = [], [], []
    for _ in range(rounds):
        bare.append(_cpu(lambda: [len(_DECODER.decode(page).result.data) for page in pages]))
        loop.append(_cpu(partial(_without_rules, phones, pages)))
        grown.append([_cpu(partial(_with_rules, *made[size])) for size in sizes])
    ours = [times[-1] for times in grown]
    return [
        Figure(
            concern="cpu",
            name=f"reading {calls:,} calls, deciding {calls:,} phones, over a bare decoder",
            value=statistics.median(mine / theirs for mine, theirs in zip(ours, bare, strict=True)),
            limit=3,
            how=f"{statistics.median(ours):.2f} / {statistics.median(bare):.2f} s",
            raw={"seconds": statistics.median(ours), "megabytes": sum(map(len, pages)) / 1e6},
        ),
        Figure(
            concern="cpu",
            name="the same over a loop that makes the same values without any rule or check",
            value=statistics.median(mine / theirs for mine, theirs in zip(ours, loop, strict=True)),
            how=f"{statistics.median(ours):.2f} / {statistics.median(loop):.2f} s",
        ),
        Figure(
            concern="growth",
            name="reading and deciding, CPU",
            value=statistics.median(exponent(sizes, times) for times in grown),
            unit="exponent",
            limit=1.05,
            how=" → ".join(f"{statistics.median(times):.2g}" for times in zip(*grown, strict=True)) + " s",
        ),
    ]


def _cpu(work: Callable[[], Any]) -> float:
    gc.collect()
    started = time.process_time()
    work()
    return time.process_time() - started


def _without_rules(phones: list[PhoneRecord], pages: list[bytes]) -> list[Row]:
    """Make a communication for each call, a decision and a row for each phone, and nothing else."""
    known = {phone.phone: phone for phone in phones}
    seen: dict[str | None, Communication] = {}
    for page in pages:
        for row in _DECODER.decode(page).result.data:
            if row.contact_phone_number in known:
                seen[row.contact_phone_number] = Communication(
                    type=CommunicationType.CALL,
                    id=row.communication_id,
                    started_at=row.start_time,
                    phone=row.contact_phone_number,
                    tagged=row.tags is not None,
                    sale_kopecks=None if row.sale_cost is None else int(row.sale_cost * 100),
                )
    rows = []
    for phone in known.values():
        bearer = seen[phone.phone]
        decision = Decision(result=Result.PROBLEM if bearer.tagged else Result.APPLIED, target=bearer)
        rows.append(
            Row(
                phone=phone.phone,
                result=decision.result,
                amount_kopecks=phone.amount_kopecks,
                communication_id=bearer.id,
                comment=phone.comment,
            )
        )
    return rows


def _with_rules(phones: list[PhoneRecord], pages: list[bytes]) -> None:
    asyncio.run(_read_and_decide(phones, pages))


async def _read_and_decide(phones: list[PhoneRecord], pages: list[bytes]) -> None:
    """Do a dry run on canned answers and a database that costs nothing: reading, deciding, the journal's rows."""
    settings = Settings.from_env(SETTINGS | {"COMAGIC_SALE_TAG_ID": str(_SALE_TAG)})
    clock = ManualClock(NOON)
    store = _Phones(phones)
    async with httpx.AsyncClient(transport=_Canned(pages)) as http:
        call_tracking = ComagicClient(
            http=http,
            url=settings.comagic_url,
            token="token",
            user_id=None,
            time_zone=settings.time_zone,
            region="RU",
            sources=settings.comagic_sources,
            concurrency=settings.comagic_concurrency,
            time=Deadline(clock, timedelta(hours=1)),
        )
        services = SyncServices(settings=settings, clock=clock, store=store, crm=_never, call_tracking=_never)
        context = RunContext(
            run_id="bench",
            services=services,
            deadline=Deadline(clock, timedelta(hours=1)),
            lease=None,
            progress=ProgressReporter(store, clock, None),
            request=SyncRequest(dry_run=True),
        )
        journal = Journal(run_id="bench", started_at=NOON, zone=settings.time_zone, dry_run=True)
        await record_sales(context, call_tracking, journal)
    assert journal.communications_found == len(phones), journal.communications_found


def _never(*_: object) -> Any:
    raise AssertionError


class _Phones(SqliteSalesStore):
    """A store of phones that are in memory already."""

    def __init__(self, phones: list[PhoneRecord]) -> None:
        super().__init__(str(Path("nowhere")))
        self._phones = phones

    async def all_phones(self) -> AsyncIterator[list[PhoneRecord]]:
        yield self._phones

    async def state(self, kind: type[Any]) -> Any:
        """Return running totals that cost nothing to read, and no other note."""
        return CrmMoney(total_kopecks=len(self._phones) * _KOPECKS) if kind is CrmMoney else None


class _Canned(httpx.AsyncBaseTransport):
    """CoMagic, with prepared pages; only the id of the request is put in."""

    def __init__(self, pages: list[bytes]) -> None:
        self._pages = pages

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        asked = msgspec.json.decode(request.content)
        if asked["method"] == "get.sites":
            sites = [{"id": _SITE, "domain_name": "example.ru", "sales_enabled": True}]
            body = {"jsonrpc": "2.0", "id": asked["id"], "result": {"data": sites, "metadata": {"total_items": 1}}}
            return httpx.Response(200, stream=httpx.ByteStream(msgspec.json.encode(body)))
        page = self._pages[asked["params"]["offset"] // PAGE]
        content = page.replace(b'"id":"0"', b'"id":"' + asked["id"].encode() + b'"', 1)
        return httpx.Response(200, stream=httpx.ByteStream(content))


def _phone(number: int) -> str:
    return f"7926{number:07d}"


def _phones(count: int) -> list[PhoneRecord]:
    """Customers of whom every third has a sale of ours already."""
    return [
        PhoneRecord(
            phone=_phone(number),
            amount_kopecks=_KOPECKS,
            paid_at=NOON - timedelta(days=2),
            comment="Химчистка пальто",
            order_count=1,
            sale=_sale(number) if number % 3 == 0 else None,
        )
        for number in range(count)
    ]


def _sale(number: int) -> RecordedSale:
    return RecordedSale(
        type=CommunicationType.CALL,
        id=3_360_000_000 + number,
        started_at=NOON - timedelta(days=3),
        amount_kopecks=280_050,
        sold_at=NOON - timedelta(days=2),
        comment="Химчистка пальто",
        sale_id=number,
        ours=True,
        recorded_at=NOON - timedelta(days=2),
    )


def _pages(count: int) -> list[bytes]:
    """Write the pages as CoMagic does, its calls in the order of time."""
    tag = {
        "tag_id": _SALE_TAG,
        "tag_name": "Продажа",
        "tag_change_time": "2026-06-13 11:00:00",
        "tag_type": "manual",
        "tag_user_id": 2870,
        "tag_user_login": "robot@example.ru",
        "tag_employee_id": None,
        "tag_employee_full_name": None,
    }
    begin = (NOON - timedelta(days=29)).replace(tzinfo=UTC)
    rows = [
        {
            "communication_id": 3_360_000_000 + number,
            "start_time": f"{begin + timedelta(seconds=number * 25 * 86_400 // count):%Y-%m-%d %H:%M:%S}",
            "is_lost": False,
            "contact_phone_number": _phone(number),
            "tags": [tag] if number % 3 == 0 else None,
            "sale_cost": 2800.5 if number % 3 == 0 else None,
            "sale_date": "2026-06-13 12:00:00" if number % 3 == 0 else None,
            "site_id": _SITE,
        }
        for number in range(count)
    ]
    limits = {"day_limit": 10**6, "day_remaining": 10**6, "day_reset": 3600}
    return [
        msgspec.json.encode(
            {
                "jsonrpc": "2.0",
                "id": "0",
                "result": {
                    "data": rows[start : start + PAGE],
                    "metadata": {"total_items": count, "version": None, "limits": limits},
                },
            }
        )
        for start in range(0, count, PAGE)
    ]

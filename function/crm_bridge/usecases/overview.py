"""Collect what the home page shows; no remote system is asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from crm_bridge.domain.local_time import local_text
from crm_bridge.domain.money import to_kopecks
from crm_bridge.domain.overview import Money, Overview, Step
from crm_bridge.domain.run import Run, RunStatus
from crm_bridge.domain.state import Watermark
from crm_bridge.services import SyncServices

_DAYS = 30
_RUNS = 50

_PARTIAL = ("dry_run", "phone=", "limit=")
"""Parameters of a run that is not one over all phones."""


async def overview(services: SyncServices) -> Overview:
    """Read the state of the bridge from the database."""
    store, now = services.store, services.clock.now()
    watermark, lease = await store.state(Watermark), await store.lease()
    runs, aside = await store.runs(_RUNS), await store.unreadable_orders()
    last = next((run for run in runs if _is_full(run)), None)
    whole = await store.run(last.run_id) if last else None
    since = local_text(now - timedelta(days=_DAYS), services.settings.time_zone)
    money = None
    if whole is not None and whole.journal is not None:
        money = await asyncio.to_thread(_money, whole.journal, since)
    return Overview(
        refreshed_at=watermark.as_of(now).refreshed_at if watermark else None,
        runs=runs,
        last=last,
        money=money,
        unreadable=len(aside),
        step=_next_step(runs, last),
        lease=lease,
        now=now,
    )


def _is_full(run: Run) -> bool:
    """Say whether a run was one over all phones that ended well: a dry run never counts."""
    parts = run.parameters.split("&")
    return run.status is RunStatus.SUCCEEDED and not any(part.startswith(_PARTIAL) for part in parts)


def _next_step(runs: Sequence[Run], last: Run | None) -> Step:
    if last is not None:
        return Step.DONE
    succeeded = [run.parameters for run in runs if run.status is RunStatus.SUCCEEDED]
    for part, step in (("limit=", Step.ALL), ("phone=", Step.FEW), ("dry_run", Step.PHONE)):
        if any(part in parameters for parameters in succeeded):
            return step
    return Step.SETUP


def _money(journal: bytes, since: str) -> Money:
    """Add up the rows of payments since a local time; rows of older versions that have no date count as recent."""
    rows: list[Mapping[str, Any]] = json.loads(journal)["log"]
    sums, counts = {True: 0, False: 0}, {True: 0, False: 0}
    for row in rows:
        kopecks = to_kopecks(Decimal(row["amount"]))
        if kopecks > 0 and row.get("date", since) >= since:
            found = next(iter(row.values())) != "not found"
            sums[found] += kopecks
            counts[found] += 1
    return Money(found=sums[True], not_found=sums[False], phones_found=counts[True], phones_not_found=counts[False])

"""What a run reads, writes and deletes in Firestore, over the least possible, and what that costs.

The least: one read a phone considered and one an order that the CRM lists; one write a document that changes, where
a change of a sale is three: its intent, its outcome and its line of history. A run's own record and state come on top.
"""

from __future__ import annotations

from tests.benchmarks.days import Day, Sizes
from tests.benchmarks.figures import Figure, ratio

# Dollars an operation: list prices of Firestore's cheaper regions.
READ, WRITE, DELETE = 0.03e-5, 0.09e-5, 0.01e-5

_OWN = 14
"""A run's own record and state: the lease taken, checked and given back, the watermark, the session, the record."""


def measure(days: list[Day], sizes: Sizes) -> list[Figure]:
    figures = []
    for day in days:
        refresh = day.journal["refresh"]
        reads, writes, deletes = (sum(each.values()) for each in (day.reads, day.writes, day.deletes))
        least_reads = day.journal["phones_analyzed"] + refresh["orders_read"]
        changed = day.writes["orders"] and refresh["phones_changed"]
        least_writes = {
            "first": sizes.phones * 3,  # an order, a client and a phone each
            "idle": 0,
            "daily": sizes.daily + sizes.daily // 2 + changed,
        }[day.name] + 3 * day.changes
        limit = None if day.name == "first" else 1.1
        figures.append(
            ratio(
                "operations",
                f"{day.name} run",
                reads + writes + deletes,
                least_reads + least_writes + _OWN,
                limit=limit,
            )
        )
        cost = reads * READ + writes * WRITE + deletes * DELETE
        figures.append(
            Figure(
                concern="operations",
                name=f"{day.name} run, thousand runs cost",
                value=cost * 1000,
                unit="$",
                how=f"{reads} reads, {writes} writes, {deletes} deletes in {day.commits} commits",
                raw={name: dict(getattr(day, name)) for name in ("reads", "writes", "deletes")},
            )
        )
    return figures

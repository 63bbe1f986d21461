"""The rows of a journal as people look at them: filtered, sorted, added up by day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct

from crm_bridge.domain.money import format_roubles, to_kopecks

_DAYS = 31
"""Bars of a chart; more would be too thin to read."""


class JournalRow(Struct, frozen=True, kw_only=True):
    """One phone of a journal.

    Attributes:
        communication_id: Empty when none was found.
        amount, previous: Roubles with two decimals; `previous` is empty when nothing stood.
        data: The row as JSON has it, for the rest.
    """

    phone: str
    communication_id: str
    communication_type: str
    result: str
    amount: str
    previous: str
    date: str
    comment: str
    error: str
    points: int
    data: Mapping[str, Any]

    @property
    def kopecks(self) -> int:
        return to_kopecks(Decimal(self.amount))


def read(journal: Mapping[str, Any]) -> list[JournalRow]:
    """Read the log of a journal; the first pair of a row is its phone and its communication."""
    found = []
    for data in journal["log"]:
        phone, communication = next(iter(data.items()))
        found.append(
            JournalRow(
                phone=phone,
                communication_id="" if communication == "not found" else communication,
                communication_type=data.get("communication_type", "call"),
                result=data["result"],
                amount=data["amount"],
                previous=data.get("previous_amount", ""),
                date=data.get("date", ""),
                comment=data.get("comment", ""),
                error=data.get("error", ""),
                points=data.get("points", 0),
                data=data,
            )
        )
    return found


SORTS: Mapping[str, tuple[Callable[[JournalRow], Any], bool]] = {
    # name: (key, descending); script.js has the same
    "phone": (lambda row: row.phone, False),
    "-amount": (lambda row: row.kopecks, True),
    "amount": (lambda row: row.kopecks, False),
    "-date": (lambda row: row.date, True),
    "date": (lambda row: row.date, False),
    "result": (lambda row: row.result, False),
}


class Choice(Struct, frozen=True, kw_only=True):
    """Which rows to show, and in which order.

    Attributes:
        result: Only rows of this result; all when empty.
        q: Only rows that have this in their phone, number or services, in any case.
        sort: One of SORTS; as the journal has them when empty.
    """

    result: str = ""
    q: str = ""
    sort: str = ""

    def of(self, rows: Sequence[JournalRow]) -> list[JournalRow]:
        """Choose from the rows."""
        wanted = self.q.strip().casefold()
        chosen = [
            row
            for row in rows
            if self.result in {"", row.result}
            and wanted in f"{row.phone} {row.communication_id} {row.comment}".casefold()
        ]
        if self.sort in SORTS:
            key, descending = SORTS[self.sort]
            chosen.sort(key=key, reverse=descending)
        return chosen


def results(rows: Sequence[JournalRow]) -> list[tuple[str, int]]:
    """Count the rows of each result, the most frequent first."""
    return Counter(row.result for row in rows).most_common()


def figures(journal: Mapping[str, Any]) -> dict[str, int]:
    """Return the counters of a journal, and the one that its rows alone tell."""
    names = ("tags_applied", "tags_removed_updated", "tags_removed", "problem", "failed", "deferred")
    return {**{name: journal[name] for name in names}, "not_found": found(read(journal))[1]}


class Day(Struct, frozen=True, kw_only=True):
    """A bar of the chart: a day, its sum, and its height as a share of the highest, in percent."""

    date: str
    amount: str
    percent: int


def sums_per_day(rows: Sequence[JournalRow]) -> list[Day]:
    """Add up the sums that were set, by the day of their sale; the newest days, oldest first."""
    sums: Counter[str] = Counter()
    for row in rows:
        if row.date:
            sums[row.date[:10]] += row.kopecks
    highest = max(sums.values(), default=0) or 1
    return [
        Day(date=date, amount=format_roubles(kopecks), percent=max(1, kopecks * 100 // highest))
        for date, kopecks in sorted(sums.items())[-_DAYS:]
    ]


def found(rows: Sequence[JournalRow]) -> tuple[int, int]:
    """Count the phones with money that have a communication, and those that have none."""
    missing = sum(row.result.endswith("not_found") for row in rows)
    return sum(bool(row.communication_id) and row.kopecks > 0 for row in rows), missing

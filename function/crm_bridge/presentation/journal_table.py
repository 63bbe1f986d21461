"""The rows of a journal for a page or a CSV: filtered, sorted, added up by day."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct

from crm_bridge.domain.money import format_roubles, to_kopecks

PAGE_ROWS = 1000
"""Rows of a page: a browser lays out 5,000 in more than a second."""

_PHONE_OR_SUM = re.compile(r"[\d\s()+.,₽-]*\d[\d\s()+.,₽-]*")
_DAYS = 31
"""The most bars of the chart by day; more would be too thin to read."""


class JournalRow(Struct, frozen=True, kw_only=True):
    """One phone of a journal.

    Attributes:
        communication_id: Empty when none was found.
        amount, previous: Roubles with two decimals; `previous` is empty when there was no sale before.
        data: The whole row of the journal's JSON.
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
    # name: (key, descending). script.js sorts by the same names.
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
        result: Only rows of this result; every row when empty.
        q: Only rows whose phone (in any spelling), communication or services contain this text, or whose sum it is.
        sort: One of SORTS; the journal's own order when empty.
        page: From 1 on, of a journal of more than PAGE_ROWS.
    """

    result: str = ""
    q: str = ""
    sort: str = ""
    page: int = 1

    def apply(self, rows: Sequence[JournalRow]) -> list[JournalRow]:
        """Return the chosen rows, in the chosen order."""
        fits = _search(self.q)
        chosen = [row for row in rows if self.result in {"", row.result} and fits(row)]
        if self.sort in SORTS:
            key, descending = SORTS[self.sort]
            chosen.sort(key=key, reverse=descending)
        return chosen

    def query(self, **changed: object) -> str:
        """Return the choice as the query of an address, parts of it changed; the page is the first unless named."""
        values = {"result": self.result, "q": self.q, "sort": self.sort, **changed}
        return urlencode({name: value for name, value in values.items() if value})


def _search(text: str) -> Callable[[JournalRow], bool]:
    """Return whether a row has the text; script.js does the same in the page."""
    wanted = text.strip().casefold()
    if not wanted:
        return lambda _: True
    digits, roubles = "", ""
    if _PHONE_OR_SUM.fullmatch(wanted):
        digits = re.sub(r"\D", "", wanted)
        if len(digits) == 11 and digits.startswith("8"):
            digits = f"7{digits[1:]}"
        roubles = re.sub(r"[\s₽]", "", wanted).replace(",", ".")

    def fits(row: JournalRow) -> bool:
        if wanted in f"{row.phone} {row.communication_id} {row.comment}".casefold():
            return True
        if not digits:
            return False
        sums = (row.amount, row.previous)
        return digits in row.phone or any(roubles in {each, each.removesuffix(".00")} for each in sums)

    return fits


def results(rows: Sequence[JournalRow]) -> list[tuple[str, int]]:
    """Count the rows of each result, the most frequent first."""
    return Counter(row.result for row in rows).most_common()


def figures(journal: Mapping[str, Any]) -> dict[str, int]:
    """Return the counters of a journal; `not_found`, which it does not have, is counted in its rows."""
    names = ("tags_applied", "tags_removed_updated", "tags_removed", "problem", "failed", "deferred")
    return {**{name: journal[name] for name in names}, "not_found": found(read(journal))[1]}


class Day(Struct, frozen=True, kw_only=True):
    """A bar of the chart by day; its height is a share of the highest bar's, in percent."""

    date: str
    amount: str
    percent: int


def sums_per_day(rows: Sequence[JournalRow]) -> list[Day]:
    """Add up the sums by the day of their sale, and return the newest days, the oldest of them first."""
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

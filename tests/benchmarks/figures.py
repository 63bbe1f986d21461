"""The results of a measurement: figures, each beside its limit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table.

    Attributes:
        concern: The measurement it belongs to.
        limit: What it must not exceed; None for a figure without a limit.
        at_least: The limit is the least that it must be.
        how: What the figure is made of, for people.
        raw: The same for programs.
    """

    concern: str
    name: str
    value: float
    unit: str = ""
    limit: float | None = None
    at_least: bool = False
    how: str = ""
    raw: dict[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        if self.limit is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def as_json(self) -> dict[str, Any]:
        return {
            "concern": self.concern,
            "name": self.name,
            "value": round(self.value, 4),
            "unit": self.unit,
            "limit": self.limit,
            "met": self.met,
            "how": self.how,
            **({"raw": self.raw} if self.raw else {}),
        }


def ratio(concern: str, name: str, made: float, least: float, *, limit: float | None, unit: str = "") -> Figure:
    """Compare what was made with what was necessary."""
    how = f"{_short(made)} / {_short(least)}{f' {unit}' if unit else ''}"
    return Figure(
        concern=concern,
        name=name,
        value=made / least if least else math.inf,
        limit=limit,
        how=how,
        raw={"made": made, "necessary": least},
    )


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Return the greatest exponent of growth between neighbouring sizes: 1 is linear."""
    pairs = list(zip(sizes, values, strict=True))
    return max(math.log(after / before) / math.log(big / small) for (small, before), (big, after) in pairwise(pairs))


def table(figures: Iterable[Figure]) -> str:
    """Draw the figures as a Markdown table."""
    lines = ["| | figure | value | must be | made of |", "|---|---|---|---|---|"]
    for figure in figures:
        mark = {None: "", True: "✓", False: "✗"}[figure.met]
        sign = "≥" if figure.at_least else "≤"
        limit = "" if figure.limit is None else f"{sign} {_short(figure.limit)} {mark}"
        value = f"{_short(figure.value)}{f' {figure.unit}' if figure.unit else ''}"
        lines.append(f"| {figure.concern} | {figure.name} | {value} | {limit} | {figure.how} |")
    return "\n".join(lines)


def _short(number: float) -> str:
    if isinstance(number, int) or number == int(number):
        return f"{int(number):,}"
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:,.3g}" if abs(number) >= 100 else f"{number:,.2f}"

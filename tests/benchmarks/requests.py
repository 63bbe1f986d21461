"""Requests made over those that are necessary, per system: pages of calls, windows of changes, one a set, one an unset.

A necessary request is counted from what the simulators hold and from the changes that took effect, not from our own
figures. A look-up is necessary for a client of a new order whom no window listed.
"""

from __future__ import annotations

from tests.benchmarks.days import Day
from tests.benchmarks.figures import Figure, ratio

_LIMITS = {"first": 1.05, "idle": 1.0, "daily": 1.0}


def measure(days: list[Day]) -> list[Figure]:
    figures = [
        ratio(
            "requests", f"{day.name} run, {system}", day.asked[system], day.necessary[system], limit=_LIMITS[day.name]
        )
        for day in days
        for system in ("Agbis", "CoMagic")
    ]
    idle = next(day for day in days if day.name == "idle")
    written = sum((idle.writes + idle.deletes).values())
    own = sum((idle.writes + idle.deletes)[name] for name in ("runs", "state"))
    figures.append(Figure(concern="requests", name="idle run, changes in CoMagic", value=idle.changes, limit=0))
    figures.append(
        Figure(
            concern="requests",
            name="idle run, documents written that are not its record or state",
            value=written - own,
            limit=0,
            how=f"{written} written, {own} of them its own record and state",
        )
    )
    return figures

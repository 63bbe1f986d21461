"""The home page as plain data, and how far a run that was started there has come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from crm_bridge.domain.local_time import local_text
from crm_bridge.domain.money import format_roubles
from crm_bridge.domain.run import Phase, Progress
from crm_bridge.presentation.run_view import run_view

if TYPE_CHECKING:
    from crm_bridge.domain.overview import Overview

_TREND = 10

_STEPS = {Phase.REFRESHING: 1, Phase.LOOKING_UP: 1, Phase.READING: 2, Phase.APPLYING: 3}
_STEP_COUNT = 3
_FIRST_GUESS = 0.05
"""The share of a run that must be done before its end can be guessed."""


def start_view(overview: Overview, zone: ZoneInfo) -> dict[str, Any]:
    """Return the home page as data, the same for JSON and for the page."""
    runs = [run_view(run, overview.lease, now=overview.now, zone=zone) for run in overview.runs]
    money, last = overview.money, overview.last
    return {
        "refreshed_at": local_text(overview.refreshed_at, zone) if overview.refreshed_at else None,
        "last_run": run_view(last, overview.lease, now=overview.now, zone=zone) if last else None,
        "running": next((run for run in runs if run["status"] == "running"), None),
        "money": None
        if money is None
        else {
            "found": format_roubles(money.found),
            "not_found": format_roubles(money.not_found),
            "phones_found": money.phones_found,
            "phones_not_found": money.phones_not_found,
        },
        "problems": {
            "failed": last.figures.get("failed", 0) if last else 0,
            "deferred": last.figures.get("deferred", 0) if last else 0,
            "unreadable": overview.unreadable,
            "run_failed": bool(runs) and runs[0]["status"] in {"failed", "interrupted"},
        },
        "trend": [run for run in runs if "figures" in run][:_TREND],
        "step": str(overview.step),
    }


class StartedRun:
    """How far a run has come that was started from the home page; its bar never goes back."""

    def __init__(self, *, started: float) -> None:
        """Begin to count.

        Args:
            started: On the monotonic clock.
        """
        self._started = started
        self._progress: Progress | None = None
        self._done = 0.0

    def note(self, progress: Progress) -> None:
        """Take a report of the run."""
        self._progress = progress
        share = min(1.0, progress.done / progress.total) if progress.total else 0.0
        if progress.phase is Phase.LOOKING_UP:
            share = 0.0  # a part of a window, whose number is not known here
        self._done = max(self._done, (_STEPS[progress.phase] - 1 + share) / _STEP_COUNT)

    def part(self, now: float) -> dict[str, Any]:
        """Return what the page shows at a moment of the monotonic clock."""
        progress, elapsed = self._progress, now - self._started
        guess = elapsed * (1 - self._done) / self._done if self._done > _FIRST_GUESS else None
        return {
            "phase": str(progress.phase) if progress else None,
            "step": _STEPS[progress.phase] if progress else 1,
            "steps": _STEP_COUNT,
            "percent": int(self._done * 100),
            "done": progress.done if progress else 0,
            "total": progress.total if progress else None,
            "minutes": None if guess is None else max(1, round(guess / 60)),
        }

"""Runs as plain data, the same for JSON and for pages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from crm_bridge.domain.local_time import local_text
from crm_bridge.domain.run import Lease, Run, RunStatus
from crm_bridge.translations import Translator


def run_view(run: Run, lease: Lease | None, *, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    """Return a run without its journal; a run whose process was killed is `interrupted`."""
    status: str = run.status
    if run.status is RunStatus.RUNNING and not run.is_going_on(lease, now=now):
        status = "interrupted"
    view: dict[str, Any] = {
        "run_id": run.run_id,
        "status": str(status),
        "started_at": local_text(run.started_at, zone),
        "finished_at": local_text(run.finished_at, zone) if run.finished_at else None,
        "parameters": run.parameters,
        "message": run.message,
    }
    if run.figures:
        view["figures"] = dict(run.figures)
    if run.progress is not None and run.status is RunStatus.RUNNING:
        view["progress"] = {
            "phase": str(run.progress.phase),
            "done": run.progress.done,
            "total": run.progress.total,
            "at": local_text(run.progress.at, zone),
        }
    return view


def journal_of(run: Run) -> dict[str, Any] | None:
    """Return the journal that a run has left."""
    journal: dict[str, Any] | None = None if run.journal is None else json.loads(run.journal)
    return journal


ASKED = ("update_db", "dry_run", "date_from", "date_till", "limit", "confirm", "phone")
"""The parameters of a run that have words of their own."""


def asked(run: Mapping[str, Any], t: Translator) -> str:
    """Return what a run was asked for, in the reader's language; a parameter that is not in ASKED stays as it is."""
    parts = [part for part in run["parameters"].split("&") if part]
    words = [] if "update_db" in parts else [t("run.plain")]
    for part in parts:
        name, _, value = part.partition("=")
        words.append(t(f"asked.{name}", value=value) if name in ASKED else part)
    return ", ".join(words)


def outcome(run: Mapping[str, Any], t: Translator) -> str:
    """Return how a run ended, in the reader's language.

    Args:
        run: As `run_view` returns it. Its own message is English.
        t: The reader's language.
    """
    if "figures" in run:
        return figures_text(run["figures"], t, dry_run="dry_run" in run["parameters"].split("&"))
    return t.from_english(run["message"])


def figures_text(figures: Mapping[str, int | bool], t: Translator, *, dry_run: bool) -> str:
    """Return the counters of a run as a sentence; a dry run speaks of the future."""
    return t("run.figures_dry_run", **figures) if dry_run else t("run.figures", **figures)

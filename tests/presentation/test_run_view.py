"""Runs as plain data, and how a run ended in the reader's language."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from crm_bridge.domain.run import LEASE_TTL, Lease, Phase, Progress, Run, RunStatus
from crm_bridge.presentation.run_view import asked, journal_of, outcome, run_view
from crm_bridge.translations import Translator
from tests.support.factories import NOON

MOSCOW = ZoneInfo("Europe/Moscow")
RUNNING = Run(run_id="7", status=RunStatus.RUNNING, started_at=NOON, expires_at=NOON + timedelta(days=1))
SUCCEEDED = replace(RUNNING, status=RunStatus.SUCCEEDED, finished_at=NOON + timedelta(minutes=3), message="Sales …")
FIGURES: dict[str, int | bool] = {
    "tags_applied": 3,
    "tags_removed_updated": 2,
    "tags_removed": 1,
    "problem": 4,
    "not_found": 5,
    "failed": 6,
    "deferred": 7,
    "complete": True,
    "balanced": True,
}


def lease(run_id: str = "7", *, until: datetime = NOON + LEASE_TTL) -> Lease:
    return Lease(run_id=run_id, started_at=NOON, until=until)


def view(run: Run, held: Lease | None = None) -> dict[str, Any]:
    return run_view(run, held, now=NOON, zone=MOSCOW)


def test_times_are_local_and_what_is_not_known_is_null_or_absent() -> None:
    assert view(SUCCEEDED) == {
        "run_id": "7",
        "status": "succeeded",
        "started_at": "2026-06-15 12:00:00",
        "finished_at": "2026-06-15 12:03:00",
        "parameters": "",
        "message": "Sales …",
    }
    assert view(RUNNING, lease())["finished_at"] is None


def test_figures_are_there_once_the_run_has_succeeded() -> None:
    assert view(replace(SUCCEEDED, figures=FIGURES))["figures"] == FIGURES


@pytest.mark.parametrize(
    ("held", "status"),
    [
        (lease(), "running"),
        (None, "interrupted"),
        (lease("other"), "interrupted"),
        (lease(until=NOON), "interrupted"),
    ],
)
def test_a_run_is_going_on_only_while_it_holds_the_lease(held: Lease | None, status: str) -> None:
    assert view(RUNNING, held)["status"] == status


def test_progress_is_shown_while_the_run_is_not_over() -> None:
    progress = Progress(phase=Phase.APPLYING, done=30, total=None, at=NOON)

    assert view(replace(RUNNING, progress=progress), lease())["progress"] == {
        "phase": "applying",
        "done": 30,
        "total": None,
        "at": "2026-06-15 12:00:00",
    }
    assert "progress" not in view(replace(SUCCEEDED, progress=progress))


def test_the_journal_is_what_was_stored() -> None:
    assert journal_of(replace(SUCCEEDED, journal='{"log": ["Стирка"]}'.encode())) == {"log": ["Стирка"]}
    assert journal_of(RUNNING) is None


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "applied 3, updated 2, removed 1; already set 4, not found 5, failed 6, deferred 7"),
        (
            "ru",
            "проставлено: 3, обновлено: 2, снято: 1; уже стояло: 4, не найдено: 5, с ошибкой: 6, отложено: 7",
        ),
    ],
)
def test_a_run_that_succeeded_is_summed_up_from_its_figures(language: str, text: str) -> None:
    assert outcome(view(replace(SUCCEEDED, figures=FIGURES)), Translator(language)) == text


@pytest.mark.parametrize(
    ("message", "russian"),
    [
        ("CoMagic: get.calls_report: HTTP 503", "CoMagic ответил на get.calls_report кодом HTTP 503"),
        ("Internal error", "Внутренняя ошибка"),
        ("what an older version said", "what an older version said"),
    ],
)
def test_the_stored_message_of_a_failed_run_is_translated_as_far_as_it_is_known(message: str, russian: str) -> None:
    failed = view(replace(RUNNING, status=RunStatus.FAILED, message=message))

    assert outcome(failed, Translator("ru")) == russian
    assert outcome(failed, Translator("en")) == message
    assert failed["message"] == message, "JSON stays English"


@pytest.mark.parametrize(
    ("parameters", "russian"),
    [
        ("", "сделки"),
        ("update_db", "обновление из CRM и сделки"),
        (
            "update_db&date_from=2026-06-01&limit=3",
            "обновление из CRM и сделки, заказы с 2026-06-01, изменений не больше: 3",
        ),
        ("dry_run&phone=7926***4567", "сделки, пробный запуск, номер: 7926***4567"),
        ("update_db&scope=changed", "обновление из CRM и сделки, scope=changed"),
    ],
)
def test_what_was_asked_for_is_named_in_the_readers_language(parameters: str, russian: str) -> None:
    assert asked(view(replace(SUCCEEDED, parameters=parameters)), Translator("ru")) == russian


def test_a_dry_run_speaks_of_the_future() -> None:
    dry = view(replace(SUCCEEDED, figures=FIGURES, parameters="update_db&dry_run"))

    assert outcome(dry, Translator("ru")).startswith("будет проставлено: 3, обновлено: 2")

"""A journal as a run leaves it, small enough to be counted by hand."""

from __future__ import annotations

from typing import Any

LOG: list[dict[str, Any]] = [
    {
        "79260000001": "11",
        "result": "applied",
        "amount": "100.50",
        "date": "2026-06-13 10:00:00",
        "comment": "Химчистка",
        "sale_id": 5,
    },
    {"79260000002": "12", "result": "applied", "amount": "1200.00", "date": "2026-06-14 09:00:00", "comment": "Стирка"},
    {
        "79260000003": "13",
        "result": "updated",
        "amount": "300.00",
        "previous_amount": "250.00",
        "date": "2026-06-14 10:00:00",
        "communication_type": "chat",
        "other_sales": ["21", "22"],
        "drifted": True,
    },
    {"79260000004": "not found", "result": "not_found", "amount": "70.00"},
    {"79260000005": "15", "result": "failed", "amount": "80.00", "error": "forbidden"},
    {"79260000006": "16", "result": "nothing_paid", "amount": "0.00"},
]

JOURNAL: dict[str, Any] = {
    "run_id": "0123abcd4567",
    "started_at": "2026-06-15 12:00:00",
    "dry_run": False,
    "complete": True,
    "tags_applied": 2,
    "tags_removed_updated": 1,
    "tags_removed": 0,
    "problem": 0,
    "failed": 1,
    "deferred": 0,
    "money": {
        "total": "1750.50",
        "applied": "1300.50",
        "updated": "300.00",
        "already_set": "0.00",
        "not_found": "70.00",
        "failed": "80.00",
        "deferred": "0.00",
        "balanced": True,
    },
    "warnings": ["get.chats_report was not read: CoMagic: method_component_disabled: No such component"],
    "log": LOG,
}

"""What `sync` answers: the journal's shape, and every error with exactly two keys."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from crm_bridge.domain.run import LEASE_TTL, Lease
from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from tests.sandbox.faults import Fault
from tests.sandbox.world import populate
from tests.support.factories import NOON
from tests.support.sync_app import SyncApp, rows, sync_app_on

pytestmark = pytest.mark.anyio

PHONE = "79261234567"


def assert_failure(answer: httpx.Response, status: int, *parts: str) -> None:
    body = answer.json()
    assert answer.status_code == status, answer.text
    assert list(body) == ["success", "message"]
    assert body["success"] is False
    assert body["message"].startswith("ERROR: ")
    for part in parts:
        assert part in body["message"]


async def filled(bridge: SyncApp) -> SyncApp:
    """Give the bridge a phone in its database and a call to apply it to."""
    agbis = bridge.world.agbis
    agbis.pay(agbis.add_order(agbis.add_client(PHONE), [("Стирка", "10")], at=NOON - timedelta(hours=2)), "10.50")
    bridge.world.comagic.add_call(PHONE, NOON - timedelta(hours=3))
    await bridge.run("update_db&dry_run")
    return bridge


async def test_a_success_has_message_and_journal_with_every_counter(bridge: SyncApp) -> None:
    populate(bridge.world, seed=2, phones=30)

    body = (await bridge.get("update_db")).json()

    assert list(body) == ["success", "message", "journal"]
    journal = body["journal"]
    assert {
        "phones_analyzed", "communications_found", "tags_applied", "tags_removed_updated", "tags_removed", "problem",
        "failed", "deferred", "log", "money", "refresh", "dry_run", "run_id", "started_at", "finished_at", "complete",
        "requests", "quota",
    } <= set(journal)  # fmt: skip
    assert set(journal["refresh"]) == {
        "orders_read",
        "phones_changed",
        "orders_without_phone",
        "orders_unreadable",
        "payments_checked",
        "window",
    }
    assert len(journal["log"]) == journal["phones_analyzed"]


async def test_the_money_of_the_journal_adds_up_to_the_kopeck(bridge: SyncApp) -> None:
    populate(bridge.world, seed=2, phones=50)

    money = (await bridge.run())["money"]

    parts = [Decimal(money[name]) for name in ("applied", "updated", "already_set", "not_found", "failed", "deferred")]
    assert Decimal(money["total"]) == sum(parts)
    assert all(text == f"{Decimal(text):.2f}" for name, text in money.items() if name != "balanced")


async def test_a_row_begins_with_its_phone_and_communication(bridge: SyncApp) -> None:
    await filled(bridge)
    journal = (await bridge.get()).json()["journal"]

    (row,) = journal["log"]
    (call,) = bridge.world.comagic.sales
    assert list(row.items())[:2] == [(PHONE, str(call[1])), ("result", "applied")]
    assert (row["amount"], row["comment"]) == ("10.50", "Стирка")
    assert row["sale_id"] == bridge.world.comagic.sales[call][0].sale_id


async def test_the_log_can_be_cut_to_changes_or_left_out(bridge: SyncApp) -> None:
    populate(bridge.world, seed=2, phones=30)

    whole = await bridge.run("update_db&dry_run")
    changes = await bridge.run("dry_run&log=changes")
    none = await bridge.run("dry_run&log=none")

    dull = {"would_be_not_found", "would_be_problem"}
    assert changes["log"] == [row for row in whole["log"] if row["result"] not in dull]
    assert none["log"] == []
    assert none["phones_analyzed"] == whole["phones_analyzed"]


@pytest.mark.parametrize(
    ("query", "parts"),
    [
        ("update", ["update", "update_db"]),
        ("update_db&verbose=1", ["verbose"]),
        ("update_db=2", ["update_db"]),
        ("dry_run=ja", ["dry_run"]),
        ("update_db&update_db", ["update_db", "more than once"]),
        ("log=some", ["log", "all, changes, none"]),
        ("date_from=2026-06-01", ["date_from", "update_db"]),
        ("update_db&date_till=2026-06-01", ["date_till", "date_from"]),
        ("update_db&date_from=2026-06-02&date_till=2026-06-01", ["date_till"]),
        ("update_db&date_from=01.06.2026", ["date_from", "YYYY-MM-DD"]),
        ("update_db&date_from=2026-02-30", ["date_from"]),
        ("update_db&date_from=2027-01-01", ["date_from", "future"]),
        ("update_db=0&date_from=2026-06-01", ["date_from"]),
        ("update_db&date_from=", ["date_from"]),
    ],
)
async def test_a_bad_parameter_is_named(bridge: SyncApp, query: str, parts: list[str]) -> None:
    assert_failure(await bridge.get(query), 400, *parts)
    assert not bridge.world.agbis.requests


async def test_other_paths_and_verbs_are_refused(bridge: SyncApp) -> None:
    assert_failure(await bridge.get(path="/admin"), 404, "/check_health")
    refused = await bridge.get(method="DELETE")
    assert_failure(refused, 405, "GET", "POST")
    assert refused.headers["Allow"] == "GET, POST"
    assert_failure(await bridge.get(path="/check_health", method="POST"), 405)


async def test_post_does_what_get_does(bridge: SyncApp) -> None:
    await filled(bridge)

    assert (await bridge.get(method="POST")).json()["journal"]["tags_applied"] == 1


async def test_an_empty_database_is_named_in_the_words_that_users_know(bridge: SyncApp) -> None:
    answer = await bridge.get()

    assert_failure(answer, 409)
    assert answer.json()["message"] == "ERROR: No data in DB found. Please update DB using update_db query param"


async def test_a_refresh_that_finds_nothing_is_a_success_with_zeros(bridge: SyncApp) -> None:
    journal = await bridge.run("update_db")

    assert (journal["phones_analyzed"], journal["money"]["total"], journal["complete"]) == (0, "0.00", True)


async def test_settings_that_are_missing_are_named_all_at_once(tmp_path: Path) -> None:
    store = SqliteSalesStore(str(tmp_path / "bridge.db"))
    names = ("AGBIS_URL", "AGBIS_USER", "AGBIS_PASSWORD", "COMAGIC_TOKEN")
    async with sync_app_on(store, dict.fromkeys(names, "")) as bridge:
        assert_failure(await bridge.get("update_db"), 500, *names)
        only_comagic = await bridge.get()
    await store.close()

    assert_failure(only_comagic, 500, "COMAGIC_TOKEN")
    assert "AGBIS" not in only_comagic.text


async def test_another_run_in_progress_is_named_with_the_time_to_try_again(bridge: SyncApp) -> None:
    now = bridge.clock.now()
    await bridge.store.take_lease(Lease(run_id="other", started_at=now, until=now + LEASE_TTL), now=now)

    answer = await bridge.get("update_db")

    assert_failure(answer, 409, "other", "2026-06-15")
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert not bridge.world.agbis.requests, "the lease comes before anything remote"


async def test_the_lease_of_a_killed_run_ends_by_itself(bridge: SyncApp) -> None:
    now = bridge.clock.now()
    await bridge.store.take_lease(Lease(run_id="killed", started_at=now, until=now + LEASE_TTL), now=now)
    bridge.clock.advance(LEASE_TTL)

    assert (await bridge.get("update_db")).status_code == 200


COMAGIC_DOWN: list[dict[str, Any]] = [
    {"kind": kind, "times": None}
    for kind in ("http_502_html", "http_503", "reset_before", "timeout_before", "connect_error")
]


@pytest.mark.parametrize("fault", COMAGIC_DOWN, ids=lambda fault: fault["kind"])
async def test_comagic_that_cannot_be_reached_is_a_503(bridge: SyncApp, fault: dict[str, Any]) -> None:
    await filled(bridge)
    bridge.world.comagic.fail(Fault(method="get.calls_report", **fault))

    assert_failure(await bridge.get(), 503, "CoMagic")


@pytest.mark.parametrize(
    ("fault", "status", "parts"),
    [
        ({"kind": "no_result"}, 502, ["No result in CoMagic answer"]),
        ({"kind": "no_data"}, 502, ["No data in CoMagic answer result"]),
        ({"kind": "not_json"}, 502, ["CoMagic"]),
        ({"kind": "error", "params": {"mnemonic": "access_token_invalid"}}, 502, ["access_token_invalid"]),
        ({"kind": "error", "params": {"mnemonic": "ip_not_whitelisted", "ip": "203.0.113.7"}}, 502, ["203.0.113.7"]),
        ({"kind": "error", "params": {"mnemonic": "forbidden"}}, 502, ["forbidden", "Permission denied"]),
        ({"kind": "error", "params": {"mnemonic": "internal_error"}}, 503, ["internal_error"]),
        ({"kind": "limit_exceeded_day"}, 503, ["limit_exceeded"]),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_a_wrong_answer_of_comagic_is_named(
    bridge: SyncApp, fault: dict[str, Any], status: int, parts: list[str]
) -> None:
    await filled(bridge)
    bridge.world.comagic.fail(Fault(method="get.calls_report", times=None, **fault))

    assert_failure(await bridge.get(), status, *parts)


async def test_a_message_that_users_of_the_first_system_know_is_kept_to_the_letter(bridge: SyncApp) -> None:
    await filled(bridge)
    bridge.world.comagic.fail(Fault(method="get.calls_report", kind="no_result", times=None))

    assert (await bridge.get()).json() == {"success": False, "message": "ERROR: No result in CoMagic answer"}


async def test_an_account_without_the_sale_tag_gets_the_name_of_the_setting_that_helps(bridge: SyncApp) -> None:
    bridge.world.comagic.fail(Fault(method="get.tags", kind="empty_success", times=None))

    assert_failure(await bridge.get("update_db"), 502, "COMAGIC_SALE_TAG_ID")


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"kind": "error", "params": {"code": 108}}, 503),
        ({"kind": "error", "params": {"code": 101}}, 503),
        ({"kind": "error", "params": {"code": 109}}, 503),
        ({"kind": "http_502_html"}, 503),
        ({"kind": "timeout_before"}, 503),
        ({"kind": "error", "params": {"code": 1, "msg": "плохо"}}, 502),
        ({"kind": "error", "params": {"code": 105}}, 502),
        ({"kind": "error", "params": {"code": 999}}, 502),
        ({"kind": "no_orders_key"}, 502),
        ({"kind": "not_json"}, 502),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_a_wrong_answer_of_the_crm_is_named(bridge: SyncApp, fault: dict[str, Any], status: int) -> None:
    bridge.world.agbis.fail(Fault(method="OrderByDateTimeForAll", times=None, **fault))

    assert_failure(await bridge.get("update_db"), status, "Agbis")
    assert not bridge.world.comagic.requests


async def test_a_wrong_password_is_a_502_and_not_tried_twice(bridge: SyncApp) -> None:
    bridge.world.agbis.fail(Fault(method="Login", kind="error", params={"code": 2}, times=None))

    assert_failure(await bridge.get("update_db"), 502, "Agbis")
    assert bridge.world.agbis.count("Login") == 1


async def test_one_failed_write_fails_alone(bridge: SyncApp) -> None:
    await filled(bridge)
    bridge.world.comagic.fail(
        Fault(method="set.tag_sales", kind="error", params={"mnemonic": "tariff_restrictions"}, times=1)
    )

    journal = await bridge.run("")

    assert (journal["failed"], journal["complete"]) == (1, True)
    assert (rows(journal)[PHONE]["result"], rows(journal)[PHONE]["error"]) == ("failed", "tariff_restrictions")
    assert journal["money"]["failed"] == "10.50"
    assert (await bridge.run(""))["tags_applied"] == 1


class TestHealth:
    async def test_before_the_first_refresh_there_is_no_date(self, bridge: SyncApp) -> None:
        assert (await bridge.get(path="/check_health")).json() == {"latest update date": None}

    async def test_it_answers_the_local_time_of_the_last_whole_refresh_and_makes_no_remote_call(
        self, bridge: SyncApp
    ) -> None:
        await bridge.run()
        bridge.world.agbis.fail(Fault(method="ClientsByDateTimeForAll", kind="error", times=None))
        await bridge.get("update_db")
        calls = len(bridge.world.agbis.requests) + len(bridge.world.comagic.requests)

        answer = (await bridge.get(path="/check_health")).json()

        assert answer == {"latest update date": "2026-06-15 12:00:00"}
        assert len(bridge.world.agbis.requests) + len(bridge.world.comagic.requests) == calls

    async def test_it_needs_no_credentials(self, tmp_path: Path) -> None:
        store = SqliteSalesStore(str(tmp_path / "bridge.db"))
        async with sync_app_on(store, {"COMAGIC_TOKEN": "", "AGBIS_URL": ""}) as bridge:
            assert (await bridge.get(path="/check_health")).status_code == 200
        await store.close()


async def test_the_answer_is_plain_json_in_utf_8(bridge: SyncApp) -> None:
    await filled(bridge)
    answer = await bridge.get()

    assert answer.headers["Content-Type"].startswith("application/json")
    assert "Стирка".encode() in answer.content
    json.loads(answer.content)

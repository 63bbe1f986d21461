"""Alerts: one message when a state begins, one when it is over, none between."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

from crm_bridge.domain.journal import Journal
from crm_bridge.errors import StoreUnavailable
from crm_bridge.ports import SalesStore
from crm_bridge.presentation.alert_text import alert_text
from crm_bridge.services import Alerts
from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from crm_bridge.usecases.run_context import SyncRequest
from crm_bridge.usecases.run_sync import run_sync
from tests.integration.test_main_job import paid_order
from tests.sandbox.faults import Fault
from tests.support.alert_receiver import Receiver, alert_receiver
from tests.support.factories import ANNA, MOSCOW, NOON
from tests.support.sync_app import SyncApp, sync_app_on

pytestmark = pytest.mark.anyio

OVER = {
    "run_failed": "Запуски снова удаются.",
    "guard_stopped": "Защита больше не останавливает запуски.",
    "run_incomplete": "Запуск выполнен полностью, ничего не отложено.",
    "run_unbalanced": "Суммы снова сходятся.",
    "orders_unreadable": "Все заказы CRM снова читаются.",
    "run_missing": "Полный запуск выполнен.",
}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with alert_receiver() as receiver:
        yield receiver


@pytest.fixture
async def watched(receiver: Receiver, tmp_path: Path) -> AsyncIterator[SyncApp]:
    """A bridge whose alerts the receiver gets, with one phone that is in order."""
    store = SqliteSalesStore(str(tmp_path / "bridge.db"))
    async with sync_app_on(store, {"ALERT_URLS": receiver.address}) as bridge:
        bridge.world.comagic.add_call(ANNA, NOON - timedelta(days=2))
        paid_order(bridge, ANNA, "700")
        await bridge.run()
        assert receiver.take() == []
        yield bridge
    await store.close()


async def run(bridge: SyncApp, query: str = "update_db") -> int:
    """Do a run that need not succeed; two minutes pass."""
    answer = await bridge.get(query)
    bridge.clock.advance(timedelta(minutes=2))
    return answer.status_code


def fail(bridge: SyncApp) -> Callable[[], None]:
    bridge.world.comagic.fail(Fault(method="get.calls_report", kind="http_502_html", times=None))
    return bridge.world.comagic.faults.clear


def spoil(bridge: SyncApp) -> Callable[[], None]:
    order = paid_order(bridge, "79031112233", "100")
    bridge.world.agbis.spoil(order, "bad_sum")
    return lambda: bridge.world.agbis.mend(order)


BEGINNINGS: dict[str, tuple[Callable[[SyncApp], Callable[[], None]], str]] = {
    "run_failed": (fail, "Запуск не удался: "),
    "orders_unreadable": (spoil, "Не удаётся прочитать заказы CRM, всего: 1."),
}


@pytest.mark.parametrize("kind", BEGINNINGS)
async def test_a_state_is_one_message_when_it_begins_and_one_when_it_is_over(
    watched: SyncApp, receiver: Receiver, kind: str
) -> None:
    begin, text = BEGINNINGS[kind]
    end = begin(watched)

    await run(watched)
    (began,) = receiver.take()
    await run(watched)
    await run(watched)
    assert receiver.take() == []
    end()
    await run(watched)
    assert receiver.take() == [OVER[kind]]
    await run(watched)

    assert began.startswith(text)
    assert receiver.take() == []


async def test_a_run_that_leaves_changes_over(watched: SyncApp, receiver: Receiver) -> None:
    watched.world.comagic.add_call("79031112233", NOON - timedelta(days=2))
    paid_order(watched, "79031112233", "100")
    comagic = watched.world.comagic
    statuses = []
    for query in ("update_db", ""):
        comagic.day_limit = comagic.points_used + 1  # enough to read, and to change nothing
        statuses.append(await run(watched, query))
    (began,) = receiver.take()
    comagic.day_limit = None
    await run(watched, "")
    assert receiver.take() == [], "what began with a refresh is over with a refresh"
    await run(watched)

    assert statuses == [200, 200]
    assert began.startswith("Запуск выполнен не полностью, отложено изменений: 1.")
    assert receiver.take() == [OVER["run_incomplete"]]


async def test_the_guard(watched: SyncApp, receiver: Receiver) -> None:
    orders = []
    for number in range(12):
        phone = f"7926{number:07}"
        watched.world.comagic.add_call(phone, NOON - timedelta(days=2))
        orders.append(paid_order(watched, phone, "100"))
    await run(watched)
    for order in orders[:10]:
        watched.world.agbis.refund(order, "100")

    assert [await run(watched), await run(watched)] == [409, 409]
    (began,) = receiver.take()
    plan = (await watched.get("dry_run")).json()["journal"]["plan"]["id"]
    assert await run(watched, "confirm=0000000000000000") == 409
    assert receiver.take() == []
    await run(watched, f"confirm={plan}")

    assert began.startswith("Защита остановила запуск: он снял бы 1\u00a0000,00\u00a0₽ из ")
    assert "Ничего не изменено." in began
    assert receiver.take() == [OVER["guard_stopped"]]


async def test_sums_that_do_not_add_up(watched: SyncApp, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """No run is known to do that, so the journal is spoilt."""
    money = Journal.money
    monkeypatch.setattr(Journal, "money", lambda journal: {**money(journal), "balanced": False})
    await run(watched)
    await run(watched)
    (began,) = receiver.take()
    monkeypatch.setattr(Journal, "money", money)
    await run(watched)

    assert began.startswith("Суммы запуска не сходятся")
    assert receiver.take() == [OVER["run_unbalanced"]]


async def test_no_full_run_for_26_hours_is_seen_by_any_run(watched: SyncApp, receiver: Receiver) -> None:
    watched.clock.advance(timedelta(hours=25, minutes=50))
    await run(watched, "")
    assert receiver.take() == []
    watched.clock.advance(timedelta(minutes=10))

    await run(watched, "")
    began = receiver.take()
    await run(watched, "")
    await run(watched, "update_db&date_from=2026-06-01")
    assert receiver.take() == [], "a backfill is no full run"
    await run(watched)

    assert began == [
        "Полных запусков не было с 2026-06-15 12:00:00. Проверьте, что расписание включено и машина работала."
    ]
    assert receiver.take() == [OVER["run_missing"]]


async def test_a_run_that_did_not_ask_the_crm_does_not_say_that_the_crm_is_back(
    watched: SyncApp, receiver: Receiver
) -> None:
    watched.world.agbis.fail(Fault(method="OrderByDateTimeForAll", kind="http_502_html", times=None))
    await run(watched)
    assert len(receiver.take()) == 1

    assert await run(watched, "") == 200
    assert receiver.take() == []
    watched.world.agbis.faults.clear()
    await run(watched)
    assert receiver.take() == [OVER["run_failed"]]


@pytest.mark.parametrize("query", ["dry_run", "update_db&dry_run", f"phone={ANNA}", "limit=1", "updatedb"])
async def test_a_try_of_an_admin_is_no_state(watched: SyncApp, receiver: Receiver, query: str) -> None:
    fail(watched)

    assert await run(watched, query) != 200

    assert receiver.take() == []


async def test_a_message_that_nobody_took_is_sent_after_the_next_run(
    watched: SyncApp, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    end = fail(watched)
    receiver.refuses = True
    assert await run(watched) == 503
    receiver.refuses = False
    await run(watched)
    assert len(receiver.take()) == 1
    end()
    receiver.refuses = True

    assert await run(watched) == 200, "an alert never fails a run"

    assert [vars(record)["address_number"] for record in caplog.records if record.message == "alert_not_sent"] == [1, 1]
    assert receiver.address not in caplog.text


async def test_one_wrong_address_does_not_repeat_the_message_to_the_others(receiver: Receiver, tmp_path: Path) -> None:
    store = SqliteSalesStore(str(tmp_path / "bridge.db"))
    addresses = f"json://127.0.0.1:1/nobody,nonsense://x,{receiver.address}"
    async with sync_app_on(store, {"ALERT_URLS": addresses}) as bridge:
        fail(bridge)
        for _ in range(3):
            await run(bridge)
    await store.close()

    assert len(receiver.take()) == 1


async def test_a_missing_setting_is_a_failed_run(receiver: Receiver, tmp_path: Path) -> None:
    store = SqliteSalesStore(str(tmp_path / "bridge.db"))
    async with sync_app_on(store, {"ALERT_URLS": receiver.address, "COMAGIC_TOKEN": ""}) as bridge:
        assert [await run(bridge), await run(bridge)] == [500, 500]
    await store.close()

    (text,) = receiver.take()
    assert text.startswith("Запуск не удался: Настройки: COMAGIC_TOKEN не задана.")


async def test_states_are_remembered_on_each_database(store: SalesStore, receiver: Receiver) -> None:
    async with sync_app_on(store, {"ALERT_URLS": receiver.address}) as bridge:
        bridge.world.comagic.add_call(ANNA, NOON - timedelta(days=2))
        paid_order(bridge, ANNA, "700")
        end = fail(bridge)
        await run(bridge)
        await run(bridge)
        end()
        await run(bridge)

    began, over = receiver.take()
    assert began.startswith("Запуск не удался")
    assert over == OVER["run_failed"]


async def test_while_the_database_cannot_be_used_the_process_remembers(watched: SyncApp) -> None:
    sent: list[tuple[str, str]] = []

    class Sender:
        async def send(self, alert: Any) -> list[bool]:
            sent.append(alert_text(alert, MOSCOW))
            return [True]

    alerts = Alerts(Sender())
    store = watched.store
    await run(watched)

    class Broken:
        def __getattr__(self, name: str) -> Any:
            async def broken(*_: object, **__: object) -> None:
                raise StoreUnavailable("/data/b.db", "the disk is full")

            return broken

    for broken in (True, True, False, False):
        services = replace(
            watched.services_factory(), alerts=alerts, store=cast("SalesStore", Broken()) if broken else store
        )
        with suppress(StoreUnavailable):
            await run_sync(SyncRequest(update_db=True), services)
        watched.clock.advance(timedelta(minutes=2))

    assert [title for title, _ in sent] == ["crm-bridge: требуется внимание", "crm-bridge: снова в порядке"]
    assert "на диске нет места" in sent[0][1]


# Trying it


async def test_a_test_message_is_sent_on_demand(watched: SyncApp, receiver: Receiver) -> None:
    answer = await watched.get("alert=test", path="/check_setup")
    row = answer.json()["checks"][-1]

    assert receiver.messages == [("crm-bridge: проверка связи", "Оповещения доходят.")]
    assert row == {"name": "alerts", "ok": True, "hint": "A test message was sent; addresses: 1."}


async def test_a_test_message_that_is_not_taken_names_the_address_by_its_number(
    receiver: Receiver, tmp_path: Path
) -> None:
    store = SqliteSalesStore(str(tmp_path / "bridge.db"))
    async with sync_app_on(store, {"ALERT_URLS": f"{receiver.address}, tgrm://s3cret/1"}) as bridge:
        answer = await bridge.get("alert=test", path="/check_setup")
    await store.close()
    row = answer.json()["checks"][-1]

    assert (answer.status_code, row["ok"]) == (503, False)
    assert row["hint"].startswith("Not delivered to address number 2 of ALERT_URLS.")
    assert "s3cret" not in answer.text
    assert len(receiver.take()) == 1


async def test_without_addresses_the_test_says_what_to_set(bridge: SyncApp) -> None:
    answer = await bridge.get("alert=test", path="/check_setup")

    assert answer.json()["checks"][-1] == {"name": "alerts", "ok": False, "hint": "Set ALERT_URLS."}


async def test_another_word_than_test_is_refused(bridge: SyncApp) -> None:
    assert (await bridge.get("alert=now", path="/check_setup")).status_code == 400

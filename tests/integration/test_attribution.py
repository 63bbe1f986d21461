"""What if: another policy beside the one in force, without anything being changed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from tests.sandbox.comagic.account import SITE_WITHOUT_SALES_ID
from tests.sandbox.world import populate
from tests.support.database_dump import dump
from tests.support.factories import ANNA, BORIS, NOON
from tests.support.stories import call, order, order_of
from tests.support.sync_app import SyncApp, rows, sync_app_on

pytestmark = pytest.mark.anyio

CLARA, DORA = "79161234567", "79162234567"


async def two_policies(bridge: SyncApp) -> dict[str, int]:
    """Anna called twice before she paid, Boris after it only, Clara once before it, Dora through a closed site."""
    calls = {
        "first": call(bridge, days_ago=6),
        "last": call(bridge, days_ago=4),
        "late": call(bridge, days_ago=1, phone=BORIS),
        "once": call(bridge, days_ago=4, phone=CLARA),
        "closed": call(bridge, days_ago=4, phone=DORA, site_id=SITE_WITHOUT_SALES_ID),
    }
    order(bridge, "700", days_ago=2)
    order(bridge, "50.50", phone=BORIS, days_ago=2)
    order(bridge, "9", phone=CLARA, days_ago=2)
    order(bridge, "1", phone=DORA, days_ago=2)
    await bridge.run()
    return calls


async def test_each_policy_is_told_with_what_it_finds_and_the_rows_that_differ(bridge: SyncApp) -> None:
    calls = await two_policies(bridge)
    before, standing = await dump(bridge.store), dict(bridge.world.comagic.sales)

    journal = await bridge.run("dry_run&attribution=last_before_payment")

    assert journal["attribution"] == {
        "in_force": {"policy": "first", "phones": 3, "amount": "759.50"},
        "compared": {"policy": "last_before_payment", "phones": 2, "amount": "709.00"},
        "same": 1,
        "different": 2,
    }
    found = rows(journal)
    assert {phone: row["would_be_on"] for phone, row in found.items() if "would_be_on" in row} == {
        ANNA: str(calls["last"]),
        BORIS: "not found",
    }
    assert found[ANNA]["result"] == "would_be_problem", "the run itself goes by the policy in force"
    assert (await dump(bridge.store), bridge.world.comagic.sales) == (before, standing)


async def test_the_policy_in_force_differs_from_itself_nowhere(bridge: SyncApp) -> None:
    populate(bridge.world, seed=3, phones=40)
    await bridge.run()

    comparison = (await bridge.run("dry_run&attribution=first"))["attribution"]

    assert comparison["different"] == 0
    assert comparison["in_force"] == comparison["compared"]
    assert comparison["same"] == comparison["in_force"]["phones"] > 20


async def test_a_run_without_the_parameter_says_nothing_about_it(bridge: SyncApp) -> None:
    await two_policies(bridge)

    journal = await bridge.run("dry_run")

    assert "attribution" not in journal
    assert not any("would_be_on" in row for row in journal["log"])


@pytest.mark.parametrize("query", ["attribution=first", "update_db&attribution=first", "dry_run=0&attribution=first"])
async def test_only_a_dry_run_compares(bridge: SyncApp, query: str) -> None:
    answer = await bridge.get(query)

    assert (answer.status_code, answer.json()["message"]) == (400, "ERROR: attribution needs dry_run")


@pytest.mark.parametrize("value", ["", "last", "First"])
async def test_an_unknown_policy_is_a_400(bridge: SyncApp, value: str) -> None:
    answer = await bridge.get(f"dry_run&attribution={value}")

    assert answer.status_code == 400
    assert answer.json()["message"].startswith("ERROR: attribution must be one of first, first_before_payment")


@pytest.mark.parametrize(("language", "text"), [("en", "the latest before the last payment"), ("ru", "709,00\u00a0₽")])
async def test_the_page_has_it_as_a_table(bridge: SyncApp, language: str, text: str) -> None:
    calls = await two_policies(bridge)
    headers = {"Accept": "text/html", "Accept-Language": language}

    page = await bridge.get("dry_run&attribution=last_before_payment", headers=headers)

    assert text in page.text
    assert f": {calls['last']})" in page.text


async def test_a_refusing_site_and_a_further_number_count_as_in_a_run(bridge: SyncApp) -> None:
    call(bridge, days_ago=5, site_id=SITE_WITHOUT_SALES_ID)
    found = bridge.world.comagic.add_call("74951112233", NOON - timedelta(days=3))
    order_of(bridge, ANNA, "74951112233")
    await bridge.run("update_db&dry_run")

    journal = await bridge.run("dry_run&attribution=last_before_payment")

    assert rows(journal)[ANNA][ANNA] == str(found)
    assert (journal["attribution"]["same"], journal["attribution"]["different"]) == (1, 0)


async def test_the_journal_says_why_money_has_no_source(bridge: SyncApp) -> None:
    phones = [f"7916000000{number}" for number in range(7)]
    call(bridge, phone=phones[1], lost=True)
    bridge.world.comagic.add_message(phones[2], NOON - timedelta(days=3))
    call(bridge, phone=phones[3], site_id=SITE_WITHOUT_SALES_ID)
    call(bridge, phone=phones[4])
    call(bridge, phone="74951112233", lost=True)
    for number, phone in enumerate(phones[:5]):
        order(bridge, f"{10**number}", phone=phone)
    order_of(bridge, phones[5], "74951112233", amount="0.50")
    order(bridge, phone=phones[6])

    journal = await bridge.run()

    assert journal["why_not_found"] == {
        "since": "2026-05-16 12:00:00",
        "never_called": {"phones": 2, "amount": "101.00"},
        "only_lost": {"phones": 2, "amount": "10.50"},
        "before_lookback": {"phones": 0, "amount": "0.00"},
        "other_kind": None,
        "sites_without_sales": {"phones": 1, "amount": "1000.00"},
        "after_payment": {"phones": 0, "amount": "0.00"},
    }
    assert {phone: row["why"] for phone, row in rows(journal).items() if "why" in row} == {
        phones[0]: "never_called",
        phones[1]: "only_lost",
        phones[2]: "never_called",
        phones[3]: "sites_without_sales",
        phones[5]: "only_lost",
    }
    assert (journal["not_found"], journal["nothing_paid"], journal["failed"]) == (4, 1, 1)
    assert journal["money"]["not_found"] == "111.50"


async def test_payments_of_more_than_thirty_days_ago_do_not_count(bridge: SyncApp) -> None:
    order(bridge, "700", days_ago=2)
    order(bridge, "9", phone=BORIS, days_ago=1)
    bridge.clock.advance(timedelta(days=1))
    await bridge.run()
    bridge.clock.advance(timedelta(days=27, hours=20))

    journal = await bridge.run("")

    assert journal["not_found"] == 2
    assert journal["why_not_found"]["never_called"] == {"phones": 1, "amount": "9.00"}


async def test_a_contact_before_the_look_back_is_known_where_our_records_have_it(bridge: SyncApp) -> None:
    call(bridge, days_ago=25)
    key = order(bridge, "700")
    await bridge.run()
    bridge.world.agbis.refund(key, "700")
    await bridge.run()
    bridge.world.agbis.pay(key, "900")
    bridge.clock.advance(timedelta(days=10))

    assert rows(await bridge.run("update_db&date_from=2026-06-10"))[ANNA]["why"] == "before_lookback"


async def test_where_every_kind_is_read_none_of_another_can_be_missed(tmp_path: Path) -> None:
    store = SqliteSalesStore(str(tmp_path / "bridge.db"))
    settings = {"COMAGIC_SOURCES": "calls,chats,offline_messages", "ATTRIBUTION": "first_before_payment"}
    async with sync_app_on(store, settings) as bridge:
        order(bridge, "700", days_ago=2)
        bridge.world.comagic.add_message(ANNA, NOON - timedelta(days=1))

        why = (await bridge.run())["why_not_found"]

        assert why["other_kind"] == {"phones": 0, "amount": "0.00"}
        assert why["after_payment"] == {"phones": 1, "amount": "700.00"}
    await store.close()


@pytest.mark.parametrize(("language", "text"), [("en", "only lost calls"), ("ru", "только пропущенные звонки")])
async def test_the_runs_page_has_the_reasons_as_a_table(bridge: SyncApp, language: str, text: str) -> None:
    call(bridge, lost=True)
    order(bridge, "700")
    run = (await bridge.run())["run_id"]

    page = await bridge.get(path=f"/runs/{run}", headers={"Accept": "text/html", "Accept-Language": language})

    assert page.text.count(text) == 2, "in the table, and in the row of the phone"

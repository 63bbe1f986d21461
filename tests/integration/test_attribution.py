"""What if: another policy beside the one in force, without anything being changed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.sandbox.comagic.account import SITE_WITHOUT_SALES_ID
from tests.sandbox.world import populate
from tests.support.database_dump import dump
from tests.support.factories import ANNA, BORIS, NOON
from tests.support.stories import call, order, order_of
from tests.support.sync_app import SyncApp, rows

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

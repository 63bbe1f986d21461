"""The tables of parameters, addresses and journal keys are those of the running code."""

from __future__ import annotations

import re

import pytest

from crm_bridge.domain.communication import CommunicationKey, CommunicationType
from crm_bridge.domain.deals_report import DealsReport
from crm_bridge.domain.decision import Result
from crm_bridge.domain.falls import FallReason
from crm_bridge.domain.journal import Row
from crm_bridge.domain.not_found import WhyNotFound
from tests.docs.markdown import Document, in_code
from tests.support.factories import NOON
from tests.support.sync_app import SyncApp

pytestmark = pytest.mark.anyio

JOURNALS = [("docs/sync.md", "key | meaning"), ("README.ru.md", "поле | что значит")]


async def known_parameters(bridge: SyncApp, path: str) -> list[str]:
    """Ask an address which parameters it takes."""
    message = (await bridge.get("no_such_parameter", path=path)).json()["message"]
    found = re.search(r"Known parameters: (.*)", message)
    assert found, message
    return found[1].split(", ")


async def known_paths(bridge: SyncApp) -> set[str]:
    message = (await bridge.get(path="/no_such_path")).json()["message"]
    found = re.search(r"Known paths: (.*)", message)
    assert found, message
    return set(found[1].split(", "))


@pytest.mark.parametrize(
    ("name", "heading"), [("docs/sync.md", "parameter | meaning"), ("README.ru.md", "параметр | что значит")]
)
async def test_the_parameters_of_a_run_are_all_there(name: str, heading: str, served: SyncApp) -> None:
    listed = [parameter for names, _ in Document(name).table(heading) for parameter in in_code(names)]

    assert sorted(listed) == sorted(await known_parameters(served, "/"))


async def test_the_readme_names_the_parameters_of_a_run(served: SyncApp) -> None:
    ((_, _, answers),) = [row for row in Document("README.md").table("function | address") if row[1] == "`/`"]

    assert sorted(in_code(answers)) == sorted(await known_parameters(served, "/"))


@pytest.mark.parametrize(
    ("name", "heading"), [("docs/admin.md", "address | parameters"), ("README.ru.md", "адрес | параметры")]
)
async def test_the_parameters_of_the_pages_are_all_there(name: str, heading: str, served: SyncApp) -> None:
    values = {"json", "html", "csv", "all", "changes", "none", "test"}
    for address, parameters, _ in Document(name).table(heading):
        (path,) = in_code(address)
        if path not in {"/", "/check_health"}:
            known = await known_parameters(served, path.replace("<run_id>", "0" * 32))
            assert set(in_code(parameters)) - values == set(known), path


@pytest.mark.parametrize(
    ("name", "heading", "column"),
    [
        ("README.md", "function | address", 1),
        ("README.ru.md", "функция | адрес", 1),
        ("docs/admin.md", "address | parameters", 0),
    ],
)
async def test_the_addresses_of_sync_are_all_there(name: str, heading: str, column: int, served: SyncApp) -> None:
    listed = {path for row in Document(name).table(heading) for path in in_code(row[column])}

    assert listed - {"/api/<id>"} == await known_paths(served)


@pytest.mark.parametrize(("name", "heading"), JOURNALS)
async def test_the_keys_of_a_journal_are_all_there(name: str, heading: str, served: SyncApp) -> None:
    scheduled = {"X-CloudScheduler-JobName": "daily", "X-CloudScheduler-ScheduleTime": "2026-06-15T04:00:00Z"}
    first = await served.get("update_db", headers=scheduled)
    again = await served.get("update_db", headers=scheduled)

    assert again.json()["journal"].keys() - first.json()["journal"].keys() == {"replayed"}
    compared = await served.get("dry_run&attribution=last_before_payment")
    assert compared.json()["journal"].keys() - again.json()["journal"].keys() == {"attribution"}
    assert _listed(name, heading, "phones_analyzed") == {*again.json()["journal"], "attribution", "deals"}


@pytest.mark.parametrize(("name", "heading"), JOURNALS)
async def test_the_keys_of_a_row_are_all_there(name: str, heading: str, served: SyncApp) -> None:
    row = Row(
        phone="79261234567",
        result=Result.UPDATED,
        amount_kopecks=100,
        communication_id=1,
        communication_type=CommunicationType.CHAT,
        previous_kopecks=50,
        sold_at=NOON,
        comment="Химчистка пальто",
        reason=FallReason.REFUNDED,
        sale_id=7,
        error="forbidden",
        points=2,
        other_sales=(CommunicationKey(type=CommunicationType.CALL, id=2),),
        drifted=True,
        repaired=True,
        not_shown=True,
        date_moved=True,
        would_be_on="2",
        why=WhyNotFound.ONLY_LOST,
    )
    journal = await served.run()
    keys = {key for each in journal["log"] for key in each if not key.isdigit()}
    all_keys = set(row.as_json(zone=NOON.tzinfo, dry_run=True)) - {row.phone}  # type: ignore[arg-type]  # any zone

    assert keys < all_keys
    assert _listed(name, heading, "result") == all_keys


def _listed(name: str, heading: str, first: str) -> set[str]:
    """Return the keys of the one of a document's tables that begins with this key."""
    text = Document(name).text
    tables = re.findall(rf"^\| {re.escape(heading)} \|\n\|[-|]+\|\n((?:\|.*\|\n)+)", text, re.MULTILINE)
    (rows,) = [rows for rows in tables if rows.startswith(f"| `{first}`")]
    return {key for row in rows.strip().splitlines() for key in in_code(row.split("|")[1])}


def test_the_parts_of_deals_are_all_there() -> None:
    listed = {key for name, _ in Document("docs/deals.md").table("part | meaning") for key in in_code(name)}

    assert listed == set(DealsReport().as_json())


async def test_the_results_are_all_there() -> None:
    assert {in_code(name)[0] for name, _ in Document("docs/sync.md").table("result | meaning")} == set(Result)

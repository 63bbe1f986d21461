"""Every version reads what an older release stored, and goes on from there: see `tests/data/README.md`."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.data.export import firestore_as_text, keys_of, load_firestore, load_sqlite, sqlite_as_text
from tests.data.plain import found_by_key, stored
from tests.data.scenario import ODD_IDS, comagic_of, fill, next_run, rebuilt
from tests.support.databases import Database, FirestoreDatabase, SqliteDatabase

pytestmark = pytest.mark.anyio

VERSIONS = sorted((Path(__file__).parents[1] / "data").glob("v*"))


def test_the_first_release_is_among_the_versions() -> None:
    assert "v1.0.0" in [folder.name for folder in VERSIONS]


@pytest.fixture(params=VERSIONS, ids=lambda folder: folder.name)
def version(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.param
    return folder


@pytest.fixture
def expected(version: Path) -> dict[str, Any]:
    """The values that the version itself read, and the results of its next run."""
    values: dict[str, Any] = json.loads((version / "expected.json").read_text(encoding="utf-8"))
    return values


@pytest.fixture
def older(version: Path, database: Database) -> Database:
    """The database as the version left it."""
    match database:
        case SqliteDatabase():
            load_sqlite((version / "sqlite.sql").read_text(encoding="utf-8"), database.path)
        case FirestoreDatabase():
            load_firestore((version / "firestore.json").read_text(encoding="utf-8"), database.host, database.project)
    return database


async def test_everything_is_read_as_it_was_stored(older: Database, expected: dict[str, Any]) -> None:
    now = datetime.fromisoformat(expected["left_at"])

    found = await stored(older.sales(), older.cards(), keys_of(expected), now=now)

    for name, values in found.items():  # one by one, so that a failure shows the name
        assert values == expected[name], name


async def test_everything_is_found_by_every_key(older: Database, expected: dict[str, Any]) -> None:
    found = await found_by_key(older.sales(), expected)

    assert found["phones"] == expected["phones"]
    assert found["orders_of_clients"] == expected["orders"]
    assert found["orders_of_phones"] == {key: order for key, order in expected["orders"].items() if order["phone"]}


async def test_a_run_goes_on_where_the_older_version_was_killed(
    older: Database, version: Path, expected: dict[str, Any]
) -> None:
    """The run completes the open changes, repeats none, and adds new payments to stored orders."""
    world = rebuilt(expected["comagic"], at=datetime.fromisoformat(expected["left_at"]))

    run = await next_run(older.sales(), world)

    money = run["money"]
    crm = {name: Decimal(money.pop(name)) for name in ("crm_total", "without_phone", "overpaid_back")}
    # One phone was written by hand, with 5 kopecks more than its orders have: the orders are counted, not the phones.
    written_by_hand = Decimal("0.05") if version.name == "v1.0.0" else 0
    held = Decimal(money["total"]) - written_by_hand
    assert crm["crm_total"] == held + crm["without_phone"] - crm["overpaid_back"]
    assert money["balanced"] is (written_by_hand == 0)
    assert run == {**expected["next_run"], "money": {**expected["next_run"]["money"], "balanced": money["balanced"]}}
    assert run["changes_of_a_second_run"] == 0
    sets = [communication_id for what, _, communication_id, _ in run["changes"] if what == "set"]
    assert len(sets) == len({*sets})
    assert "failed" in run["results_of_a_second_run"]  # its site takes no sales, so no call is made and none is open


def test_the_data_has_every_hard_case(expected: dict[str, Any]) -> None:
    """Without one of these cases the other tests would prove less."""
    phones, orders, runs = expected["phones"].values(), expected["orders"], expected["runs"]
    sales = [phone["sale"] for phone in phones if phone["sale"]]
    intents = [phone["intent"] for phone in phones if phone["intent"]]
    assert {sale["ours"] for sale in sales} == {True, False}
    assert 0 in [sale["kopecks"] for sale in sales]
    assert {sale["type"] for sale in sales} == {"call", "chat", "offline_message"}
    assert {intent["replaces"] for intent in intents} == {True, False}
    assert None in [order["phone"] for order in orders.values()]
    assert None in [client["phone"] for client in expected["clients"].values()]
    assert {*ODD_IDS} <= orders.keys() & expected["clients"].keys()
    assert max(len(history) for history in expected["histories"].values()) >= 8
    assert {run["status"] for run in runs} == {"succeeded", "failed", "running"}
    assert any(run["progress"] for run in runs)
    assert all(expected["ticks"].values())
    assert expected["lease"]["until"] < expected["left_at"]
    assert {card is None for card in expected["cards"].values()} == {True, False}


async def test_an_export_brings_everything_back(database: Database, tmp_path: Path) -> None:
    """The tool that will export the next version's data loses nothing."""
    sales, cards = database.sales(), database.cards()
    world = await fill(sales, cards)
    keys: dict[str, list[str]] = {"orders": ODD_IDS, "clients": ODD_IDS, "histories": [], "ticks": [], "cards": ["a1"]}
    before = await stored(sales, cards, keys, now=world.clock.now())

    copy: Database
    match database:
        case SqliteDatabase():
            copy = SqliteDatabase(tmp_path / "copy.db")
            load_sqlite(sqlite_as_text(database.path), copy.path)
            again, text = sqlite_as_text(copy.path), sqlite_as_text(database.path)
        case FirestoreDatabase():
            copy = FirestoreDatabase(database.host)
            text = firestore_as_text(database.host, database.project)
            load_firestore(text, copy.host, copy.project)
            again = firestore_as_text(copy.host, copy.project)
        case _:
            raise TypeError(type(database).__name__)

    assert again == text
    assert await stored(copy.sales(), copy.cards(), keys, now=world.clock.now()) == before
    assert comagic_of(rebuilt(comagic_of(world), at=world.clock.now())) == comagic_of(world)
    await copy.close()

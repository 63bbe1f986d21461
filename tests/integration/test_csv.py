"""A journal as CSV that a Russian spreadsheet program opens by a double click."""

from __future__ import annotations

import csv
import io

import pytest

from tests.sandbox.world import populate
from tests.support.stories import ANNA, call, order
from tests.support.sync_app import SyncApp

pytestmark = pytest.mark.anyio


def read(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"))


async def test_a_run_is_answered_as_csv_in_the_readers_language(bridge: SyncApp) -> None:
    call(bridge)
    order(bridge, "1234.50")

    answer = await bridge.get("update_db", headers={"Accept": "text/csv", "Accept-Language": "ru"})

    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="journal-')
    assert answer.content.startswith(b"\xef\xbb\xbf")
    first, second, rest = answer.content.decode("utf-8-sig").split("\r\n")
    assert first == "Телефон;Обращение;Вид;Результат;Сумма;Было;Дата;Услуги;№ сделки;Ошибка;Примечания"
    assert second.startswith(f"{ANNA};3360109114;звонок;проставлено;1234,50;;2026-06-14 12:05:00;Химчистка пальто;")
    assert rest == ""


async def test_the_csv_has_every_row_of_a_stored_journal(bridge: SyncApp) -> None:
    populate(bridge.world, seed=3, phones=40)
    journal = await bridge.run()

    rows = read((await bridge.get("format=csv", path=f"/runs/{journal['run_id']}")).content)

    assert [row["Phone"].replace(" ", "") for row in rows] == [next(iter(row)) for row in journal["log"]]
    assert [row["Sum"].replace(",", ".") for row in rows] == [row["amount"] for row in journal["log"]]


async def test_the_csv_is_filtered_and_sorted_like_the_page(bridge: SyncApp) -> None:
    populate(bridge.world, seed=3, phones=40)
    journal = await bridge.run()

    answer = await bridge.get("format=csv&result=applied&sort=amount", path=f"/runs/{journal['run_id']}")

    sums = [float(row["Sum"].replace(",", ".")) for row in read(answer.content)]
    assert len(sums) == journal["tags_applied"]
    assert sums == sorted(sums)


async def test_services_typed_by_others_keep_to_their_cell(bridge: SyncApp) -> None:
    call(bridge)
    order(bridge, "700", name="=cmd|'/c';\"a\";\nb")

    (row,) = read((await bridge.get("update_db&format=csv")).content)

    assert row["Services"].startswith("'=cmd|")
    assert row["Sum"] == "700,00"


@pytest.mark.parametrize("path", ["/runs", "/explain", "/check_setup"])
async def test_only_journals_are_available_as_csv(bridge: SyncApp, path: str) -> None:
    assert (await bridge.get("format=csv", path=path)).status_code == 400

"""A journal as CSV that a spreadsheet program opens by a double click."""

from __future__ import annotations

import csv
import io

import pytest

from crm_bridge.presentation.csv_export import COLUMNS, csv_of, harmless, remarks
from crm_bridge.presentation.journal_table import read
from crm_bridge.translations import Translator
from tests.presentation.samples import JOURNAL

ENGLISH, RUSSIAN = Translator("en"), Translator("ru")
ROWS = read(JOURNAL)


def table(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"))


def test_the_file_has_the_signs_that_excel_needs() -> None:
    content = csv_of(ROWS, RUSSIAN)

    assert content.startswith(b"\xef\xbb\xbf")
    assert content.endswith(b"\r\n")
    assert b"\n" not in content.replace(b"\r\n", b"")


def test_headings_and_words_are_in_the_readers_language_and_sums_have_a_decimal_comma() -> None:
    content = csv_of(ROWS, RUSSIAN)
    heading, first = content.decode("utf-8-sig").split("\r\n")[:2]
    second, changed = table(content)[2:4]

    assert heading == "Телефон;Обращение;Вид;Результат;Сумма;Было;Дата;Услуги;№ сделки;Ошибка;Примечания"
    assert first == "79260000001;11;звонок;проставлено;100,50;;2026-06-13 10:00:00;Химчистка;5;;"
    assert second[:5] == ["79260000002", "12", "звонок", "проставлено", "1200,00"]
    assert changed[2:6] == ["чат", "обновлено", "300,00", "250,00"]


def test_a_phone_that_was_not_found_has_no_communication_and_no_kind() -> None:
    missing = table(csv_of(ROWS, ENGLISH))[4]

    assert missing[:4] == ["79260000004", "", "", "not found"]


def test_every_row_has_every_column() -> None:
    assert {len(row) for row in table(csv_of(ROWS, ENGLISH))} == {len(COLUMNS)}


def test_remarks_name_other_sales_and_what_was_repaired() -> None:
    assert remarks(ROWS[2], ENGLISH) == ["other sales: 21, 22", "corrected after a change by hand"]
    assert remarks(ROWS[2], RUSSIAN)[0] == "другие сделки: 21, 22"
    assert remarks(ROWS[0], ENGLISH) == []


@pytest.mark.parametrize("text", ["=1+1", "+7", "-1", "@SUM(A1)", "＝1+1", '=HYPERLINK("http://x")'])
def test_a_text_that_begins_like_a_formula_is_quoted(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("\t=1", "'\t'=1"),
        ("\r=1", "'\r'=1"),
        ("Стирка,=1+1", "Стирка,'=1+1"),
        ("Стирка; -1", "Стирка; '-1"),
        ("Стирка|@SUM(A1)", "Стирка|'@SUM(A1)"),
        ('Стирка, "=1+1"', 'Стирка, "\'=1+1"'),
        ("Стирка\t+7", "Стирка\t'+7"),
    ],
)
def test_no_cell_begins_like_a_formula_whatever_separates_cells(text: str, safe: str) -> None:
    assert harmless(text) == safe


@pytest.mark.parametrize("text", ["", "Стирка", "1+1", "a=b", "Стирка, чистка", "А-Б, В-Г"])
def test_any_other_text_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text


def test_services_cannot_leave_their_cell() -> None:
    comment = "=cmd|'/c';\"a\";\nb"
    rows = read({"log": [{"7": "1", "result": "applied", "amount": "7.00", "comment": comment}]})

    (_, row) = table(csv_of(rows, ENGLISH))

    assert row[COLUMNS.index("comment")] == f"'{comment}"


def test_a_long_number_is_not_shown_rounded() -> None:
    rows = read({"log": [{"375291234567": "123456789012", "result": "applied", "amount": "7.00"}]})

    (_, row) = table(csv_of(rows, ENGLISH))

    assert row[:2] == ["375 291234567", "123 456789012"]


def test_refused_deals_stand_below_the_phones_without_a_sum() -> None:
    refused = [{"order": "1", "number": "=02361-3", "error": "CoMagic: forbidden: No"}]

    (_, *phones, row) = table(csv_of(ROWS, RUSSIAN, refused_deals=refused))

    assert len(phones) == len(ROWS)
    cells = dict(zip(COLUMNS, row, strict=True))
    assert (cells["phone"], cells["amount"], cells["type"]) == ("", "", "Сделка аналитики")
    assert cells["comment"] == "Заказ =02361-3"
    assert cells["error"] == "CoMagic отказал (forbidden): No"

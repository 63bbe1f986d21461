"""Pages from the templates. What a real browser makes of them is tested in `tests/browser`."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
from jinja2 import UndefinedError

from crm_bridge.presentation import html, journal_table
from crm_bridge.translations import Translator
from tests.presentation.samples import JOURNAL

ENGLISH, RUSSIAN = Translator("en"), Translator("ru")
ATTACK = "<script>alert('1')</script>\"><img src=x>"


def failure(message: str, t: Translator = ENGLISH) -> str:
    return html.page(
        "failure.html", t, root="./", kind="invalid", code=400, message=message, way="back", path="runs", typed=""
    )


def journal_page(t: Translator) -> str:
    rows = journal_table.read(JOURNAL)
    return html.page(
        "journal.html",
        t,
        root="./",
        journal=JOURNAL,
        figures=journal_table.figures(JOURNAL),
        stored=None,
        rows=rows,
        count=len(rows),
        number=1,
        pages=1,
        total=len(rows),
        choice=journal_table.Choice(),
        sorts=journal_table.SORTS,
        results=journal_table.results(rows),
        days=journal_table.sums_per_day(rows),
        found=journal_table.found(rows),
    )


def test_values_are_escaped() -> None:
    page = failure(ATTACK)

    assert "&lt;script&gt;alert" in page
    assert page.count("<script>") == 1, "our own"
    assert "<img" not in page


@pytest.mark.parametrize(("tag", "source"), [("style", html.STYLE_HASH), ("script", html.SCRIPT_HASH)])
def test_the_hashes_are_those_of_what_stands_in_the_page(tag: str, source: str) -> None:
    (text,) = re.findall(f"<{tag}>(.*?)</{tag}>", failure("x"), re.DOTALL)

    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    assert source == f"'sha256-{digest}'"


def test_a_page_names_its_language() -> None:
    assert '<html lang="ru">' in failure("x", RUSSIAN)
    assert '<html lang="en">' in failure("x", ENGLISH)


def test_a_value_that_a_template_misses_is_an_error_and_not_an_empty_place() -> None:
    with pytest.raises(UndefinedError):
        html.page("failure.html", ENGLISH, root="./", code=400)


def test_a_journal_shows_rows_sums_and_what_can_be_done_about_an_error() -> None:
    page = journal_page(RUSSIAN)

    assert "<del>250,00\u00a0₽</del> → <b>300,00\u00a0₽</b>" in page
    assert "✓ Суммы сходятся до копейки." in page
    assert "Дайте пользователю ключа право управлять тегами" in page
    assert "найдено: 4" in page


def test_the_warnings_of_a_journal_are_in_the_readers_language() -> None:
    assert JOURNAL["warnings"][0] in journal_page(ENGLISH)
    assert "get.chats_report не прочитан: CoMagic отказал (method_component_disabled): " in journal_page(RUSSIAN)

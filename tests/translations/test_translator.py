"""The translator of one language."""

from __future__ import annotations

import pytest

from crm_bridge.translations import LANGUAGES, Translator

RUSSIAN = Translator("ru")


def test_a_message_is_filled_with_its_values() -> None:
    assert Translator("en")("run.of", done=3, total=7) == "3 of 7"
    assert RUSSIAN("run.of", done=3, total=7) == "3 из 7"


@pytest.mark.parametrize(
    ("roubles", "written"),
    [("12800.50", "12 800,50 ₽"), ("0.00", "0,00 ₽"), ("-5.10", "-5,10 ₽"), ("-1234567.00", "-1 234 567,00 ₽")],
)
def test_a_sum_is_written_as_a_russian_writes_it(roubles: str, written: str) -> None:
    assert RUSSIAN.money(roubles).replace("\u00a0", " ") == written


def test_a_sum_is_written_as_an_english_reader_writes_it() -> None:
    assert Translator("en").money("12800.50") == "₽12,800.50"
    assert Translator("en").money("-12800.50") == "-₽12,800.50"


def test_a_sum_is_never_broken_into_two_lines() -> None:
    for language in LANGUAGES:
        assert " " not in Translator(language).money("1234567.00")


def test_an_error_that_is_not_known_has_a_hint_as_well() -> None:
    assert RUSSIAN.error_hint("forbidden") == RUSSIAN("error.forbidden")
    assert RUSSIAN.error_hint("never_heard_of") == RUSSIAN("error.other")


@pytest.mark.parametrize(
    ("english", "russian"),
    [
        ("date_from needs update_db", "date_from имеет смысл только вместе с update_db"),
        (
            "Settings: AGBIS_URL is missing; COMAGIC_CONCURRENCY must be a whole number from 1 to 20",
            "Настройки: AGBIS_URL не задана; COMAGIC_CONCURRENCY: целое число от 1 до 20",
        ),
        ("CoMagic: get.tags: HTTP 503", "CoMagic ответил на get.tags кодом HTTP 503"),
        ("CoMagic: forbidden: Permission denied", "CoMagic отказал (forbidden): недостаточно прав"),
        ("Agbis: Login: error 2: Нет доступа", "Agbis отказал на Login: ошибка 2: Нет доступа"),
        (
            "Agbis: Login: error 2 (AGBIS_USER and AGBIS_PASSWORD are to be checked)",
            "Agbis отказал на Login: ошибка 2 (проверьте AGBIS_USER и AGBIS_PASSWORD)",
        ),
        (
            "Agbis: ClientsByDateTimeForAll: a row without contr_id",
            "Agbis: в ответе на ClientsByDateTimeForAll есть строка без contr_id",
        ),
        (
            "get.chats_report was not read: CoMagic: method_component_disabled: No such component",
            "get.chats_report не прочитан: CoMagic отказал (method_component_disabled): No such component",
        ),
        (
            "CoMagic: the minute's points are spent (to wait for more would outlast the run)",
            "CoMagic: баллы на эту минуту исчерпаны (запуск закончится раньше, чем появятся новые)",
        ),
    ],
)
def test_an_error_known_by_its_english_text_is_translated_with_what_it_holds(english: str, russian: str) -> None:
    assert RUSSIAN.from_english(english) == russian


@pytest.mark.parametrize("text", ["", "boom", "Что-то по-русски", "OperationalError", "{name} {0}", "Agbis: "])
def test_a_text_that_is_not_known_stays_as_it_is(text: str) -> None:
    assert RUSSIAN.from_english(text) == text


def test_english_stays_english_to_the_letter() -> None:
    text = "Unknown parameter: {x}. Known parameters: a, b"

    assert Translator("en").from_english(text) == text
    assert RUSSIAN.from_english(text) == "Неизвестный параметр: {x}. Есть такие: a, b"


@pytest.mark.parametrize(
    ("plain", "russian"),
    [
        ("2026-11-24 17:59:08", "24.11.2026 17:59"),
        ("с 2026-11-24.", "с 24.11.2026."),
        ("начат 2026-11-24 17:59:08 MSK", "начат 24.11.2026 17:59"),
        ("с 2026-11-24 17:59:08 +05, тогда", "с 24.11.2026 17:59, тогда"),
        ("заказ 12026-11-24 и 2026-1-2", "заказ 12026-11-24 и 2026-1-2"),
    ],
)
def test_days_and_moments_of_a_text_are_written_as_a_russian_writes_them(plain: str, russian: str) -> None:
    assert RUSSIAN.dates(plain) == russian


def test_an_english_reader_gets_moments_without_seconds() -> None:
    assert Translator("en").dates("2026-11-24 17:59:08 MSK") == "2026-11-24 17:59"


def test_the_guards_sums_are_written_as_money() -> None:
    english = (
        "The guard stopped this run: it would take 12800.50 of 20000.00 roubles off 12 phones, more than 20 % "
        "(SYNC_MAX_DECREASE_PERCENT). To go on, repeat the call with confirm=0123456789abcdef"
    )

    assert "снял бы 12 800,50 ₽ из 20 000,00 ₽ по номерам: 12." in RUSSIAN.from_english(english).replace("\u00a0", " ")

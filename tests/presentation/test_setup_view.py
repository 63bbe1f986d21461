"""The checks of `/check_setup` as plain data."""

from __future__ import annotations

from crm_bridge.domain.setup_check import Check
from crm_bridge.presentation.setup_view import setup_view
from crm_bridge.translations import Translator
from crm_bridge.usecases.check_setup import Hint

ENGLISH, RUSSIAN = Translator("en"), Translator("ru")
GOOD = Check(name="database", ok=True, hint=Hint.REFRESHED, values={"at": "2026-06-15 12:00:00"})
REFUSED = Check(
    name="crm_login",
    ok=False,
    hint=Hint.CRM_REFUSED,
    values={"reason": "Agbis: Login: error 2 (AGBIS_USER and AGBIS_PASSWORD are to be checked)"},
)


def test_the_setup_is_right_when_every_check_holds() -> None:
    assert setup_view([GOOD], ENGLISH)["ok"] is True
    assert setup_view([GOOD, REFUSED], ENGLISH)["ok"] is False


def test_a_check_has_its_name_and_a_hint_filled_with_values() -> None:
    assert setup_view([GOOD], RUSSIAN)["checks"] == [
        {"name": "database", "ok": True, "hint": "Данные CRM обновлены 2026-06-15 12:00:00."}
    ]


def test_a_check_with_nothing_to_say_has_an_empty_hint() -> None:
    assert setup_view([Check(name="sites", ok=True)], ENGLISH)["checks"][0]["hint"] == ""


def test_the_reason_of_a_refusal_is_in_the_readers_language() -> None:
    (english,), (russian,) = (setup_view([REFUSED], t)["checks"] for t in (ENGLISH, RUSSIAN))

    assert english["hint"].startswith("The CRM refuses us: Agbis: Login: error 2 (AGBIS_USER and ")
    assert russian["hint"].startswith("CRM не принимает вход: Agbis отказал на Login: ошибка 2 (проверьте AGBIS_USER ")


def test_a_check_that_was_not_made_names_the_one_to_be_put_right_first() -> None:
    skipped = Check(name="quota", ok=False, hint=Hint.SKIPPED, values={"name": "comagic_token"})

    assert "CoMagic key" in setup_view([skipped], ENGLISH)["checks"][0]["hint"]
    assert "Ключ CoMagic" in setup_view([skipped], RUSSIAN)["checks"][0]["hint"]


def test_wrong_settings_are_named_in_the_readers_language() -> None:
    reason = "Settings: AGBIS_URL is missing; LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR"
    check = Check(name="settings", ok=False, hint=Hint.SETTINGS, values={"reason": reason})

    assert setup_view([check], ENGLISH)["checks"][0]["hint"] == reason
    assert setup_view([check], RUSSIAN)["checks"][0]["hint"] == (
        "Настройки: AGBIS_URL не задана; LOG_LEVEL: одно из значений DEBUG, INFO, WARNING, ERROR"
    )

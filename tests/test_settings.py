"""Settings: read in one place, checked all at once."""

from __future__ import annotations

import pytest
from msgspec.structs import fields

from crm_bridge.errors import SettingsError
from crm_bridge.settings import (
    AGBIS_VARIABLES,
    COMAGIC_VARIABLES,
    VARIABLES,
    FirestoreStore,
    Settings,
    SqliteStore,
)


def test_everything_has_a_default_but_the_credentials() -> None:
    settings = Settings.from_env({})

    assert settings.store_url == SqliteStore(path="data/crm-bridge.db")
    assert (settings.comagic_token, settings.agbis_url) == (None, None)


def test_all_missing_settings_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"AGBIS_USER": "  "}, required=COMAGIC_VARIABLES + AGBIS_VARIABLES)

    assert all(name in str(caught.value) for name in (*COMAGIC_VARIABLES, *AGBIS_VARIABLES))


WRONG = {
    "STORE_URL": ["mysql://x", "sqlite:///", "firestore://", "firestore://Bad Project"],
    "AGBIS_URL": ["himinfo.net", "ftp://himinfo.net/", "https://", "https://h/?a=1", "http://[", "http://h:99999/"],
    "COMAGIC_URL": ["dataapi", "https://x/#f"],
    "COMAGIC_USER_ID": ["0", "-1", "abc", "1.5", "٣"],
    "COMAGIC_SALE_TAG_ID": ["tag"],
    "COMAGIC_LOOKBACK_DAYS": ["0", "9" * 30],
    "COMAGIC_SOURCES": ["calls,goals", ",", "Calls"],
    "COMAGIC_CONCURRENCY": ["0", "1000"],
    "COMAGIC_DEALS": ["yes", "ON"],
    "COMAGIC_DEALS_FUNNEL": ["a b", "x" * 65],
    "COMAGIC_DEALS_LINK": ["phone"],
    "ATTRIBUTION": ["last", "First", "first,last"],
    "CRM_LOOKBACK_DAYS": ["-3"],
    "TIME_ZONE": ["Moscow", "../../etc/passwd", "/etc/localtime"],
    "PHONE_REGION": ["ru", "RUS", "7"],
    "SYNC_TIME_BUDGET_SECONDS": ["0", "1e3"],
    "EXCHANGE_TTL_SECONDS": ["0"],
    "ALERT_URLS": ["me@example.com", "tgram://", "json://a b"],
    "RUNS_TTL_DAYS": ["no"],
    "LOG_LEVEL": ["LOUD"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in WRONG.items() for text in texts])
def test_a_wrong_value_is_told_by_its_name(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_env({name: text})


@pytest.mark.parametrize("name", WRONG)
def test_the_text_of_a_wrong_value_is_not_told(name: str) -> None:
    """Somebody may have put a password into the wrong variable."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({name: "hunter2?"})

    assert "hunter2" not in str(caught.value)


def test_all_wrong_settings_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({name: texts[0] for name, texts in WRONG.items()})

    assert all(name in str(caught.value) for name in WRONG)


def test_every_attribute_has_its_variable() -> None:
    attributes = {each.name for each in fields(Settings)} - {"unknown_variables"}

    assert {attribute for attribute, _, _ in VARIABLES.values()} == attributes


def test_no_secret_shows_when_settings_are_printed() -> None:
    secrets = {
        "COMAGIC_TOKEN": "t0ken-value",
        "AGBIS_PASSWORD": "pa55word",
        "EXCHANGE_API_KEY": "k3y-value",
        "SYNC_API_KEY": "other-k3y",
        "ALERT_URLS": "tgram://b0t-token/7",
    }

    text = repr(Settings.from_env(secrets))

    assert not [secret for secret in secrets.values() if secret in text]


def test_the_last_newline_of_a_secret_is_dropped() -> None:
    assert Settings.from_env({"COMAGIC_TOKEN": "token\n"}).comagic_token == "token"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("AGBIS_PASWORD", "AGBIS_PASSWORD"),
        ("COMAGIC_KEY", "COMAGIC_TOKEN"),
        ("SYNC_APIKEY", "SYNC_API_KEY"),
        ("EXCHANGE_TTL", "EXCHANGE_TTL_SECONDS"),
        ("ALERT_URL", "ALERT_URLS"),
        ("CRM_LOOKBACK", "CRM_LOOKBACK_DAYS"),
    ],
)
def test_a_misspelt_variable_is_named_with_the_nearest_right_one(name: str, meant: str) -> None:
    settings = Settings.from_env({name: "hunter2?"})

    assert settings.unknown_variables == (f"{name} is not a setting: did you mean {meant}?",)


def test_an_error_of_the_settings_names_misspelt_variables_too() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"COMAGIC_TOKN": "x"}, required=COMAGIC_VARIABLES)

    assert str(caught.value) == (
        "Settings: COMAGIC_TOKEN is missing; COMAGIC_TOKN is not a setting: did you mean COMAGIC_TOKEN?"
    )


def test_variables_of_others_and_empty_ones_are_left_alone() -> None:
    assert Settings.from_env({"PATH": "/bin", "SYNCTHING": "1", "CRM_X": " ", "K_SERVICE": ""}).unknown_variables == ()


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("tgram://token/1", ("tgram://token/1",)),
        (
            " json://a/x , mailto://me:pw@mail.ru?to=a@b.ru,c@d.ru,",
            ("json://a/x", "mailto://me:pw@mail.ru?to=a@b.ru,c@d.ru"),
        ),
    ],
)
def test_alerts_go_to_several_addresses(text: str, addresses: tuple[str, ...]) -> None:
    assert Settings.from_env({"ALERT_URLS": text}).alert_urls == addresses


@pytest.mark.parametrize(
    ("text", "store"),
    [
        ("sqlite:///data/a.db", SqliteStore(path="data/a.db")),
        ("sqlite:////var/a.db", SqliteStore(path="/var/a.db")),
        ("firestore://my-project", FirestoreStore(project="my-project", database="(default)")),
        ("firestore://my-project/", FirestoreStore(project="my-project", database="(default)")),
        ("firestore://my-project/(default)", FirestoreStore(project="my-project", database="(default)")),
        ("firestore://my-project/bridge", FirestoreStore(project="my-project", database="bridge")),
    ],
)
def test_a_store_is_named_by_its_url(text: str, store: object) -> None:
    assert Settings.from_env({"STORE_URL": text}).store_url == store


def test_in_the_cloud_neither_sqlite_nor_an_emulator_is_taken() -> None:
    with pytest.raises(SettingsError, match="STORE_URL"):
        Settings.from_env({"K_SERVICE": "sync"})
    with pytest.raises(SettingsError, match="FIRESTORE_EMULATOR_HOST"):
        Settings.from_env({"K_SERVICE": "s", "STORE_URL": "firestore://project", "FIRESTORE_EMULATOR_HOST": "x:1"})

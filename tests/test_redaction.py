"""Redaction: no secret, phone or address leaves the program in a text."""

from __future__ import annotations

import pytest

from crm_bridge.redaction import redact, redact_remote, register_secrets


def test_the_middle_of_a_phone_is_hidden() -> None:
    assert redact("client 79261234567 called") == "client 7926***4567 called"
    assert redact("+79261234567") == "7926***4567"


@pytest.mark.parametrize("text", ["order 1234", "2026-06-15 12:00:00", "7926123", "3360109114-5", "id79261234567"])
def test_a_number_that_is_no_phone_stays(text: str) -> None:
    assert redact(text) == text


def test_registered_secrets_are_hidden_in_every_text() -> None:
    register_secrets("a-registered-secret", None, "", "abc")

    assert redact("a-registered-secret and a-registered-secrets abc") == "*** and ***s abc", "abc is too short"


@pytest.mark.parametrize(
    "secret",
    [
        "https://himinfo.net/cl/demo/api/?Login=x",
        "+7 926 123-45-67",
        "79261234567",
        "0BE170AB-86AF-441F-8523-8C960EA3EC4E",
        "7110eda4d09e062aa5e4a390b0a572ac0d2c0220",
        "my own secret",
    ],
)
def test_no_secret_stays_in_a_remote_text(secret: str) -> None:
    redacted = redact_remote(f"refused: {secret} is bad", secrets=["my own secret", ""])

    assert secret not in redacted
    assert redacted == "refused: *** is bad"


def test_a_long_remote_text_is_shortened_to_200_characters() -> None:
    redacted = redact_remote("<p>no</p>\n" * 1000)

    assert len(redacted) == 200
    assert redacted.endswith("…")
    assert redact_remote("x" * 200) == "x" * 200

"""Redaction: no secret, phone or address leaves the program in a text."""

from __future__ import annotations

import pytest

from crm_bridge.redaction import redact, redact_remote


def test_the_middle_of_a_phone_is_hidden() -> None:
    assert redact("client 79261234567 called") == "client 7926***4567 called"
    assert redact("order 1234") == "order 1234"


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


def test_long_pages_are_cut() -> None:
    assert len(redact_remote("<p>no</p>\n" * 1000)) == 200

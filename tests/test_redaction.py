"""Redaction: no secret, phone or address leaves the program in a text."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from urllib.parse import quote, quote_plus, unquote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crm_bridge.redaction import clean_text, redact, redact_remote, register_secrets

RUN_ID = "12345abcdef0123456789abcdef01234"
PASSWORD = 'Pa55 w"rd+ключ&\\'

MOBILES = st.integers(9_000_000_000, 9_999_999_999).map(lambda number: f"7{number}")
ABROAD = st.integers(10**10, 10**14).map(lambda number: f"4{number}"[:14])
GAPS = ["", " ", "-", ".", "/", "(", ")", " (", ") ", "--", "\u00a0", "\u202f", "\u2011", "\u2013", "\t", "  "]
"""What people write between the digits of a phone."""

AROUND = ["", " ", "sales/", "-", "_", ":", "=", "id", "phone ", "т.", "[", "'", '"', "\n", "order 12 ", "2026-06-15 "]


def _all_encoded(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


IN_ADDRESSES: list[Callable[[str], str]] = [str, quote, quote_plus, lambda text: quote(text, safe=""), _all_encoded]
IN_TEXTS: list[Callable[[str], str]] = [
    *IN_ADDRESSES,
    str.upper,
    json.dumps,
    html.escape,
    lambda text: _all_encoded(text).lower(),
    lambda text: text.replace(" ", "\n"),
]


@st.composite
def spelled_phones(draw: st.DrawFn) -> tuple[str, str]:
    """Draw a phone and a spelling of it."""
    phone = draw(MOBILES | ABROAD)
    digits = draw(st.sampled_from([phone, phone[1:], f"8{phone[1:]}", f"00{phone}"] if phone[0] == "7" else [phone]))
    gaps = [draw(st.sampled_from(GAPS)) if draw(st.booleans()) else "" for _ in digits[1:]]
    written = draw(st.sampled_from(["", "+"])) + "".join(map("".join, zip(digits, [*gaps, ""], strict=True)))
    return digits, draw(st.sampled_from(IN_ADDRESSES))(written)


def digits_of(text: str) -> str:
    return re.sub(r"[^\d*]", "", unquote_plus(text))  # the stars show where something is hidden


@settings(max_examples=500)
@given(spelled_phones(), st.sampled_from(AROUND), st.sampled_from(["", " ", "-", f"-{RUN_ID}", ",", "_x", "abc", "."]))
@example(("79261234567", "79261234567"), "sales/", f"-{RUN_ID}")
@example(("79261234567", "%2B79261234567"), "", "")
@example(("79261234567", "+7 926 123-45-67"), "", "")
@example(("9261234567", "926.123.45.67"), "", "")
def test_no_spelling_of_a_phone_survives(spelled: tuple[str, str], before: str, after: str) -> None:
    digits, written = spelled

    for redacted in (redact(f"{before}{written}{after}"), redact_remote(f"{before}{written}{after}")):
        assert digits not in digits_of(redacted)
        assert digits[-9:] not in digits_of(redacted)
        assert written not in redacted


@given(st.sampled_from(IN_TEXTS), st.sampled_from(AROUND), st.sampled_from(["", " ", "x", "&", '"']))
def test_no_spelling_of_a_secret_survives(spell: Callable[[str], str], before: str, after: str) -> None:
    written = spell(PASSWORD).strip('"')

    redacted = redact_remote(f"{before}{written}{after}", secrets=[PASSWORD])

    assert "55" not in redacted
    assert "rd" not in redacted.replace("order", "")
    assert "***" in redacted


def test_the_middle_of_a_phone_is_hidden() -> None:
    assert redact("client 79261234567 called") == "client 7926***4567 called"
    assert redact("+79261234567") == "7926***4567"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (f"sales/79261234567-{RUN_ID}", f"sales/7926***4567-{RUN_ID}"),
        ("%2B79261234567", "7926***4567"),
        ("+7 926 123-45-67", "7926***4567"),
        ("7%20926%20123%2D45%2D67", "7926***4567"),
        ("id79261234567", "id7926***4567"),
        ("79261234567, 79261234568", "7926***4567, 7926***4568"),
    ],
)
def test_a_phone_is_found_in_keys_addresses_and_usual_spellings(text: str, redacted: str) -> None:
    assert redact(text) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "order 1234",
        "2026-06-15 12:00:00",
        "2026-06-14 09:00:00+00:00 to 2026-06-15T09:00:00.123456+00:00",
        "15.06.2026 14:30",
        "7926123",
        RUN_ID,
        "our address 203.0.113.177",
    ],
)
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


def test_a_short_secret_is_hidden_as_a_word_and_leaves_other_words_whole() -> None:
    redacted = redact_remote("access_token_invalid: token=token token", secrets=["token"])

    assert redacted == "access_token_invalid: ***=*** ***"


def test_text_from_outside_can_be_written_into_any_answer() -> None:
    cleaned = clean_text("a\ud800b\x00c\td\u2028e\x9ff Пальто 🧥")

    assert cleaned == "ab c d e f Пальто 🧥"
    assert redact_remote("Нет\ud800 данных\x07") == "Нет данных"
    assert redact("half \udc00 a pair\n") == "half \ufffd a pair\n"


def test_a_remote_text_of_any_length_costs_no_time() -> None:
    assert len(redact_remote("1 (" * 20_000_000)) <= 200


def test_a_long_remote_text_is_shortened_to_200_characters() -> None:
    redacted = redact_remote("<p>no</p>\n" * 1000)

    assert len(redacted) == 200
    assert redacted.endswith("…")
    assert redact_remote("x" * 200) == "x" * 200

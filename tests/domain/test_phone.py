"""Every spelling of a phone is one phone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.domain.phone import normalize_phone


@pytest.mark.parametrize(
    "raw",
    [
        "79261234567",
        "+79261234567",
        " 79261234567",  # a bare `+` that was decoded as a space
        "89261234567",
        "9261234567",
        "8 (926) 123-45-67",
        "+7 926 123 45 67",
        "+7\u00a0(926)\u00a0123-45-67",
        "7\u0669\u0662\u0666\u0661\u0662\u0663\u0664\u0665\u0666\u0667",  # digits of another script
        79261234567,
    ],
)
def test_every_russian_spelling_is_one_phone(raw: str | int) -> None:
    assert normalize_phone(raw, "RU") == "79261234567"


@pytest.mark.parametrize(
    ("raw", "phone"),
    [
        ("+375 29 123-45-67", "375291234567"),
        ("375291234567", "375291234567"),
        ("+7 700 111 22 33", "77001112233"),
        ("84951234567", "74951234567"),
        ("70000000001", "70000000001"),
    ],
)
def test_foreign_and_landline_numbers_keep_their_country(raw: str, phone: str) -> None:
    assert normalize_phone(raw, "RU") == phone


@pytest.mark.parametrize("raw", [None, "", " ", "нет", "-", "101", "12345", "+7", "anonymous", "9" * 40, "1234567"])
def test_what_is_no_phone_is_none(raw: str | None) -> None:
    assert normalize_phone(raw, "RU") is None


@given(raw=st.text(max_size=40))
def test_nothing_raises_and_what_comes_out_comes_out_again(raw: str) -> None:
    phone = normalize_phone(raw, "RU")

    if phone is not None:
        assert phone.isascii()
        assert phone.isdigit()
        assert normalize_phone(f"+{phone}", "RU") == phone


@given(number=st.integers(min_value=73 * 10**9, max_value=8 * 10**10 - 1))  # no Russian area code begins with 0-2
def test_comagics_own_form_is_taken_as_it_is(number: int) -> None:
    assert normalize_phone(str(number), "RU") == str(number)
    assert normalize_phone(f"8{str(number)[1:]}", "RU") == str(number)

"""Phones as people read them."""

from __future__ import annotations

import pytest

from crm_bridge.presentation.phone_text import phone_text


@pytest.mark.parametrize(
    ("digits", "text"),
    [
        ("79990000054", "+7 999 000-00-54"),
        ("74951234567", "+7 495 123-45-67"),
        ("375291234567", "+375 29 123-45-67"),
        ("000", "000"),
        ("unheard of", "unheard of"),
    ],
)
def test_a_phone_is_written_in_groups(digits: str, text: str) -> None:
    assert phone_text(digits) == text

"""Phones: the one place where any spelling becomes E.164 digits without `+`."""

from __future__ import annotations

import re
from functools import lru_cache

_NOT_DIGIT = re.compile(r"\D")


def normalize_phone(raw: str | int | None, region: str) -> str | None:
    """Return a phone as E.164 digits without `+`, or None when it is not one.

    Both systems are full of spellings: `+7 926 123-45-67`, `8 (926) 1234567`, `9261234567`, and foreign numbers with
    and without `+`. A number is taken when its length is possible in its country; whether it is in use is not asked,
    because the numbering plans change faster than any table of them.

    Args:
        raw: What the CRM or CoMagic has; both strings and JSON numbers are met.
        region: The country whose national spellings are understood, e.g. "RU".
    """
    if raw is None:
        return None
    text = str(raw)
    if region == "RU" and len(text) == 11 and text[0] == "7" and text.isascii() and text.isdecimal():
        return text  # CoMagic's own form, nearly every row: phonenumbers would take 50 microseconds to agree
    return _parse(text, region)


@lru_cache(maxsize=65_536)
def _parse(text: str, region: str) -> str | None:
    import phonenumbers  # noqa: PLC0415 - its data costs a cold start 50 ms, and most spellings need none of it

    digits = _NOT_DIGIT.sub("", text)
    candidates = [text, f"+{digits}"]  # CoMagic writes foreign numbers without `+`
    for candidate in candidates:
        try:
            number = phonenumbers.parse(candidate, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE:
            return f"{number.country_code}{phonenumbers.national_significant_number(number)}"
    return None


def mask_phone(phone: str) -> str:
    """Hide the middle of a phone for logs and error texts: `79261234567` -> `7926***4567`."""
    return f"{phone[:4]}***{phone[-4:]}" if len(phone) > 8 else "***"

"""Phones as people read them. JSON, CSV and addresses keep the digits."""

from __future__ import annotations


def phone_text(digits: str) -> str:
    """Write E.164 digits in groups: `79990000054` -> `+7 999 000-00-54`."""
    if len(digits) == 11 and digits.startswith("7"):  # nearly every row: phonenumbers would take 50 microseconds
        return f"+7 {digits[1:4]} {digits[4:7]}-{digits[7:9]}-{digits[9:]}"
    import phonenumbers  # noqa: PLC0415 - its data costs a cold start 50 ms

    try:
        number = phonenumbers.parse(f"+{digits}")
    except phonenumbers.NumberParseException:
        return digits
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)

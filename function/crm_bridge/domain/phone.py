"""Phones: their records in our database, and the one place where any spelling becomes E.164 digits without `+`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

from msgspec import Struct

from crm_bridge.domain.communication import Communication
from crm_bridge.domain.falls import Falls
from crm_bridge.domain.sale import Intent, RecordedSale, Target, same_communication

_NOT_DIGIT = re.compile(r"\D")
_EXTENSION = re.compile(
    r"(?<![^\W\d_])(?:доб|вн|ext|x)[^\W\d_]*\s*[.:№#]*\s*[0-9]{1,6}\b|#\s*[0-9]{1,6}\b", re.IGNORECASE
)
_BETWEEN_NUMBERS = re.compile(r"[,;/|\\\n]|[^\W\d_]+")

MOST_NUMBERS = 10
"""Numbers of one field that are read; a text with more is no list of phones."""


class PhoneRecord(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A phone of the database: what its orders add up to, and what we did about it in CoMagic.

    Attributes:
        phone: E.164 digits.
        amount_kopecks: Net money of all its orders, never below zero.
        paid_at: The latest money-in of an order that still has money, aware; None when nothing is paid.
        comment: Names of the services, most recent order first, at most 255 characters; may be empty.
        order_count: Orders counted under the phone, with or without money.
        other_phones: Further numbers of the clients of these orders; they only find communications.
        sale: The last sale we recorded, a removed one included.
        intent: A change under way, left open when a run was killed.
        overpaid_kopecks: How far the net money of its orders is below zero.
        falls: Why the sum is below the sale that stands; None when it is not, or an older version lowered it.
    """

    phone: str
    amount_kopecks: int
    paid_at: datetime | None
    comment: str
    order_count: int
    sale: RecordedSale | None = None
    intent: Intent | None = None
    other_phones: tuple[str, ...] = ()
    overpaid_kopecks: int = 0
    falls: Falls | None = None

    @property
    def may_bear_sale(self) -> bool:
        """A sale of the phone stands, or may stand, where it is recorded."""
        return self.intent is not None or (self.sale is not None and self.sale.amount_kopecks > 0)

    def number_of(self, target: Target) -> str | None:
        """Return the number by which a communication was found, to be recorded; None for the phone itself."""
        number = target.phone if isinstance(target, Communication) else target.found_by
        known = self.intent or self.sale
        if not number and known is not None and same_communication(known, target):
            number = known.found_by  # CoMagic hides the number for now
        return number if number and number != self.phone else None

    def bears_sale_of(self, shown: Communication) -> bool:
        """The communication of the recorded change is shown with a number of this phone, or with none."""
        change = self.intent or self.sale
        known = {"", self.phone, *self.other_phones, change.found_by if change is not None else None}
        return shown.phone in known

    @property
    def is_idle(self) -> bool:
        """No order counts under the phone and no sale that we follow stands in CoMagic: the record can be deleted."""
        return self.order_count == 0 and not self.may_bear_sale


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
    if digits.startswith("00"):  # the international prefix of most countries, typed where another one is in use too
        candidates = [f"+{digits[2:]}"]
    for candidate in candidates:
        try:
            number = phonenumbers.parse(candidate, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE:
            return f"{number.country_code}{phonenumbers.national_significant_number(number)}"
    return None


def numbers_in(text: str, region: str) -> tuple[str, ...]:
    """Return the phones of a field in which people have typed one or several, as E.164 digits, without repeats.

    Numbers stand between commas, slashes and the like, words, or spaces. An extension, such as `доб. 12`, is cut off.
    """
    text = _EXTENSION.sub(" ", text)
    found = [number for part in _BETWEEN_NUMBERS.split(text) if (number := normalize_phone(part.strip(), region))]
    if not found and (whole := normalize_phone(text, region)):
        found = [whole]  # `8/926/123-45-67`
    if not found:
        found = [number for part in text.split() if (number := normalize_phone(part, region))]
    return tuple(dict.fromkeys(found))[:MOST_NUMBERS]


def is_mobile(number: str) -> bool:
    """Say whether E.164 digits are those of a mobile; where the numbering plan does not tell, they may be."""
    if len(number) == 11 and number.startswith("79"):
        return True
    import phonenumbers  # noqa: PLC0415 - see `_parse`

    kind = phonenumbers.number_type(phonenumbers.parse(f"+{number}"))
    return kind in {phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE}


def phones_of_client(fields: Iterable[str], region: str) -> tuple[str | None, tuple[str, ...]]:
    """Return the phone that bears a client's aggregate, and the client's further numbers.

    The phone is in the first field that has one: of several numbers there the first mobile, else the first.

    Args:
        fields: As they were typed, the mobile's field before the landline's.
        region: See `normalize_phone`.
    """
    numbers = [found for text in fields if (found := numbers_in(text, region))]
    if not numbers:
        return None, ()
    first = numbers[0]
    phone = first[0] if len(first) == 1 else next(filter(is_mobile, first), first[0])
    return phone, tuple(dict.fromkeys(number for found in numbers for number in found if number != phone))

"""Phones: their records in our database, and the one place where any spelling becomes E.164 digits without `+`."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache

from msgspec import Struct

from crm_bridge.domain.falls import Falls
from crm_bridge.domain.sale import Intent, RecordedSale

_NOT_DIGIT = re.compile(r"\D")


class PhoneRecord(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A phone of the database: what its orders add up to, and what we did about it in CoMagic.

    Attributes:
        phone: E.164 digits.
        amount_kopecks: Net money of all its orders, never below zero.
        paid_at: The latest money-in of an order that still has money, aware; None when nothing is paid.
        comment: Names of the services, most recent order first, at most 255 characters; may be empty.
        order_count: Orders counted under the phone, with or without money.
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
    overpaid_kopecks: int = 0
    falls: Falls | None = None

    @property
    def may_bear_sale(self) -> bool:
        """A sale of the phone stands, or may stand, where it is recorded."""
        return self.intent is not None or (self.sale is not None and self.sale.amount_kopecks > 0)

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
    for candidate in candidates:
        try:
            number = phonenumbers.parse(candidate, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE:
            return f"{number.country_code}{phonenumbers.national_significant_number(number)}"
    return None

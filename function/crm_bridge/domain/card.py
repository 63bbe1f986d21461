"""A caller's card: what an IVR knows of a caller, for the operator who takes the call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Self

from msgspec import Struct

from crm_bridge.errors import InvalidInput

FIELDS = ("name", "phone", "arpu", "soc_tariff")
"""The fields of a form, in the order in which problems are reported."""

_CARD_ID = re.compile(r"[A-Za-z0-9_]{1,20}")
_PHONE = re.compile(r"[0-9]{10}")
_ARPU = re.compile(r"[0-9]{1,18}")  # 18 digits fit a signed 64-bit integer, wherever the panel puts them
# Controls cannot be shown in one line of a panel, and a NUL ends a string in many a program behind it. Surrogates
# come from JSON escapes such as "\ud800"; they are no characters, and no database takes them.
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Card(Struct, frozen=True, kw_only=True):
    """A card under its id.

    Attributes:
        card_id: 1-20 of `A-Z a-z 0-9 _`, case-sensitive.
        body: What a panel gets; made once, by the POST, because a card may be asked for many times.
        posted_at: Aware.
        expires_at: Posted plus the time cards are kept, aware; gone from that instant on.
    """

    card_id: str
    body: Mapping[str, str]
    posted_at: datetime
    expires_at: datetime

    def __repr__(self) -> str:
        return f"Card(posted_at={self.posted_at}, expires_at={self.expires_at})"


class CardForm(Struct, frozen=True, kw_only=True):
    """What an IVR sends, checked. Not shown by `repr`: it is personal data.

    Attributes:
        name: The caller's name, 1-50 characters of any script.
        phone: 10 digits.
        arpu: The caller's average spending a month, whole kopecks, as digits.
        soc_tariff: Code of the caller's tariff, 1-10 characters.
    """

    name: str
    phone: str
    arpu: str
    soc_tariff: str

    def __repr__(self) -> str:
        return "CardForm()"

    @classmethod
    def read(cls, fields: Mapping[str, object]) -> Self:
        """Check a form's fields; unknown ones are ignored.

        Raises:
            InvalidInput: Fields are missing, all of them named, or one is wrong; the message never quotes a value.
        """
        missing = [field for field in FIELDS if fields.get(field) in (None, "")]
        if missing:
            raise InvalidInput(f"missing fields: {', '.join(missing)}")
        return cls(
            name=_text("name", fields["name"], longest=50),
            phone=_phone(fields["phone"]),
            arpu=_arpu(fields["arpu"]),
            soc_tariff=_text("soc_tariff", fields["soc_tariff"], longest=10),
        )

    def body(self, card_id: str, *, posted_at: datetime) -> dict[str, str]:
        """Lay a card out as the first exchange server did, in its order; the date is the local time of the POST."""
        return {
            "date": posted_at.replace(tzinfo=None).isoformat(" ", "microseconds"),
            "id": card_id,
            "arpu": self.arpu,
            "name": self.name,
            "soc_tariff": self.soc_tariff,
            "phone": self.phone,
        }


def check_card_id(card_id: str) -> None:
    """Refuse what is not an id of a card.

    Raises:
        InvalidInput: The message does not quote the id, which may be anything.
    """
    if not _CARD_ID.fullmatch(card_id):
        raise InvalidInput("id: must be 1 to 20 of A-Z a-z 0-9 _")


def _text(field: str, value: object, *, longest: int) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{field}: must be a string")
    if len(value) > longest:
        raise InvalidInput(f"{field}: must be at most {longest} characters")
    if _UNFIT.search(value):
        raise InvalidInput(f"{field}: must not contain control characters or lone surrogates")
    return value


def _phone(value: object) -> str:
    # A JSON number is refused too: a phone that begins with zero would lose it.
    if not isinstance(value, str) or not _PHONE.fullmatch(value):
        raise InvalidInput("phone: must be a string of 10 digits")
    return value


def _arpu(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**18:
        return str(value)
    if isinstance(value, str) and _ARPU.fullmatch(value):
        return str(int(value))  # "004570" and 4570 are the same money and read the same
    raise InvalidInput("arpu: must be whole kopecks, a number or a string of 1 to 18 digits")

"""Everything that people read, one catalogue a language. JSON is always English; pages and CSV follow their reader.

A new language is a new folder like `en` and a line in LANGUAGES.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from crm_bridge.translations import en, ru
from crm_bridge.translations.recognition import recognize

LANGUAGES: Mapping[str, Mapping[str, str]] = {
    "en": en.MESSAGES,
    "ru": ru.MESSAGES,
}

_MOMENT = re.compile(
    r"\b(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)\b(?P<clock> \d\d:\d\d)?(?::\d\d(?: (?:[A-Z]{3,4}|[+-]\d\d+)\b)?)?"
)
"""A day, or a moment with its seconds and its zone, as JSON has them."""


class Translator:
    """The messages of one language.

    Attributes:
        language: A key of LANGUAGES.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._messages = LANGUAGES[language]
        self._money = self._messages["format.money"].format
        self._thousands = self._messages["format.thousands"]
        self._day = self._messages["format.day"].format

    def __call__(self, key: str, **values: object) -> str:
        """Return a message, its placeholders filled with the values."""
        return self._messages[key].format(**values)

    def from_english(self, text: str) -> str:
        """Translate an error, a warning or a summary that is known by its English text only.

        Runs are stored with English messages, and JSON shows the same text. A text that no message of the catalogue
        fits is returned as it is.
        """
        if self._messages is en.MESSAGES or (found := recognize(text)) is None:
            return text
        key, values = found
        return self(key, **{name: self._value(name, value) for name, value in values.items()})

    def _value(self, name: str, value: str) -> str:
        if name == "problems":
            return "; ".join(map(self.from_english, value.split("; ")))
        if name in {"decrease", "standing"}:
            return self.money(value)
        return self.from_english(value) if name in {"reason", "summary"} else value

    def error_hint(self, error: str) -> str:
        """Return what can be done about the error of a journal's row: CoMagic's mnemonic, or a code of ours."""
        key = f"error.{error}"
        return self(key if key in self._messages else "error.other")

    def money(self, roubles: str) -> str:
        """Write a sum, given with two decimals, as the language does: `12800.50` -> `12 800,50 ₽`."""
        whole, _, kopecks = roubles.partition(".")
        sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
        grouped = f"{int(digits):,}".replace(",", self._thousands)
        return self._money(sign=sign, whole=grouped, kopecks=kopecks)

    def dates(self, text: str) -> str:
        """Write every day and moment of a text as the language does: `2026-11-24 17:59:00` -> `24.11.2026 17:59`."""

        def write(match: re.Match[str]) -> str:
            day = self._day(year=match["year"], month=match["month"], day=match["day"])
            return f"{day}{match['clock'] or ''}"

        return _MOMENT.sub(write, text)

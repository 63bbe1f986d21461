"""Everything we tell people, in English and in Russian.

A phrase is found by its code. JSON is always in English; pages and CSV are in the language of their reader.
"""

from __future__ import annotations

from crm_bridge.translations.answers import ANSWERS
from crm_bridge.translations.labels import LABELS

LANGUAGES = ("en", "ru")

MESSAGES = {**ANSWERS, **LABELS}

_NO_BREAK = "\u00a0"


class Translator:
    """The phrases of one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._column = LANGUAGES.index(language)

    def __call__(self, code: str, **values: object) -> str:
        """Say a phrase; its braces are filled with the values."""
        return MESSAGES[code][self._column].format(**values)

    def error_hint(self, error: str) -> str:
        """Say what can be done about a refusal that CoMagic names by this code."""
        code = f"error.{error}"
        return self(code if code in MESSAGES else "error.other")

    def money(self, roubles: str) -> str:
        """Write a sum, given with two decimals, as the language does: `12800.50` -> `12 800,50 ₽`."""
        whole, _, kopecks = roubles.partition(".")
        sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
        grouped = f"{int(digits):,}"
        if self.language == "ru":
            grouped = grouped.replace(",", _NO_BREAK)
            return f"{sign}{grouped},{kopecks}{_NO_BREAK}₽"
        return f"{sign}₽{grouped}.{kopecks}"

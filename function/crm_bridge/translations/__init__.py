"""Everything that people read, one catalogue a language. JSON is always English; pages and CSV follow their reader.

A new language is a new folder like `en` and a line in LANGUAGES.
"""

from __future__ import annotations

from collections.abc import Mapping

from crm_bridge.translations import en, ru
from crm_bridge.translations.recognition import recognize

LANGUAGES: Mapping[str, Mapping[str, str]] = {
    "en": en.MESSAGES,
    "ru": ru.MESSAGES,
}


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

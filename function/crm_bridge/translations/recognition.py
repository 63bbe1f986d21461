"""Find the message of the catalogue that an English text is.

The text of an error, a warning or a summary is all that is left of it in a stored run and in a journal. So the texts
are compared with the English messages whose keys begin with `message.`.
"""

from __future__ import annotations

import re
from functools import cache
from string import Formatter

from crm_bridge.translations.en import MESSAGES as ENGLISH

_PREFIX = "message."

_PATTERNS = {
    "system": "Agbis|CoMagic",
    "call": r"[A-Z]\w*|[a-z]+\.[\w.]+",  # a command of Agbis: ContrInfoForAll; a method of CoMagic: get.calls_report
    "mnemonic": r"[\w-]+",
    "name": r"\w+",
    "other": r"\w+",
    "order": r"\S+",
    **dict.fromkeys(("count", "total", "status", "code", "low", "high", "seconds", "rows", "shown"), r"\d+"),
    **dict.fromkeys(("applied", "updated", "removed", "already_set", "not_found", "failed", "deferred"), r"\d+"),
}
"""What a placeholder stands for; the others stand for any text."""

_LONGEST = 4000  # characters; all settings wrong make 1,500, and a path in a message may be as long as its sender likes


def recognize(text: str) -> tuple[str, dict[str, str]] | None:
    """Return the key of the message, and the values of its placeholders; None for an unknown text."""
    if len(text) > _LONGEST:
        return None
    for key, pattern in _messages():
        if match := pattern.fullmatch(text):
            return key, match.groupdict()
    return None


@cache
def _messages() -> list[tuple[str, re.Pattern[str]]]:
    """Return the messages as patterns, those with the most text of their own first: they are the most exact."""
    found = []
    for key, message in ENGLISH.items():
        if key.startswith(_PREFIX):
            parts = list(Formatter().parse(message))
            pattern = "".join(re.escape(text) + _placeholder(name) for text, name, _, _ in parts)
            own_text = sum(len(text) for text, _, _, _ in parts)
            found.append((own_text, key, re.compile(pattern, re.DOTALL)))
    found.sort(key=lambda item: item[0], reverse=True)
    return [(key, pattern) for _, key, pattern in found]


def _placeholder(name: str | None) -> str:
    return f"(?P<{name}>{_PATTERNS.get(name, '.*?')})" if name else ""

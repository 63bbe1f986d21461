"""Hides phones, secrets and addresses in every text that leaves the program."""

from __future__ import annotations

import re
from collections.abc import Collection

_secrets: set[str] = set()

_PHONE = re.compile(r"(?<![\w.-])\+?(\d{4})\d{2,7}(\d{4})(?![\w-])")
_ADDRESS = re.compile(r"\b[a-z][a-z+]*://\S+", re.IGNORECASE)
_SPACED_PHONE = re.compile(r"\+?\d[\d ()-]{5,}\d")
_KEY = re.compile(r"\b[0-9a-fA-F][0-9a-fA-F-]{30,}\b")  # hashes and GUIDs
_REMOTE_TEXT_LIMIT = 200  # characters


def register_secrets(*values: str | None) -> None:
    """Hide these values in every text from now on; a value shorter than 4 characters would hide ordinary words."""
    _secrets.update(value for value in values if value and len(value) >= 4)


def redact(text: str) -> str:
    """Hide registered secrets, and the middle of every possible phone: `79261234567` -> `7926***4567`."""
    for secret in _secrets:
        if secret in text:
            text = text.replace(secret, "***")
    return _PHONE.sub(r"\1***\2", text)


def redact_remote(text: object, secrets: Collection[str] = ()) -> str:
    """Make a remote system's text fit for an error message: at most 200 characters, no address, phone, key or secret.

    Args:
        text: A message of the remote system, or an exception about it.
        secrets: Values of our request that the text may repeat.
    """
    redacted = " ".join(str(text).split())
    for secret in secrets:
        if secret:
            redacted = redacted.replace(secret, "***")
    for pattern in (_ADDRESS, _KEY, _SPACED_PHONE):
        redacted = pattern.sub("***", redacted)
    return redacted if len(redacted) <= _REMOTE_TEXT_LIMIT else f"{redacted[: _REMOTE_TEXT_LIMIT - 1]}…"

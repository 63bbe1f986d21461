"""Hides phones, secrets and addresses in every text that leaves the program, and cleans what comes in."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from functools import lru_cache

_secrets: set[str] = set()

_SHORTEST_SECRET = 4  # characters; a shorter value would hide ordinary words
_LONG_SECRET = 8  # characters; a shorter one is hidden only where it stands as a word

_DIGIT = r"(?:\d|%3\d)"  # `%37` is a 7 in an address
_GAP = (
    r"(?:[\s().+/\-\u2010-\u2015]"
    r"|%(?:20|09|0[AaDd]|28|29|2[BbDdEeFf]|[Cc]2%[Aa]0|[Ee]2%80%[89ABab][0-9A-Fa-f])){0,6}"
)
"""What people write between the digits of a phone, as text and in an address."""

_BYTE = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_TIME = r"\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:[+-]\d\d:?\d\d)?"
_KEPT = (
    r"(?<![0-9A-Za-z])(?:"
    r"[0-9a-f]{32}"  # the id of a run or of a trace
    rf"|(?:19|20)\d\d-[01]\d-[0-3]\d(?:[T ]{_TIME})?(?!-\d)"
    rf"|(?:[0-3]?\d\.[01]?\d\.(?:19|20)\d\d(?: {_TIME})?|(?<![+.]){_BYTE}(?:\.{_BYTE}){{3}})(?!{_GAP}\d)"
    r")(?![0-9A-Za-z])"
)
"""What is no phone, although it may have as many digits: ids of runs, dates, our address (an IP)."""

_PHONE = re.compile(rf"(?P<kept>{_KEPT})|(?:\+|%2[Bb])?(?<!\d)(?:\d{{10,15}}(?!\d)|{_DIGIT}(?:{_GAP}{_DIGIT}){{9,}})")
_REMOTE_NUMBER = re.compile(rf"(?P<kept>{_KEPT})|(?:\+|%2[Bb])?{_DIGIT}(?:{_GAP}{_DIGIT}){{6,}}")
_ADDRESS = re.compile(r"\b[a-z][a-z+]*://\S+", re.IGNORECASE)
_KEY = re.compile(r"\b[0-9a-fA-F][0-9a-fA-F-]{30,}\b")  # hashes and GUIDs
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_IN_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"}
_SURROGATE = re.compile("[\ud800-\udfff]")
_ENCODED = re.compile(r"%(?:3(\d)|[0-9A-Fa-f]{2})")
_REMOTE_TEXT_LIMIT = 200  # characters
_MOST_SEARCHED = 20_000  # characters of a remote text; an answer may have millions


def clean_text(text: str) -> str:
    """Return text from outside without control characters and lone surrogates, which no answer could be written with.

    A control character becomes a space, a surrogate is dropped.
    """
    if text.isprintable():  # nearly every text
        return text
    return _UNPRINTABLE.sub(lambda match: " " if match[0] < "\ud800" else "", text)


def register_secrets(*values: str | None) -> None:
    """Hide these values in every text from now on; a value shorter than 4 characters would hide ordinary words."""
    _secrets.update(value for value in values if value and len(value) >= _SHORTEST_SECRET)


def redact(text: str) -> str:
    """Hide registered secrets, and the middle of every possible phone: `+7 926 123-45-67` -> `7926***4567`."""
    return _PHONE.sub(_mask, _SURROGATE.sub("\ufffd", _hide(text, _secrets)))


def redact_remote(text: object, secrets: Collection[str] = ()) -> str:
    """Make a remote system's text fit for an error message: at most 200 characters, no address, phone, key or secret.

    Args:
        text: A message of the remote system, or an exception about it.
        secrets: Values of our request that the text may repeat, beside the registered ones.
    """
    whole = str(text)
    redacted = whole[:_MOST_SEARCHED]
    for known in (secrets, _secrets):
        redacted = _hide(redacted, known)
    redacted = " ".join(clean_text(redacted).split())
    for known in (secrets, _secrets):  # once more, because the text may break a secret into lines
        redacted = _hide(redacted, known)
    redacted = _KEY.sub("***", _ADDRESS.sub("***", redacted))
    redacted = _REMOTE_NUMBER.sub(lambda match: match[0] if match["kept"] else "***", redacted)
    if len(whole) > _MOST_SEARCHED:
        redacted = redacted.rpartition(" ")[0]  # the last word may be half a secret
    return redacted if len(redacted) <= _REMOTE_TEXT_LIMIT else f"{redacted[: _REMOTE_TEXT_LIMIT - 1]}…"


def _mask(match: re.Match[str]) -> str:
    if match["kept"]:
        return match[0]
    digits = re.sub(r"\D", "", _ENCODED.sub(lambda encoded: encoded[1] or "", match[0]))
    return f"{digits[:4]}***{digits[-4:]}"


def _hide(text: str, secrets: Iterable[str]) -> str:
    known = frozenset(secret for secret in secrets if secret)
    return _pattern(known).sub("***", text) if known else text


@lru_cache(maxsize=16)
def _pattern(secrets: frozenset[str]) -> re.Pattern[str]:
    """Return what finds each secret: as it is, in an address, in JSON or HTML, in capital or small letters."""
    longest_first = sorted(secrets, key=lambda secret: (-len(secret), secret))
    return re.compile("|".join(_spellings(secret) for secret in longest_first), re.IGNORECASE)


def _spellings(secret: str) -> str:
    spelled = "".join(map(_spellings_of_character, secret))
    return spelled if len(secret) >= _LONG_SECRET else rf"(?<![0-9A-Za-z_]){spelled}(?![0-9A-Za-z_])"


def _spellings_of_character(character: str) -> str:
    in_address = "".join(f"%{byte:02X}" for byte in character.encode(errors="replace"))
    in_json = f"\\u{ord(character):04x}" if character.isascii() else json.dumps(character)[1:-1]
    spellings = {character, in_address, in_json, json.dumps(character)[1:-1], _IN_HTML.get(character, character)}
    if character == " ":
        spellings.add("+")
    return f"(?:{'|'.join(sorted(map(re.escape, spellings)))})"

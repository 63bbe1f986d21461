"""The limits that JSON from outside must keep before it is decoded: its depth, and the length of its numbers.

Decoders have none of their own that we could set: a number of millions of digits costs minutes, and a text nested a
thousand times ends in a RecursionError wherever it is walked.
"""

from __future__ import annotations

import re

MOST_LEVELS = 100
MOST_DIGITS = 18  # what fits into the integers of a database
FIRST_YEAR, LAST_YEAR = 2000, 2100
"""Times outside of these years are refused: they are garbled, and arithmetic with them overflows."""

_CHUNK = 2**18  # bytes searched at once, so that the pieces of a large text are never all in memory
_SHAPE = bytes.maketrans(b"123456789E{}", b"000000000e[]")
_NO_SHAPE = bytes(set(range(256)) - set(b'0123456789eE+-.,:"\\%[]{}'))
_NO_BRACKET = bytes(set(range(256)) - set(b"[]"))
_LONG_NUMBER = b"0" * (MOST_DIGITS + 1)
_LONG_EXPONENT = re.compile(rb"0e[+-]?000")
_NUMBER_BEFORE = re.compile(rb"(?:^|[:,\[])-?0[0.]*$")  # not within a hash, such as the id of an answer
_LONGEST_BEFORE = 2 * MOST_DIGITS  # bytes


class LimitBroken(Exception):
    """The JSON breaks a limit; the message says which. It stays inside the clients."""


def check_json(content: bytes) -> None:
    """Check that JSON keeps the limits; whether it is JSON at all is left to the decoder.

    A page of 10 000 rows, 2 MB, takes 1 ms: its strings are looked at like the rest, and taken out (10 ms) only when
    something is found. Strings made for it can hide a depth, up to the limit of the decoder (a RecursionError).

    Raises:
        LimitBroken: It is too deep, or has a number that is too long.
    """
    if _broken(content.translate(_SHAPE, _NO_SHAPE)) and (what := _broken(_without_strings(content))):
        raise LimitBroken(what)


def _broken(shape: bytes) -> str | None:
    """Return what is wrong with JSON of which only brackets and numbers are left, all digits 0, all brackets square."""
    exponents = (
        _NUMBER_BEFORE.search(shape[max(0, match.start() - _LONGEST_BEFORE) : match.start() + 1])
        for match in _LONG_EXPONENT.finditer(shape)
    )
    if _LONG_NUMBER in shape or (b"0e" in shape and any(exponents)):
        return f"a number of more than {MOST_DIGITS} digits"
    brackets = shape.translate(None, _NO_BRACKET)
    for _ in range(MOST_LEVELS):  # each round takes the innermost pairs away
        if b"[]" not in brackets:
            break
        brackets = brackets.replace(b"[]", b"")
    if b"[]" in brackets or brackets.count(b"[") > MOST_LEVELS:
        return f"more than {MOST_LEVELS} levels"
    return None


def _without_strings(content: bytes) -> bytes:
    if b"\\" in content:  # so that every quotation mark is the beginning or the end of a string
        content = content.replace(rb"\\", b"").replace(rb"\"", b"")
    outside, within_string = [], False
    for start in range(0, len(content), _CHUNK):
        parts = content[start : start + _CHUNK].split(b'"')
        outside.append(b"".join(parts[within_string::2]).translate(_SHAPE, _NO_SHAPE))
        within_string ^= len(parts) % 2 == 0
    return b"".join(outside)

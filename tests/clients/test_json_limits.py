"""The limits of JSON from outside: its depth, and the length of its numbers."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.clients.json_limits import MOST_DIGITS, MOST_LEVELS, LimitBroken, check_json


def nested(levels: int, around: str = "[]") -> bytes:
    return (around[0] * levels + around[1] * levels).encode()


@pytest.mark.parametrize(
    "content",
    [
        nested(MOST_LEVELS),
        b'{"a":' * (MOST_LEVELS - 1) + b"[]" + b"}" * (MOST_LEVELS - 1),
        b"[100000000000000000, -0.123456789012345, 1e18, 1E-18]",
        b"[true,1000,false,null]",
        json.dumps({"name": "[" * 500 + '"\\' + "9" * 40 + "1e999", "next": ["]"]}).encode(),
        json.dumps(["Ж" * 50, "1234567890123456789012345"]).encode(),
        b"[" + b"[1]," * 5000 + b"[2]]",
        b"<html>",
        b"",
    ],
)
def test_what_both_systems_send_passes(content: bytes) -> None:
    check_json(content)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (nested(MOST_LEVELS + 1), "levels"),
        (nested(900), "levels"),
        (b'{"a":' * 101 + b"1" + b"}" * 101, "levels"),
        (b"[" * 100_000, "levels"),
        (b"[1234567890123456789]", "digits"),
        (b"9" * 1_000_000, "digits"),
        (b'{"sale_cost":1e999999999}', "digits"),
        (b"[1E+100]", "digits"),
        (b"[0.1234567890123456789]", "digits"),
    ],
)
def test_what_no_system_sends_is_refused(content: bytes, what: str) -> None:
    with pytest.raises(LimitBroken, match=what):
        check_json(content)


def test_numbers_are_found_between_strings_of_any_kind() -> None:
    for text in ('a"b', "\\", '\\"', "[[[[", "\\\\", "ж", "9" * 30):
        content = json.dumps([text, "[", 10**MOST_DIGITS, text])
        with pytest.raises(LimitBroken):
            check_json(content.encode())
        check_json(json.dumps([text, "[", 10 ** (MOST_DIGITS - 1), text]).encode())


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18) + 1, 10**18 - 1) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
)


@given(VALUES, st.booleans())
def test_any_value_within_the_limits_passes(value: Any, ascii_only: bool) -> None:
    written = json.dumps(value, ensure_ascii=ascii_only)

    check_json(re.sub("[\ud800-\udfff]", "?", written).encode())

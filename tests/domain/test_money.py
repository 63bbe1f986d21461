"""Money at the borders."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.domain.money import format_roubles, to_kopecks, to_roubles


@given(kopecks=st.integers(min_value=-(10**15), max_value=10**15))
def test_kopecks_survive_the_way_out_and_back(kopecks: int) -> None:
    assert to_kopecks(to_roubles(kopecks)) == kopecks
    assert to_kopecks(Decimal(format_roubles(kopecks))) == kopecks


@pytest.mark.parametrize(
    ("roubles", "kopecks"), [("0.1", 10), ("0.005", 1), ("-0.005", -1), ("4500.5", 450050), ("1E+3", 100000)]
)
def test_roubles_become_whole_kopecks(roubles: str, kopecks: int) -> None:
    assert to_kopecks(Decimal(roubles)) == kopecks


def test_the_journal_always_shows_two_decimals() -> None:
    assert [format_roubles(kopecks) for kopecks in (0, 5, 450050)] == ["0.00", "0.05", "4500.50"]

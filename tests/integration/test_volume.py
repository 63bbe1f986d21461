"""A month of a large customer: what it costs in requests does not depend on the number of phones."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from tests.support.factories import NOON
from tests.support.sync_app import SyncApp, results

pytestmark = pytest.mark.anyio

CALLS = 120_000


async def test_120_000_calls_cost_twelve_pages_and_no_request_a_phone(bridge: SyncApp) -> None:
    agbis, comagic = bridge.world.agbis, bridge.world.comagic
    seconds = 29 * 86_400
    comagic.add_calls_bulk(
        [
            (f"7926{number % 40_000:07}", NOON - timedelta(seconds=seconds - number * seconds // CALLS), False)
            for number in range(CALLS)
        ]
    )
    for number in range(0, 2000, 2):
        phone = f"7926{number:07}" if number % 4 else f"7999{number:07}"  # every second one has never called
        at = NOON - timedelta(hours=30)
        agbis.pay(agbis.add_order(agbis.add_client(phone, at=at), [("Стирка", "10")], at=at), "10", at=at)

    first = await bridge.run()
    idle = await bridge.run()

    pages = math.ceil(CALLS / 10_000)
    assert pages <= first["requests"]["get.calls_report"] <= 1.05 * pages
    assert first["requests"]["set.tag_sales"] == first["tags_applied"] == 500
    assert set(results(first).values()) == {"applied", "not_found"}
    assert first["communications_found"] == 500 * 3
    assert idle["requests"] == {
        "OrderByDateTimeForAll": 3,
        "ClientsByDateTimeForAll": 3,
        "OrderPaysBetweenForAll": 3,
        "get.calls_report": first["requests"]["get.calls_report"],
    }

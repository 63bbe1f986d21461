"""A replacement never leaves nothing: a sale that was taken off for a refused one is put back."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.sandbox.faults import Fault
from tests.support.database_dump import dump
from tests.support.factories import NOON
from tests.support.sync_app import SyncApp, results, rows

pytestmark = pytest.mark.anyio

ANNA = "79261234567"
REFUSAL = {"mnemonic": "invalid_parameter_value"}
NEW_SUM = {"transaction_value": Decimal(750)}


async def marked_and_paid_more(bridge: SyncApp) -> int:
    """Let a marked client pay more, so that 700 is to be replaced by 750."""
    agbis, at = bridge.world.agbis, NOON - timedelta(hours=5)
    order = agbis.add_order(agbis.add_client(ANNA), [("Химчистка", "700")], at=at)
    agbis.pay(order, "700", at=at)
    call = bridge.world.comagic.add_call(ANNA, NOON - timedelta(days=1))
    await bridge.run()
    agbis.pay(order, "50")
    return call


def sums(bridge: SyncApp) -> dict[int, list[int]]:
    return {key[1]: [sale.amount_kopecks for sale in sales] for key, sales in bridge.world.comagic.sales.items()}


async def test_the_old_sale_is_put_back_in_the_same_run(bridge: SyncApp) -> None:
    call = await marked_and_paid_more(bridge)
    bridge.world.comagic.fail(Fault("set.tag_sales", "error", params=REFUSAL, having=NEW_SUM))

    journal = await bridge.run()

    assert (results(journal), rows(journal)[ANNA]["error"]) == ({ANNA: "failed"}, "invalid_parameter_value")
    assert sums(bridge) == {call: [70000]}
    assert results(await bridge.run("")) == {ANNA: "updated"}
    assert sums(bridge) == {call: [75000]}


async def test_one_that_an_earlier_run_has_taken_off_is_put_back_too(bridge: SyncApp) -> None:
    """As after a run that was killed between `unset` and `set`."""
    call = await marked_and_paid_more(bridge)
    bridge.world.comagic.fail(Fault("set.tag_sales", "error", params=REFUSAL, times=None))
    await bridge.run()
    assert sums(bridge) == {}
    bridge.world.comagic.faults.clear()
    bridge.world.comagic.fail(Fault("set.tag_sales", "error", params=REFUSAL, times=None, having=NEW_SUM))

    journal = await bridge.run("")

    assert results(journal) == {ANNA: "failed"}
    assert sums(bridge) == {call: [70000]}
    phone = (await dump(bridge.store))["phones"][ANNA]
    assert (phone.get("intent"), phone["sale"]["amount_kopecks"]) == (None, 70000)

"""Each way in which requests about deals are known to fail, in the middle of a run: what it answers, and what is next.

The sales are done in every case; what is left of the deals comes with the next clean run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from crm_bridge.domain.state import DealAccount
from crm_bridge.ports import Changes
from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from tests.faults.deal_oracle import deal_differences
from tests.sandbox.faults import Fault
from tests.support.factories import ANNA, BORIS, NOON, lease
from tests.support.sync_app import SyncApp, results, sync_app_on

pytestmark = pytest.mark.anyio

UPLOAD, CONTACTS, UPDATE = "upload.deals_history", "create.deal_contacts", "update.deal_contacts"
FUNNEL, NEW_FUNNEL = "get.sales_funnel", "create.sales_funnel"

ONCE = [
    "http_500", "http_502_html", "http_503", "http_504_html", "http_429", "not_json", "truncated_json", "empty_body",
    "http_502_after", "not_json_after", "truncated_after", "reset_before", "reset_after",
    "timeout_before", "timeout_after", "connect_error", "id_mismatch", "no_result", "limit_exceeded_minute",
]  # fmt: skip
PASSING = ["http_502_html", "http_502_after", "reset_after", "timeout_before", "connect_error"]
"""What a read is repeated after, too; an answer without a result ends it."""

FOR_EVER = ["http_503", "timeout_after", "not_json_after", "connect_error", "limit_exceeded_day"]
DENIED = ["access_token_invalid", "ip_not_whitelisted", "forbidden", "account_inactive", "data_limit_exceeded"]


def table() -> Iterator[Any]:
    for method in (UPLOAD, CONTACTS, UPDATE, FUNNEL, NEW_FUNNEL):
        for kind in ONCE if method == UPLOAD else PASSING:
            yield pytest.param(Fault(method, kind), 0, id=f"{method}-{kind}")
        for kind in FOR_EVER if method == UPLOAD else FOR_EVER[:2]:
            yield pytest.param(Fault(method, kind, times=None), 1, id=f"{method}-{kind}-for-ever")
    for mnemonic in DENIED:
        yield pytest.param(Fault(UPLOAD, "error", None, params={"mnemonic": mnemonic}), 1, id=f"{UPLOAD}-{mnemonic}")
    internal = {"mnemonic": "internal_error", "after": True}
    yield pytest.param(Fault(UPLOAD, "error", params=internal), 0, id=f"{UPLOAD}-internal_error-after")


@pytest.fixture
async def bridge(tmp_path: Path) -> AsyncIterator[SyncApp]:
    """A world with deals, and with work for every method that the table makes fail."""
    store = SqliteSalesStore(str(tmp_path / "bridge.db"))
    async with sync_app_on(store, {"COMAGIC_DEALS": "on"}) as bridge:
        agbis, comagic = bridge.world.agbis, bridge.world.comagic
        agbis.add_order(agbis.add_client(BORIS))
        await bridge.run()
        comagic.deals.references.funnels.clear()
        now = bridge.clock.now()
        await bridge.store.take_lease(lease("test", until=now + timedelta(minutes=1)), now=now)
        await bridge.store.write([Changes(state=[DealAccount(funnel="")])], run_id="test")
        await bridge.store.release_lease("test")
        comagic.add_call(ANNA, NOON - timedelta(days=1))
        anna = agbis.add_client(ANNA)
        for paid in ("10.01", "0.02"):
            agbis.pay(agbis.add_order(anna), paid)
        agbis.change_phone(next(iter(agbis.clients)), "79990000001")
        yield bridge
    await store.close()


@pytest.mark.parametrize(("fault", "is_left"), [*table()])
async def test_sales_are_done_and_the_next_run_brings_the_deals(bridge: SyncApp, fault: Fault, is_left: int) -> None:
    bridge.world.comagic.fail(fault)

    journal = await bridge.run()

    assert results(journal)[ANNA] == "applied"
    assert journal["deals"]["failed"] == 0
    assert (journal["deals"]["deferred"] > 0, journal["complete"]) == (bool(is_left), not is_left)
    bridge.world.comagic.faults.clear()
    later = await bridge.run()
    assert (later["deals"]["failed"], later["deals"]["deferred"], later["complete"]) == (0, 0, True)
    assert deal_differences(bridge.world) == []

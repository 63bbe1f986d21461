"""The world and the bridge with deals: after any history CoMagic has one deal an order, at the CRM's net.

Everything of `test_stateful.py` may happen, and orders change their status, forwards and backwards; uploads fail, their
answers get lost, and runs are killed between any two of their steps.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from tests.faults.deal_oracle import deal_differences
from tests.faults.killable_app import KillableApp
from tests.faults.profile import profile
from tests.faults.test_stateful import TheWorldAndTheBridge, accounts, shop, some
from tests.sandbox.comagic.deal_switches import DealSwitches
from tests.sandbox.comagic.switches import CoMagicSwitches
from tests.sandbox.faults import Fault
from tests.sandbox.simulator import Simulator

METHODS = [
    "upload.deals_history", "upload.deals_history", "upload.deals_history", "create.deal_contacts",
    "update.deal_contacts", "get.deal_contacts", "get.deals_history", "create.sales_funnel", "delete.deals",
]  # fmt: skip
KINDS = ["timeout_after", "timeout_before", "reset_after", "http_503", "http_502_after", "not_json_after", "no_result"]

deal_faults = st.builds(Fault, method=st.sampled_from(METHODS), kind=st.sampled_from(KINDS))
deal_trouble = st.lists(
    st.tuples(deal_faults, st.tuples(st.sampled_from([0, 0, 1]), st.sampled_from([1, 2, 4]))), min_size=1, max_size=3
)
statuses = st.lists(st.tuples(st.just("an_order_has_another_status"), some, st.integers(1, 6)), min_size=1, max_size=3)
# Not among them: no way back from `failed` and no second life of a deleted deal, where a deal cannot follow its order.
deal_accounts = st.builds(
    DealSwitches,
    duplicate_contact=st.sampled_from(["none_made", "others_made"]),
    back_from_failed=st.sampled_from(["allowed", "refused"]),
    same_stage=st.sampled_from(["accepted", "needs_later_modified"]),
    repeated_record=st.sampled_from(["accepted", "refused"]),
    stale_update=st.sampled_from(["refused", "ignored"]),
    processing_seconds=st.sampled_from([0, 90]),
    contacts_seen_after_seconds=st.sampled_from([0, 0, 20]),
    error_fields=st.sampled_from(["path", "absent"]),
)


class TheWorldAndItsDeals(TheWorldAndTheBridge):
    """Everything that can happen, while every order is a deal too."""

    @initialize(account=accounts, deals=deal_accounts)
    def begin(self, account: CoMagicSwitches, deals: DealSwitches) -> None:
        self.deal_switches = deals
        super().begin(account)

    async def opened(self) -> KillableApp:
        self.world.comagic.deal_switches = self.deal_switches
        return KillableApp(self.world, str(self.folder / "bridge.db"), {"COMAGIC_DEALS": "on"})

    def an_order_has_another_status(self, order: int, status: int) -> None:
        self.world.agbis.set_status(self.order(order), status)

    @rule(events=statuses)
    def orders_go_on_and_back(self, events: list[Any]) -> None:
        self.in_the_shop(events)

    @rule(events=st.lists(shop, min_size=1, max_size=4), trouble=deal_trouble)
    def a_run_whose_deals_are_troubled(self, events: list[Any], trouble: list[Any]) -> None:
        self.in_the_shop(events)
        self.make_trouble(self.world.comagic, trouble)
        self.look_at(self.do(self.bridge.get("update_db")))

    def make_trouble(self, system: Simulator, trouble: list[Any]) -> None:
        """A refusal of everything makes deals fail for a day: that is no trouble that a next run can undo."""
        kept = [
            (replace(fault, method="set.tag_sales") if fault.method == "*" and fault.kind == "error" else fault, place)
            for fault, place in trouble
        ]
        super().make_trouble(system, kept)

    def look_at(self, answer: httpx.Response | None) -> None:
        if answer is None:
            return
        assert answer.status_code in (200, 409, 502, 503), answer.text
        if answer.status_code == 200:
            journal = answer.json()["journal"]
            assert journal["deals"]["failed"] == 0, journal["deals"]
            left = journal["deferred"] + journal["deals"]["deferred"]
            assert journal["complete"] == (left == 0)

    @rule()
    def a_clean_run(self) -> None:
        super().a_clean_run()
        uploads = self.world.comagic.count("upload.deals_history")
        self.do(self.bridge.run())
        assert self.world.comagic.count("upload.deals_history") == uploads, "a further run sends nothing"

    def compare(self, shown: dict[str, dict[str, Any]]) -> None:
        super().compare(shown)
        wrong = deal_differences(self.world)
        assert not wrong, wrong


TheWorldAndItsDeals.TestCase.settings = profile(20, steps=12)
TestTheWorldAndItsDeals = TheWorldAndItsDeals.TestCase

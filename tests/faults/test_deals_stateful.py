"""The world and the bridge with deals: after any history CoMagic has one deal an order, at the CRM's net.

Everything of `machine.py` may happen, and orders change their status, forwards and backwards; uploads fail, their
answers get lost, and runs are killed between any two of their steps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from tests.faults.business import shop, some
from tests.faults.deal_oracle import deal_differences
from tests.faults.killable_app import KillableApp
from tests.faults.machine import TheWorldAndTheBridge
from tests.faults.profile import profile
from tests.faults.trouble import AnyFaults, accounts
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

    settings: Mapping[str, str] = {"COMAGIC_DEALS": "on"}

    @initialize(account=accounts, is_large=st.sampled_from([False, False, True]), deals=deal_accounts)
    def begin(self, account: CoMagicSwitches, is_large: bool, deals: DealSwitches) -> None:
        self.deal_switches = deals
        super().begin(account, is_large)

    async def opened(self) -> KillableApp:
        self.world.comagic.deal_switches = self.deal_switches
        return await super().opened()

    @rule(events=statuses)
    def orders_go_on_and_back(self, events: list[Any]) -> None:
        self.happen(events)

    @rule(events=st.lists(shop, min_size=1, max_size=4), trouble=deal_trouble)
    def a_run_whose_deals_are_troubled(self, events: list[Any], trouble: AnyFaults) -> None:
        self.happen(events)
        self.make_trouble(self.world.comagic, trouble)
        self.run("update_db")

    def make_trouble(self, system: Simulator, trouble: AnyFaults) -> None:
        """A refusal of everything makes deals fail for a day: that is no trouble that a next run can undo."""
        kept = [
            (replace(fault, method="set.tag_sales") if fault.method == "*" and fault.kind == "error" else fault, place)
            for fault, place in trouble
        ]
        super().make_trouble(system, kept)

    def look_at(self, answer: httpx.Response | None) -> None:
        super().look_at(answer)
        if answer is not None and answer.status_code == 200:
            journal = answer.json()["journal"]
            assert journal["deals"]["failed"] == 0, journal["deals"]
            assert journal["complete"] is False or journal["deals"]["deferred"] == 0

    def full_run(self) -> dict[str, Any]:
        """Do a full run that must succeed; one that a person has confirmed sends no deals, so another one does."""
        journal = super().full_run()
        return super().full_run() if journal["deals"]["deferred"] else journal

    @rule()
    def a_clean_run(self) -> None:
        super().a_clean_run()
        wrong = deal_differences(self.world, self.business.readable)
        assert not wrong, wrong
        uploads = self.world.comagic.count("upload.deals_history")
        self.full_run()
        assert self.world.comagic.count("upload.deals_history") == uploads, "a further run sends nothing"


def test_any_life_of_a_business_ends_in_the_right_deals(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        paths = (str(tmp_path / f"{number}.db") for number in range(10**9))

        class OnSqlite(TheWorldAndItsDeals):
            do = staticmethod(runner.run)
            new_database = staticmethod(lambda: next(paths))

        run_state_machine_as_test(OnSqlite, settings=profile(20, steps=12))

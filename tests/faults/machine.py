"""A state machine in which everything happens in any order, and what must hold at each moment and after each clean run.

Hypothesis plays the clients, the shop, the people who use CoMagic, the network, the clocks and the platform.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

import httpx
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.faults.business import PHONES, QUIET, Business, people, shop
from tests.faults.comparison import changed_sales, phones_with_several_sales, problems
from tests.faults.killable_app import KillableApp
from tests.faults.oracle import hasty_logins
from tests.faults.trouble import (
    AFTER_A_DEATH,
    CLOCKS,
    AnyFaults,
    accounts,
    comagic_trouble,
    crm_trouble,
    is_lost_set,
    leave_hidden_calls_alone,
)
from tests.faults.witness import Witness
from tests.sandbox.clock import ManualClock
from tests.sandbox.comagic.switches import CoMagicSwitches
from tests.sandbox.faults import Fault
from tests.sandbox.simulator import Simulator
from tests.sandbox.world import World
from tests.support.databases import FirestoreDatabase
from tests.support.factories import NOON

T = TypeVar("T")

BETWEEN_CLEAN_RUNS = timedelta(days=2)
"""Payments that do not touch their order are looked for on the last three local days."""

QUERIES = ["", "dry_run", "update_db&dry_run", "limit=1", "update_db&limit=2", "phone", "update_db&phone"]

played: Counter[str] = Counter()
"""What was tried so far in this process, for the figures of a long run."""


class TheWorldAndTheBridge(RuleBasedStateMachine):
    """Everything that can happen, one thing after another.

    Attributes:
        do: Runs a coroutine to its end.
        new_database: Makes an empty database.
        settings: Those of `sync` that differ from the usual ones.
    """

    do: Callable[[Coroutine[Any, Any, Any]], Any]
    new_database: Callable[[], str | FirestoreDatabase]
    settings: Mapping[str, str] = {}

    @initialize(account=accounts, is_large=st.sampled_from([False, False, True]))
    def begin(self, account: CoMagicSwitches, is_large: bool) -> None:
        played["lives"] += 1
        self.world = World(ManualClock(NOON), comagic_switches=account)
        self.witness = Witness(self.world)
        self.witness.watch()
        self.business = Business(self.world, self.witness)
        self.quiet = list(QUIET) if is_large else []
        self.bridge = self.do(self.opened())
        self.clean_at = NOON
        self.tick = 0
        self.clocks_differed = False
        for number, phone in enumerate([*PHONES, *self.quiet]):
            self.business.a_client_comes(phone, 0)
            self.business.an_order_is_paid(number, 100_000 + number)
            self.business.somebody_calls(phone, timedelta(days=number % 4), 0)
        self.a_clean_run()  # a first refresh looks back three days, later ones as far as needed
        self.business.calls = self.business.calls[: len(PHONES)]

    async def opened(self) -> KillableApp:
        bridge = KillableApp(self.world, self.new_database(), self.settings)
        bridge.on_commit = self.witness.on_commit
        return bridge

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                self.a_clean_run()
                self.world.comagic.show(*(number for _, number in self.business.hidden))
                self.a_clean_run()
        finally:
            self.do(self.bridge.close())

    # What happens.

    @rule(events=st.lists(people, min_size=1, max_size=3))
    def in_comagic(self, events: list[tuple[Any, ...]]) -> None:
        self.happen(events)

    @rule(events=st.lists(shop, min_size=1, max_size=5))
    def in_the_shop(self, events: list[tuple[Any, ...]]) -> None:
        self.happen(events)

    def happen(self, events: list[tuple[Any, ...]]) -> None:
        played["events"] += len(events)
        self.business.happen(events)

    @rule(by=st.sampled_from([timedelta(seconds=20), timedelta(minutes=3), timedelta(minutes=15), timedelta(hours=30)]))
    def time_passes(self, by: timedelta) -> None:
        if self.world.clock.now() + by < self.clean_at + BETWEEN_CLEAN_RUNS:
            self.world.clock.advance(by)

    @rule(ahead=st.sampled_from(CLOCKS))
    def the_clock_is_set(self, ahead: timedelta) -> None:
        if ahead < timedelta() and self.business.readable:
            return
        self.bridge.own_clock.ahead = ahead
        self.business.clock_is_behind = ahead < timedelta()
        self.clocks_differed = self.clocks_differed or bool(ahead)

    # Runs.

    @rule(
        events=st.lists(shop, min_size=1, max_size=5),
        trouble=comagic_trouble,
        query=st.sampled_from(["update_db", "update_db", "update_db", "", "limit=1"]),
    )
    def a_run_that_comagic_troubles(self, events: list[Any], trouble: AnyFaults, query: str) -> None:
        self.happen(events)
        self.make_trouble(self.world.comagic, trouble)
        self.run(query)

    @rule(events=st.lists(shop, min_size=1, max_size=5), trouble=crm_trouble)
    def a_run_that_the_crm_troubles(self, events: list[Any], trouble: AnyFaults) -> None:
        self.happen(events)
        self.make_trouble(self.world.agbis, trouble)
        self.run("update_db")

    @rule(
        events=st.lists(shop, min_size=1, max_size=5),
        steps=st.integers(0, 70),
        wait=st.sampled_from(AFTER_A_DEATH),
        query=st.sampled_from(["update_db", "update_db", "update_db", "", "limit=1"]),
    )
    def a_run_is_killed(self, events: list[Any], steps: int, wait: int, query: str) -> None:
        self.happen(events)
        self.run(query, steps=steps)
        self.world.clock.advance(timedelta(seconds=wait))

    @rule(query=st.sampled_from(QUERIES), phone=st.sampled_from(PHONES))
    def another_run(self, query: str, phone: str) -> None:
        if query.endswith("phone"):
            query = f"{query}={phone}"
        before, history = dict(self.witness.records), list(self.world.comagic.history)
        self.run(query)
        if "dry_run" in query:
            played["dry runs"] += 1
            assert self.world.comagic.history == history, "a dry run has changed a sale"
            assert changed_sales(before, self.witness.records) == [], "a dry run has stored something about sales"

    @rule(times=st.integers(1, 2), steps=st.sampled_from([None, None, 5, 15, 30]))
    def the_scheduler_repeats_its_tick(self, times: int, steps: int | None) -> None:
        """Only a complete run answers for its tick; a dry run with the same headers is another thing."""
        self.tick += 1
        headers = {"X-CloudScheduler-JobName": "sync", "X-CloudScheduler-ScheduleTime": str(self.tick)}
        before = self.run("update_db", steps=steps, headers=headers)
        self.world.clock.advance(timedelta(seconds=130))
        for _ in range(times):
            requests = len(self.world.agbis.requests) + len(self.world.comagic.requests)
            again = self.run("update_db", headers=headers)
            assert again is not None
            journal = again.json().get("journal", {})
            if before is not None:  # a killed run may have been complete, or not
                done = before.json().get("journal", {"complete": False})
                assert journal.get("replayed", False) is done["complete"]
                if done["complete"]:
                    assert journal["run_id"] == done["run_id"]
                    assert len(self.world.agbis.requests) + len(self.world.comagic.requests) == requests
            before = again
        dry = self.run("update_db&dry_run", headers=headers)
        assert dry is not None
        assert "replayed" not in dry.json().get("journal", {})

    @rule(events=st.lists(shop, max_size=3))
    def a_run_with_an_empty_report(self, events: list[Any]) -> None:
        """In a large business nothing is changed; in a small one the day counts as one of absence."""
        self.happen(events)
        expected = sum(self.should_be_shown(phone) for phone in self.witness.records)
        with self.an_empty_report():
            history = list(self.world.comagic.history)
            answer = self.run("update_db", reports_lack_all=True)
        if expected >= 10 and answer is not None and answer.status_code == 200:
            played["shrunken reports"] += 1
            assert self.world.comagic.history == history, "a shrunken report was taken for the truth"
            assert any("fewer than half" in warning for warning in answer.json()["journal"]["warnings"])

    @rule(call=st.integers(0, 1000), days=st.integers(1, 3))
    def a_call_is_not_shown_for_days(self, call: int, days: int) -> None:
        """A sale leaves a communication that full runs of three days did not see, and no earlier."""
        self.happen([("a_call_is_hidden", call)])
        for _ in range(days):
            self.world.clock.advance(timedelta(days=1))
            self.a_clean_run()

    @precondition(lambda self: self.quiet)
    @rule()
    def a_mass_refund(self) -> None:
        """The guard stops the run; the plan that a person confirms is carried out."""
        phones, self.quiet = self.quiet, []
        for order in self.world.agbis.orders.values():
            if self.world.agbis.clients[order.client_id].phone in phones:
                self.happen([("an_order_is_cancelled", list(self.world.agbis.orders).index(order.id))])
        self.a_clean_run()

    # How runs are made.

    def run(
        self,
        query: str,
        *,
        steps: int | None = None,
        headers: dict[str, str] | None = None,
        reports_lack_all: bool = False,
    ) -> httpx.Response | None:
        """Do a run, killed after some steps if given, and look at what must hold at every moment."""
        if self.business.hidden:
            leave_hidden_calls_alone(self.world.comagic.faults)
        if not any(word in query for word in ("dry_run", "limit", "phone")):
            ahead = self.bridge.own_clock.ahead
            self.witness.a_full_run_begins(ahead=ahead, reports_lack_all=reports_lack_all)
        answer: httpx.Response | None
        if steps is None:
            answer = self.do(self.bridge.get(query, headers=headers))
        else:
            answer = self.do(self.bridge.run_and_die(steps, query, headers=headers))
        played["runs"] += 1
        played["kills"] += answer is None
        assert not self.witness.wrong, "\n".join(self.witness.wrong)
        self.look_at(answer)
        return answer

    def look_at(self, answer: httpx.Response | None) -> None:
        if answer is None:
            return
        assert answer.status_code in (200, 409, 502, 503), answer.text
        played[f"answers {answer.status_code}"] += 1
        if answer.status_code == 200:
            journal = answer.json()["journal"]
            assert journal["money"]["balanced"] is True or phones_with_several_sales(self.business)
            assert journal["complete"] is False or journal["deferred"] == 0

    def make_trouble(self, system: Simulator, trouble: AnyFaults) -> None:
        for fault, (skip, times) in trouble:
            # Many lies would leave a report without half of our sales, which counts as a shrunken one.
            system.fail(replace(fault, skip=skip, times=1 if is_lost_set(fault) else times, params=dict(fault.params)))

    @contextmanager
    def an_empty_report(self) -> Iterator[None]:
        comagic = self.world.comagic
        comagic.faults.clear()
        comagic.fail(Fault(method="get.calls_report", kind="empty_success", times=None))
        yield
        comagic.faults.clear()

    def should_be_shown(self, phone: str) -> bool:
        """A report of the last thirty days should show the sale that stands for a phone."""
        record = self.witness.records[phone]
        if record.sale is None or record.sale.amount_kopecks == 0 or record.intent is not None:
            return False
        age = self.world.clock.now() + self.bridge.own_clock.ahead - record.sale.started_at
        return bool(age < timedelta(days=29, hours=23))

    # What must hold.

    @rule()
    def a_clean_run(self) -> None:
        """A run without faults, two minutes after the last event; a second one where a sale had to move."""
        world = self.world
        world.agbis.faults.clear()
        world.comagic.faults.clear()
        world.clock.advance(timedelta(minutes=2))
        self.the_clock_is_set(timedelta())
        moves = self.something_may_move()

        journal = self.full_run()
        found = problems(self.business, journal)
        if found and moves:
            world.clock.advance(timedelta(minutes=2))
            journal = self.full_run()
            found = problems(self.business, journal)

        assert not found, "\n".join(found)
        self.clean_at = world.clock.now()
        self.business.unread.clear()
        self.witness.a_clean_run_has_ended()
        assert self.clocks_differed or hasty_logins(world) == []
        history = list(world.comagic.history)
        self.full_run()
        assert world.comagic.history == history, "a further run has nothing to do"

    def full_run(self) -> dict[str, Any]:
        """Do a full run that must succeed; it may have to wait for a lease, or for a person who confirms it."""
        history = list(self.world.comagic.history)
        answer = self.run("update_db")
        if answer is not None and answer.status_code == 409:
            confirm = re.search(r"confirm=([0-9a-f]{16})", answer.json()["message"])
            if confirm:
                played["plans confirmed"] += 1
                assert self.world.comagic.history == history, "a run that the guard stopped has written"
                answer = self.run(f"update_db&confirm={confirm[1]}")
            else:  # the lease of a run that was killed
                self.world.clock.advance(timedelta(minutes=2))
                answer = self.run("update_db")
        assert answer is not None
        assert answer.status_code == 200, answer.text
        journal: dict[str, Any] = answer.json()["journal"]
        return journal

    def something_may_move(self) -> bool:
        """The communication of a recorded sale is gone, not shown, or another phone's."""
        hidden = self.business.hidden
        return bool(hidden or self.business.deleted or self.business.has_a_call_of_another_phone)

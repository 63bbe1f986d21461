"""/explain: real stories of clients, and what the tool answers to "why is this client not marked?".

The whole answer of each story stands in `stories/<name>.json`. An answer whose file is missing is written there, and
the test fails so that somebody reads it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge import NOON, Bridge, bridge_on
from crm_bridge.domain.run import LEASE_TTL, Lease
from crm_bridge.domain.state import SaleTag
from crm_bridge.stores.sqlite import SqliteSalesStore
from dumping import dump
from sandbox.comagic_desk import SITE_WITHOUT_SALES_ID
from sandbox.faults import Fault

pytestmark = pytest.mark.anyio

ANNA = "79261234567"
STORIES = Path(__file__).parent / "stories"

Happening = Callable[[Bridge], Awaitable[None]]
told: dict[str, tuple[Happening, dict[str, str], str]] = {}


def story(sentence: str, **settings: str) -> Callable[[Happening], Happening]:
    """Note what happened, and the beginning of what the tool must say about it."""

    def note(happening: Happening) -> Happening:
        told[happening.__name__] = (happening, settings, sentence)
        return happening

    return note


def order(bridge: Bridge, *amounts: str, phone: str = ANNA, days_ago: float = 1, name: str = "Химчистка пальто") -> str:
    agbis, at = bridge.world.agbis, NOON - timedelta(days=days_ago)
    key = agbis.add_order(agbis.add_client(phone), [(name, "5000")], at=at)
    for number, amount in enumerate(amounts):
        agbis.pay(key, amount, at=at + timedelta(minutes=5 + number))
    return key


def call(bridge: Bridge, *, days_ago: float = 2, phone: str = ANNA, **details: Any) -> int:
    return bridge.world.comagic.add_call(phone, NOON - timedelta(days=days_ago), **details)


@story("Marked: ₽2,500.00 stands on call ")
async def called_ordered_paid(bridge: Bridge) -> None:
    """The plain case: nothing is wrong."""
    call(bridge)
    order(bridge, "2500")
    await bridge.run()


@story("Marked: ₽4,300.80 stands on call ")
async def several_orders_in_parts(bridge: Bridge) -> None:
    """How the sum came about: two orders, three payments, a refund."""
    call(bridge, days_ago=5)
    first = order(bridge, "2500", "1800.50", days_ago=2)
    order(bridge, "600.30", name="Стирка пуховика")
    bridge.world.agbis.refund(first, "600")
    await bridge.run()


@story("Not marked yet: the next run sets ₽700.00 on call ")
async def paid_since_the_last_run(bridge: Bridge) -> None:
    """The orders are read, the run that marks has not come yet."""
    call(bridge)
    order(bridge, "700")
    await bridge.run("update_db&dry_run")


@story("₽700.00 is paid, but CoMagic knows no communication of this phone since 2026-03-19")
async def never_called(bridge: Bridge) -> None:
    """The client came without calling, or called from another phone."""
    call(bridge, phone="79990000001")
    order(bridge, "700")
    await bridge.run()


@story("₽700.00 is paid, but every call of this phone was lost")
async def nobody_answered(bridge: Bridge) -> None:
    call(bridge, lost=True)
    call(bridge, days_ago=3, lost=True)
    order(bridge, "700")
    await bridge.run()


@story("₽700.00 is paid, but the communications of this phone began before 2026-05-16")
async def called_too_long_ago(bridge: Bridge) -> None:
    """Found, because /explain looks further back than a run."""
    call(bridge, days_ago=45)
    order(bridge, "700")
    await bridge.run()


@story("₽700.00 is paid, but the client got in touch only in ways that COMAGIC_SOURCES leaves out: site form")
async def wrote_through_the_form(bridge: Bridge) -> None:
    """The phone is typed as people type it."""
    bridge.world.comagic.add_message("89261234567", NOON - timedelta(days=2))
    order(bridge, "700")
    await bridge.run()


@story("Marked: ₽700.00 stands on site form ", COMAGIC_SOURCES="calls,chats,offline_messages")
async def wrote_first_and_called_later(bridge: Bridge) -> None:
    """The earliest of all kinds bears the sale."""
    bridge.world.comagic.add_message("89261234567", NOON - timedelta(days=3))
    bridge.world.comagic.add_chat("9261234567", NOON - timedelta(days=2))
    call(bridge, days_ago=1)
    order(bridge, "700")
    await bridge.run()


@story("Nothing has been paid yet")
async def not_paid_yet(bridge: Bridge) -> None:
    call(bridge)
    order(bridge)
    await bridge.run()


@story("All money has gone back, so there is no sum to set.")
async def cancelled_before_it_was_marked(bridge: Bridge) -> None:
    call(bridge)
    key = order(bridge, "700")
    bridge.world.agbis.refund(key, "700")
    await bridge.run()


@story("All money has gone back: the next run takes ₽700.00 off call ")
async def refunded_after_it_was_marked(bridge: Bridge) -> None:
    call(bridge)
    key = order(bridge, "700")
    await bridge.run()
    bridge.world.agbis.refund(key, "700")
    await bridge.run("update_db&dry_run")


@story("Marked with ₽700.00: the next run replaces it by ₽950.00 on call ")
async def paid_more_after_it_was_marked(bridge: Bridge) -> None:
    call(bridge)
    key = order(bridge, "700")
    await bridge.run()
    bridge.world.agbis.pay(key, "250")
    await bridge.run("update_db&dry_run")


@story("Not marked yet: the next run sets ₽700.00 on call ")
async def sales_are_off_at_the_site(bridge: Bridge) -> None:
    """CoMagic refuses, each time, and the note tells what to switch on."""
    call(bridge, site_id=SITE_WITHOUT_SALES_ID)
    order(bridge, "700")
    await bridge.run()


@story("Marked: ₽700.00 stands on call ")
async def paid_before_calling(bridge: Bridge) -> None:
    """The sale cannot be dated before the call."""
    order(bridge, "700", days_ago=2)
    call(bridge, days_ago=1)
    await bridge.run()


@story("Not marked yet: the next run sets ₽700.00 on call ")
async def somebody_took_our_sale_off(bridge: Bridge) -> None:
    key = call(bridge)
    order(bridge, "700")
    await bridge.run()
    bridge.world.comagic.unsell_by_hand(key)


@story("Marked with ₽1.00: the next run replaces it by ₽700.00 on call ")
async def somebody_else_marked_two_calls(bridge: Bridge) -> None:
    """The earlier one is corrected, the other is left alone."""
    for days, amount in ((3, "1"), (1, "2")):
        bridge.world.comagic.sell_by_hand(call(bridge, days_ago=days), amount)
    order(bridge, "700")
    await bridge.run("update_db&dry_run")


@story("Not marked yet: the next run sets ₽700.00 on call ")
async def a_run_was_cut_in_the_middle(bridge: Bridge) -> None:
    """CoMagic went away during the change, so nobody knows yet whether it was made."""
    call(bridge)
    order(bridge, "700")
    bridge.world.comagic.fail(Fault(method="set.tag_sales", kind="timeout_before", times=None))
    await bridge.run()
    bridge.world.comagic.faults.clear()


@story("Marked: ₽700.00 stands on call ")
async def the_marked_call_is_long_past(bridge: Bridge) -> None:
    """It has left even what /explain asks for; our own notes know it."""
    call(bridge, days_ago=29)
    order(bridge, "700")
    await bridge.run()
    bridge.clock.advance(timedelta(days=80))


@story("No order of a client with this phone is in the database.")
async def called_but_never_ordered(bridge: Bridge) -> None:
    call(bridge)
    order(bridge, "700", phone="79990000001")
    await bridge.run()


@story("No order of a client with this phone is in the database. The CRM has not been read yet: call /?update_db once.")
async def nothing_was_ever_read(bridge: Bridge) -> None:
    call(bridge)


@story("CoMagic could not be asked, so only what the database knows is told: ")
async def comagic_is_away(bridge: Bridge) -> None:
    call(bridge)
    order(bridge, "700")
    await bridge.run()
    bridge.world.comagic.fail(Fault(method="get.calls_report", kind="http_503", times=None))


@asynccontextmanager
async def after(happening: Happening, settings: dict[str, str], folder: Path) -> AsyncIterator[Bridge]:
    store = SqliteSalesStore(str(folder / "bridge.db"))
    async with bridge_on(store, settings) as bridge:
        await happening(bridge)
        yield bridge
    await store.close()


async def ask(bridge: Bridge, phone: str = ANNA, **headers: str) -> Any:
    answer = await bridge.get(f"phone={phone}", path="/explain", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def steady(answer: dict[str, Any]) -> dict[str, Any]:
    """Give the runs names that are the same each time."""
    names: dict[str, str] = {}
    for event in (*answer["history"], *filter(None, [answer["under_way"]])):
        event["run_id"] = names.setdefault(event["run_id"], f"run {len(names) + 1}")
    return answer


def test_there_are_stories_enough() -> None:
    assert len(told) >= 15


@pytest.mark.parametrize("name", told)
async def test_a_story_is_told_as_it_was_read_and_found_right(name: str, tmp_path: Path) -> None:
    happening, settings, sentence = told[name]
    async with after(happening, settings, tmp_path) as bridge:
        before, points = await dump(bridge.store), bridge.world.comagic.points_used

        answer = steady(await ask(bridge))

        assert answer["summary"].startswith(sentence)
        assert await dump(bridge.store) == before, "a look changes nothing"
        assert bridge.world.comagic.points_used - points <= 3
    golden = STORIES / f"{name}.json"
    if not golden.exists():
        golden.write_text(json.dumps(answer, ensure_ascii=False, indent=1) + "\n")
        pytest.fail(f"{golden.name} is new: read it")
    assert answer == json.loads(golden.read_text())


@pytest.mark.parametrize("name", [name for name in told if name != "a_run_was_cut_in_the_middle"])
async def test_what_is_foretold_is_what_the_next_run_does(name: str, tmp_path: Path) -> None:
    """The story is decided by the same rule, from the same rows, as a run decides."""
    happening, settings, _ = told[name]
    async with after(happening, settings, tmp_path) as bridge:
        foretold = (await ask(bridge))["next_run"]

        answer = await bridge.get("dry_run")

    rows = {next(iter(row)): row for row in answer.json().get("journal", {"log": []})["log"]}
    if foretold is None:
        assert ANNA not in rows
        return
    row = rows[ANNA]
    assert row["result"] == foretold["result"]
    assert row.get("points", 0) == foretold["points"]
    assert row[ANNA] == (foretold["communication_id"] or "not found")


async def test_every_usual_spelling_of_a_phone_is_understood(bridge: Bridge) -> None:
    await called_ordered_paid(bridge)

    for spelling in ("79261234567", "%2B7 926 123-45-67", "8 (926) 123 45 67", "9261234567"):
        assert (await ask(bridge, spelling))["phone"] == ANNA


@pytest.mark.parametrize(
    "query", ["", "phone=", "phone=nobody", "phone=12", f"phone={ANNA}&x=1", f"phone={ANNA}&format=csv"]
)
async def test_what_is_no_phone_is_a_400(bridge: Bridge, query: str) -> None:
    answer = await bridge.get(query, path="/explain")

    assert (answer.status_code, list(answer.json())) == (400, ["success", "message"])


@pytest.mark.parametrize("typed", ["79261234567", "89261234567", "9261234567", "+79261234567", "8 (926) 123-45-67"])
async def test_what_a_visitor_has_typed_is_found_in_any_spelling(bridge: Bridge, typed: str) -> None:
    bridge.world.comagic.add_chat(typed, NOON - timedelta(days=1))
    order(bridge, "700")
    await bridge.run()

    (found,) = (await ask(bridge))["communications"]

    assert (found["communication_type"], found["reason"]) == ("chat", "not_a_source")


async def test_it_works_while_a_run_is_going_and_tells_so(bridge: Bridge) -> None:
    await called_ordered_paid(bridge)
    now = bridge.clock.now()
    await bridge.store.take_lease(Lease(run_id="going", started_at=now, until=now + LEASE_TTL), now=now)

    assert "A run is going on right now, so this may change any moment: /runs/going" in (await ask(bridge))["notes"]


async def test_a_change_of_seconds_ago_is_told_to_be_perhaps_not_visible_yet(bridge: Bridge) -> None:
    call(bridge)
    order(bridge, "700")
    await bridge.get("update_db")

    assert any("less than a minute ago" in note for note in (await ask(bridge))["notes"])


async def test_sources_that_are_not_enabled_do_not_hide_the_rest(bridge: Bridge) -> None:
    await never_called(bridge)
    bridge.world.comagic.switches = replace(bridge.world.comagic.switches, consultant=False)

    assert (await ask(bridge))["verdict"] == "no_contact"


async def test_a_long_lookback_is_read_as_far_as_three_points_reach_and_not_further(tmp_path: Path) -> None:
    async def happening(bridge: Bridge) -> None:
        call(bridge, days_ago=250)
        order(bridge, "700")
        await bridge.store.save_state(SaleTag(tag_id=bridge.world.comagic.sale_tag_id))
        await bridge.run("update_db&dry_run")

    for days, verdict in ((260, "mark_is_due"), (300, "mark_is_due")):
        folder = tmp_path / str(days)
        async with after(happening, {"COMAGIC_LOOKBACK_DAYS": str(days)}, folder) as bridge:
            answer = await ask(bridge)
        assert answer["verdict"] == verdict
        assert answer["asked"]["requests"] == {"get.calls_report": 3}
        assert answer["asked"]["since"] == "2025-09-24 12:02:00" if days == 300 else "2025-09-28 12:02:00"
        assert any("Three points did not reach" in note for note in answer["notes"]) is (days == 300)


async def test_the_phone_is_in_the_answer_and_in_no_log(bridge: Bridge, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="crm_bridge")
    await never_called(bridge)

    answer = await bridge.get(f"phone={ANNA}", path="/explain")

    assert ANNA in answer.text
    assert ANNA not in caplog.text


async def test_a_look_of_several_spans_is_told_with_how_far_it_went(bridge: Bridge) -> None:
    await called_ordered_paid(bridge)

    asked = (await ask(bridge))["asked"]

    assert (asked["since"], asked["window_since"]) == ("2026-03-19 12:02:00", "2026-05-16 12:02:00")

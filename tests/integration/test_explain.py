"""/explain: real stories of clients, and what the tool answers to "why is this client not marked?".

The whole answer of each story stands in `stories/<name>.json`. An answer whose file is missing is written there, and
the test fails so that somebody reads it.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from crm_bridge.domain.run import LEASE_TTL, Lease
from crm_bridge.domain.state import KnownSites, SaleTag
from tests.support.database_dump import dump
from tests.support.factories import NOON
from tests.support.stories import ANNA, EVERY_STORY, after, call, called_ordered_paid, never_called, order
from tests.support.sync_app import SyncApp

pytestmark = pytest.mark.anyio

STORIES = Path(__file__).parent / "stories"


async def ask(bridge: SyncApp, phone: str = ANNA, **headers: str) -> Any:
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
    assert len(EVERY_STORY) >= 15


@pytest.mark.parametrize("name", EVERY_STORY)
async def test_a_story_is_told_as_it_was_read_and_found_right(name: str, tmp_path: Path) -> None:
    happening, settings, sentence = EVERY_STORY[name]
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


@pytest.mark.parametrize("name", [name for name in EVERY_STORY if name != "a_run_was_cut_in_the_middle"])
async def test_what_is_foretold_is_what_the_next_run_does(name: str, tmp_path: Path) -> None:
    """The story is decided by the same rule, from the same rows, as a run decides."""
    happening, settings, _ = EVERY_STORY[name]
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


async def test_every_usual_spelling_of_a_phone_is_understood(bridge: SyncApp) -> None:
    await called_ordered_paid(bridge)

    for spelling in ("79261234567", "%2B7 926 123-45-67", "8 (926) 123 45 67", "9261234567"):
        assert (await ask(bridge, spelling))["phone"] == ANNA


@pytest.mark.parametrize(
    "query", ["", "phone=", "phone=nobody", "phone=12", f"phone={ANNA}&x=1", f"phone={ANNA}&format=csv"]
)
async def test_what_is_no_phone_is_a_400(bridge: SyncApp, query: str) -> None:
    answer = await bridge.get(query, path="/explain")

    assert (answer.status_code, list(answer.json())) == (400, ["success", "message"])


@pytest.mark.parametrize("typed", ["79261234567", "89261234567", "9261234567", "+79261234567", "8 (926) 123-45-67"])
async def test_what_a_visitor_has_typed_is_found_in_any_spelling(bridge: SyncApp, typed: str) -> None:
    bridge.world.comagic.add_chat(typed, NOON - timedelta(days=1))
    order(bridge, "700")
    await bridge.run()

    (found,) = (await ask(bridge))["communications"]

    assert (found["communication_type"], found["reason"]) == ("chat", "not_a_source")


async def test_it_works_while_a_run_is_going_and_tells_so(bridge: SyncApp) -> None:
    await called_ordered_paid(bridge)
    now = bridge.clock.now()
    await bridge.store.take_lease(Lease(run_id="going", started_at=now, until=now + LEASE_TTL), now=now)

    assert "A run is going on right now, so this may change any moment: /runs/going" in (await ask(bridge))["notes"]


async def test_a_change_of_seconds_ago_is_told_to_be_perhaps_not_visible_yet(bridge: SyncApp) -> None:
    call(bridge)
    order(bridge, "700")
    await bridge.get("update_db")

    assert any("less than a minute ago" in note for note in (await ask(bridge))["notes"])


async def test_sources_that_are_not_enabled_do_not_hide_the_rest(bridge: SyncApp) -> None:
    await never_called(bridge)
    bridge.world.comagic.switches = replace(bridge.world.comagic.switches, consultant=False)

    assert (await ask(bridge))["verdict"] == "no_contact"


async def test_a_long_lookback_is_read_as_far_as_three_points_reach_and_not_further(tmp_path: Path) -> None:
    async def happening(bridge: SyncApp) -> None:
        call(bridge, days_ago=250)
        order(bridge, "700")
        await bridge.store.save_state(SaleTag(tag_id=bridge.world.comagic.sale_tag_id))
        await bridge.store.save_state(KnownSites(read_at=NOON))
        await bridge.run("update_db&dry_run")

    for days, verdict in ((260, "mark_is_due"), (300, "mark_is_due")):
        folder = tmp_path / str(days)
        async with after(happening, {"COMAGIC_LOOKBACK_DAYS": str(days)}, folder) as bridge:
            answer = await ask(bridge)
        assert answer["verdict"] == verdict
        assert answer["asked"]["requests"] == {"get.calls_report": 3}
        assert answer["asked"]["since"] == "2025-09-24 12:02:00" if days == 300 else "2025-09-28 12:02:00"
        assert any("Three points did not reach" in note for note in answer["notes"]) is (days == 300)


async def test_the_phone_is_in_the_answer_and_in_no_log(bridge: SyncApp, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="crm_bridge")
    await never_called(bridge)

    answer = await bridge.get(f"phone={ANNA}", path="/explain")

    assert ANNA in answer.text
    assert ANNA not in caplog.text


async def test_a_look_of_several_spans_is_told_with_how_far_it_went(bridge: SyncApp) -> None:
    await called_ordered_paid(bridge)

    asked = (await ask(bridge))["asked"]

    assert (asked["since"], asked["window_since"]) == ("2026-03-19 12:02:00", "2026-05-16 12:02:00")


def test_the_stories_of_the_documents_are_real_answers() -> None:
    answers = [json.loads(file.read_text()) for file in STORIES.glob("*.json")]
    said = {sentence for answer in answers for sentence in (answer["summary"], *answer["notes"])}
    document = Path(__file__).parents[2] / "docs" / "admin.md"
    section = document.read_text().partition("## Why is this client not marked?")[2].partition("\n## ")[0]

    quoted = {
        " ".join(sentence.split())
        for sentence in re.findall(r'"([^"]+[.])"', section)
        if not sentence.startswith("http")
    }

    assert len(quoted) >= 12
    assert quoted <= said

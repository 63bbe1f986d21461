"""The home page: what it shows, and the buttons that start runs, each once."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from crm_bridge.handlers import start
from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from tests.integration.test_pages import BROWSER, Page, page
from tests.sandbox.faults import Fault
from tests.sandbox.transport import SandboxTransport
from tests.sandbox.world import populate
from tests.support.stories import ANNA, call, order
from tests.support.sync_app import SyncApp, sync_app_on

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for the end of each run, so that its answer is the redirect."""
    monkeypatch.setattr(start, "_EVERY", 60)


async def home(bridge: SyncApp) -> Any:
    return (await bridge.get(path="/start")).json()


async def token_of(bridge: SyncApp) -> str:
    fields = Page(await page(bridge, path="/start")).all("input")
    return next(field["value"] or "" for field in fields if field.get("name") == "token")


async def press(
    bridge: SyncApp, action: str, *, token: str | None = None, headers: Mapping[str, str] | None = None, **fields: str
) -> httpx.Response:
    form = {"token": token or await token_of(bridge), "action": action, **fields}
    sent = {"Accept": BROWSER, "Accept-Language": "en", **(headers or {})}
    answer = await bridge._caller.post("/start", data=form, headers=sent)
    bridge.clock.advance(timedelta(minutes=2))
    return answer


async def runs(bridge: SyncApp) -> list[str]:
    return [run["parameters"] for run in (await bridge.get(path="/runs")).json()["runs"]]


class TestHome:
    async def test_it_is_first_in_the_navigation_and_every_page_says_where_one_is(self, bridge: SyncApp) -> None:
        for path, name in (("/start", "Start"), ("/runs", "Runs"), ("/explain", "A client")):
            answer = await page(bridge, path=path)
            links = [link for link in Page(answer).all("a") if str(link["href"]).startswith("./")][:4]

            assert links[0]["href"] == "./start"
            here = [link["href"] for link in links if link.get("aria-current") == "page"]
            assert here == [f".{path}"], name

    async def test_a_database_that_is_empty_is_led_through_a_first_run(self, bridge: SyncApp) -> None:
        answer = await page(bridge, path="/start", language="ru")

        assert (await home(bridge))["step"] == "setup"
        assert "Первый запуск" in Page(answer).text
        assert "Пробный запуск" in Page(answer).text

    async def test_each_step_of_the_first_run_leads_to_the_next(self, bridge: SyncApp) -> None:
        populate(bridge.world, seed=3, phones=40)
        call(bridge)
        order(bridge, "700")
        steps = []

        for action in ("dry_run", "phone", "few", "run"):
            await press(bridge, action, phone="8 (926) 123-45-67")
            steps.append((await home(bridge))["step"])

        assert steps == ["phone", "few", "all", "done"]

    async def test_it_shows_the_money_of_thirty_days_and_what_is_open(self, bridge: SyncApp) -> None:
        populate(bridge.world, seed=3, phones=40)
        journal = await bridge.run()

        shown = await home(bridge)

        assert shown["refreshed_at"].startswith("2026-06-15")
        assert shown["last_run"]["run_id"] == journal["run_id"]
        assert shown["problems"]["failed"] == journal["failed"] > 0
        assert shown["money"]["not_found"] == journal["money"]["not_found"]
        assert float(shown["money"]["found"]) > 0
        text = Page(await page(bridge, path="/start")).text
        assert f"Changes with an error: {journal['failed']}" in text

    async def test_what_is_older_than_thirty_days_does_not_count(self, bridge: SyncApp) -> None:
        call(bridge)
        order(bridge, "700")
        await bridge.run()
        assert (await home(bridge))["money"]["found"] == "700.00"

        bridge.clock.advance(timedelta(days=31))

        assert (await home(bridge))["money"]["found"] == "0.00"

    async def test_a_failed_run_is_an_open_problem_until_one_succeeds(self, bridge: SyncApp) -> None:
        populate(bridge.world, seed=3, phones=4)
        bridge.world.agbis.fail(Fault(method="*", kind="http_503", times=None))
        await bridge.get("update_db")
        failed = (await home(bridge))["problems"]["run_failed"]
        bridge.world.agbis.faults.clear()
        bridge.clock.advance(timedelta(minutes=30))
        await bridge.run()

        assert (failed, (await home(bridge))["problems"]["run_failed"]) == (True, False)

    async def test_without_settings_it_leads_to_the_check_of_the_setup(self, tmp_path: Path) -> None:
        store = SqliteSalesStore(str(tmp_path / "bridge.db"))
        async with sync_app_on(store, {"COMAGIC_TOKEN": ""}) as bridge:
            answer = await page(bridge, path="/start")
        await store.close()

        assert answer.status_code == 200
        assert not [field for field in Page(answer).all("input") if field.get("name") == "token"]
        assert "Settings are missing" in Page(answer).text

    async def test_it_asks_no_remote_system(self, bridge: SyncApp) -> None:
        await page(bridge, path="/start")

        assert (bridge.world.agbis.requests, bridge.world.comagic.requests) == ([], [])


class TestButtons:
    async def test_a_dry_run_is_kept_and_changes_nothing(self, bridge: SyncApp) -> None:
        populate(bridge.world, seed=3, phones=40)
        before = list(bridge.world.comagic.history)

        answer = await press(bridge, "dry_run")

        assert answer.status_code == 303
        journal = (await bridge.get(path=f"/{answer.headers['Location']}")).json()["journal"]
        assert journal["dry_run"] is True
        assert bridge.world.comagic.history == before
        assert await runs(bridge) == ["update_db&dry_run"]
        assert (await home(bridge))["last_run"] is None

    async def test_a_used_button_leads_to_its_run_and_starts_nothing(self, bridge: SyncApp) -> None:
        populate(bridge.world, seed=3, phones=40)
        token = await token_of(bridge)

        first, again, back = [await press(bridge, action, token=token) for action in ("run", "run", "dry_run")]

        assert first.headers["Location"] == again.headers["Location"] == back.headers["Location"]
        assert {first.status_code, again.status_code, back.status_code} == {303}
        assert await runs(bridge) == ["update_db"]

    async def test_two_presses_at_once_are_one_run(self, bridge: SyncApp) -> None:
        populate(bridge.world, seed=3, phones=40)
        token = await token_of(bridge)

        answers = await asyncio.gather(press(bridge, "run", token=token), press(bridge, "run", token=token))

        history = bridge.world.comagic.history
        ours = [entry.communication_id for entry in history if entry.what == "set" and entry.who != "hand"]
        assert ours
        assert len(ours) == len(set(ours)), "each sale is set once"
        assert {(answer.status_code, answer.headers["Location"]) for answer in answers} == {
            (303, f"runs/{token.partition('.')[0]}")
        }
        assert await runs(bridge) == ["update_db"]

    @pytest.mark.parametrize("change", ["forged", "other id", "none"])
    async def test_a_token_that_is_not_ours_starts_nothing(self, bridge: SyncApp, change: str) -> None:
        token = await token_of(bridge)
        run_id, made, signature = token.split(".")
        forged = {"forged": f"{run_id}.{made}.{'0' * 64}", "other id": f"{'0' * 32}.{made}.{signature}", "none": "x"}

        answer = await press(bridge, "run", token=forged[change])

        assert answer.status_code == 403
        assert bridge.world.agbis.requests == []

    async def test_a_token_of_yesterday_leads_to_a_new_page(self, bridge: SyncApp) -> None:
        token = await token_of(bridge)
        bridge.clock.advance(timedelta(hours=13))

        answer = await press(bridge, "run", token=token)

        assert (answer.status_code, answer.headers["Location"]) == (303, "start")
        assert await runs(bridge) == []

    @pytest.mark.parametrize(
        "headers", [{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}, {"Sec-Purpose": "prefetch"}], ids=str
    )
    async def test_another_site_can_press_nothing(self, bridge: SyncApp, headers: dict[str, str]) -> None:
        assert (await press(bridge, "run", headers=headers)).status_code == 403
        assert await runs(bridge) == []

    @pytest.mark.parametrize(("action", "phone"), [("phone", "12"), ("delete", ""), ("", "")])
    async def test_what_no_button_sends_is_refused(self, bridge: SyncApp, action: str, phone: str) -> None:
        assert (await press(bridge, action, phone=phone)).status_code == 400
        assert await runs(bridge) == []


class SlowTransport(SandboxTransport):
    """The sandbox behind a slow line."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0.03)
        return await super().handle_async_request(request)


class TestProgress:
    @pytest.fixture(autouse=True)
    def often(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(start, "_EVERY", 0.02)

    async def test_the_tab_shows_the_progress_and_ends_at_the_run(self, bridge: SyncApp) -> None:
        populate(bridge.world, seed=3, phones=40)
        bridge.use_network(SlowTransport(bridge.world.app))
        token = await token_of(bridge)

        answer = await press(bridge, "run", token=token)

        found = Page(answer)
        run_id = token.partition(".")[0]
        bars = [int(bar["value"] or "") for bar in found.all("progress")]
        assert answer.status_code == 200
        assert len(set(bars)) > 3
        assert bars == sorted(bars), "the bar never goes back"
        assert bars[-1] == 100
        assert [int(step) for step in re.findall(r"Step (\d) of 3", found.text)] == sorted(
            int(step) for step in re.findall(r"Step (\d) of 3", found.text)
        )
        assert {"http-equiv": "refresh", "content": f"0; url=./runs/{run_id}"} in found.all("meta")
        assert answer.text.endswith("</html>")
        assert (await bridge.get(path=f"/runs/{run_id}")).json()["status"] == "succeeded"

    async def test_a_run_that_fails_says_why_and_is_logged_for_the_alert(
        self, bridge: SyncApp, caplog: pytest.LogCaptureFixture
    ) -> None:
        populate(bridge.world, seed=3, phones=40)
        bridge.use_network(SlowTransport(bridge.world.app))
        bridge.world.comagic.fail(Fault(method="get.calls_report", kind="no_result", times=None))

        with caplog.at_level(logging.ERROR):
            answer = await press(bridge, "run")

        assert "No result in CoMagic answer" in Page(answer).text
        assert [link["href"] for link in Page(answer).all("a") if link.get("class") == "way"] == ["./start"]
        assert "refresh" not in answer.text
        assert [record.message for record in caplog.records] == ["run_failed"]

    async def test_another_run_in_progress_is_a_failure_page(self, bridge: SyncApp) -> None:
        populate(bridge.world, seed=3, phones=40)
        bridge.use_network(SlowTransport(bridge.world.app))
        one, other = await token_of(bridge), await token_of(bridge)

        first, second = await asyncio.gather(press(bridge, "run", token=one), press(bridge, "run", token=other))

        (busy,) = [answer for answer in (first, second) if answer.status_code == 409]
        assert "A run is in progress" in Page(busy).text


async def test_the_phone_of_a_button_is_the_only_one_that_is_changed(bridge: SyncApp) -> None:
    populate(bridge.world, seed=3, phones=40)
    call(bridge)
    order(bridge, "700")

    answer = await press(bridge, "phone", phone=ANNA)

    log = (await bridge.get(path=f"/{answer.headers['Location']}")).json()["journal"]["log"]
    assert [next(iter(row)) for row in log] == [ANNA]

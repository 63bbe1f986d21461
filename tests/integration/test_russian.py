"""Russian pages: nothing English but names, dates and phones as Russians write them, and a way on from each failure."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from crm_bridge.domain.run import LEASE_TTL, Lease, Phase, Progress, Run, RunStatus
from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from tests.integration.test_pages import Page, page
from tests.sandbox.faults import Fault
from tests.sandbox.world import populate
from tests.support.factories import NOON
from tests.support.stories import ANNA, EVERY_STORY, after
from tests.support.sync_app import SyncApp, sync_app_on

pytestmark = pytest.mark.anyio

NAMES = {
    *("crm", "bridge", "CoMagic", "Agbis", "CRM", "CSV", "Data", "API", "Google", "Cloud", "STORE", "URL", "PDF"),
    *("HTTP", "JSON", "RPC", "IANA", "SQLite", "Firestore", "Europe", "Moscow", "ConnectError", "Sale"),
    *("ATTRIBUTION", "select", "consultant", "lead", "sitephone"),
}
"""Names of systems, formats, places, rights and components; what `TECHNICAL` finds are names too."""

TECHNICAL = re.compile(
    r"https?://\S+|\?[\w&=-]+|/[\w/<>?&=]+|\b[A-Z]+(?:_[A-Z]+)+\b|\b\w+[._]\w[\w.]*|\b[0-9a-f]{8,}\b"
    r"|\b[A-Z]\w+ForAll\b|\bLogin\b|\b(?:phone|sort|amount|date|result|confirm|forbidden|unavailable|going|error|verbose|boom)\b"
)
"""Addresses, settings, methods, parameters and mnemonics, run ids, commands of Agbis."""


def english(text: str) -> set[str]:
    """The words of a page that are English and no names."""
    words = set(re.findall(r"[A-Za-z]{2,}", TECHNICAL.sub(" ", text)))
    return words - NAMES


async def russian(bridge: SyncApp, path: str, query: str = "") -> httpx.Response:
    return await page(bridge, query, path=path, language="ru")


@asynccontextmanager
async def broken(tmp_path: Path) -> AsyncIterator[SyncApp]:
    """Settings of which two are wrong."""
    store = SqliteSalesStore(str(tmp_path / "broken.db"))
    async with sync_app_on(store, {"COMAGIC_TOKEN": "", "TIME_ZONE": "Nowhere"}) as bridge:
        yield bridge
    await store.close()


async def start_a_run(bridge: SyncApp, progress: Progress | None = None, *, recorded: bool = True) -> None:
    now = bridge.clock.now()
    await bridge.store.take_lease(Lease(run_id="going", started_at=now, until=now + LEASE_TTL), now=now)
    if recorded:
        expires_at = now + timedelta(days=1)
        run = Run(run_id="going", status=RunStatus.RUNNING, started_at=now, expires_at=expires_at, progress=progress)
        await bridge.store.save_run(run)


class TestLanguage:
    async def test_a_page_has_nothing_english_but_names(self, bridge: SyncApp, tmp_path: Path) -> None:
        populate(bridge.world, seed=3, phones=40)
        run_id = (await bridge.run())["run_id"]
        phone = next(iter((await bridge.get(path=f"/runs/{run_id}")).json()["journal"]["log"][0]))
        bridge.world.agbis.fail(Fault(method="*", kind="http_503", times=None))
        await bridge.get("update_db")  # failed
        bridge.world.agbis.faults.clear()
        bridge.clock.advance(timedelta(minutes=30))
        answers = [
            await russian(bridge, "/", "dry_run"),
            await russian(bridge, "/start"),
            await russian(bridge, "/runs"),
            await russian(bridge, f"/runs/{run_id}"),
            await russian(bridge, "/explain"),
            await russian(bridge, "/explain", f"phone={phone}"),
            await russian(bridge, "/explain", "phone=1"),
            await russian(bridge, "/check_setup"),
            await russian(bridge, "/nothing"),
            await russian(bridge, f"/runs/{run_id}", "sort=up"),
        ]
        await start_a_run(bridge, Progress(phase=Phase.APPLYING, done=30, total=120, at=NOON))
        answers += [await russian(bridge, "/", "update_db"), await russian(bridge, "/runs/going")]
        async with broken(tmp_path) as wrong:
            answers += [await russian(wrong, "/", "update_db"), await russian(wrong, "/check_setup")]

        for answer in answers:
            assert english(Page(answer).text) == set(), answer.url

    @pytest.mark.parametrize("name", EVERY_STORY)
    async def test_every_story_has_nothing_english_but_names(self, name: str, tmp_path: Path) -> None:
        happening, settings, _ = EVERY_STORY[name]
        async with after(happening, settings, tmp_path) as bridge:
            text = Page(await russian(bridge, "/explain", f"phone={ANNA}")).text

        assert english(text.replace("shop.ru", "")) == set()

    def test_an_english_word_is_found(self) -> None:
        assert english("Запуск CoMagic: get.tags, STORE_URL, Permission denied") == {"Permission", "denied"}


class TestHowThingsAreWritten:
    async def test_dates_and_phones_are_russian_on_the_page_and_plain_in_json_and_csv(self, bridge: SyncApp) -> None:
        populate(bridge.world, seed=3, phones=40)
        run_id = (await bridge.run())["run_id"]
        log = (await bridge.get(path=f"/runs/{run_id}")).json()["journal"]["log"]
        row = next(row for row in log if "date" in row and next(iter(row)).startswith("79"))
        phone = next(iter(row))
        written = f"+7 {phone[1:4]} {phone[4:7]}-{phone[7:9]}-{phone[9:]}"

        shown = Page(await russian(bridge, f"/runs/{run_id}")).text
        explained = Page(await russian(bridge, "/explain", f"phone={phone}")).text
        csv = (await bridge.get("format=csv", path=f"/runs/{run_id}")).text

        for text in (shown, explained):
            assert written in text
            assert not re.search(r"\b20\d\d-\d\d-\d\d\b", text)
            assert re.search(r"\b\d\d\.\d\d\.20\d\d \d\d:\d\d\b(?!:)", text)
        assert phone in csv
        assert row["date"] in csv

    async def test_an_english_page_keeps_the_order_of_year_month_and_day(self, bridge: SyncApp) -> None:
        populate(bridge.world, seed=3, phones=40)
        await bridge.run()

        assert re.search(r"2026-06-15 \d\d:\d\d\b(?!:)", Page(await page(bridge, path="/runs")).text)

    async def test_a_dry_run_speaks_of_the_future(self, bridge: SyncApp) -> None:
        populate(bridge.world, seed=3, phones=40)
        await bridge.get("update_db&dry_run")

        text = Page(await russian(bridge, "/", "dry_run")).text

        assert "Пробный запуск: изменения не вносились" in text
        assert re.search(r"будет проставлено: \d+", text)


class TestWayOn:
    def ways(self, answer: httpx.Response) -> list[str | None]:
        return [link["href"] for link in Page(answer).all("a") if link.get("class") == "way"]

    @pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "a dry run"])
    async def test_a_run_in_progress_is_linked_and_can_be_looked_at(self, bridge: SyncApp, recorded: bool) -> None:
        await start_a_run(bridge, recorded=recorded)

        busy = await russian(bridge, "/", "update_db")

        assert "Запуск уже выполняется" in Page(busy).text
        assert self.ways(busy) == ["./runs/going"]
        assert (await russian(bridge, "/runs/going")).status_code == 200

    async def test_a_phone_that_is_none_stands_in_the_form_again(self, bridge: SyncApp) -> None:
        answer = await russian(bridge, "/explain", "phone=12-34")

        assert answer.status_code == 400
        assert {"type": "tel", "name": "phone", "required": None, "value": "12-34"} in Page(answer).all("input")

    async def test_wrong_settings_lead_to_the_check_of_the_setup(self, tmp_path: Path) -> None:
        async with broken(tmp_path) as bridge:
            assert self.ways(await russian(bridge, "/", "update_db")) == ["./check_setup"]

    async def test_every_other_failure_has_one_link_on(self, bridge: SyncApp) -> None:
        populate(bridge.world, seed=3, phones=4)
        run_id = (await bridge.run())["run_id"]

        assert self.ways(await russian(bridge, f"/runs/{run_id}", "sort=up")) == [f"../runs/{run_id}"]
        assert self.ways(await russian(bridge, "/nothing")) == ["./start"]
        assert self.ways(await russian(bridge, "/runs/nothing")) == ["../runs"]
        assert self.ways(await russian(bridge, "/", "verbose")) == ["./start"]

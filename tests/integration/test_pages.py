"""Pages: the same addresses in a browser. What a page shows in a real browser is tested in `tests/browser`."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request

from crm_bridge.domain.communication import CommunicationType
from crm_bridge.domain.decision import Result
from crm_bridge.domain.explanation import Note, Reason, Verdict
from crm_bridge.domain.run import LEASE_TTL, Lease, Phase, Progress, Run, RunStatus
from crm_bridge.domain.setup_check import COMAGIC_CHECKS
from crm_bridge.handlers.negotiation import translator_for
from crm_bridge.presentation.journal_table import SORTS
from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from crm_bridge.translations import LANGUAGES, MESSAGES, Translator
from crm_bridge.translations.answers import ANSWERS
from crm_bridge.translations.labels import LABELS
from tests.sandbox.faults import Fault
from tests.sandbox.world import populate
from tests.support.database_dump import dump
from tests.support.stories import ANNA, after, call, order, told
from tests.support.sync_app import NOON, Bridge, bridge_on

pytestmark = pytest.mark.anyio

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
ATTACK = "<script>alert('1')</script>\"><img src=x onerror=alert(2)>{{ 7 * 7 }}"


async def page(bridge: Bridge, query: str = "", *, path: str = "/", language: str = "en") -> httpx.Response:
    return await bridge.get(query, path=path, headers={"Accept": BROWSER, "Accept-Language": language})


class Page(HTMLParser):
    """A page, taken apart.

    Attributes:
        elements: Names and attributes of its elements.
        text: What one would read.
    """

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._inside: list[str] = []
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in {"style", "script"}:
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def rows(self) -> list[str]:
        """The phones of a journal's rows, as they follow each other."""
        links = (attributes.get("href") or "" for attributes in self.all("a"))
        return [link.partition("phone=")[2] for link in links if "explain?phone=" in link]


def rows_by_sum(log: list[dict[str, str]]) -> list[str]:
    """The phones of a log, those with the largest sums last."""
    return [next(iter(row)) for row in sorted(log, key=lambda row: Decimal(row["amount"]))]


async def filled(bridge: Bridge) -> str:
    """Run on a town and return the run's id."""
    populate(bridge.world, seed=3, phones=40)
    return str((await bridge.run())["run_id"])


class TestForm:
    @pytest.mark.parametrize(
        ("accept", "kind"),
        [
            ("*/*", "application/json"),
            ("", "application/json"),
            ("application/json", "application/json"),
            ("application/json, text/html;q=0.9", "application/json"),
            ("text/html;q=0", "application/json"),
            ("text/plain", "application/json"),
            (BROWSER, "text/html; charset=utf-8"),
            ("TEXT/HTML", "text/html; charset=utf-8"),
        ],
    )
    async def test_json_is_for_whoever_does_not_ask_for_a_page(self, bridge: Bridge, accept: str, kind: str) -> None:
        answer = await bridge.get(path="/runs", headers={"Accept": accept})

        assert answer.headers["Content-Type"] == kind

    async def test_format_wins_over_the_header(self, bridge: Bridge) -> None:
        as_json = await bridge.get("format=json", path="/runs", headers={"Accept": BROWSER})
        as_page = await bridge.get("format=html", path="/runs")

        assert as_json.json() == {"runs": []}
        assert as_page.text.startswith("<!DOCTYPE html>")

    async def test_a_run_made_in_a_browser_is_answered_with_its_journal(self, bridge: Bridge) -> None:
        populate(bridge.world, seed=3, phones=40)

        answer = await page(bridge, "update_db")

        assert answer.status_code == 200
        assert len(Page(answer).rows()) == len((await bridge.run(""))["log"])

    async def test_a_failure_is_a_page_with_its_status_and_headers(self, bridge: Bridge) -> None:
        now = bridge.clock.now()
        await bridge.store.take_lease(Lease(run_id="other", started_at=now, until=now + LEASE_TTL), now=now)

        busy, unknown = await page(bridge, "update_db"), await page(bridge, path="/nothing")

        assert (busy.status_code, busy.headers["Retry-After"]) == (409, "60")
        assert "Another run is in progress" in Page(busy).text
        assert (unknown.status_code, unknown.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


class TestSafety:
    async def pages(self, bridge: Bridge) -> list[httpx.Response]:
        """Every page there is, with hostile text wherever text comes from others."""
        for number, phone in enumerate((ANNA, ATTACK)):
            agbis = bridge.world.agbis
            key = agbis.add_order(agbis.add_client(phone, name=ATTACK), [(ATTACK, "10")], at=NOON - timedelta(hours=9))
            agbis.pay(key, f"10.0{number}")
        call(bridge)
        dry = await page(bridge, "update_db&dry_run")
        bridge.clock.advance(timedelta(minutes=3))
        run = await page(bridge, "update_db")
        bridge.world.agbis.fail(Fault(method="*", kind="error", params={"code": 1, "msg": ATTACK}, times=None))
        bridge.clock.advance(timedelta(minutes=30))
        failed = await page(bridge, "update_db")
        run_id = (await bridge.get(path="/runs")).json()["runs"][1]["run_id"]
        return [
            dry,
            run,
            failed,
            await page(bridge, path="/runs"),
            await page(bridge, path=f"/runs/{run_id}"),
            await page(bridge, path=f"/runs/{run_id}", query=f"q={httpx.QueryParams({'q': ATTACK})['q']}"),
            await page(bridge, path="/explain", query=f"phone={ANNA}"),
            await page(bridge, path="/explain"),
            await page(bridge, path="/check_setup"),
            await page(bridge, path="/<script>"),
        ]

    async def test_what_others_have_typed_is_text_on_the_page(self, bridge: Bridge) -> None:
        pages = await self.pages(bridge)

        assert any(ATTACK in Page(answer).text for answer in pages)
        for answer in pages:
            found = Page(answer)
            assert len(found.all("script")) == 1, "our own"
            assert not found.all("img")

    async def test_nothing_is_inline_but_what_the_policy_names_and_nothing_comes_from_outside(
        self, bridge: Bridge
    ) -> None:
        for answer in await self.pages(bridge):
            policy = answer.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; script-src 'sha256-")
            assert "unsafe" not in policy
            for tag, attributes in Page(answer).elements:
                assert "style" not in attributes, tag
                assert not [name for name in attributes if name.startswith("on")], tag
                for name in ("src", "href", "action"):
                    value = attributes.get(name) or ""
                    assert not re.match(r"[a-z]+:|//|/", value) or value == "data:,", value

    async def test_pages_are_not_kept_and_do_not_tell_where_one_came_from(self, bridge: Bridge) -> None:
        for answer in await self.pages(bridge):
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


class TestLanguage:
    @pytest.mark.parametrize(
        ("header", "language"),
        [
            ("", "en"),
            ("ru", "ru"),
            ("ru-RU,ru;q=0.9,en-US;q=0.8,en;q=0.7", "ru"),
            ("en-US,en;q=0.9,ru;q=0.8", "en"),
            ("de,ru;q=0.5", "ru"),
            ("fr", "en"),
            ("ru;q=0", "en"),
            ("en;q=x, ru", "ru"),
        ],
    )
    def test_the_language_is_the_readers(self, header: str, language: str) -> None:
        request = Request({"type": "http", "headers": [(b"accept-language", header.encode())]})

        assert translator_for(request).language == language

    async def test_a_page_is_in_one_language(self, bridge: Bridge) -> None:
        for language, title in (("ru", "Запуски"), ("en", "Runs")):
            answer = await page(bridge, path="/runs", language=language)
            assert f'<html lang="{language}">' in answer.text
            assert f"<h1>{title}</h1>" in answer.text

    def test_money_is_written_as_one_reads_it(self) -> None:
        assert [Translator("ru").money(text).replace("\u00a0", " ") for text in ("12800.50", "0.00", "-5.10")] == [
            "12 800,50 ₽",
            "0,00 ₽",
            "-5,10 ₽",
        ]
        assert Translator("en").money("12800.50") == "₽12,800.50"

    def test_both_languages_say_the_same_things(self) -> None:
        def fields(phrase: str) -> set[str | None]:
            return {name for _, name, _, _ in string.Formatter().parse(phrase)} - {None}

        assert {code for code, (english, russian) in MESSAGES.items() if fields(english) != fields(russian)} == set()
        assert all(len(phrases) == len(LANGUAGES) and all(phrases) for phrases in MESSAGES.values())
        assert not ANSWERS.keys() & LABELS.keys()

    def test_there_is_a_phrase_for_whatever_can_be_told(self) -> None:
        def missing(prefix: str, names: Iterable[str]) -> set[str]:
            return {f"{prefix}.{name}" for name in names} - set(MESSAGES)

        assert not missing("result", [*Result, *(f"would_be_{result}" for result in Result)])
        assert not missing("phase", Phase)
        assert not missing("status", [*RunStatus, "interrupted"])
        assert not missing("verdict", Verdict)
        assert not missing("reason", Reason)
        assert not missing("note", Note)
        assert not missing("kind", CommunicationType)
        assert not missing("check", ["settings", "database", "crm_login", *COMAGIC_CHECKS])
        assert not missing("sort", SORTS)


class TestJournal:
    async def test_without_javascript_the_server_filters_and_sorts_a_stored_journal(self, bridge: Bridge) -> None:
        path = f"/runs/{await filled(bridge)}"
        journal = (await bridge.get(path=path)).json()["journal"]["log"]

        missing = Page(await page(bridge, "result=not_found", path=path)).rows()
        largest = Page(await page(bridge, "sort=-amount", path=path)).rows()
        one = Page(await page(bridge, f"q={next(iter(journal[3]))[2:]}", path=path)).rows()

        assert missing == [next(iter(row)) for row in journal if row["result"] == "not_found"]
        assert largest[0] == rows_by_sum(journal)[-1]
        assert one == [next(iter(journal[3]))]

    async def test_a_wrong_order_is_a_400(self, bridge: Bridge) -> None:
        assert (await page(bridge, "sort=up", path=f"/runs/{await filled(bridge)}")).status_code == 400

    async def test_the_balance_stands_on_it(self, bridge: Bridge) -> None:
        text = Page(await page(bridge, path=f"/runs/{await filled(bridge)}")).text

        assert "The sums add up to the kopeck." in text

    async def test_a_dry_run_is_a_diff_with_its_cost(self, bridge: Bridge) -> None:
        call(bridge)
        key = order(bridge, "700")
        await bridge.run()
        bridge.world.agbis.pay(key, "50")

        answer = await page(bridge, "update_db&dry_run")

        assert "<del>₽700.00</del> → <b>₽750.00</b>" in answer.text
        assert "Its cost in CoMagic points: 2" in Page(answer).text

    async def test_a_source_that_is_not_enabled_is_a_warning_on_the_page(self, tmp_path: Path) -> None:
        store = SqliteSalesStore(str(tmp_path / "every.db"))
        async with bridge_on(store, {"COMAGIC_SOURCES": "calls,chats"}) as bridge:
            bridge.world.comagic.switches = replace(bridge.world.comagic.switches, consultant=False)
            answer = await page(bridge, "update_db")
        await store.close()

        assert "get.chats_report was not read: CoMagic: method_component_disabled" in Page(answer).text


class TestProgress:
    async def going(self, bridge: Bridge, progress: Progress | None) -> Page:
        now = bridge.clock.now()
        await bridge.store.take_lease(Lease(run_id="going", started_at=now, until=now + LEASE_TTL), now=now)
        run = Run(run_id="going", status=RunStatus.RUNNING, started_at=now, expires_at=now + timedelta(days=1))
        await bridge.store.save_run(
            Run(
                run_id=run.run_id,
                status=run.status,
                started_at=now,
                expires_at=run.expires_at,
                progress=progress,
            )
        )
        in_list = Page(await page(bridge, path="/runs"))
        alone = Page(await page(bridge, path="/runs/going"))
        for found in (in_list, alone):
            assert {"http-equiv": "refresh", "content": "5"} in found.all("meta")
        assert in_list.all("progress") == alone.all("progress")
        return alone

    async def test_a_run_going_on_shows_a_bar_and_the_page_renews_itself(self, bridge: Bridge) -> None:
        found = await self.going(bridge, Progress(phase=Phase.APPLYING, done=30, total=120, at=NOON))

        (bar,) = found.all("progress")
        assert (bar["value"], bar["max"]) == ("30", "120")
        assert "changing sales: 30 of 120" in found.text

    async def test_what_has_no_known_end_shows_a_bar_without_one(self, bridge: Bridge) -> None:
        found = await self.going(bridge, Progress(phase=Phase.READING, done=30_000, total=None, at=NOON))

        (bar,) = found.all("progress")
        assert "value" not in bar

    async def test_a_run_that_has_just_begun_has_a_bar_too(self, bridge: Bridge) -> None:
        assert len((await self.going(bridge, None)).all("progress")) == 1

    async def test_a_page_about_the_past_does_not_renew_itself(self, bridge: Bridge) -> None:
        run_id = await filled(bridge)

        for path in ("/runs", f"/runs/{run_id}"):
            assert not [meta for meta in Page(await page(bridge, path=path)).all("meta") if "http-equiv" in meta]


@pytest.mark.parametrize("name", told)
async def test_every_story_is_a_page_in_both_languages(name: str, tmp_path: Path) -> None:
    happening, settings, sentence = told[name]
    async with after(happening, settings, tmp_path) as bridge:
        before = await dump(bridge.store)

        english = await page(bridge, f"phone={ANNA}", path="/explain")
        russian = await page(bridge, f"phone={ANNA}", path="/explain", language="ru")

        assert await dump(bridge.store) == before
    assert sentence in Page(english).text
    assert re.search("[а-яё]{5}", Page(russian).text)


async def test_a_page_does_not_say_that_there_is_nothing_when_nobody_could_be_asked(bridge: Bridge) -> None:
    bridge.world.comagic.fail(Fault(method="*", kind="http_503", times=None))

    text = Page(await page(bridge, f"phone={ANNA}", path="/explain")).text

    assert "CoMagic: get.calls_report: HTTP 503" in text
    assert "No communications since" not in text


async def test_pages_link_to_each_other_wherever_the_function_is_served(bridge: Bridge) -> None:
    """Behind cloudfunctions.net it lies below a path of its own, so no link begins with a slash."""
    run_id = await filled(bridge)

    for path, root in (("/runs", "./"), ("/runs/", "../"), (f"/runs/{run_id}", "../"), ("/", "./")):
        links = [link["href"] for link in Page(await page(bridge, path=path, query="")).all("a")]
        assert {f"{root}runs", f"{root}explain", f"{root}check_setup"} <= set(links), path

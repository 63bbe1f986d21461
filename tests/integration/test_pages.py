"""Pages: the same addresses in a browser. What a page shows in a real browser is tested in `tests/browser`."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from crm_bridge.domain.run import LEASE_TTL, Lease, Phase, Progress, Run, RunStatus
from crm_bridge.presentation import html, journal_table
from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from tests.sandbox.faults import Fault
from tests.sandbox.world import populate
from tests.support.database_dump import dump
from tests.support.factories import NOON
from tests.support.stories import ANNA, EVERY_STORY, after, call, order
from tests.support.sync_app import SyncApp, sync_app_on

pytestmark = pytest.mark.anyio

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
ATTACK = "<script>alert('1')</script>\"><img src=x onerror=alert(2)>{{ 7 * 7 }}"


async def page(bridge: SyncApp, query: str = "", *, path: str = "/", language: str = "en") -> httpx.Response:
    return await bridge.get(query, path=path, headers={"Accept": BROWSER, "Accept-Language": language})


class Page(HTMLParser):
    """A page, taken apart.

    Attributes:
        elements: Names and attributes of its elements.
        text: The text that a reader sees.
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
        """The phones of a journal's rows, in their order."""
        links = (attributes.get("href") or "" for attributes in self.all("a"))
        return [link.partition("phone=")[2] for link in links if "explain?phone=" in link]


def rows_by_sum(log: list[dict[str, str]]) -> list[str]:
    """The phones of a log, those with the largest sums last."""
    return [next(iter(row)) for row in sorted(log, key=lambda row: Decimal(row["amount"]))]


async def filled(bridge: SyncApp) -> str:
    """Run on a population and return the run's id."""
    populate(bridge.world, seed=3, phones=40)
    return str((await bridge.run())["run_id"])


class TestFormat:
    async def test_format_wins_over_the_header(self, bridge: SyncApp) -> None:
        as_json = await bridge.get("format=json", path="/runs", headers={"Accept": BROWSER})
        as_page = await bridge.get("format=html", path="/runs")

        assert as_json.json() == {"runs": []}
        assert as_page.text.startswith("<!DOCTYPE html>")

    async def test_a_run_made_in_a_browser_is_answered_with_its_journal(self, bridge: SyncApp) -> None:
        populate(bridge.world, seed=3, phones=40)

        answer = await page(bridge, "update_db")

        assert answer.status_code == 200
        assert len(Page(answer).rows()) == len((await bridge.run(""))["log"])

    async def test_a_failure_is_a_page_with_its_status_and_headers(self, bridge: SyncApp) -> None:
        now = bridge.clock.now()
        await bridge.store.take_lease(Lease(run_id="other", started_at=now, until=now + LEASE_TTL), now=now)

        busy, unknown = await page(bridge, "update_db"), await page(bridge, path="/nothing")

        assert (busy.status_code, busy.headers["Retry-After"]) == (409, "60")
        assert "Another run is in progress" in Page(busy).text
        assert (unknown.status_code, unknown.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


class TestSafety:
    async def pages(self, bridge: SyncApp) -> list[httpx.Response]:
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

    async def test_text_typed_by_others_is_text_on_the_page(self, bridge: SyncApp) -> None:
        pages = await self.pages(bridge)

        assert any(ATTACK in Page(answer).text for answer in pages)
        for answer in pages:
            found = Page(answer)
            assert len(found.all("script")) == 1, "our own"
            assert not found.all("img")

    async def test_nothing_is_inline_but_what_the_policy_names_and_nothing_comes_from_outside(
        self, bridge: SyncApp
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

    async def test_pages_are_not_cached_and_send_no_referrer(self, bridge: SyncApp) -> None:
        for answer in await self.pages(bridge):
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


class TestLanguage:
    async def test_a_page_is_in_one_language(self, bridge: SyncApp) -> None:
        for language, title in (("ru", "Запуски"), ("en", "Runs")):
            answer = await page(bridge, path="/runs", language=language)
            assert f'<html lang="{language}">' in answer.text
            assert f"<h1>{title}</h1>" in answer.text

    @pytest.mark.parametrize(
        ("query", "path", "english", "russian"),
        [
            ("verbose", "/", "Unknown parameter: verbose. Known", "Неизвестный параметр: verbose. Есть такие: "),
            (
                "",
                "/",
                "No data in DB found. Please",
                "В базе ещё нет данных. Загрузите их запуском с обновлением из CRM (update_db)",
            ),
            ("phone=x", "/explain", "phone must be a phone", "phone: нужен номер телефона, например phone="),
            ("", "/nothing", "No such path. Known paths: /, ", "Такого адреса нет. Есть такие: /, "),
            ("", "/runs/nothing", "There is no such run, or", "Такого запуска нет, либо он старше срока хранения "),
        ],
    )
    async def test_a_failure_is_in_the_readers_language_and_in_json_always_in_english(
        self, bridge: SyncApp, query: str, path: str, english: str, russian: str
    ) -> None:
        in_english, in_russian = (
            await page(bridge, query, path=path),
            await page(bridge, query, path=path, language="ru"),
        )
        as_json = await bridge.get(query, path=path, headers={"Accept-Language": "ru"})

        assert english in Page(in_english).text
        assert russian in Page(in_russian).text
        assert as_json.json()["message"].startswith(f"ERROR: {english}")
        assert as_json.status_code == in_english.status_code == in_russian.status_code

    async def test_another_run_in_progress_is_named_in_the_readers_language(self, bridge: SyncApp) -> None:
        now = bridge.clock.now()
        await bridge.store.take_lease(Lease(run_id="other", started_at=now, until=now + LEASE_TTL), now=now)

        assert (
            "Выполняется другой запуск: other, начат 15.06.2026 12:00<"
            in (await page(bridge, "update_db", language="ru")).text
        )

    @pytest.mark.parametrize(
        ("fault", "russian"),
        [
            ({"kind": "http_503"}, "CoMagic ответил на get.calls_report кодом HTTP 503"),
            ({"kind": "timeout_before"}, "CoMagic не ответил вовремя на get.calls_report"),
            ({"kind": "connect_error"}, "Нет связи с CoMagic (get.calls_report): ConnectError"),
            ({"kind": "not_json"}, "CoMagic: ответ на get.calls_report не объект JSON-RPC"),
            ({"kind": "no_result"}, "В ответе CoMagic нет результата"),
            ({"kind": "limit_exceeded_day"}, "CoMagic: лимит запросов исчерпан (limit_exceeded): "),
            ({"kind": "error", "params": {"mnemonic": "forbidden"}}, "CoMagic отказал (forbidden): "),
            ({"kind": "error", "params": {"mnemonic": "internal_error"}}, "CoMagic: сбой на его стороне (internal_err"),
        ],
        ids=str,
    )
    async def test_a_failure_of_comagic_is_a_sentence_around_its_reason(
        self, bridge: SyncApp, fault: dict[str, Any], russian: str
    ) -> None:
        await filled(bridge)
        bridge.world.comagic.fail(Fault(method="get.calls_report", times=None, **fault))

        failed = await page(bridge, "", language="ru")
        explained = await page(bridge, f"phone={ANNA}", path="/explain", language="ru")
        listed = await page(bridge, path="/runs", language="ru")
        run_id = (await bridge.get(path="/runs")).json()["runs"][0]["run_id"]
        alone = await page(bridge, path=f"/runs/{run_id}", language="ru")

        for answer in (failed, explained, listed, alone):
            assert russian in Page(answer).text

    @pytest.mark.parametrize(
        ("fault", "russian"),
        [
            ({"kind": "http_502_html"}, "Agbis ответил на OrderByDateTimeForAll кодом HTTP 502"),
            ({"kind": "no_orders_key"}, "Agbis: в ответе на OrderByDateTimeForAll нет списка"),
            (
                {"kind": "error", "params": {"code": 1, "msg": "плохо"}},
                "Agbis отказал на OrderByDateTimeForAll: ошибка 1: плохо",
            ),
        ],
        ids=str,
    )
    async def test_a_failure_of_the_crm_is_a_sentence_around_its_reason(
        self, bridge: SyncApp, fault: dict[str, Any], russian: str
    ) -> None:
        bridge.world.agbis.fail(Fault(method="OrderByDateTimeForAll", times=None, **fault))

        assert russian in Page(await page(bridge, "update_db", language="ru")).text

    async def test_a_wrong_password_is_named_by_the_settings_check_in_the_readers_language(
        self, bridge: SyncApp
    ) -> None:
        bridge.world.agbis.fail(Fault(method="Login", kind="error", params={"code": 2}, times=None))

        text = Page(await page(bridge, path="/check_setup", language="ru")).text

        assert "CRM не принимает вход: Agbis отказал на Login: ошибка 2" in text

    async def test_settings_that_are_missing_are_named_in_the_readers_language(self, tmp_path: Path) -> None:
        store = SqliteSalesStore(str(tmp_path / "bridge.db"))
        async with sync_app_on(store, {"COMAGIC_TOKEN": "", "TIME_ZONE": "Moscow"}) as bridge:
            run, setup = await page(bridge, language="ru"), await page(bridge, path="/check_setup", language="ru")
        await store.close()

        zone = "TIME_ZONE: нужно имя из базы часовых поясов IANA, например Europe/Moscow"
        assert f"Настройки: COMAGIC_TOKEN не задана; {zone}" in Page(run).text
        assert f"Настройки: {zone}" in Page(setup).text

    async def test_the_summary_of_a_run_is_in_the_readers_language(self, bridge: SyncApp) -> None:
        await filled(bridge)

        text = Page(await page(bridge, path="/runs", language="ru")).text

        assert re.search(r"проставлено: \d+, обновлено: \d+, снято: 0; уже стояло: \d+, не найдено: \d+, ", text)


class TestJournal:
    async def test_without_javascript_the_server_filters_and_sorts_a_stored_journal(self, bridge: SyncApp) -> None:
        path = f"/runs/{await filled(bridge)}"
        journal = (await bridge.get(path=path)).json()["journal"]["log"]

        missing = Page(await page(bridge, "result=not_found", path=path)).rows()
        largest = Page(await page(bridge, "sort=-amount", path=path)).rows()
        one = Page(await page(bridge, f"q={next(iter(journal[3]))[2:]}", path=path)).rows()

        assert missing == [next(iter(row)) for row in journal if row["result"] == "not_found"]
        assert largest[0] == rows_by_sum(journal)[-1]
        assert one == [next(iter(journal[3]))]

    async def test_a_long_journal_has_pages_that_keep_the_search(
        self, bridge: SyncApp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(journal_table, "PAGE_ROWS", 10)
        path = f"/runs/{await filled(bridge)}"
        log = (await bridge.get(path=path)).json()["journal"]["log"]
        found: list[str] = []

        for number in range(1, -(-len(log) // 10) + 1):
            answer = Page(await page(bridge, f"sort=phone&page={number}", path=path))
            found += answer.rows()
            following = [link["href"] for link in answer.all("a") if link.get("rel") == "next"]
            assert following == (
                [f"{path.removeprefix('/runs/')}?sort=phone&page={number + 1}"]
                if len(answer.rows()) == 10 and len(found) < len(log)
                else []
            )

        assert sorted(found) == sorted(next(iter(row)) for row in log)
        assert Page(await page(bridge, "page=999", path=path)).rows(), "the last page"
        assert (await page(bridge, "page=0", path=path)).status_code == 400

    async def test_the_csv_has_what_was_searched_for(self, bridge: SyncApp) -> None:
        path = f"/runs/{await filled(bridge)}"

        answer = Page(await page(bridge, "result=not_found&sort=-amount", path=path))
        (link,) = [link["href"] or "" for link in answer.all("a") if link.get("class") == "csv"]
        csv = await bridge.get(link.partition("?")[2], path=path)

        assert [line.partition(";")[0] for line in csv.text.splitlines()[1:]] == answer.rows()

    async def test_headings_are_links_that_sort_and_turn_round(self, bridge: SyncApp) -> None:
        path = f"/runs/{await filled(bridge)}"

        async def link(query: str) -> str:
            links = Page(await page(bridge, query, path=path)).all("a")
            return next(link["href"] or "" for link in links if link.get("data-first") == "-amount").partition("?")[2]

        assert await link("") == "sort=-amount"
        assert await link("sort=-amount&result=applied") == "result=applied&sort=amount"

    @pytest.mark.parametrize(("query", "hidden"), [("q=nobody", False), ("", True)])
    async def test_nothing_found_is_said(self, bridge: SyncApp, query: str, hidden: bool) -> None:
        answer = Page(await page(bridge, query, path=f"/runs/{await filled(bridge)}"))

        (said,) = [each for each in answer.all("p") if each.get("class") == "box nothing"]
        assert ("hidden" in said) is hidden

    async def test_a_journal_is_laid_out_beside_the_loop(
        self, bridge: SyncApp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path, threads = f"/runs/{await filled(bridge)}", []
        laid_out = html.page

        def noted(*args: Any, **values: Any) -> str:
            threads.append(threading.get_ident())
            return laid_out(*args, **values)

        monkeypatch.setattr(html, "page", noted)
        await page(bridge, path=path)

        assert threads
        assert threading.get_ident() not in threads

    async def test_a_wrong_order_is_a_400(self, bridge: SyncApp) -> None:
        assert (await page(bridge, "sort=up", path=f"/runs/{await filled(bridge)}")).status_code == 400

    async def test_the_balance_is_on_the_page(self, bridge: SyncApp) -> None:
        text = Page(await page(bridge, path=f"/runs/{await filled(bridge)}")).text

        assert "The sums add up to the kopeck." in text

    async def test_a_dry_run_is_a_diff_with_its_cost(self, bridge: SyncApp) -> None:
        call(bridge)
        key = order(bridge, "700")
        await bridge.run()
        bridge.world.agbis.pay(key, "50")

        answer = await page(bridge, "update_db&dry_run")

        assert "<del>₽700.00</del> → <b>₽750.00</b>" in answer.text
        assert "Its cost in CoMagic points: 2" in Page(answer).text

    async def test_a_source_that_is_not_enabled_is_a_warning_on_the_page(self, tmp_path: Path) -> None:
        store = SqliteSalesStore(str(tmp_path / "every.db"))
        async with sync_app_on(store, {"COMAGIC_SOURCES": "calls,chats"}) as bridge:
            bridge.world.comagic.switches = replace(bridge.world.comagic.switches, consultant=False)
            answer = await page(bridge, "update_db")
            russian = await page(bridge, "update_db&dry_run", language="ru")
        await store.close()

        assert "get.chats_report was not read: CoMagic: method_component_disabled" in Page(answer).text
        assert "get.chats_report не прочитан: CoMagic отказал (method_component_disabled)" in Page(russian).text


class TestProgress:
    async def going(self, bridge: SyncApp, progress: Progress | None) -> Page:
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
            assert not [meta for meta in found.all("meta") if "http-equiv" in meta], "WCAG: F41"
            assert [link for link in found.all("a") if link.get("class") == "reload"]
        assert in_list.all("progress") == alone.all("progress")
        return alone

    async def test_a_run_going_on_shows_a_bar_and_a_link_that_renews_it(self, bridge: SyncApp) -> None:
        found = await self.going(bridge, Progress(phase=Phase.APPLYING, done=30, total=120, at=NOON))

        (bar,) = found.all("progress")
        assert (bar["value"], bar["max"]) == ("30", "120")
        assert "changing sales: 30 of 120" in found.text

    async def test_a_phase_of_unknown_length_shows_a_bar_without_a_value(self, bridge: SyncApp) -> None:
        found = await self.going(bridge, Progress(phase=Phase.READING, done=30_000, total=None, at=NOON))

        (bar,) = found.all("progress")
        assert "value" not in bar

    async def test_a_run_that_has_just_begun_has_a_bar_too(self, bridge: SyncApp) -> None:
        assert len((await self.going(bridge, None)).all("progress")) == 1

    async def test_a_page_about_the_past_does_not_renew_itself(self, bridge: SyncApp) -> None:
        run_id = await filled(bridge)

        for path in ("/runs", f"/runs/{run_id}"):
            assert not [meta for meta in Page(await page(bridge, path=path)).all("meta") if "http-equiv" in meta]


@pytest.mark.parametrize("name", EVERY_STORY)
async def test_every_story_is_a_page_in_both_languages(name: str, tmp_path: Path) -> None:
    happening, settings, sentence = EVERY_STORY[name]
    async with after(happening, settings, tmp_path) as bridge:
        before = await dump(bridge.store)

        english = await page(bridge, f"phone={ANNA}", path="/explain")
        russian = await page(bridge, f"phone={ANNA}", path="/explain", language="ru")

        assert await dump(bridge.store) == before
    assert sentence in Page(english).text
    assert re.search("[а-яё]{5}", Page(russian).text)


async def test_a_page_does_not_claim_that_there_are_no_communications_when_comagic_failed(bridge: SyncApp) -> None:
    bridge.world.comagic.fail(Fault(method="*", kind="http_503", times=None))

    text = Page(await page(bridge, f"phone={ANNA}", path="/explain")).text

    assert "CoMagic: get.calls_report: HTTP 503" in text
    assert "No communications since" not in text


async def test_pages_link_to_each_other_wherever_the_function_is_served(bridge: SyncApp) -> None:
    """Behind cloudfunctions.net it lies below a path of its own, so no link begins with a slash."""
    run_id = await filled(bridge)

    for path, root in (("/runs", "./"), ("/runs/", "../"), (f"/runs/{run_id}", "../"), ("/", "./")):
        links = [link["href"] for link in Page(await page(bridge, path=path, query="")).all("a")]
        assert {f"{root}runs", f"{root}explain", f"{root}check_setup"} <= set(links), path

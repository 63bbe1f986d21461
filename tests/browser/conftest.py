"""A real Chromium, headless, on pages of real runs on a population of 5,000 phones."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect, sync_playwright
from starlette.applications import Starlette
from starlette.routing import Route

from crm_bridge.domain.run import LEASE_TTL, Lease, Phase, Progress, Run, RunStatus
from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from tests.sandbox.world import populate
from tests.support.factories import NOON
from tests.support.function_process import free_port
from tests.support.sync_app import SyncApp, sync_app_on
from tests.support.waiting import PATIENCE

PHONES = 5000
ATTACK = "<script>alert('1')</script>\"><img src=x onerror=alert(2)>"
ATTACKED = "79051234567"
WRITTEN = "+7 905 123-45-67"
"""The same phone as pages show it."""

_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
expect.set_options(timeout=PATIENCE * 1000)

_MISSING = pytest.StashKey[str]()


@pytest.fixture(scope="module")  # and not longer: while it is open, no other test of the process can have a loop
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """Give a browser: that of CHROMIUM, or one on the PATH.

    Without one the tests are skipped, and the summary says so in capitals; with CI=true they fail.
    """
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        request.config.stash[_MISSING] = "missing"
        if os.environ.get("CI", "").lower() in {"true", "1"}:
            pytest.fail("No Chromium")
        pytest.skip("no Chromium")
    with sync_playwright() as playwright:
        # Chromium's own sandbox does not work for root, and these are our own pages.
        browser = playwright.chromium.launch(executable_path=path, chromium_sandbox=os.getuid() != 0)
        yield browser
        browser.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if _MISSING in config.stash:
        terminalreporter.section("THE PAGES WERE NOT TESTED IN A BROWSER", sep="!", red=True, bold=True)
        terminalreporter.line("There is no Chromium on the PATH: apt-get install chromium, or set CHROMIUM.", red=True)


@dataclass
class Site:
    """The bridge as a browser reaches it.

    Attributes:
        url: Without a slash at the end.
        run_id: A run that has applied everything.
        short_run_id: A run of one phone.
    """

    url: str
    run_id: str = ""
    short_run_id: str = ""
    failed: list[BaseException] = field(default_factory=list)


@pytest.fixture(scope="module")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve a bridge that has made a run on the whole population, from a thread with a loop of its own."""
    port = free_port()
    site = Site(url=f"http://127.0.0.1:{port}")
    server: list[uvicorn.Server] = []
    ready = threading.Event()

    async def serve() -> None:
        store = SqliteSalesStore(str(tmp_path_factory.mktemp("pages") / "bridge.db"))
        async with sync_app_on(store) as bridge:
            site.run_id, site.short_run_id = await _history(bridge)
            app = Starlette(routes=[Route("/{path:path}", bridge.endpoint)])
            config = uvicorn.Config(app, port=port, log_level="error", lifespan="off")
            server.append(uvicorn.Server(config))
            threading.Thread(target=_when_started, args=(server[0], ready)).start()
            await server[0].serve()
        await store.close()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as exc:
            site.failed.append(exc)
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(600), "the run on the whole population takes too long"
    assert not site.failed, site.failed
    yield site
    server[0].should_exit = True
    thread.join(PATIENCE)


def _when_started(server: uvicorn.Server, ready: threading.Event) -> None:
    while not server.started:
        threading.Event().wait(0.02)
    ready.set()


async def _history(bridge: SyncApp) -> tuple[str, str]:
    """Make a run on everybody, one of a phone, and one that is still going on; return the ids of the first two."""
    agbis, at = bridge.world.agbis, NOON - timedelta(hours=9)
    populate(bridge.world, seed=3, phones=PHONES)
    order = agbis.add_order(agbis.add_client(ATTACKED, name=ATTACK), [(ATTACK, "10")], at=at)
    agbis.pay(order, "10", at=at)
    agbis.add_order(agbis.add_client(ATTACK), [(ATTACK, "10")], at=at)
    bridge.world.comagic.add_call(ATTACKED, NOON - timedelta(days=1))
    journal = await bridge.run()
    short = await bridge.run(f"phone={ATTACKED}")
    agbis.pay(order, "5")
    await bridge.run("update_db&dry_run")  # leaves changes to show: old -> new

    now = bridge.clock.now()
    progress = Progress(phase=Phase.APPLYING, done=1200, total=3861, at=now)
    await bridge.store.take_lease(Lease(run_id="going", started_at=now, until=now + LEASE_TTL * 100), now=now)
    await bridge.store.save_run(
        Run(
            run_id="going",
            status=RunStatus.RUNNING,
            started_at=now,
            expires_at=now + timedelta(days=1),
            progress=progress,
        )
    )
    return str(journal["run_id"]), str(short["run_id"])


@pytest.fixture
def open_page(browser: Browser, site: Site) -> Iterator[Callable[..., Page]]:
    """Give a function that opens a page; a complaint of the console or of the policy fails the test."""
    complaints: list[str] = []
    contexts: list[Any] = []

    def opened(
        path: str,
        *,
        width: int = 1200,
        dark: bool = False,
        script: bool = True,
        language: str = "ru-RU",
        status: int = 200,
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
            locale=language,
        )
        context.set_default_timeout(PATIENCE * 1000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type != "log" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.on("requestfailed", lambda request: complaints.append(f"not loaded: {request.url}"))
        answer = page.goto(f"{site.url}{path}")
        assert answer is not None
        assert answer.status == status
        if status >= 400:
            complaints[:] = [text for text in complaints if "Failed to load resource" not in text]  # that of the page
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []

"""Make the pictures of the READMEs again: a run's page, in English and Russian.

`PYTHONPATH=function .venv/bin/python -m tests.docs.picture`
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import httpx
from playwright.sync_api import ViewportSize, sync_playwright

from tests.sandbox.serve import serve_in_thread
from tests.sandbox.world import World, populate
from tests.support.function_process import ROOT, running_function

PICTURES = {"en": "journal.png", "ru": "journal.ru.png"}
SIZE = ViewportSize(width=1200, height=960)
QUIET = ("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")


def main() -> None:
    world = World()
    populate(world)
    with tempfile.TemporaryDirectory() as folder, serve_in_thread(world) as base:
        settings = {"STORE_URL": f"sqlite:///{folder}/bridge.db", **world.settings(base)}
        with running_function("sync", settings, output=subprocess.DEVNULL) as function:
            journal = httpx.get(f"{function.url}/?update_db", timeout=120).json()["journal"]
            _photograph(f"{function.url}/runs/{journal['run_id']}", ROOT / "docs" / "images")


def _photograph(url: str, folder: Path) -> None:
    with sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM") or shutil.which("chromium")
        root = os.getuid() == 0  # Chromium's own sandbox does not work for root
        browser = playwright.chromium.launch(executable_path=path, chromium_sandbox=not root, args=list(QUIET))
        for language, name in PICTURES.items():
            page = browser.new_page(viewport=SIZE, locale=language)
            page.goto(url)
            page.screenshot(path=folder / name)
        browser.close()


if __name__ == "__main__":
    main()

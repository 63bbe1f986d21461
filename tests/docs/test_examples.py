"""Every example answers as it is printed.

An example may leave out keys of an object and elements of a list; what it prints must be so. Only the ids of runs
differ each time: the clock stands still at noon here.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from crm_bridge.handlers import exchange
from crm_bridge.services import ExchangeServices
from crm_bridge.settings import Settings
from crm_bridge.stores.sqlite.cards import SqliteCardStore
from tests.docs.markdown import OURS, Command, Document, in_code, json_values
from tests.sandbox.clock import ManualClock
from tests.sandbox.world import World
from tests.support import stories
from tests.support.databases import locked
from tests.support.function_process import ROOT
from tests.support.stories import ANNA, after
from tests.support.sync_app import SyncApp

pytestmark = pytest.mark.anyio

POSTED_AT = datetime(2017, 4, 2, 21, 59, 53, 667318, tzinfo=UTC)
"""When the printed cards were posted: 00:59 in Moscow."""

FAILURES = [row for row in Document("docs/exchange.md").table("status | answer") if row[0] != "200"]

WITH_EXAMPLES = ["README.md", "README.ru.md", "docs/admin.md", "docs/sync.md"]


def is_part_of(printed: Any, answered: Any) -> bool:
    """Return whether an example shows nothing but what was answered."""
    match printed, answered:
        case dict(), dict():
            return all(key in answered and is_part_of(value, answered[key]) for key, value in printed.items())
        case list(), list():
            rest = iter(answered)
            return all(any(is_part_of(each, candidate) for candidate in rest) for each in printed)
        case str(), str() if re.fullmatch(r"[0-9a-f]{32}", printed):
            return re.fullmatch(r"[0-9a-f]{32}", answered) is not None
        case _:
            return type(printed) is type(answered) and bool(printed == answered)


def _of_sync(document: Document) -> list[Command]:
    return [each for each in document.commands if each.line.startswith("curl") and ":8080/" in each.line]


def test_every_example_is_tried() -> None:
    with_examples = [each.name for each in OURS if any(command.output for command in _of_sync(each))]

    assert with_examples == WITH_EXAMPLES


@pytest.mark.parametrize("name", WITH_EXAMPLES)
async def test_sync_answers_as_printed(name: str, served: SyncApp) -> None:
    compared = 0
    for command in _of_sync(Document(name)):
        address = urlsplit(shlex.split(command.line)[-1])
        answer = await served.get(address.query, path=address.path)
        if command.output:
            (printed,) = json_values(command.output)
            assert is_part_of(printed, answer.json()), f"{command.line}\n{answer.text}"
            compared += 1
        if address.query.startswith("update_db"):
            served.clock.advance(timedelta(minutes=2))

    assert compared >= 1


@pytest.mark.parametrize("name", ["docs/exchange.md", "README.ru.md"])
async def test_exchange_answers_as_printed(name: str, tmp_path: Path) -> None:
    async with _exchange(tmp_path) as caller:
        commands = [each for each in Document(name).commands if ":8081/" in each.line and each.output]
        for command in commands:
            _, address, *data = shlex.split(command.line)
            path = urlsplit(address).path
            answer = await (caller.post(path, content=data[1]) if data else caller.get(path))
            assert answer.status_code == 200
            assert answer.json() == json_values(command.output)[0]

    assert len(commands) == 2


@pytest.mark.parametrize("status_and_answer", FAILURES, ids=lambda row: row[1])
async def test_exchange_has_the_printed_failures(status_and_answer: list[str], tmp_path: Path) -> None:
    status, answer, _ = status_and_answer
    card = {"name": "John Doe", "phone": "9156685347", "arpu": "4570", "soc_tariff": "TESTSOC"}
    path, key = "/api/test_id", "0123456789abcdef"
    requests = {
        '{"Error": "No data for id = test_id"}': ("GET", path, None),
        '{"result": "Invalid form submission, missing fields: name, phone"}': (
            "POST", path, json.dumps({**card, "name": None, "phone": ""})),
        '{"result": "Invalid form submission, phone: must be a string of 10 digits"}': (
            "POST", path, json.dumps({**card, "phone": "89156685347"})),
        '{"result": "Invalid form submission, must be a JSON object in UTF-8"}': ("POST", path, "name=John"),
        '{"Error": "id: must be 1 to 20 of A-Z a-z 0-9 _"}': ("GET", "/api/a-b", None),
        '{"Error": "wait: must be a number of seconds from 0 to 25"}': ("GET", f"{path}?wait=26", None),
        '{"Error": "Unauthorized"}': ("GET", path, None),
        '{"Error": "Not found"}': ("GET", "/api", None),
        '{"Error": "Method not allowed"}': ("PUT", path, "{}"),
        '{"result": "Invalid form submission, must be at most 4096 bytes"}': ("POST", path, " " * 5000),
        '{"Error": "Internal error"}': ("GET", path, None),
        '{"Error": "The database cannot be used: another program has locked it"}': ("POST", path, json.dumps(card)),
    }  # fmt: skip
    (text,) = in_code(answer)
    method, address, body = requests[text]
    settings = {"EXCHANGE_API_KEY": key} if status == "401" else {}
    if status == "500":
        settings["EXCHANGE_TTL_SECONDS"] = "an hour"
    async with _exchange(tmp_path, **settings) as caller:
        await caller.get(address)  # makes the file
        with locked(tmp_path / "cards.db") if status == "503" else nullcontext():
            got = await caller.request(method, address, content=body)

    assert (str(got.status_code), got.json()) == (status, json.loads(text))


def _exchange(folder: Path, **settings: str) -> httpx.AsyncClient:
    cards = SqliteCardStore(str(folder / "cards.db"), patience=0.1)

    def services() -> ExchangeServices:
        return ExchangeServices(settings=Settings.from_env(settings), clock=ManualClock(POSTED_AT), cards=cards)

    async def endpoint(request: Request) -> Response:
        return await exchange.handle(request, services)

    app = Starlette(routes=[Route("/{path:path}", endpoint, methods=["GET", "POST", "PUT"])])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://exchange.test")


def test_the_demo_prints_what_the_readmes_show() -> None:
    demo = subprocess.run(
        [sys.executable, "-m", "tests.demo"], capture_output=True, text=True, check=True, cwd=ROOT, timeout=120,
        env={"PYTHONPATH": "function", "PATH": "/usr/bin:/bin"},
    ).stdout  # fmt: skip
    beginning, _, end = demo.partition("\nThe same call again:\n")

    for name in ("README.md", "README.ru.md"):
        blocks = Document(name).blocks
        (shown,) = [block.text for block in blocks if block.language == "json"]
        assert is_part_of(json.loads(shown), json.loads(beginning))
        (shown_end,) = [block.text for block in blocks if block.text.startswith("The same call again:\n")]
        assert _without_date(shown_end.partition("\n")[2]) == _without_date(end)


def _without_date(text: str) -> str:
    return re.sub(r'"date": "[^"]*"', '"date": ""', text).strip()


def test_the_sandbox_prints_the_settings_that_are_shown() -> None:
    (shown,) = [each.output for each in Document("docs/running.md").commands if "tests.sandbox" in each.line]
    settings = World().settings("http://127.0.0.1:9090")

    assert shown.splitlines()[1:-1] == [f"{name}={text}" for name, text in settings.items()]
    assert shown.splitlines()[-1].endswith("python -m tests.sandbox --list")


STORIES_IN_RUSSIAN = {
    "отмечен": "several_orders_in_parts",
    "следующего запуска ещё не было": "paid_since_the_last_run",
    "клиент пришёл без звонка": "never_called",
    "трубку не взяли": "nobody_answered",
    "звонок был давно": "called_too_long_ago",
    "клиент написал через форму на сайте": "wrote_through_the_form",
    "клиент ещё не заплатил": "not_paid_yet",
    "деньги вернули": "refunded_after_it_was_marked",
    "заказ слишком старый или на другом телефоне": "called_but_never_ordered",
}
"""What happened, as the table of README.ru.md has it, and the story of `tests/support/stories.py` about it."""


def test_every_russian_answer_has_a_story() -> None:
    assert [row[0] for row in Document("README.ru.md").table("что произошло")] == list(STORIES_IN_RUSSIAN)


@pytest.mark.parametrize(
    ("happened", "printed"), Document("README.ru.md").table("что произошло"), ids=STORIES_IN_RUSSIAN.values()
)
async def test_the_russian_page_answers_as_printed(happened: str, printed: str, tmp_path: Path) -> None:
    async with after(getattr(stories, STORIES_IN_RUSSIAN[happened]), {}, tmp_path) as bridge:
        page = await bridge.get(
            f"phone={ANNA}", path="/explain", headers={"Accept": "text/html", "Accept-Language": "ru"}
        )

    text = page.text.replace("\xa0", " ").replace("\u202f", " ").replace("&amp;", "&")
    assert printed.removeprefix("«").removesuffix("»") in text

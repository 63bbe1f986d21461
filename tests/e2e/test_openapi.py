"""`docs/openapi` and the running functions agree: schemathesis asks what the files allow and what they do not."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import ANY

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from crm_bridge.domain.run import Phase, RunStatus
from crm_bridge.handlers.sync import ROUTES
from tests.docs.markdown import Document
from tests.sandbox.serve import serve_in_thread
from tests.sandbox.world import World, populate
from tests.support.function_process import ROOT, running_function

FOLDER = ROOT / "docs" / "openapi"
SYNC = schemathesis.openapi.from_path(FOLDER / "sync.yaml")
EXCHANGE = schemathesis.openapi.from_path(FOLDER / "exchange.yaml")
CONFORMS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = settings(
    max_examples=10, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
PHONE = "79990000001"


@pytest.fixture(scope="module")
def sync_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running `sync` that has made a run on sixty phones."""
    world = World()
    populate(world)
    folder = tmp_path_factory.mktemp("openapi")
    with serve_in_thread(world) as base:
        store = {"STORE_URL": f"sqlite:///{folder}/bridge.db", **world.settings(base)}
        with running_function("sync", store, output=subprocess.DEVNULL) as function:
            httpx.get(f"{function.url}/?update_db", timeout=60).raise_for_status()
            yield function.url


@pytest.fixture(scope="module")
def exchange_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    store = {"STORE_URL": f"sqlite:///{tmp_path_factory.mktemp('openapi')}/cards.db"}
    with running_function("exchange", store, output=subprocess.DEVNULL) as function:
        yield function.url


@SYNC.parametrize()
@EXAMPLES
def test_whatever_sync_is_asked_it_answers_as_described(case: schemathesis.Case[Any], sync_url: str) -> None:
    # A refresh of a year takes a minute.
    if case.path == "/" and re.fullmatch(r"20\d\d-\d\d-\d\d", str(case.query.get("date_from"))):
        case.query["date_from"] = f"{datetime.now(UTC).date() - timedelta(days=2)}"
    is_check = case.path == "/check_setup"  # its 503 says that a check does not hold: one does not, on purpose
    checks = CONFORMS if is_check else [*CONFORMS, not_a_server_error]

    case.call_and_validate(base_url=sync_url, checks=checks, timeout=60)


@EXCHANGE.parametrize()
@EXAMPLES
def test_whatever_exchange_is_asked_it_answers_as_described(case: schemathesis.Case[Any], exchange_url: str) -> None:
    if case.query and "wait" in case.query:
        case.query["wait"] = "0"  # so that the tests do not wait

    case.call_and_validate(base_url=exchange_url, checks=[*CONFORMS, not_a_server_error], timeout=60)


class TestGoodAnswers:
    """Random requests meet no stored run and no card, so these are asked for by name."""

    def answer(self, schema: Any, path: str, method: str, url: str, **values: Any) -> Any:
        case = schema[path][method].Case(**values)
        answer = case.call_and_validate(base_url=url, checks=CONFORMS, timeout=60)
        assert answer.status_code == 200
        return answer.json()

    @pytest.mark.parametrize("query", [{"update_db": ""}, {"dry_run": "1", "log": "changes"}], ids=str)
    def test_a_run(self, sync_url: str, query: dict[str, str]) -> None:
        assert self.answer(SYNC, "/", "GET", sync_url, query=query)["success"] is True

    def test_runs_and_one_of_them_with_its_rows(self, sync_url: str) -> None:
        runs = self.answer(SYNC, "/runs", "GET", sync_url)["runs"]
        run_id = next(run["run_id"] for run in runs if run.get("figures", {}).get("tags_applied"))

        run = self.answer(SYNC, "/runs/{run_id}", "GET", sync_url, path_parameters={"run_id": run_id})

        assert len(run["journal"]["log"]) > 50

    def test_the_home_page(self, sync_url: str) -> None:
        assert self.answer(SYNC, "/start", "GET", sync_url)["step"] == "done"

    def test_an_explanation(self, sync_url: str) -> None:
        assert self.answer(SYNC, "/explain", "GET", sync_url, query={"phone": PHONE})["phone"] == PHONE

    def test_a_card_and_its_return(self, exchange_url: str) -> None:
        path = {"path_parameters": {"id": "call_1042"}}
        body = EXCHANGE.raw_schema["paths"]["/api/{id}"]["post"]["requestBody"]
        form = body["content"]["application/json"]["example"]

        self.answer(EXCHANGE, "/api/{id}", "POST", exchange_url, body=form, media_type="application/json", **path)
        card = self.answer(EXCHANGE, "/api/{id}", "GET", exchange_url, **path)

        assert card["name"] == form["name"]

    def test_the_python_sample_of_the_manual(self, exchange_url: str) -> None:
        (sample,) = [block.text for block in Document("docs/exchange.md").blocks if block.language == "python"]
        names: dict[str, Any] = {}
        exec(sample.replace("http://127.0.0.1:8081", exchange_url), names)
        card = {"name": "Иван Петров", "phone": "9156685347", "arpu": 4570, "soc_tariff": "TESTSOC"}

        names["post_card"]("1718452800.1042", card)

        assert names["get_card"]("1718452800.1042") == card | {
            "arpu": "4570",
            "id": names["card_id"]("1718452800.1042"),
            "date": ANY,
        }
        assert f"`{names['card_id']('1718452800.1042')}`" in Document("docs/exchange.md").text


class TestNothingIsLeftOut:
    def test_every_path_and_verb_of_sync_is_described(self) -> None:
        paths = SYNC.raw_schema["paths"]
        described = {
            path.replace("{run_id}", "<run_id>"): {verb.upper() for verb in item if verb in {"get", "post"}}
            for path, item in paths.items()
        }

        assert described == {path: set(route.verbs) for path, route in ROUTES.items()}

    def test_every_parameter_of_a_run_is_described(self, sync_url: str) -> None:
        refused = httpx.get(f"{sync_url}/?unheard_of").json()["message"]
        names = {
            parameter.get("name") or parameter["$ref"].rpartition("/")[2].replace("journal_", "")
            for parameter in SYNC.raw_schema["paths"]["/"]["parameters"]
        }

        assert names == set(refused.partition("Known parameters: ")[2].split(", "))

    def test_every_status_and_phase_is_described(self) -> None:
        run = SYNC.raw_schema["components"]["schemas"]["Run"]["properties"]

        assert set(run["status"]["enum"]) == {*RunStatus, "interrupted"}
        assert set(run["progress"]["properties"]["phase"]["enum"]) == set(Phase)

"""The world: its population, its control surface, and how it is served."""

import ast
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.sandbox.clock import ManualClock, SystemClock
from tests.sandbox.personas import PERSONAS
from tests.sandbox.serve import serve_in_thread
from tests.sandbox.transport import SandboxTransport
from tests.sandbox.world import World, populate
from tests.sandbox_tests.callers import AgbisCaller, CoMagicCaller, envelope
from tests.support.factories import NOON
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.anyio
TESTS = Path(__file__).parents[1]


@pytest.fixture
def world() -> World:
    return World(ManualClock(NOON))


def test_the_sandbox_imports_nothing_of_the_program_and_nothing_of_its_tests() -> None:
    """It is the independent judge: a mistake that it shared with the program would go unnoticed."""
    files = list((TESTS / "sandbox").rglob("*.py"))
    names = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: a relative import"
                names.add(node.module or "")

    assert {"agbis", "comagic", "sandbox"} <= {path.parent.name for path in files}
    assert {name for name in names if name.startswith("tests")} <= {
        name for name in names if name.startswith("tests.sandbox.")
    }
    assert not {name for name in names if name.startswith(("crm_bridge", "function", "main"))}


# Population


def test_the_same_seed_gives_the_same_town() -> None:
    def populated(seed: int) -> Any:
        world = World(ManualClock(NOON))
        truth = populate(world, seed=seed)
        return truth, world.agbis.orders, world.agbis.clients, world.comagic.sales

    assert populated(1) == populated(1)
    assert populated(1) != populated(2)


def test_even_the_smallest_town_has_every_result(world: World) -> None:
    truth = populate(world, phones=5)

    assert Counter(truth.results.values()) == Counter(["applied", "updated", "problem", "not_found", "nothing_paid"])


def test_the_town_has_everything_seen_in_the_wild(world: World) -> None:
    truth = populate(world)
    agbis, comagic = world.agbis, world.comagic
    calls = comagic.store.timelines["call"].rows
    by_phone = Counter(call.phone for call in calls if call.phone)
    phones = [client.phone for client in agbis.clients.values()]

    assert {call.lost for call in calls} == {True, False}
    assert {call.direction for call in calls} == {"in", "out"}
    assert None in {call.phone for call in calls}
    assert by_phone.most_common(1)[0][1] > 1
    assert any(a.phone == b.phone and a.start == b.start and a.phone for a, b in pairwise(calls))
    assert min(call.start for call in calls) < NOON.timestamp() - 30 * 86_400
    assert any(len(call.state.tags) == 2 and call.state.tags[1].tag_id == comagic.sale_tag_id for call in calls)
    assert {sale.set_by for standing in comagic.sales.values() for sale in standing} == {"hand"}
    typed = {row.phone for row in comagic.store.timelines["chat"].rows}
    assert {len(phone) for phone in typed if phone and phone.isdecimal()} == {10, 11}
    assert "" in phones
    assert "нет телефона" in phones
    assert any(phone.startswith("+375") for phone in phones)
    assert any(phone.startswith("8") for phone in phones)
    assert any("(" in phone for phone in phones)
    assert any(client.landline and not client.phone for client in agbis.clients.values())
    assert max(Counter(phone for phone in truth.phones.values() if phone).values()) == 2
    assert max(Counter(order.client_id for order in agbis.orders.values()).values()) == 3
    assert any(order.status == 7 for order in agbis.orders.values())
    assert any(payment.amount_kopecks < 0 for order in agbis.orders.values() for payment in order.payments)
    assert any(0 < order.net_kopecks < order.kredit_kopecks for order in agbis.orders.values())
    assert set(truth.results.values()) == {
        "applied", "updated", "problem", "not_found", "nothing_paid", "failed",
    }  # fmt: skip


def test_the_truth_adds_up(world: World) -> None:
    truth = populate(world, phones=200)
    known = [order for order in world.agbis.orders.values() if truth.phones[order.client_id]]
    fresh = [order for order in known if order.update >= NOON - timedelta(days=3)]

    assert sum(truth.totals.values()) == sum(order.net_kopecks for order in known)
    assert sum(truth.fresh_totals.values()) == sum(order.net_kopecks for order in fresh)
    assert set(truth.results) == set(truth.fresh_totals)
    assert truth.fresh_orders_without_phone == 2
    for phone, result in truth.results.items():
        assert (truth.fresh_totals[phone] > 0) == (result != "nothing_paid"), phone
        if phone in truth.bearers:
            assert world.comagic.communication(truth.bearers[phone]).phone == phone


def test_every_persona_is_used(world: World) -> None:
    populate(world, phones=len(PERSONAS), strangers=0)

    assert len(world.agbis.orders) >= len(PERSONAS)


def test_a_big_population_is_quick() -> None:
    world = World(ManualClock(NOON))
    began = time.process_time()

    populate(world, phones=2000, calls=50_000)

    assert len(world.comagic.store.timelines["call"].rows) > 50_000
    assert time.process_time() - began < 10


# The app and its control surface


async def control(world: World, verb: str, name: str, body: Any = None, status: int = 200) -> Any:
    transport = SandboxTransport(world.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox", trust_env=False) as http:
        response = await http.request(verb, f"/_sandbox/{name}", json=body)
    assert response.status_code == status, response.text
    return response.json()


async def test_one_app_serves_both(world: World) -> None:
    transport = SandboxTransport(world.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox", trust_env=False) as http:
        crm = await http.get(f"{world.agbis.base_path}?api_version")
        tracking = await http.post("/v2.0", json=envelope("get.account"))
        nowhere = await http.get("/")

    assert crm.json() == {"api_version": "1.3"}
    assert tracking.json()["result"]["data"]
    assert nowhere.status_code == 404


async def test_the_state_tells_all(world: World) -> None:
    populate(world, phones=10)
    await CoMagicCaller(world.comagic).result("get.tags")
    await AgbisCaller(world.agbis).login()

    state = await control(world, "GET", "state")

    assert state["requests"] == {"agbis": {"Login": 1}, "comagic": {"get.tags": 1}}
    assert state["points_used"] == 1
    assert len(state["orders"]) == len(world.agbis.orders)
    assert {sale["set_by"] for sales in state["sales"].values() for sale in sales} == {"hand"}
    assert state["truth"]["results"] == (world.truth.results if world.truth else None)


async def test_faults_over_the_control_surface(world: World) -> None:
    faults = [
        {"method": "Login", "kind": "http_503"},
        {"method": "set.tag_sales", "kind": "error", "params": {"mnemonic": "internal_error"}},
        {"method": "*", "kind": "http_500", "system": "comagic", "times": None},
    ]
    listed = await control(world, "POST", "faults", faults)
    gone = await control(world, "DELETE", "faults")

    assert [fault["kind"] for fault in listed["agbis"]] == ["http_503"]
    assert [fault["kind"] for fault in listed["comagic"]] == ["error", "http_500"]
    assert gone == {"agbis": [], "comagic": []}


async def test_switches_clock_and_limits_over_the_control_surface(world: World) -> None:
    await control(world, "POST", "switches", {"agbis": {"bom": True}, "comagic": {"result_shape": "flat"}})
    await control(world, "POST", "clock", {"advance_seconds": 90})
    limits = await control(world, "POST", "limits", {"minute_limit": 60, "day_limit": 100, "spend_day": True})
    refused = await control(world, "POST", "switches", {"agbis": {"spaces": "tab"}}, status=400)

    assert world.agbis.switches.bom
    assert world.comagic.switches.result_shape == "flat"
    assert world.clock.now() == NOON + timedelta(seconds=90)
    assert world.comagic.minute_limit == 60
    assert limits["day_remaining"] == 0
    assert "choose from" in refused["error"]


async def test_events_over_the_control_surface(world: World) -> None:
    (client,) = await control(world, "POST", "events", [{"event": "add_client", "phone": "+79990000001"}])
    (order,) = await control(
        world,
        "POST",
        "events",
        [{"event": "add_order", "client_id": client, "services": [["Химчистка пальто", "2800.50"]]}],
    )
    answers = await control(
        world,
        "POST",
        "events",
        [
            {"event": "pay", "order_id": order, "amount": "2800.50", "at": "2026-06-15T11:00:00"},
            {"event": "refund", "order_id": order, "amount": 300},
            {"event": "add_call", "phone": "79990000001", "at": "2026-06-15T07:00:00+00:00"},
        ],
    )
    await control(world, "POST", "events", {"event": "sell_by_hand", "communication_id": answers[2], "amount": "5"})

    state = await control(world, "GET", "state")
    assert state["orders"][order]["net"] == "2500.50"
    assert state["sales"][f"call/{answers[2]}"][0]["amount"] == "5.00"
    assert world.agbis.orders[order].payments[0].at == NOON - timedelta(hours=1)


@pytest.mark.parametrize(
    "event", [{"event": "explode"}, {"event": "pay", "order_id": "1", "amount": 1}, {"event": "pay", "amount": 0.5}]
)
async def test_wrong_events_are_told(world: World, event: dict[str, Any]) -> None:
    answer = await control(world, "POST", "events", [event], status=400)

    assert answer["error"]


async def test_requests_and_reset(world: World) -> None:
    populate(world)
    await AgbisCaller(world.agbis).login()
    requests = await control(world, "GET", "requests")
    await control(world, "POST", "reset")
    empty = await control(world, "GET", "state")
    full = await control(world, "POST", "reset", {"seed": 3, "phones": 5})

    assert requests["agbis"][0]["params"] == {"User": "api", "AsUser": "1"}
    assert (empty["orders"], empty["sales"], empty["requests"]["agbis"]) == ({}, {}, {})
    assert len(full["truth"]["results"]) == 5
    assert (await AgbisCaller(world.agbis).login())["error"] == 0


async def test_unknown_controls_list_the_known(world: World) -> None:
    answer = await control(world, "GET", "nothing", status=404)

    assert "GET /_sandbox/state" in answer["known"]


# Served


def test_served_in_a_thread() -> None:
    world = World(SystemClock(), latency=0.05)
    with serve_in_thread(world) as url:
        began = time.perf_counter()
        response = httpx.get(f"{url}{world.agbis.base_path}?api_version", timeout=PATIENCE, trust_env=False)
        took = time.perf_counter() - began
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, timeout=PATIENCE, trust_env=False)

    assert response.json() == {"api_version": "1.3"}
    assert took >= 0.05


def test_it_runs_as_a_program_and_stops_at_a_signal() -> None:
    command = [sys.executable, "-m", "tests.sandbox", "--port", "0", "--phones", "5"]
    with subprocess.Popen(command, cwd=TESTS.parent, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        lines = [program.stdout.readline().strip() for _ in range(6)]
        settings = dict(line.split("=", 1) for line in lines if "=" in line)
        response = httpx.get(f"{settings['AGBIS_URL']}?api_version", timeout=PATIENCE, trust_env=False)
        program.send_signal(signal.SIGTERM)
        assert program.wait(PATIENCE) == 0

    assert response.json() == {"api_version": "1.3"}
    assert settings.keys() == {"AGBIS_URL", "AGBIS_USER", "AGBIS_PASSWORD", "COMAGIC_URL", "COMAGIC_TOKEN"}

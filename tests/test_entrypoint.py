"""`function/main.py` as Google loads it: by its path, into a process that has nothing of ours on its path."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.function_process import MAIN, ROOT, environment

_LOAD = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("main", {main!r})
module = importlib.util.module_from_spec(spec)
sys.modules["main"] = module
sys.path.append({folder!r})
spec.loader.exec_module(module)
{then}
print(json.dumps(sorted(sys.modules)))
"""


def loaded(then: str = "") -> set[str]:
    """Load the entry point in a process of its own, do something there, and return the modules it has then."""
    code = _LOAD.format(main=str(MAIN), folder=str(MAIN.parent), then=then)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=environment({"COMAGIC_TOKEN": "token", "ALERT_URLS": "json://127.0.0.1/"}),
        cwd=ROOT / "terraform",
        capture_output=True,
        check=True,
        timeout=600,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_both_functions_are_there_and_are_async() -> None:
    loaded("import inspect; assert all(inspect.iscoroutinefunction(f) for f in (module.sync, module.exchange))")


def test_loading_imports_nothing_that_only_a_request_needs() -> None:
    assert not [name for name in loaded() if name.startswith(("google.cloud.firestore", "httpx", "phonenumbers"))]


@pytest.mark.parametrize(
    "heavy", ["google.cloud.firestore", "grpc", "phonenumbers", "httpx", "tenacity", "apprise", "requests", "dotenv"]
)
def test_exchange_on_sqlite_does_without(heavy: str) -> None:
    modules = loaded(
        "from crm_bridge import wiring; import crm_bridge.handlers.exchange; wiring.build_exchange_services()",
    )

    assert not [name for name in modules if name == heavy or name.startswith(f"{heavy}.")]


@pytest.mark.parametrize("heavy", ["google.cloud.firestore", "grpc", "apprise", "requests", "dotenv"])
def test_sync_on_sqlite_does_without(heavy: str) -> None:
    modules = loaded(
        "from crm_bridge import wiring; import crm_bridge.handlers.sync\n"
        "import asyncio\n"
        "async def start(): wiring.build_sync_services(())\n"
        "asyncio.run(start())",
    )

    assert not [name for name in modules if name == heavy or name.startswith(f"{heavy}.")]

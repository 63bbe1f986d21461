"""Cold starts: from the start of a process to its first answer, beside a function that has the same dependencies only.

The bare function imports every package that ours has imported by its first answer, and answers with a constant. Both
are compiled first, as the build in the cloud does it (`python3 -m compileall -f -q .`) and pip for packages.
"""

from __future__ import annotations

import compileall
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from tests.benchmarks.figures import Figure
from tests.support.firestore_emulator import NoEmulatorError, firestore_emulator
from tests.support.function_process import MAIN, environment, free_port

_BARE = """
import functions_framework.aio

@functions_framework.aio.http
async def bare(request):
    {imports}
    return {{"result": "OK"}}
"""

_LOADED = """
import asyncio, importlib.util, json, sys, time
spec = importlib.util.spec_from_file_location("main", {main!r})
module = importlib.util.module_from_spec(spec)
sys.modules["main"] = module
sys.path.append({folder!r})
spec.loader.exec_module(module)
from starlette.requests import Request
scope = {{"type": "http", "method": "GET", "path": {path!r}, "query_string": b"", "headers": []}}
asyncio.run(module.{target}(Request(scope)))
print(json.dumps([name for name in sys.modules if name not in BEFORE]))
"""

_IMPORTED = """
import time
import functions_framework.aio
{before}
started = time.process_time()
{after}
print(time.process_time() - started)
"""

PATHS = {"sync": "/", "exchange": "/api/nobody"}
"""What is asked first; the database is empty, so `sync` says so, with all that a run needs imported."""


def measure(*, rounds: int) -> list[Figure]:
    figures = []
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory())
        main = _compiled(Path(folder))
        for target in PATHS:
            settings = {"STORE_URL": f"sqlite:///{folder}/{target}.db", "COMAGIC_TOKEN": "token"}
            figures += _measured(f"{target} on SQLite", main, target, settings, rounds)
        try:
            host = stack.enter_context(firestore_emulator())
        except NoEmulatorError as exc:
            return [*figures, Figure(concern="start", name="Firestore was not measured", value=0, how=str(exc))]
        settings = {"STORE_URL": "firestore://bench-start", "COMAGIC_TOKEN": "token", "FIRESTORE_EMULATOR_HOST": host}
        for target in PATHS:
            figures += _measured(f"{target} on Firestore", main, target, settings, rounds)
    return figures


def _compiled(folder: Path) -> Path:
    """Copy the function and compile it, whatever this environment says of bytecode; return its main module."""
    copy = folder / "function"
    shutil.copytree(MAIN.parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    assert compileall.compile_dir(copy, quiet=1, force=True)
    return copy / MAIN.name


def _measured(name: str, main: Path, target: str, settings: dict[str, str], rounds: int) -> list[Figure]:
    path = PATHS[target]
    ours, theirs = _modules(main, target, path, settings)
    with TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(_BARE.format(imports="\n    ".join(f"import {module}" for module in theirs) or "pass"))
        assert compileall.compile_file(bare, quiet=1)
        both = [
            (_first_answer(main, target, path, settings), _first_answer(bare, "bare", path, settings))
            for _ in range(rounds)
        ]
    taken, least = (statistics.median(each) for each in zip(*both, strict=True))
    ratio = statistics.median(mine / bare for mine, bare in both)  # of neighbours: this machine is not always as fast
    imports = _median(rounds, lambda: _import_seconds(main, "", theirs))
    own = _median(rounds, lambda: _import_seconds(main, "\n".join(f"import {name}" for name in theirs), ours))
    whole = _median(rounds, lambda: _import_seconds(main, "", [*theirs, *ours], all_of_it=True))
    return [
        Figure(
            concern="start",
            name=f"{name}, first answer over that of a bare function",
            value=ratio,
            limit=1.2,
            how=f"{taken:.2f} / {least:.2f} s",
            raw={"seconds": taken, "bare": least},
        ),
        Figure(
            concern="start",
            name=f"{name}, our own imports over the dependencies'",
            value=own / (whole - own),
            limit=0.15,
            how=f"{own * 1000:.0f} ms over {(whole - own) * 1000:.0f} ms; beyond the framework {imports * 1000:.0f} ms",
            raw={"ours": ours, "dependencies": theirs},
        ),
    ]


def _median(rounds: int, take: Callable[[], float]) -> float:
    return statistics.median(take() for _ in range(rounds))


def _modules(main: Path, target: str, path: str, settings: dict[str, str]) -> tuple[list[str], list[str]]:
    """Return the modules that a first answer loads beyond the framework: ours, and all others."""
    code = "import sys\nimport functions_framework.aio\nBEFORE = set(sys.modules)\n"
    code += _LOADED.format(main=str(main), folder=str(main.parent), target=target, path=path)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(settings), capture_output=True, check=True, timeout=60
    )
    names = [name for name in json.loads(done.stdout.splitlines()[-1]) if name != "main" and "__mp_main__" not in name]
    ours = [name for name in names if name.split(".")[0] == "crm_bridge"]
    others = [name for name in names if name not in ours and name.replace(".", "_").isidentifier()]
    return ours, _importable(others)


def _importable(names: list[str]) -> list[str]:
    """Leave out what some other module has put among the modules under a name of its own."""
    code = f"""
import importlib, json
def there(name):
    try:
        return bool(importlib.import_module(name))
    except ImportError:
        return False
print(json.dumps([name for name in {names!r} if there(name)]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    found: list[str] = json.loads(done.stdout)
    return found


def _import_seconds(main: Path, before: str, names: list[str], *, all_of_it: bool = False) -> float:
    after = "\n".join(f"import {name}" for name in names)
    code = _IMPORTED.format(before=before, after=after)
    if all_of_it:
        code = code.replace("import functions_framework.aio\n", "", 1).replace(
            "started = time.process_time()\n", "started = time.process_time()\nimport functions_framework.aio\n"
        )
    env = {**os.environ, "PYTHONPATH": str(main.parent)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True, timeout=60)
    return float(done.stdout)


def _first_answer(source: Path, target: str, path: str, settings: dict[str, str]) -> float:
    """Start a function and ask it until it answers."""
    port = free_port()
    command = [sys.executable, "-m", "functions_framework", "--source", str(source), "--target", target]
    started = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        env=environment({**settings, "WORKERS": "1"}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(timeout=30) as http:
            while process.poll() is None:
                try:
                    answer = http.get(f"http://127.0.0.1:{port}{path}")
                except httpx.ConnectError:
                    time.sleep(0.005)
                else:
                    assert answer.status_code < 500, answer.text[:500]
                    return time.perf_counter() - started
        raise RuntimeError(f"{target} does not start")
    finally:
        process.terminate()
        process.wait(30)

"""Starting `worker.py` on a test's database."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from tests.support.databases import Database

_ROOT = Path(__file__).parents[2]


async def start_worker(task: str, database: Database, argument: str) -> Process:
    path = os.pathsep.join([str(_ROOT / "function"), str(_ROOT)])
    env = {**os.environ, **database.env, "PYTHONPATH": path}
    script = str(_ROOT / "tests" / "contracts" / "worker.py")
    return await asyncio.create_subprocess_exec(
        sys.executable, script, task, database.url, argument, env=env, stdout=PIPE
    )


async def result_of(worker: Process) -> list[str]:
    """Wait for a worker and return the lines it printed."""
    output, _ = await worker.communicate()
    assert worker.returncode == 0
    return output.decode().split()

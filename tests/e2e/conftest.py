"""The sandbox over real sockets, and what our functions need to reach it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.serve import serve_in_thread
from tests.sandbox.world import World

PASSWORD, TOKEN = "pa55word-of-agbis", "t0ken-of-comagic"  # long enough to be looked for in logs


@pytest.fixture
def world() -> World:
    return World(password=PASSWORD, token=TOKEN)


@pytest.fixture
def settings(world: World, tmp_path: Path) -> Iterator[dict[str, str]]:
    with serve_in_thread(world) as base:
        yield {"STORE_URL": f"sqlite:///{tmp_path}/bridge.db", **world.settings(base)}

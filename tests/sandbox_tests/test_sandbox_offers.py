"""What the sandbox says of itself is so."""

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.sandbox.agbis.simulator import OWN_FAULTS as AGBIS_FAULTS
from tests.sandbox.agbis.simulator import Agbis, AgbisSwitches
from tests.sandbox.comagic.simulator import OWN_FAULTS as COMAGIC_FAULTS
from tests.sandbox.comagic.simulator import CoMagic, CoMagicSwitches
from tests.sandbox.control import REQUESTS
from tests.sandbox.faults import COMMON_KINDS, MEANINGS, Fault
from tests.sandbox.offers import offers
from tests.sandbox_tests.callers import AgbisCaller, CoMagicCaller, envelope, sale
from tests.sandbox_tests.readme import README, written_again

pytestmark = pytest.mark.anyio


def test_the_readme_is_as_the_program_says() -> None:
    text = README.read_text()

    assert text == written_again(text), "python -m tests.sandbox_tests.readme writes it"


async def test_the_example_of_the_readme_runs() -> None:
    """The sale is set although no answer comes."""
    example = README.read_text().partition("```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {}
    exec(compile(example, str(README), "exec"), names)
    world, http = names["world"], names["http"]
    params = sale(names["call"], date_time="2026-06-15 12:00:00")

    with pytest.raises(httpx.ReadTimeout):
        await http.post("/v2.0", json=envelope("set.tag_sales", **params))
    await http.aclose()
    assert len(world.comagic.sales) == 1


def test_every_switch_says_what_it_moves() -> None:
    text = offers()
    for board in (AgbisSwitches, CoMagicSwitches):
        for item in fields(board):
            assert re.search(rf"^\| `{item.name}` \| \*\*.*\*\*, .* \| \S.*\|$", text, re.MULTILINE), item.name


def test_every_common_fault_has_a_meaning() -> None:
    assert MEANINGS.keys() == set(COMMON_KINDS)


@pytest.mark.parametrize("kind", AGBIS_FAULTS)
async def test_faults_of_agbis_are_known_to_it(crm: AgbisCaller, agbis: Agbis, kind: str) -> None:
    agbis.fail(Fault("api_version", kind))

    await crm.raw("api_version")

    assert agbis.requests[-1].fault == kind


@pytest.mark.parametrize("kind", COMAGIC_FAULTS)
async def test_faults_of_comagic_are_known_to_it(api: CoMagicCaller, comagic: CoMagic, kind: str) -> None:
    comagic.fail(Fault("get.tags", kind))

    await api.send(envelope("get.tags"))

    assert comagic.requests[-1].fault == kind


async def test_the_controls_listed_are_those_that_answer() -> None:
    from tests.sandbox.control import Control
    from tests.sandbox.world import World

    assert {f"{verb} /_sandbox/{name}" for verb, name in Control(World())._routes} == REQUESTS.keys()


def test_the_program_prints_what_it_offers() -> None:
    command = [sys.executable, "-m", "tests.sandbox", "--list"]
    printed = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True).stdout

    assert printed == offers()

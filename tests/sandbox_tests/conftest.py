"""Simulators of its own for every test, on a clock that stands at noon of a June day in Moscow."""

import pytest

from tests.sandbox.agbis.simulator import Agbis
from tests.sandbox.clock import ManualClock
from tests.sandbox.comagic.simulator import CoMagic
from tests.sandbox_tests.callers import AgbisCaller, CoMagicCaller
from tests.support.factories import NOON


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
def agbis(clock: ManualClock) -> Agbis:
    return Agbis(clock)


@pytest.fixture
def crm(agbis: Agbis) -> AgbisCaller:
    return AgbisCaller(agbis)


@pytest.fixture
def comagic(clock: ManualClock) -> CoMagic:
    return CoMagic(clock)


@pytest.fixture
def api(comagic: CoMagic) -> CoMagicCaller:
    return CoMagicCaller(comagic)

"""A town of its own for every test, standing still at noon of a June day in Moscow."""

from datetime import UTC, datetime

import pytest

from tests.sandbox.agbis.simulator import Agbis
from tests.sandbox.clock import ManualClock
from tests.sandbox.comagic.simulator import CoMagic
from tests.sandbox_tests.callers import AgbisCaller, CoMagicCaller

NOON = datetime(2026, 6, 15, 9, 0, tzinfo=UTC)


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

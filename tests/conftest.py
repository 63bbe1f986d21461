"""Databases for every test: `store` and `cards` on SQLite, and on Firestore when there is an emulator."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from crm_bridge import redaction
from crm_bridge.ports import CardStore, SalesStore
from tests.support.databases import Database, FirestoreDatabase, SqliteDatabase
from tests.support.firestore_emulator import NoEmulatorError, firestore_emulator

# No limit of time for an example, and no complaint about slow ones: both would fail by chance on a busy machine.
settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("ours")

_MISSING = pytest.StashKey[str]()


@pytest.fixture(autouse=True)
def secrets_of_this_test_only() -> Iterator[None]:
    """Forget the secrets that other tests and their modules register: an ordinary word among them would be hidden."""
    redaction._secrets.clear()
    yield
    redaction._secrets.clear()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"  # what functions-framework runs


@pytest.fixture(scope="session")
def emulator_host(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give `host:port` of a Firestore emulator: that of FIRESTORE_EMULATOR_HOST, or one of our own.

    Without one the tests that need it are skipped, and the summary says so in capitals; with CI=true they fail.
    """
    if host := os.environ.get("FIRESTORE_EMULATOR_HOST"):
        yield host
        return
    try:
        with firestore_emulator() as host:
            yield host
    except NoEmulatorError as exc:
        request.config.stash[_MISSING] = str(exc)
        if os.environ.get("CI", "").lower() in {"true", "1"}:
            pytest.fail(f"No Firestore emulator: {exc}")
        pytest.skip(f"no Firestore emulator: {exc}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if missing := config.stash.get(_MISSING, None):
        terminalreporter.section("FIRESTORE WAS NOT TESTED", sep="!", red=True, bold=True)
        terminalreporter.line(f"There is no Firestore emulator: {missing}.", red=True)
        terminalreporter.line("It comes with: gcloud components install cloud-firestore-emulator; it needs Java.")


@pytest.fixture(scope="session")
async def one_loop(anyio_backend: str) -> AsyncIterator[None]:
    """Keep one event loop until the end: tests that use Firestore must not have loops of their own.

    gRPC has one queue of events in a process; an event that arrives after its loop was closed fails a later test.
    """
    yield  # noqa: PT022 - the loop lasts as long as this fixture


@pytest.fixture(params=["sqlite", "firestore"])
def closed_database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if request.param == "sqlite":
        return SqliteDatabase(tmp_path / "data" / "bridge.db")
    return FirestoreDatabase(request.getfixturevalue("emulator_host"))


@pytest.fixture
async def database(closed_database: Database, one_loop: None) -> AsyncIterator[Database]:
    """An empty database; the stores a test opens on it are closed afterwards."""
    yield closed_database
    await closed_database.close()


@pytest.fixture
async def store(database: Database) -> SalesStore:
    return database.sales()


@pytest.fixture
async def cards(database: Database) -> CardStore:
    return database.cards()

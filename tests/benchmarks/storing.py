"""How quickly the stores merge orders and read aggregates."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.figures import Figure
from tests.benchmarks.population import Population
from tests.sandbox.clock import ManualClock
from tests.sandbox.world import World
from tests.support.databases import Database, FirestoreDatabase, SqliteDatabase
from tests.support.factories import NOON
from tests.support.firestore_emulator import NoEmulatorError, firestore_emulator


def measure(phones: int) -> list[Figure]:
    with TemporaryDirectory() as folder:
        figures = asyncio.run(_measured("SQLite", SqliteDatabase(Path(folder) / "bridge.db"), phones))
    try:
        with firestore_emulator() as host:
            figures += asyncio.run(_measured("the emulator", FirestoreDatabase(host), phones))
    except NoEmulatorError as exc:
        figures.append(Figure(concern="store", name="Firestore was not measured", value=0, how=str(exc)))
    return figures


async def _measured(name: str, database: Database, phones: int) -> list[Figure]:
    population = Population(World(ManualClock(NOON)))
    customers = population.customers(phones, hours=24)
    store = database.sales()
    await population.remember(store, customers[:10])
    started = time.perf_counter()
    await population.remember(store, customers)
    merging = time.perf_counter() - started
    started = time.perf_counter()
    read = sum([len(page) async for page in store.all_phones()])
    reading = time.perf_counter() - started
    await database.close()
    assert read == phones
    return [
        Figure(
            concern="store", name=f"orders merged a second, {name}", value=phones / merging, how="order, client, phone"
        ),
        Figure(concern="store", name=f"aggregates read a second, {name}", value=phones / reading),
    ]

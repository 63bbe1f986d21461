"""Another process on the same database: `python worker.py <task> <store url> <argument>`; see `processes.py`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from crm_bridge.domain.state import Watermark
from crm_bridge.ports import Changes
from tests.support.databases import Database, FirestoreDatabase, SqliteDatabase
from tests.support.factories import NOON, card, client, lease, order, phone


async def race(database: Database, name: str) -> None:
    """Let fifty runs ask for the lease at once; print those that got it."""
    stores = [database.sales() for _ in range(5)]
    wanted = [lease(f"{name}-{number}") for number in range(50)]
    answers = await asyncio.gather(*(stores[number % 5].take_lease(one, now=NOON) for number, one in enumerate(wanted)))
    for one, answer in zip(wanted, answers, strict=True):
        if answer is None:
            print(one.run_id)


async def write(database: Database, run_id: str) -> None:
    """Write changes without end, each an order, its phone, its client and a watermark; print `started` after some."""

    def endless() -> Iterator[Changes]:
        for number in count():
            if number == 400:
                print("started", flush=True)
            key = f"{number:09}"
            mark = Watermark(read_until=datetime.fromtimestamp(number, UTC), refreshed_at=None)
            yield Changes(orders=[order(key)], phones=[phone(key)], clients=[client(key)], state=[mark])

    await database.sales().write(endless(), run_id=run_id)


async def put(database: Database, card_id: str) -> None:
    """Put a card."""
    await database.cards().put(card(card_id))


async def main(task: str, url: str, argument: str) -> None:
    scheme, place = url.split(":", 1)
    database: Database
    if scheme == "sqlite":
        database = SqliteDatabase(Path(place.removeprefix("///")))
    else:
        import os

        database = FirestoreDatabase(os.environ["FIRESTORE_EMULATOR_HOST"], place.removeprefix("//"))
    await {"race": race, "write": write, "put": put}[task](database, argument)
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

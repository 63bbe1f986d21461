"""After any events in any order, one clean run brings CoMagic in line with the CRM, to the kopeck: on both stores.

FAULTS_EXAMPLES=20 tries twenty times as many lives; `-s` prints what was tried.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from hypothesis.stateful import run_state_machine_as_test

from tests.faults.machine import TheWorldAndTheBridge, played
from tests.faults.profile import profile
from tests.support.databases import FirestoreDatabase


def test_any_life_of_a_business_ends_in_the_right_sums(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        paths = (str(tmp_path / f"{number}.db") for number in range(10**9))

        class OnSqlite(TheWorldAndTheBridge):
            do = staticmethod(runner.run)
            new_database = staticmethod(lambda: next(paths))

        run_state_machine_as_test(OnSqlite, settings=profile(35, steps=14))
    print(dict(played))


def test_on_firestore_too(emulator_host: str, session_loop: asyncio.AbstractEventLoop) -> None:
    played.clear()
    databases: list[FirestoreDatabase] = []

    def another_database() -> FirestoreDatabase:
        databases.append(FirestoreDatabase(emulator_host))
        return databases[-1]

    class OnFirestore(TheWorldAndTheBridge):
        do = staticmethod(session_loop.run_until_complete)
        new_database = staticmethod(another_database)

    run_state_machine_as_test(OnFirestore, settings=profile(3, steps=10))
    print(dict(played))

"""`python -m tests.data.export <folder>`: keep what the present version stores, as text, for the versions to come.

Fills both databases by `scenario.py` and writes `sqlite.sql`, `firestore.json` and `expected.json` into the folder.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from tests.data.plain import stored
from tests.data.scenario import comagic_of, fill, next_run, rebuilt
from tests.support.databases import FirestoreDatabase, SqliteDatabase
from tests.support.firestore_emulator import firestore_emulator

_PRAGMAS = ("application_id", "user_version", "encoding", "page_size", "journal_mode")
"""What a file holds outside its tables; `iterdump` leaves it out."""

_KEYS = {
    "orders": "SELECT json_extract(body, '$.order_id') FROM orders ORDER BY 1",
    "clients": "SELECT json_extract(body, '$.client_id') FROM clients ORDER BY 1",
    "histories": "SELECT DISTINCT json_extract(body, '$.phone') FROM sales ORDER BY 1",
    "ticks": "SELECT DISTINCT json_extract(body, '$.tick') FROM runs WHERE json_extract(body, '$.tick') IS NOT NULL",
    "cards": "SELECT json_extract(body, '$.card_id') FROM cards ORDER BY 1",
}


def sqlite_as_text(path: Path) -> str:
    """Return statements that make a file with the same contents."""
    with closing(sqlite3.connect(path)) as connection:
        pragmas = [f"PRAGMA {name} = '{connection.execute(f'PRAGMA {name}').fetchone()[0]}';" for name in _PRAGMAS]
        return "\n".join([*pragmas, *connection.iterdump()]) + "\n"


def load_sqlite(text: str, path: Path) -> None:
    """Make a file of what `sqlite_as_text` returned."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(text)


def firestore_as_text(host: str, project: str) -> str:
    """Return every document of an emulator's project with the typed values of the protocol's JSON, a line each."""
    with _emulator(host) as client:
        collections = client.post(f"{_root(project)}:listCollectionIds", json={}).raise_for_status().json()
        return _lines({name: _documents(client, project, name) for name in sorted(collections["collectionIds"])})


def load_firestore(text: str, host: str, project: str) -> None:
    """Write the documents that `firestore_as_text` returned."""
    writes = [
        {"update": {"name": f"{_root(project)}/{collection}/{key}", "fields": fields}}
        for collection, documents in json.loads(text).items()
        for key, fields in documents.items()
    ]
    with _emulator(host) as client:
        client.post(f"{_root(project)}:commit", json={"writes": writes}).raise_for_status()


def _documents(client: httpx.Client, project: str, collection: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    page = ""
    while True:
        query = f"pageSize=300&pageToken={quote(page)}"
        answer = client.get(f"{_root(project)}/{collection}?{query}").raise_for_status().json()
        for document in answer.get("documents", []):
            found[document["name"].rpartition("/")[2]] = document["fields"]
        if not (page := answer.get("nextPageToken", "")):
            return dict(sorted(found.items()))


def _emulator(host: str) -> httpx.Client:
    return httpx.Client(base_url=f"http://{host}/v1/", headers={"Authorization": "Bearer owner"}, timeout=60)


def _root(project: str) -> str:
    return f"projects/{project}/databases/(default)/documents"


def _lines(groups: Mapping[str, Any]) -> str:
    """Write JSON with a line for each member of a group, so that a difference shows in one line."""

    def text(value: object) -> str:
        return json.dumps(value, ensure_ascii=False, sort_keys=True)

    def group(value: object) -> str:
        match value:
            case dict():
                return "{\n" + ",\n".join(f"{text(name)}: {text(member)}" for name, member in value.items()) + "\n}"
            case list():
                return "[\n" + ",\n".join(map(text, value)) + "\n]"
            case _:
                return text(value)

    return "{\n" + ",\n".join(f"{text(name)}: {group(value)}" for name, value in groups.items()) + "\n}\n"


async def _export(folder: Path, host: str) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        file, firestore = SqliteDatabase(Path(temporary, "bridge.db")), FirestoreDatabase(host)
        world = await fill(file.sales(), file.cards())
        other_world = await fill(firestore.sales(), firestore.cards())
        now, comagic = world.clock.now(), comagic_of(world)
        found = await stored(file.sales(), file.cards(), _keys(file.path), now=now)
        if found != await stored(firestore.sales(), firestore.cards(), _keys(file.path), now=now):
            raise AssertionError("The two databases hold different things")
        if comagic != comagic_of(other_world):
            raise AssertionError("The two runs of the scenario have left different things in CoMagic")
        await file.close()
        await firestore.close()
        _write(folder / "sqlite.sql", sqlite_as_text(file.path))
        _write(folder / "firestore.json", firestore_as_text(host, firestore.project))
        run = await next_run(file.sales(), rebuilt(comagic, at=now))
        await file.close()
        expected = {"left_at": now.isoformat(), **found, "comagic": comagic, "next_run": run}
        _write(folder / "expected.json", _lines(expected))


def keys_of(expected: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return what `plain.stored` was asked for when it gave the expected values."""
    return {name: list(expected[name]) for name in _KEYS}


def _keys(path: Path) -> dict[str, list[str]]:
    with closing(sqlite3.connect(path)) as connection:
        return {name: [key for (key,) in connection.execute(sql)] for name, sql in _KEYS.items()}


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(f"{path}: {path.stat().st_size} bytes")


def main(folder: str) -> None:
    with firestore_emulator() as host:
        asyncio.run(_export(Path(folder), host))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What the sandbox offers, as Markdown: printed by `python -m tests.sandbox --list`, and part of its README."""

import inspect
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any

from tests.sandbox.agbis.commands import COMMANDS
from tests.sandbox.agbis.simulator import OWN_FAULTS as AGBIS_FAULTS
from tests.sandbox.agbis.simulator import Agbis, AgbisSwitches
from tests.sandbox.comagic.deal_switches import DealSwitches
from tests.sandbox.comagic.fields import LISTS, REPORTS
from tests.sandbox.comagic.params import SPECS
from tests.sandbox.comagic.simulator import OWN_FAULTS as COMAGIC_FAULTS
from tests.sandbox.comagic.simulator import CoMagic, CoMagicSwitches
from tests.sandbox.control import AGBIS_EVENTS, COMAGIC_EVENTS, REQUESTS
from tests.sandbox.faults import MEANINGS

Lines = list[str]


def offers() -> str:
    """Return everything that can be asked, switched, broken and made to happen."""
    parts = [
        _methods(),
        _switches("CoMagic", CoMagicSwitches),
        _switches("CoMagic's deals", DealSwitches),
        _switches("Agbis", AgbisSwitches),
        _faults(),
        _events(),
        _table("Control", ("request", "what it does"), ((f"`{name}`", text) for name, text in REQUESTS.items())),
    ]
    return "\n".join("\n".join(part) for part in parts)


def _table(title: str, heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Lines:
    lines = [f"### {title}", "", "| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows), ""]


def _methods() -> Lines:
    by_object: dict[str, list[str]] = {}
    for method in SPECS:
        verb, _, name = method.partition(".")
        by_object.setdefault(name, []).append(verb)
    known = ", ".join(f"`{'/'.join(verbs)}.{name}`" for name, verbs in by_object.items())
    count = sum(map(len, LISTS.values())) + sum(len(table) for _, table in REPORTS.values())
    commands = ", ".join(f"`{name}`" for name in COMMANDS)
    return [
        "### Methods",
        "",
        f"CoMagic, {len(SPECS)} methods with {count} fields: {known}.",
        "",
        f"Agbis, {len(COMMANDS)} commands: {commands}.",
        "",
    ]


def _switches(system: str, board: type) -> Lines:
    meanings = _attributes(board.__doc__ or "")
    rows = []
    for item in fields(board):
        first, *others = (f"`{json.dumps(at, ensure_ascii=False)}`" for at in item.metadata["positions"])
        what = meanings[item.name] + (" *A state of the account.*" if item.metadata["state"] else "")
        rows.append((f"`{item.name}`", f"**{first}**, {', '.join(others)}", what))
    return _table(f"Switches of {system}", ("switch", "positions, the likelier first", "what it moves"), rows)


def _attributes(text: str) -> dict[str, str]:
    """Read the `Attributes:` of a docstring; a description may go on for several lines."""
    found: dict[str, str] = {}
    name = ""
    for line in text.partition("Attributes:\n")[2].splitlines():
        begun = re.match(r" {8}(\w+): (.*)", line)
        if begun:
            name = begun[1]
            found[name] = begun[2]
        elif line.strip():
            found[name] += f" {line.strip()}"
    return found


def _faults() -> Lines:
    rows = [
        (f"`{kind}`", where, meaning)
        for where, kinds in (("both", MEANINGS), ("CoMagic", COMAGIC_FAULTS), ("Agbis", AGBIS_FAULTS))
        for kind, meaning in kinds.items()
    ]
    return _table("Faults", ("kind", "system", "what a client sees"), rows)


def _events() -> Lines:
    rows = []
    for system, owner, names in (("Agbis", Agbis, AGBIS_EVENTS), ("CoMagic", CoMagic, COMAGIC_EVENTS)):
        for name in names:
            event: Callable[..., Any] = getattr(owner, name)
            needed = [
                parameter if details.default is inspect.Parameter.empty else f"[{parameter}]"
                for parameter, details in inspect.signature(event).parameters.items()
                if parameter != "self"
            ]
            first = (event.__doc__ or "").splitlines()[0]
            rows.append((f"`{name}`", system, f"`{' '.join(needed)}`" if needed else "", first))
    return _table("Events", ("event", "system", "parameters", "what happens"), rows)

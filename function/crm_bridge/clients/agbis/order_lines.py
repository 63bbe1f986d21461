"""The lines of an order of Agbis, and the names of its services and goods."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from crm_bridge.clients.agbis import wire
from crm_bridge.domain.aggregate import bounded_names

# Servers and the documentation spell some keys differently: docs/remote/agbis.md#keys
_SERVICES = ("srvices", "services")

_MARK = re.compile(r"\A[А-ЯЁ]\s+(?=[А-ЯЁ])")
"""The shop's own mark, a letter before the name: people see `А Пиджак` as `Пиджак`."""

UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters and lone surrogates: no database takes the latter, and no reader needs either."""


def lines_of(row: Mapping[str, Any], names: Iterable[str]) -> list[Mapping[str, Any]]:
    """Return the lines under the first of these keys that has any; ValueError when these are no list of lines."""
    value = next((row[name] for name in names if row.get(name)), None)
    if value is None:
        return []
    if isinstance(value, list) and all(isinstance(line, dict) for line in value):
        return value
    raise ValueError("not a list of lines")


def names_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of services, then of goods, without repeats.

    Lines may be nested: a parent is the thing ("Shoes", without money), its children are the paid services. Such a
    parent is left out unless nothing else would be left. Source: docs/remote/agbis.md#lines
    """
    named = [(line, name) for line in optional_lines(row, _SERVICES) if (name := _name(line.get("service")))]
    lines = [(wire.text(line.get("dos_id")), wire.text(line.get("parent_id"))) for line, _ in named]
    parents = {parent_id for line_id, parent_id in lines if parent_id not in {"", line_id}}
    kept = [name for line, name in named if wire.text(line.get("dos_id")) not in parents or _has_money(line)]
    goods = [_name(line.get("tovar_name")) for line in optional_lines(row, ("tovars",))]
    names = kept or [name for _, name in named]
    return bounded_names(name for name in (*names, *goods) if name)


def optional_lines(row: Mapping[str, Any], names: Iterable[str]) -> list[Mapping[str, Any]]:
    """Return lines that only name things: an order is kept without them."""
    try:
        return lines_of(row, names)
    except ValueError:
        return []


def _has_money(line: Mapping[str, Any]) -> bool:
    try:
        return wire.kopecks(line.get("kredit")) != 0
    except ValueError:
        return True


def _name(value: Any) -> str:
    return _MARK.sub("", UNFIT.sub("", " ".join(wire.text(value).split())))

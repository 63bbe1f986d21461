"""The cross-field rules of the google provider, which its schema does not show: `rules.json`, as data.

They hold over what stands in the configuration. Null counts as absent, an empty text does not; a block stands in a
list, so its path has `.0.`. What is known only after apply may be there or not, and breaks no rule.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

Body = Mapping[str, Any]

RULES: Mapping[str, Mapping[str, Any]] = json.loads((Path(__file__).parent / "rules.json").read_text())["resources"]

UNKNOWN = msgspec.msgpack.Ext(0, b"\x00")
"""How Terraform writes a value that is known only after apply."""


def broken(kind: str, configuration: Body) -> list[str]:
    """Name what the provider refuses of one resource, as `terraform validate` does."""
    found: dict[str, None] = {}
    for path, rule in RULES.get(kind, {}).items():
        field = path.replace(".", ".0.")
        block = field.rpartition(".0.")[0]
        if block and not _values(configuration, [block]):
            continue
        for name, check in _CHECKS.items():
            others = [other for other in rule.get(name, ()) if other != field]
            if others:
                found |= dict.fromkeys(check(configuration, field, others))
    return list(found)


def kept(kind: str, path: str) -> bool:
    """Say whether null means "keep what stands" (optional and computed) for an argument."""
    return bool(RULES.get(kind, {}).get(path, {}).get("optional_computed"))


def _exactly_one(configuration: Body, field: str, others: list[str]) -> Iterable[str]:
    names = sorted({field, *others})
    values = _values(configuration, names)
    known = [value for value in values if value != UNKNOWN]
    if len(known) > 1 or not values:
        yield f"Invalid combination of arguments: one of `{','.join(names)}` must be specified"


def _at_least_one(configuration: Body, field: str, others: list[str]) -> Iterable[str]:
    names = sorted({field, *others})
    if not _values(configuration, names):
        yield f"Missing required argument: one of `{','.join(names)}` must be specified"


def _conflicts(configuration: Body, field: str, others: list[str]) -> Iterable[str]:
    if _known(configuration, field):
        for other in others:
            if _known(configuration, other):
                yield f'Conflicting configuration arguments: "{field}": conflicts with {other}'


def _required_with(configuration: Body, field: str, others: list[str]) -> Iterable[str]:
    if _values(configuration, [field]) and len(_values(configuration, others)) < len(others):
        yield f'Missing required argument: "{field}": all of `{",".join(sorted({field, *others}))}` must be specified'


_CHECKS: Mapping[str, Callable[[Body, str, list[str]], Iterable[str]]] = {
    "ExactlyOneOf": _exactly_one,
    "AtLeastOneOf": _at_least_one,
    "ConflictsWith": _conflicts,
    "RequiredWith": _required_with,
}


def _known(configuration: Body, path: str) -> bool:
    return any(value != UNKNOWN for value in _values(configuration, [path]))


def _values(configuration: Body, paths: Iterable[str]) -> list[Any]:
    """The values that are there, in the order of their paths."""
    found = []
    for path in paths:
        value: Any = configuration
        for part in path.split("."):
            if isinstance(value, list):
                value = value[int(part)] if len(value) > int(part) else None
            elif isinstance(value, Mapping):
                value = value.get(part)
        if value is not None and value != []:
            found.append(value)
    return found

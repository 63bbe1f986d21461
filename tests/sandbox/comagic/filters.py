"""Filters of CoMagic: a condition, or a tree of them, compiled into a predicate."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Protocol

from tests.sandbox.comagic.errors import ApiError
from tests.sandbox.comagic.fields import Field, Table
from tests.sandbox.comagic.switches import CoMagicSwitches
from tests.sandbox.local_time import LocalTime

Predicate = Callable[[Any], bool]
_ORDERED = ("=", "!=", "<", ">", "<=", ">=")
_TEXT = ("like", "regexp", "in")
_OPERATORS: dict[str, tuple[str, ...]] = {
    "number": (*_ORDERED, "in"),
    "string": ("=", "!=", *_TEXT),
    "phone": ("=", "!=", *_TEXT),
    "enum": ("=", "!=", "in"),
    "boolean": ("=", "!="),
    "iso8601": _ORDERED,
    "array": ("=", "!=", "jsquery"),
    "object": ("=", "!=", "jsquery"),
}
# Only the Russian edition has these, most of them "not for every method".
_NULL_TESTS = {"is_null": "=", "is_not_null": "!="}
_NEWER: dict[str, tuple[str, ...]] = {
    "number": ("not_in", *_NULL_TESTS),
    "string": ("ilike", "not_like", "not_ilike", "not_in", *_NULL_TESTS),
    "phone": ("ilike", "not_like", "not_ilike", "not_in", *_NULL_TESTS),
    "enum": ("not_in", *_NULL_TESTS),
    "boolean": tuple(_NULL_TESTS),
    "iso8601": tuple(_NULL_TESTS),
    "array": ("overlap", "not_overlap"),
    "object": (),
}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "like": lambda a, b: b.fullmatch(a) is not None,
    "ilike": lambda a, b: b.fullmatch(a) is not None,
    "not_like": lambda a, b: b.fullmatch(a) is None,
    "not_ilike": lambda a, b: b.fullmatch(a) is None,
    "regexp": lambda a, b: b.search(a) is not None,
    "in": lambda a, b: a in b,
    "not_in": lambda a, b: a not in b,
    "overlap": lambda a, b: not b.isdisjoint(a),
    "not_overlap": lambda a, b: b.isdisjoint(a),
}
# Of PostgreSQL's jsquery: one part of an object, or of any item of an array, is a number or a text.
_QUERY = re.compile(r'(#)?\s*\.?\s*\(?\s*(\w+)\s*=\s*(?:(\d+)|"([^"]*)")\s*\)?')


class RawGetter(Protocol):
    """Gives the function that reads a field's comparable value."""

    def __call__(self, name: str, *, raw: bool = False) -> Callable[[Any], Any]: ...


class FilterCompiler:
    """Compiles a filter over one table."""

    def __init__(self, table: Table, getter: RawGetter, local: LocalTime, switches: CoMagicSwitches) -> None:
        self._table = table
        self._getter = getter
        self._local = local
        self._max_in_items = switches.max_in_items
        self._newer = switches.newer_operators == "accepted"

    def compile(self, node: Any, path: str = "filter") -> Predicate:
        """Return the predicate of a filter.

        Raises:
            ApiError: The filter is wrong; `field` says where.
        """
        if not isinstance(node, dict):
            raise ApiError("data_type_error", path, node)
        if "filters" in node or "condition" in node:
            return self._tree(node, path)
        return self._condition(node, path)

    def _tree(self, node: dict[str, Any], path: str) -> Predicate:
        _only(node, ("filters", "condition"), path)
        for name in ("filters", "condition"):
            if name not in node:
                raise ApiError("required_parameter_missed", f"{path}.{name}")
        if not isinstance(node["filters"], list):
            raise ApiError("data_type_error", f"{path}.filters", node["filters"])
        if node["condition"] not in ("and", "or"):
            raise ApiError("invalid_parameter_value", f"{path}.condition", node["condition"])
        parts = [self.compile(part, f"{path}.filters[{i}]") for i, part in enumerate(node["filters"])]
        if node["condition"] == "and":
            return lambda row: all(part(row) for part in parts)
        return lambda row: any(part(row) for part in parts)

    def _condition(self, node: dict[str, Any], path: str) -> Predicate:
        _only(node, ("field", "operator", "value"), path)
        for name in ("field", "operator"):
            if name not in node:
                raise ApiError("required_parameter_missed", f"{path}.{name}")
        name, operator, value = node["field"], node["operator"], node.get("value")
        field = self._table.get(name) if isinstance(name, str) else None
        if field is None:
            raise ApiError("unexpected_parameters", f"{path}.field", name)
        if not field.filterable:
            raise ApiError("filter_prohibited", f"{path}.field", name)
        allowed = _OPERATORS[field.type] + (_NEWER[field.type] if self._newer else ())
        if operator not in allowed:
            raise ApiError("invalid_parameter_value", f"{path}.operator", operator)
        get = self._getter(name, raw=True)
        if operator == "jsquery":
            return _json_query(get, value, path)
        if operator in _NULL_TESTS:
            operator, value = _NULL_TESTS[operator], None
        if value is None:
            return _null_test(get, operator, path)
        wanted = self._operand(field, operator, value, path)
        compare = _COMPARE[operator]

        def holds(row: Any) -> bool:
            seen = get(row)
            return seen is not None and compare(seen, wanted)

        return holds

    def _operand(self, field: Field, operator: str, value: Any, path: str) -> Any:
        if operator in ("in", "not_in", "overlap", "not_overlap"):
            if not isinstance(value, list) or not value or len(value) > self._max_in_items:
                raise ApiError("invalid_parameter_value", f"{path}.value", value)
            return frozenset(self._scalar(field, item, path) for item in value)
        scalar = self._scalar(field, value, path)
        if operator.endswith("like"):
            flags = re.DOTALL | (re.IGNORECASE if "ilike" in operator else 0)
            return re.compile(".*".join(re.escape(part) for part in scalar.split("%")), flags)
        if operator == "regexp":
            try:
                return re.compile(scalar)
            except re.error:
                raise ApiError("invalid_parameter_value", f"{path}.value", value) from None
        return scalar

    def _scalar(self, field: Field, value: Any, path: str) -> Any:
        number = isinstance(value, (int, Decimal)) and not isinstance(value, bool)
        if field.type == "phone" and number:
            return str(value)
        right = {
            "number": number,
            "boolean": isinstance(value, bool),
            "iso8601": isinstance(value, str) and self._is_moment(field, value),
        }.get(field.type, isinstance(value, str))
        if not right:
            raise ApiError("invalid_parameter_value", f"{path}.value", value)
        return value

    def _is_moment(self, field: Field, value: str) -> bool:
        # The days of campaigns are dates without a time.
        return self._local.moment(f"{value} 00:00:00" if field.name == "date" else value) is not None


def _only(node: dict[str, Any], names: tuple[str, ...], path: str) -> None:
    for name, value in node.items():
        if name not in names:
            raise ApiError("unexpected_parameters", f"{path}.{name}", value)


def _null_test(get: Callable[[Any], Any], operator: str, path: str) -> Predicate:
    if operator == "=":
        return lambda row: get(row) is None
    if operator == "!=":
        return lambda row: get(row) is not None
    raise ApiError("invalid_parameter_value", f"{path}.value", None)


def _json_query(get: Callable[[Any], Any], value: Any, path: str) -> Predicate:
    """Understand the two forms of query that clients use, `#.tag_id = 1` and `part = "text"`; refuse any other."""
    match = _QUERY.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ApiError("invalid_parameter_value", f"{path}.value", value)
    any_item, part, number, text = match.groups()
    wanted = text if number is None else int(number)

    def holds(row: Any) -> bool:
        seen = get(row)
        if not any_item:
            return isinstance(seen, dict) and seen.get(part) == wanted
        return isinstance(seen, list) and any(isinstance(item, dict) and item.get(part) == wanted for item in seen)

    return holds

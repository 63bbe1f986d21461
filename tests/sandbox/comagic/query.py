"""What the `get` methods have in common: fields, filter, sort, paging."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from tests.sandbox.comagic.errors import ApiError
from tests.sandbox.comagic.fields import Table
from tests.sandbox.comagic.filters import FilterCompiler, Predicate, RawGetter
from tests.sandbox.comagic.switches import CoMagicSwitches
from tests.sandbox.local_time import LocalTime

Params = dict[str, Any]
_DEFAULT_LIMIT, _MAX_LIMIT, _MAX_OFFSET = 1000, 10_000, 100_000


@dataclass(frozen=True, slots=True)
class Query:
    """A checked query.

    Attributes:
        sort: Field and whether descending, the most significant first.
    """

    names: tuple[str, ...]
    predicate: Predicate | None
    sort: tuple[tuple[str, bool], ...]
    limit: int
    offset: int


def parse_query(params: Params, table: Table, getter: RawGetter, local: LocalTime, switches: CoMagicSwitches) -> Query:
    """Check the paging parameters; their JSON types have been checked before.

    Raises:
        ApiError: Something is wrong with them.
    """
    limit = _DEFAULT_LIMIT if params.get("limit") is None else params["limit"]
    offset = params.get("offset") or 0
    if not 1 <= limit <= _MAX_LIMIT:
        raise ApiError("invalid_parameter_value", "limit", limit)
    if not 0 <= offset <= _MAX_OFFSET:
        raise ApiError("invalid_parameter_value", "offset", offset)
    names = _fields(params.get("fields"), table, switches)
    predicate = None
    if params.get("filter") is not None:
        compiler = FilterCompiler(table, getter, local, switches)
        predicate = compiler.compile(params["filter"])
    return Query(names, predicate, _sort(params.get("sort"), table), limit, offset)


def _fields(wanted: list[Any] | None, table: Table, switches: CoMagicSwitches) -> tuple[str, ...]:
    if wanted is None:
        return tuple(field.name for field in table.values() if field.default)
    if not wanted:
        raise ApiError("invalid_parameter_value", "fields", wanted)
    for index, name in enumerate(wanted):
        if not isinstance(name, str):
            raise ApiError("data_type_error", f"fields[{index}]", name)
        known = table.get(name)
        if known is None or not (known.documented or switches.client_fields == "accepted"):
            raise ApiError(switches.unknown_field_error, f"fields[{index}]", name)
    return tuple(wanted)


def _sort(wanted: list[Any] | None, table: Table) -> tuple[tuple[str, bool], ...]:
    order: list[tuple[str, bool]] = []
    for index, item in enumerate(wanted or ()):
        path = f"sort[{index}]"
        if not isinstance(item, dict):
            raise ApiError("data_type_error", path, item)
        for name in item:
            if name not in ("field", "order"):
                raise ApiError("unexpected_parameters", f"{path}.{name}", item[name])
        if "field" not in item:
            raise ApiError("required_parameter_missed", f"{path}.field")
        field = table.get(item["field"]) if isinstance(item["field"], str) else None
        if field is None:
            raise ApiError("unexpected_parameters", f"{path}.field", item["field"])
        if not field.sortable:
            raise ApiError("sort_prohibited", f"{path}.field", item["field"])
        direction = item.get("order", "asc")
        if direction not in ("asc", "desc"):
            raise ApiError("invalid_parameter_value", f"{path}.order", direction)
        order.append((field.name, direction == "desc"))
    return tuple(order)


def sort_rows(rows: list[Any], order: tuple[tuple[str, bool], ...], getter: RawGetter) -> None:
    """Sort in place, nulls last, or first when descending."""
    for name, descending in reversed(order):
        key = _nulls_last(getter(name, raw=True))
        rows.sort(key=key, reverse=descending)


def _nulls_last(get: Callable[[Any], Any]) -> Callable[[Any], tuple[bool, Any]]:
    def key(row: Any) -> tuple[bool, Any]:
        value = get(row)
        return (value is None, 0 if value is None else value)

    return key


def shuffled_page(rows: list[Any], query: Query, *, descending: bool) -> list[Any]:
    """Return a page of rows in order of time; rows of one second stand in an order that differs by page."""
    first, last = query.offset, min(query.offset + query.limit, len(rows))
    if first >= last:
        return []
    low, high = first, last
    while low > 0 and rows[low - 1].start == rows[first].start:
        low -= 1
    while high < len(rows) and rows[high].start == rows[last - 1].start:
        high += 1
    sign = -1 if descending else 1
    group = sorted(rows[low:high], key=lambda row: (sign * row.start, crc32(b"%d:%d" % (first, row.id))))
    return group[first - low : last - low]

"""The `get` methods of CoMagic."""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from itertools import chain
from operator import attrgetter
from typing import Any

import msgspec

from tests.sandbox.clock import Clock
from tests.sandbox.comagic.derived import daily_rows, getter_of, message_getter, messages_of
from tests.sandbox.comagic.errors import ApiError
from tests.sandbox.comagic.fields import LISTS, REPORTS, Table
from tests.sandbox.comagic.filters import RawGetter
from tests.sandbox.comagic.params import Params
from tests.sandbox.comagic.query import Query, parse_query, shuffled_page, sort_rows
from tests.sandbox.comagic.store import Communication, Store
from tests.sandbox.comagic.switches import CoMagicSwitches
from tests.sandbox.comagic.view import View
from tests.sandbox.local_time import LocalTime, months_later

Rows = list[dict[str, Any]]
_TIMES = ("start_time", "date_time")
_KEPT_RESULTS = 4
_MESSAGE_DAYS = 30
# "An empty array is [], an empty object {}", say the documents; the reports are not always so.
_EMPTY: dict[str, Callable[[], Any]] = {"array": list, "object": dict}
_UNASKED = ("utm_referrer", "source")


class Reader:
    """Answers lists and reports."""

    def __init__(
        self, store: Store, clock: Clock, local: LocalTime, sale_tag_id: int, domains: Callable[[], dict[int, str]]
    ) -> None:
        self._domains = domains
        self._store = store
        self._clock = clock
        self._local = local
        self._sale_tag_id = sale_tag_id
        # A filtered or sorted report is read page by page; it is worked out once, until something changes.
        self._results: OrderedDict[Any, list[Communication]] = OrderedDict()

    def plain_list(self, method: str, rows: Rows, params: Params, switches: CoMagicSwitches) -> tuple[Rows, int]:
        """Return a page of a short list and the count of all its rows."""

        def getter(name: str, *, raw: bool = False) -> Any:
            return lambda row: row.get(name)

        table = LISTS.get(method) or REPORTS[method][1]
        return self._small(rows, params, table, getter, switches)

    def report(self, method: str, params: Params, switches: CoMagicSwitches) -> tuple[Rows, int]:
        """Return a page of a report and the count of all its rows.

        Raises:
            ApiError: A parameter is wrong.
        """
        _, table = REPORTS[method]
        now = self._clock.now()
        if method == "get.chat_messages_report":
            return self._messages(params, table, now, switches)
        first, last = self._interval(params, now, switches)
        if method == "get.campaign_daily_stat":
            communications = self._work_out(None, first, last, True, None, None)
            site_id = params["site_id"]
            rows_of_days = daily_rows(communications, site_id, self._domains().get(site_id, ""), self._local)
            return self.plain_list(method, rows_of_days, params, switches)
        view = View(switches, self._local, now.timestamp(), self._sale_tag_id, self._domains())
        getter = getter_of(method, view, self._local)
        query = parse_query(params, table, getter, self._local, switches)
        rows = self._matching(method, first, last, params, query, getter, switches)
        if method == "get.visitor_sessions_report":
            rows = [row for row in rows if row.site_id is not None]
        descending = bool(query.sort) and query.sort[0][1]
        if switches.sort_ties == "shuffled" and (not query.sort or query.sort[0][0] in _TIMES):
            page = shuffled_page(rows, query, descending=descending)
        else:
            page = rows[query.offset : query.offset + query.limit]
        names = query.names if switches.unasked_fields == "absent" else (*query.names, *_UNASKED)
        cells = [(name, getter(name)) for name in names]
        return [{name: get(row) for name, get in cells} for row in page], len(rows)

    def _messages(self, params: Params, table: Table, now: datetime, switches: CoMagicSwitches) -> tuple[Rows, int]:
        """Return messages of chats that are named, or that began within an interval of at most 30 days."""
        chats = self._store.timelines["chat"].rows
        wanted = [*([params["chat_id"]] if params.get("chat_id") is not None else []), *(params.get("chat_ids") or ())]
        dated = params.get("date_from") is not None and params.get("date_till") is not None
        if not wanted and not dated:
            raise ApiError("required_parameter_missed", "chat_id")
        if dated:
            first, last = self._interval(params, now, switches)
            if last - first > _MESSAGE_DAYS * 86_400:
                raise ApiError("date_interval_limit_reached", "date_from", params["date_from"])
            low, high = self._store.timelines["chat"].between(first, last)
            chats = chats[low:high]
        shown = (chat for chat in chats if chat.key not in self._store.hidden)
        messages = messages_of(chat for chat in shown if not wanted or chat.id in wanted)
        return self._small(messages, params, table, message_getter(self._local), switches)

    def _small(
        self, rows: list[Any], params: Params, table: Table, getter: RawGetter, switches: CoMagicSwitches
    ) -> tuple[Rows, int]:
        """Return a page of rows that are few, and their count; a part that a row lacks comes empty."""
        query = parse_query(params, table, getter, self._local, switches)
        found = [row for row in rows if query.predicate is None or query.predicate(row)]
        sort_rows(found, query.sort, getter)
        cells = [(name, getter(name), _EMPTY.get(table[name].type)) for name in query.names]
        page = found[query.offset : query.offset + query.limit]
        return [{name: _or(get(row), empty) for name, get, empty in cells} for row in page], len(found)

    def _interval(self, params: Params, now: datetime, switches: CoMagicSwitches) -> tuple[int, int]:
        moments = []
        for name in ("date_from", "date_till"):
            moment = self._local.moment(params[name])
            if moment is None:
                raise ApiError("invalid_parameter_value", name, params[name])
            moments.append(moment.astimezone(self._local.zone))
        start, end = moments
        if end < start:
            raise ApiError("invalid_parameter_value", "date_till", params["date_till"])
        too_long = end > months_later(start, 3)
        too_old = switches.interval_rule == "age" and now > months_later(start, 3)
        if too_long or too_old:
            raise ApiError("date_interval_limit_reached", "date_from", params["date_from"])
        last = int(end.timestamp()) - (switches.interval_end == "exclusive")
        # What has not happened yet is in no report.
        return int(start.timestamp()), min(last, int(now.timestamp()))

    def _matching(
        self,
        method: str,
        first: int,
        last: int,
        params: Params,
        query: Query,
        getter: Any,
        switches: CoMagicSwitches,
    ) -> list[Communication]:
        kind = REPORTS[method][0]
        ongoing = bool(params.get("include_ongoing_calls"))
        asked = {name: params.get(name) for name in ("filter", "sort")}
        key = (method, first, last, ongoing, repr(asked), switches, self._store.version)
        if switches.visibility_delay_seconds:
            return self._work_out(kind, first, last, ongoing, query, getter)
        rows = self._results.get(key)
        if rows is None:
            rows = self._results[key] = self._work_out(kind, first, last, ongoing, query, getter)
            if len(self._results) > _KEPT_RESULTS:
                self._results.popitem(last=False)
        self._results.move_to_end(key)
        return rows

    def _work_out(
        self, kind: str | None, first: int, last: int, ongoing: bool, query: Query | None, getter: Any
    ) -> list[Communication]:
        slices = []
        for name, timeline in self._store.timelines.items():
            if kind in (None, name):
                low, high = timeline.between(first, last)
                slices.append(timeline.rows[low:high])
        rows = slices[0] if len(slices) == 1 else sorted(chain(*slices), key=attrgetter("start"))
        if not ongoing and self._store.any_ongoing:
            rows = [row for row in rows if not row.ongoing]
        if self._store.hidden:
            rows = [row for row in rows if row.key not in self._store.hidden]
        if query is None:
            return rows
        if query.predicate is not None:
            rows = list(filter(query.predicate, rows))
        if query.sort == (("start_time", False),) or query.sort == (("date_time", False),):
            return rows
        if len(query.sort) == 1 and query.sort[0][0] in _TIMES:
            return rows[::-1]
        sort_rows(rows, query.sort, getter)
        return rows


def _or(value: Any, empty: Callable[[], Any] | None) -> Any:
    return empty() if value is None and empty is not None else value


def encode(answer: dict[str, Any]) -> bytes:
    """Write JSON; numbers that came in as decimals go out as numbers again."""
    return msgspec.json.encode(_plain(answer))


def _plain(value: Any) -> Any:
    # Only errors echo what came in, and only there can a Decimal hide.
    if isinstance(value, dict) and "error" in value:
        return {key: _floats(item) for key, item in value.items()}
    return value


def _floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_floats(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value

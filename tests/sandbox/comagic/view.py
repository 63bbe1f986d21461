"""How a communication's fields come out: by the switches and with the report's delay."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from operator import attrgetter
from typing import Any

from tests.sandbox.comagic.believable import BELIEVABLE, Getter, of_site
from tests.sandbox.comagic.store import NOTHING, Communication, State, Tag
from tests.sandbox.comagic.switches import CoMagicSwitches
from tests.sandbox.local_time import LocalTime
from tests.sandbox.money import roubles

# A call's row id when it is not the communication id.
ROW_ID_OFFSET = 40_000_000_000
LOGINS = {"api": "robot@example.ru", "hand": "operator@example.ru"}


class View:
    """Makes a getter for each field."""

    def __init__(
        self, switches: CoMagicSwitches, local: LocalTime, now: float, sale_tag_id: int, domains: Mapping[int, str]
    ) -> None:
        self._switches = switches
        self._local = local
        self._domains = domains
        self._sale_tag_id = sale_tag_id
        delay = switches.visibility_delay_seconds
        self._state: Callable[[Communication], State]
        if delay:
            self._state = lambda row: row.state_at(now - delay) if row.states else NOTHING
        else:
            self._state = lambda row: row.states[-1] if row.states else NOTHING

    def getter(self, name: str, *, raw: bool = False) -> Getter:
        """Return the function that reads a field from a row; `raw` is the value to compare and sort by."""
        if raw and name == "sale_cost":
            return self._sale_kopecks
        if raw and name == "visitor_phone_number":
            return attrgetter("phone")
        if name in _ATTRIBUTES:
            return _ATTRIBUTES[name]
        if name in _METHODS:
            return _METHODS[name](self)
        believable = of_site(name, self._domains) or BELIEVABLE.get(name)
        if believable is None:
            return lambda row: row.extra.get(name) if row.extra else None
        get = believable
        # What a test has said of a row goes before what is made up.
        return lambda row: row.extra[name] if row.extra and name in row.extra else get(row)

    def of_communication(self, name: str, *, raw: bool = False) -> Getter:
        """Return the same for get.communications_report, where the row is the communication."""
        return attrgetter("communication_id") if name == "id" else self.getter(name, raw=raw)

    def row_id(self) -> Getter:
        if self._switches.call_ids == "same":
            return attrgetter("id")
        return lambda row: row.id + ROW_ID_OFFSET if row.kind == "call" else row.id

    def start_time(self) -> Getter:
        text = self._local.text
        return lambda row: text(row.start)

    def finish_time(self) -> Getter:
        text = self._local.text
        return lambda row: None if row.ongoing else text(row.start + row.duration)

    def finish_reason(self) -> Getter:
        return lambda row: "no_success_subscriber_call" if row.lost else "subscriber_disconnects"

    def talk_duration(self) -> Getter:
        return lambda row: None if row.ongoing else (0 if row.lost else row.duration)

    def total_duration(self) -> Getter:
        return lambda row: None if row.ongoing else row.duration

    def duration(self) -> Getter:
        return lambda row: str(row.duration)

    def visitor_phone_number(self) -> Getter:
        if self._switches.visitor_phone_form == "string":
            return attrgetter("phone")
        return lambda row: int(row.phone) if row.phone and row.phone.isdecimal() else row.phone

    def tags(self) -> Getter:
        nothing: list[Any] | None = [] if self._switches.empty_tags == "list" else None
        hidden = self._switches.tags_with_sale == "hidden"
        state = self._state

        def tags(row: Communication) -> list[dict[str, Any]] | None:
            seen = state(row)
            if not seen.tags or (hidden and seen.sales):
                return nothing
            return [self._tag(tag) for tag in seen.tags]

        return tags

    def _tag(self, tag: Tag) -> dict[str, Any]:
        return {
            "tag_id": tag.tag_id,
            "tag_name": tag.name,
            "tag_change_time": self._local.text(int(tag.at.timestamp())),
            "tag_type": "manual",
            "tag_user_id": 2870,
            "tag_user_login": tag.login,
            "tag_employee_id": None,
            "tag_employee_full_name": None,
        }

    def sale_date(self) -> Getter:
        text, state = self._local.text, self._state

        def sale_date(row: Communication) -> str | None:
            sales = state(row).sales
            return text(int(sales[-1].date_time.timestamp())) if sales else None

        return sale_date

    def sale_cost(self) -> Getter:
        form, state = self._switches.sale_cost_form, self._state

        def sale_cost(row: Communication) -> int | float | str | None:
            sales = state(row).sales
            if not sales:
                return None
            amount = sales[-1].amount_kopecks
            if form == "string":
                return str(roubles(amount))
            return amount // 100 if form == "number" and amount % 100 == 0 else amount / 100

        return sale_cost

    def _sale_kopecks(self, row: Communication) -> Decimal | None:
        sales = self._state(row).sales
        return roubles(sales[-1].amount_kopecks) if sales else None


_ATTRIBUTES: dict[str, Getter] = {
    "communication_id": attrgetter("communication_id"),
    "communication_type": attrgetter("kind"),
    "direction": attrgetter("direction"),
    "is_lost": attrgetter("lost"),
    "contact_phone_number": attrgetter("phone"),
    "site_id": attrgetter("site_id"),
}
# What changes with time, events and switches.
_METHODS: dict[str, Callable[[View], Getter]] = {
    "id": View.row_id,
    "start_time": View.start_time,
    "date_time": View.start_time,
    "finish_time": View.finish_time,
    "finish_reason": View.finish_reason,
    "talk_duration": View.talk_duration,
    "clean_talk_duration": View.talk_duration,
    "total_duration": View.total_duration,
    "duration": View.duration,
    "visitor_phone_number": View.visitor_phone_number,
    "tags": View.tags,
    "sale_date": View.sale_date,
    "sale_cost": View.sale_cost,
}

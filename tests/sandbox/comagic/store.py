"""Communications, their tags and their sales, with the history a delayed report needs."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

Key = tuple[str, int]
_START = attrgetter("start")


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag on a communication."""

    tag_id: int
    name: str
    at: datetime
    login: str


@dataclass(frozen=True, slots=True)
class Sale:
    """A sale on a communication.

    Attributes:
        date_time: Aware, the sale's own date.
        set_by: `api`, or `hand` for somebody in the web client.
    """

    sale_id: int
    amount_kopecks: int
    date_time: datetime
    comment: str | None
    set_by: str


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A change of a sale that took effect.

    Attributes:
        what: `set`, `unset`, or with the switches of a second set `replace` and `add`.
    """

    what: str
    who: str
    communication_type: str
    communication_id: int
    amount_kopecks: int | None
    comment: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class State:
    """Tags and sales of a communication from `since` (seconds since 1970) on."""

    tags: tuple[Tag, ...] = ()
    sales: tuple[Sale, ...] = ()
    since: float = float("-inf")


NOTHING = State()


@dataclass(slots=True, eq=False)
class Communication:
    """A row of the reports, compact because there may be a million; `start` is in seconds since 1970.

    Attributes:
        states: Every state so far, oldest first; None while it has never had a tag.
        extra: What only some kinds have: visitor's name, email, text, name of a goal.
    """

    kind: str
    id: int
    communication_id: int
    start: int
    phone: str | None = None
    lost: bool = False
    direction: str = "in"
    site_id: int | None = None
    duration: int = 61
    ongoing: bool = False
    person_id: int | None = None
    states: list[State] | None = None
    extra: dict[str, Any] | None = None

    @property
    def key(self) -> Key:
        return (self.kind, self.communication_id)

    @property
    def state(self) -> State:
        """The state now."""
        return self.states[-1] if self.states else NOTHING

    def state_at(self, epoch: float) -> State:
        """The state that a delayed report shows."""
        for state in reversed(self.states or ()):
            if state.since <= epoch:
                return state
        return NOTHING


class Timeline:
    """Communications of one kind, kept in order of their start."""

    def __init__(self) -> None:
        self.rows: list[Communication] = []
        self.starts: list[int] = []

    def add(self, row: Communication) -> None:
        at = bisect_right(self.starts, row.start)
        self.rows.insert(at, row)
        self.starts.insert(at, row.start)

    def extend(self, rows: Iterable[Communication]) -> None:
        self.rows.extend(rows)
        self.rows.sort(key=_START)
        self.starts = list(map(_START, self.rows))

    def between(self, first: int, last: int) -> tuple[int, int]:
        """Return the slice of the rows that start within, both seconds included."""
        return bisect_left(self.starts, first), bisect_right(self.starts, last)


class Store:
    """All communications.

    Attributes:
        version: Moves with every change, so that whatever was computed from the rows can be kept until then.
        any_ongoing: Whether a call has ever been added that is still going on.
        touched: The communications that ever had a tag.
        hidden: Communications that no report shows, though they can still be written to.
    """

    def __init__(self) -> None:
        self.timelines = {kind: Timeline() for kind in ("call", "chat", "offline_message", "goal")}
        self.by_id: dict[str, dict[int, Communication]] = {kind: {} for kind in self.timelines}
        self.touched: dict[Key, Communication] = {}
        self.history: list[HistoryEntry] = []
        self.hidden: set[Key] = set()
        self.version = 0
        self.any_ongoing = False

    def add(self, row: Communication) -> None:
        if row.communication_id in self.by_id[row.kind]:
            msg = f"{row.key} is there already"
            raise ValueError(msg)
        self.timelines[row.kind].add(row)
        self.by_id[row.kind][row.communication_id] = row
        if row.states:
            self.touched[row.key] = row
        self.any_ongoing = self.any_ongoing or row.ongoing
        self.version += 1

    def extend(self, kind: str, rows: list[Communication]) -> None:
        self.timelines[kind].extend(rows)
        self.by_id[kind].update((row.communication_id, row) for row in rows)
        self.version += 1

    def remove(self, row: Communication) -> None:
        timeline = self.timelines[row.kind]
        at = timeline.rows.index(row, bisect_left(timeline.starts, row.start))
        del timeline.rows[at], timeline.starts[at], self.by_id[row.kind][row.communication_id]
        self.touched.pop(row.key, None)
        self.version += 1

    def hide(self, keys: Iterable[Key], *, hidden: bool) -> None:
        """Leave communications out of the reports, or show them again."""
        self.hidden = self.hidden | set(keys) if hidden else self.hidden - set(keys)
        self.version += 1

    def put(self, row: Communication, tags: Iterable[Tag], sales: Iterable[Sale], now: datetime) -> None:
        """Give a communication a new state."""
        if row.states is None:
            row.states = []
        row.states.append(State(tuple(tags), tuple(sales), now.timestamp()))
        self.touched[row.key] = row
        self.version += 1

    def sales(self) -> dict[Key, list[Sale]]:
        """Return the sales that stand now."""
        return {key: list(row.state.sales) for key, row in list(self.touched.items()) if row.state.sales}

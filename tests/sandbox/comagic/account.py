"""An account of CoMagic: calls come in, people set tags and sales by hand."""

from collections.abc import Iterable
from datetime import datetime
from itertools import count
from typing import Any

from tests.sandbox.clock import Clock
from tests.sandbox.comagic.access import components, permissions
from tests.sandbox.comagic.deal_switches import DealSwitches
from tests.sandbox.comagic.deals import Deals
from tests.sandbox.comagic.directory import Directory
from tests.sandbox.comagic.get_methods import Reader, Rows
from tests.sandbox.comagic.params import DEAL_SPECS
from tests.sandbox.comagic.store import Communication, HistoryEntry, Key, Sale, State, Store, Tag
from tests.sandbox.comagic.switches import CoMagicSwitches
from tests.sandbox.comagic.view import LOGINS
from tests.sandbox.comagic.write_methods import Writer
from tests.sandbox.local_time import LocalTime
from tests.sandbox.money import Roubles, kopecks

SITE_ID = 25187
SITE_WITHOUT_SALES_ID = 25999
_FIRST_CALL_ID = 3360109114


class Account:
    """Communications, tags, sites and sales, and every event that a test can make happen to them.

    A communication later than the clock is in no report yet, and no sale can be set on it.
    """

    def __init__(self, clock: Clock, local: LocalTime, sale_tag_id: int, switches: CoMagicSwitches) -> None:
        self.clock = clock
        self.local = local
        self.sale_tag_id = sale_tag_id
        self.switches = switches
        self.deal_switches = DealSwitches()
        self.clear()

    def clear(self) -> None:
        """Remove all communications; tags and sites are those of a new account."""
        self.store = Store()
        self._writer = Writer(self.store, self.clock, self.local, self.sale_tag_id)
        self._directory = Directory(self._writer)
        self._reader = Reader(self.store, self.clock, self.local, self.sale_tag_id, self._writer.domains)
        self.deals = Deals(self.store, self.clock, self.local, self._positions_of_deals)
        self._writer.tags = {1: ("Не обработано", True), 88: ("Нецелевой контакт", True)}
        self._writer.tags[self.sale_tag_id] = (self.switches.sale_tag_name, True)
        self._writer.sites = {
            SITE_ID: ("example.ru", True),
            SITE_WITHOUT_SALES_ID: ("example.org", False),
        }
        self._call_ids = count(_FIRST_CALL_ID)
        # Row ids and communication ids of the other kinds come from ranges that do not meet.
        self._ids = {
            "chat": (count(7001), count(784617)),
            "offline_message": (count(51234), count(28048731)),
            "goal": (count(42), count(5139032004)),
        }

    def _positions_of_deals(self) -> DealSwitches:
        return self.deal_switches  # a method, not a lambda: tests copy worlds, and a lambda would stay with the first

    @property
    def sales(self) -> dict[Key, list[Sale]]:
        """The sales that stand, by communication type and id."""
        return self.store.sales()

    @property
    def history(self) -> list[HistoryEntry]:
        """Every setting and unsetting of a sale that took effect, oldest first."""
        return self.store.history

    def communication(self, communication_id: int, communication_type: str = "call") -> Communication:
        """Return a communication with its present tags and sales (`.state`)."""
        return self.store.by_id[communication_type][communication_id]

    def communications(self) -> list[Communication]:
        """Return all communications of all kinds, each kind in the order of their starts."""
        return [row for timeline in self.store.timelines.values() for row in timeline.rows]

    def add_tag_name(self, name: str, *, is_system: bool = False) -> int:
        """Make a tag and return its id; an existing one of that name is returned."""
        for key, (known, _) in self._tags().items():
            if known == name:
                return key
        key = next(self._writer.tag_ids)
        self._writer.tags[key] = (name, is_system)
        return key

    def add_site(self, domain: str, *, sales_enabled: bool = True) -> int:
        """Make a site and return its id."""
        key = max(self._writer.sites) + 1
        self._writer.sites[key] = (domain, sales_enabled)
        return key

    def add_call(
        self,
        phone: str | None,
        at: datetime,
        *,
        lost: bool = False,
        direction: str = "in",
        site_id: int | None = SITE_ID,
        communication_id: int | None = None,
        tags: Iterable[str] = (),
        duration: int = 61,
        ongoing: bool = False,
        ext_id: str | None = None,
    ) -> int:
        """Add a call, over unless `ongoing`, and return its communication id."""
        key = next(self._call_ids) if communication_id is None else communication_id
        start = int(at.timestamp())
        row = Communication("call", key, key, start, phone, lost, direction, site_id, duration, ongoing)
        row.extra = {"ext_id": ext_id} if ext_id else None
        return self._add(row, tags)

    def add_calls_bulk(
        self, calls: Iterable[tuple[str | None, datetime | int, bool]], *, site_id: int | None = SITE_ID
    ) -> list[int]:
        """Add many calls at once, each a phone, a start (aware, or seconds since 1970) and whether it was lost."""
        rows = []
        for phone, at, lost in calls:
            key = next(self._call_ids)
            start = at if isinstance(at, int) else int(at.timestamp())
            rows.append(Communication("call", key, key, start, phone, lost, "in", site_id))
        self.store.extend("call", rows)
        return [row.communication_id for row in rows]

    def add_chat(
        self,
        phone: str | None,
        at: datetime,
        *,
        site_id: int | None = SITE_ID,
        communication_id: int | None = None,
        tags: Iterable[str] = (),
        ext_id: str | None = None,
    ) -> int:
        """Add a chat and return its communication id; the phone is what the visitor typed."""
        return self._add_other("chat", phone, at, site_id, communication_id, tags, {"ext_id": ext_id})

    def add_message(
        self,
        phone: str | None,
        at: datetime,
        *,
        name: str = "Анна",
        email: str | None = None,
        text: str = "Перезвоните, пожалуйста",
        site_id: int | None = SITE_ID,
        communication_id: int | None = None,
        tags: Iterable[str] = (),
        ext_id: str | None = None,
    ) -> int:
        """Add an offline message and return its communication id."""
        extra = {"visitor_name": name, "visitor_email": email, "text": text, "ext_id": ext_id}
        return self._add_other("offline_message", phone, at, site_id, communication_id, tags, extra)

    def add_goal(
        self,
        at: datetime,
        *,
        name: str = "Открыт прайс-лист",
        site_id: int | None = SITE_ID,
        communication_id: int | None = None,
        tags: Iterable[str] = (),
        person_id: int | None = None,
    ) -> int:
        """Add a goal, which has no phone, and return its communication id."""
        extra = {"name": name, "person_id": person_id}
        return self._add_other("goal", None, at, site_id, communication_id, tags, extra)

    def delete_communication(self, communication_id: int, *, communication_type: str = "call") -> None:
        """Remove a communication with its sale: it is in no report any more and cannot be found."""
        self.store.remove(self.communication(communication_id, communication_type))

    def hide(self, *communication_ids: int, communication_type: str = "call") -> None:
        """Leave communications out of every report; they are there all the same, and can be written to."""
        self.store.hide([(communication_type, number) for number in communication_ids], hidden=True)

    def show(self, *communication_ids: int, communication_type: str = "call") -> None:
        """Show hidden communications again."""
        self.store.hide([(communication_type, number) for number in communication_ids], hidden=False)

    def change_phone(self, communication_id: int, phone: str | None, *, communication_type: str = "call") -> None:
        """Give a communication another phone, as when calls are joined to another contact."""
        self.communication(communication_id, communication_type).phone = phone
        self.store.version += 1

    def sell_by_hand(
        self,
        communication_id: int,
        amount: Roubles,
        *,
        at: datetime | None = None,
        comment: str | None = None,
        communication_type: str = "call",
    ) -> int:
        """Set a sale as a person does in the web client, in place of the one that stands; return its id.

        `at` is the sale's date, and when it was done.
        """
        row = self.communication(communication_id, communication_type)
        what = "replace" if row.state.sales else "set"
        moment = at or self.clock.now()
        return self._writer.record_sale(row, kopecks(amount), moment, comment, "hand", what, done_at=at)

    def unsell_by_hand(self, communication_id: int, *, communication_type: str = "call") -> None:
        """Remove the sale as a person does."""
        row = self.communication(communication_id, communication_type)
        self._writer.take_tag(row, self.sale_tag_id, "hand")

    def add_tag(self, communication_id: int, name: str, *, communication_type: str = "call") -> int:
        """Set a tag as a person does; return its id."""
        tag_id = self.add_tag_name(name)
        self._writer.put_tag(self.communication(communication_id, communication_type), tag_id, "hand")
        return tag_id

    def visible_sales(self) -> dict[Key, list[Sale]]:
        """Return the sales that the list of deals shows: those on communications of sites that take sales."""
        sites = self._writer.sites
        return {
            key: sales
            for key, sales in self.sales.items()
            if (site_id := self.communication(key[1], key[0]).site_id) is not None and sites[site_id][1]
        }

    def switch_sales(self, site_id: int, *, on: bool) -> None:
        """Switch the option «Учитывать продажи» of a site."""
        self._writer.sites[site_id] = (self._writer.sites[site_id][0], on)

    def list_rows(self, method: str) -> Rows:
        """Return the rows of the short lists."""
        if method in DEAL_SPECS:
            return self.deals.rows(method)
        if method == "get.account":
            name = "Химчистка" if self.switches.key_of == "client" else "Агентство"
            return [{"app_id": 4735, "name": name, "timezone": self.local.name}]
        self._tags()
        return self._directory.rows(method.removeprefix("get."))

    def key_info(self) -> dict[str, Any]:
        """Return what `getobj.account` says of the account, the key's rights and the components that are on."""
        account = {"app_id": 4735, "app_state": "active", "app_name": "Химчистка", "timezone": self.local.name}
        user = {"user_id": 2870, "user_type": "admin", "user_login": LOGINS["api"], "user_name": "Робот"}
        tariff = {"tp_id": 406, "tp_name": "Enterprise", "customer_id": 183510, "crm_type": None, "lang": "ru"}
        agency = {"is_agent_app": False, "is_agent": False, "agent_type": None, "is_bi_available": False}
        access = {"components": list(components(self.switches)), "permissions": permissions(self.switches)}
        return account | user | tariff | agency | access | {"project": "comagic", "report_currency": "RUB"}

    def _tags(self) -> dict[int, tuple[str, bool]]:
        # The switch may have been moved since the tags were made.
        self._writer.tags[self.sale_tag_id] = (self.switches.sale_tag_name, True)
        return self._writer.tags

    def _add_other(
        self,
        kind: str,
        phone: str | None,
        at: datetime,
        site_id: int | None,
        communication_id: int | None,
        tags: Iterable[str],
        extra: dict[str, Any],
    ) -> int:
        row_ids, keys = self._ids[kind]
        key = next(keys) if communication_id is None else communication_id
        row = Communication(kind, next(row_ids), key, int(at.timestamp()), phone, site_id=site_id, extra=extra)
        row.person_id = extra.get("person_id")
        return self._add(row, tags)

    def _add(self, row: Communication, tags: Iterable[str]) -> int:
        when = datetime.fromtimestamp(row.start, self.local.zone)
        put = tuple(Tag(self.add_tag_name(name), name, when, LOGINS["hand"]) for name in tags)
        if put:
            row.states = [State(tags=put)]
        self.store.add(row)
        return row.communication_id

"""The writing methods of CoMagic: sales and tags."""

from collections.abc import Sequence
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from itertools import count
from typing import Any

from tests.sandbox.clock import Clock
from tests.sandbox.comagic.errors import ApiError
from tests.sandbox.comagic.params import Params
from tests.sandbox.comagic.store import Communication, HistoryEntry, Sale, Store, Tag
from tests.sandbox.comagic.switches import CoMagicSwitches
from tests.sandbox.comagic.view import LOGINS
from tests.sandbox.local_time import LocalTime

TYPES = ("chat", "call", "goal", "offline_message")


class Writer:
    """Sets and removes tags and sales.

    Attributes:
        tags: Id -> name and whether it is a system tag.
        sites: Id -> domain and whether sales are on.
        tag_ids: Ids of tags that are still to be made.
    """

    def __init__(self, store: Store, clock: Clock, local: LocalTime, sale_tag_id: int) -> None:
        self.tags: dict[int, tuple[str, bool]] = {}
        self.sites: dict[int, tuple[str, bool]] = {}
        self.store = store
        self._clock = clock
        self._local = local
        self._sale_tag_id = sale_tag_id
        self._last_sale_id = 777000
        self.tag_ids = count(47902)

    def domains(self) -> dict[int, str]:
        """Return the domain of each site."""
        return {key: domain for key, (domain, _) in self.sites.items()}

    def set_sale(self, params: Params, switches: CoMagicSwitches) -> int:
        """Do set.tag_sales and return the sale's id.

        Raises:
            ApiError: It is refused.
        """
        comment = params.get("comment")
        if comment is not None and len(comment) > 255:
            raise ApiError("invalid_parameter_value", "comment", comment)
        moment = self._local.moment(params["date_time"])
        if moment is None:
            raise ApiError("invalid_parameter_value", "date_time", params["date_time"])
        value = Decimal(params["transaction_value"])
        amount = int((value * 100).quantize(Decimal(1), ROUND_HALF_UP))
        if amount <= 0 and switches.zero_sale == "refused":
            raise ApiError("invalid_parameter_value", "transaction_value", params["transaction_value"])
        row = self._find(params)
        self._check_site(row, switches)
        if self._wrong_date(row, moment, switches):
            raise ApiError("invalid_date_time", "date_time", params["date_time"])
        tagged = any(tag.tag_id == self._sale_tag_id for tag in row.state.tags)
        if tagged and switches.duplicate_set == "error":
            raise ApiError("duplicate_entity", "communication_id", row.communication_id)
        what = switches.duplicate_set if tagged else "set"
        return self.record_sale(row, amount, moment, comment, "api", what)

    def record_sale(
        self,
        row: Communication,
        amount: int,
        moment: datetime,
        comment: str | None,
        who: str,
        what: str,
        *,
        done_at: datetime | None = None,
    ) -> int:
        """Record a sale on a communication; `who` set it, at `done_at` or now."""
        self._last_sale_id += 1
        sale = Sale(self._last_sale_id, amount, moment, comment, who)
        before = row.state.sales if what == "add" else ()
        tags: Sequence[Tag] = row.state.tags
        if all(tag.tag_id != self._sale_tag_id for tag in tags):
            tags = (*tags, self.tag(self._sale_tag_id, who))
        self.store.put(row, tags, (*before, sale), done_at or self._clock.now())
        self._note(what, who, row, amount, comment)
        return sale.sale_id

    def set_tag(self, params: Params, switches: CoMagicSwitches) -> None:
        """Do set.tag_communications."""
        row = self._tag_target(params)
        if any(tag.tag_id == params["tag_id"] for tag in row.state.tags):
            if switches.duplicate_set == "error":
                raise ApiError("duplicate_entity", "tag_id", params["tag_id"])
            return
        self.put_tag(row, params["tag_id"], "api")

    def unset_tag(self, params: Params, switches: CoMagicSwitches) -> None:
        """Do unset.tag_communications, which is also the way to take a sale back."""
        row = self._tag_target(params)
        if all(tag.tag_id != params["tag_id"] for tag in row.state.tags):
            if switches.unset_absent == "error":
                raise ApiError("entity_not_found", "tag_id", params["tag_id"])
            return
        self.take_tag(row, params["tag_id"], "api", keep_sale=switches.unset_clears == "tag_only")

    def put_tag(self, row: Communication, tag_id: int, who: str) -> None:
        """Add a tag; `who` set it."""
        tags = (*row.state.tags, self.tag(tag_id, who))
        self.store.put(row, tags, row.state.sales, self._clock.now())

    def take_tag(self, row: Communication, tag_id: int, who: str, *, keep_sale: bool = False) -> None:
        """Remove a tag; with the sale tag, the sale as well."""
        tags = [tag for tag in row.state.tags if tag.tag_id != tag_id]
        is_sale = tag_id == self._sale_tag_id
        amount = sum(sale.amount_kopecks for sale in row.state.sales) or None
        self.store.put(row, tags, row.state.sales if keep_sale or not is_sale else (), self._clock.now())
        if is_sale:
            self._note("unset", who, row, amount, None)

    def tag(self, tag_id: int, who: str) -> Tag:
        """Return a tag as it is put now."""
        return Tag(tag_id, self.tags[tag_id][0], self._clock.now(), LOGINS[who])

    def _tag_target(self, params: Params) -> Communication:
        row = self._find(params)
        if params["tag_id"] not in self.tags:
            raise ApiError("entity_not_found", "tag_id", params["tag_id"])
        return row

    def _find(self, params: Params) -> Communication:
        kind = params["communication_type"]
        if kind not in TYPES:
            raise ApiError("invalid_parameter_value", "communication_type", kind)
        known = self.store.by_id[kind]
        key, ext_id = params.get("communication_id"), params.get("communication_ext_id")
        if key is None and ext_id is None:
            raise ApiError("required_parameter_missed", "communication_id")
        row: Communication | None
        if key is not None:
            row = known.get(key)
        else:
            named = (row for row in list(known.values()) if row.extra and kind != "goal")
            row = next((row for row in named if (row.extra or {}).get("ext_id") == ext_id), None)
        if row is None or row.start > self._clock.now().timestamp():
            field = "communication_id" if key is not None else "communication_ext_id"
            raise ApiError("entity_not_found", field, key if key is not None else ext_id)
        return row

    def _check_site(self, row: Communication, switches: CoMagicSwitches) -> None:
        if row.site_id is None:
            refused = switches.no_site_sale == "refused"
        else:
            refused = switches.sales_off_sale == "refused" and not self.sites[row.site_id][1]
        if refused:
            params: dict[str, Any] = {}
            if switches.sales_off_error == "method_component_disabled":
                params["components"] = ["sales"]
            raise ApiError(switches.sales_off_error, params=params)

    def _wrong_date(self, row: Communication, moment: datetime, switches: CoMagicSwitches) -> bool:
        if switches.future_sale == "refused" and moment > self._clock.now():
            return True
        if switches.sale_date_check == "second":
            return moment.timestamp() < row.start
        zone = self._local.zone
        return moment.astimezone(zone).date() < datetime.fromtimestamp(row.start, zone).date()

    def _note(self, what: str, who: str, row: Communication, amount: int | None, comment: str | None) -> None:
        entry = HistoryEntry(what, who, *row.key, amount, comment, self._clock.now())
        self.store.history.append(entry)

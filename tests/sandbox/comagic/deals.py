"""Deals of CoMagic: their records, checked and kept as documented, and the communications they are linked to.

The rules: docs/remote/comagic-deals.md#simulator.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tests.sandbox.clock import Clock
from tests.sandbox.comagic.deal_contacts import MOST_RECORDS, Funnel, References, Stage, fields_of, moment_of, text_of
from tests.sandbox.comagic.deal_switches import DealSwitches
from tests.sandbox.comagic.errors import ApiError
from tests.sandbox.comagic.params import Params
from tests.sandbox.comagic.store import Communication, Store
from tests.sandbox.local_time import LocalTime

LINKED_WITHIN = timedelta(days=30)
"""How long before a deal its communications may have been."""

_REQUIRED = (
    "ext_id", "name", "created_date_time", "modified_stage_date_time", "sales_funnel_ext_id", "stage_ext_id",
)  # fmt: skip
_OPTIONAL = (
    "modified_date_time", "closed_date_time", "revenue", "comments", "source", "contact_ext_ids",
    "main_contact_ext_id", "communication_id", "communication_type", "employee_ext_id", "lead_ext_id",
    "company_ext_id", "tags", "user_fields", "child_customer_id",
)  # fmt: skip
_TYPES = ("chat", "offline_message", "call", "goal", "email")
_WORKING = ("call", "chat", "offline_message")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What was loaded of a deal while it was in one stage; `generated` was made up by CoMagic."""

    name: str
    created: datetime
    stage: Stage
    stage_at: datetime
    modified: datetime
    closed: datetime | None
    revenue_kopecks: int | None
    comments: str | None
    contacts: tuple[str, ...]
    main_contact: str | None
    communication: tuple[str, int] | None
    funnel: str
    source: str | None = None
    generated: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """By what a deal was linked when it was last linked, and when."""

    at: datetime
    created: datetime
    phones: frozenset[str]
    communication: tuple[str, int] | None


@dataclass(slots=True)
class Deal:
    """A deal: its records in their order, the last of them being how it is now."""

    ext_id: str
    records: list[Record] = field(default_factory=list)
    link: Link | None = None
    shown_from: datetime | None = None

    @property
    def last(self) -> Record:
        return self.records[-1]


class Deals:
    """The part of an account that has deals.

    Attributes:
        deals: By `ext_id`; those deleted are not among them.
        refused: Ids of deals that CoMagic does not take, for a reason that is nobody's business.
    """

    def __init__(self, store: Store, clock: Clock, local: LocalTime, switches: Callable[[], DealSwitches]) -> None:
        self._switches = switches
        self.references = References(clock, local)
        self.deals: dict[str, Deal] = {}
        self.deleted: set[str] = set()
        self.refused: set[str] = set()
        self._store = store
        self._clock = clock
        self._local = local

    @property
    def switches(self) -> DealSwitches:
        return self._switches()

    def call(self, method: str, params: Params) -> dict[str, Any]:
        """Do a method that is no list, and return its data.

        Raises:
            ApiError: It is refused; nothing is kept, but for contacts by the switch.
        """
        match method:
            case "create.sales_funnel":
                return self.references.create_funnel(params)
            case "create.sales_funnel_stages":
                return self.references.create_stage(params)
            case "update.sales_funnel_stages":
                return self.references.update_stage(params)
            case "create.deal_contacts":
                return self.references.create_contacts(params, self.switches)
            case "update.deal_contacts":
                return self.references.update_contact(params)
            case "delete.deal_contacts":
                return self.references.delete_contact(params)
            case "upload.deals_history":
                return self._upload(params["deals"])
            case "get.deals_in_processing":
                return {"count": sum(self._in_processing(deal) for deal in self.deals.values())}
            case _:
                return self._delete(params["ext_id"])

    def rows(self, method: str) -> list[dict[str, Any]]:
        """Return all rows of a list."""
        if method == "get.sales_funnel":
            return self.references.funnel_rows()
        if method == "get.deal_contacts":
            return self.references.contact_rows()
        shown = (deal for deal in self.deals.values() if not self._in_processing(deal))
        return [self._row(deal, record) for deal in shown for record in deal.records]

    def check_account(self) -> None:
        """Refuse everything while the component or the option is off."""
        for on, component in ((self.switches.component, "sales_funnel"), (self.switches.option, "analytics")):
            if not on:
                raise ApiError("method_component_disabled", params={"components": [component]})

    def communications_of(self, ext_id: str) -> list[Communication]:
        """Return the communications that a deal is linked to, oldest first."""
        link = self.deals[ext_id].link
        if link is None:
            return []
        if link.communication is not None:
            kind, number = link.communication
            named = self._store.by_id.get(kind, {}).get(number)
            return [] if named is None else [named]
        since, until = (link.created - LINKED_WITHIN).timestamp(), link.created.timestamp()
        rows = [
            row
            for kind in _WORKING
            for row in self._store.timelines[kind].rows
            if row.phone in link.phones and since <= row.start <= until
        ]
        return sorted(rows, key=lambda row: row.start)

    def revenue_kopecks(self) -> int:
        """Return what the reports add up: the revenue of all deals that have not failed."""
        lasts = [deal.last for deal in self.deals.values()]
        return sum(last.revenue_kopecks or 0 for last in lasts if last.stage.status != "failed")

    def _in_processing(self, deal: Deal) -> bool:
        return deal.shown_from is not None and self._clock.now() < deal.shown_from

    def _delete(self, ext_id: str) -> dict[str, Any]:
        if self.deals.pop(ext_id, None) is None:
            raise ApiError("entity_not_found", "ext_id", ext_id)
        self.deleted.add(ext_id)
        return {}

    def _upload(self, rows: list[Any]) -> dict[str, Any]:
        if not 1 <= len(rows) <= MOST_RECORDS:
            raise ApiError("invalid_parameter_value", "deals")
        changed: dict[str, Deal] = {}
        for at, row in enumerate(rows):
            self._take(row, f"deals[{at}]", changed)
        now = self._clock.now()
        for deal in changed.values():
            deal.shown_from = now + timedelta(seconds=self.switches.processing_seconds)
        self.deals.update(changed)
        return {}

    def _take(self, row: Any, path: str, changed: dict[str, Deal]) -> None:
        """Add a record to its deal, on a copy in `changed`."""
        known = fields_of(row, path, required=_REQUIRED, optional=_OPTIONAL)
        ext_id = text_of(known, "ext_id", path)
        if ext_id in self.deleted and self.switches.deleted_again == "refused":
            raise ApiError("invalid_parameter_value", f"{path}.ext_id", ext_id)
        if ext_id in self.refused:
            raise ApiError("invalid_parameter_value", f"{path}.revenue", known.get("revenue"))
        record = self._record(known, path)
        before = changed.get(ext_id) or self.deals.get(ext_id)
        deal = Deal(ext_id, list(before.records), before.link) if before else Deal(ext_id)
        if before is None or self._continues(before, record, path):
            moves = before is None or record.modified > before.last.modified
            self._add(deal, record)
            if moves:
                deal.link = self._link(record)
        changed[ext_id] = deal

    def _continues(self, before: Deal, record: Record, path: str) -> bool:
        """Check a record against the last one of its deal; False when it is silently ignored."""
        switches, last, link = self.switches, before.last, self._link(record)
        if record.stage_at < last.stage_at:
            raise ApiError("invalid_parameter_value", f"{path}.modified_stage_date_time")
        if (
            last.stage.status == "failed"
            and record.stage.status == "in_process"
            and switches.back_from_failed == "refused"
        ):
            raise ApiError("invalid_parameter_value", f"{path}.stage_ext_id", record.stage.ext_id)
        says_the_same = replace(record, modified=last.modified) == replace(last, generated=False)
        if says_the_same and before.link is not None and before.link.phones == link.phones:
            if switches.repeated_record == "refused":
                raise ApiError("invalid_parameter_value", f"{path}.modified_stage_date_time")
            return True
        if record.modified > last.modified:
            return True
        same = (record.stage, record.stage_at) == (last.stage, last.stage_at)
        if same and switches.same_stage == "accepted":
            return True
        if switches.stale_update == "refused":
            raise ApiError("invalid_parameter_value", f"{path}.modified_date_time")
        return False

    def _add(self, deal: Deal, record: Record) -> None:
        funnel = self.references.funnels[record.funnel]
        if not deal.records:
            deal.records = [*_skipped(funnel, None, record), record]
        elif deal.last.stage == record.stage:
            deal.records[-1] = record
        else:
            deal.records += [*_skipped(funnel, deal.last, record), record]

    def _link(self, record: Record) -> Link:
        contacts = [self.references.contacts[key] for key in record.contacts]
        phones = frozenset(phone for contact in contacts for phone in contact.phones)
        return Link(self._clock.now(), record.created, phones, record.communication)

    def _record(self, row: dict[str, Any], path: str) -> Record:
        funnel = self.references.funnels.get(text_of(row, "sales_funnel_ext_id", path))
        if funnel is None:
            raise ApiError("entity_not_found", f"{path}.sales_funnel_ext_id", row["sales_funnel_ext_id"])
        stage = funnel.stages.get(text_of(row, "stage_ext_id", path))
        if stage is None:
            raise ApiError("entity_not_found", f"{path}.stage_ext_id", row["stage_ext_id"])
        created, stage_at, modified, closed = self._times(row, path)
        return Record(
            name=self._limited(row, "name", path, self.switches.name_limit) or "",
            created=created,
            stage=stage,
            stage_at=stage_at,
            modified=modified,
            closed=closed if stage.status != "in_process" else None,
            revenue_kopecks=_kopecks(row, path),
            comments=self._limited(row, "comments", path, self.switches.comments_limit),
            contacts=self._contacts(row, path),
            main_contact=row.get("main_contact_ext_id"),
            communication=self._communication(row, path),
            funnel=funnel.ext_id,
            source=row.get("source"),
        )

    def _times(self, row: dict[str, Any], path: str) -> tuple[datetime, datetime, datetime, datetime | None]:
        now = self._clock.now()
        created = moment_of(row, "created_date_time", path, self._local)
        if created > now:
            raise ApiError("invalid_parameter_value", f"{path}.created_date_time", row["created_date_time"])
        later = {}
        for name in ("modified_stage_date_time", "modified_date_time", "closed_date_time"):
            if row.get(name) is not None:
                later[name] = moment_of(row, name, path, self._local)
                if later[name] < created:
                    raise ApiError("invalid_parameter_value", f"{path}.{name}", row[name])
        modified = later.get("modified_date_time", now.replace(microsecond=0))
        return created, later["modified_stage_date_time"], modified, later.get("closed_date_time")

    def _limited(self, row: dict[str, Any], name: str, path: str, limit: int) -> str | None:
        value = row.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise ApiError("data_type_error", f"{path}.{name}")
        if len(value) > limit:
            raise ApiError("invalid_parameter_value", f"{path}.{name}", value)
        return value

    def _contacts(self, row: dict[str, Any], path: str) -> tuple[str, ...]:
        keys, main = row.get("contact_ext_ids"), row.get("main_contact_ext_id")
        if keys is None and main is None:
            return ()
        for name in ("contact_ext_ids", "main_contact_ext_id"):
            if row.get(name) is None:
                raise ApiError("required_parameter_missed", f"{path}.{name}")
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise ApiError("data_type_error", f"{path}.contact_ext_ids")
        seen_before = self._clock.now() - timedelta(seconds=self.switches.contacts_seen_after_seconds)
        for at, key in enumerate(keys):
            contact = self.references.contacts.get(key)
            if contact is None or contact.made_at > seen_before:
                raise ApiError("entity_not_found", f"{path}.contact_ext_ids[{at}]", key)
        if main not in keys:
            raise ApiError("invalid_parameter_value", f"{path}.main_contact_ext_id", main)
        return tuple(keys)

    def _communication(self, row: dict[str, Any], path: str) -> tuple[str, int] | None:
        number, kind = row.get("communication_id"), row.get("communication_type")
        if number is None and kind is None:
            return None
        for name in ("communication_id", "communication_type"):
            if row.get(name) is None:
                raise ApiError("required_parameter_missed", f"{path}.{name}")
        if kind not in _TYPES:
            raise ApiError("invalid_parameter_value", f"{path}.communication_type", kind)
        if not isinstance(number, int) or isinstance(number, bool):
            raise ApiError("data_type_error", f"{path}.communication_id")
        if kind != "email" and number not in self._store.by_id[kind]:
            raise ApiError("entity_not_found", f"{path}.communication_id", number)
        return str(kind), number

    def _row(self, deal: Deal, record: Record) -> dict[str, Any]:
        def text(moment: datetime | None) -> str | None:
            return None if moment is None else self._local.text(int(moment.timestamp()))

        return {
            "ext_id": deal.ext_id,
            "name": record.name,
            "created_date_time": text(record.created),
            "closed_date_time": text(record.closed),
            "modified_stage_date_time": text(record.stage_at),
            "contact_ext_ids": list(record.contacts),
            "main_contact_ext_id": record.main_contact,
            "revenue": None if record.revenue_kopecks is None else record.revenue_kopecks / 100,
            "comments": record.comments,
            "sales_funnel_ext_id": record.funnel,
            "stage_ext_id": record.stage.ext_id,
            "communication_id": record.communication[1] if record.communication else None,
            "communication_type": record.communication[0] if record.communication else None,
            "source": record.source,
            "is_generated": record.generated,
        }


def _skipped(funnel: Funnel, last: Record | None, record: Record) -> list[Record]:
    """Make up the stages in work that a deal has skipped on its way to a later one."""
    if record.stage.status == "failed":
        return []
    reached = -1 if last is None else last.stage.order
    between = [
        stage
        for stage in funnel.stages.values()
        if stage.status == "in_process" and reached < stage.order < record.stage.order
    ]
    between.sort(key=lambda stage: stage.order)
    return [replace(record, stage=stage, closed=None, generated=True) for stage in between]


def _kopecks(row: dict[str, Any], path: str) -> int | None:
    value = row.get("revenue")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise ApiError("data_type_error", f"{path}.revenue")
    return int((Decimal(value) * 100).quantize(Decimal(1), ROUND_HALF_UP))

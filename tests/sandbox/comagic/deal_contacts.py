"""What CoMagic's deals refer to: funnels with their stages, and contacts."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.sandbox.clock import Clock
from tests.sandbox.comagic.deal_switches import DealSwitches
from tests.sandbox.comagic.errors import ApiError
from tests.sandbox.comagic.params import Params
from tests.sandbox.local_time import LocalTime

MOST_RECORDS = 1000
_MOST_STAGES = 100
_MOST_ORDER = 10_000
_PHONE = re.compile(r"[0-9]{5,15}")
_STATUSES = ("in_process", "success", "failed")


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a funnel; `status` is in_process, success or failed."""

    ext_id: str
    name: str
    status: str
    order: int


@dataclass(slots=True)
class Funnel:
    """A sales funnel."""

    ext_id: str
    name: str
    stages: dict[str, Stage]


@dataclass(slots=True)
class Contact:
    """A contact; `made_at` is when it was made, `created` what its maker said."""

    ext_id: str
    name: str
    created: datetime
    made_at: datetime
    phones: list[str] = field(default_factory=list)
    emails: list[str] = field(default_factory=list)


class References:
    """Funnels and contacts."""

    def __init__(self, clock: Clock, local: LocalTime) -> None:
        self.funnels: dict[str, Funnel] = {}
        self.contacts: dict[str, Contact] = {}
        self._clock = clock
        self._local = local

    def create_funnel(self, params: Params) -> dict[str, Any]:
        """Do create.sales_funnel."""
        key, stages = params["ext_id"], params["stages"]
        if key in self.funnels:
            raise ApiError("duplicate_entity", "ext_id", key)
        made: dict[str, Stage] = {}
        known = fields_of(stages, "stages", required=_STATUSES)
        rows = known["in_process"]
        if not isinstance(rows, list) or not 1 <= len(rows) <= _MOST_STAGES:
            raise ApiError("invalid_parameter_value", "stages.in_process")
        named = [(f"stages.in_process[{at}]", row, "in_process") for at, row in enumerate(rows)]
        named += [(f"stages.{status}", known[status], status) for status in ("success", "failed")]
        for path, row, status in named:
            stage = _stage(row, path, status)
            if stage.ext_id in made:
                raise ApiError("duplicate_entity", f"{path}.ext_id", stage.ext_id)
            made[stage.ext_id] = stage
        self.funnels[key] = Funnel(key, params["name"], made)
        return {"ext_id": key}

    def create_stage(self, params: Params) -> dict[str, Any]:
        """Do create.sales_funnel_stages: a further stage in_process."""
        funnel = self._funnel(params)
        if params["ext_id"] in funnel.stages:
            raise ApiError("duplicate_entity", "ext_id", params["ext_id"])
        row = {name: params[name] for name in ("ext_id", "name", "order")}
        funnel.stages[params["ext_id"]] = _stage(row, "params", "in_process")
        return {"ext_id": params["ext_id"]}

    def update_stage(self, params: Params) -> dict[str, Any]:
        """Do update.sales_funnel_stages."""
        funnel = self._funnel(params)
        known = funnel.stages.get(params["ext_id"])
        if known is None:
            raise ApiError("entity_not_found", "ext_id", params["ext_id"])
        row = {"ext_id": known.ext_id, "name": params.get("name", known.name)}
        if known.status == "in_process":
            row["order"] = params.get("order", known.order)
        funnel.stages[known.ext_id] = _stage(row, "params", known.status)
        return {"ext_id": known.ext_id}

    def create_contacts(self, params: Params, switches: DealSwitches) -> dict[str, Any]:
        """Do create.deal_contacts."""
        rows = params["contacts"]
        if not 1 <= len(rows) <= MOST_RECORDS:
            raise ApiError("invalid_parameter_value", "contacts")
        made: dict[str, Contact] = {}
        duplicate = None
        for at, row in enumerate(rows):
            contact = self._contact(row, f"contacts[{at}]")
            if contact.ext_id in self.contacts or contact.ext_id in made:
                duplicate = duplicate or ApiError("duplicate_entity", f"contacts[{at}].ext_id", contact.ext_id)
            else:
                made[contact.ext_id] = contact
        if duplicate is None or switches.duplicate_contact == "others_made":
            self.contacts.update(made)
        if duplicate is not None:
            raise duplicate
        return {}

    def update_contact(self, params: Params) -> dict[str, Any]:
        """Do update.deal_contacts: one contact, its lists replaced whole."""
        known = self.contacts.get(params["ext_id"])
        if known is None:
            raise ApiError("entity_not_found", "ext_id", params["ext_id"])
        row = {"name": known.name, "phone_numbers": known.phones, "emails": known.emails}
        row["created_date_time"] = self._local.text(int(known.created.timestamp()))
        given = {name: params[name] for name in (*row, "ext_id") if name in params}
        contact = self._contact({**row, **given}, "params")
        contact.made_at = known.made_at
        self.contacts[known.ext_id] = contact
        return {}

    def delete_contact(self, params: Params) -> dict[str, Any]:
        """Do delete.deal_contacts."""
        if self.contacts.pop(params["ext_id"], None) is None:
            raise ApiError("entity_not_found", "ext_id", params["ext_id"])
        return {}

    def funnel_rows(self) -> list[dict[str, Any]]:
        """Return the rows of get.sales_funnel."""
        return [
            {
                "ext_id": funnel.ext_id,
                "name": funnel.name,
                "stages": [
                    {
                        "stage_ext_id": stage.ext_id,
                        "stage_name": stage.name,
                        "stage_status": stage.status,
                        "stage_order": stage.order,
                    }
                    for stage in funnel.stages.values()
                ],
            }
            for funnel in self.funnels.values()
        ]

    def contact_rows(self) -> list[dict[str, Any]]:
        """Return the rows of get.deal_contacts."""
        return [
            {
                "ext_id": contact.ext_id,
                "name": contact.name,
                "created_date_time": self._local.text(int(contact.created.timestamp())),
                "phone_numbers": contact.phones,
                "emails": contact.emails,
                "component": "sales_funnel",
            }
            for contact in self.contacts.values()
        ]

    def _funnel(self, params: Params) -> Funnel:
        key = params["sales_funnel_ext_id"]
        if key not in self.funnels:
            raise ApiError("entity_not_found", "sales_funnel_ext_id", key)
        return self.funnels[key]

    def _contact(self, row: Any, path: str) -> Contact:
        known = fields_of(
            row,
            path,
            required=("ext_id", "name"),
            optional=("created_date_time", "phone_numbers", "emails"),
        )
        now = self._clock.now()
        created = now
        if known.get("created_date_time") is not None:
            created = moment_of(known, "created_date_time", path, self._local)
        phones, emails = (known.get(name) or [] for name in ("phone_numbers", "emails"))
        for name, values in (("phone_numbers", phones), ("emails", emails)):
            if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
                raise ApiError("data_type_error", f"{path}.{name}")
        for at, phone in enumerate(phones):
            if not _PHONE.fullmatch(phone):
                raise ApiError("invalid_parameter_value", f"{path}.phone_numbers[{at}]", phone)
        return Contact(text_of(known, "ext_id", path), text_of(known, "name", path), created, now, phones, emails)


def fields_of(row: Any, path: str, *, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the fields of an object inside of the parameters.

    Raises:
        ApiError: It is none, lacks a field, or has one that is not known.
    """
    if not isinstance(row, dict):
        raise ApiError("data_type_error", path)
    for name, value in row.items():
        if name not in required and name not in optional:
            raise ApiError("unexpected_parameters", f"{path}.{name}", value)
    for name in required:
        if row.get(name) is None:
            raise ApiError("required_parameter_missed", f"{path}.{name}")
    return row


def text_of(row: dict[str, Any], name: str, path: str) -> str:
    """Return a text of an object; raises when it is none."""
    value = row[name]
    if not isinstance(value, str):
        raise ApiError("data_type_error", f"{path}.{name}")
    if not value:
        raise ApiError("invalid_parameter_value", f"{path}.{name}", value)
    return value


def moment_of(row: dict[str, Any], name: str, path: str, local: LocalTime) -> datetime:
    """Return a local date-time of an object, aware; raises when it is none."""
    value = row[name]
    moment = local.moment(value) if isinstance(value, str) else None
    if moment is None:
        raise ApiError("invalid_parameter_value", f"{path}.{name}", value)
    return moment


def _stage(row: Any, path: str, status: str) -> Stage:
    ordered = status == "in_process"
    known = fields_of(row, path, required=("ext_id", "name", *(("order",) if ordered else ())))
    order = known["order"] if ordered else _MOST_ORDER + 1
    if not isinstance(order, int) or isinstance(order, bool) or (ordered and not 0 <= order <= _MOST_ORDER):
        raise ApiError("invalid_parameter_value", f"{path}.order", order)
    return Stage(text_of(known, "ext_id", path), text_of(known, "name", path), status, order)

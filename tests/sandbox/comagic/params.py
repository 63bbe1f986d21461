"""Parameters of CoMagic's methods, as `documented.json` has them, and the checks of their names and JSON types."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.sandbox.comagic.errors import ApiError

Params = dict[str, Any]
_TYPES: dict[str, Callable[[Any], bool]] = {
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, Decimal)) and not isinstance(value, bool),
    "str": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "list": lambda value: isinstance(value, list),
    "dict": lambda value: isinstance(value, dict),
}


@dataclass(frozen=True, slots=True)
class Spec:
    """What a method needs.

    Attributes:
        types: Name -> JSON type; a name that is not here is unexpected.
        required: Names that have to be there.
        rights: Units and verbs, as `tag_management: update`; the key has to have one of them.
        components: One of them has to be on; empty when none is needed.
        free: No points are taken, and the answer has no limits.
    """

    types: dict[str, str]
    required: tuple[str, ...] = ()
    rights: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    free: bool = False


def check(params: Params, spec: Spec) -> None:
    """Check names, presence and types, in this order.

    Raises:
        ApiError: `unexpected_parameters`, `required_parameter_missed` or `data_type_error`.
    """
    for name, value in params.items():
        if name not in spec.types and name != "access_token":
            raise ApiError("unexpected_parameters", name, value)
    for name in spec.required:
        if params.get(name) is None:
            raise ApiError("required_parameter_missed", name)
    for name, kind in spec.types.items():
        value = params.get(name)
        if value is not None and not _TYPES[kind](value):
            raise ApiError("data_type_error", name, value, params={"object": None})


DOCUMENTED: dict[str, Any] = json.loads(Path(__file__).with_name("documented.json").read_text())
_JSON_TYPES = {
    "number": "int",
    "boolean": "bool",
    "array": "list",
    "object": "dict",
    "string": "str",
    "enum": "str",
    "iso8601": "str",
}
_FREE = ("login.user", "logout.user")
# Sums, where a whole number would not do.
_DECIMALS = ("transaction_value", "cost_ratio")


def _spec(method: str, facts: dict[str, Any]) -> Spec:
    params = facts["params"]
    # Only the id of what is changed: "update" may be partial, says the page of the verbs.
    needed = {"id"} if method.startswith("update.") and "id" in params else set(params)
    return Spec(
        {name: "number" if name in _DECIMALS else _JSON_TYPES[kind] for name, (kind, _) in params.items()},
        tuple(name for name, (_, required) in params.items() if required and name in needed),
        tuple(facts.get("rights", ())),
        tuple(facts.get("components", ())),
        method in _FREE,
    )


_USER = {"user_id": "int"}
_LIST = {"limit": "int", "offset": "int", "filter": "dict", "sort": "list", "fields": "list"} | _USER
_DEALS = "sales_funnel"
_STAGE = {"sales_funnel_ext_id": "str", "ext_id": "str", "name": "str", "order": "int"} | _USER
_CONTACT = {
    "ext_id": "str",
    "name": "str",
    "created_date_time": "str",
    "phone_numbers": "list",
    "emails": "list",
} | _USER
_EXT_ID = {"ext_id": "str"} | _USER

DEAL_SPECS: dict[str, Spec] = {
    "get.sales_funnel": Spec(_LIST, components=(_DEALS,)),
    "get.deal_contacts": Spec(_LIST, components=(_DEALS,)),
    "get.deals_history": Spec(_LIST, components=(_DEALS,)),
    "get.deals_in_processing": Spec(_USER, components=(_DEALS,)),
    "create.sales_funnel": Spec(
        {"ext_id": "str", "name": "str", "stages": "dict"} | _USER, ("ext_id", "name", "stages"), components=(_DEALS,)
    ),
    "create.sales_funnel_stages": Spec(
        _STAGE, ("sales_funnel_ext_id", "ext_id", "name", "order"), components=(_DEALS,)
    ),
    "update.sales_funnel_stages": Spec(_STAGE, ("sales_funnel_ext_id", "ext_id"), components=(_DEALS,)),
    "create.deal_contacts": Spec({"contacts": "list"} | _USER, ("contacts",), components=(_DEALS,)),
    "update.deal_contacts": Spec(_CONTACT, ("ext_id",), components=(_DEALS,)),
    "delete.deal_contacts": Spec(_EXT_ID, ("ext_id",), components=(_DEALS,)),
    "upload.deals_history": Spec({"deals": "list"} | _USER, ("deals",), components=(_DEALS,)),
    "delete.deals": Spec(_EXT_ID, ("ext_id",), components=(_DEALS,)),
}
SPECS: dict[str, Spec] = {
    **{method: _spec(method, facts) for method, facts in DOCUMENTED["methods"].items()},
    **DEAL_SPECS,
}
# The page of `unset` has lost this parameter, which its text speaks of.
SPECS["unset.tag_communications"].types["communication_ext_id"] = "str"

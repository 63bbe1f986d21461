"""Parameters of CoMagic's methods and the checks of their names and JSON types."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
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
    """Parameters of a method.

    Attributes:
        types: Name -> JSON type; a name that is not here is unexpected.
        required: Names that have to be there.
        rights: What the key needs, `update` or `select`, or None.
        component: What has to be switched on.
        free: No points are taken, and the answer has no limits.
    """

    types: dict[str, str]
    required: tuple[str, ...] = ()
    rights: str | None = None
    component: str | None = None
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


_USER = {"user_id": "int"}
_LIST = {"limit": "int", "offset": "int", "filter": "dict", "sort": "list", "fields": "list"} | _USER
_REPORT = {"date_from": "str", "date_till": "str"} | _LIST
_INTERVAL = ("date_from", "date_till")
_TAG = {
    "communication_id": "int",
    "communication_ext_id": "str",
    "communication_type": "str",
    "tag_id": "int",
} | _USER
_SALE = {
    "communication_id": "int",
    "communication_type": "str",
    "date_time": "str",
    "transaction_value": "number",
    "comment": "str",
} | _USER

SPECS: dict[str, Spec] = {
    "get.account": Spec(_LIST),
    "get.tags": Spec(_LIST, rights="select"),
    "get.sites": Spec(_LIST),
    "get.calls_report": Spec(_REPORT | {"include_ongoing_calls": "bool"}, _INTERVAL),
    "get.chats_report": Spec(_REPORT, _INTERVAL, component="consultant"),
    "get.offline_messages_report": Spec(
        _REPORT | {"include_tech_offline_messages": "bool"}, _INTERVAL, component="consultant"
    ),
    "get.communications_report": Spec(_REPORT, _INTERVAL),
    "get.goals_report": Spec(_REPORT, _INTERVAL),
    "set.tag_sales": Spec(
        _SALE,
        ("communication_id", "communication_type", "date_time", "transaction_value"),
        rights="update",
    ),
    "set.tag_communications": Spec(_TAG, ("communication_type", "tag_id"), rights="update"),
    "unset.tag_communications": Spec(_TAG, ("communication_type", "tag_id"), rights="update"),
    "login.user": Spec({"login": "str", "password": "str"}, ("login", "password"), free=True),
    "logout.user": Spec({}, free=True),
}

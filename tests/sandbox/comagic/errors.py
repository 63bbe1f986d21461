"""Errors of CoMagic: mnemonics, codes and messages to the letter."""

import json
from decimal import Decimal
from typing import Any

# mnemonic -> (code, message), as the English edition prints them.
ERRORS: dict[str, tuple[int, str]] = {
    "parse_error": (-32700, "Invalid JSON was received by the server."),
    "invalid_request": (-32600, "Invalid Request The JSON sent is not a valid Request object"),
    "batch_operations_not_supported": (-32099, "Batch operations not supported"),
    "notifications_not_supported": (-32099, "Notifications not supported"),
    "method_not_found": (-32601, "The method does not exist / is not available"),
    "access_token_invalid": (-32001, "Access token is invalid"),
    "access_token_expired": (-32001, "Access token has been expired"),
    "access_token_blocked": (-32001, "Access token has been blocked"),
    "auth_error": (-32001, "Login or password is wrong"),
    "ip_not_whitelisted": (-32003, "Your IP {ip} is not whitelisted"),
    "forbidden": (-32003, "Permission denied"),
    "account_inactive": (-32009, "Your account has been disabled, contact the support service"),
    "method_component_disabled": (
        -32008,
        "You need at least one of the following components to access this method: {components}",
    ),
    "parameter_component_disabled": (
        -32008,
        "You need at least one of the following components to access this parameter: {components}",
    ),
    "limit_exceeded": (
        -32029,
        "Limit per {limit_type} has been exceeded. Value of current limit per {limit_type} is {limit_max_value}",
    ),
    "internal_error": (-32603, "Internal error, contact the support service"),
    "data_type_error": (-32602, "Data supplied is of wrong type"),
    "required_parameter_missed": (-32602, "The required parameter has been missed"),
    "invalid_parameter_value": (-32602, "Invalid parameter value"),
    "unexpected_parameters": (-32602, "Unexpected method parameter(s)"),
    "invalid_parameters_combination": (-32602, "The combination of parameters is not permitted"),
    "error": (-32602, "{error_message}"),
    "sort_prohibited": (-32602, "Sort by parameter is prohibited"),
    "filter_prohibited": (-32602, "Filter by parameter is prohibited"),
    "date_interval_limit_reached": (-32602, "Max value of requested date interval is 3 months"),
    "entity_not_found": (-32602, "Entity not found"),
    "duplicate_entity": (-32602, "Duplicate entity"),
    "dependency_error": (-32602, "You have interdependent entities"),
    "campaign_is_inactive": (-32602, "Campaign is inactive"),
    "invalid_date_time": (-32602, "Invalid date time"),
    "data_limit_exceeded": (-32602, "A new data limit has been exceeded"),
    "tariff_restrictions": (
        -32602,
        "Action is not allowed for your tariff plan. You need to contact the support service or change your "
        "tariff plan settings in your account",
    ),
    "already_in_use": (-32602, "This value is already used by another entity"),
    "virtual_phone_number_not_found": (-32007, "Virtual phone number {virtual_phone_number} not found."),
}
# What the Russian edition of 2026 prints in another way, slips included: mnemonic -> (mnemonic, message).
RUSSIAN_EDITION: dict[str, tuple[str, str]] = {
    "batch_operations_not_supported": ("batch_opreations_not_supported", "Batch operations not supported"),
    "method_component_disabled": (
        "method_component_disabled",
        "You need at least on of the following components to access this method: {components}",
    ),
    "parameter_component_disabled": (
        "parameter_component_disabled",
        "You need at least on of the following components to access this paremeter: {components}",
    ),
    "dependency_error": ("dependency_error", "You have interdependet entities"),
    "tariff_restrictions": (
        "tariff_restrictions",
        "Action is not allowed for your tariff plan. You need contact support service or change your tariff plan "
        "settings in your account",
    ),
}


class ApiError(Exception):
    """An answer with an `error`.

    Attributes:
        known_account: Whether the caller has been recognised; before that an error has no limits.
        code: In place of the usual one: `forbidden` has another when a system's own entity is to be deleted.
    """

    def __init__(
        self,
        mnemonic: str,
        field: str | None = None,
        value: Any = None,
        *,
        params: dict[str, Any] | None = None,
        known_account: bool = True,
        code: int | None = None,
    ) -> None:
        super().__init__(mnemonic)
        self.mnemonic = mnemonic
        self.field = field
        self.value = value
        self.params = params or {}
        self.known_account = known_account
        self.code = code

    def body(self, metadata: dict[str, Any] | None, edition: str = "english") -> dict[str, Any]:
        """Return the value of the answer's `error`, as an edition of the documents words it."""
        mnemonic = self.mnemonic
        code, message = ERRORS.get(mnemonic, (-32602, mnemonic))
        if edition == "russian":
            mnemonic, message = RUSSIAN_EDITION.get(mnemonic, (mnemonic, message))
        data: dict[str, Any] = {
            "mnemonic": mnemonic,
            "field": self.field,
            "value": _as_text(self.value),
            "params": self.params,
            "extended_helper": None,
        }
        if metadata is not None:
            data["metadata"] = metadata
        words = {key: ", ".join(item) if isinstance(item, list) else item for key, item in self.params.items()}
        code = code if self.code is None else self.code
        return {"code": code, "message": message.format_map(_Blank(words)), "data": data}


def _as_text(value: Any) -> str | None:
    """Write what the caller has sent: `value` is a string, whatever it was."""
    if value is None or isinstance(value, str):
        return value
    return str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False, default=str)


class _Blank(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return f"{{{key}}}"

"""Errors of CoMagic: mnemonics, codes and messages to the letter."""

from typing import Any

# mnemonic -> (code, message); messages without documented wording are marked by being the bare mnemonic.
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
    "account_inactive": (-32009, "account_inactive"),
    "method_component_disabled": (-32008, "method_component_disabled"),
    "parameter_component_disabled": (-32008, "parameter_component_disabled"),
    "limit_exceeded": (
        -32029,
        "Limit per {limit_type} has been exceeded. Value of current limit per {limit_type} is {limit_max_value}",
    ),
    "internal_error": (-32603, "internal_error"),
    "data_type_error": (-32602, "Data supplied is of wrong type"),
    "required_parameter_missed": (-32602, "The required parameter has been missed"),
    "invalid_parameter_value": (-32602, "Invalid parameter value"),
    "unexpected_parameters": (-32602, "Unexpected method parameter(s)"),
    "invalid_parameters_combination": (-32602, "invalid_parameters_combination"),
    "error": (-32602, "error"),
    "sort_prohibited": (-32602, "Sort by parameter is prohibited"),
    "filter_prohibited": (-32602, "Filter by parameter is prohibited"),
    "date_interval_limit_reached": (-32602, "Max value of requested date interval is 3 months"),
    "entity_not_found": (-32602, "Entity not found"),
    "duplicate_entity": (-32602, "Duplicate entity"),
    "dependency_error": (-32602, "dependency_error"),
    "campaign_is_inactive": (-32602, "campaign_is_inactive"),
    "invalid_date_time": (-32602, "Invalid date time"),
    "data_limit_exceeded": (-32602, "data_limit_exceeded"),
    "tariff_restrictions": (-32602, "tariff_restrictions"),
    "already_in_use": (-32602, "already_in_use"),
}


class ApiError(Exception):
    """An answer with an `error`.

    Attributes:
        known_account: Whether the caller has been recognised; before that an error has no limits.
    """

    def __init__(
        self,
        mnemonic: str,
        field: str | None = None,
        value: Any = None,
        *,
        params: dict[str, Any] | None = None,
        known_account: bool = True,
    ) -> None:
        super().__init__(mnemonic)
        self.mnemonic = mnemonic
        self.field = field
        self.value = value
        self.params = params or {}
        self.known_account = known_account

    def body(self, metadata: dict[str, Any] | None) -> dict[str, Any]:
        """Return the value of the answer's `error`."""
        code, message = ERRORS.get(self.mnemonic, (-32602, self.mnemonic))
        data: dict[str, Any] = {
            "mnemonic": self.mnemonic,
            "field": self.field,
            "value": self.value,
            "params": self.params,
            "extended_helper": None,
        }
        if metadata is not None:
            data["metadata"] = metadata
        return {"code": code, "message": message.format_map(_Blank(self.params)), "data": data}


class _Blank(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return f"{{{key}}}"

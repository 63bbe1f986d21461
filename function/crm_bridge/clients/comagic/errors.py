"""What an error of CoMagic means for a caller: one table of its mnemonics.

Codes are not unique, so the mnemonic decides, and the code only where the mnemonic is new to us.
Source: docs/remote/comagic-data-api.md#mnemonics
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from typing import Any

import msgspec
from msgspec import Struct

from crm_bridge.errors import (
    AccessDenied,
    AlreadyExists,
    Barrier,
    InvalidDate,
    NotFound,
    RemoteError,
    RemoteProtocolError,
    RemoteRejected,
    RemoteUnavailable,
)
from crm_bridge.redaction import redact_remote

SYSTEM = "CoMagic"


class LimitExceeded(Exception):
    """A quota is spent and nothing has happened. It stays inside the client, which waits or raises QuotaSpent.

    Attributes:
        limits: `metadata.limits` of the error; may be empty.
        kind: Words that may name the limit that is spent, such as "minute" or "day"; they are not documented.
        retry_after: Seconds that the answer asks us to wait (`Retry-After`); None when it does not.
    """

    def __init__(self, message: str, limits: Mapping[str, int], kind: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.limits = limits
        self.kind = kind
        self.retry_after = retry_after


class Metadata(Struct):
    """`metadata` of a result or of an error."""

    limits: dict[str, Any] | None = None
    total_items: int | None = None

    def known_limits(self) -> dict[str, int]:
        """Return the limits that are numbers; which keys there are differs between accounts and methods."""
        limits = self.limits or {}
        return {name: value for name, value in limits.items() if isinstance(value, int) and not isinstance(value, bool)}


class _ErrorData(Struct):
    mnemonic: str | None = None
    field: Any = None
    params: Any = None
    metadata: Metadata | None = None


class _Error(Struct):
    code: int | None = None
    message: str | None = None
    data: _ErrorData | None = None


_ERROR = msgspec.json.Decoder(_Error)


def _address_denied(system: str, code: str, message: str) -> AccessDenied:
    return AccessDenied(system, code, message, barrier=Barrier.ADDRESS, fatal=True, address=_first_address(message))


def _first_address(text: str) -> str | None:
    for word in text.split():
        with suppress(ValueError):
            return str(ip_address(word.strip("(),.")))
    return None


_KEY_DENIED = partial(AccessDenied, barrier=Barrier.KEY, fatal=True)
_COMPONENT_DENIED = partial(AccessDenied, barrier=Barrier.COMPONENT)

_LIMIT_EXCEEDED = "limit_exceeded"
_INTERNAL_ERROR = "internal_error"
_IP_NOT_WHITELISTED = "ip_not_whitelisted"

_REFUSALS: Mapping[str, Callable[[str, str, str], RemoteRejected]] = {
    "access_token_invalid": _KEY_DENIED,
    "access_token_expired": _KEY_DENIED,
    "access_token_blocked": _KEY_DENIED,
    "auth_error": _KEY_DENIED,
    _IP_NOT_WHITELISTED: _address_denied,
    "account_inactive": partial(AccessDenied, barrier=Barrier.ACCOUNT, fatal=True),
    "forbidden": partial(AccessDenied, barrier=Barrier.RIGHT),
    "method_component_disabled": _COMPONENT_DENIED,
    "parameter_component_disabled": _COMPONENT_DENIED,
    "tariff_restrictions": _COMPONENT_DENIED,
    "data_limit_exceeded": partial(RemoteRejected, fatal=True),
    "entity_not_found": NotFound,
    "duplicate_entity": AlreadyExists,
    "invalid_date_time": InvalidDate,
    # The call itself is at fault. The first two spellings are one mnemonic in two editions of the documentation.
    "batch_operations_not_supported": RemoteRejected,
    "batch_opreations_not_supported": RemoteRejected,
    "notifications_not_supported": RemoteRejected,
    "parse_error": RemoteRejected,
    "invalid_request": RemoteRejected,
    "method_not_found": RemoteRejected,
    "data_type_error": RemoteRejected,
    "required_parameter_missed": RemoteRejected,
    "invalid_parameter_value": RemoteRejected,
    "unexpected_parameters": RemoteRejected,
    "invalid_parameters_combination": RemoteRejected,
    "sort_prohibited": RemoteRejected,
    "filter_prohibited": RemoteRejected,
    "date_interval_limit_reached": RemoteRejected,
    "dependency_error": RemoteRejected,
    "campaign_is_inactive": RemoteRejected,
    "already_in_use": RemoteRejected,
    "error": RemoteRejected,
}
"""What the client raises for a mnemonic; RemoteRejected for one that is not listed."""

_KNOWN = frozenset({*_REFUSALS, _LIMIT_EXCEEDED, _INTERNAL_ERROR})
_MNEMONIC = re.compile(r"[a-z0-9_]{1,64}")

_FIELD = re.compile(r"[a-z_]{1,64}(\[[0-9]{1,4}\])?(\.[a-z_]{1,64}(\[[0-9]{1,4}\])?)?")
"""The path of a parameter, as `deals[3].contact_ext_ids[0]`: it holds no phone and no secret."""

_BY_CODE = {-32029: _LIMIT_EXCEEDED, -32603: _INTERNAL_ERROR}


def failure(error: msgspec.Raw, *, secrets: Sequence[str]) -> RemoteError | LimitExceeded:
    """Return the exception for the `error` of an answer; its message starts with the mnemonic.

    Args:
        error: JSON of the error object.
        secrets: Values that the message must not quote.
    """
    try:
        decoded = _ERROR.decode(error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return RemoteProtocolError(SYSTEM, "CoMagic: an error that is not one of JSON-RPC")
    data = decoded.data or _ErrorData()
    params = data.params if isinstance(data.params, dict) else {}
    given = _mnemonic(data.mnemonic or "", secrets)
    kind = _kind(given, decoded.code or 0)
    mnemonic = given or kind or str(decoded.code)
    message = f"CoMagic: {mnemonic}: {redact_remote(decoded.message or 'no message', secrets)}"
    if kind == _LIMIT_EXCEEDED:
        limits = (data.metadata or Metadata()).known_limits()
        return LimitExceeded(message, limits, f"{params.get('limit_type') or ''} {decoded.message or ''}")
    if kind == _INTERNAL_ERROR:
        return RemoteUnavailable(SYSTEM, message)
    if kind == _IP_NOT_WHITELISTED and (address := redact_remote(params.get("ip") or "", secrets)) not in message:
        message = f"{message} ({address})"
    refusal = _REFUSALS.get(kind, RemoteRejected)(SYSTEM, mnemonic, message)
    refusal.field = data.field if isinstance(data.field, str) and _FIELD.fullmatch(data.field) else None
    return refusal


def _mnemonic(given: str, secrets: Sequence[str]) -> str:
    """Return the mnemonic of an error; empty when it is no mnemonic, or quotes a secret or a phone."""
    if given in _KNOWN:
        return given
    return given if _MNEMONIC.fullmatch(given) and redact_remote(given, secrets) == given else ""


def _kind(mnemonic: str, code: int) -> str:
    """Return the mnemonic that decides: the given one when we know it, else that of the code."""
    if mnemonic in _KNOWN:
        return mnemonic
    return _BY_CODE.get(code, mnemonic)

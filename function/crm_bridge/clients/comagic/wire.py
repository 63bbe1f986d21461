"""CoMagic's Data API v2.0 as it is on the wire: JSON-RPC requests, answers, errors, report rows.

Facts are from the official reference of the API (dataapi v2.0) and from public clients of it. Success and error both
come as HTTP 200; which it is tells the body. Names of methods, parameters and fields stand here only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import uuid4
from zoneinfo import ZoneInfo

import msgspec

from crm_bridge.clients.retry import Unreadable, told
from crm_bridge.domain.money import to_kopecks, to_roubles
from crm_bridge.domain.phone import normalize_phone
from crm_bridge.domain.sale import Communication, CommunicationKey, CommunicationType, Sale
from crm_bridge.errors import RemoteError, RemoteProtocolError, RemoteRejected, RemoteUnavailable

T = TypeVar("T")

SYSTEM = "CoMagic"

GET_TAGS = "get.tags"
SET_SALE = "set.tag_sales"
UNSET_TAG = "unset.tag_communications"

PAGE = 10_000
"""The greatest `limit`. Without one, 1000 rows come and nothing tells that there are more."""

REACH = 110_000
"""Rows that one query can reach: the greatest `offset`, 100 000, and a page."""

SALE_TAG_NAMES = frozenset({"продажа", "sale"})
"""The system tag's name, case-folded; it follows the language of the product."""

NO_RESULT = "No result in CoMagic answer"
NO_DATA = "No data in CoMagic answer result"

_LIMIT_EXCEEDED = "limit_exceeded"
_INTERNAL_ERROR = "internal_error"
_IP_NOT_WHITELISTED = "ip_not_whitelisted"
_BY_CODE = {-32029: _LIMIT_EXCEEDED, -32603: _INTERNAL_ERROR}
_KNOWN = frozenset(
    "parse_error invalid_request batch_operations_not_supported batch_opreations_not_supported "  # sic, older editions
    "notifications_not_supported method_not_found access_token_invalid access_token_expired access_token_blocked "
    "auth_error ip_not_whitelisted forbidden account_inactive method_component_disabled parameter_component_disabled "
    "limit_exceeded internal_error data_type_error required_parameter_missed invalid_parameter_value "
    "unexpected_parameters invalid_parameters_combination error sort_prohibited filter_prohibited "
    "date_interval_limit_reached entity_not_found duplicate_entity dependency_error campaign_is_inactive "
    "invalid_date_time data_limit_exceeded tariff_restrictions already_in_use".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report of one kind of communication: its method, and the fields it calls differently.

    Attributes:
        sortable: By its time; a report that is not comes in an order of its own, which may change between pages.
    """

    method: str
    time: str
    phone: str
    fields: tuple[str, ...]
    sortable: bool


_SALE_FIELDS = ("tags", "sale_cost", "sale_date")  # none of them is returned unless it is named

REPORTS = {
    CommunicationType.CALL: Report(
        method="get.calls_report",
        time="start_time",
        phone="contact_phone_number",
        fields=("communication_id", "start_time", "is_lost", "contact_phone_number", *_SALE_FIELDS),
        sortable=True,
    ),
    CommunicationType.CHAT: Report(
        method="get.chats_report",
        time="date_time",
        phone="visitor_phone_number",
        fields=("communication_id", "date_time", "visitor_phone_number", *_SALE_FIELDS),
        sortable=True,
    ),
    CommunicationType.OFFLINE_MESSAGE: Report(
        method="get.offline_messages_report",
        time="date_time",
        phone="visitor_phone_number",
        fields=("communication_id", "date_time", "visitor_phone_number", *_SALE_FIELDS),
        sortable=False,  # its `date_time` is not listed as sortable
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One JSON-RPC request, ready to send. Its body holds the token."""

    method: str
    id: str
    content: bytes = field(repr=False)


class Refused(Exception):
    """Refused for a quota: nothing has happened. It stays inside the client, who waits or tells the caller.

    Attributes:
        limits: As the refusal tells them; may be empty.
        kind: What it says of the limit that is spent.
    """

    def __init__(self, limits: Mapping[str, int], kind: str) -> None:
        super().__init__(kind)
        self.limits = limits
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Answer:
    """A success.

    Attributes:
        result: Its JSON, not yet decoded.
        limits: `metadata.limits`, empty when there are none.
    """

    result: msgspec.Raw
    limits: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a report.

    Attributes:
        id: `communication_id`; the row's own `id` is something else in chats and messages.
        at: When the communication began, aware.
        communication: None when it was lost or has no usable phone.
    """

    id: int | None
    at: datetime | None
    communication: Communication | None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a report.

    Attributes:
        total: Rows of the whole query (`total_items`); None when not told.
    """

    rows: Sequence[Row]
    total: int | None


class _Envelope(msgspec.Struct):
    id: str | int | None = None
    result: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


class _Metadata(msgspec.Struct):
    limits: dict[str, Any] | None = None
    total_items: int | None = None


class _Result(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw()
    metadata: _Metadata | None = None


class _ErrorData(msgspec.Struct):
    mnemonic: str | None = None
    params: Any = None
    metadata: _Metadata | None = None


class _Error(msgspec.Struct):
    code: int | None = None
    message: str | None = None
    data: _ErrorData | None = None


class _Tag(msgspec.Struct):
    tag_id: int | None = None


class _Row(msgspec.Struct):
    communication_id: int | str | None = None
    start_time: datetime | None = None
    date_time: datetime | None = None
    is_lost: bool | None = None
    contact_phone_number: str | int | None = None
    visitor_phone_number: str | int | None = None
    tags: list[_Tag | None] | None = None
    sale_cost: Decimal | None = None  # read from a JSON number's digits: no float in between
    sale_date: Any = None


class _NamedTag(msgspec.Struct):
    id: int
    name: str | None = None
    is_system: bool | None = None


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_RESULT = msgspec.json.Decoder(_Result)
_ERROR = msgspec.json.Decoder(_Error)
_ROWS = msgspec.json.Decoder(list[_Row])
_TAGS = msgspec.json.Decoder(list[_NamedTag])
_ENCODER = msgspec.json.Encoder(decimal_format="number")  # `transaction_value` must be a JSON number


def request(method: str, params: Mapping[str, Any], *, token: str, user_id: int | None) -> Request:
    """Write a request; the token travels among the parameters."""
    access: dict[str, Any] = {"access_token": token}
    if user_id is not None:
        access["user_id"] = user_id
    request_id = uuid4().hex
    body = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": {**access, **params}}
    return Request(method=method, id=request_id, content=_ENCODER.encode(body))


def local(moment: datetime, zone: ZoneInfo) -> str:
    """Write a time as the API does: of the account's zone, without offset, `T` or fractions."""
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def report(
    kind: CommunicationType, since: datetime, until: datetime, *, zone: ZoneInfo, offset: int, ids: Sequence[int] = ()
) -> dict[str, Any]:
    """Write the parameters of a report: a page of an interval, or the rows of some communications in it."""
    what = REPORTS[kind]
    params: dict[str, Any] = {
        "date_from": local(since, zone),
        "date_till": local(until, zone),
        "limit": PAGE,
        "offset": offset,
        "fields": what.fields,
    }
    if what.sortable:
        params["sort"] = [{"field": what.time, "order": "asc"}]
    if ids:
        params["filter"] = {"field": "communication_id", "operator": "in", "value": ids}
    return params


def system_tags() -> dict[str, Any]:
    """Write the parameters of `get.tags` for the account's stock tags."""
    return {"limit": PAGE, "filter": {"field": "is_system", "operator": "=", "value": True}}


def set_sale(sale: Sale, zone: ZoneInfo) -> dict[str, Any]:
    """Write the parameters of `set.tag_sales`; an empty comment is left out."""
    params: dict[str, Any] = {
        "communication_id": sale.id,
        "communication_type": sale.type.value,
        "date_time": local(sale.sold_at, zone),
        "transaction_value": to_roubles(sale.amount_kopecks),
    }
    if sale.comment:
        params["comment"] = sale.comment
    return params


def unset_tag(key: CommunicationKey, tag_id: int) -> dict[str, Any]:
    """Write the parameters of `unset.tag_communications`, which is the way to take a sale off as well."""
    return {"communication_id": key.id, "communication_type": key.type.value, "tag_id": tag_id}


def answer(asked: Request, content: bytes, *, secrets: Sequence[str]) -> Answer:
    """Decode an answer.

    Args:
        asked: What it should answer.
        content: The body.
        secrets: Never to be quoted in an error.

    Raises:
        Unreadable: Not a JSON object.
        Refused: The quota is spent.
        RemoteRejected, RemoteUnavailable: Another JSON-RPC error.
        RemoteProtocolError: Neither result nor error, or the answer to something else.
    """
    try:
        envelope = _ENVELOPE.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise Unreadable("the answer is not a JSON-RPC object") from exc
    if _is_there(envelope.error):
        raise _failure(envelope.error, secrets)
    if not _is_there(envelope.result):
        raise RemoteProtocolError(SYSTEM, NO_RESULT)
    if envelope.id != asked.id:  # an error may come with `null` instead; a success must not
        raise RemoteProtocolError(SYSTEM, f"CoMagic: {asked.method}: the answer's id is not that of the request")
    try:
        metadata = _RESULT.decode(envelope.result).metadata
    except msgspec.DecodeError:
        metadata = None  # some methods answer `{}` or `true`; who needs more looks closer
    return Answer(envelope.result, _limits(metadata))


def _is_there(raw: msgspec.Raw) -> bool:
    return bytes(raw) not in {b"", b"null"}


def _limits(metadata: _Metadata | None) -> dict[str, int]:
    limits = (metadata.limits if metadata else None) or {}
    return {name: value for name, value in limits.items() if isinstance(value, int) and not isinstance(value, bool)}


def _failure(raw: msgspec.Raw, secrets: Sequence[str]) -> RemoteError | Refused:
    """Name a JSON-RPC error by its mnemonic, because codes are not unique; by its code where the mnemonic is new."""
    try:
        error = _ERROR.decode(raw)
    except msgspec.DecodeError:
        return RemoteProtocolError(SYSTEM, "CoMagic: an error that is not one of JSON-RPC")
    data = error.data or _ErrorData()
    params = data.params if isinstance(data.params, dict) else {}
    mnemonic = data.mnemonic or ""
    kind = mnemonic if mnemonic in _KNOWN else _BY_CODE.get(error.code or 0, mnemonic)
    mnemonic = mnemonic or kind or str(error.code)
    message = f"CoMagic: {mnemonic}: {told(error.message or 'no message', secrets)}"
    if kind == _LIMIT_EXCEEDED:
        return Refused(_limits(data.metadata), f"{params.get('limit_type') or ''} {error.message or ''}")
    if kind == _INTERNAL_ERROR:
        return RemoteUnavailable(SYSTEM, message)
    if kind == _IP_NOT_WHITELISTED and (address := told(params.get("ip") or "", secrets)) not in message:
        message = f"{message} ({address})"
    return RemoteRejected(SYSTEM, mnemonic, message)


def _data(result: msgspec.Raw, decoder: msgspec.json.Decoder[list[T]]) -> tuple[list[T], _Metadata]:
    """Return the rows of a result and its metadata.

    Raises:
        RemoteProtocolError: There are no rows, or they are not what the reference says.
    """
    try:
        decoded = _RESULT.decode(result)
        metadata = decoded.metadata or _Metadata()
        if bytes(decoded.data) == b"null" and metadata.total_items == 0:
            return [], metadata  # arrays are met as null when empty
        if _is_there(decoded.data):
            return decoder.decode(decoded.data), metadata
    except msgspec.DecodeError as exc:
        if result_is_object(result):
            # The path in its text, `$[0].start_time`, tells where; values are not in it.
            raise RemoteProtocolError(SYSTEM, f"CoMagic: an answer with other rows than documented: {exc}") from exc
    raise RemoteProtocolError(SYSTEM, NO_DATA)


def result_is_object(result: msgspec.Raw) -> bool:
    """Tell whether the result is what every method with data has."""
    return bytes(result[:1]) == b"{"


def page(
    result: msgspec.Raw, kind: CommunicationType, *, zone: ZoneInfo, region: str, sale_tag_id: int, every: bool = False
) -> Page:
    """Decode a page of a report.

    Args:
        result: Of `Answer`.
        kind: The report's.
        zone: Of the account; the times of the rows are local.
        region: For phones in national spelling.
        sale_tag_id: The tag that says that a sale stands there, wherever among the tags.
        every: Also return lost communications and those without a usable phone, their phone empty.
    """
    rows, metadata = _data(result, _ROWS)
    return Page([_row(row, kind, zone, region, sale_tag_id, every) for row in rows], metadata.total_items)

"""CoMagic's Data API v2.0 as it is on the wire: JSON-RPC requests, answers and errors.

Facts are from the official reference of the API (dataapi v2.0) and from public clients of it. Success and error both
come as HTTP 200; which it is tells the body. Names of methods, parameters and fields stand here and
in `rows.py` only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from crm_bridge.clients.comagic.errors import SYSTEM, Metadata, failure
from crm_bridge.clients.retry import MalformedResponse
from crm_bridge.domain.communication import CommunicationKey, CommunicationType
from crm_bridge.domain.money import to_roubles
from crm_bridge.domain.sale import Sale
from crm_bridge.errors import RemoteProtocolError

GET_TAGS = "get.tags"
GET_SITES = "get.sites"
GET_ACCOUNT = "get.account"
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


class Report(Struct, frozen=True, kw_only=True):
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


class Request(Struct, frozen=True, kw_only=True):
    """One JSON-RPC request, ready to send. Its body holds the token."""

    method: str
    id: str
    content: bytes

    def __repr__(self) -> str:
        return f"Request({self.method})"  # the rest holds the token


class Answer(Struct, frozen=True):
    """A success.

    Attributes:
        data: JSON of `result.data`, not yet decoded; empty when there is none, as after some writes.
        id: `result.id`, where some writes tell the id that others tell inside the data.
        total: `total_items`, rows of the whole query; None when not told.
        limits: `metadata.limits`, empty when there are none.
    """

    data: msgspec.Raw
    id: Any
    total: int | None
    limits: Mapping[str, int]


class _Result(Struct):
    data: msgspec.Raw = msgspec.Raw()
    id: Any = None
    metadata: Metadata | None = None


class _Envelope(Struct):
    id: str | int | None = None
    result: _Result | None = None
    error: msgspec.Raw = msgspec.Raw()


class _OddEnvelope(_Envelope):
    """Some methods answer with other things than an object."""

    result: Any = None


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_ODD_ENVELOPE = msgspec.json.Decoder(_OddEnvelope)
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


def phone_report(
    kind: CommunicationType, since: datetime, until: datetime, *, zone: ZoneInfo, phone: str
) -> dict[str, Any]:
    """Write the parameters of a report that shows one phone's communications, the newest first.

    Calls are filtered by the spellings a phone has. What visitors type has no certain spelling, so of chats and forms
    all that have a phone are asked for: a full page costs the same point.
    """
    what = REPORTS[kind]
    params = report(kind, since, until, zone=zone, offset=0)
    params["fields"] = (*what.fields, "site_id")
    if what.sortable:
        params["sort"] = [{"field": what.time, "order": "desc"}]
    if kind is CommunicationType.CALL:
        params["filter"] = {"field": what.phone, "operator": "in", "value": spellings(phone)}
    else:
        params["filter"] = {"field": what.phone, "operator": "!=", "value": None}
    return params


def spellings(phone: str) -> list[str]:
    """Return the ways in which a row of the calls may have a phone, given as E.164 digits."""
    found = [phone, f"+{phone}", f"810{phone}", f"00{phone}"]
    if len(phone) == 11 and phone.startswith("7"):
        found += [f"8{phone[1:]}", phone[1:]]
    return found


def sites() -> dict[str, Any]:
    """Write the parameters of `get.sites`."""
    return {"limit": PAGE, "fields": ("id", "domain_name", "sales_enabled")}


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
        MalformedResponse: Not a JSON object.
        LimitExceeded: The quota is spent.
        RemoteRejected, RemoteUnavailable: Another JSON-RPC error.
        RemoteProtocolError: Neither result nor error, or the answer to something else.
    """
    envelope = _envelope(content)
    if is_there(envelope.error):
        raise failure(envelope.error, secrets=secrets)
    if envelope.result is None:
        raise RemoteProtocolError(SYSTEM, NO_RESULT)
    if envelope.id != asked.id:  # an error may come with `null` instead; a success must not
        raise RemoteProtocolError(SYSTEM, f"CoMagic: {asked.method}: the answer's id is not that of the request")
    result = envelope.result
    metadata = result.metadata or Metadata()
    return Answer(result.data, result.id, metadata.total_items, metadata.known_limits())


def _envelope(content: bytes) -> _Envelope:
    try:
        try:
            return _ENVELOPE.decode(content)
        except msgspec.ValidationError:
            odd = _ODD_ENVELOPE.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise MalformedResponse("the answer is not a JSON-RPC object") from exc
    # Who needs data will miss it.
    return _Envelope(id=odd.id, result=None if odd.result is None else _Result(), error=odd.error)


def is_there(raw: msgspec.Raw) -> bool:
    """Tell whether there is a value, and not `null`."""
    size = memoryview(raw).nbytes  # a page is too big to be copied for a look
    return size != 0 and not (size == 4 and bytes(raw) == b"null")

"""CoMagic's Data API v2.0 on the wire: JSON-RPC requests and answers.

Success and error both come as HTTP 200; the body says which. docs/remote/comagic-data-api.md says how each fact is
known. Names of methods, parameters and fields stand here and in `mapping.py` only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
"""Rows of a page, the greatest `limit`. Without a limit an answer is silently shortened to 1000 rows.

Source: docs/remote/comagic-data-api.md#paging
"""

REACH = 110_000
"""Rows that one query can reach: the greatest `offset`, 100 000, and a page."""

SALE_TAG_NAMES = frozenset({"продажа", "sale"})
"""The system tag's name, case-folded, in the languages of the product.

Source: docs/remote/comagic-data-api.md#sale-tag
"""

NO_RESULT = "No result in CoMagic answer"
NO_DATA = "No data in CoMagic answer result"


class Report(Struct, frozen=True, kw_only=True):
    """The report of one type of communication: its method and its names of fields.

    Attributes:
        sortable: CoMagic can sort it by time; otherwise the order is undefined and may change between pages.
    """

    method: str
    time: str
    phone: str
    fields: tuple[str, ...]
    sortable: bool


_MORE_FIELDS = ("tags", "sale_cost", "sale_date", "site_id")
"""Never returned unless named. Source: docs/remote/comagic-data-api.md#traps"""

REPORTS = {
    CommunicationType.CALL: Report(
        method="get.calls_report",
        time="start_time",
        phone="contact_phone_number",
        fields=("communication_id", "start_time", "is_lost", "contact_phone_number", *_MORE_FIELDS),
        sortable=True,
    ),
    CommunicationType.CHAT: Report(
        method="get.chats_report",
        time="date_time",
        phone="visitor_phone_number",
        fields=("communication_id", "date_time", "visitor_phone_number", *_MORE_FIELDS),
        sortable=True,
    ),
    CommunicationType.OFFLINE_MESSAGE: Report(
        method="get.offline_messages_report",
        time="date_time",
        phone="visitor_phone_number",
        fields=("communication_id", "date_time", "visitor_phone_number", *_MORE_FIELDS),
        sortable=False,  # docs/remote/comagic-data-api.md#chats-messages-goals
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
        id: `result.id`; some writes have their id here, others in the data.
        total: `total_items`, rows of the whole query; None when not reported.
        limits: `metadata.limits`; empty when there are none.
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
    """An answer whose result is not an object; some writes return one."""

    result: Any = None


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_ODD_ENVELOPE = msgspec.json.Decoder(_OddEnvelope)
_ENCODER = msgspec.json.Encoder(decimal_format="number")  # `transaction_value` must be a JSON number


def request(method: str, params: Mapping[str, Any], *, token: str, user_id: int | None) -> Request:
    """Write a request; the token stands among the parameters.

    An agency's key names its client by `user_id` with every method but `get.account`, which is documented without it.
    Source: docs/remote/comagic-data-api.md#access
    """
    access: dict[str, Any] = {"access_token": token}
    if user_id is not None and method != GET_ACCOUNT:
        access["user_id"] = user_id
    request_id = uuid4().hex
    body = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": {**access, **params}}
    return Request(method=method, id=request_id, content=_ENCODER.encode(body))


def local(moment: datetime, zone: ZoneInfo) -> str:
    """Write a time as the API takes it: in the account's zone, without an offset, `T` or fractions.

    Source: docs/remote/comagic-data-api.md#dates
    """
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def report(
    kind: CommunicationType, since: datetime, until: datetime, *, zone: ZoneInfo, offset: int, ids: Sequence[int] = ()
) -> dict[str, Any]:
    """Write the parameters of a report: a page of an interval, or only the communications with these ids."""
    description = REPORTS[kind]
    params: dict[str, Any] = {
        "date_from": local(since, zone),
        "date_till": local(until, zone),
        "limit": PAGE,
        "offset": offset,
        "fields": description.fields,
    }
    if description.sortable:
        params["sort"] = [{"field": description.time, "order": "asc"}]
    if ids:
        params["filter"] = {"field": "communication_id", "operator": "in", "value": ids}
    return params


def phone_report(
    kind: CommunicationType, since: datetime, until: datetime, *, zone: ZoneInfo, phones: Iterable[str]
) -> dict[str, Any]:
    """Write the parameters of a report that shows the communications of some phones, the newest first.

    Calls are filtered by the spellings of a phone. Visitors type phones in any form, so of chats and messages all with
    a phone are read: a full page costs one point too. Source: docs/remote/comagic-data-api.md#phones
    """
    description = REPORTS[kind]
    params = report(kind, since, until, zone=zone, offset=0)
    if description.sortable:
        params["sort"] = [{"field": description.time, "order": "desc"}]
    if kind is CommunicationType.CALL:
        params["filter"] = {
            "field": description.phone,
            "operator": "in",
            "value": [each for phone in phones for each in spellings(phone)],
        }
    else:
        params["filter"] = {"field": description.phone, "operator": "!=", "value": None}
    return params


def spellings(phone: str) -> list[str]:
    """Return the spellings of a phone, given as E.164 digits, that a row of the calls may have."""
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
    """Write the parameters of `unset.tag_communications`; with the sale tag it takes the sale off.

    Source: docs/remote/comagic-data-api.md#unsettag_communications
    """
    return {"communication_id": key.id, "communication_type": key.type.value, "tag_id": tag_id}


def answer(asked: Request, content: bytes, *, secrets: Sequence[str]) -> Answer:
    """Decode an answer.

    Args:
        asked: The request.
        content: The body.
        secrets: Values that an error must not quote.

    Raises:
        MalformedResponse: Not a JSON object.
        LimitExceeded: The quota is spent.
        RemoteRejected, RemoteUnavailable: Another JSON-RPC error.
        RemoteProtocolError: Neither result nor error, or the answer to another request.
    """
    envelope = _envelope(content)
    if is_there(envelope.error):
        raise failure(envelope.error, secrets=secrets)
    if envelope.result is None:
        raise RemoteProtocolError(SYSTEM, NO_RESULT)
    if envelope.id != asked.id:  # only an error may have `null` instead
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
    # `mapping` raises when the data is needed.
    return _Envelope(id=odd.id, result=None if odd.result is None else _Result(), error=odd.error)


def is_there(raw: msgspec.Raw) -> bool:
    """Return whether there is a value other than `null`."""
    size = memoryview(raw).nbytes  # `bytes` would copy a whole page
    return size != 0 and not (size == 4 and bytes(raw) == b"null")

"""CoMagic's answers as domain values: report rows, tags, sites, the id of a sale."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct, field

from crm_bridge.clients.comagic import wire
from crm_bridge.clients.comagic.errors import SYSTEM
from crm_bridge.clients.json_limits import FIRST_YEAR, LAST_YEAR, MOST_DIGITS
from crm_bridge.domain.communication import (
    Communication,
    CommunicationDetails,
    CommunicationType,
    FoundCommunications,
    Site,
)
from crm_bridge.domain.money import to_kopecks
from crm_bridge.domain.phone import normalize_phone
from crm_bridge.errors import RemoteProtocolError
from crm_bridge.redaction import clean_text

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOCAL_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the epoch for times without a zone
_NO_OFFSET = timedelta()
_YEARS = frozenset(range(FIRST_YEAR, LAST_YEAR + 1))
_MOST = Decimal(10**15)  # roubles; more would not fit a database's integer as kopecks
_LEAST = -_MOST


class Row(Struct, frozen=True, gc=False):
    """A row of a report.

    Attributes:
        id: `communication_id`; a chat or message has another `id` too (docs/remote/comagic-data-api.md#calls).
        at: Start of the communication, aware.
        communication: None when the row has no usable phone, no id or no time.
    """

    id: int | None
    at: datetime | None
    communication: Communication | None


class Page(Struct, frozen=True):
    """A page of a report.

    Attributes:
        total: Rows of the whole query (`total_items`); None when not reported.
    """

    rows: Sequence[Row]
    total: int | None


class RowOptions(Struct, frozen=True, kw_only=True):
    """How to read the rows of a report.

    Attributes:
        zone: The account's, in which rows have their times (docs/remote/comagic-data-api.md#dates).
        region: For phones in national spelling.
        sale_tag_id: The tag of a sale; it may stand anywhere among the tags.
        keep_unusable: Also keep communications without a usable phone, whose phone is then empty.
    """

    zone: ZoneInfo
    region: str
    sale_tag_id: int
    keep_unusable: bool = False


class _Tag(Struct, gc=False):
    tag_id: int | None = None


class _Row(Struct, gc=False):
    """Fields of every report."""

    id: int | str | None = field(default=None, name="communication_id")
    is_lost: bool | None = None
    tags: list[_Tag | None] | None = None
    sale_cost: Decimal | None = None  # decoded from the digits of a JSON number, without a float
    sale_date: Any = None
    site_id: int | None = None


class _Call(_Row, gc=False):
    at: datetime | None = field(default=None, name="start_time")
    phone: str | int | None = field(default=None, name="contact_phone_number")


class _Message(_Row, gc=False):
    """A chat or an offline message."""

    at: datetime | None = field(default=None, name="date_time")
    phone: str | int | None = field(default=None, name="visitor_phone_number")


class _NamedTag(Struct):
    id: int
    name: str | None = None
    is_system: bool | None = None


class _SaleId(Struct):
    id: Any = None


class _Site(Struct):
    id: int
    domain_name: str | None = None
    sales_enabled: bool | None = None


class _Account(Struct):
    timezone: str | None = None


_CALLS = msgspec.json.Decoder(list[_Call])
_MESSAGES = msgspec.json.Decoder(list[_Message])
_TAGS = msgspec.json.Decoder(list[_NamedTag])
_SITES = msgspec.json.Decoder(list[_Site])
_ACCOUNTS = msgspec.json.Decoder(list[_Account])
_SALE_ID = msgspec.json.Decoder(_SaleId)


def page(answer: wire.Answer, kind: CommunicationType, options: RowOptions) -> Page:
    """Decode a page of a report.

    Raises:
        RemoteProtocolError: There is no data, or rows are not as documented.
    """
    found: list[_Call] | list[_Message]
    found = data_of(answer, _CALLS) if kind is CommunicationType.CALL else data_of(answer, _MESSAGES)
    return Page([_row(row, kind, options) for row in found], answer.total)


def found_of_phones(page: Page, phones: Collection[str]) -> FoundCommunications:
    """Return the communications of some phones on a page, oldest first; incomplete when the query has more pages."""
    found = {
        row.communication.key: CommunicationDetails(communication=row.communication)
        for row in page.rows
        if row.communication is not None and row.communication.phone in phones
    }
    in_order = sorted(found.values(), key=lambda each: (each.communication.started_at, each.communication.id))
    total = len(page.rows) if page.total is None else page.total
    return FoundCommunications(found=tuple(in_order), complete=total <= wire.PAGE)


def sale_tag_id(answer: wire.Answer) -> int:
    """Find the one system tag that marks a sale among the account's tags.

    Raises:
        RemoteProtocolError: There is none, or more than one.
    """
    found = [
        tag.id
        for tag in data_of(answer, _TAGS)
        if tag.is_system is not False and (tag.name or "").strip().casefold() in wire.SALE_TAG_NAMES
    ]
    if len(found) != 1:
        raise RemoteProtocolError(
            SYSTEM,
            f"CoMagic has {len(found) or 'no'} system tags «Продажа» or «Sale»: set COMAGIC_SALE_TAG_ID",
        )
    return found[0]


def sites(answer: wire.Answer) -> list[Site]:
    """Decode `get.sites`."""
    return [
        Site(
            site_id=site.id, domain=clean_text(site.domain_name or str(site.id)), sales_enabled=bool(site.sales_enabled)
        )
        for site in data_of(answer, _SITES)
    ]


def account_zone(answer: wire.Answer) -> str:
    """Return the account's time zone (`get.account`), empty when it is missing."""
    accounts = data_of(answer, _ACCOUNTS)
    return clean_text(accounts[0].timezone or "") if accounts else ""


def sale_id(answer: wire.Answer) -> int | None:
    """Return the id of the sale that `set.tag_sales` made: in `result`, in `result.data`, or missing.

    Source: docs/remote/comagic-data-api.md#result-of-settag_sales
    """
    value = answer.id
    if wire.is_there(answer.data):
        with suppress(msgspec.DecodeError):  # data of another shape does not make the success a failure
            value = _SALE_ID.decode(answer.data).id or value
    written = str(value) if isinstance(value, int | str) else ""
    return int(written) if written.isdecimal() and len(written) <= MOST_DIGITS else None


def data_of(answer: wire.Answer, decoder: msgspec.json.Decoder[list[T]]) -> list[T]:
    """Decode the rows of an answer.

    Raises:
        RemoteProtocolError: There are none, or they are not as documented.
    """
    if not wire.is_there(answer.data):
        if answer.total == 0 and memoryview(answer.data).nbytes:
            return []  # null stands for an empty array: docs/remote/comagic-data-api.md#nulls
        raise RemoteProtocolError(SYSTEM, wire.NO_DATA)
    try:
        return decoder.decode(answer.data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        # The text of the error names the place, `$[0].start_time`, and quotes no value.
        raise RemoteProtocolError(SYSTEM, f"CoMagic: data that is not as documented: {exc}") from exc


def _row(row: _Call | _Message, kind: CommunicationType, options: RowOptions) -> Row:
    number, at, communication = row.id, None, None
    if isinstance(number, str):
        number = int(number) if number.isdecimal() and len(number) <= MOST_DIGITS else None
    if row.at is not None:
        at = _in_utc(row.at, options.zone)
    if number is not None and at is not None:
        phone = normalize_phone(row.phone, options.region)
        if phone is not None or options.keep_unusable:
            kopecks = None if row.sale_cost is None else _kopecks(row.sale_cost)
            tagged = row.tags is not None and options.sale_tag_id in [tag.tag_id for tag in row.tags if tag]
            communication = Communication(
                type=kind,
                id=number,
                started_at=at,
                phone=phone or "",
                # A row with a sum or a date of a sale has a sale, also without the tag.
                tagged=tagged or (kopecks is None and bool(row.sale_date)),
                sale_kopecks=kopecks,
                site_id=row.site_id,
                lost=bool(row.is_lost),
            )
    return Row(number, at, communication)


def _in_utc(written: datetime, zone: ZoneInfo) -> datetime:
    """Read a time of the account's zone like `replace` and `astimezone` do, in a seventh of their time."""
    if written.year not in _YEARS:
        raise RemoteProtocolError(SYSTEM, "CoMagic: a time outside of the years 2000 to 2100")
    if written.tzinfo is not None:
        return written.astimezone(UTC)
    return _EPOCH + (written - _LOCAL_EPOCH - (zone.utcoffset(written) or _NO_OFFSET))


def _kopecks(roubles: Decimal) -> int:
    if not roubles.is_finite() or not _LEAST < roubles < _MOST:  # `abs` would overflow
        raise RemoteProtocolError(SYSTEM, "CoMagic: a sale_cost that is not a sum")
    return to_kopecks(roubles)

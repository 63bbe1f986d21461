"""Orders and clients of the Agbis API as domain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from crm_bridge.clients.agbis import wire
from crm_bridge.clients.agbis.order_lines import UNFIT, lines_of, names_of, optional_lines
from crm_bridge.domain.aggregate import (
    ChangedOrders,
    Client,
    Order,
    OrderTooLarge,
    Payment,
    UnreadableOrder,
    bounded_payments,
)
from crm_bridge.domain.payment_check import OrderDetails, OrderPayment
from crm_bridge.domain.phone import phones_of_client
from crm_bridge.errors import RemoteProtocolError

# Servers and the documentation spell some keys differently: docs/remote/agbis.md#keys
_ORDERS = ("orders", "order")
_CLIENTS = ("clients",)
_PAYMENTS = ("order_pays", "pays", "payments")

_MOST_STATUS_DIGITS = 4

_LONGEST_ID = 100
"""Characters; ids of Agbis are numbers, and a database takes 1,500 bytes."""

_FORMAT_SHARE = 10
_FORMAT_ROWS = 20
"""More than a tenth of the rows of a window, and at least so many, cannot be read: the format has changed."""


class _UnreadableField(ValueError):
    """A field without which an order cannot be counted; the message is its name."""


class Tally(Struct):
    """The rows of the parts of one window, so that small parts cannot hide that the CRM's format has changed."""

    rows: int = 0
    unreadable: int = 0


def orders(
    command: str, answer: Mapping[str, Any], *, zone: ZoneInfo, now: datetime, tally: Tally | None = None
) -> ChangedOrders:
    """Return the orders of a window or a part of it (`OrderByDateTimeForAll`), and the rows that cannot be read.

    Args:
        command: For the error messages.
        answer: Decoded by `wire.reply`.
        zone: Of the local times in the answer.
        now: The time of change of an order that has none, or one that has not come yet.
        tally: Of the window's earlier parts; this one's rows are added.

    Raises:
        RemoteProtocolError: No list of orders, or so many rows are unreadable that the format must have changed.
    """
    found: list[Order] = []
    unreadable: list[UnreadableOrder] = []
    for row in _rows(command, answer, _ORDERS):
        order_id = _id(row.get("dor_id"))
        changed_at = min(_moment(row.get("update"), zone) or now, now)
        try:
            found.append(_order(order_id, row, zone, changed_at))
        except _UnreadableField as exc:
            unreadable.append(UnreadableOrder(order_id=order_id, reason=str(exc), changed_at=changed_at))
    tally = tally or Tally()
    tally.rows += len(found) + len(unreadable)
    tally.unreadable += len(unreadable)
    if unreadable and tally.unreadable >= _FORMAT_ROWS and tally.unreadable * _FORMAT_SHARE > tally.rows:
        first = unreadable[0]
        raise RemoteProtocolError(
            wire.SYSTEM,
            f"Agbis: {command}: {tally.unreadable} of {tally.rows} orders cannot be read; "
            f"the first is {first.order_id or '?'}, by its {first.reason}",
        )
    return ChangedOrders(orders=found, unreadable=unreadable)


def clients(command: str, answer: Mapping[str, Any], *, region: str, now: datetime) -> list[Client]:
    """Return the clients of an answer (`ClientsByDateTimeForAll`); raises like `orders`."""
    found = []
    for row in _rows(command, answer, _CLIENTS):
        client_id = _required(command, row, "contr_id")
        found.append(_client(client_id, row, region=region, now=now))
    return found


def payments(answer: Mapping[str, Any], *, zone: ZoneInfo) -> list[OrderPayment]:
    """Return the payments of an answer (`OrderPaysBetweenForAll`), a row each; raises when there is no list of them."""
    return [
        OrderPayment(order_id=_id(row.get("dor_id")), payment=_listed_payment(row, zone))
        for row in _rows(wire.PAYMENTS, answer, _PAYMENTS)
    ]


def order_details(order_id: str, answer: Mapping[str, Any], *, zone: ZoneInfo) -> OrderDetails | None:
    """Return the order of an answer (`FullOrderInfo`), or None when it is empty or about another order.

    Raises:
        RemoteProtocolError: Its sum cannot be read, or is not what the order says was paid.
    """
    if _id(answer.get("dor_id")) != order_id:
        return None
    info = answer.get("order_dop_info")
    info = info if isinstance(info, dict) else {}
    try:
        net = sum(_paid(row) for row in _rows(wire.ORDER, answer, ("order_payments",)))
        agrees = "debet" not in info or wire.kopecks(info["debet"]) == net
    except ValueError:
        agrees = False
    if not agrees:
        raise RemoteProtocolError(wire.SYSTEM, f"Agbis: {wire.ORDER}: payments that are not what was paid")
    lines = [{**line, "service": line.get("name")} for line in optional_lines(answer, ("order_services",))]
    return OrderDetails(
        order_id=order_id,
        client_id=_id(info.get("contragent_id")),
        ordered_at=_moment(info.get("doc_date"), zone),
        services=names_of({"srvices": lines}),
        net_kopecks=net,
        number=_number(info),
        status=_status(info),
        price_kopecks=_price(info),
        is_dated_by_day=_is_dated_by_day(info, zone),
    )


def client(client_id: str, answer: Mapping[str, Any], *, region: str, now: datetime) -> Client | None:
    """Return the client of an answer (`ContrInfoForAll`), or None when it is empty or about another client."""
    if wire.text(answer.get("contr_id")) != client_id:
        return None
    return _client(client_id, answer, region=region, now=now)


def _rows(command: str, answer: Mapping[str, Any], names: Iterable[str]) -> list[dict[str, Any]]:
    for name in names:
        if name in answer:
            rows = answer[name]
            if rows is None or rows == "":
                return []
            if isinstance(rows, list) and all(isinstance(row, dict) for row in rows):
                return rows
            break
    # "Nothing changed" would be wrong: the watermark would pass changes that were never read.
    raise RemoteProtocolError(wire.SYSTEM, f"Agbis: {command}: no list `{next(iter(names))}` in the answer")


def _required(command: str, row: Mapping[str, Any], name: str) -> str:
    if value := _id(row.get(name)):
        return value
    raise RemoteProtocolError(wire.SYSTEM, f"Agbis: {command}: a row without {name}")


def _id(value: Any) -> str:
    """Return an id; empty when there is none, or one that no database takes as a key."""
    text = UNFIT.sub("", wire.text(value))
    return text if len(text) <= _LONGEST_ID else ""


def _order(order_id: str, row: Mapping[str, Any], zone: ZoneInfo, changed_at: datetime) -> Order:
    if not order_id:
        raise _UnreadableField("dor_id")
    client_id = _id(row.get("contr_id"))
    if not client_id:
        raise _UnreadableField("contr_id")
    ordered_at = _moment(row.get("doc_date"), zone, row.get("doc_time")) or changed_at
    try:
        lines = lines_of(row, ("payments",))
        payments = bounded_payments([_payment(payment, zone, ordered_at) for payment in lines])
    except _UnreadableField:
        raise
    except OrderTooLarge as exc:
        raise _UnreadableField(f"payments ({exc})") from exc
    except ValueError as exc:
        raise _UnreadableField("payments") from exc
    return Order(
        order_id=order_id,
        client_id=client_id,
        changed_at=changed_at,
        ordered_at=ordered_at,
        payments=payments,
        services=names_of(row),
        number=_number(row),
        status=_status(row),
        price_kopecks=_price(row),
        issued_at=_moment(row.get("date_out_fact"), zone),
        is_dated_by_day=_is_dated_by_day(row, zone),
    )


def _number(row: Mapping[str, Any]) -> str:
    return UNFIT.sub("", wire.text(row.get("doc_num")))[:_LONGEST_ID]


def _status(row: Mapping[str, Any]) -> int | None:
    """Return the status; servers have it under either key, or both. Source: docs/remote/agbis.md#order-fields"""
    for name in ("status_id", "status"):
        text = wire.text(row.get(name))
        if text.isascii() and text.isdecimal() and len(text) <= _MOST_STATUS_DIGITS:
            return int(text)
    return None


def _price(row: Mapping[str, Any]) -> int | None:
    """Return what is to be paid; None where it cannot be read, because only a deal's stage depends on it."""
    if not wire.text(row.get("kredit")):
        return None
    try:
        return wire.kopecks(row.get("kredit"))
    except ValueError:
        return None


def _is_dated_by_day(row: Mapping[str, Any], zone: ZoneInfo) -> bool:
    """Say whether the date of acceptance has no time: midnight is what such a date is read as."""
    accepted = _moment(row.get("doc_date"), zone, row.get("doc_time"))
    return accepted is not None and accepted.astimezone(zone).time() == time()


def _payment(row: Mapping[str, Any], zone: ZoneInfo, ordered_at: datetime) -> Payment:
    if "debet" not in row and "kredit" not in row:
        raise _UnreadableField("payments.debet")
    paid_at = _moment(row.get("date_pay"), zone)
    if paid_at is None and wire.text(row.get("date_pay")):
        raise _UnreadableField("payments.date_pay")
    return Payment(
        paid_at=paid_at or ordered_at,
        in_kopecks=_sum(row, "debet"),
        out_kopecks=_sum(row, "kredit"),
    )


def _listed_payment(row: Mapping[str, Any], zone: ZoneInfo) -> Payment | None:
    paid_at = _moment(row.get("pay_date"), zone)
    if paid_at is None or ("pay_debet" not in row and "pay_kredit" not in row):
        return None
    try:
        return Payment(
            paid_at=paid_at,
            in_kopecks=wire.kopecks(row.get("pay_debet")),
            out_kopecks=wire.kopecks(row.get("pay_kredit")),
        )
    except ValueError:
        return None


def _paid(row: Mapping[str, Any]) -> int:
    """Return the money of a payment of `FullOrderInfo`: a field for each way of paying, as `card_debet`."""
    money_in = sum(wire.kopecks(value) for name, value in row.items() if name.endswith("_debet"))
    return money_in - sum(wire.kopecks(value) for name, value in row.items() if name.endswith("_kredit"))


def _moment(value: Any, zone: ZoneInfo, clock: Any = None) -> datetime | None:
    try:
        return wire.moment(value, zone, clock)
    except ValueError:  # outside of the years 2000 to 2100
        return None


def _sum(row: Mapping[str, Any], name: str) -> int:
    try:
        return wire.kopecks(row.get(name))
    except ValueError as exc:
        raise _UnreadableField(f"payments.{name}") from exc


def _client(client_id: str, row: Mapping[str, Any], *, region: str, now: datetime) -> Client:
    """Return a client; the fields of the mobile and of the landline differ between commands.

    Source: docs/remote/agbis.md#phones
    """
    fields = (wire.text(row.get(name)) for name in ("fone_cell", "teleph_cell", "fone", "telephone"))
    phone, others = phones_of_client(fields, region)
    return Client(client_id=client_id, phone=phone, seen_at=now, other_phones=others)

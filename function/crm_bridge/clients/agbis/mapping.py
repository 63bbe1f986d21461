"""Orders and clients of the Agbis API as domain values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from crm_bridge.clients.agbis import wire
from crm_bridge.domain.aggregate import Client, Order, Payment
from crm_bridge.domain.phone import normalize_phone
from crm_bridge.errors import RemoteProtocolError

# Servers and the documentation spell some keys differently: docs/remote/agbis.md#keys
_ORDERS = ("orders", "order")
_SERVICES = ("srvices", "services")
_CLIENTS = ("clients",)

_MARK = re.compile(r"\A[А-ЯЁ]\s+(?=[А-ЯЁ])")
"""The shop's own mark, a letter before the name: people see `А Пиджак` as `Пиджак`."""


def orders(command: str, answer: Mapping[str, Any], *, zone: ZoneInfo, now: datetime) -> list[Order]:
    """Return the orders of an answer (`OrderByDateTimeForAll`).

    Args:
        command: For the error messages.
        answer: Decoded by `wire.reply`.
        zone: Of the local times in the answer.
        now: The time of change of an order that has none.

    Raises:
        RemoteProtocolError: No list of orders, one without an id or a client, or a sum that cannot be read.
    """
    return [_order(command, row, zone, now) for row in _rows(command, answer, _ORDERS)]


def clients(command: str, answer: Mapping[str, Any], *, region: str, now: datetime) -> list[Client]:
    """Return the clients of an answer (`ClientsByDateTimeForAll`); raises like `orders`."""
    found = []
    for row in _rows(command, answer, _CLIENTS):
        client_id = _required(command, row, "contr_id")
        found.append(Client(client_id=client_id, phone=_phone(row, region), seen_at=now))
    return found


def client(client_id: str, answer: Mapping[str, Any], *, region: str, now: datetime) -> Client | None:
    """Return the client of an answer (`ContrInfoForAll`), or None when it is empty or about another client."""
    if wire.text(answer.get("contr_id")) != client_id:
        return None
    return Client(client_id=client_id, phone=_phone(answer, region), seen_at=now)


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


def _required(command: str, row: Mapping[str, Any], name: str, of: str = "") -> str:
    if value := wire.text(row.get(name)):
        return value
    raise RemoteProtocolError(wire.SYSTEM, f"Agbis: {command}: {of or 'a row'} without {name}")


def _order(command: str, row: Mapping[str, Any], zone: ZoneInfo, now: datetime) -> Order:
    order_id = _required(command, row, "dor_id", "an order")
    client_id = _required(command, row, "contr_id", f"order {order_id}")
    changed_at = wire.moment(row.get("update"), zone) or now
    ordered_at = wire.moment(row.get("doc_date"), zone, row.get("doc_time")) or changed_at
    try:
        payments = tuple(_payment(payment, zone, ordered_at) for payment in _lines(row, ("payments",)))
    except ValueError as exc:
        raise RemoteProtocolError(
            wire.SYSTEM, f"Agbis: {command}: order {order_id}: a payment's amount cannot be read"
        ) from exc
    return Order(
        order_id=order_id,
        client_id=client_id,
        changed_at=changed_at,
        ordered_at=ordered_at,
        payments=payments,
        services=_names(row),
    )


def _payment(row: Mapping[str, Any], zone: ZoneInfo, ordered_at: datetime) -> Payment:
    if "debet" not in row and "kredit" not in row:
        raise ValueError("a payment without an amount")
    return Payment(
        paid_at=wire.moment(row.get("date_pay"), zone) or ordered_at,
        in_kopecks=wire.kopecks(row.get("debet")),
        out_kopecks=wire.kopecks(row.get("kredit")),
    )


def _lines(row: Mapping[str, Any], names: Iterable[str]) -> list[Mapping[str, Any]]:
    value = next((row[name] for name in names if row.get(name)), None)
    if value is None:
        return []
    if isinstance(value, list) and all(isinstance(line, dict) for line in value):
        return value
    raise ValueError("not a list of lines")


def _names(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of services, then of goods, without repeats.

    Lines may be nested: a parent is the thing ("Shoes", without money), its children are the paid services. Such a
    parent is left out unless nothing else would be left. Source: docs/remote/agbis.md#lines
    """
    named = [(line, name) for line in _optional_lines(row, _SERVICES) if (name := _name(line.get("service")))]
    lines = [(wire.text(line.get("dos_id")), wire.text(line.get("parent_id"))) for line, _ in named]
    parents = {parent_id for line_id, parent_id in lines if parent_id not in {"", line_id}}
    kept = [name for line, name in named if wire.text(line.get("dos_id")) not in parents or _has_money(line)]
    goods = [_name(line.get("tovar_name")) for line in _optional_lines(row, ("tovars",))]
    names = kept or [name for _, name in named]
    return tuple(dict.fromkeys(name for name in (*names, *goods) if name))


def _optional_lines(row: Mapping[str, Any], names: Iterable[str]) -> list[Mapping[str, Any]]:
    try:
        return _lines(row, names)
    except ValueError:
        return []  # names only make the sale's comment, so the order is kept without them


def _has_money(line: Mapping[str, Any]) -> bool:
    try:
        return wire.kopecks(line.get("kredit")) != 0
    except ValueError:
        return True


def _name(value: Any) -> str:
    return _MARK.sub("", " ".join(wire.text(value).split()))


def _phone(row: Mapping[str, Any], region: str) -> str | None:
    """Return the mobile, else the landline, whose fields differ between commands.

    Source: docs/remote/agbis.md#phones
    """
    for name in ("fone_cell", "teleph_cell", "fone", "telephone"):
        if phone := normalize_phone(wire.text(row.get(name)), region):
            return phone
    return None

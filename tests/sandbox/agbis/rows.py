"""Orders, clients and payments as rows of an answer."""

from typing import Any

from tests.sandbox.agbis.model import CANCELLED, STATUS_NAMES, Client, Line, Order, Payment
from tests.sandbox.agbis.wire import Writer

Row = dict[str, Any]
# Debet and kredit of one row, in kopecks, and the payment they come from.
Flow = tuple[Payment, int, int]


def flows(order: Order, writer: Writer) -> list[Flow]:
    """Show the payments of an order the way the switches want refunds and cancellations to look."""
    payments = order.payments
    if writer.switches.cancel_form == "payments_removed":
        payments = payments[order.settled :]
    form = writer.switches.refund_form
    if form == "reduced":
        return _reduced(payments)
    if form == "negative_debet":
        return [(payment, payment.amount_kopecks, 0) for payment in payments]
    return [(p, max(p.amount_kopecks, 0), max(-p.amount_kopecks, 0)) for p in payments]


def _reduced(payments: list[Payment]) -> list[Flow]:
    kept: list[list[Any]] = []
    for payment in payments:
        if payment.amount_kopecks > 0:
            kept.append([payment, payment.amount_kopecks])
            continue
        owed = -payment.amount_kopecks
        for row in reversed(kept):
            part = min(owed, row[1])
            row[1] -= part
            owed -= part
    return [(payment, left, 0) for payment, left in kept if left]


def order_row(order: Order, writer: Writer, *, with_update: bool) -> Row:
    """Return an order as the two `*ForAll` lists show it."""
    sw = writer.switches
    status = str(order.status)
    row: Row = {"update": writer.moment(order.update)} if with_update else {}
    row |= {
        "dor_id": order.id,
        "contr_id": order.client_id,
        "doc_num": order.number,
        "kredit": writer.money(order.kredit_kopecks),
        "debet": writer.money(order.net_kopecks),
        "dolg": writer.money(order.kredit_kopecks - order.net_kopecks),
        "doc_date": writer.moment(order.doc_date) if sw.doc_date == "date_time" else writer.date(order.doc_date),
        "date_out": "",
        "date_out_fact": writer.moment(order.update) if order.status == 5 else "",
        "status_name": STATUS_NAMES.get(order.status, ""),
        "photo_exist": "0",
        "discount": "0",
        "sclad_id": "1",
        "sclad_to": "1",
        "current_sclad_id": "1",
        "fast_execute": "0",
        "kind_id": "0",
        "vds_id": "",
        "waiting_confirm": "0",
        "is_not_confirmed": "0",
        "condition_id": "",
        "condition_name": "",
        "Srvices": service_rows(order, writer),
        "Tovars": [_goods_row(line, writer) for line in order.goods],
    }
    if with_update:
        row |= {"user_id": "1035", "user_name": "Приёмщица Анна", "firm_id": "11", "firm_name": ""}
        row |= {"price_list_id": "0", "price_list_name": "Розничная"}
    else:
        row["doc_time"] = writer.moment(order.doc_date)[11:]
    if sw.status_key in ("both", "status"):
        row["status"] = status
    if sw.status_key in ("both", "status_id"):
        row["status_id"] = status
    payments: list[Row] | None = [_payment_row(flow, writer) for flow in flows(order, writer)]
    if payments or sw.payments_empty == "list":
        row["payments"] = payments
    elif sw.payments_empty == "null":
        row["payments"] = None
    return row | _spoiled(order, row)


def _spoiled(order: Order, row: Row) -> Row:
    """Return the fields of a row that somebody has spoiled."""
    payments = row.get("payments") or [{"date_pay": "", "debet": "0", "kredit": "0"}]
    last = payments[-1]
    changes: dict[str, Row] = {
        "": {},
        "no_id": {"dor_id": ""},
        "no_client": {"contr_id": ""},
        "bad_sum": {"payments": [*payments[:-1], last | {"debet": "1 5OO"}]},
        "bad_date": {"payments": [*payments[:-1], last | {"date_pay": "31.02.2026 10:00:00"}]},
        "no_list": {"payments": "нет"},
    }
    return changes[order.spoiled]


def service_rows(order: Order, writer: Writer) -> list[Row]:
    """Return the service lines; by a switch they hang below lines of the items, which cost nothing."""
    rows: list[Row] = []
    for number, line in enumerate(order.services, 1):
        parent = ""
        if writer.switches.nested_lines:
            parent = f"9{line.id}"
            rows.append(_service_row(parent, "", "Изделие", 0, line.status, number, writer))
        price = line.kredit_kopecks
        rows.append(_service_row(line.id, parent, line.name, price, line.status, number, writer))
    return rows


def _service_row(key: str, parent: str, name: str, price: int, status: int, number: int, writer: Writer) -> Row:
    return {
        "dos_id": key,
        "parent_id": parent,
        "tov_id": "500",
        "service": name,
        "code": f"K{number}",
        "status_id": str(status),
        "status_name": STATUS_NAMES.get(status, ""),
        "serv_num": str(number),
        "price": writer.money(price),
        "qty": "1",
        "kfx": "1",
        "discount": "0",
        "kredit": writer.money(price),
        "addons": [],
    }


def _goods_row(line: Line, writer: Writer) -> Row:
    return {
        "dol_id": line.id,
        "tov_id": "900",
        "tovar_name": line.name,
        "group_tov": "",
        "price": writer.money(line.price_kopecks),
        "qty": "1",
        "kfx": "1",
        "discount": "0",
        "kredit": writer.money(line.kredit_kopecks),
    }


def _payment_row(flow: Flow, writer: Writer) -> Row:
    payment, debet, kredit = flow
    return {
        "date_pay": writer.moment(payment.at),
        "document": payment.document,
        "debet": writer.money(debet),
        "kredit": writer.money(kredit),
        "kassa_name": payment.kassa,
    }


def order_pay_row(order: Order, client: Client, flow: Flow, writer: Writer) -> Row:
    """Return one payment as OrderPaysBetweenForAll shows it."""
    payment, debet, kredit = flow
    with_time = writer.switches.pay_date == "date_time"
    return {
        "dor_id": "" if order.spoiled == "no_id" else order.id,
        "doc_num": order.number,
        "contr_id": order.client_id,
        "contr_name": client.name,
        "teleph_cell": client.phone,
        "doc_date": writer.date(order.doc_date),
        "date_out": "",
        "status_id": str(order.status),
        "kredit": writer.money(order.kredit_kopecks),
        "debet": writer.money(order.net_kopecks),
        "pay_date": writer.moment(payment.at) if with_time else writer.date(payment.at),
        "pay_kassa_id": "3",
        "doc_type": payment.doc_type,
        "pay_debet": writer.money(debet),
        "pay_kredit": writer.money(kredit),
    }


# Where a payment of a kind stands in FullOrderInfo; 3, 31 and 32 are of the cash desk.
_PURSES = {"4": "bank", "9": "card", "91": "bonus", "92": "deposit"}


def full_order(order: Order, writer: Writer) -> Row:
    """Return the answer of FullOrderInfo, in which a cancelled order has no lines."""
    cancelled = order.status == CANCELLED
    info = {
        "kind_id": "0",
        "doc_num": order.number,
        "kredit": writer.money(order.kredit_kopecks),
        "debet": writer.money(order.net_kopecks),
        "barcode": "",
        "firm_id": "11",
        "doc_date": writer.date(order.doc_date),
        "date_out": "",
        "date_out_fact": writer.moment(order.update) if order.status == 5 else "",
        "current_sclad_id": "1",
        "status_id": str(order.status),
        "photo_exist": "0",
        "discount": "0",
        "sclad_to": "1",
        "fast_exec_id": "0",
        "sclad_name": "Приёмный пункт 1",
        "sclad_adr": "ул. Ленина, 5",
        "sclad_hours": "09:00-21:00",
        "discount_extrnl_id": "",
        "sclad_kredit_id": "1",
        "contragent_id": "" if order.spoiled == "no_client" else order.client_id,
        "waiting_confirm": "0",
        "is_not_confirmed": "0",
        "condition_id": "",
        "condition_name": "",
        "max_bonus_pay": "0",
    }
    return {
        "dor_id": order.id,
        "order_dop_info": info,
        "order_services": [] if cancelled else _full_lines(order, writer),
        "order_payments": [_full_payment(flow, writer) for flow in flows(order, writer)],
        "order_comments": [],
        "order_plans": [],
        "order_signs": [],
    }


def _full_lines(order: Order, writer: Writer) -> list[Row]:
    """Return services and goods in one list, under the names that only this command has."""
    renamed = {"tov_id": "tovar_id", "service": "name", "tovar_name": "name", "qty": "qty_kredit", "dol_id": "dos_id"}
    lines = [line | {"tovar_type": "2", "unitname": "шт"} for line in service_rows(order, writer)]
    lines += [_goods_row(line, writer) | {"tovar_type": "1", "unitname": "шт"} for line in order.goods]
    return [{renamed.get(key, key): value for key, value in line.items()} for line in lines]


def _full_payment(flow: Flow, writer: Writer) -> Row:
    payment, debet, kredit = flow
    purse = _PURSES.get(payment.doc_type, "kassa")
    row: Row = {"doc_id": payment.document_id, "doc_type": payment.doc_type}
    row |= {f"{name}_debet": "0" for name in ("kassa", "bank", "card", "bonus", "deposit")}
    row |= {f"{name}_kredit": "0" for name in ("kassa", "bank", "card")}
    row[f"{purse}_debet"] = writer.money(debet)
    if kredit or f"{purse}_kredit" in row:  # bonus and deposit are documented without
        row[f"{purse}_kredit"] = writer.money(kredit)
    return row


def client_info(client: Client | None, writer: Writer, *, orders: list[Order]) -> Row:
    """Return the answer of ContrInfoForAll, flat; without a client all fields are empty."""
    row = {
        "contr_id": client.id if client else "",
        "name": client.name if client else "",
        "short_name": client.name if client else "",
        "fone": client.landline if client else "",
        "fone_cell": client.phone if client else "",
        "email": "",
        "folder_id": "0",
        "address": "ул. Ленина, 5",
        "agree_to_receive_sms": "1",
        "barcode": "",
        "discount": "0",
        "gender": "-1",
        "date_create": writer.date(client.created) if client else "",
        "birth_day": "",
        "full_orders_cost": writer.money(sum(order.net_kopecks for order in orders)),
        "order_count": str(len(orders)),
        "deposit": "0",
        "bonus": "0",
        "dolg": "0",
        "lng": "RU",
    }
    if client is None:
        row = dict.fromkeys(row, "")
    return row | {"addresses": []}


def client_row(client: Client, writer: Writer) -> Row:
    """Return a client as ClientsByDateTimeForAll shows it."""
    return {
        "update": writer.moment(client.update),
        "contr_id": client.id,
        "fullname": client.name,
        "name": client.name,
        "telephone": client.landline,
        "teleph_cell": client.phone,
        "email": "",
        "address": "",
        "discount": "0",
        "gender": "-1",
        "is_active": "1",
        "is_deleted": "1" if client.is_deleted else "0",
        "source": "",
        "date_create": writer.date(client.created),
        "dolg": "0",
        "bonus": "0",
        "deposit": "0",
    }

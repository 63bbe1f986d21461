"""Everything that the stores' ports return, as plain JSON in words of its own.

Each field is named here, so a rename in the code, of a class or of a field, leaves the expected values as they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from crm_bridge.domain.aggregate import Client, Order
from crm_bridge.domain.card import Card
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.domain.run import Lease, Run
from crm_bridge.domain.sale import Intent, RecordedSale, SaleEvent
from crm_bridge.domain.state import CrmSession, SaleTag, Watermark
from crm_bridge.ports import CardStore, SalesStore

Plain = dict[str, Any]


async def stored(sales: SalesStore, cards: CardStore, keys: Mapping[str, Sequence[str]], *, now: datetime) -> Plain:
    """Read everything through the ports.

    Args:
        keys: The ids of `orders`, `clients` and `cards`, the phones of `histories` and the `ticks` to ask for.
        now: When the cards are read, aware.
    """
    phones = [phone async for page in sales.all_phones() for phone in page]
    runs = await sales.runs(1000)
    watermark, tag, session = [await sales.state(kind) for kind in (Watermark, SaleTag, CrmSession)]
    assert isinstance(watermark, Watermark)
    assert isinstance(tag, SaleTag)
    assert isinstance(session, CrmSession)
    return {
        "phones": {phone.phone: _phone(phone) for phone in phones},
        "orders": {key: _order(order) for key, order in _sorted(await sales.orders(keys["orders"]))},
        "clients": {key: _client(client) for key, client in _sorted(await sales.clients(keys["clients"]))},
        "histories": {phone: [_event(event) for event in await sales.events(phone)] for phone in keys["histories"]},
        "runs": [_run(run) for run in runs],
        "journals": {run.run_id: _journal(await sales.run(run.run_id)) for run in runs},
        "ticks": {tick: _run_id(await sales.run_of_tick(tick)) for tick in keys["ticks"]},
        "watermark": {"read_until": _time(watermark.read_until), "refreshed_at": _time(watermark.refreshed_at)},
        "sale_tag": tag.tag_id,
        "crm_session": {
            "session_id": session.session_id,
            "refresh_id": session.refresh_id,
            "renewed_at": _time(session.renewed_at),
            "login_at": _time(session.login_at),
        },
        "lease": _lease(await sales.lease()),
        "cards": {card_id: _card(await cards.get(card_id, now=now)) for card_id in keys["cards"]},
    }


async def found_by_key(sales: SalesStore, expected: Plain) -> Plain:
    """Read phones by their keys, and orders by their phones and clients: the ways that `stored` does not go."""
    phones, orders = expected["phones"], expected["orders"]
    by_phone = await sales.orders_of_phones({order["phone"] for order in orders.values() if order["phone"]})
    by_client = await sales.orders_of_clients({order["client"] for order in orders.values()})
    return {
        "phones": {key: _phone(phone) for key, phone in _sorted(await sales.phones(list(phones)))},
        "orders_of_phones": {order.order_id: _order(order) for order in sorted(by_phone, key=_order_id)},
        "orders_of_clients": {order.order_id: _order(order) for order in sorted(by_client, key=_order_id)},
    }


def _phone(phone: PhoneRecord) -> Plain:
    return {
        "kopecks": phone.amount_kopecks,
        "paid_at": _time(phone.paid_at),
        "comment": phone.comment,
        "orders": phone.order_count,
        "sale": None if phone.sale is None else _sale(phone.sale),
        "intent": None if phone.intent is None else _intent(phone.intent),
    }


def _sale(sale: RecordedSale) -> Plain:
    return {
        "type": str(sale.type),
        "id": sale.id,
        "started_at": _time(sale.started_at),
        "kopecks": sale.amount_kopecks,
        "sold_at": _time(sale.sold_at),
        "comment": sale.comment,
        "sale_id": sale.sale_id,
        "ours": sale.ours,
        "recorded_at": _time(sale.recorded_at),
    }


def _intent(intent: Intent) -> Plain:
    return {
        "type": str(intent.type),
        "id": intent.id,
        "started_at": _time(intent.started_at),
        "kopecks": intent.amount_kopecks,
        "previous_kopecks": intent.previous_kopecks,
        "replaces": intent.replaces,
        "sold_at": _time(intent.sold_at),
        "comment": intent.comment,
        "run": intent.run_id,
        "written_at": _time(intent.written_at),
    }


def _order(order: Order) -> Plain:
    return {
        "client": order.client_id,
        "changed_at": _time(order.changed_at),
        "ordered_at": _time(order.ordered_at),
        "payments": [[_time(each.paid_at), each.in_kopecks, each.out_kopecks] for each in order.payments],
        "services": list(order.services),
        "phone": order.phone,
    }


def _order_id(order: Order) -> str:
    return order.order_id


def _client(client: Client) -> Plain:
    return {"phone": client.phone, "seen_at": _time(client.seen_at)}


def _event(event: SaleEvent) -> Plain:
    return {
        "phone": event.phone,
        "run": event.run_id,
        "at": _time(event.at),
        "result": event.result,
        "type": str(event.type),
        "id": event.communication_id,
        "kopecks": event.amount_kopecks,
        "previous_kopecks": event.previous_kopecks,
        "sold_at": _time(event.sold_at),
        "comment": event.comment,
        "sale_id": event.sale_id,
        "error": event.error,
    }


def _run(run: Run) -> Plain:
    progress = run.progress
    return {
        "id": run.run_id,
        "status": str(run.status),
        "started_at": _time(run.started_at),
        "expires_at": _time(run.expires_at),
        "finished_at": _time(run.finished_at),
        "tick": run.tick,
        "parameters": run.parameters,
        "message": run.message,
        "progress": progress and [str(progress.phase), progress.done, progress.total, _time(progress.at)],
        "figures": dict(sorted(run.figures.items())),
    }


def _journal(run: Run | None) -> Plain | None:
    if run is None or run.journal is None:
        return None
    return {"bytes": len(run.journal), "sha256": hashlib.sha256(run.journal).hexdigest()}


def _run_id(run: Run | None) -> str | None:
    return None if run is None else run.run_id


def _lease(lease: Lease | None) -> Plain | None:
    if lease is None:
        return None
    return {"run": lease.run_id, "started_at": _time(lease.started_at), "until": _time(lease.until)}


def _card(card: Card | None) -> Plain | None:
    if card is None:
        return None
    return {
        "id": card.card_id,
        "body": dict(card.body),
        "posted_at": _time(card.posted_at),
        "expires_at": _time(card.expires_at),
    }


def _sorted(values: dict[str, Any]) -> list[tuple[str, Any]]:
    return sorted(values.items())


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()

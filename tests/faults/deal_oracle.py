"""Which deals CoMagic has to have, computed from the data of the simulated dry cleaner and with none of our code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

from tests.faults.oracle import digits
from tests.sandbox.agbis.model import Order
from tests.sandbox.comagic.deals import Deal
from tests.sandbox.world import World


def deal_differences(world: World, readable: Mapping[str, Order | None] | None = None) -> list[str]:
    """Return what is wrong with CoMagic's deals; every order was read while deals were on.

    Args:
        world: The simulated systems.
        readable: The last readable version of the orders that cannot be read; None for one that never could.
    """
    newest = {**world.agbis.orders, **(readable or {})}
    return list(_differences(world, {key: order for key, order in newest.items() if order is not None}))


def _differences(world: World, orders: Mapping[str, Order]) -> Iterator[str]:
    deals = world.comagic.deals
    if orders.keys() != deals.deals.keys():
        yield f"deals of {sorted(deals.deals)} instead of {sorted(orders)}"
    for order_id in orders.keys() & deals.deals.keys():
        yield from _of_one(world, orders[order_id], deals.deals[order_id])
    net = sum(order.net_kopecks for order in orders.values())
    if deals.revenue_kopecks() != net:
        yield f"the revenue is {deals.revenue_kopecks()} instead of {net}"


def _of_one(world: World, order: Order, deal: Deal) -> Iterator[str]:
    last = deal.last
    if (last.revenue_kopecks or 0) != order.net_kopecks:
        yield f"{order.id}: {last.revenue_kopecks} instead of {order.net_kopecks}"
    if last.stage.status == "failed" and order.net_kopecks:
        yield f"{order.id}: failed, though {order.net_kopecks} are kept"
    if order.status == 7 and not order.net_kopecks and last.stage.status != "failed":
        yield f"{order.id}: cancelled, and in stage {last.stage.name}"
    if last.contacts != (order.client_id,):
        yield f"{order.id}: contacts {last.contacts} instead of {order.client_id}"
    client = world.agbis.clients[order.client_id]
    phones = {phone for phone in (digits(client.phone) or digits(client.landline),) if phone}
    contact = world.comagic.deals.references.contacts[order.client_id]
    if set(contact.phones) != phones:
        yield f"{order.id}: phones {contact.phones} instead of {phones}"
    if deal.link is None or deal.link.phones != phones:
        yield f"{order.id}: linked by {deal.link} instead of {phones}"
    for earlier, later in pairwise(deal.records):
        if later.stage_at < earlier.stage_at:
            yield f"{order.id}: {later.stage.name} before {earlier.stage.name}"
    if any(record.stage_at < record.created for record in deal.records):
        yield f"{order.id}: a stage before the deal"


def personal_names(world: World) -> set[str]:
    """Return the names of clients that have reached CoMagic."""
    sent = str([record.params for record in world.comagic.requests])
    names = {client.name for client in world.agbis.clients.values() if client.name != f"Клиент {client.id}"}
    return {name for name in names if name and name in sent}

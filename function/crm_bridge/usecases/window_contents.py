"""What one window of the CRM's changes touches: its orders and their clients."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet

from msgspec import Struct
from msgspec.structs import replace

from crm_bridge.domain.aggregate import Client, Order


class WindowOrders(Struct, frozen=True, kw_only=True):
    """The orders that a window touches.

    Attributes:
        read: The newest version of every order that the window names, by id.
        stored: What the database holds of the orders that were read, and of those of clients whose phone changed;
            while deals are on, of those of whom any number changed.
    """

    read: Mapping[str, Order]
    stored: Mapping[str, Order]


class WindowClients(Struct, frozen=True, kw_only=True):
    """The clients that a window names or touches.

    Attributes:
        all: Everything we know of them by now, by id.
        moved: Those whose phone changed; their stored orders move with them.
        renumbered: Those of whom any number changed.
        recounted: Phones whose clients' further numbers changed.
        unsaved: New knowledge that must be stored after the orders that it moves.
    """

    all: Mapping[str, Client]
    moved: Collection[str]
    renumbered: Collection[str]
    recounted: AbstractSet[str]
    unsaved: Collection[Client]


def assign_phones(orders: WindowOrders, clients: Mapping[str, Client]) -> dict[str, Order]:
    """Return every order that the window touches, under the phone of its client."""
    return {
        key: replace(order, phone=clients[order.client_id].phone)
        for key, order in {**orders.stored, **orders.read}.items()
    }

"""What CoMagic has to show, computed from the data of the simulated dry cleaner and with none of our code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from tests.sandbox.agbis.model import Order
from tests.sandbox.comagic.store import Communication, Sale
from tests.sandbox.world import World

WINDOW = timedelta(days=30)
"""How far back communications are read."""

LOGIN_PAUSE = timedelta(minutes=2)


@dataclass(frozen=True)
class Standing:
    """A sale that stands on a communication.

    Attributes:
        at: The sale's own date.
    """

    call: Communication
    kopecks: int
    comment: str
    at: datetime
    by_hand: bool


def digits(typed: str) -> str | None:
    """Read a phone as people here type it; None when it is none. Enough for the phones of these tests."""
    found = "".join(char for char in typed if char.isdecimal())
    if len(found) == 10:
        found = f"7{found}"
    if len(found) == 11 and found[0] in "78":
        return f"7{found[1:]}"
    return None


def orders_by_phone(world: World, readable: Mapping[str, Order | None] | None = None) -> dict[str, list[Order]]:
    """The orders of every phone, of all clients with this phone.

    Args:
        world: The simulated systems.
        readable: The last readable version of the orders that cannot be read; None for one that never could.
    """
    found: dict[str, list[Order]] = {}
    for order in ({**world.agbis.orders} | {**(readable or {})}).values():
        if order is None:
            continue
        client = world.agbis.clients[order.client_id]
        phone = digits(client.phone) or digits(client.landline)
        if phone is not None:
            found.setdefault(phone, []).append(order)
    return found


def owed(world: World, readable: Mapping[str, Order | None] | None = None) -> dict[str, int]:
    """What the CRM says of every phone that has orders: kopecks paid, less what was returned."""
    return {
        phone: max(0, sum(payment.amount_kopecks for order in orders for payment in order.payments))
        for phone, orders in orders_by_phone(world, readable).items()
    }


def comment(world: World, orders: Iterable[Order]) -> str:
    """Service names of the orders with money, most recent order first (by day, as in the CRM), without repeats."""
    with_money = [order for order in orders if order.net_kopecks > 0]
    with_money.sort(key=lambda order: (order.doc_date.astimezone(world.agbis.zone).date(), order.id), reverse=True)
    return ", ".join(dict.fromkeys(line.name for order in with_money for line in (*order.services, *order.goods)))


def last_payment(world: World, orders: Iterable[Order]) -> datetime:
    """The latest money-in of an order that still has money, as exact as the CRM has it."""
    payments = [payment for order in orders if order.net_kopecks > 0 for payment in order.payments]
    last = max(payment.at for payment in payments if payment.amount_kopecks > 0).replace(microsecond=0)
    return last if world.agbis.switches.datetime_seconds else last.replace(second=0)


def standing(world: World) -> dict[str, list[Standing]]:
    """Every sale that stands on the communications of every phone; without its tag it is none."""
    found: dict[str, list[Standing]] = {}
    for call in world.comagic.communications():
        if all(tag.tag_id != world.comagic.sale_tag_id for tag in call.state.tags):
            continue
        for sale in call.state.sales:
            found.setdefault(call.phone or "", []).append(_standing(call, sale))
    return found


def _standing(call: Communication, sale: Sale) -> Standing:
    return Standing(
        call=call,
        kopecks=sale.amount_kopecks,
        comment=sale.comment or "",
        at=sale.date_time,
        by_hand=sale.set_by == "hand",
    )


def candidates(world: World, phone: str) -> list[Communication]:
    """The communications that may bear a sale of the phone, in the order in which they are preferred."""
    now = world.clock.now()
    since = int((now - WINDOW).timestamp())
    found = [
        call
        for call in world.comagic.communications()
        if call.phone == phone and not call.lost and since <= call.start <= now.timestamp()
        if call.key not in world.comagic.store.hidden
    ]
    return sorted(found, key=lambda call: (call.start, call.communication_id))


def started(call: Communication, world: World) -> datetime:
    """When a communication started."""
    return datetime.fromtimestamp(call.start, world.agbis.zone)


def differences(world: World) -> list[str]:
    """What is wrong in CoMagic: every phone's sum stands once, on its earliest call, with its comment and date.

    Sales that were set by hand may keep the comment and date they were given.
    """
    wrong = []
    sums, orders, stands = owed(world), orders_by_phone(world), standing(world)
    for phone in sorted({*sums, *stands}):
        sales, sum_ = stands.get(phone, []), sums.get(phone, 0)
        if sum(sale.kopecks for sale in sales) != (sum_ if sales or candidates(world, phone) else 0):
            wrong.append(f"{phone}: {[sale.kopecks for sale in sales]} stand instead of {sum_}")
        elif len(sales) > 1:
            wrong.append(f"{phone}: its sum stands in pieces: {sales}")
        elif sales:
            wrong += [f"{phone}: {problem}" for problem in _wrong_details(world, sales[0], orders[phone])]
    return wrong


def _wrong_details(world: World, sale: Standing, orders: list[Order]) -> Iterable[str]:
    calls = [call for call in world.comagic.communications() if call.phone == sale.call.phone and not call.lost]
    earliest = min(calls, key=lambda call: (call.start, call.communication_id))
    if sale.call.key != earliest.key:
        yield f"stands on {sale.call.key} instead of {earliest.key}"
    if sale.by_hand:
        return
    if sale.comment != comment(world, orders):
        yield f"its comment is {sale.comment!r} instead of {comment(world, orders)!r}"
    at = max(last_payment(world, orders), started(sale.call, world))
    if sale.at != at:
        yield f"its date is {sale.at} instead of {at}"


def sets_in_excess(world: World) -> list[str]:
    """Sales that were set although the same sum stood there already: in the history they are `add` and `replace`."""
    return [
        f"{entry.communication_id}: {entry.amount_kopecks} at {entry.at}"
        for entry in world.comagic.history
        if entry.who == "api" and entry.what in ("add", "replace")
    ]


def hasty_logins(world: World) -> list[str]:
    """Logins that came within two minutes of the one before; one without a connection did not arrive."""
    logins = [record for record in world.agbis.requests if record.method == "Login"]
    times = [record.at for record in logins if record.fault != "connect_error"]
    return [f"{later} after {earlier}" for earlier, later in pairwise(times) if later - earlier < LOGIN_PAUSE]

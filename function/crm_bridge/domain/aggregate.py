"""Orders of the CRM and what they add up to for one phone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from crm_bridge.domain.deal import Deal, DealRefusal
from crm_bridge.domain.falls import Falls
from crm_bridge.domain.phone import PhoneRecord

COMMENT_LIMIT = 255
"""CoMagic refuses a longer comment (`set.tag_sales`, parameter `comment`)."""

PAYMENTS_LIMIT = 1000
"""Payments of one order: 110 kB of a document. Orders have fewer than ten; more are added up, or do not fit."""

_CANCELLED = 7
"""A status of Agbis: docs/remote/agbis.md#statuses."""

SUM_LIMIT = 10**15
"""Kopecks of all movements of one order: what the databases' integers hold is 9,000 times as much."""


class Payment(Struct, frozen=True, kw_only=True):
    """One movement of money of an order (Agbis `payments[]`).

    Attributes:
        paid_at: Aware.
        in_kopecks: Money from the client (Agbis `debet`); a negative one is a refund in some accounts.
        out_kopecks: Money back to the client (Agbis `kredit`).
    """

    paid_at: datetime
    in_kopecks: int
    out_kopecks: int


class Order(Struct, frozen=True, kw_only=True):
    """The newest known version of an order.

    Attributes:
        order_id: Agbis `dor_id`, the only reliable key.
        client_id: Agbis `contr_id`.
        changed_at: Aware; the newest version is the one with the latest.
        ordered_at: Aware; acceptance (`doc_date`), or `changed_at` where the CRM gives none.
        payments: In the CRM's order.
        services: Names of services and goods, as the client may read them.
        phone: The phone it is counted under, E.164 digits; None when its client has no usable one.
        number: Agbis `doc_num`, which people use; empty when an older version stored the order.
        status: Agbis `status_id`; None when it is not known.
        price_kopecks: What is to be paid (Agbis `kredit`); None when it is not known.
        issued_at: When the client got it back (Agbis `date_out_fact`), aware.
        is_dated_by_day: `ordered_at` is midnight of a day, because the CRM gave no time.
        first_changed_at: The earliest change that we know of, aware.
        deal: Its deal, as CoMagic last accepted it.
        deal_due: Set while its deal has to be sent: the acceptance, so that the oldest are found first; of a refused
            deal, when it is tried again.
        deal_refusal: Why CoMagic refused its deal.
    """

    order_id: str
    client_id: str
    changed_at: datetime
    ordered_at: datetime
    payments: tuple[Payment, ...] = ()
    services: tuple[str, ...] = ()
    phone: str | None = None
    number: str = ""
    status: int | None = None
    price_kopecks: int | None = None
    issued_at: datetime | None = None
    is_dated_by_day: bool = False
    first_changed_at: datetime | None = None
    deal: Deal | None = None
    deal_due: datetime | None = None
    deal_refusal: DealRefusal | None = None

    @property
    def is_cancelled(self) -> bool:
        return self.status == _CANCELLED

    @property
    def net_kopecks(self) -> int:
        """Money in less money out."""
        return sum(payment.in_kopecks - payment.out_kopecks for payment in self.payments)

    @property
    def last_paid_at(self) -> datetime | None:
        """The latest money-in, or None when nothing was ever paid."""
        return max((p.paid_at for p in self.payments if p.in_kopecks > 0), default=None)


class UnreadableOrder(Struct, frozen=True, kw_only=True):
    """An order whose newest version cannot be read; it is put aside until a readable version comes.

    Attributes:
        order_id: Agbis `dor_id`; empty when the row does not even have that.
        reason: The CRM's field that cannot be read, such as `payments.debet`.
        changed_at: Of the version that cannot be read, aware.
    """

    order_id: str
    reason: str
    changed_at: datetime


class ChangedOrders(Struct, frozen=True, kw_only=True):
    """What a window of the CRM's changes holds.

    Attributes:
        orders: Some perhaps twice.
        unreadable: The rows that are no orders.
        until: Up to where this is a first part of the window, aware; None when it is the whole.
    """

    orders: list[Order]
    unreadable: list[UnreadableOrder] = []
    until: datetime | None = None


class OrderTooLarge(ValueError):
    """An order does not fit into one document, even in its bounded form."""


class Client(Struct, frozen=True, kw_only=True):
    """A client of the CRM, as far as we need one: the link from an order to a phone.

    Attributes:
        client_id: Agbis `contr_id`.
        phone: E.164 digits; None when the client has no usable phone; that is stored too.
        seen_at: When the CRM last returned the client, aware.
        other_phones: Further numbers of the client, E.164 digits; they only find communications.
    """

    client_id: str
    phone: str | None
    seen_at: datetime
    other_phones: tuple[str, ...] = ()

    def same_numbers(self, other: Client) -> bool:
        """Say whether nothing has changed that we need of the client."""
        return self.phone == other.phone and self.other_phones == other.other_phones


def recount(
    phone: str,
    orders: Iterable[Order],
    stored: PhoneRecord | None,
    clients: Mapping[str, Client],
    *,
    falls: Falls | None = None,
) -> PhoneRecord:
    """Return a phone's record with the sum, date and comment of its orders; what we know of its sale stays.

    The result depends on the set of the newest orders only, not on their sequence.

    Args:
        phone: E.164 digits.
        orders: The newest version of every order counted under the phone.
        stored: The phone's record so far; None when there is none.
        clients: Those of the orders, by id.
        falls: What it has lost since the record was stored.
    """
    counted = list(orders)
    net = sum(order.net_kopecks for order in counted)
    owners = [clients[order.client_id] for order in counted if order.client_id in clients]
    paid = sorted(
        (order for order in counted if order.net_kopecks > 0),
        key=lambda order: (order.ordered_at, order.order_id),
        reverse=True,
    )
    return PhoneRecord(
        phone=phone,
        amount_kopecks=max(0, net),
        paid_at=max((order.last_paid_at for order in paid if order.last_paid_at), default=None),
        comment=comment_of(name for order in paid for name in order.services),
        order_count=len(counted),
        sale=stored.sale if stored else None,
        intent=stored.intent if stored else None,
        other_phones=tuple(sorted({number for owner in owners for number in owner.other_phones} - {phone})),
        overpaid_kopecks=max(0, -net),
        falls=_falls_below_sale(stored, max(0, net), falls) if stored else None,
    )


def _falls_below_sale(stored: PhoneRecord, amount_kopecks: int, falls: Falls | None) -> Falls | None:
    """Return all falls since the sale was set that may stand; None when the sum is not below it."""
    sale, intent = stored.sale, stored.intent
    stands = 0 if sale is None else sale.amount_kopecks
    if intent is not None:
        stands = max(stands, intent.amount_kopecks, intent.previous_kopecks or 0)
    if amount_kopecks >= stands:
        return None
    return stored.falls + falls if stored.falls and falls else falls or stored.falls


def comment_of(names: Iterable[str]) -> str:
    """Join names without repeats, shortened at a name's end to what CoMagic takes.

    A first name that is too long by itself is shortened inside: an empty comment would say less.
    """
    comment = ""
    for name in dict.fromkeys(names):
        longer = f"{comment}, {name}" if comment else name[:COMMENT_LIMIT]
        if len(longer) > COMMENT_LIMIT:
            break
        comment = longer
    return comment


def bounded_names(names: Iterable[str]) -> tuple[str, ...]:
    """Keep as many names of an order as a comment can need: those that fill it, and the first that no longer fits.

    A comment is the same with or without the names left out, also together with those of other orders.
    """
    kept: list[str] = []
    length = 0
    for name in dict.fromkeys(names):
        kept.append(name[: COMMENT_LIMIT + 1])
        length += len(kept[-1]) + (2 if length else 0)
        if length > COMMENT_LIMIT:
            break
    return tuple(kept)


def bounded_payments(payments: Sequence[Payment]) -> tuple[Payment, ...]:
    """Keep the payments of an order; of too many, those of one moment and kind are added up.

    Raises:
        OrderTooLarge: There are still too many, or their sum is more than a database takes.
    """
    if sum(abs(payment.in_kopecks) + abs(payment.out_kopecks) for payment in payments) > SUM_LIMIT:
        raise OrderTooLarge("a sum over all bounds")
    if len(payments) <= PAYMENTS_LIMIT:
        return tuple(payments)
    sums: dict[tuple[datetime, bool], Payment] = {}
    for payment in payments:
        kind = (payment.paid_at, payment.in_kopecks > 0)
        known = sums.get(kind)
        sums[kind] = payment if known is None else _sum_of(known, payment)
    if len(sums) > PAYMENTS_LIMIT:
        raise OrderTooLarge("too many payments")
    return tuple(sums.values())


def _sum_of(first: Payment, second: Payment) -> Payment:
    return Payment(
        paid_at=first.paid_at,
        in_kopecks=first.in_kopecks + second.in_kopecks,
        out_kopecks=first.out_kopecks + second.out_kopecks,
    )


def replaces(read: Order, stored: Order | None) -> bool:
    """Say whether a version just read replaces the stored one; of two with the same time, the one read last does."""
    return stored is None or read.changed_at >= stored.changed_at


def newest_versions(read: Iterable[Order], stored: Mapping[str, Order]) -> dict[str, Order]:
    """Return the newest version of every order that was read, or is stored."""
    newest = dict(stored)
    for order in read:
        if replaces(order, newest.get(order.order_id)):
            newest[order.order_id] = order
    return newest


def phones_of(stored_orders: Mapping[str, Order], order: Order) -> set[str]:
    """Return the phones that an order leaves and joins."""
    left = stored_orders.get(order.order_id)
    return {phone for phone in (left.phone if left else None, order.phone) if phone is not None}


def independent_groups(
    stored_orders: Mapping[str, Order], orders: Iterable[Order]
) -> Iterator[tuple[set[str], list[Order]]]:
    """Divide orders into groups that share no phone: an order that moves ties its two phones together."""
    groups: dict[str, tuple[set[str], list[Order]]] = {}
    for order in orders:
        phones = phones_of(stored_orders, order)
        if not phones:
            yield set(), [order]
            continue
        merged: tuple[set[str], list[Order]] = (set(phones), [order])
        for group in {id(groups[phone]): groups[phone] for phone in phones if phone in groups}.values():
            merged[0].update(group[0])
            merged[1].extend(group[1])
        for phone in merged[0]:
            groups[phone] = merged
    yield from {id(group): group for group in groups.values()}.values()

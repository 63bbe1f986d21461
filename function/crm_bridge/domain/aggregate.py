"""Orders of the CRM and what they add up to for one phone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

from crm_bridge.domain.phone import PhoneRecord

COMMENT_LIMIT = 255
"""CoMagic refuses a longer comment (`set.tag_sales`, parameter `comment`)."""


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
    """

    order_id: str
    client_id: str
    changed_at: datetime
    ordered_at: datetime
    payments: tuple[Payment, ...] = ()
    services: tuple[str, ...] = ()
    phone: str | None = None

    @property
    def net_kopecks(self) -> int:
        """Money in less money out."""
        return sum(payment.in_kopecks - payment.out_kopecks for payment in self.payments)

    @property
    def last_paid_at(self) -> datetime | None:
        """The latest money-in, or None when nothing was ever paid."""
        return max((p.paid_at for p in self.payments if p.in_kopecks > 0), default=None)


class Client(Struct, frozen=True, kw_only=True):
    """A client of the CRM, as far as we need one: the link from an order to a phone.

    Attributes:
        client_id: Agbis `contr_id`.
        phone: E.164 digits; None when the client has no usable phone; that is stored too.
        seen_at: When the CRM last returned the client, aware.
    """

    client_id: str
    phone: str | None
    seen_at: datetime


def recount(phone: str, orders: Iterable[Order], stored: PhoneRecord | None) -> PhoneRecord:
    """Return a phone's record with the sum, date and comment of its orders; what we know of its sale stays.

    The result depends on the set of the newest orders only, not on their sequence.

    Args:
        phone: E.164 digits.
        orders: The newest version of every order counted under the phone.
        stored: The phone's record so far; None when there is none.
    """
    counted = list(orders)
    paid = sorted(
        (order for order in counted if order.net_kopecks > 0),
        key=lambda order: (order.ordered_at, order.order_id),
        reverse=True,
    )
    return PhoneRecord(
        phone=phone,
        amount_kopecks=max(0, sum(order.net_kopecks for order in counted)),
        paid_at=max((order.last_paid_at for order in paid if order.last_paid_at), default=None),
        comment=comment_of(name for order in paid for name in order.services),
        order_count=len(counted),
        sale=stored.sale if stored else None,
        intent=stored.intent if stored else None,
    )


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


def replaces(read: Order, stored: Order | None) -> bool:
    """Say whether a version just read replaces the stored one; of two with the same time, the one read last does."""
    return stored is None or read.changed_at >= stored.changed_at

"""Communications, the sales that stand on them, and what we remember of those we set.

`gc=False`, here and where else a run has hundreds of thousands of values: they cannot hold one another in a circle, and
looking through them again and again for garbage was a fifth of a run's work.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct


class CommunicationType(StrEnum):
    """CoMagic's `communication_type`, for the kinds that carry a phone."""

    CALL = "call"
    CHAT = "chat"
    OFFLINE_MESSAGE = "offline_message"


class CommunicationKey(NamedTuple):
    """What CoMagic's tag methods need to name a communication; ids repeat between types."""

    type: CommunicationType
    id: int


class Communication(Struct, frozen=True, kw_only=True, gc=False):
    """A call, chat or site form of a usable phone, as CoMagic's reports show it.

    Attributes:
        type, id: Its key; `id` is `communication_id`, which is not the row's `id`.
        started_at: Aware. CoMagic refuses a sale dated earlier.
        phone: E.164 digits.
        tagged: It bears the sale tag, wherever among its tags.
        sale_kopecks: Its `sale_cost`; None when it has none.
    """

    type: CommunicationType
    id: int
    started_at: datetime
    phone: str
    tagged: bool = False
    sale_kopecks: int | None = None

    @property
    def key(self) -> CommunicationKey:
        return CommunicationKey(self.type, self.id)

    @property
    def bears_sale(self) -> bool:
        """A sale stands here: the report shows its tag or its sum."""
        return self.tagged or self.sale_kopecks is not None


class CommunicationDetails(Struct, frozen=True, kw_only=True):
    """A communication as a look-up shows it, usable or not.

    Attributes:
        lost: Nobody answered.
        site_id: The site it came from; None when CoMagic does not tell.
    """

    communication: Communication
    lost: bool
    site_id: int | None


class FoundCommunications(Struct, frozen=True, kw_only=True):
    """What a look-up of a phone has found.

    Attributes:
        found: Oldest first.
        complete: CoMagic has no more rows than one answer holds.
    """

    found: tuple[CommunicationDetails, ...]
    complete: bool = True


class Site(Struct, frozen=True, kw_only=True):
    """A site of the account.

    Attributes:
        sales_enabled: The option "account sales" is on; without it CoMagic refuses sales on its communications.
    """

    site_id: int
    domain: str
    sales_enabled: bool


class Sale(Struct, frozen=True, kw_only=True):
    """A sale to set (CoMagic `set.tag_sales`).

    Attributes:
        type, id: The communication that bears it.
        started_at: When that communication began, aware.
        amount_kopecks: What the customer paid, net of refunds; above zero.
        sold_at: Aware, not before `started_at`.
        comment: At most 255 characters; empty means none.
    """

    type: CommunicationType
    id: int
    started_at: datetime
    amount_kopecks: int
    sold_at: datetime
    comment: str

    @property
    def key(self) -> CommunicationKey:
        return CommunicationKey(self.type, self.id)


class RecordedSale(Struct, frozen=True, kw_only=True, gc=False):
    """Our memory of the sale of a phone: where it stands, and with which sum.

    Attributes:
        amount_kopecks: The sum that stands; 0 means that we have taken the sale off.
        ours: False when somebody else set it and we found the sum already right.
        recorded_at: When we learned that it stands, aware. CoMagic's reports may be behind for some seconds.
    """

    type: CommunicationType
    id: int
    started_at: datetime
    amount_kopecks: int
    sold_at: datetime | None
    comment: str
    sale_id: int | None
    ours: bool
    recorded_at: datetime

    @property
    def key(self) -> CommunicationKey:
        return CommunicationKey(self.type, self.id)


class Intent(Struct, frozen=True, kw_only=True, gc=False):
    """A change of a sale that has been begun and whose outcome is not recorded yet.

    Attributes:
        amount_kopecks: The sum to stand afterwards; 0 means that the sale is being taken off.
        previous_kopecks: The sum that stood before; None when none did, or its sum was not shown.
        replaces: A sale stood there before, so it is unset first.
        written_at: Aware.
    """

    type: CommunicationType
    id: int
    started_at: datetime
    amount_kopecks: int
    previous_kopecks: int | None
    replaces: bool
    sold_at: datetime | None
    comment: str
    run_id: str
    written_at: datetime

    @property
    def key(self) -> CommunicationKey:
        return CommunicationKey(self.type, self.id)


Target = Communication | Intent | RecordedSale
"""The communication that bears the sale of a phone: as a report shows it, or as we remember it."""


def same_communication(one: Target, other: Target) -> bool:
    """Tell whether both are of the same communication; to make and compare their keys takes five times as long."""
    return one.id == other.id and one.type == other.type


def find(target: Target, communications: Iterable[Communication]) -> Communication | None:
    """Find a communication among those that the reports show; None when it is not there."""
    for each in communications:
        if same_communication(each, target):
            return each
    return None


class PhoneRecord(Struct, frozen=True, kw_only=True, gc=False):
    """A phone of the database: what its orders add up to, and what we did about it in CoMagic.

    Attributes:
        phone: E.164 digits.
        amount_kopecks, paid_at, comment, order_count: See `Aggregate`.
        sale: The sale we know to stand, if any.
        intent: A change under way, left behind when a run was cut.
    """

    phone: str
    amount_kopecks: int
    paid_at: datetime | None
    comment: str
    order_count: int
    sale: RecordedSale | None = None
    intent: Intent | None = None

    @property
    def is_idle(self) -> bool:
        """Nothing is left to say about it: no order counts under it and nothing of ours stands in CoMagic."""
        stands = self.sale is not None and self.sale.ours and self.sale.amount_kopecks > 0
        return self.order_count == 0 and self.intent is None and not stands


class SaleEvent(Struct, frozen=True, kw_only=True):
    """One line of a phone's history: what a run did to its sale, or failed to do.

    Attributes:
        result: As in the journal: `applied`, `updated`, `removed` or `failed`.
        error: The stable code of a failure.
    """

    phone: str
    run_id: str
    at: datetime
    result: str
    type: CommunicationType
    communication_id: int
    amount_kopecks: int
    previous_kopecks: int | None
    sold_at: datetime | None
    comment: str
    sale_id: int | None = None
    error: str | None = None

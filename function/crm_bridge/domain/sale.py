"""Sales of CoMagic: what to set, what we recorded of a sale that we set, and a change under way."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

from crm_bridge.domain.communication import Communication, CommunicationKey, CommunicationType


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

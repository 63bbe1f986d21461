"""Deals of CoMagic: what is sent of an order, what came back, and the funnel that they go through.

No personal name is in a deal or its contact, because none may leave the CRM. Which deal an order is: `deal_of_order`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from crm_bridge.domain.communication import CommunicationKey, CommunicationType

NAME_LIMIT = 255
COMMENT_LIMIT = 1000
"""CoMagic's limits are not known: docs/remote/comagic-deals.md#unknowns, 4. `DealAccount` has what was learned."""


RETRY_REFUSED = timedelta(hours=20)
"""A refused deal is sent again by each day's run at most: it may cost 21 requests to find it among a thousand."""

_TRIES_AT_ONCE = 2


class DealStage(StrEnum):
    """The stages of the funnel; a success and a failure end it."""

    ACCEPTED = "accepted"
    PAID = "paid"
    ISSUED = "issued"
    CANCELLED = "cancelled"

    @property
    def is_closed(self) -> bool:
        return self in _CLOSED


_CLOSED = frozenset({DealStage.ISSUED, DealStage.CANCELLED})


class Deal(Struct, frozen=True, kw_only=True):
    """A deal as it was last accepted, or as it is to be sent.

    Attributes:
        number: The order's number, as people know it.
        created_at: Acceptance of the order, aware; fixed when it is first sent, because CoMagic looks back from it.
        stage_at: When the stage was reached, aware; fixed when it is first sent.
        modified_at: Aware; later in every record that is sent.
        comment: Names of the services, not shortened to what the account takes.
        client_id: Of its contact.
        phones: Of its contact; another phone is another link.
        communication_type, communication_id: The communication that is named instead of a contact's phones.
    """

    number: str
    created_at: datetime
    stage: DealStage
    stage_at: datetime
    modified_at: datetime
    revenue_kopecks: int
    comment: str
    client_id: str
    phones: tuple[str, ...] = ()
    communication_type: CommunicationType | None = None
    communication_id: int | None = None

    @property
    def name(self) -> str:
        return f"Заказ {self.number}"

    @property
    def communication(self) -> CommunicationKey | None:
        if self.communication_type is None or self.communication_id is None:
            return None
        return CommunicationKey(self.communication_type, self.communication_id)

    def is_linked_like(self, deal: Deal) -> bool:
        """Say whether this record and another one have the same link to communications."""
        return (self.phones, self.communication_id) == (deal.phones, deal.communication_id)

    def says_the_same(self, other: Deal | None) -> bool:
        """Say whether there is nothing to send: all is as in the other, but for the time of the change."""
        return other is not None and replace(self, modified_at=other.modified_at) == other


class DealRefusal(Struct, frozen=True, kw_only=True):
    """A deal that CoMagic refuses by itself.

    Attributes:
        reason: CoMagic's mnemonic and message, with the field where it names one.
        at: Aware.
        times: How often in a row.
    """

    reason: str
    at: datetime
    times: int = 1

    @property
    def next_try(self) -> datetime:
        """When the deal is sent again: by the next run once, then a day later each time."""
        return self.at if self.times < _TRIES_AT_ONCE else self.at + RETRY_REFUSED


class SentDeal(Struct, frozen=True, kw_only=True):
    """What may have reached CoMagic of a deal whose outcome is not known."""

    order_id: str
    created_at: datetime
    stage: DealStage
    stage_at: datetime
    modified_at: datetime
    phones: tuple[str, ...] = ()
    communication_id: int | None = None

    def is_linked_like(self, deal: Deal) -> bool:
        return (self.phones, self.communication_id) == (deal.phones, deal.communication_id)


class DealContact(Struct, frozen=True, kw_only=True):
    """A contact of CoMagic: a client of the CRM, without a name.

    Attributes:
        client_id: Agbis `contr_id`.
        phones: E.164 digits.
        created_at: Not after the deals that name it, aware.
    """

    client_id: str
    phones: tuple[str, ...]
    created_at: datetime


class FunnelStage(Struct, frozen=True, kw_only=True):
    """A stage of a funnel, under CoMagic's id.

    Attributes:
        status: `in_process`, `success` or `failed`.
    """

    stage_id: str
    status: str


class Funnel(Struct, frozen=True, kw_only=True):
    """A sales funnel of CoMagic, ours or one that people have made."""

    funnel_id: str
    stages: tuple[FunnelStage, ...]

    def ids(self) -> dict[DealStage, str]:
        """Return CoMagic's id of each of our stages; those in work that the funnel lacks are left out.

        A success or failure cannot be added to a funnel, so the funnel's own first one is taken.
        """
        found = {}
        for stage, status in _STATUS_OF.items():
            ids = [each.stage_id for each in self.stages if each.status == status]
            if stage in ids or (ids and stage.is_closed):
                found[stage] = str(stage) if stage in ids else ids[0]
        return found


_STATUS_OF = {
    DealStage.ACCEPTED: "in_process",
    DealStage.PAID: "in_process",
    DealStage.ISSUED: "success",
    DealStage.CANCELLED: "failed",
}


class KnownDeal(Struct, frozen=True, kw_only=True):
    """The last record of a deal, as CoMagic shows it.

    Attributes:
        name, comment: As they are shown, perhaps shortened.
        stage_id: CoMagic's id.
        created_at, stage_at: Aware.
        revenue_kopecks: None when there is none.
        client_ids: Of its contacts.
        communication_id: The named one.
    """

    name: str
    comment: str
    stage_id: str
    created_at: datetime
    stage_at: datetime
    revenue_kopecks: int | None
    client_ids: tuple[str, ...]
    communication_id: int | None


Base = Deal | SentDeal
"""The last record of a deal that CoMagic has, or may have."""


def shortened(text: str, limit: int) -> str:
    """Shorten names that are joined by commas at a name's end; a first name that is too long, inside."""
    if len(text) <= limit:
        return text
    whole, _, _ = text[: limit + 1].rpartition(", ")
    return whole or text[:limit]


def revenue_of(deals: Iterable[Deal]) -> int:
    """Add up what the reports count: deals that have not failed."""
    return sum(deal.revenue_kopecks for deal in deals if deal.stage is not DealStage.CANCELLED)

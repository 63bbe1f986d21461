"""Communications as CoMagic's reports show them, and the sites that they came from.

`gc=False`, here and in other values of which a run has hundreds of thousands: they cannot form a reference cycle, and
the garbage collector took a fifth of a run to look through them again and again.
"""

from __future__ import annotations

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


class CommunicationRef(NamedTuple):
    """What CoMagic's reports need to find a communication again: they are asked for by an interval."""

    type: CommunicationType
    id: int
    started_at: datetime

    @property
    def key(self) -> CommunicationKey:
        return CommunicationKey(self.type, self.id)


class Communication(Struct, frozen=True, kw_only=True, gc=False):
    """A call, chat or site form of a usable phone, as CoMagic's reports show it.

    Attributes:
        type, id: Its key; `id` is `communication_id`, which is not the row's `id`.
        started_at: Aware. CoMagic refuses a sale dated earlier.
        phone: E.164 digits.
        tagged: It bears the sale tag, wherever among its tags.
        sale_kopecks: Its `sale_cost`; None when it has none.
        site_id: The site it came from; None when it came from none, or when that is not known.
        lost: Nobody answered, so it bears no sale of ours.
    """

    type: CommunicationType
    id: int
    started_at: datetime
    phone: str
    tagged: bool = False
    sale_kopecks: int | None = None
    site_id: int | None = None
    lost: bool = False

    @property
    def key(self) -> CommunicationKey:
        return CommunicationKey(self.type, self.id)

    @property
    def ref(self) -> CommunicationRef:
        return CommunicationRef(self.type, self.id, self.started_at)

    @property
    def bears_sale(self) -> bool:
        """A sale stands here: the report shows its tag or its sum."""
        return self.tagged or self.sale_kopecks is not None


class CommunicationDetails(Struct, frozen=True, kw_only=True):
    """A communication as a look-up shows it, usable or not."""

    communication: Communication

    @property
    def lost(self) -> bool:
        """Nobody answered."""
        return self.communication.lost


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
        sales_enabled: The option «Учитывать продажи» is on; without it CoMagic shows no sale on its communications.
    """

    site_id: int
    domain: str
    sales_enabled: bool

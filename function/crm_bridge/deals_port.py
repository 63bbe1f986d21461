"""What the use cases need of CoMagic's deals; `clients/comagic/deals.py` fits it by shape."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from crm_bridge.domain.deal import Deal, DealContact, DealStage, Funnel, KnownDeal
    from crm_bridge.domain.state import DealAccount


class Deals(Protocol):
    """CoMagic's deals. Every method raises RemoteError and its subclasses, nothing else.

    A method that writes makes one call; after RemoteUnavailable or RemoteProtocolError it may have been done. Each can
    be repeated without harm.
    """

    async def funnel(self, funnel_id: str) -> Funnel | None:
        """Read a funnel; None when there is none of this id. AccessDenied when the account has no deals."""

    async def create_funnel(self, funnel_id: str) -> None:
        """Make the funnel with all stages; AlreadyExists when there is one of this id."""

    async def create_stage(self, funnel_id: str, stage: DealStage) -> None:
        """Add a stage in work to a funnel; AlreadyExists when it has it."""

    async def contacts(self, client_ids: Collection[str]) -> dict[str, DealContact]:
        """Read those of some contacts that exist."""

    async def create_contacts(self, contacts: Sequence[DealContact]) -> None:
        """Make contacts, a thousand at most.

        Raises:
            AlreadyExists: One of them exists; whether the others were made is not known.
            RecordRefused: One is wrong, and none was made.
        """

    async def update_contact(self, contact: DealContact) -> None:
        """Replace the phones of a contact; NotFound when there is none."""

    async def upload(self, deals: Sequence[tuple[str, Deal]], account: DealAccount) -> None:
        """Send records of deals, a thousand at most, each with its order's id.

        Raises:
            RecordRefused: One is wrong, and none was taken.
        """

    async def known(self, order_ids: Collection[str]) -> dict[str, KnownDeal]:
        """Read the last record of those deals that CoMagic shows; what is in processing is not shown yet."""

    async def in_processing(self) -> int:
        """Return how many records are still being processed."""

    async def delete(self, order_id: str) -> None:
        """Delete a deal; NotFound when there is none."""

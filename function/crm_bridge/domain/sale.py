"""Sales of CoMagic: what to set, what we recorded of a sale that we set, and a change under way."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Self

from msgspec import Struct

from crm_bridge.domain.communication import Communication, CommunicationKey, CommunicationRef, CommunicationType

VISIBLE_WITHIN = timedelta(seconds=60)
"""How long CoMagic's reports may lag behind a change; no change is called lost earlier."""


class Sale(Struct, frozen=True, kw_only=True):
    """A sale to set (CoMagic `set.tag_sales`).

    Attributes:
        type, id: The communication that is to bear it.
        started_at: When that communication started, aware.
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

    @classmethod
    def of(cls, target: Target, *, amount_kopecks: int, sold_at: datetime, comment: str) -> Self:
        """Make the sale to set on a communication."""
        return cls(
            type=target.type,
            id=target.id,
            started_at=target.started_at,
            amount_kopecks=amount_kopecks,
            sold_at=sold_at,
            comment=comment,
        )

    @property
    def key(self) -> CommunicationKey:
        return CommunicationKey(self.type, self.id)


class RecordedSale(Struct, frozen=True, kw_only=True, gc=False):
    """What we recorded of the sale of a phone: where it stands, and with which sum.

    Attributes:
        amount_kopecks: The sum that stands; 0 means that we took the sale off.
        ours: False when somebody else set it and we adopted it, because its sum was right when we found it.
        recorded_at: When we learned that it stands, aware. CoMagic's reports may lag behind for some seconds.
        absent_on: Local days of full runs to which CoMagic did not show the communication; empty when it is shown.
        found_by: The further number of the client by which the communication was found; None for the phone itself.
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
    absent_on: tuple[date, ...] = ()
    found_by: str | None = None

    @classmethod
    def of(
        cls,
        target: Target,
        *,
        amount_kopecks: int,
        ours: bool,
        recorded_at: datetime,
        sold_at: datetime | None = None,
        comment: str = "",
        sale_id: int | None = None,
        found_by: str | None = None,
    ) -> Self:
        """Record the sale that stands on a communication."""
        return cls(
            type=target.type,
            id=target.id,
            started_at=target.started_at,
            amount_kopecks=amount_kopecks,
            sold_at=sold_at,
            comment=comment,
            sale_id=sale_id,
            ours=ours,
            recorded_at=recorded_at,
            found_by=found_by,
        )

    @classmethod
    def removed(cls, target: Target, now: datetime) -> Self:
        """Record that we took the sale off: in some accounts its sum stays visible after its tag is gone."""
        return cls.of(target, amount_kopecks=0, ours=True, recorded_at=now)

    @property
    def key(self) -> CommunicationKey:
        return CommunicationKey(self.type, self.id)

    @property
    def ref(self) -> CommunicationRef:
        return CommunicationRef(self.type, self.id, self.started_at)

    @property
    def changed_at(self) -> datetime:
        """When the sale last changed as far as we know, aware."""
        return self.recorded_at


class Intent(Struct, frozen=True, kw_only=True, gc=False):
    """A change of a sale that was started and whose outcome is not recorded yet.

    Attributes:
        amount_kopecks: The sum to stand afterwards; 0 means that the sale is being taken off.
        previous_kopecks: The sum that stood before; None when none did, or its sum was not shown.
        replaces: A sale stood there before, so it is unset first.
        written_at: Aware.
        found_by: See `RecordedSale`.
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
    found_by: str | None = None

    @classmethod
    def of(
        cls,
        target: Target,
        *,
        amount_kopecks: int,
        previous_kopecks: int | None,
        replaces: bool,
        sold_at: datetime | None,
        comment: str,
        run_id: str,
        written_at: datetime,
        found_by: str | None = None,
    ) -> Self:
        """Make the intent of a change on a communication."""
        return cls(
            type=target.type,
            id=target.id,
            started_at=target.started_at,
            amount_kopecks=amount_kopecks,
            previous_kopecks=previous_kopecks,
            replaces=replaces,
            sold_at=sold_at,
            comment=comment,
            run_id=run_id,
            written_at=written_at,
            found_by=found_by,
        )

    @property
    def key(self) -> CommunicationKey:
        return CommunicationKey(self.type, self.id)

    @property
    def ref(self) -> CommunicationRef:
        return CommunicationRef(self.type, self.id, self.started_at)

    @property
    def changed_at(self) -> datetime:
        """When the change may have happened at the earliest, aware."""
        return self.written_at


Target = Communication | Intent | RecordedSale
"""A communication that bears, or is to bear, a phone's sale: as a report shows it, or as we recorded it."""


def same_communication(one: Target, other: Target) -> bool:
    """Say whether both are of the same communication; making and comparing their keys takes five times as long."""
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

    @classmethod
    def of(
        cls,
        target: Target,
        *,
        phone: str,
        run_id: str,
        at: datetime,
        result: str,
        amount_kopecks: int,
        previous_kopecks: int | None,
        sold_at: datetime | None,
        comment: str,
        sale_id: int | None,
        error: str | None,
    ) -> Self:
        """Make the line of a change on a communication."""
        return cls(
            phone=phone,
            run_id=run_id,
            at=at,
            result=result,
            type=target.type,
            communication_id=target.id,
            amount_kopecks=amount_kopecks,
            previous_kopecks=previous_kopecks,
            sold_at=sold_at,
            comment=comment,
            sale_id=sale_id,
            error=error,
        )

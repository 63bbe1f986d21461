"""The rule: what to do about the sale of one phone. Pure, so that every case of it can be tried.

The earliest communication of a phone bears its sale. Once a sale stands on a communication it stays there, also when
that communication has left the window, so that a sum is never reported twice. Only the sum decides: an equal one with
another date or comment is left as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from crm_bridge.domain.sale import (
    Communication,
    CommunicationKey,
    CommunicationType,
    Intent,
    Phone,
    RecordedSale,
)


class Result(StrEnum):
    """What became of a phone, in the journal's words."""

    APPLIED = "applied"
    UPDATED = "updated"
    PROBLEM = "problem"
    REMOVED = "removed"
    NOT_FOUND = "not_found"
    NOTHING_PAID = "nothing_paid"
    FAILED = "failed"
    DEFERRED = "deferred"


CHANGES = frozenset({Result.APPLIED, Result.UPDATED, Result.REMOVED})
"""Results that need CoMagic to be written to."""


class Bearer(Struct, frozen=True, kw_only=True, gc=False):
    """The communication that bears the sale of a phone."""

    type: CommunicationType
    id: int
    started_at: datetime

    @property
    def key(self) -> CommunicationKey:
        return CommunicationKey(self.type, self.id)


class Decision(Struct, frozen=True, kw_only=True, gc=False):
    """What to do about the sale of a phone.

    Attributes:
        result: What the journal will say when all goes well.
        bearer: Where the sale stands or shall stand; None when the phone has no communication.
        previous_kopecks: The sum that stood before; None when none did, or its sum is not shown.
        unset: A sale stands on the bearer and must be taken off first.
        sold_at: The moment to report, aware: the last payment, or the communication's own time when that is later.
        sale: What to remember of the phone's sale from now on, when nothing has to be done about it.
        other_sales: Further communications of the phone that bear sales of somebody else; they are left alone.
        drifted: Somebody took off or changed a sale of ours since we set it.
        repaired: A run was cut while it changed this sale; this decision completes its work.
    """

    result: Result
    bearer: Bearer | None = None
    previous_kopecks: int | None = None
    unset: bool = False
    sold_at: datetime | None = None
    sale: RecordedSale | None = None
    other_sales: tuple[CommunicationKey, ...] = ()
    drifted: bool = False
    repaired: bool = False


def decide(phone: Phone, communications: Sequence[Communication], *, now: datetime) -> Decision:
    """Decide what to do about the sale of a phone.

    Args:
        phone: Its sum, and what we did before.
        communications: Those of the phone that the reports show. When an intent is open, its communication is among
            them whether it is in the window or not; if it is missing, CoMagic no longer has it.
        now: CoMagic refuses sales dated later.
    """
    case = _Case(phone, communications)
    if phone.amount_kopecks == 0:
        return case.without_money(now)
    return case.with_money(now)


class _Case:
    """One phone's facts, put in order."""

    def __init__(self, phone: Phone, communications: Sequence[Communication]) -> None:
        self.phone = phone
        in_order = sorted(communications, key=lambda each: (each.started_at, each.id))
        self.seen = {each.key: each for each in in_order}
        self.sale_key = None if phone.sale is None else phone.sale.key
        self.intent = phone.intent if phone.intent is not None and phone.intent.key in self.seen else None
        memory = phone.sale
        self.memory = memory if memory is not None and memory.amount_kopecks > 0 else None
        if self.intent and self.memory and self.intent.key != self.memory.key and self._came_back():
            self.intent = None
        self.earliest = in_order[0] if in_order else None
        self.with_sales = [key for key in self.seen if self._stands(key)[0]]

        self.drifted = False
        pin: Intent | RecordedSale | None = self.intent or self.memory
        self.bearer: Communication | Intent | RecordedSale | None
        if pin is not None and (self.intent or self._stands(pin.key)[0]):
            self.bearer = pin
        else:
            self.bearer = self.seen[self.with_sales[0]] if self.with_sales else pin or self.earliest
        self.bearer_key = self.bearer.key if self.bearer else None
        self.bears, self.standing_kopecks = self._stands(self.bearer_key) if self.bearer_key else (False, None)
        if self.intent is None and self.memory is not None and self.memory.ours:
            self.drifted = self._stands(self.memory.key) != (True, self.memory.amount_kopecks)

    def _came_back(self) -> bool:
        """A sale of ours was being moved because it had vanished; it stands again, and the move has not come about."""
        moved = self.intent and self._stands(self.intent.key) == (True, self.intent.amount_kopecks)
        return self.memory is not None and self._stands(self.memory.key)[0] and not moved

    def _stands(self, key: CommunicationKey) -> tuple[bool, int | None]:
        """Tell whether a sale stands on a communication, and its sum where one is shown."""
        memory = self.phone.sale if key == self.sale_key else None
        shown = self.seen.get(key)
        if shown is None:  # out of the window: our memory is all there is
            return (memory is not None and memory.amount_kopecks > 0), (memory.amount_kopecks if memory else None)
        if shown.tagged and shown.sale_kopecks is None and memory is not None and memory.amount_kopecks > 0:
            return True, memory.amount_kopecks  # CoMagic does not show the sum: there is nothing against ours
        if not shown.tagged and memory is not None and memory.amount_kopecks == 0:
            return False, None  # we took the tag off; in some accounts the sum stays visible without it
        return shown.bears_sale, shown.sale_kopecks

    @property
    def ours(self) -> bool:
        """What stands on the bearer was set by us."""
        if self.intent is not None:
            # An intent that has not touched somebody else's sale yet does not make it ours.
            began = self.standing_kopecks != self.intent.previous_kopecks or not self.intent.replaces
            if began or self.standing_kopecks == self.intent.amount_kopecks:
                return True
        memory = self.memory
        return memory is not None and self.sale_key == self.bearer_key and memory.ours

    def without_money(self, now: datetime) -> Decision:
        repaired = self.intent is not None
        if self.bearer is not None and self.bears and self.ours:
            return Decision(
                result=Result.REMOVED,
                bearer=_bearer(self.bearer),
                previous_kopecks=self.standing_kopecks,
                unset=True,
                other_sales=self._others(),
                drifted=self.drifted,
                repaired=repaired,
            )
        return Decision(
            result=Result.NOTHING_PAID,
            bearer=_bearer(self.bearer),
            previous_kopecks=self.standing_kopecks if self.bears else None,
            sale=self._left_alone(now),
            other_sales=self._others(),
            drifted=self.drifted,
            repaired=repaired,
        )

    def with_money(self, now: datetime) -> Decision:
        if self.bearer is None:
            return Decision(result=Result.NOT_FOUND, sale=self.phone.sale)
        amount = self.phone.amount_kopecks
        started_at = self.bearer.started_at
        sold_at = max(started_at, min(self.phone.paid_at or started_at, now))
        previous = self.standing_kopecks if self.bears else None
        if self.bears and self.standing_kopecks == amount:
            result = Result.PROBLEM
        elif self.bears:
            result = Result.UPDATED
        elif self.intent is not None and self.intent.replaces:
            result, previous = Result.UPDATED, self.intent.previous_kopecks
        else:
            result = Result.APPLIED
        return Decision(
            result=result,
            bearer=_bearer(self.bearer),
            previous_kopecks=previous,
            unset=self.bears and result is Result.UPDATED,
            sold_at=sold_at,
            sale=self._found_right(now) if result is Result.PROBLEM else None,
            other_sales=self._others(),
            drifted=self.drifted,
            repaired=self.intent is not None,
        )

    def _found_right(self, now: datetime) -> RecordedSale:
        """Remember the sale that stands with the right sum, so that it counts when it has left the window."""
        bearer, sale, amount = self.bearer, self.phone.sale, self.phone.amount_kopecks
        assert bearer is not None  # noqa: S101 - for the type checker; the caller has just compared its sum
        if sale is not None and self.sale_key == self.bearer_key and sale.amount_kopecks == amount:
            return sale
        by_intent = self.intent is not None and self.intent.amount_kopecks == amount
        return RecordedSale(
            type=bearer.type,
            id=bearer.id,
            started_at=bearer.started_at,
            amount_kopecks=amount,
            sold_at=self.intent.sold_at if self.intent and by_intent else None,
            comment=self.intent.comment if self.intent and by_intent else "",
            sale_id=None,
            ours=by_intent or (sale is not None and self.sale_key == self.bearer_key and sale.ours),
            recorded_at=now,
        )

    def _left_alone(self, now: datetime) -> RecordedSale | None:
        """Remember what matters of a phone without money: that we took its sale off, or that another's stands."""
        if self.intent is not None and self.intent.replaces and not self.bears:
            return taken_off(self.intent, now)
        sale = self.phone.sale
        if sale is None or sale.amount_kopecks == 0:
            return sale
        return sale if self._stands(sale.key)[0] else None

    def _others(self) -> tuple[CommunicationKey, ...]:
        return tuple(key for key in self.with_sales if key != self.bearer_key)


def taken_off(from_: Intent | Bearer, now: datetime) -> RecordedSale:
    """Remember that we took the sale off: in some accounts its sum stays visible after its tag is gone."""
    return RecordedSale(
        type=from_.type,
        id=from_.id,
        started_at=from_.started_at,
        amount_kopecks=0,
        sold_at=None,
        comment="",
        sale_id=None,
        ours=True,
        recorded_at=now,
    )


def without_trace(phone: Phone, communications: Sequence[Communication]) -> Phone:
    """Forget that we took a sale off once its sum is not visible either.

    Kept, it would make the sum of a new sale there look left over, where an account does not show tags.
    """
    sale = phone.sale
    if sale is None or sale.amount_kopecks > 0:
        return phone
    is_clean = any(each.key == sale.key and not each.bears_sale for each in communications)
    return replace(phone, sale=None) if is_clean else phone


def _bearer(communication: Communication | Intent | RecordedSale | None) -> Bearer | None:
    if communication is None:
        return None
    return Bearer(type=communication.type, id=communication.id, started_at=communication.started_at)

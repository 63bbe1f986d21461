"""The rule: what to do about the sale of one phone. Pure, so that every case of it can be tried.

The earliest communication of a phone bears its sale. Once a sale stands on a communication it stays there, also when
that communication has left the window, so that a sum is never reported twice. Only the sum decides: an equal one with
another date or comment is left as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from operator import attrgetter

from msgspec import Struct
from msgspec.structs import replace

from crm_bridge.domain.sale import (
    Bearer,
    Communication,
    CommunicationKey,
    Intent,
    Phone,
    RecordedSale,
    find,
    same_communication,
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
    """One phone's facts, put in order.

    Attributes:
        seen: The communications, the earliest first, each as the reports and our memory together have it.
        with_sales: Those of them that bear a sale.
        memory, at_memory: The sale that we remember to stand, and what stands there.
        intent: The change under way, unless it has become void.
        bearer: Where the phone's sale stands or shall stand.
        bears, standing_kopecks: What stands there.
    """

    def __init__(self, phone: Phone, communications: Sequence[Communication]) -> None:
        sale = phone.sale
        seen = communications if len(communications) < 2 else sorted(communications, key=_time_and_id)
        if sale is not None:
            seen = [_as_known(each, sale) for each in seen]
        self.phone, self.seen = phone, seen
        self.with_sales = [each for each in seen if each.bears_sale]
        self.memory = sale if sale is not None and sale.amount_kopecks > 0 else None
        self.at_memory = self._standing(self.memory)
        self.intent = None if phone.intent is None else self._still_open(phone.intent)
        self.bearer = self._bearer()
        at_bearer = self.at_memory if self.bearer is self.memory else self._standing(self.bearer)
        self.bears, self.standing_kopecks = at_bearer
        self.drifted = False
        if self.intent is None and self.memory is not None and self.memory.ours:
            self.drifted = self.at_memory != (True, self.memory.amount_kopecks)

    def _still_open(self, intent: Intent) -> Intent | None:
        if find(intent, self.seen) is None:
            return None
        if self.memory is None or same_communication(intent, self.memory) or not self.at_memory[0]:
            return intent
        # A sale of ours was being moved because it had vanished; it stands again. Has the move come about?
        return intent if self._standing(intent) == (True, intent.amount_kopecks) else None

    def _bearer(self) -> Bearer | None:
        if self.intent is not None:
            return self.intent
        if self.memory is not None and self.at_memory[0]:
            return self.memory
        if self.with_sales:
            return self.with_sales[0]
        return self.memory or (self.seen[0] if self.seen else None)

    def _standing(self, where: Bearer | None) -> tuple[bool, int | None]:
        """Tell whether a sale stands on a communication, and its sum where one is shown."""
        if where is None:
            return False, None
        shown = where if isinstance(where, Communication) else find(where, self.seen)
        if shown is not None:
            return shown.bears_sale, shown.sale_kopecks
        if self.memory is not None and same_communication(where, self.memory):
            return True, self.memory.amount_kopecks  # out of the window: our memory is all there is
        return False, None

    @property
    def ours(self) -> bool:
        """What stands on the bearer was set by us."""
        if self.intent is not None:
            # An intent that has not touched somebody else's sale yet does not make it ours.
            began = self.standing_kopecks != self.intent.previous_kopecks or not self.intent.replaces
            if began or self.standing_kopecks == self.intent.amount_kopecks:
                return True
        memory = self.memory
        return (
            memory is not None and self.bearer is not None and same_communication(memory, self.bearer) and memory.ours
        )

    def without_money(self, now: datetime) -> Decision:
        repaired = self.intent is not None
        if self.bearer is not None and self.bears and self.ours:
            return Decision(
                result=Result.REMOVED,
                bearer=self.bearer,
                previous_kopecks=self.standing_kopecks,
                unset=True,
                other_sales=self._others(),
                drifted=self.drifted,
                repaired=repaired,
            )
        return Decision(
            result=Result.NOTHING_PAID,
            bearer=self.bearer,
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
            bearer=self.bearer,
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
        remembered = sale if sale is not None and same_communication(sale, bearer) else None
        if remembered is not None and remembered.amount_kopecks == amount:
            return remembered
        by_intent = self.intent is not None and self.intent.amount_kopecks == amount
        return RecordedSale(
            type=bearer.type,
            id=bearer.id,
            started_at=bearer.started_at,
            amount_kopecks=amount,
            sold_at=self.intent.sold_at if self.intent and by_intent else None,
            comment=self.intent.comment if self.intent and by_intent else "",
            sale_id=None,
            ours=by_intent or (remembered is not None and remembered.ours),
            recorded_at=now,
        )

    def _left_alone(self, now: datetime) -> RecordedSale | None:
        """Remember what matters of a phone without money: that we took its sale off, or that another's stands."""
        if self.intent is not None and self.intent.replaces and not self.bears:
            return taken_off(self.intent, now)
        return self.phone.sale if self.memory is None or self.at_memory[0] else None

    def _others(self) -> tuple[CommunicationKey, ...]:
        bearer = self.bearer
        if not self.with_sales:
            return ()
        return tuple([each.key for each in self.with_sales if bearer is None or not same_communication(each, bearer)])


def taken_off(from_: Bearer, now: datetime) -> RecordedSale:
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
    shown = find(sale, communications)
    return replace(phone, sale=None) if shown is not None and not shown.bears_sale else phone


def _as_known(shown: Communication, sale: RecordedSale) -> Communication:
    """Put right, by what we remember of a sale, what CoMagic's accounts show differently of it."""
    if not same_communication(shown, sale):
        return shown
    if sale.amount_kopecks > 0 and shown.tagged and shown.sale_kopecks is None:
        return replace(shown, sale_kopecks=sale.amount_kopecks)  # no sum is shown: there is nothing against ours
    if sale.amount_kopecks == 0 and not shown.tagged and shown.sale_kopecks is not None:
        return replace(shown, sale_kopecks=None)  # we took it off, its tag is gone; some accounts keep showing the sum
    return shown


_time_and_id = attrgetter("started_at", "id")

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

from crm_bridge.domain.communication import Communication, CommunicationKey
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.domain.sale import Intent, RecordedSale, find, same_communication


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
        target: Where the sale stands or shall stand; None when the phone has no communication.
        previous_kopecks: The sum that stood before; None when none did, or its sum is not shown.
        unset: A sale stands on the target and must be taken off first.
        sold_at: The moment to report, aware: the last payment, or the communication's own time when that is later.
        sale: What to remember of the phone's sale from now on, when nothing has to be done about it.
        other_sales: Further communications of the phone that bear sales of somebody else; they are left alone.
        drifted: Somebody took off or changed a sale of ours since we set it.
        repaired: A run was cut while it changed this sale; this decision completes its work.
    """

    result: Result
    target: Communication | None = None
    previous_kopecks: int | None = None
    unset: bool = False
    sold_at: datetime | None = None
    sale: RecordedSale | None = None
    other_sales: tuple[CommunicationKey, ...] = ()
    drifted: bool = False
    repaired: bool = False


def decide(phone: PhoneRecord, communications: Sequence[Communication], *, now: datetime) -> Decision:
    """Decide what to do about the sale of a phone.

    Args:
        phone: Its sum, and what we did before.
        communications: Those of the phone that the reports show, each once. When an intent is open, its communication
            is among them whether it is in the window or not; if it is missing, CoMagic no longer has it.
        now: CoMagic refuses sales dated later.
    """
    case = _Case(phone, communications)
    if phone.amount_kopecks == 0:
        return case.without_money(now)
    return case.decide_paid(now)


class _Case:
    """One phone's facts, put in order.

    Attributes:
        seen: The communications, the earliest first, each as the reports and our recorded_sale together have it.
        with_sales: Those of them that bear a sale.
        recorded_sale, recorded_on: The sale that we remember to stand, and the communication that is to bear it.
        intent: The change under way, unless it has become void.
        target: Where the phone's sale stands or shall stand.
    """

    def __init__(self, phone: PhoneRecord, communications: Sequence[Communication]) -> None:
        sale, intent = phone.sale, phone.intent
        seen = communications if len(communications) < 2 else sorted(communications, key=_time_and_id)
        if sale is not None:
            seen = [_as_known(each, sale) for each in seen]
        self.phone, self.seen = phone, seen
        self.with_sales = [each for each in seen if each.bears_sale]
        self.recorded_sale = sale if sale is not None and sale.amount_kopecks > 0 else None
        self.recorded_on = (
            None
            if self.recorded_sale is None
            else find(self.recorded_sale, seen) or _out_of_sight(self.recorded_sale, phone)
        )
        at_intent = None if intent is None else find(intent, seen)
        is_open = intent is not None and at_intent is not None and self._is_open(intent, at_intent)
        self.intent = intent if is_open else None
        self.target = at_intent if is_open else self._bearer()

    def _is_open(self, intent: Intent, at_intent: Communication) -> bool:
        if self.recorded_on is None or self.recorded_on is at_intent or not self.recorded_on.bears_sale:
            return True
        # A sale of ours was being moved because it had vanished; it stands again. Has the move come about?
        return at_intent.sale_kopecks == intent.amount_kopecks

    def _bearer(self) -> Communication | None:
        if self.recorded_on is not None and self.recorded_on.bears_sale:
            return self.recorded_on
        if self.with_sales:
            return self.with_sales[0]
        return self.recorded_on or (self.seen[0] if self.seen else None)

    @property
    def drifted(self) -> bool:
        """What we remember of a sale of ours is no longer so."""
        recorded_sale, there = self.recorded_sale, self.recorded_on
        if recorded_sale is None or there is None or self.intent is not None:
            return False
        return recorded_sale.ours and there.sale_kopecks != recorded_sale.amount_kopecks

    def _is_ours(self, target: Communication) -> bool:
        """What stands there was set by us."""
        if self.intent is not None:
            # An intent that has not touched somebody else's sale yet does not make it ours.
            began = target.sale_kopecks != self.intent.previous_kopecks or not self.intent.replaces
            if began or target.sale_kopecks == self.intent.amount_kopecks:
                return True
        return self.recorded_sale is not None and self.recorded_sale.ours and target is self.recorded_on

    def without_money(self, now: datetime) -> Decision:
        target = self.target
        is_ours = target is not None and target.bears_sale and self._is_ours(target)
        return Decision(
            result=Result.REMOVED if is_ours else Result.NOTHING_PAID,
            target=target,
            previous_kopecks=None if target is None else target.sale_kopecks,
            unset=is_ours,
            sale=None if is_ours else self._left_alone(now),
            other_sales=self._others(),
            drifted=self.drifted,
            repaired=self.intent is not None,
        )

    def decide_paid(self, now: datetime) -> Decision:
        target, amount = self.target, self.phone.amount_kopecks
        if target is None:
            return Decision(result=Result.NOT_FOUND, sale=self.phone.sale)
        previous = target.sale_kopecks
        if previous == amount:
            result = Result.PROBLEM
        elif target.bears_sale:
            result = Result.UPDATED
        elif self.intent is not None and self.intent.replaces:
            result, previous = Result.UPDATED, self.intent.previous_kopecks
        else:
            result = Result.APPLIED
        return Decision(
            result=result,
            target=target,
            previous_kopecks=previous,
            unset=result is Result.UPDATED and target.bears_sale,
            sold_at=max(target.started_at, min(self.phone.paid_at or target.started_at, now)),
            sale=self._found_right(target, now) if result is Result.PROBLEM else None,
            other_sales=self._others(),
            drifted=self.drifted,
            repaired=self.intent is not None,
        )

    def _found_right(self, target: Communication, now: datetime) -> RecordedSale:
        """Remember the sale that stands with the right sum, so that it counts when it has left the window."""
        sale, amount = self.phone.sale, self.phone.amount_kopecks
        remembered = sale if sale is not None and same_communication(sale, target) else None
        if remembered is not None and remembered.amount_kopecks == amount:
            return remembered
        by_intent = self.intent is not None and self.intent.amount_kopecks == amount
        return RecordedSale(
            type=target.type,
            id=target.id,
            started_at=target.started_at,
            amount_kopecks=amount,
            sold_at=self.intent.sold_at if self.intent and by_intent else None,
            comment=self.intent.comment if self.intent and by_intent else "",
            sale_id=None,
            ours=by_intent or (remembered is not None and remembered.ours),
            recorded_at=now,
        )

    def _left_alone(self, now: datetime) -> RecordedSale | None:
        """Remember what matters of a phone without money: that we took its sale off, or that another's stands."""
        target = self.target
        if self.intent is not None and self.intent.replaces and target is not None and not target.bears_sale:
            return taken_off(target, now)
        return self.phone.sale if self.recorded_on is None or self.recorded_on.bears_sale else None

    def _others(self) -> tuple[CommunicationKey, ...]:
        if not self.with_sales:
            return ()
        return tuple([each.key for each in self.with_sales if each is not self.target])


def taken_off(from_: Communication, now: datetime) -> RecordedSale:
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


def without_trace(phone: PhoneRecord, communications: Sequence[Communication]) -> PhoneRecord:
    """Forget that we took a sale off once its sum is not visible either.

    Kept, it would make the sum of a new sale there look left over, where an account does not show tags.
    """
    sale = phone.sale
    if sale is None or sale.amount_kopecks > 0:
        return phone
    shown = find(sale, communications)
    return replace(phone, sale=None) if shown is not None and not shown.bears_sale else phone


def _out_of_sight(sale: RecordedSale, phone: PhoneRecord) -> Communication:
    """Stand in for a communication that the reports do not show any more: our record of it is all there is."""
    return Communication(
        type=sale.type,
        id=sale.id,
        started_at=sale.started_at,
        phone=phone.phone,
        tagged=True,
        sale_kopecks=sale.amount_kopecks,
    )


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

"""The rule: what to do about the sale of one phone. Pure, so that every case of it can be tried.

Which communication bears the sale is in `attribution`. Only the sum decides: a sale of the same sum with another date
or comment stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from crm_bridge.domain.attribution import DEFAULT_RULE, AttributionRule, attributed_communication, by_time
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


SALES_DISABLED = "sales_disabled"
"""The error of a sale that only communications of sites without «Учитывать продажи» could bear."""

CHANGES = frozenset({Result.APPLIED, Result.UPDATED, Result.REMOVED})
"""Results that need CoMagic to be written to."""


class Decision(Struct, frozen=True, kw_only=True, gc=False):
    """What to do about the sale of a phone.

    Attributes:
        result: What the journal says when all goes well.
        target: Where the sale stands or is to stand; None when the phone has no communication.
        previous_kopecks: The sum that stood before; None when none did, or its sum is not shown.
        unset: A sale stands on the target and must be taken off first.
        sold_at: The date of the sale, aware: the last payment, or the communication's own time when that is later.
        date_moved: The sale is dated by the communication, because that is later than the payment.
        sale: What to record of the phone's sale from now on, when nothing has to be done about it.
        other_sales: Further communications of the phone that bear sales of somebody else; they are left alone.
        drifted: Somebody took off or changed a sale of ours since we set it.
        repaired: A run was killed while it changed this sale; this decision completes its work.
        not_shown: CoMagic shows the target neither in its reports nor when asked for it, though it should.
        doubled: Another communication than the target bears the phone's sum too.
        moves: The target no longer bears the phone's sale: it is unset there, and then the phone is decided again.
        points: What the change costs of CoMagic's quota: a point for `unset`, a point for `set`.
        error: Why nothing is done although something should be: SALES_DISABLED.
    """

    result: Result
    target: Communication | None = None
    previous_kopecks: int | None = None
    unset: bool = False
    sold_at: datetime | None = None
    date_moved: bool = False
    sale: RecordedSale | None = None
    other_sales: tuple[CommunicationKey, ...] = ()
    drifted: bool = False
    repaired: bool = False
    not_shown: bool = False
    doubled: bool = False
    moves: bool = False
    points: int = 0
    error: str | None = None

    @property
    def is_change(self) -> bool:
        """CoMagic has to be written to."""
        return self.points > 0

    @property
    def has_remarks(self) -> bool:
        """The journal's row says more than the result and its sums."""
        return self.drifted or self.repaired or self.not_shown or self.doubled


def decide(
    phone: PhoneRecord, communications: Sequence[Communication], *, now: datetime, rule: AttributionRule = DEFAULT_RULE
) -> Decision:
    """Decide what to do about the sale of a phone.

    Args:
        phone: Its sum, and what we did before.
        communications: Those of the phone that CoMagic shows, each once. When an intent is open, its communication was
            looked for; when it is missing, nothing is known of it, and the change is made again from the start.
        now: CoMagic refuses sales dated later.
        rule: Which communication bears a sale.
    """
    case = _Case(phone, communications, rule)
    if phone.amount_kopecks == 0:
        return case.decide_unpaid(now)
    return case.decide_paid(now)


class _Case:
    """One phone's facts, put in order.

    Attributes:
        communications: The earliest first, each as the reports and our recorded sale together have it.
        with_sales: Those of them that bear a sale.
        recorded_sale: The last sale we recorded, unless removed.
        recorded_on: Its communication, rebuilt from the record when the reports no longer show it.
        intent: The change under way, unless it has become void.
        target: Where the phone's sale stands or is to stand.
    """

    __slots__ = ("communications", "intent", "phone", "recorded_on", "recorded_sale", "rule", "target", "with_sales")

    def __init__(self, phone: PhoneRecord, communications: Sequence[Communication], rule: AttributionRule) -> None:
        sale, intent = phone.sale, phone.intent
        if len(communications) > 1:
            communications = by_time(communications)
        if sale is not None:
            communications = [_corrected(each, sale) for each in communications]
        self.phone, self.communications, self.rule = phone, communications, rule
        self.with_sales = [each for each in communications if each.bears_sale]
        self.recorded_sale = sale if sale is not None and sale.amount_kopecks > 0 else None
        self.recorded_on = (
            None
            if self.recorded_sale is None
            else find(self.recorded_sale, communications) or _rebuilt(self.recorded_sale, phone)
        )
        on_intent = None if intent is None else find(intent, communications) or unknown_communication(intent, phone)
        is_open = intent is not None and on_intent is not None and self._is_open(intent, on_intent)
        self.intent = intent if is_open else None
        self.target = (
            on_intent
            if is_open
            else attributed_communication(communications, self.with_sales, self.recorded_on, phone.paid_at, rule)
        )

    def _is_open(self, intent: Intent, on_intent: Communication) -> bool:
        if self.phone.amount_kopecks and not on_intent.bears_sale and self.rule.refuses_sale(on_intent):
            return False  # nothing stands there, and since the change was begun its site has stopped taking sales
        recorded_on = self.recorded_on
        if recorded_on is None or same_communication(recorded_on, on_intent) or not recorded_on.bears_sale:
            return True
        # A run was moving a sale of ours because its communication had vanished; that one is shown again. The intent
        # stays open only if the move took place.
        return on_intent.sale_kopecks == intent.amount_kopecks

    def _has_drifted(self) -> bool:
        """The sale of ours that we recorded is no longer as recorded."""
        sale, shown = self.recorded_sale, self.recorded_on
        if sale is None or shown is None or self.intent is not None:
            return False
        return sale.ours and shown.sale_kopecks != sale.amount_kopecks

    def _is_ours(self, target: Communication) -> bool:
        """The sale that stands on the target was set by us."""
        if self.intent is not None:
            # An intent that has not touched somebody else's sale yet does not make that sale ours.
            was_touched = target.sale_kopecks != self.intent.previous_kopecks or not self.intent.replaces
            if was_touched or target.sale_kopecks == self.intent.amount_kopecks:
                return True
        if self.recorded_sale is None or target is not self.recorded_on:
            return False
        # A sale that we adopted follows the CRM as long as it is still what we last saw.
        return self.recorded_sale.ours or target.sale_kopecks == self.recorded_sale.amount_kopecks

    def decide_unpaid(self, now: datetime) -> Decision:
        target = self.target
        is_ours = target is not None and target.bears_sale and self._is_ours(target)
        return Decision(
            result=Result.REMOVED if is_ours else Result.NOTHING_PAID,
            target=target,
            previous_kopecks=None if target is None else target.sale_kopecks,
            unset=is_ours,
            sale=None if is_ours else self._record_unpaid(now),
            other_sales=self._other_sales(),
            drifted=self._has_drifted(),
            repaired=self.intent is not None,
            points=int(is_ours),
        )

    def decide_paid(self, now: datetime) -> Decision:
        target, amount = self.target, self.phone.amount_kopecks
        if target is None:
            return Decision(result=Result.NOT_FOUND, sale=self.phone.sale)
        previous = target.sale_kopecks
        if previous != amount and self.rule.sites_off and self.rule.refuses_sale(target):
            return self._refused_by_site(target, now)
        if previous == amount:
            result = Result.PROBLEM
        elif target.bears_sale:
            result = Result.UPDATED
        elif self.intent is not None and self.intent.replaces:
            result, previous = Result.UPDATED, self.intent.previous_kopecks
        else:
            result = Result.APPLIED
        is_set = result is Result.PROBLEM
        unset = result is Result.UPDATED and target.bears_sale
        paid_at = self.phone.paid_at
        return Decision(
            result=result,
            target=target,
            previous_kopecks=previous,
            unset=unset,
            sold_at=_sold_at(paid_at, target, now),
            date_moved=paid_at is not None and paid_at < target.started_at,
            sale=self._record_standing(target, amount, now) if is_set else None,
            other_sales=self._other_sales() if self.with_sales else (),
            doubled=bool(self.with_sales) and self._is_doubled(),
            drifted=self.recorded_sale is not None and self._has_drifted(),
            repaired=self.intent is not None,
            points=0 if is_set else unset + 1,
        )

    def _refused_by_site(self, target: Communication, now: datetime) -> Decision:
        """Leave everything as it is: what stands there could be taken off, and then nothing could be set."""
        sale, intent = self.phone.sale, self.intent
        if intent is not None and target.sale_kopecks == intent.amount_kopecks:  # the change of a killed run was made
            sale = self._record_standing(target, intent.amount_kopecks, now)
        return Decision(
            result=Result.FAILED,
            target=target,
            previous_kopecks=target.sale_kopecks,
            sale=sale,
            other_sales=self._other_sales(),
            drifted=self._has_drifted(),
            error=SALES_DISABLED,
        )

    def _is_doubled(self) -> bool:
        amount, target = self.phone.amount_kopecks, self.target
        return any(each is not target and each.sale_kopecks == amount for each in self.with_sales)

    def _record_standing(self, target: Communication, amount: int, now: datetime) -> RecordedSale:
        """Record the sale that stands with the sum that was wanted, so that it counts when it has left the window."""
        sale = self.phone.sale
        recorded = sale if sale is not None and same_communication(sale, target) else None
        if recorded is not None and recorded.amount_kopecks == amount:
            return recorded
        intent = self.intent if self.intent is not None and self.intent.amount_kopecks == amount else None
        return RecordedSale.of(
            target,
            amount_kopecks=amount,
            sold_at=intent.sold_at if intent else None,
            comment=intent.comment if intent else "",
            ours=intent is not None or (recorded is not None and recorded.ours),
            recorded_at=now,
            found_by=self.phone.number_of(target),
        )

    def _record_unpaid(self, now: datetime) -> RecordedSale | None:
        """Record that we took the sale off, or that somebody else's stands; None when there is neither."""
        target = self.target
        if self.intent is not None and self.intent.replaces and target is not None and not target.bears_sale:
            return RecordedSale.removed(target, now)
        if self.recorded_sale is not None and not self.recorded_sale.ours:
            return None  # an adopted sale that somebody has changed since is no longer ours to follow
        return self.phone.sale if self.recorded_on is None or self.recorded_on.bears_sale else None

    def _other_sales(self) -> tuple[CommunicationKey, ...]:
        return tuple([each.key for each in self.with_sales if each is not self.target])


def without_trace(phone: PhoneRecord, communications: Sequence[Communication]) -> PhoneRecord:
    """Drop the record of a removed sale once its sum is not visible either.

    Kept, it would make the sum of a new sale there look left over, in accounts that do not show tags.
    """
    sale = phone.sale
    if sale is None or sale.amount_kopecks > 0:
        return phone
    shown = find(sale, communications)
    return replace(phone, sale=None) if shown is not None and not shown.bears_sale else phone


def _sold_at(paid_at: datetime | None, target: Communication, now: datetime) -> datetime:
    """Return the date of a sale; CoMagic refuses one before the communication, and one in its own future.

    A payment from the future is dated now, to the whole minute before, because our clock may be ahead of CoMagic's.
    """
    if paid_at is None:
        return target.started_at
    if paid_at > now:
        paid_at = now.replace(second=0, microsecond=0)
    return max(target.started_at, paid_at)


def _rebuilt(sale: RecordedSale, phone: PhoneRecord) -> Communication:
    """Rebuild a communication that the reports no longer show from the record of its sale."""
    return Communication(
        type=sale.type,
        id=sale.id,
        started_at=sale.started_at,
        phone=sale.found_by or phone.phone,
        tagged=True,
        sale_kopecks=sale.amount_kopecks,
    )


def unknown_communication(change: Intent | RecordedSale, phone: PhoneRecord) -> Communication:
    """Rebuild a communication that CoMagic does not show: a sale may stand there, with whatever sum."""
    number = change.found_by or phone.phone
    return Communication(type=change.type, id=change.id, started_at=change.started_at, phone=number, tagged=True)


def _corrected(shown: Communication, sale: RecordedSale) -> Communication:
    """Correct, by the record of its sale, what some accounts show differently of a communication."""
    if not same_communication(shown, sale):
        return shown
    if sale.amount_kopecks > 0 and shown.tagged and shown.sale_kopecks is None:
        # CoMagic shows the tag but no amount; assume the amount we set.
        return replace(shown, sale_kopecks=sale.amount_kopecks)
    if sale.amount_kopecks == 0 and not shown.tagged and shown.sale_kopecks is not None:
        # We took the sale off and its tag is gone; some accounts keep showing the amount.
        return replace(shown, sale_kopecks=None)
    return shown

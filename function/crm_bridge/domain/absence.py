"""Absence is not deletion: what a run decides when CoMagic does not show the communication of a recorded sale."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum

from msgspec.structs import replace

from crm_bridge.domain.attribution import DEFAULT_RULE, AttributionRule
from crm_bridge.domain.communication import Communication, CommunicationKey, CommunicationType
from crm_bridge.domain.decision import Decision, Result, decide, unknown_communication, without_trace
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.domain.sale import Intent, RecordedSale, Target, same_communication


def expected_to_show(
    phone: PhoneRecord, *, since: datetime, sources: Collection[CommunicationType]
) -> Intent | RecordedSale | None:
    """Return the change of a phone that reports should show, so that it is looked for when they do not.

    That is a change under way, wherever it is, and a sale of ours inside the interval and the sources that were read.

    Args:
        phone: Its record.
        since: Where the reports surely begin, aware.
        sources: The kinds of communications that were read.
    """
    if phone.intent is not None:
        return phone.intent
    sale = phone.sale
    if sale is None or sale.amount_kopecks == 0:
        return None
    return sale if sale.started_at > since and sale.type in sources else None


class Sight(StrEnum):
    """What a run has seen of the communication that should bear a phone's recorded sale."""

    SHOWN = "shown"
    """It is in the reports, or a look has shown it, or it is out of the reports' reach."""
    NOT_SHOWN = "not_shown"
    """Neither the reports nor a look show it, or the look was refused; the run may not count that as absence."""
    ABSENT = "absent"
    """The same, in a full run whose reports were whole: the day counts as a day of absence."""
    REASSIGNED = "reassigned"
    """CoMagic shows it with the phone of somebody else, and our phone's sale stands there, or may stand there."""
    LEFT = "left"
    """CoMagic shows it with the phone of somebody else, and our phone's sale no longer stands there."""


GONE_AFTER_DAYS = 3
"""Local days of full runs to which CoMagic did not show a communication, before its sale is moved elsewhere."""


def sight_of_reassigned(
    phone: PhoneRecord, shown: Communication, owner: PhoneRecord | None, *, is_settled: bool
) -> Sight:
    """Return whether a phone's sale may still stand on a communication that CoMagic shows with another phone.

    Only then it is taken off there: what else stands may be the sale of the phone that has the communication now.

    Args:
        phone: The phone whose change is recorded there.
        shown: The communication.
        owner: The record of the phone that it has now; None when the database does not know it.
        is_settled: The reports show the phone's last change by now.
    """
    change = phone.intent or phone.sale
    if change is None:
        return Sight.SHOWN
    standing = shown.sale_kopecks
    theirs = None if owner is None else owner.intent or owner.sale
    if theirs is not None and same_communication(theirs, shown) and theirs.changed_at > change.changed_at:
        return Sight.LEFT if standing in {None, theirs.amount_kopecks} else Sight.REASSIGNED
    if not is_settled:
        return Sight.REASSIGNED
    ours = {each.amount_kopecks for each in (phone.intent, phone.sale) if each and same_communication(each, shown)}
    return Sight.REASSIGNED if shown.bears_sale and (standing is None or standing in ours) else Sight.LEFT


def without_sales_of_others(
    phone: str, communications: Iterable[Communication], owners: Mapping[CommunicationKey, str]
) -> list[Communication]:
    """Show a phone its communications without the sales that we set there for other phones.

    Args:
        phone: E.164 digits.
        communications: Those that CoMagic shows with the phone.
        owners: The phone whose sale stands on a communication, by its key.
    """
    return [
        replace(each, tagged=False, sale_kopecks=None) if owners.get(each.key, phone) != phone else each
        for each in communications
    ]


def decide_without_sale(
    phone: PhoneRecord,
    communications: Iterable[Communication],
    left: Target,
    *,
    now: datetime,
    rule: AttributionRule = DEFAULT_RULE,
) -> tuple[PhoneRecord, Decision]:
    """Decide as if the phone had no sale, among its communications other than the one that its sale has left."""
    others = [each for each in communications if not same_communication(each, left)]
    without_sale = replace(phone, sale=None, intent=None, falls=None)
    return without_sale, replace(decide(without_sale, others, now=now, rule=rule), drifted=True)


def decide_on_snapshot(
    phone: PhoneRecord,
    communications: Sequence[Communication],
    *,
    sight: Sight,
    today: date,
    now: datetime,
    rule: AttributionRule = DEFAULT_RULE,
) -> tuple[PhoneRecord, Decision]:
    """Decide as a run does, on what its snapshot of CoMagic shows.

    Absence is not deletion: a sale whose communication is not shown counts as standing where we recorded it, until
    full runs of three different days did not see it.

    Args:
        phone: Its record.
        communications: See `decide`.
        sight: What was seen of the communication of its recorded sale.
        today: The run's local day.
        now, rule: See `decide`.

    Returns:
        The record that the decision is about, corrected by what CoMagic shows, and the decision.
    """
    change = phone.intent or phone.sale
    if change is not None and sight is Sight.REASSIGNED:
        return phone, _move(phone, change)
    if change is not None and sight is Sight.LEFT:
        return decide_without_sale(phone, communications, change, now=now, rule=rule)
    sale = phone.sale
    if phone.intent is not None or sale is None or sale.amount_kopecks == 0:
        corrected = phone if sale is None else without_trace(phone, communications)
        return corrected, _marked(decide(corrected, communications, now=now, rule=rule), sight)
    days = sale.absent_on
    if sight is Sight.SHOWN:
        days = ()
    elif sight is Sight.ABSENT:
        days = tuple(sorted({*days, today}))
    corrected = phone if days == sale.absent_on else replace(phone, sale=replace(sale, absent_on=days))
    if len(days) >= GONE_AFTER_DAYS:
        return corrected, _move(corrected, sale)
    return corrected, _marked(decide(corrected, communications, now=now, rule=rule), sight)


def _marked(decision: Decision, sight: Sight) -> Decision:
    return decision if sight is Sight.SHOWN else replace(decision, not_shown=True)


def _move(phone: PhoneRecord, change: Intent | RecordedSale) -> Decision:
    """Take the phone's sale off the communication of a change, whatever stands there; then decide the phone again."""
    return Decision(
        result=Result.UPDATED if phone.amount_kopecks else Result.REMOVED,
        target=unknown_communication(change, phone),
        previous_kopecks=change.previous_kopecks if isinstance(change, Intent) else change.amount_kopecks,
        unset=True,
        drifted=True,
        moves=phone.amount_kopecks > 0,
        points=1,
    )

"""Absence is not deletion: what a run decides when CoMagic does not show the communication of a recorded sale."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from enum import StrEnum

from msgspec.structs import replace

from crm_bridge.domain.communication import Communication, CommunicationType
from crm_bridge.domain.decision import Decision, Result, decide, unknown_communication, without_trace
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.domain.sale import Intent, RecordedSale


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
    """Neither the reports nor a look show it; the run may not count that as absence."""
    ABSENT = "absent"
    """The same, in a full run whose reports were whole: the day counts as a day of absence."""
    REASSIGNED = "reassigned"
    """CoMagic shows it with the phone of somebody else."""


GONE_AFTER_DAYS = 3
"""Local days of full runs to which CoMagic did not show a communication, before its sale is moved elsewhere."""


def decide_on_snapshot(
    phone: PhoneRecord, communications: Sequence[Communication], *, sight: Sight, today: date, now: datetime
) -> tuple[PhoneRecord, Decision]:
    """Decide as a run does, on what its snapshot of CoMagic shows.

    Absence is not deletion: a sale whose communication is not shown counts as standing where we recorded it, until
    full runs of three different days did not see it.

    Args:
        phone: Its record.
        communications: See `decide`.
        sight: What was seen of the communication of its recorded sale.
        today: The run's local day.
        now: See `decide`.

    Returns:
        The record that the decision is about, corrected by what CoMagic shows, and the decision.
    """
    change = phone.intent or phone.sale
    if change is not None and sight is Sight.REASSIGNED:
        return phone, _move(phone, change)
    sale = phone.sale
    if phone.intent is not None or sale is None or sale.amount_kopecks == 0:
        corrected = phone if sale is None else without_trace(phone, communications)
        return corrected, _marked(decide(corrected, communications, now=now), sight)
    days = sale.absent_on
    if sight is Sight.SHOWN:
        days = ()
    elif sight is Sight.ABSENT:
        days = tuple(sorted({*days, today}))
    corrected = phone if days == sale.absent_on else replace(phone, sale=replace(sale, absent_on=days))
    if len(days) >= GONE_AFTER_DAYS:
        return corrected, _move(corrected, sale)
    return corrected, _marked(decide(corrected, communications, now=now), sight)


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

"""Why a run finds no source of a phone's money, from its snapshot of CoMagic."""

from __future__ import annotations

from crm_bridge.domain.communication import CommunicationType
from crm_bridge.domain.decision import Decision, Result
from crm_bridge.domain.not_found import RECENT, NotFoundTotals, WhyNotFound, why_not_found
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.services import SyncServices
from crm_bridge.usecases.read_communications import CommunicationSnapshot


def no_totals(services: SyncServices) -> NotFoundTotals:
    """Return the totals of a run that has not decided about any phone yet."""
    sources = services.settings.comagic_sources
    return NotFoundTotals(since=services.clock.now() - RECENT, reads_all_kinds=set(sources) == set(CommunicationType))


def reason_not_found(phone: PhoneRecord, decision: Decision, snapshot: CommunicationSnapshot) -> WhyNotFound | None:
    """Return why a phone has no source; None when it has one, or no money, or nothing was read."""
    if decision.result is not Result.NOT_FOUND and decision.error is None:  # nearly every phone
        return None
    if snapshot.since is None:
        return None
    return why_not_found(
        phone,
        decision,
        snapshot.communications[phone.phone],
        has_lost_calls=any(number in snapshot.lost for number in (phone.phone, *phone.other_phones)),
        since=snapshot.since,
    )

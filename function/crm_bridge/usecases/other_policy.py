"""What another policy would find, added to the journal of a dry run."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from crm_bridge.domain.attribution import Policy
from crm_bridge.domain.journal import Journal
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.domain.policy_comparison import compare_policies
from crm_bridge.usecases.read_communications import CommunicationSnapshot


def add_comparison(
    journal: Journal, phones: Mapping[str, PhoneRecord], snapshot: CommunicationSnapshot, policy: Policy
) -> None:
    """Say in the journal what another policy would find, and in each row that differs where its sale would be."""
    journal.attribution = compare_policies(phones, snapshot.communications, snapshot.rule, policy)
    differing = journal.attribution.would_be_on
    for place, row in enumerate(journal.rows):
        if row.phone in differing:
            choice = differing[row.phone]
            journal.rows[place] = replace(row, would_be_on="not found" if choice is None else str(choice.id))

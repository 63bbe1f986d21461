"""Attribution: which communication of a phone bears its sale.

A sale stays on the communication where it stands, also when that communication has left the window, so that a sum is
never reported twice. A sale that somebody else set counts as the phone's sale. Without any, the policy chooses.

CoMagic shows a sale only on a communication of a site whose option «Учитывать продажи» is on. So communications of such
sites come first; those without a site come next; one of a site whose sales are off never gets a sale.
Source: docs/remote/comagic-data-api.md#sites
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from operator import attrgetter

from msgspec import Struct

from crm_bridge.domain.communication import Communication, Site

_started_at = attrgetter("started_at")
_started_at_and_id = attrgetter("started_at", "id")


class Policy(StrEnum):
    """Which of a phone's communications bears its sale where none stands (ATTRIBUTION)."""

    FIRST = "first"
    """The earliest."""
    FIRST_BEFORE_PAYMENT = "first_before_payment"
    """The earliest that began before the phone's last payment."""
    LAST_BEFORE_PAYMENT = "last_before_payment"
    """The latest that began before the phone's last payment."""


class AttributionRule(Struct, frozen=True, kw_only=True):
    """What a run's choices depend on, beside the phone and its communications.

    Attributes:
        policy: Chooses among communications of the same rank.
        sites_off: Ids of the sites whose sales are off; a site that is not known counts as taking sales.
    """

    policy: Policy = Policy.FIRST
    sites_off: frozenset[int] = frozenset()

    def refuses_sale(self, communication: Communication) -> bool:
        """The communication's site takes no sales."""
        return communication.site_id in self.sites_off

    def excludes(self, communication: Communication, paid_at: datetime | None) -> bool:
        """The policy never chooses this communication; where no payment is known, none is excluded."""
        if self.policy is Policy.FIRST or paid_at is None:
            return False
        return communication.started_at >= paid_at


DEFAULT_RULE = AttributionRule()


def sites_without_sales(sites: Iterable[Site]) -> frozenset[int]:
    """Return the ids of the sites whose sales are off."""
    return frozenset(site.site_id for site in sites if not site.sales_enabled)


def by_time(communications: Sequence[Communication]) -> Sequence[Communication]:
    """Sort communications, the earliest first; of two that started in the same second, the one with the lower id."""
    return sorted(communications, key=_started_at_and_id)


def choose(
    communications: Sequence[Communication], paid_at: datetime | None, rule: AttributionRule
) -> Communication | None:
    """Choose the communication that is to bear a sale where none stands; None when the policy finds none.

    A communication whose site takes no sales is returned only when there is no other: no sale can be set there.

    Args:
        communications: Those that count, the earliest first.
        paid_at: The phone's last payment.
        rule: Of the run.
    """
    without_site = refusing = None
    for each in _preferred_first(communications, paid_at, rule):
        if each.site_id is None:
            without_site = without_site or each
        elif each.site_id in rule.sites_off:
            refusing = refusing or each
        else:
            return each
    return without_site or refusing


def _preferred_first(
    communications: Sequence[Communication], paid_at: datetime | None, rule: AttributionRule
) -> Sequence[Communication]:
    """Return the communications that the policy may choose, the one that it prefers first."""
    if rule.policy is Policy.FIRST:
        return communications
    found = [each for each in communications if not rule.excludes(each, paid_at)]
    if rule.policy is Policy.FIRST_BEFORE_PAYMENT:
        return found
    return sorted(found, key=_started_at, reverse=True)  # of the same second the lower id stays first


def attributed_communication(
    communications: Sequence[Communication],
    with_sales: Sequence[Communication],
    recorded_on: Communication | None,
    paid_at: datetime | None,
    rule: AttributionRule,
) -> Communication | None:
    """Return the communication that bears the phone's sale, or is to bear it; None when the phone has none.

    Args:
        communications: Those that count, the earliest first.
        with_sales: Those of them that bear a sale, the earliest first.
        recorded_on: Where our recorded sale stands or stood, if we have one.
        paid_at: The phone's last payment.
        rule: Of the run.
    """
    if recorded_on is not None and recorded_on.bears_sale:
        return recorded_on
    if with_sales:
        return with_sales[0]
    if recorded_on is not None and not rule.refuses_sale(recorded_on):
        return recorded_on
    return choose(communications, paid_at, rule)

"""What another policy would find, as if no sale stood yet (`?dry_run&attribution=…`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from crm_bridge.domain.attribution import AttributionRule, Policy, by_time, choose
from crm_bridge.domain.communication import Communication
from crm_bridge.domain.money import format_roubles
from crm_bridge.domain.phone import PhoneRecord


class Found(Struct, kw_only=True):
    """What a policy finds.

    Attributes:
        phones: With a communication that can bear their sale.
        kopecks: Their sums.
    """

    policy: Policy
    phones: int = 0
    kopecks: int = 0

    def as_json(self) -> dict[str, Any]:
        return {"policy": str(self.policy), "phones": self.phones, "amount": format_roubles(self.kopecks)}


class PolicyComparison(Struct, kw_only=True):
    """Two policies on the same communications.

    Attributes:
        in_force, compared: What each finds.
        same: Phones for which both choose the same communication.
        would_be_on: The choice of the compared one for each phone whose choices differ; None when it finds nothing.
    """

    in_force: Found
    compared: Found
    same: int = 0
    would_be_on: dict[str, Communication | None]

    def as_json(self) -> dict[str, Any]:
        return {
            "in_force": self.in_force.as_json(),
            "compared": self.compared.as_json(),
            "same": self.same,
            "different": len(self.would_be_on),
        }


def compare_policies(
    phones: Mapping[str, PhoneRecord],
    communications: Mapping[str, Sequence[Communication]],
    rule: AttributionRule,
    compared: Policy,
) -> PolicyComparison:
    """Compare a policy with that of the rule, over the phones that have money; those that neither finds do not count.

    Args:
        phones: Their records.
        communications: Those of each phone.
        rule: In force.
        compared: The other policy.
    """
    other = replace(rule, policy=compared)
    result = PolicyComparison(in_force=Found(policy=rule.policy), compared=Found(policy=compared), would_be_on={})
    for number, phone in phones.items():
        if phone.amount_kopecks == 0:
            continue
        found = by_time(communications[number])
        ours, theirs = _chosen(found, phone, rule), _chosen(found, phone, other)
        for choice, sums in ((ours, result.in_force), (theirs, result.compared)):
            if choice is not None:
                sums.phones += 1
                sums.kopecks += phone.amount_kopecks
        if ours is not theirs:
            result.would_be_on[number] = theirs
        elif ours is not None:
            result.same += 1
    return result


def _chosen(found: Sequence[Communication], phone: PhoneRecord, rule: AttributionRule) -> Communication | None:
    choice = choose(found, phone.paid_at, rule)
    return None if choice is None or rule.refuses_sale(choice) else choice

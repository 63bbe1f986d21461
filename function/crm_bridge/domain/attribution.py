"""Attribution: which communication of a phone bears its sale.

A sale stays on the communication where it stands, also when that communication has left the window, so that a sum is
never reported twice. A sale that somebody else set counts as the phone's sale. Without any, the earliest
communication bears it; of two that started in the same second, the one with the lower id.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from crm_bridge.domain.communication import Communication

_started_at_and_id = attrgetter("started_at", "id")


def by_time(communications: Sequence[Communication]) -> Sequence[Communication]:
    """Sort communications, the earliest first."""
    return sorted(communications, key=_started_at_and_id)


def attributed_communication(
    communications: Sequence[Communication], with_sales: Sequence[Communication], recorded_on: Communication | None
) -> Communication | None:
    """Return the communication that bears the phone's sale, or is to bear it; None when the phone has none.

    Args:
        communications: Those that count, the earliest first.
        with_sales: Those of them that bear a sale, the earliest first.
        recorded_on: Where our recorded sale stands, if we have one.
    """
    if recorded_on is not None and recorded_on.bears_sale:
        return recorded_on
    if with_sales:
        return with_sales[0]
    return recorded_on or (communications[0] if communications else None)

"""What the home page shows, as values."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from crm_bridge.domain.run import Lease, Run


class Step(StrEnum):
    """What a newcomer does next, in this order."""

    SETUP = "setup"
    DRY_RUN = "dry_run"
    PHONE = "phone"
    FEW = "few"
    ALL = "all"
    DONE = "done"
    """A run over all phones has ended well: nobody needs to be led any more."""


class Money(Struct, frozen=True, kw_only=True):
    """Sums of the last days, as the last run over all phones has left them.

    Attributes:
        found, not_found: Kopecks whose client has a communication that bears the sale, or has none.
        phones_found, phones_not_found: Of so many phones.
    """

    found: int = 0
    not_found: int = 0
    phones_found: int = 0
    phones_not_found: int = 0


class Overview(Struct, frozen=True, kw_only=True):
    """The state of the bridge.

    Attributes:
        refreshed_at: Of the last whole refresh; None before the first.
        runs: The newest ones, newest first, without their journals.
        last: The newest run over all phones that has ended well; None before the first.
        money: None before the first such run.
        unreadable: How many orders are put aside.
        step: What to do next.
        lease: That stands in the database.
        now: When all this was read.
    """

    refreshed_at: datetime | None
    runs: Sequence[Run]
    last: Run | None
    money: Money | None
    unreadable: int
    step: Step
    lease: Lease | None
    now: datetime

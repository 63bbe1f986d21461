"""Read the clients again, once, after an upgrade from a version that kept only one number of each."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta

from crm_bridge.domain.aggregate import Client
from crm_bridge.domain.run import Phase
from crm_bridge.errors import RemoteError, RunStopped
from crm_bridge.ports import Crm
from crm_bridge.usecases.run_context import RunContext

log = logging.getLogger(__name__)

_FIRST_YEAR = 2000
"""No client of the CRM was changed earlier."""

_YEAR = timedelta(days=366)
"""Clients are listed by their time of change; a list of one year is a request, unless the CRM needs too long for it."""

_AT_ONCE = 2000
"""Clients that are compared with what is stored at once."""


async def read_numbers_again(
    context: RunContext, crm: Crm, store_numbers: Callable[[Collection[Client]], Awaitable[None]]
) -> bool:
    """Read all clients of the CRM, the latest changes first, and store the numbers of those that we hold.

    Returns:
        False when the run's time or the CRM's patience has ended before: the next full run begins again.
    """
    years = list(_years(context.services.clock.now()))
    try:
        for number, (since, until) in enumerate(years):
            await context.progress.report(Phase.LOOKING_UP, number, len(years))
            clients = await context.deadline.unless_stopped(crm.clients_changed(since, until))
            for start in range(0, len(clients), _AT_ONCE):
                await store_numbers(clients[start : start + _AT_ONCE])
    except RunStopped:
        return False
    except RemoteError as exc:
        log.warning("numbers_not_read", extra={"reason": str(exc)})
        crm.warnings.append(f"ClientsByDateTimeForAll was not read: {exc}")
        return False
    return True


def _years(now: datetime) -> Iterator[tuple[datetime, datetime]]:
    first, until = datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC), now
    while until > first:
        since = max(first, until - _YEAR)
        yield since, until
        until = since

"""Ask the CRM one by one for clients that no bulk read has shown."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta

from crm_bridge.domain.aggregate import Client
from crm_bridge.domain.run import Phase
from crm_bridge.errors import RunStopped
from crm_bridge.ports import Changes, Crm
from crm_bridge.usecases.lease import LeaseKeeper
from crm_bridge.usecases.run_context import TIME_OVER, RunContext

ASK_AGAIN = timedelta(days=1)
"""How long "this client has no phone" is believed."""

_CLIENT_BATCH = 50
"""Clients that were looked up are saved in batches of this size, so that a killed run does not ask for them again."""


async def look_up_clients(
    context: RunContext, lease: LeaseKeeper, crm: Crm, wanted: Collection[str], stored: Mapping[str, Client]
) -> dict[str, Client]:
    """Ask the CRM for clients that it has not reported, each once and for good.

    A client without a phone is asked for again after a day; the bulk read reports one that gets a phone anyway.

    Args:
        context: The run.
        lease: Under which it writes.
        crm: The CRM, for this run.
        wanted: Ids of clients.
        stored: What the database holds of them.

    Raises:
        RunStopped: The run's time is over; what was found so far is stored.
    """
    now = context.services.clock.now()
    deadline = context.deadline
    found: dict[str, Client] = {}
    unsaved: list[Changes] = []
    try:
        for number, client_id in enumerate(sorted(wanted)):
            await context.progress.report(Phase.LOOKING_UP, number, len(wanted))
            known = stored.get(client_id)
            if known is not None and (known.phone is not None or timedelta() <= now - known.seen_at < ASK_AGAIN):
                continue
            if deadline.must_stop():
                raise RunStopped(TIME_OVER, retry_after=60)
            client = await deadline.unless_stopped(crm.client(client_id))
            found[client_id] = client or Client(client_id=client_id, phone=None, seen_at=now)
            if known is None:  # no order is counted under it yet, so it may be stored before its orders
                unsaved.append(Changes(clients=[found[client_id]]))
            if len(unsaved) >= _CLIENT_BATCH:
                await lease.write(unsaved)
                unsaved = []
    except RunStopped:  # the next run goes on with the others, however many there are
        await lease.write(unsaved)
        raise
    if unsaved:
        await lease.write(unsaved)
    return found

"""The account's sites: asked for once a local day, and remembered between runs."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from crm_bridge.domain.state import KnownSites
from crm_bridge.errors import AccessDenied, Barrier, RemoteRejected
from crm_bridge.ports import CallTracking, Changes
from crm_bridge.usecases.run_context import RunContext


async def account_sites(context: RunContext, call_tracking: CallTracking) -> KnownSites:
    """Return the account's sites as they were asked for today; a refusal is one warning a run, and remembered too.

    Raises:
        RemoteError, RunStopped: They could not be asked for.
    """
    services = context.services
    now = services.clock.now()
    known = await services.store.state(KnownSites)
    if known is None or not is_of_today(known, now, services.settings.time_zone):
        known = await ask_for_sites(call_tracking, now)
        if (lease := context.sales_lease) is not None:
            await lease.write([Changes(state=[known])])
    if known.refusal:
        call_tracking.warnings.append(known.refusal)
    return known


def is_of_today(known: KnownSites, now: datetime, zone: ZoneInfo) -> bool:
    """The sites were asked for on this local day, and not in the future, by a clock that ran ahead."""
    return known.read_at <= now and known.read_at.astimezone(zone).date() == now.astimezone(zone).date()


async def ask_for_sites(call_tracking: CallTracking, now: datetime) -> KnownSites:
    """Ask CoMagic for the account's sites. Without them all sites count as taking sales, so a refusal ends nothing.

    Raises:
        RemoteError, RunStopped: They could not be asked for, or everything else would be refused as well.
    """
    try:
        return KnownSites(read_at=now, sites=tuple(await call_tracking.sites()))
    except RemoteRejected as exc:
        if exc.fatal:
            raise
        return KnownSites(read_at=now, refusal=_warning(exc))


def _warning(exc: RemoteRejected) -> str:
    """Say what `get.sites` needs. Source: docs/remote/comagic-data-api.md#access"""
    if isinstance(exc, AccessDenied) and exc.barrier is Barrier.COMPONENT:
        return (
            f"get.sites was not read: {exc}. All sites count as taking sales; the account needs one of the components "
            "call_tracking, consultant, lead, sitephone"
        )
    return (
        f"get.sites was not read: {exc}. All sites count as taking sales; the key's user needs the right "
        "site_selected: select"
    )

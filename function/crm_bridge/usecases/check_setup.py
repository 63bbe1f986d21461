"""Check that everything is set up right; each failed check has a hint that says what to click or paste.

A check costs three points of CoMagic's quota, with deals four, and changes nothing, with one exception: a new session
of the CRM is saved, because Agbis would block the next run for a second login within two minutes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from crm_bridge.deals_port import Deals
from crm_bridge.domain.deal import DealStage
from crm_bridge.domain.local_time import local_text
from crm_bridge.domain.quota import Quota
from crm_bridge.domain.setup_check import Check
from crm_bridge.domain.state import Watermark
from crm_bridge.errors import (
    AccessDenied,
    Barrier,
    BridgeError,
    RemoteError,
    RemoteRejected,
    RemoteUnavailable,
    RunStopped,
    StoreUnavailable,
)
from crm_bridge.ports import CallTracking
from crm_bridge.services import SyncServices
from crm_bridge.settings import AGBIS_VARIABLES, COMAGIC_VARIABLES, settings_error
from crm_bridge.usecases.alert import send_test_alert
from crm_bridge.usecases.run_context import Deadline

PAGE_LIMIT = timedelta(seconds=25)
"""How long a person waits for a page."""


_ENOUGH_POINTS = 20
"""Points of a day: with fewer left, not even a small run can finish."""


class Hint(StrEnum):
    """What to do about a check, as the key of a message; `translations` has a text for each."""

    SETTINGS = "setup.settings"
    ALERTS_SENT = "setup.alerts_sent"
    ALERTS_REFUSED = "setup.alerts_refused"
    SETTINGS_MISSING = "setup.settings_missing"
    DATABASE = "setup.database"
    STORE = "setup.store"
    NEVER_REFRESHED = "setup.never_refreshed"
    REFRESHED = "setup.refreshed"
    UNREADABLE = "setup.unreadable"
    CRM_REFUSED = "setup.crm_refused"
    CRM_LATER = "setup.crm_later"
    CRM_LATER_IN = "setup.crm_later_in"
    CRM_WRONG = "setup.crm_wrong"
    TOKEN = "setup.token"  # noqa: S105 - a message's key
    IP = "setup.ip"
    IP_OF_CLIENT = "setup.ip_of_client"
    ACCOUNT = "setup.account"
    COMAGIC_AWAY = "setup.comagic_away"
    COMAGIC_WRONG = "setup.comagic_wrong"
    RIGHTS = "setup.rights"
    TAG = "setup.tag"
    SITES = "setup.sites"
    NO_SITES = "setup.no_sites"
    SITES_RIGHT = "setup.sites_right"
    SITES_COMPONENT = "setup.sites_component"
    ZONE = "setup.zone"
    ZONE_UNKNOWN = "setup.zone_unknown"
    ZONE_REFUSED = "setup.zone_refused"
    QUOTA = "setup.quota"
    QUOTA_LEFT = "setup.quota_left"
    QUOTA_UNKNOWN = "setup.quota_unknown"
    DEALS = "setup.deals"
    DEALS_FUNNEL = "setup.deals_funnel"
    DEALS_OPTION = "setup.deals_option"
    DEALS_STAGES = "setup.deals_stages"
    SKIPPED = "setup.skipped"
    UNKNOWN = "setup.unknown"
    """The check could not be made."""


COMAGIC_CHECKS = ("comagic_token", "ip_whitelist", "comagic_rights", "sale_tag", "sites", "time_zone", "quota")
"""Their names, each after those without which it cannot be made."""

DEALS_CHECK = "deals"
"""Made last, and only while COMAGIC_DEALS is on."""


def settings_are_wrong(reason: str) -> list[Check]:
    """Return the only check that can be made when the settings cannot be read."""
    return [Check(name="settings", ok=False, hint=Hint.SETTINGS, values={"reason": reason})]


async def check_setup(services: SyncServices, *, test_alert: bool = False) -> list[Check]:
    """Make every check; none of them raises.

    Args:
        services: What `sync` works with.
        test_alert: Also send a message to each address of ALERT_URLS.
    """
    crm_login, comagic = await asyncio.gather(_check_crm_login(services), _check_comagic(services))
    database = await _check_database(services)
    unknown = services.settings.unknown_variables
    settings = settings_are_wrong(str(settings_error(unknown))) if unknown else []
    alerts = [await _check_alerts(services)] if test_alert else []
    return [*settings, database, crm_login, await _check_crm_orders(services, database), *comagic, *alerts]


async def _check_alerts(services: SyncServices) -> Check:
    if services.alerts is None:
        return _missing("alerts", ["ALERT_URLS"])
    accepted = await send_test_alert(services.alerts)
    if refused := [str(number) for number, each in enumerate(accepted, start=1) if not each]:
        return Check(name="alerts", ok=False, hint=Hint.ALERTS_REFUSED, values={"numbers": ", ".join(refused)})
    return Check(name="alerts", ok=True, hint=Hint.ALERTS_SENT, values={"count": len(accepted)})


async def _check_database(services: SyncServices) -> Check:
    try:
        watermark = await services.store.state(Watermark)
    except StoreUnavailable as exc:
        return _failed("database", Hint.STORE, exc)
    except Exception as exc:  # what is stored cannot be read
        return _failed("database", Hint.DATABASE, type(exc).__name__)
    if watermark is None or watermark.refreshed_at is None:
        return Check(name="database", ok=True, hint=Hint.NEVER_REFRESHED)
    at = local_text(min(watermark.refreshed_at, services.clock.now()), services.settings.time_zone)
    return Check(name="database", ok=True, hint=Hint.REFRESHED, values={"at": at})


async def _check_crm_login(services: SyncServices) -> Check:
    settings = services.settings
    given = (settings.agbis_url, settings.agbis_user, settings.agbis_password)
    if missing := [name for name, value in zip(AGBIS_VARIABLES, given, strict=True) if not value]:
        return _missing("crm_login", missing)
    try:
        await services.crm(Deadline(services.clock, PAGE_LIMIT)).check_login()
    except RemoteRejected as exc:
        return _failed("crm_login", Hint.CRM_REFUSED, exc)
    except (RemoteUnavailable, RunStopped) as exc:
        if exc.retry_after is None:
            return _failed("crm_login", Hint.CRM_LATER, exc)
        values = {"reason": str(exc), "seconds": exc.retry_after}
        return Check(name="crm_login", ok=False, hint=Hint.CRM_LATER_IN, values=values)
    except RemoteError as exc:
        return _failed("crm_login", Hint.CRM_WRONG, exc)
    except StoreUnavailable as exc:  # the session is kept in the database
        return _failed("crm_login", Hint.UNKNOWN, exc)
    except Exception as exc:
        return _failed("crm_login", Hint.UNKNOWN, type(exc).__name__)
    return Check(name="crm_login", ok=True)


async def _check_crm_orders(services: SyncServices, database: Check) -> Check:
    """Check that no order is put aside, and name all that are."""
    if not database.ok:
        return Check(name="crm_orders", ok=False, hint=Hint.SKIPPED, values={"name": database.name})
    try:
        aside = await services.store.unreadable_orders()
    except Exception as exc:  # any error of a database means that it cannot be read
        return _failed("crm_orders", Hint.DATABASE, type(exc).__name__)
    if not aside:
        return Check(name="crm_orders", ok=True)
    named = ", ".join(f"{order.order_id} ({order.reason})" for order in aside)
    return Check(name="crm_orders", ok=False, hint=Hint.UNREADABLE, values={"orders": named})


async def _check_comagic(services: SyncServices) -> list[Check]:
    """Make COMAGIC_CHECKS; the first call shows whether CoMagic lets us in at all."""
    names = (*COMAGIC_CHECKS, DEALS_CHECK) if services.settings.comagic_deals else COMAGIC_CHECKS
    if not services.settings.comagic_token:
        return _with_skipped([_missing("comagic_token", COMAGIC_VARIABLES)], names)
    now = services.clock.now()
    call_tracking = services.call_tracking(Deadline(services.clock, PAGE_LIMIT))
    settings = services.settings
    try:
        zone = _check_time_zone(await call_tracking.account_zone(), settings.time_zone, now)
    except (RemoteError, RunStopped) as exc:
        if not _admits(exc):
            is_agency = settings.comagic_user_id is not None
            return _with_skipped(_explain_first_failure(exc, call_tracking, is_agency=is_agency), names)
        values = {"reason": str(exc), "ours": str(settings.time_zone)}
        zone = Check(name="time_zone", ok=False, hint=Hint.ZONE_REFUSED, values=values)
    deals = []
    if DEALS_CHECK in names:
        deals = [await _check_deals(call_tracking.deals, settings.comagic_deals_funnel)]
    return [
        Check(name="comagic_token", ok=True),
        Check(name="ip_whitelist", ok=True),
        await _check_rights(call_tracking),
        await _check_sale_tag(call_tracking, settings.comagic_sale_tag_id),
        await _check_sites(call_tracking),
        zone,
        _check_quota(call_tracking.quota),
        *deals,
    ]


def _admits(exc: RemoteError | RunStopped) -> bool:
    """Only this call is refused: CoMagic looks at the key and at our address before it looks at rights."""
    return isinstance(exc, AccessDenied) and exc.barrier in {Barrier.RIGHT, Barrier.COMPONENT}


def _explain_first_failure(
    exc: RemoteError | RunStopped, call_tracking: CallTracking, *, is_agency: bool
) -> list[Check]:
    """Return the checks that the failure of the first call decides: CoMagic looks at the key before the address."""
    token_holds = Check(name="comagic_token", ok=True)
    match exc:
        case AccessDenied(barrier=Barrier.ADDRESS, address=address):
            values = {"address": address or "?"}
            hint = Hint.IP_OF_CLIENT if is_agency else Hint.IP
            return [token_holds, Check(name="ip_whitelist", ok=False, hint=hint, values=values)]
        case AccessDenied(barrier=Barrier.KEY):
            return [_failed("comagic_token", Hint.TOKEN, exc)]
        case AccessDenied(barrier=Barrier.ACCOUNT):
            return [_failed("comagic_token", Hint.ACCOUNT, exc)]
        case RemoteUnavailable() if call_tracking.quota.day_remaining == 0:
            return [token_holds, Check(name="ip_whitelist", ok=True), _check_quota(call_tracking.quota)]
        case RemoteUnavailable() | RunStopped():
            return [_failed("comagic_token", Hint.COMAGIC_AWAY, exc)]
        case _:
            return [_failed("comagic_token", Hint.COMAGIC_WRONG, exc)]


async def _check_rights(call_tracking: CallTracking) -> Check:
    try:
        await call_tracking.check_tag_permission()
    except RemoteRejected:
        return Check(name="comagic_rights", ok=False, hint=Hint.RIGHTS)
    except (RemoteError, RunStopped) as exc:
        return _failed("comagic_rights", Hint.UNKNOWN, exc)
    return Check(name="comagic_rights", ok=True)


async def _check_sale_tag(call_tracking: CallTracking, configured: int | None) -> Check:
    if configured is not None:
        return Check(name="sale_tag", ok=True)
    try:
        await call_tracking.sale_tag_id()
    except RemoteRejected:
        return Check(name="sale_tag", ok=False, hint=Hint.RIGHTS)
    except (RemoteUnavailable, RunStopped) as exc:
        return _failed("sale_tag", Hint.UNKNOWN, exc)
    except RemoteError as exc:
        return _failed("sale_tag", Hint.TAG, exc)
    return Check(name="sale_tag", ok=True)


async def _check_sites(call_tracking: CallTracking) -> Check:
    try:
        sites = await call_tracking.sites()
    except AccessDenied as exc:
        hints = {Barrier.RIGHT: Hint.SITES_RIGHT, Barrier.COMPONENT: Hint.SITES_COMPONENT}
        return _failed("sites", hints.get(exc.barrier, Hint.UNKNOWN), exc)
    except (RemoteError, RunStopped) as exc:
        return _failed("sites", Hint.UNKNOWN, exc)
    if not sites:
        return Check(name="sites", ok=False, hint=Hint.NO_SITES)
    if off := [site.domain for site in sites if not site.sales_enabled]:
        return Check(name="sites", ok=False, hint=Hint.SITES, values={"sites": ", ".join(off)})
    return Check(name="sites", ok=True)


async def _check_deals(deals: Deals, funnel_id: str) -> Check:
    """Check that the account has deals, and a funnel for them, or that one can be made."""
    try:
        funnel = await deals.funnel(funnel_id)
    except AccessDenied as exc:
        return _failed(DEALS_CHECK, Hint.DEALS_OPTION, exc)
    except (RemoteError, RunStopped) as exc:
        return _failed(DEALS_CHECK, Hint.UNKNOWN, exc)
    values = {"funnel": funnel_id}
    if funnel is None:
        return Check(name=DEALS_CHECK, ok=True, hint=Hint.DEALS_FUNNEL, values=values)
    if not all(stage in funnel.ids() for stage in DealStage if stage.is_closed):
        return Check(name=DEALS_CHECK, ok=False, hint=Hint.DEALS_STAGES, values=values)
    return Check(name=DEALS_CHECK, ok=True, hint=Hint.DEALS, values=values)


def _check_time_zone(name: str, ours: ZoneInfo, now: datetime) -> Check:
    """Compare the account's time zone with ours by what their clocks show; two names of one time are equal.

    Args:
        name: IANA name of the account's zone, as CoMagic reports it.
        ours: The zone of the settings.
        now: Aware.
    """
    values = {"zone": name or "?", "ours": str(ours)}
    try:
        theirs = ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        return Check(name="time_zone", ok=False, hint=Hint.ZONE_UNKNOWN, values=values)
    quarters = [now - timedelta(days=days) for days in (0, 91, 182, 273)]  # one of them is in summer time
    if any(moment.astimezone(theirs).utcoffset() != moment.astimezone(ours).utcoffset() for moment in quarters):
        return Check(name="time_zone", ok=False, hint=Hint.ZONE, values=values)
    return Check(name="time_zone", ok=True)


def _check_quota(quota: Quota) -> Check:
    """Check that the day has points left for a run."""
    left = quota.day_remaining
    if left is None:
        return Check(name="quota", ok=True, hint=Hint.QUOTA_UNKNOWN)
    if left < _ENOUGH_POINTS:
        hours = -(-(quota.day_reset_seconds or 0) // 3600)
        return Check(name="quota", ok=False, hint=Hint.QUOTA, values={"left": left, "hours": hours})
    return Check(name="quota", ok=True, hint=Hint.QUOTA_LEFT, values={"left": left})


def _with_skipped(made: Sequence[Check], names: Sequence[str]) -> list[Check]:
    """Complete the checks with those that could not be made, because one of the made ones failed."""
    by_name = {check.name: check for check in made}
    failed = next(check.name for check in made if not check.ok)
    return [by_name.get(name, Check(name=name, ok=False, hint=Hint.SKIPPED, values={"name": failed})) for name in names]


def _missing(name: str, variables: Sequence[str]) -> Check:
    return Check(name=name, ok=False, hint=Hint.SETTINGS_MISSING, values={"names": ", ".join(variables)})


def _failed(name: str, hint: Hint, reason: BridgeError | str) -> Check:
    return Check(name=name, ok=False, hint=hint, values={"reason": str(reason)})

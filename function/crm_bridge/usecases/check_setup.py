"""See whether everything is set up right, each check with a hint that says what to click or paste.

Costs three points of CoMagic's quota. Nothing is changed, but that a session of the CRM which has to be begun is
kept: the next run would otherwise be refused for logging in twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from ipaddress import ip_address
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from crm_bridge.domain.local_time import local_text
from crm_bridge.domain.quota import Quota
from crm_bridge.domain.state import Watermark
from crm_bridge.errors import RemoteError, RemoteRejected, RemoteUnavailable
from crm_bridge.ports import CallTracking
from crm_bridge.services import SyncServices
from crm_bridge.settings import AGBIS_VARIABLES, COMAGIC_VARIABLES
from crm_bridge.usecases.run_context import Deadline

PAGE_LIMIT = timedelta(seconds=25)
"""How long a person waits for a page."""

_ENOUGH = 20
"""Points of a day: with fewer left, not even a small run comes to its end."""

_TOKEN = frozenset({"access_token_invalid", "access_token_expired", "access_token_blocked", "auth_error"})

COMAGIC_CHECKS = ("comagic_token", "ip_whitelist", "comagic_rights", "sale_tag", "sites", "time_zone", "quota")
"""In the order in which one comes before the other."""


class Check(Struct, frozen=True, kw_only=True):
    """One thing that must hold.

    Attributes:
        hint: The code of a phrase of `words`; empty when there is nothing to say.
        values: What its braces are filled with.
    """

    name: str
    ok: bool
    hint: str = ""
    values: Mapping[str, object] = field(default_factory=dict)


def settings_are_wrong(reason: str) -> list[Check]:
    """Tell that nothing can be checked, because the settings cannot be read."""
    return [Check(name="settings", ok=False, hint="setup.settings", values={"reason": reason})]


async def check_setup(services: SyncServices) -> list[Check]:
    """Make every check; none of them raises."""
    of_crm, of_comagic = await asyncio.gather(_crm_login(services), _comagic(services))
    return [await _database(services), of_crm, *of_comagic]


async def _database(services: SyncServices) -> Check:
    try:
        watermark = await services.store.state(Watermark)
    except Exception as exc:  # whatever a database raises, it is what is to be told
        return Check(name="database", ok=False, hint="setup.database", values={"reason": type(exc).__name__})
    if watermark is None or watermark.refreshed_at is None:
        return Check(name="database", ok=True, hint="setup.never_refreshed")
    at = local_text(watermark.refreshed_at, services.settings.time_zone)
    return Check(name="database", ok=True, hint="setup.refreshed", values={"at": at})


async def _crm_login(services: SyncServices) -> Check:
    settings = services.settings
    given = (settings.agbis_url, settings.agbis_user, settings.agbis_password)
    if missing := [name for name, value in zip(AGBIS_VARIABLES, given, strict=True) if not value]:
        return _missing("crm_login", missing)
    try:
        await services.crm().check_login()
    except RemoteRejected as exc:
        return _told("crm_login", "setup.crm_refused", exc)
    except RemoteUnavailable as exc:
        return _told("crm_login", "setup.crm_later", exc)
    except RemoteError as exc:
        return _told("crm_login", "setup.crm_wrong", exc)
    except Exception as exc:  # the session is kept in the database, which may be what fails
        return Check(name="crm_login", ok=False, hint="setup.untold", values={"reason": type(exc).__name__})
    return Check(name="crm_login", ok=True)


async def _comagic(services: SyncServices) -> list[Check]:
    if not services.settings.comagic_token:
        return _first([_missing("comagic_token", COMAGIC_VARIABLES)])
    now = services.clock.now()
    call_tracking = services.call_tracking(Deadline(services.clock, PAGE_LIMIT))
    try:
        zone = await call_tracking.account_zone()
    except RemoteError as exc:
        return _first(_why_not_admitted(exc, call_tracking))
    return [
        Check(name="comagic_token", ok=True),
        Check(name="ip_whitelist", ok=True),
        await _rights(call_tracking),
        await _sale_tag(call_tracking, services.settings.comagic_sale_tag_id),
        await _sites(call_tracking),
        _zone(zone, services.settings.time_zone, now),
        _quota(call_tracking.quota),
    ]


def _why_not_admitted(exc: RemoteError, call_tracking: CallTracking) -> list[Check]:
    """Draw what can be drawn from the refusal of the first call: CoMagic looks at the key before the address."""
    known = Check(name="comagic_token", ok=True)
    match exc:
        case RemoteRejected(code="ip_not_whitelisted"):
            return [known, Check(name="ip_whitelist", ok=False, hint="setup.ip", values={"address": _address(exc)})]
        case RemoteRejected(code=code) if code in _TOKEN:
            return [_told("comagic_token", "setup.token", exc)]
        case RemoteRejected(code="account_inactive"):
            return [_told("comagic_token", "setup.account", exc)]
        case RemoteUnavailable() if call_tracking.quota.day_remaining == 0:
            admitted = [known, Check(name="ip_whitelist", ok=True)]
            return [*admitted, _quota(call_tracking.quota)]
        case RemoteUnavailable():
            return [_told("comagic_token", "setup.comagic_away", exc)]
        case _:
            return [_told("comagic_token", "setup.comagic_wrong", exc)]


def _address(exc: RemoteRejected) -> str:
    """Find our address, as CoMagic sees it, in its words."""
    for word in str(exc).split():
        with suppress(ValueError):
            return str(ip_address(word.strip("(),.")))
    return "?"


async def _rights(call_tracking: CallTracking) -> Check:
    try:
        await call_tracking.check_tag_permission()
    except RemoteRejected:
        return Check(name="comagic_rights", ok=False, hint="setup.rights")
    except RemoteError as exc:
        return _told("comagic_rights", "setup.untold", exc)
    return Check(name="comagic_rights", ok=True)


async def _sale_tag(call_tracking: CallTracking, configured: int | None) -> Check:
    if configured is not None:
        return Check(name="sale_tag", ok=True)
    try:
        await call_tracking.sale_tag_id()
    except RemoteRejected:
        return Check(name="sale_tag", ok=False, hint="setup.rights")
    except RemoteUnavailable as exc:
        return _told("sale_tag", "setup.untold", exc)
    except RemoteError as exc:
        return _told("sale_tag", "setup.tag", exc)
    return Check(name="sale_tag", ok=True)


async def _sites(call_tracking: CallTracking) -> Check:
    try:
        sites = await call_tracking.sites()
    except RemoteError as exc:
        return _told("sites", "setup.untold", exc)
    if not sites:
        return Check(name="sites", ok=False, hint="setup.no_sites")
    if off := [site.domain for site in sites if not site.sales_enabled]:
        return Check(name="sites", ok=False, hint="setup.sites", values={"sites": ", ".join(off)})
    return Check(name="sites", ok=True)


def _zone(name: str, ours: ZoneInfo, now: datetime) -> Check:
    """Compare what the clocks show; two names of the same time are as good as one."""
    values = {"zone": name or "?", "ours": str(ours)}
    try:
        theirs = ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        return Check(name="time_zone", ok=False, hint="setup.zone_unknown", values=values)
    moments = [now - timedelta(days=days) for days in (0, 91, 182, 273)]  # summer time in either of them shows
    if any(moment.astimezone(theirs).utcoffset() != moment.astimezone(ours).utcoffset() for moment in moments):
        return Check(name="time_zone", ok=False, hint="setup.zone", values=values)
    return Check(name="time_zone", ok=True)


def _quota(quota: Quota) -> Check:
    left = quota.day_remaining
    if left is None:
        return Check(name="quota", ok=True, hint="setup.quota_untold")
    if left < _ENOUGH:
        hours = -(-(quota.day_reset_seconds or 0) // 3600)
        return Check(name="quota", ok=False, hint="setup.quota", values={"left": left, "hours": hours})
    return Check(name="quota", ok=True, hint="setup.quota_left", values={"left": left})


def _first(known: Sequence[Check]) -> list[Check]:
    """Add the checks that could not be made, because one of the known ones failed."""
    told = {check.name: check for check in known}
    failed = next(check.name for check in known if not check.ok)
    skipped = {
        name: Check(name=name, ok=False, hint="setup.skipped", values={"name": failed}) for name in COMAGIC_CHECKS
    }
    return [told.get(name, skipped[name]) for name in COMAGIC_CHECKS]


def _missing(name: str, variables: Sequence[str]) -> Check:
    return Check(name=name, ok=False, hint="setup.settings_missing", values={"names": ", ".join(variables)})


def _told(name: str, hint: str, exc: RemoteError) -> Check:
    return Check(name=name, ok=False, hint=hint, values={"reason": str(exc)})

"""The checks of the setup (`/check_setup`): what one says, and the rules that need no remote call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from crm_bridge.domain.quota import Quota

_ENOUGH_POINTS = 20
"""Points of a day: with fewer left, not even a small run can finish."""


class Hint(StrEnum):
    """What to do about a check, as the key of a message; `translations` has a text for each."""

    SETTINGS = "setup.settings"
    SETTINGS_MISSING = "setup.settings_missing"
    DATABASE = "setup.database"
    NEVER_REFRESHED = "setup.never_refreshed"
    REFRESHED = "setup.refreshed"
    CRM_REFUSED = "setup.crm_refused"
    CRM_LATER = "setup.crm_later"
    CRM_WRONG = "setup.crm_wrong"
    TOKEN = "setup.token"  # noqa: S105 - a message's key
    IP = "setup.ip"
    ACCOUNT = "setup.account"
    COMAGIC_AWAY = "setup.comagic_away"
    COMAGIC_WRONG = "setup.comagic_wrong"
    RIGHTS = "setup.rights"
    TAG = "setup.tag"
    SITES = "setup.sites"
    NO_SITES = "setup.no_sites"
    ZONE = "setup.zone"
    ZONE_UNKNOWN = "setup.zone_unknown"
    QUOTA = "setup.quota"
    QUOTA_LEFT = "setup.quota_left"
    QUOTA_UNKNOWN = "setup.quota_untold"
    SKIPPED = "setup.skipped"
    UNKNOWN = "setup.untold"
    """The check could not be made."""


COMAGIC_CHECKS = ("comagic_token", "ip_whitelist", "comagic_rights", "sale_tag", "sites", "time_zone", "quota")
"""Their names, each after those without which it cannot be made."""


class Check(Struct, frozen=True, kw_only=True):
    """One thing that must hold.

    Attributes:
        hint: None when there is nothing to say.
        values: What the braces of the hint's text are filled with.
    """

    name: str
    ok: bool
    hint: Hint | None = None
    values: Mapping[str, object] = field(default_factory=dict)


def check_time_zone(name: str, ours: ZoneInfo, now: datetime) -> Check:
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


def check_quota(quota: Quota) -> Check:
    """Check that the day has points left for a run."""
    left = quota.day_remaining
    if left is None:
        return Check(name="quota", ok=True, hint=Hint.QUOTA_UNKNOWN)
    if left < _ENOUGH_POINTS:
        hours = -(-(quota.day_reset_seconds or 0) // 3600)
        return Check(name="quota", ok=False, hint=Hint.QUOTA, values={"left": left, "hours": hours})
    return Check(name="quota", ok=True, hint=Hint.QUOTA_LEFT, values={"left": left})


def with_skipped(made: Sequence[Check]) -> list[Check]:
    """Complete COMAGIC_CHECKS with those that could not be made, because one of the made ones failed."""
    by_name = {check.name: check for check in made}
    failed = next(check.name for check in made if not check.ok)
    return [
        by_name.get(name, Check(name=name, ok=False, hint=Hint.SKIPPED, values={"name": failed}))
        for name in COMAGIC_CHECKS
    ]

"""CoMagic's quota, as its last answer reported it."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field


class Quota(Struct, frozen=True, kw_only=True):
    """Points left for requests.

    Attributes:
        day_remaining: Points left of the day; None when CoMagic has not reported them.
        day_reset_seconds: Seconds until the day's points are full again; None when not reported.
        limits: Everything reported, under CoMagic's own names (`metadata.limits`); empty before the first answer.
    """

    day_remaining: int | None = None
    day_reset_seconds: int | None = None
    limits: Mapping[str, int] = field(default_factory=dict)

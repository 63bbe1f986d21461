"""Points of CoMagic: a minute and a day, both aligned to the clock, paid by successes only."""

from datetime import datetime

from tests.sandbox.clock import Clock
from tests.sandbox.comagic.errors import ApiError
from tests.sandbox.local_time import LocalTime

_UNLIMITED = 1_000_000


class Quota:
    """Counts points.

    Attributes:
        minute_limit, day_limit: Points; None for as good as no limit.
        used: Points ever used.
    """

    def __init__(self, clock: Clock, local: LocalTime) -> None:
        self.minute_limit: int | None = None
        self.day_limit: int | None = None
        self._clock = clock
        self._local = local
        self.reset()

    def reset(self) -> None:
        """Forget all points used."""
        self.used = 0
        self._minute: tuple[int, int] = (0, 0)
        self._day: tuple[str, int] = ("", 0)

    def check(self) -> None:
        """Refuse when a limit is spent.

        Raises:
            ApiError: `limit_exceeded`, of the day before that of the minute.
        """
        limits = self.limits()
        for kind in ("day", "minute"):
            if limits[f"{kind}_remaining"] <= 0:
                raise exceeded(kind, limits[f"{kind}_limit"])

    def spend(self) -> None:
        """Take a point for a success."""
        minute, day = self._windows(self._clock.now())
        self.used += 1
        self._minute = (minute[0], minute[1] + 1)
        self._day = (day[0], day[1] + 1)

    def spend_rest_of_day(self) -> None:
        """Use up what is left of the day, as another program on the same key would."""
        _, day = self._windows(self._clock.now())
        self._day = (day[0], max(day[1], self.day_limit or _UNLIMITED))

    def limits(self) -> dict[str, int]:
        """Return the limits as `metadata` has them; resets in seconds."""
        now = self._clock.now()
        minute, day = self._windows(now)
        minute_limit, day_limit = self.minute_limit or _UNLIMITED, self.day_limit or _UNLIMITED
        return {
            "day_limit": day_limit,
            "day_remaining": max(0, day_limit - day[1]),
            "day_reset": self._local.seconds_to_midnight(now),
            "minute_limit": minute_limit,
            "minute_remaining": max(0, minute_limit - minute[1]),
            "minute_reset": 60 - now.second,
        }

    def _windows(self, now: datetime) -> tuple[tuple[int, int], tuple[str, int]]:
        minute = int(now.timestamp()) // 60
        day = f"{now.astimezone(self._local.zone):%Y-%m-%d}"
        return (
            self._minute if self._minute[0] == minute else (minute, 0),
            self._day if self._day[0] == day else (day, 0),
        )


def exceeded(kind: str, limit: int) -> ApiError:
    """Return the error of a spent limit."""
    return ApiError("limit_exceeded", params={"limit_type": kind, "limit_max_value": limit})

"""Date-times of CoMagic: `YYYY-MM-DD hh:mm:ss` in the account's zone, without an offset."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

FORM = "%Y-%m-%d %H:%M:%S"
_QUARTER = 900


class LocalTime:
    """Reads and writes local times; writing remembers every quarter of an hour, because pages have 10,000 rows."""

    def __init__(self, zone: str) -> None:
        self.name = zone
        self.zone = ZoneInfo(zone)
        self._quarters: dict[int, tuple[str, int]] = {}

    def text(self, epoch: int) -> str:
        """Write a moment given in seconds since 1970."""
        quarter, rest = divmod(epoch, _QUARTER)
        known = self._quarters.get(quarter)
        if known is None:
            local = datetime.fromtimestamp(quarter * _QUARTER, self.zone)
            known = self._quarters[quarter] = (local.strftime("%Y-%m-%d %H:"), local.minute)
        minute, second = divmod(rest, 60)
        return f"{known[0]}{known[1] + minute:02d}:{second:02d}"

    def moment(self, text: str) -> datetime | None:
        """Read a moment, aware, in UTC; None when it is not exactly of the form."""
        try:
            naive = datetime.strptime(text, FORM)  # noqa: DTZ007
        except ValueError:
            return None
        if naive.strftime(FORM) != text:
            return None
        return naive.replace(tzinfo=self.zone).astimezone(UTC)

    def seconds_to_midnight(self, now: datetime) -> int:
        """Return how long the account's day still lasts."""
        local = now.astimezone(self.zone)
        midnight = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        return max(1, int((midnight.astimezone(UTC) - now).total_seconds()))


def months_later(moment: datetime, months: int) -> datetime:
    """Add calendar months, the last day of a shorter month standing in for the days it lacks."""
    year, month = divmod(moment.month - 1 + months, 12)
    for day in (moment.day, 30, 29, 28):
        try:
            return moment.replace(year=moment.year + year, month=month + 1, day=day)
        except ValueError:
            continue
    raise AssertionError

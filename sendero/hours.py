"""Hours of the day, such as "22-8" or "09:00-21:30": whether an instant lies in them, and when they begin and end."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

__all__ = ["Hours"]

_HOURS = re.compile(r"(\d{1,2})(?::(\d\d))?\s*[-–]\s*(\d{1,2})(?::(\d\d))?", re.ASCII)


class Hours(Struct, frozen=True, kw_only=True):
    """A part of every day; it may reach past midnight.

    Args:
        begin: Minute of the day.
        end: Minute of the day that is no longer part of it.
    """

    begin: int
    end: int

    @classmethod
    def read(cls, text: str) -> Hours | None:
        """Read hours as people write them; None when the text says none.

        Raises:
            ValueError: The text is something else, or the hours have no length.
        """
        if not text.strip():
            return None
        found = _HOURS.fullmatch(text.strip())
        if found is None:
            raise ValueError(text)
        begin, end = (int(found[at]) * 60 + int(found[at + 1] or 0) for at in (1, 3))
        if (
            max(begin, end) > 24 * 60
            or begin % 1440 == end % 1440
            or int(found[2] or 0) > 59
            or int(found[4] or 0) > 59
        ):
            raise ValueError(text)
        return cls(begin=begin % 1440, end=end % 1440)

    def __str__(self) -> str:
        return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in (self.begin, self.end))

    def hold(self, at: datetime, zone: str) -> bool:
        """Tell whether an instant lies in them.

        Args:
            zone: Time zone (IANA) whose days are meant.
        """
        local = at.astimezone(ZoneInfo(zone))
        minute = local.hour * 60 + local.minute
        if self.begin < self.end:
            return self.begin <= minute < self.end
        return minute >= self.begin or minute < self.end

    def next_begin(self, at: datetime, zone: str) -> datetime:
        """Return when they begin next after an instant."""
        return _next(self.begin, at, zone)

    def next_end(self, at: datetime, zone: str) -> datetime:
        """Return when they end next after an instant."""
        return _next(self.end, at, zone)


def _next(minute: int, at: datetime, zone: str) -> datetime:
    local = at.astimezone(ZoneInfo(zone))
    found = local.replace(hour=minute // 60, minute=minute % 60, second=0, microsecond=0, fold=0)
    if found.astimezone(at.tzinfo) <= at:
        found += timedelta(days=1)  # of the calendar: the zone gives the length of the day
    return found.astimezone(at.tzinfo)

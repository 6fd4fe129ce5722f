"""When people are told: at once, in office hours, or once a day; what is urgent never waits.

What waits is delivered in its order with what comes after it. So an urgent entry takes along what waits before it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from whodid.errors import InvalidSetting
from whodid.model import Severity

__all__ = ["SCHEDULE", "Schedule", "read_schedule", "read_zone"]

SCHEDULE = {
    "hours": "when it may be delivered, as in mon-fri 09:00-18:00; at any time when not given",
    "digest": "time of day at which it is delivered once, as in 08:00; instead of hours",
    "zone": "IANA time zone of hours, of the digest and of the times that people read (UTC)",
    "urgent": "severities that do not wait, with commas between, or none (warning,critical)",
}
"""The options that the kinds for people share."""

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = "|".join(_DAYS)
_TIME = r"([01][0-9]|2[0-3]):([0-5][0-9])"
_HOURS = re.compile(rf"({_DAY})(?:-({_DAY}))? {_TIME}-{_TIME}")
_AT = re.compile(_TIME)
_SEVERITIES: tuple[str, ...] = get_args(Severity)


class Schedule(Struct, frozen=True, kw_only=True):
    """When people are told.

    Args:
        zone: In which days and times are meant.
        days: Of the week, Monday is 0; every day when empty.
        begins: When the hours begin.
        ends: When they end; not after that time, and on the next day where it is before the beginning.
        digest: The time of day of a digest; None where there are hours.
        urgent: Severities that do not wait.
    """

    zone: ZoneInfo
    days: frozenset[int] = frozenset()
    begins: time = time(0)
    ends: time = time(0)
    digest: time | None = None
    urgent: tuple[str, ...]

    def lets(self, waiting_since: datetime, now: datetime) -> bool:
        """Tell whether what has waited since a time goes now."""
        local = now.astimezone(self.zone)
        if self.digest is not None:
            last = datetime.combine(local.date(), self.digest, self.zone)
            if last > local:
                last = datetime.combine(local.date() - timedelta(days=1), self.digest, self.zone)
            return waiting_since < last
        at, day = local.time(), local.weekday()
        if self.begins < self.ends:
            return day in self.days and self.begins <= at < self.ends
        # A night shift belongs to the day on which it begins.
        return (day in self.days and at >= self.begins) or ((day - 1) % 7 in self.days and at < self.ends)


def read_schedule(options: Mapping[str, str]) -> Schedule | None:
    """Return when a sink may deliver; None for at any time.

    Raises:
        InvalidSetting: The options cannot be read.
    """
    hours, digest = options.get("hours", ""), options.get("digest", "")
    zone, urgent = read_zone(options), _urgent(options.get("urgent", "warning,critical"))
    if not hours and not digest:
        return None
    if hours and digest:
        raise InvalidSetting("A sink has hours or a digest", "Add two sinks, one of each, with filters")
    if digest:
        if not (at := _AT.fullmatch(digest)):
            raise InvalidSetting(f"The option digest cannot be {digest!r}", "Use a time of day such as 08:00")
        return Schedule(zone=zone, digest=time(int(at[1]), int(at[2])), urgent=urgent)
    found = _HOURS.fullmatch(hours.lower())
    if found is None:
        raise InvalidSetting(f"The option hours cannot be {hours!r}", "Write it like mon-fri 09:00-18:00")
    first = _DAYS.index(found[1])
    last = _DAYS.index(found[2]) if found[2] else first
    days = frozenset((first + day) % 7 for day in range((last - first) % 7 + 1))
    begins, ends = time(int(found[3]), int(found[4])), time(int(found[5]), int(found[6]))
    if begins == ends:
        raise InvalidSetting(f"The option hours cannot be {hours!r}", "Let them begin and end at two times")
    return Schedule(zone=zone, days=days, begins=begins, ends=ends, urgent=urgent)


def read_zone(options: Mapping[str, str]) -> ZoneInfo:
    """Return in which zone a sink means times.

    Raises:
        InvalidSetting: There is none of that name.
    """
    name = options.get("zone", "UTC")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidSetting(f"There is no time zone {name[:60]!r}", "Use a name such as Europe/Madrid") from None


def _urgent(text: str) -> tuple[str, ...]:
    names = () if text == "none" else tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in _SEVERITIES:
            raise InvalidSetting(f"There is no severity {name[:60]!r}", f"Use some of {', '.join(_SEVERITIES)}")
    return names

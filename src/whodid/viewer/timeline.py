"""Intervals for the histogram: how wide the bars are and where they begin, in the viewer's zone.

Bars begin where people expect it (midnight, the hour), summer time included: a day of 23 hours is one bar. The width is
the step of the ladder that comes nearest to the wished number of bars: seven days are 56 bars of three hours, thirty
days 60 of twelve, ninety days 90 of one. Pure functions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo

__all__ = ["edges"]

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_MONTH, _YEAR = timedelta(days=30), timedelta(days=365)
_LADDER = (
    _MINUTE,
    5 * _MINUTE,
    15 * _MINUTE,
    _HOUR,
    3 * _HOUR,
    12 * _HOUR,
    _DAY,
    7 * _DAY,
    _MONTH,
    _YEAR,
)


def edges(since: datetime, until: datetime, zone: tzinfo, wanted: int) -> list[datetime]:
    """Cut a period into bars.

    Args:
        since: First instant (UTC).
        until: First instant after it (UTC), later than `since`.
        zone: In which days and hours begin.
        wanted: About how many bars.

    Returns:
        Ascending instants in UTC: `since`, where each further bar begins, and `until`. The first and the last bar may
        be narrower than the others.
    """
    span = until - since
    width = min(_LADDER, key=lambda step: abs(math.log(span / step / wanted)))
    inner: list[datetime] = []
    for edge in _steps(since, width, zone):
        if edge >= until:
            break
        if edge > (inner[-1] if inner else since):
            inner.append(edge)
    return [since, *inner, until]


def _steps(since: datetime, width: timedelta, zone: tzinfo) -> Iterator[datetime]:
    """Iterate over the beginnings of bars from the one that holds `since`, without end."""
    local = since.astimezone(zone)
    midnight = datetime.combine(local.date(), time())
    if width < _HOUR:
        # Every zone is a whole number of quarters of an hour away from UTC.
        at = since - (since - datetime.min.replace(tzinfo=UTC)) % width
        while True:
            yield at
            at += width
    if width >= _MONTH:
        day = local.date().replace(day=1)
        while True:
            yield _instant(datetime.combine(day, time()), zone)
            day = _following_month(day) if width == _MONTH else date(day.year + 1, 1, 1)
    # Steps of an hour and more go along the clock on the wall; a time that the wall shows twice is one step.
    wall = midnight
    while True:
        yield _instant(wall, zone)
        wall += width


def _instant(wall: datetime, zone: tzinfo) -> datetime:
    return wall.replace(tzinfo=zone).astimezone(UTC)


def _following_month(day: date) -> date:
    return (day + timedelta(days=31)).replace(day=1)

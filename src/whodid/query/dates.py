"""What a date in a query means: a piece of time, in a zone, seen from `now`.

A date is as long as it is written precisely: `2026-11` is a month, `2026-11-01 14:00` a minute. Days begin and end
where the zone's calendar says, summer time included. `now` and the zone are arguments; the zone database is the only
thing read.

Two times of the year are special. A time that occurs twice (clocks set back) reaches from its first to its last
occurrence, so that nothing is missed. A time that does not occur (clocks set forward) is the instant of the change
where it bounds a period, and an error where it stands alone.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from whodid.errors import InvalidQuery
from whodid.query.terms import Op, Span, Value, quote, spell

__all__ = ["Period", "find_zone", "is_day", "period"]

_FIRST_YEAR, _LAST_YEAR = 1900, 9998
_LONGEST = timedelta(days=36_500)
_DAY = timedelta(days=1)
_TICK = timedelta(microseconds=1)

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_RELATIVE = re.compile(r"([0-9]{1,8})(min|h|d|w)")
_UNITS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": _DAY, "w": timedelta(weeks=1)}
_ABSOLUTE = re.compile(
    r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})"
    r"(?:[t ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6}))?)?(z|[+-][0-9]{2}:[0-9]{2})?)?)?)?"
)
_IS_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_EXAMPLES = 'Write a day such as 2026-11-01, today, yesterday, 7d, 3h, "last tue" or "2026-11-01 14:00"'


class Period(NamedTuple):
    """A piece of time: from `since`, before `until` (UTC); None for no bound."""

    since: datetime | None
    until: datetime | None


class _View(NamedTuple):
    """From where dates are seen: `now` in UTC, the zone, today in it, and where the term stands."""

    now: datetime
    zone: tzinfo
    today: date
    span: Span


class _Piece(NamedTuple):
    """What one written date covers, [low, high), and what it means when it stands alone, if that differs."""

    low: datetime
    high: datetime
    alone: Period | None = None


def find_zone(name: str) -> tzinfo:
    """Return the time zone of an IANA name.

    Raises:
        InvalidQuery: There is no such zone.
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidQuery(f"There is no time zone {quote(name)}", "Use a name such as Europe/Madrid or UTC") from None


def is_day(text: str) -> bool:
    """Tell whether a date is written as year, month and day, so that a time may be meant to follow."""
    return _IS_DAY.fullmatch(text) is not None


def period(op: Op, texts: tuple[str, ...], *, now: datetime, zone: tzinfo, span: Span) -> Period:
    """Resolve the dates of one term.

    Args:
        op: `is` with one text, `range` with two, or a comparison with one.
        texts: Dates as written.
        now: An instant, with its zone.
        zone: In which days begin and times without an offset are meant.
        span: Where the term stands, for errors.

    Returns:
        The period, never empty.

    Raises:
        InvalidQuery: A text is no date, or the period would be empty.
    """
    view = _View(now.astimezone(UTC), zone, now.astimezone(zone).date(), span)
    pieces = [_piece(" ".join(text.lower().split()), text, view) for text in texts]
    first = pieces[0]
    if op == "<":
        return Period(None, first.low)
    if op == "<=":
        return Period(None, first.high)
    if op == ">":
        return Period(first.high, None)
    if op == ">=":
        return Period(first.low, None)
    if op == "range":
        last = pieces[1]
        if first.low >= last.high:
            raise span.wrong(
                f"The period {texts[0]}..{texts[1]} ends before it begins",
                f"Write date:{spell(Value(text=texts[1]))}..{spell(Value(text=texts[0]))}",
            )
        return Period(first.low, last.high)
    if first.alone is not None:
        return first.alone
    if first.low >= first.high:
        raise span.wrong(
            f"{texts[0]} does not exist in {zone}: the clocks were set forward", "Write the time before or after it"
        )
    return Period(first.low, first.high)


def _piece(text: str, written: str, view: _View) -> _Piece:
    if text == "today":
        return _days(view.today, view.today, view.zone)
    if text == "yesterday":
        return _days(view.today - _DAY, view.today - _DAY, view.zone)
    if text.startswith("last "):
        return _last_weekday(text[5:], written, view)
    if found := _RELATIVE.fullmatch(text):
        return _relative(int(found[1]), found[2], written, view)
    if found := _ABSOLUTE.fullmatch(text):
        return _absolute(found, written, view)
    remedy = _EXAMPLES
    if text in ("last", *_WEEKDAYS) or (len(text) >= 3 and any(name.startswith(text) for name in _WEEKDAYS)):
        remedy = f'Write date:"last {"tue" if text == "last" else text}", with the quotes'
    raise view.span.wrong(f"{quote(written)} is not a date", remedy)


def _last_weekday(name: str, written: str, view: _View) -> _Piece:
    """Resolve `last tue`: the latest Tuesday before today."""
    for number, full in enumerate(_WEEKDAYS):
        if len(name) >= 3 and full.startswith(name):
            day = view.today - timedelta(days=(view.today.weekday() - number - 1) % 7 + 1)
            return _days(day, day, view.zone)
    raise view.span.wrong(f"{quote(written)} is not a date", 'Write a weekday after last, such as "last tue"')


def _relative(count: int, unit: str, written: str, view: _View) -> _Piece:
    length = count * _UNITS[unit]
    if not timedelta(0) < length <= _LONGEST:
        raise view.span.wrong(f"{written} is not a length of time", "Write between 1min and 36500d")
    if unit in ("min", "h"):
        # Alone it has no end: what arrives in the next moment with a clock slightly ahead belongs to it.
        start = view.now - length
        return _Piece(start, start, Period(start, None))
    # Today counts, so that 7d are the seven days that a week's histogram shows.
    first = view.today - length + _DAY
    day = _days(first, first, view.zone)
    return _Piece(day.low, day.high, Period(day.low, _start_of(view.today + _DAY, view.zone)))


def _absolute(found: re.Match[str], written: str, view: _View) -> _Piece:
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    zone = view.zone
    if not _FIRST_YEAR <= int(year) <= _LAST_YEAR:
        raise view.span.wrong(
            f"The year {year} is out of reach", f"Write a year between {_FIRST_YEAR} and {_LAST_YEAR}"
        )
    try:
        start = date(int(year), int(month or 1), int(day or 1))
        at = time(int(hour or 0), int(minute or 0), int(second or 0), int((fraction or "0").ljust(6, "0")))
        if offset is not None and offset != "z" and int(offset[4:]) > 59:
            raise ValueError(offset)
        shift = None if offset is None else _shift(offset)
    except ValueError:
        raise view.span.wrong(f"{written} is not in the calendar", "Check the day, the month and the time") from None
    if month is None:
        return _days(start, date(start.year, 12, 31), zone)
    if day is None:
        following = (start + timedelta(days=31)).replace(day=1)
        return _days(start, following - _DAY, zone)
    if hour is None:
        return _days(start, start, zone)
    if fraction is not None:
        step = timedelta(microseconds=10 ** (6 - len(fraction)))
    else:
        step = timedelta(minutes=1) if second is None else timedelta(seconds=1)
    wall = datetime.combine(start, at)
    if shift is not None:
        low = wall.replace(tzinfo=shift).astimezone(UTC)
        return _Piece(low, low + step)
    # The last tick, not the end, says when it is over: the end may already belong to the hour that comes twice.
    last = wall + step - _TICK
    late = last.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _Piece(_instant(wall, zone), late + _TICK if _wall(late, zone) == last else _instant(last, zone))


def _shift(offset: str) -> tzinfo:
    if offset == "z":
        return UTC
    length = timedelta(hours=int(offset[1:3]), minutes=int(offset[4:]))
    return timezone(-length if offset[0] == "-" else length)


def _days(first: date, last: date, zone: tzinfo) -> _Piece:
    return _Piece(_start_of(first, zone), _start_of(last + _DAY, zone))


def _start_of(day: date, zone: tzinfo) -> datetime:
    return _instant(datetime.combine(day, time.min), zone)


def _wall(at: datetime, zone: tzinfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None)


def _instant(wall: datetime, zone: tzinfo) -> datetime:
    """Return the first instant at which the clocks of a zone show a time, or jump over it."""
    late = wall.replace(tzinfo=zone).astimezone(UTC)
    if _wall(late, zone) == wall:
        return late
    # The clocks jumped over it, somewhere between the two readings of this time: find the second at which.
    early = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    after = late.astimezone(zone).utcoffset()
    low, high = 0, int((late - early).total_seconds())
    while low < high:
        middle = (low + high) // 2
        if (early + timedelta(seconds=middle)).astimezone(zone).utcoffset() == after:
            high = middle
        else:
            low = middle + 1
    return early.replace(microsecond=0) + timedelta(seconds=low)

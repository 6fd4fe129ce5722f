"""Dates of queries against the calendar itself: every zone's days and minutes, checked from both ends."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from whodid.errors import InvalidQuery
from whodid.query import Query, parse

NOW = datetime(2026, 11, 20, 13, 21, 41, 118_000, tzinfo=UTC)
TICK = timedelta(microseconds=1)
ZONES = st.sampled_from(
    [
        "UTC",
        "Europe/Madrid",
        "America/Havana",  # midnight occurs twice
        "America/Sao_Paulo",  # midnight did not occur, until 2019
        "Africa/Cairo",  # midnight does not occur
        "Asia/Beirut",
        "Australia/Lord_Howe",  # half an hour of summer time
        "Pacific/Apia",  # a day was left out
        "Pacific/Kwajalein",
        "America/Toronto",  # once changed its clocks at 23:30
        "Asia/Kathmandu",
        "Africa/Monrovia",
    ]
)


def moments(first_year: int) -> st.SearchStrategy[datetime]:
    """Draw times without a zone."""
    return st.datetimes(datetime(first_year, 1, 2), datetime(2036, 12, 31))


def read(text: str, zone: str) -> Query | InvalidQuery:
    """Parse, and hand an error back."""
    try:
        return parse(text, now=NOW, zone=zone)
    except InvalidQuery as error:
        return error


@given(zone=ZONES, day=st.dates(date(1960, 1, 1), date(2036, 12, 31)))
@example(zone="Africa/Cairo", day=date(2026, 4, 24))
@example(zone="America/Havana", day=date(2026, 11, 1))
@example(zone="America/Sao_Paulo", day=date(2018, 11, 4))
@example(zone="Pacific/Apia", day=date(2011, 12, 30))
@example(zone="America/Toronto", day=date(1919, 3, 31))
def test_a_day_is_exactly_the_instants_that_its_zone_calls_so(zone: str, day: date) -> None:
    """The first and the last instant of the period have the date; the ones just outside do not."""
    where = ZoneInfo(zone)
    query = read(f"date:{day}", zone)
    if isinstance(query, InvalidQuery):
        assert "does not exist" in query.fact
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=where)
        assert noon.astimezone(UTC).astimezone(where).date() != day
        return
    assert query.since is not None
    assert query.until is not None
    assert query.since.astimezone(where).date() == day
    assert (query.since - TICK).astimezone(where).date() < day
    assert (query.until - TICK).astimezone(where).date() == day
    assert query.until.astimezone(where).date() > day


@given(zone=ZONES, at=moments(1970).map(lambda at: at.replace(tzinfo=UTC)))
@example(zone="Europe/Madrid", at=datetime(2026, 10, 25, 0, 30, tzinfo=UTC))
@example(zone="Europe/Madrid", at=datetime(2026, 10, 25, 1, 30, 59, 999_999, tzinfo=UTC))
@example(zone="Africa/Monrovia", at=datetime(1972, 1, 7, 0, 44, 30, tzinfo=UTC))
def test_an_instant_is_found_by_the_minute_that_its_clock_showed(zone: str, at: datetime) -> None:
    """Whoever types the time that a clock showed finds what happened then, also in the hour that occurs twice."""
    shown = at.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")
    query = parse(f'date:"{shown}"', now=NOW, zone=zone)
    assert query.since is not None
    assert query.until is not None
    assert query.since <= at < query.until
    assert query.until - query.since <= timedelta(hours=25)


@given(zone=ZONES, wall=moments(1970))
def test_before_and_from_a_time_on_leave_nothing_out(zone: str, wall: datetime) -> None:
    """`<` and `>=`, and `<=` and `>`, meet at one instant, whether the time occurs once, twice or never."""
    text = wall.strftime("%Y-%m-%d %H:%M:%S")
    bounds = {op: parse(f'date:{op}"{text}"', now=NOW, zone=zone) for op in ("<", "<=", ">", ">=")}
    assert bounds["<"].until == bounds[">="].since
    assert bounds["<="].until == bounds[">"].since


@given(zone=ZONES, now=moments(1990).map(lambda at: at.replace(tzinfo=UTC)))
def test_presets_are_whole_days_that_end_with_today(zone: str, now: datetime) -> None:
    """`1d` is today; `7d` reaches back six days more; `yesterday` touches today."""
    assume(zone != "Pacific/Apia" or not datetime(2011, 12, 29, tzinfo=UTC) < now < datetime(2012, 1, 9, tzinfo=UTC))
    where = ZoneInfo(zone)
    today = parse("date:today", now=now, zone=zone)
    week = parse("date:7d", now=now, zone=zone)
    assert parse("date:1d", now=now, zone=zone) == today
    assert today.since is not None
    assert week.since is not None
    assert today.since <= now
    assert week.until == today.until
    assert week.since.astimezone(where).date() == now.astimezone(where).date() - timedelta(days=6)
    assert parse("date:yesterday", now=now, zone=zone).until == today.since


@pytest.mark.parametrize("name", ["mon", "tue", "wed", "thu", "fri", "sat", "sun", "tues", "thursday", "Saturday"])
def test_last_weekday_is_within_the_week_before_today(name: str) -> None:
    """The day has that name, is before today and at most a week ago."""
    for shift in range(7):
        now = NOW + timedelta(days=shift)
        query = parse(f'date:"last {name}"', now=now)
        assert query.since is not None
        assert query.since.strftime("%A").lower().startswith(name.lower())
        assert timedelta(days=1) <= now.replace(hour=0, minute=0, second=0, microsecond=0) - query.since
        assert now - query.since < timedelta(days=8)


def test_now_may_be_given_in_any_zone() -> None:
    """The same instant gives the same query, and the bounds are in UTC."""
    there = NOW.astimezone(ZoneInfo("Asia/Tokyo"))
    for text in ("date:today", "date:3h", "date:7d"):
        query = parse(text, now=there)
        assert query == parse(text, now=NOW)
        assert query.since is not None
        assert query.since.tzinfo is UTC


def test_a_date_is_as_long_as_it_is_precise() -> None:
    """A year, a month, a day, a minute, a second and fractions of it have their own lengths."""
    lengths = {
        "2026": timedelta(days=365),
        "2026-02": timedelta(days=28),
        "2026-02-03": timedelta(days=1),
        "2026-02-03T04:05": timedelta(minutes=1),
        "2026-02-03T04:05:06": timedelta(seconds=1),
        "2026-02-03T04:05:06.7": timedelta(milliseconds=100),
        "2026-02-03T04:05:06.789012": TICK,
    }
    for text, length in lengths.items():
        query = parse(f"date:{text}", now=NOW)
        assert query.since is not None
        assert query.until is not None
        assert query.until - query.since == length

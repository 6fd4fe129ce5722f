"""Bars of the histogram begin where people expect it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whodid.viewer.timeline import edges

MADRID = ZoneInfo("Europe/Madrid")
KOLKATA = ZoneInfo("Asia/Kolkata")


def days(count: int, zone: tzinfo = UTC) -> tuple[datetime, datetime]:
    """Return that many whole days up to midnight after 20 November."""
    end = datetime(2026, 11, 21, tzinfo=zone)
    return (end - timedelta(days=count)).astimezone(UTC), end.astimezone(UTC)


@pytest.mark.parametrize(
    ("count", "bars", "width"),
    [
        (7, 56, timedelta(hours=3)),
        (30, 60, timedelta(hours=12)),
        (90, 90, timedelta(days=1)),
        (1, 96, timedelta(minutes=15)),
    ],
)
def test_the_presets_have_the_bars_of_the_design(count: int, bars: int, width: timedelta) -> None:
    """7 days are 56 bars of 3 hours, 30 days 60 of 12, 90 days 90 of a day, a day 96 of a quarter of an hour."""
    cut = edges(*days(count), UTC, 60)
    assert len(cut) - 1 == bars
    assert {high - low for low, high in pairwise(cut)} == {width}


def test_bars_follow_summer_time() -> None:
    """The day on which clocks are set back is one bar of 25 hours; every bar begins at local midnight."""
    cut = edges(*days(90, MADRID), MADRID, 60)
    assert {edge.astimezone(MADRID).hour for edge in cut} == {0}
    assert [high - low for low, high in pairwise(cut)].count(timedelta(hours=25)) == 1


def test_bars_begin_at_the_local_hour_in_zones_with_half_hours() -> None:
    """India is five and a half hours ahead: bars of three hours begin at 0, 3, 6 … local time."""
    cut = edges(*days(7, KOLKATA), KOLKATA, 60)
    assert {(edge.astimezone(KOLKATA).hour % 3, edge.astimezone(KOLKATA).minute) for edge in cut} == {(0, 0)}


def test_the_first_and_last_bar_are_cut_to_the_period() -> None:
    """A period that begins at 14:07 begins there, and the next bar begins on the hour."""
    since = datetime(2026, 11, 19, 14, 7, tzinfo=UTC)
    until = datetime(2026, 11, 20, 14, 7, tzinfo=UTC)
    cut = edges(since, until, UTC, 24)
    assert cut[0] == since
    assert cut[1] == datetime(2026, 11, 19, 15, tzinfo=UTC)
    assert cut[-1] == until


def test_years_are_years() -> None:
    """A long period is cut at the first of January."""
    cut = edges(datetime(1980, 6, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC), UTC, 60)
    assert {(edge.month, edge.day) for edge in cut[1:-1]} == {(1, 1)}


@given(
    since=st.integers(946_684_800, 1_893_456_000).map(lambda at: datetime.fromtimestamp(at, UTC)),
    length=st.timedeltas(timedelta(microseconds=1), timedelta(days=3000)),
    zone=st.sampled_from(["UTC", "Europe/Madrid", "Asia/Kolkata", "America/St_Johns", "Australia/Lord_Howe"]),
    wanted=st.integers(10, 200),
)
def test_edges_always_ascend_and_cover_the_period(since: datetime, length: timedelta, zone: str, wanted: int) -> None:
    """Whatever the period and the zone: ascending, from beginning to end, and not too many."""
    cut = edges(since, since + length, ZoneInfo(zone), wanted)
    assert cut[0] == since
    assert cut[-1] == since + length
    assert all(low < high for low, high in pairwise(cut))
    assert len(cut) <= wanted * 4 + 2

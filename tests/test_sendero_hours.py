"""Hours of the day: past midnight, and on the days that are an hour shorter or longer."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sendero.hours import Hours

MADRID = "Europe/Madrid"


def at(text: str) -> datetime:
    """Return an instant."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def hours(text: str) -> Hours:
    """Read hours that are some."""
    found = Hours.read(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("22-8", "22:00-08:00"),
        ("9:30–21", "09:30-21:00"),
        (" 00:00 - 24:00", None),
        ("0-24", None),
        ("8-24", "08:00-00:00"),
    ],
)
def test_as_people_write_them(text: str, written: str | None) -> None:
    """With and without minutes; a whole day is no part of one."""
    if written is None:
        with pytest.raises(ValueError, match=r".*"):
            Hours.read(text)
    else:
        assert str(Hours.read(text)) == written


@pytest.mark.parametrize("text", ["", "  "])
def test_none(text: str) -> None:
    """Nothing written, no hours."""
    assert Hours.read(text) is None


@pytest.mark.parametrize("text", ["9", "9-9", "25-8", "9:60-10", "9-10:99", "nine-ten", "-9-10", "9-10-11", "٩-10"])
def test_what_is_none(text: str) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match=r".*"):
        Hours.read(text)


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2026-11-20T20:59:59", False),
        ("2026-11-20T21:00:00", True),
        ("2026-11-21T02:00:00", True),
        ("2026-11-21T06:59:59", True),
        ("2026-11-21T07:00:00", False),
    ],
)
def test_past_midnight(moment: str, inside: bool) -> None:
    """From ten in the evening to eight in Madrid, which is an hour ahead of UTC in winter."""
    assert hours("22-8").hold(at(moment), MADRID) is inside


def test_the_next_edge() -> None:
    """Later today, or tomorrow when it is over for today."""
    assert hours("9-21").next_begin(at("2026-11-20T07:00:00"), MADRID) == at("2026-11-20T08:00:00")
    assert hours("9-21").next_begin(at("2026-11-20T08:00:00"), MADRID) == at("2026-11-21T08:00:00")
    assert hours("22-8").next_end(at("2026-11-20T22:00:00"), MADRID) == at("2026-11-21T07:00:00")


def test_across_a_change_of_the_clocks() -> None:
    """The day before and the day after have different offsets; eight o'clock stays eight o'clock."""
    assert hours("22-8").next_end(at("2026-03-28T21:30:00"), MADRID) == at("2026-03-29T06:00:00")
    assert hours("22-8").next_end(at("2026-10-24T20:30:00"), MADRID) == at("2026-10-25T07:00:00")

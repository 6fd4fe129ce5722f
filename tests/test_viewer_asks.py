"""Parameters of a request: understood, or refused by name."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.serving import NOW
from whodid.errors import InvalidQuery
from whodid.query import Cursor, parse
from whodid.viewer import asks


def ask(**found: str) -> str:
    """Return the canonical text of a question."""
    return str(asks.question(found, now=NOW, viewer="usr_maria"))


def test_text_period_and_zone_become_one_query() -> None:
    """The range of the page and the date in the text narrow one another."""
    assert ask(q="kind:delete", range="7d") == str(parse("kind:delete date:7d", now=NOW))
    assert ask(q="date:yesterday", range="7d") == str(parse("date:yesterday", now=NOW))


def test_days_begin_in_the_zone() -> None:
    """Seven days in Madrid begin at 23:00 UTC."""
    found = asks.question({"range": "7d", "tz": "Europe/Madrid"}, now=NOW, viewer="x")
    assert found.since == datetime(2026, 11, 13, 23, tzinfo=UTC)
    assert found.until == datetime(2026, 11, 20, 23, tzinfo=UTC)


def test_a_day_belongs_to_the_period_and_a_time_ends_it() -> None:
    """until=2026-11-03 includes the third; until=…T10:00 stops before ten."""
    whole = asks.question({"since": "2026-11-01", "until": "2026-11-03"}, now=NOW, viewer="x")
    assert (whole.since, whole.until) == (datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 4, tzinfo=UTC))
    exact = asks.question(
        {"since": "2026-11-01T08:30:00.000001Z", "until": "2026-11-03T10:00:00Z"}, now=NOW, viewer="x"
    )
    assert exact.since == datetime(2026, 11, 1, 8, 30, 0, 1, tzinfo=UTC)
    assert exact.until == datetime(2026, 11, 3, 10, tzinfo=UTC)


def test_mine_is_the_viewer() -> None:
    """is:mine means the actor id of the token."""
    assert "usr_maria" in ask(q="is:mine")


@pytest.mark.parametrize(
    ("found", "fact"),
    [
        ({"q": "nosuch:field"}, "There is no field nosuch"),
        ({"range": "8d"}, 'There is no range "8d"'),
        ({"range": "7d", "since": "2026-11-01"}, "exclude one another"),
        ({"since": "soon"}, 'since: "soon" is not a date'),
        ({"until": "2026-13-01"}, "until: "),
        ({"tz": "Mars/Olympus"}, "tz: There is no time zone"),
        ({"tz": "../../etc/passwd"}, "tz: There is no time zone"),
        ({"since": '" OR 1=1 --'}, "since: "),
    ],
)
def test_what_is_not_understood_is_refused_by_name(found: dict[str, str], fact: str) -> None:
    """The error names the parameter, and quoting cannot break out of it."""
    with pytest.raises(InvalidQuery) as caught:
        asks.question(found, now=NOW, viewer="x")
    assert fact in caught.value.fact


@pytest.mark.parametrize(
    ("pairs", "fact"),
    [
        ([("query", "x")], "no parameter"),
        ([("q", "a"), ("q", "b")], "there twice"),
        ([("q", "x" * 2001)], "2001 characters"),
        ([("token", "wv1.x.y")], "does not belong in an address"),
        ([("access_token", "wv1.x.y")], "does not belong in an address"),
    ],
)
def test_unknown_repeated_and_long_parameters_are_refused(pairs: list[tuple[str, str]], fact: str) -> None:
    """Nothing is dropped silently."""
    with pytest.raises(InvalidQuery) as caught:
        asks.parameters(pairs, "q", "range")
    assert fact in caught.value.fact


def test_an_empty_parameter_is_none() -> None:
    """`?q=&range=` asks for everything."""
    assert asks.parameters([("q", ""), ("range", "")], "q", "range") == {}


@pytest.mark.parametrize("text", ["", "x", "0", "201", "-1", "1.5", "٣", "1e2", "99999999999999999999"])
def test_numbers_keep_their_bounds(text: str) -> None:
    """A limit is a whole number from 1 to 200 in plain digits."""
    with pytest.raises(InvalidQuery):
        asks.number({"limit": text}, "limit", 50, 1, 200)


def test_a_cursor_comes_back() -> None:
    """What str(cursor) wrote is a place in the list."""
    cursor = Cursor(occurred_at=1_763_000_000_000_000, index=7)
    assert asks.place({"cursor": str(cursor)}) == cursor
    assert asks.place({}) is None


@pytest.mark.parametrize(
    "text", ["x", str(Cursor(occurred_at=1, index=2**64 - 1)), str(Cursor(occurred_at=-(2**63), index=1)), "A" * 28]
)
def test_an_invented_cursor_is_refused(text: str) -> None:
    """A text that no list handed out, or a place beyond any log, is refused before it reaches a store."""
    with pytest.raises(InvalidQuery):
        asks.place({"cursor": text})


@pytest.mark.parametrize(
    ("wishes", "language"),
    [
        ((None, "es"), "es"),
        (("fr-CA", "pt-BR"), "pt"),
        (("hi-IN",), "hi"),
        (("fr",), "en"),
        ((), "en"),
        (("ES",), "es"),
    ],
)
def test_the_first_language_that_exists_is_used(wishes: tuple[str | None, ...], language: str) -> None:
    """A region does not matter, and English is there at last."""
    assert asks.language(*wishes) == language

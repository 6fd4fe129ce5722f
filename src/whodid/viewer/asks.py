"""What a request asks, as values: parameters of an address become a query, a place in the list, a size, a language.

Nothing is guessed and nothing is dropped: a parameter that is unknown, repeated, too long or not understood is an error
that says so. Pure functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from whodid.catalog import LANGUAGES
from whodid.errors import InvalidQuery
from whodid.query import Cursor, Query, narrow, parse, quote

__all__ = ["FILTERS", "LARGEST", "RANGES", "instant", "language", "number", "parameters", "place", "question"]

FILTERS = ("q", "since", "until", "range", "tz", "lang")
"""Parameters that every list, count and export understands."""

RANGES = ("7d", "30d", "90d")

_LONGEST = {
    "q": 2_000,
    "prefix": 200,
    "term": 200,
    "cursor": 100,
    "at": 2_000,
    "after": 100,
    "workspace": 100,
    "subject": 600,
}
_LONGEST_OTHER = 64
_FURTHEST = 1 << 62

LARGEST = (1 << 53) - 1
"""The largest whole number that every reader of JSON takes for what it is (RFC 8259, section 6)."""


def parameters(pairs: Iterable[tuple[str, str]], *allowed: str) -> dict[str, str]:
    """Read the parameters of a request.

    Args:
        pairs: Names and values in their order; an empty value is the same as none.
        allowed: The names that this address understands.

    Raises:
        InvalidQuery: A name is unknown or repeated, or a value too long.
    """
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in allowed:
            if "token" in name.lower() or name.lower() in {"authorization", "secret", "key"}:
                raise InvalidQuery("A token does not belong in an address", "Send it as Authorization: Bearer …")
            raise InvalidQuery(f"There is no parameter {quote(name[:40])}", f"Use some of {', '.join(allowed)}")
        if name in found:
            raise InvalidQuery(f"The parameter {name} is there twice", "Send it once; a comma means or")
        longest = _LONGEST.get(name, _LONGEST_OTHER)
        if len(value) > longest:
            raise InvalidQuery(f"The parameter {name} has {len(value)} characters", f"Use at most {longest}")
        if value:
            found[name] = value
    return found


def question(found: Mapping[str, str], *, now: datetime, viewer: str) -> Query:
    """Make one query of the text, the period and the zone.

    `since` and `until` take every date that the query language takes. A time ends a period before it, a day (or month)
    belongs to it: `until=2026-11-03` reaches to the end of that day in the zone.

    Args:
        found: What `parameters` returned.
        viewer: Actor id that `is:mine` means.

    Raises:
        InvalidQuery: Something could not be understood; offsets are those of `q`.
    """
    zone = found.get("tz", "UTC")
    _zone(zone, now)
    asked = parse(found.get("q", ""), now=now, zone=zone, viewer=viewer)
    if "range" in found:
        if "since" in found or "until" in found:
            raise InvalidQuery("A range and a beginning or end exclude one another", "Send range, or since and until")
        if found["range"] not in RANGES:
            raise InvalidQuery(f"There is no range {quote(found['range'])}", f"Use {', '.join(RANGES)}")
        asked = narrow(asked, _date("range", "", found["range"], now, zone))
    if "since" in found:
        asked = narrow(asked, _date("since", ">=", found["since"], now, zone))
    if "until" in found:
        asked = narrow(asked, _date("until", "<" if ":" in found["until"] else "<=", found["until"], now, zone))
    return asked


def instant(found: Mapping[str, str], name: str, *, now: datetime) -> datetime | None:
    """Return an instant that a parameter names, with its offset from UTC, or None when it is not there.

    Raises:
        InvalidQuery: It is no instant.
    """
    if name not in found:
        return None
    try:
        at = datetime.fromisoformat(found[name])
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise InvalidQuery(f"{name} cannot be {quote(found[name])}", f"Write it like {now.isoformat()}")
    return at.astimezone(UTC)


def place(found: Mapping[str, str]) -> Cursor | None:
    """Return where a list goes on, or None for its beginning.

    Raises:
        InvalidQuery: The text is no cursor of ours.
    """
    if "cursor" not in found:
        return None
    cursor = Cursor.parse(found["cursor"])
    if cursor.index >= _FURTHEST or abs(cursor.occurred_at) >= _FURTHEST:
        raise InvalidQuery("This is not a place in the list", "Start again from the newest entry, without a cursor")
    return cursor


def number(found: Mapping[str, str], name: str, default: int, lowest: int, highest: int) -> int:
    """Return a whole number within its bounds.

    Raises:
        InvalidQuery: It is something else.
    """
    text = found.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and lowest <= int(text) <= highest):
        raise InvalidQuery(f"{name} cannot be {quote(text)}", f"Use a whole number from {lowest} to {highest}")
    return int(text)


def language(*wishes: str | None) -> str:
    """Return the first wished language that there is (`es-MX` means `es`), English at last."""
    for wish in wishes:
        if wish:
            wanted = wish.partition("-")[0].lower()
            if wanted in LANGUAGES:
                return wanted
    return LANGUAGES[0]


def _zone(zone: str, now: datetime) -> None:
    """Refuse an unknown zone under the name of its parameter."""
    try:
        parse("date:today", now=now, zone=zone)
    except InvalidQuery as error:
        raise InvalidQuery(f"tz: {error.fact}", error.remedy) from None


def _date(name: str, op: str, text: str, now: datetime, zone: str) -> Query:
    try:
        return parse(f"date:{op}{quote(text)}", now=now, zone=zone)
    except InvalidQuery as error:
        raise InvalidQuery(f"{name}: {error.fact}", error.remedy) from None

"""The answers of the API that show the log: lists, single entries, histogram, facets, what stands out.

Functions from a reader and the parameters of a request to plain JSON values. They know entries and people's questions,
and nothing of HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from whodid.canonical import time_text
from whodid.errors import InvalidQuery, NotFound
from whodid.model import Entry
from whodid.query import Query, narrow, parse, quote
from whodid.viewer import asks
from whodid.viewer.asks import number, place
from whodid.viewer.insights import insights as standing_out
from whodid.viewer.insights import newest_peak
from whodid.viewer.present import Stay, entry_view, facet_label, summary
from whodid.viewer.reader import Reader
from whodid.viewer.timeline import edges

__all__ = ["FACETS", "entries", "entry", "facets", "histogram", "insights", "purges"]

FACETS = ("actor", "action", "kind", "category", "type", "outcome", "severity", "via", "country", "resource")

_PAGE = 50
_LONGEST_PAGE = 200
_BARS = 60
_MOST_BARS = 200
_MOST_VALUES = 200
_MOST_PURGES = 100
# Entries may lie a little ahead of our clock, and a day that has begun is shown to its end, wherever it ends last.
_AHEAD = timedelta(days=2)
_BACK = tuple(timedelta(days=days) for days in (0, 1, 7, 30, 90, 365, 3_650, 36_500))


def entries(reader: Reader, asked: Query, found: Mapping[str, str], lang: str) -> dict[str, Any]:
    """Return a page of the list.

    Args:
        asked: What the viewer asks for.
        found: Further parameters: `cursor` and `limit` (1 to 200).
    """
    size, first = reader.head()
    limit = number(found, "limit", _PAGE, 1, _LONGEST_PAGE)
    page, count = reader.find_and_count(asked, cursor=place(found), limit=limit)
    return {
        "items": [summary(seen, lang, reader.log.catalog) for seen in page.items],
        "next": str(page.next) if page.next else None,
        "count": {"value": count.value, "exact": count.exact},
        "head": {"size": size, "first": first},
        "range": {"since": _stamp(asked.since), "until": _stamp(asked.until)},
    }


def entry(
    reader: Reader, key: int | str, lang: str, *, stay: Callable[[Entry], Stay | None] = lambda _: None
) -> dict[str, Any]:
    """Return one entry in full, with the entry that caused it where that can be shown.

    Args:
        stay: Tells how long an entry stays.
    """
    found = reader.entry(key)
    cause = None
    if found.cause is not None:
        # Purged, never recorded here, or outside what this viewer may reach: its id is all there is to show.
        with suppress(NotFound):
            cause = reader.get(found.cause)
    return entry_view(reader.seen(found), lang, reader.log.catalog, cause=cause, stay=stay(found))


def histogram(reader: Reader, asked: Query, found: Mapping[str, str], *, now: datetime) -> dict[str, Any]:
    """Return bars of entries per kind over the period of a query.

    Args:
        found: Further parameters: `buckets` (10 to 200, about how many) and `tz`.
    """
    wanted = number(found, "buckets", _BARS, 10, _MOST_BARS)
    since = asked.since if asked.since is not None else _beginning(reader, now)
    until = min(asked.until, now + _AHEAD) if asked.until is not None else now
    count = reader.count(asked)
    total = {"value": count.value, "exact": count.exact}
    if since >= until:
        return {"buckets": [], "total": total, "kinds": {}, "exact": True}
    cut = edges(since, until, ZoneInfo(found.get("tz", "UTC")), wanted)
    bars = reader.histogram(asked, cut)
    kinds: dict[str, int] = {}
    for bar in bars.buckets:
        for kind, value in bar.items():
            kinds[kind] = kinds.get(kind, 0) + value
    return {
        "buckets": [
            {"start": _stamp(start), "end": _stamp(end), "counts": bar, **({"denied": denied} if denied else {})}
            for (start, end), bar, denied in zip(pairwise(cut), bars.buckets, bars.denied, strict=True)
        ],
        "total": total,
        "kinds": kinds,
        "exact": bars.exact,
    }


def insights(reader: Reader, asked: Query, found: Mapping[str, str], lang: str, *, now: datetime) -> dict[str, Any]:
    """Return what stands out in a part of what is asked.

    Args:
        found: Further parameters: `from` and `to`, the part; without them the newest bar of the histogram that is far
            higher than the others, and `buckets` and `tz` as of the histogram.
    """
    asked = narrow(asked, Query(since=asked.since or _beginning(reader, now), until=asked.until or now))
    since, until = asks.instant(found, "from", now=now), asks.instant(found, "to", now=now)
    if (since is None) != (until is None):
        raise InvalidQuery("A part has a beginning and an end", "Send from and to, or neither")
    if since is None or until is None:
        bars = histogram(reader, asked, found, now=now)["buckets"]
        counted = [
            (datetime.fromisoformat(bar["start"]), datetime.fromisoformat(bar["end"]), sum(bar["counts"].values()))
            for bar in bars
        ]
        peak = newest_peak(counted)
        if peak is None:
            return {"from": None, "to": None, "count": 0, "items": []}
        since, until = peak
    return standing_out(reader, asked, since, until, lang)


def facets(reader: Reader, asked: Query, found: Mapping[str, str], lang: str) -> dict[str, Any]:
    """Return the most frequent values of a field.

    Args:
        found: Further parameters: `field`, `prefix` and `limit` (1 to 200).
    """
    field = found.get("field", "")
    if field not in FACETS:
        raise InvalidQuery(f"There is no facet {quote(field)}", f"Use one of {', '.join(FACETS)}")
    limit = number(found, "limit", _PAGE, 1, _MOST_VALUES)
    values = reader.facets(asked, field, limit=limit, prefix=found.get("prefix", ""))
    return {
        "values": [
            {
                "value": one.value,
                "label": facet_label(field, one, lang, reader.log.catalog),
                "count": one.count,
                **({"type": one.group} if one.group else {}),
            }
            for one in values.values
        ],
        "exact": values.exact,
    }


def purges(reader: Reader, *, now: datetime) -> list[dict[str, Any]]:
    """Return what retention removed, newest first, as far as this viewer may read the records of it."""
    page = reader.find(parse("action:audit.purged", now=now), limit=_MOST_PURGES)
    listed = []
    for seen in page.items:
        details = seen.entry.details or {}
        listed.append(
            {
                "at": time_text(seen.entry.recorded_at),
                "entries": details.get("entries"),
                "until": details.get("until"),
                "index": seen.entry.index,
            }
        )
    return listed


def _beginning(reader: Reader, now: datetime) -> datetime:
    """Return an instant before which nothing of the log occurred, not much earlier than need be."""
    _, first = reader.head()
    oldest = next(reader.log.read(reader.workspace, first), None)
    start = min(oldest.occurred_at, now) if oldest is not None else now
    for back in _BACK:
        if reader.log.count(reader.workspace, Query(until=start - back), cap=1).value == 0:
            return start - back
    return start - _BACK[-1]


def _stamp(at: datetime | None) -> str | None:
    return time_text(at) if at is not None else None

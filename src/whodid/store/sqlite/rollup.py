"""Counts, histograms and facets: exact from hourly roll-ups where they answer, else bounded looking.

Roll-ups answer for queries made only of shape terms (action, kind, type, outcome …) and times. An interval that does
not begin or end on an hour of UTC is completed by counting that part of an hour in the time index.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from whodid import canonical
from whodid.model import Kind
from whodid.query import Shape
from whodid.store import scan
from whodid.store.base import Count, Facet, Facets, Histogram
from whodid.store.sqlite.find import Search
from whodid.store.sqlite.rows import COLUMNS, HOUR

__all__ = ["count", "facets", "histogram"]

_LOOK = 5_000  # entries that a facet or histogram without a roll-up looks at
_COUNT_LOOK = 2_000
_NAMED = 300  # most frequent actors whose names are fetched

Span = tuple[int, int]
"""[from, to) in microseconds since 1970."""


def _hours(span: Span) -> tuple[Span, list[Span]]:
    """Split a span into whole hours (as hour numbers) and the rests at its ends."""
    low, high = span
    first, last = -(-low // HOUR), high // HOUR
    if first > last:
        return (0, 0), [span]
    rests = [rest for rest in ((low, first * HOUR), (last * HOUR, high)) if rest[0] < rest[1]]
    return (first, last), rests


def _bounds(search: Search) -> Span:
    """Narrow an open-ended span to the hours that have entries."""
    row = search.reader.row("SELECT min(hour), max(hour) FROM hour_shape WHERE ws = ?", (search.ws,))
    if row is None or row[0] is None:
        return 0, 0
    return max(search.low, row[0] * HOUR), min(search.high, (row[1] + 1) * HOUR)


def _shape_counts(search: Search, span: Span) -> Counter[int]:
    """Count entries per shape number in a span, exactly."""
    whole, rests = _hours(span)
    counts: Counter[int] = Counter(
        dict(
            search.reader.rows(
                "SELECT shape, sum(n) FROM hour_shape WHERE ws = ? AND hour >= ? AND hour < ? GROUP BY shape",
                (search.ws, *whole),
            )
        )
    )
    for rest in rests:
        counts.update(
            dict(
                search.reader.rows(
                    "SELECT shape, count(*) FROM entry INDEXED BY entry_time "
                    "WHERE ws = ? AND occurred_at >= ? AND occurred_at < ? GROUP BY shape",
                    (search.ws, *rest),
                )
            )
        )
    return counts


def count(search: Search, cap: int) -> Count:
    """Count matching entries; see `Store.count`."""
    if search.only_shapes:
        span = _bounds(search)
        counts = _shape_counts(search, span) if span[0] < span[1] else Counter()
        return Count(sum(n for shape, n in counts.items() if search.shapes is None or shape in search.shapes), True)
    found = 0
    for _ in search.walk(_COUNT_LOOK):
        found += 1
        if found >= cap:
            return Count(found, False)
    return Count(found, search.exhausted)


def histogram(search: Search, edges: Sequence[datetime]) -> Histogram:
    """Count per kind and interval; see `Store.histogram`."""
    if not search.only_shapes:
        entries = (entry for _, entry in search.walk(_LOOK))
        found = scan.histogram(entries, edges, exact=True)
        return Histogram(found.buckets, search.exhausted)
    kinds = {number: shape.kind for number, shape in search.known.items()}
    borders = [canonical.micros(edge) for edge in edges]
    buckets: list[dict[Kind, int]] = [{} for _ in borders[1:]]

    def add(place: int, shape: int, n: int) -> None:
        if 0 <= place < len(buckets) and (search.shapes is None or shape in search.shapes):
            kind = kinds[shape]
            buckets[place][kind] = buckets[place].get(kind, 0) + n

    low, high = max(search.low, borders[0]), min(search.high, borders[-1])
    if low >= high:
        return Histogram(tuple(buckets), True)
    # An hour that a border or an end cuts is counted entry by entry; all the others come from the roll-up.
    cut = {at // HOUR for at in (low, high, *borders) if at % HOUR}
    for hour, shape, n in search.reader.each(
        "SELECT hour, shape, n FROM hour_shape WHERE ws = ? AND hour >= ? AND hour < ?",
        (search.ws, low // HOUR, -(-high // HOUR)),
    ):
        if hour not in cut:
            add(bisect_right(borders, hour * HOUR) - 1, shape, n)
    for hour in sorted(cut):
        for occurred_at, shape in search.reader.each(
            "SELECT occurred_at, shape FROM entry INDEXED BY entry_time "
            "WHERE ws = ? AND occurred_at >= ? AND occurred_at < ?",
            (search.ws, max(low, hour * HOUR), min(high, (hour + 1) * HOUR)),
        ):
            add(bisect_right(borders, occurred_at) - 1, shape, 1)
    return Histogram(tuple(buckets), True)


def facets(search: Search, field: str, limit: int, prefix: str) -> Facets:
    """Count per value of a field; see `Store.facets`."""
    span = _bounds(search)
    if search.only_shapes and field in _SHAPE_FIELDS:
        counts = _shape_counts(search, span) if span[0] < span[1] else Counter()
        return scan.rank(_by_shape_value(search, field, counts), limit, prefix, exact=True)
    if field == "actor" and not search.query.terms:
        counts = _actor_counts(search, span) if span[0] < span[1] else Counter()
        return _named(search, counts, limit, prefix)
    entries = (entry for _, entry in search.walk(_LOOK))
    found = scan.facets(entries, field, limit, prefix, exact=True)
    return Facets(found.values, search.exhausted)


_SHAPE_FIELDS = ("action", "kind", "category", "type", "outcome", "severity", "via")


def _by_shape_value(search: Search, field: str, counts: Counter[int]) -> Iterator[Facet]:
    totals: Counter[str] = Counter()
    for number, shape in search.known.items():
        if search.shapes is None or number in search.shapes:
            value = _shape_value(shape, field)
            if value is not None and counts[number]:
                totals[value] += counts[number]
    return (Facet(value, value, "", n) for value, n in totals.items())


def _shape_value(shape: Shape, field: str) -> str | None:
    if field == "category":
        return shape.action.partition(".")[0]
    value: str | None = getattr(shape, "source" if field == "via" else field)
    return value


def _actor_counts(search: Search, span: Span) -> Counter[int]:
    whole, rests = _hours(span)
    counts: Counter[int] = Counter(
        dict(
            search.reader.rows(
                "SELECT actor, sum(n) FROM hour_actor WHERE ws = ? AND hour >= ? AND hour < ? GROUP BY actor",
                (search.ws, *whole),
            )
        )
    )
    for rest in rests:
        counts.update(
            dict(
                search.reader.rows(
                    "SELECT actor, count(*) FROM entry INDEXED BY entry_time "
                    "WHERE ws = ? AND occurred_at >= ? AND occurred_at < ? GROUP BY actor",
                    (search.ws, *rest),
                )
            )
        )
    return counts


def _named(search: Search, counts: Counter[int], limit: int, prefix: str) -> Facets:
    """Give the most frequent actors their newest names."""
    ranked = counts.most_common(_NAMED if prefix else limit)
    values = []
    for actor, n in ranked:
        row = search.reader.row(
            f"SELECT {COLUMNS} FROM entry e INDEXED BY entry_actor WHERE e.actor = ? "
            "ORDER BY e.occurred_at DESC, e.pos DESC LIMIT 1",
            (actor,),
        )
        if row is not None:
            entry = search.entry(row)
            values.append(Facet(entry.actor.id, entry.actor.name or entry.actor.id, entry.actor.type, n))
    return scan.rank(values, limit, prefix, exact=not prefix or len(ranked) == len(counts))

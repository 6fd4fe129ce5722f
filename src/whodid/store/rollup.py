"""Counts, histograms and facets: exact from roll-ups where they answer, else bounded looking.

Roll-ups answer for queries made only of shape terms (action, kind, type, outcome …) and times. A span is made of whole
days, of whole hours and quarters between its ends and the midnights nearest to them, added or taken off, and, only
where it cuts a quarter, of entries counted in the time index.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise

from whodid import canonical
from whodid.model import Kind
from whodid.query import Shape
from whodid.store import scan
from whodid.store.base import Count, Facet, Facets, Histogram
from whodid.store.search import Search
from whodid.store.tally import ACTOR_SCALES, SHAPE_SCALES, Scales

__all__ = ["count", "facets", "histogram"]

_LOOK = 5_000  # entries that a facet or histogram without a roll-up looks at
_COUNT_LOOK = 2_000
_NAMED = 300  # most frequent actors whose names are fetched

Span = tuple[int, int]
"""[from, to) in microseconds since 1970."""


def _bounds(search: Search) -> Span:
    """Narrow an open-ended span to the days that have entries."""
    days = search.days()
    if days is None:
        return 0, 0
    unit = SHAPE_SCALES[0][1]
    return max(search.low, days[0] * unit), min(search.high, (days[1] + 1) * unit)


def _counts(search: Search, column: str, scales: Scales, spans: Sequence[Span]) -> list[Counter[int]]:
    """Count per value in each span, exactly.

    From one midnight to another the days are added up. What lies between an end and its nearest midnight, half a day at
    most, is counted once for all spans that end or begin there: the days of a zone that is hours away from UTC would
    otherwise be made of all their hours.
    """
    (scale, unit), finer = scales[0], scales[1:]
    long = {number: span for number, span in enumerate(spans) if span[1] - span[0] >= unit}
    short = {number: span for number, span in enumerate(spans) if number not in long}
    ends = sorted({end for span in long.values() for end in span if end % unit})
    midnights = [_nearest(end, unit) * unit for end in ends]
    between = [(min(pair), max(pair)) for pair in zip(ends, midnights, strict=True)]
    counted = _finely(search, column, finer, [*short.values(), *between])
    parts = dict(zip(ends, counted[len(short) :], strict=True))
    counts: list[Counter[int]] = [Counter() for _ in spans]
    for number, found in zip(short, counted, strict=False):
        counts[number] = found
    days = [(number, _nearest(low, unit), _nearest(high, unit)) for number, (low, high) in long.items()]
    for number, value, n in search.tallied(scale, days) if days else ():
        counts[number][value] += n
    for number, first, last in days:
        low, high = spans[number]
        _add(counts[number], parts.get(low), 1 if low < first * unit else -1)
        _add(counts[number], parts.get(high), 1 if high > last * unit else -1)
        counts[number] = +counts[number]  # without what came to nothing
    return counts


def _nearest(at: int, unit: int) -> int:
    """Return the number of the bucket whose beginning is nearest."""
    return (at + unit // 2) // unit


def _add(count: Counter[int], part: Counter[int] | None, times: int) -> None:
    for value, n in (part or {}).items():
        count[value] += times * n


def _finely(search: Search, column: str, scales: Scales, spans: Sequence[Span]) -> list[Counter[int]]:
    """Count per value in each span: whole buckets of the scales, coarse before fine, then entries."""
    counts: list[Counter[int]] = [Counter() for _ in spans]
    rests = [(number, low, high) for number, (low, high) in enumerate(spans) if low < high]
    for scale, unit in scales:
        whole, uncounted = [], []
        for number, low, high in rests:
            first, last = -(-low // unit), high // unit
            if first >= last:
                uncounted.append((number, low, high))
            else:
                whole.append((number, first, last))
                uncounted += [(number, low, first * unit), (number, last * unit, high)]
        if whole:
            for number, value, n in search.tallied(scale, whole):
                counts[number][value] += n
        rests = [rest for rest in uncounted if rest[1] < rest[2]]
    if rests:
        for number, value, n in search.counted(column, rests):
            counts[number][value] += n
    return counts


def _shape_counts(search: Search, spans: Sequence[Span]) -> list[Counter[int]]:
    return _counts(search, "shape", SHAPE_SCALES, spans)


def count(search: Search, cap: int) -> Count:
    """Count matching entries; see `Store.count`."""
    if search.only_shapes:
        (counts,) = _shape_counts(search, [_bounds(search)])
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
        found = scan.histogram(search.walk(_LOOK), edges, exact=True)
        return found._replace(exact=search.exhausted)
    shapes = {
        number: shape for number, shape in search.known.items() if search.shapes is None or number in search.shapes
    }
    spans = [
        (max(low, search.low), min(high, search.high))
        for low, high in pairwise(canonical.micros(edge) for edge in edges)
    ]
    buckets: list[dict[Kind, int]] = []
    denied = []
    for counts in _shape_counts(search, spans):
        bucket: dict[Kind, int] = {}
        refused = 0
        for number, n in counts.items():
            if number in shapes:
                kind = shapes[number].kind
                bucket[kind] = bucket.get(kind, 0) + n
                refused += n if shapes[number].outcome == "denied" else 0
        buckets.append(bucket)
        denied.append(refused)
    return Histogram(tuple(buckets), tuple(denied), True)


def facets(search: Search, field: str, limit: int, prefix: str) -> Facets:
    """Count per value of a field; see `Store.facets`."""
    span = _bounds(search)
    if search.only_shapes and field in _SHAPE_FIELDS:
        (counts,) = _shape_counts(search, [span])
        return scan.rank(_by_shape_value(search, field, counts), limit, prefix, exact=True)
    if field == "actor" and not search.query.terms:
        (counts,) = _counts(search, "actor", ACTOR_SCALES, [span])
        return _named(search, counts, limit, prefix)
    found = scan.facets(search.walk(_LOOK), field, limit, prefix, exact=True)
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


def _named(search: Search, counts: Counter[int], limit: int, prefix: str) -> Facets:
    """Give the most frequent actors their newest names."""
    ranked = counts.most_common(_NAMED if prefix else limit)
    newest = search.newest_of([actor for actor, _ in ranked])
    values = []
    for actor, n in ranked:
        if actor in newest:
            named = search.entry(newest[actor]).actor
            values.append(Facet(named.id, named.name or named.id, named.type, n))
    return scan.rank(values, limit, prefix, exact=not prefix or len(ranked) == len(counts))

"""Answers computed by looking at entries one by one.

The meaning of `count`, `histogram` and `facets`, shared by the engines: the memory store answers with these alone, and
the others fall back on them where no roll-up answers.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime

from whodid.errors import InvalidQuery
from whodid.model import Entry, Kind
from whodid.store.base import Facet, Facets, Histogram

__all__ = ["FACET_FIELDS", "facets", "histogram", "rank", "value_of"]

FACET_FIELDS = ("actor", "action", "kind", "category", "type", "outcome", "severity", "via", "country", "resource")


def value_of(entry: Entry, field: str) -> tuple[str, str, str] | None:
    """Return (value, label, group) of a facet field, or None when the entry has no such value."""
    if field == "actor":
        return entry.actor.id, entry.actor.name or entry.actor.id, entry.actor.type
    if field == "resource":
        resource = entry.resource
        return f"{resource.type}:{resource.id}", resource.name or resource.id, resource.type
    context = entry.context
    plain = {
        "action": entry.action,
        "kind": entry.kind,
        "category": entry.category,
        "type": entry.resource.type,
        "outcome": entry.outcome,
        "severity": entry.severity,
        "via": context.source if context else None,
        "country": context.country if context else None,
    }
    if field not in plain:
        raise InvalidQuery(f"There is no facet {field}", f"Use one of {', '.join(FACET_FIELDS)}")
    value = plain[field]
    return None if value is None else (value, value, "")


def facets(entries: Iterable[Entry], field: str, limit: int, prefix: str, *, exact: bool) -> Facets:
    """Count values over entries given newest first (the first label seen is the newest name)."""
    counts: dict[str, int] = {}
    names: dict[str, tuple[str, str]] = {}
    for entry in entries:
        found = value_of(entry, field)
        if found is not None:
            value, label, group = found
            counts[value] = counts.get(value, 0) + 1
            names.setdefault(value, (label, group))
    return rank((Facet(value, *names[value], count) for value, count in counts.items()), limit, prefix, exact=exact)


def rank(values: Iterable[Facet], limit: int, prefix: str, *, exact: bool) -> Facets:
    """Keep the most frequent values whose label begins with the prefix; ties by value."""
    wanted = prefix.casefold()
    kept = [facet for facet in values if facet.label.casefold().startswith(wanted)]
    kept.sort(key=lambda facet: (-facet.count, facet.value))
    return Facets(tuple(kept[:limit]), exact)


def histogram(entries: Iterable[Entry], edges: Sequence[datetime], *, exact: bool) -> Histogram:
    """Count entries per kind and interval, and the denied ones; entries outside the edges are left out."""
    buckets: list[dict[Kind, int]] = [{} for _ in range(len(edges) - 1)]
    denied = [0] * len(buckets)
    for entry in entries:
        place = bisect_right(edges, entry.occurred_at) - 1
        if 0 <= place < len(buckets):
            bucket = buckets[place]
            bucket[entry.kind] = bucket.get(entry.kind, 0) + 1
            denied[place] += entry.outcome == "denied"
    return Histogram(tuple(buckets), tuple(denied), exact)

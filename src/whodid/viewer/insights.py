"""What stands out in a part of the log, in counts: which values are more frequent there than around it.

For each value of a few fields its rate inside a period is held against its rate in the rest of the range. What is at
least three times as frequent, or was not seen in the thirty days before, stands out; the most surprising comes first,
by the log-likelihood ratio of the two counts (Dunning 1993). Counts only: nothing here judges.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from whodid.canonical import time_text
from whodid.errors import InvalidQuery
from whodid.log import SEALING
from whodid.query import Query, Term, Value, narrow
from whodid.viewer.present import facet_label
from whodid.viewer.reader import Reader

__all__ = ["FIELDS", "insights", "newest_peak"]

FIELDS = ("actor", "action", "country", "via", "type")

_OWN = frozenset({("action", "audit.bound"), ("action", "audit.sealed"), ("actor", SEALING.id)})
"""What the log does by itself every day tells nobody anything, not even when it begins."""
_MOST = 3
_LEAST_RATIO = 3.0
_LEAST_COUNT = 3
_VALUES = 50
_MEMORY = timedelta(days=30)
_PEAK = 3.0
_TINY = timedelta(minutes=1)


class Insight(Struct, frozen=True, kw_only=True):
    """A value that stands out.

    Args:
        count: Entries with it inside the period.
        expected: How many there would be at the rate of the rest; 0 when the rest has none.
        first: Whether it was not seen in the thirty days before the period.
        surprise: Log-likelihood ratio; orders the list.
    """

    field: str
    value: str
    label: str
    count: int
    expected: float
    first: bool
    surprise: float


def insights(reader: Reader, asked: Query, since: datetime, until: datetime, lang: str) -> dict[str, Any]:
    """Return up to three values that stand out in [since, until) against the rest of what is asked.

    Args:
        asked: The whole range, with its filters; it must have a beginning and an end.

    Raises:
        InvalidQuery: The period is empty or not inside the range.
    """
    if asked.since is None or asked.until is None or not asked.since <= since < until <= asked.until:
        raise InvalidQuery("The period is not inside the range", "Send from and to inside since and until")
    inside = narrow(asked, Query(since=since, until=until))
    part = max(until - since, _TINY) / max(asked.until - asked.since - (until - since), _TINY)
    total, all_ = reader.count(inside).value, reader.count(asked).value
    taken = {term.field for term in asked.terms if not term.negated}
    found: list[Insight] = []
    for field in FIELDS:
        if field in taken:
            continue
        around = {one.value: one.count for one in reader.facets(asked, field, limit=200).values}
        for one in reader.facets(inside, field, limit=_VALUES).values:
            if (field, one.value) in _OWN:
                continue
            rest = max(around.get(one.value, one.count) - one.count, 0)
            expected = rest * part
            first = rest == 0 and _unseen(reader, asked, field, one.value, since)
            if not first and (one.count < _LEAST_COUNT or one.count < _LEAST_RATIO * max(expected, 1e-9)):
                continue
            found.append(
                Insight(
                    field=field,
                    value=one.value,
                    label=facet_label(field, one, lang, reader.log.catalog),
                    count=one.count,
                    expected=round(expected, 2),
                    first=first,
                    surprise=_surprise(one.count, rest, total, max(all_ - total, 0)),
                )
            )
    found.sort(key=lambda one: (-one.surprise, one.field, one.value))
    return {
        "from": time_text(since),
        "to": time_text(until),
        "count": total,
        "items": [
            {
                "field": one.field,
                "value": one.value,
                "label": one.label,
                "count": one.count,
                "expected": one.expected,
                "first": one.first,
                "term": str(Term(field=one.field, values=(Value(text=one.value),))),
            }
            for one in found[:_MOST]
        ],
    }


def newest_peak(bars: list[tuple[datetime, datetime, int]]) -> tuple[datetime, datetime] | None:
    """Return the newest bar that is at least three times as high as the average of the others, or None.

    Args:
        bars: Beginning, end and number of entries of each bar, ascending.
    """
    whole = sum(count for _, _, count in bars)
    for start, end, count in reversed(bars):
        others = (whole - count) / max(len(bars) - 1, 1)
        if count >= 2 * _LEAST_COUNT and count >= _PEAK * others:
            return start, end
    return None


def _unseen(reader: Reader, asked: Query, field: str, value: str, since: datetime) -> bool:
    only = Query(
        terms=(*asked.terms, Term(field=field, values=(Value(text=value),))), since=since - _MEMORY, until=since
    )
    return reader.count(only, cap=1).value == 0


def _surprise(inside: int, rest: int, total: int, others: int) -> float:
    """Return the log-likelihood ratio of a count of `total` against one of `others`."""
    rate = (inside + rest) / max(total + others, 1)

    def part(seen: int, of: int) -> float:
        return seen * math.log(seen / (of * rate)) if seen and of else 0.0

    return 2 * (part(inside, total) + part(rest, others))

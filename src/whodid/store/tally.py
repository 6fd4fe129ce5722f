"""What the roll-ups count: entries per bucket of time, by shape and by actor."""

from __future__ import annotations

from collections import Counter

__all__ = ["ACTOR_SCALES", "SHAPE_SCALES", "Scales", "Tally", "count_in"]

_DAY, _HOUR, _QUARTER = 86_400_000_000, 3_600_000_000, 900_000_000

Scales = tuple[tuple[int, int], ...]

SHAPE_SCALES: Scales = ((0, _DAY), (1, _HOUR), (2, _QUARTER))
ACTOR_SCALES: Scales = ((3, _DAY), (4, _HOUR))
"""Scales of the roll-ups, coarse before fine: number and microseconds of a bucket."""

Tally = Counter[tuple[int, int, int]]
"""Entries by (scale, bucket, value)."""


def count_in(tally: Tally, occurred_at: int, shape: int, actor: int) -> None:
    """Count one entry in every roll-up."""
    for scale, unit in SHAPE_SCALES:
        tally[scale, occurred_at // unit, shape] += 1
    for scale, unit in ACTOR_SCALES:
        tally[scale, occurred_at // unit, actor] += 1

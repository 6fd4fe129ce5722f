"""What the roll-ups count: entries per bucket of time, by shape and by actor."""

from __future__ import annotations

from collections import Counter

__all__ = ["ACTOR_SCALES", "SHAPE_SCALES", "Scales", "Tally", "count_in", "folded"]

_DAY, _HOUR, _QUARTER = 86_400_000_000, 3_600_000_000, 900_000_000

Scales = tuple[tuple[int, int], ...]

SHAPE_SCALES: Scales = ((0, _DAY), (1, _HOUR), (2, _QUARTER))
ACTOR_SCALES: Scales = ((3, _DAY), (4, _HOUR))
"""Scales of the roll-ups, coarse before fine: number and microseconds of a bucket."""

Tally = Counter[tuple[int, int, int]]
"""Entries by (scale, bucket, value)."""


def count_in(tally: Tally, occurred_at: int, shape: int, actor: int) -> None:
    """Count one entry by the finest units; `folded` makes the other roll-ups of them."""
    tally[2, occurred_at // _QUARTER, shape] += 1
    tally[4, occurred_at // _HOUR, actor] += 1


def folded(tally: Tally) -> Tally:
    """Return what `count_in` counted in every roll-up: a bucket of a larger unit is the sum of smaller ones."""
    whole = Counter(tally)
    for (scale, bucket, value), n in tally.items():
        finest, *larger = reversed(SHAPE_SCALES if scale == 2 else ACTOR_SCALES)
        for up, unit in larger:
            whole[up, bucket * finest[1] // unit, value] += n
    return whole

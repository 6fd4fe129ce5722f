"""How unusual an hour of day is for a person: 24 counts that fade, smoothed around the clock."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["HALF_LIFE", "faded", "hour_of", "tail"]

HALF_LIFE = 180 * 86_400_000_000
"""Microseconds after which a sign-in counts half."""

_HOUR = 3_600_000_000
_SIGMA = 1.5


def _kernel() -> tuple[float, ...]:
    weights = [math.exp(-0.5 * (min(hour, 24 - hour) / _SIGMA) ** 2) for hour in range(24)]
    whole = sum(weights)
    return tuple(weight / whole for weight in weights)


_KERNEL = _kernel()


def hour_of(at: int) -> int:
    """Return the hour of day, UTC, of a time in microseconds since 1970."""
    return at // _HOUR % 24


def faded(counts: Sequence[float], since: int, now: int) -> list[float]:
    """Return counts as they weigh some time later; time that runs backwards changes nothing.

    Args:
        since: When they were last brought up to date, in microseconds since 1970.
        now: The later time.
    """
    factor = 0.5 ** (max(0, now - since) / HALF_LIFE)
    return [count * factor for count in counts]


def tail(counts: Sequence[float], hour: int) -> float:
    """Return how probable an hour as unlikely as this one is, between 0 and 1; small is unusual.

    The counts are smoothed by a Gaussian around the clock (σ = 1.5 hours) and one pseudo-count is spread evenly. The
    answer is conservative, so a threshold is found with data, not read as a probability.

    Args:
        counts: Of the 24 hours of day, UTC.
        hour: 0 to 23.
    """
    smooth = [
        sum(count * _KERNEL[at - other] for other, count in enumerate(counts) if count) + 1 / 24 for at in range(24)
    ]
    here = smooth[hour] * (1 + 1e-12)
    return sum(weight for weight in smooth if weight <= here) / sum(smooth)

"""Sliding windows: whether hits that lie close enough together make a finding.

A window ends at any hit. Hits are kept in the order of `occurred_at`; one that comes late is put in its place, and
every window that it belongs to is looked at again, so the order of arrival decides nothing but when it is noticed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from whodid.detect.rule import Chain

__all__ = ["MOST", "Hit", "Reached", "add"]

MOST = 1_024
"""Hits that one window keeps; of more, the oldest are forgotten."""


class Hit(Struct, frozen=True, array_like=True, order=True):
    """That a part of a chain held for an entry.

    Args:
        at: When it occurred, in microseconds since 1970.
        index: Of the entry.
        part: Which part of the chain.
        value: Of the field whose values are counted.
        person: Whom the entry is about.
    """

    at: int
    index: int
    part: int
    value: str = ""
    person: str = ""


class Reached(NamedTuple):
    """That a window reached what its chain asks for.

    Args:
        end: The hit that completed it.
        measure: How much it is.
        hits: All in it.
    """

    end: Hit
    measure: int
    hits: list[Hit]


def add(chain: Chain, hits: list[Hit], hit: Hit, keep: int, steps: Sequence[int] = ()) -> list[Reached]:
    """Put a hit in its place and look at the windows that it belongs to.

    Args:
        chain: What is asked for.
        hits: Of one group, sorted; the new one is added and old ones leave. One that is there already changes nothing.
        keep: How much longer than its span the chain keeps hits, in microseconds, for those that come late.
        steps: Further measures at which a window says more than before.

    Returns:
        The window that the hit completes, if it reaches what the chain asks for, and those of hits after it that, now
        that it is there, reach that or a step for the first time; by time.
    """
    place = bisect_left(hits, hit)
    if place < len(hits) and hits[place] == hit:
        return []
    hits.insert(place, hit)
    if len(hits) > MOST:
        del hits[: len(hits) - MOST]
    oldest = hits[-1].at - chain.span - keep
    if hits[0].at < oldest:
        del hits[: bisect_left(hits, oldest, key=_at)]
    found: list[Reached] = []
    for end in range(bisect_left(hits, hit), bisect_right(hits, hit.at + chain.span, key=_at)):
        window = hits[bisect_left(hits, hits[end].at - chain.span, key=_at) : end + 1]
        measure = _measure(chain, window)
        if measure < chain.least:
            continue
        if hits[end] is not hit:
            before = _measure(chain, [one for one in window if one is not hit])
            if not any(before < step <= measure for step in (chain.least, *steps)):
                continue
        found.append(Reached(hits[end], measure, window))
    return found


def _at(hit: Hit) -> int:
    return hit.at


def _measure(chain: Chain, window: Sequence[Hit]) -> int:
    if chain.kind == "event_count":
        return len({hit.index for hit in window})
    if chain.kind == "value_count":
        return len({hit.value for hit in window})
    if chain.kind == "temporal":
        return len({hit.part for hit in window})
    reached = 0
    for hit in window:  # the first chance is the best one: taking a part early never spoils what comes after it
        if reached < len(chain.parts) and hit.part == reached:
            reached += 1
    return reached

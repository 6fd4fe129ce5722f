"""Sliding windows: whether hits that lie close enough together make a finding.

A window may begin at any hit. Hits are kept in the order of `occurred_at`; one that comes late is put in its place, and
every window that it belongs to is looked at again, so the order of arrival decides nothing but when it is noticed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence

from msgspec import Struct

from whodid.detect.rule import Chain

__all__ = ["MOST", "Hit", "add"]

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


def add(chain: Chain, hits: list[Hit], hit: Hit, keep: int) -> tuple[int, list[Hit]]:
    """Put a hit in its place and look at the windows that it belongs to.

    Args:
        chain: What is asked for.
        hits: Of one group, sorted; the new one is added and old ones leave.
        keep: How much longer than its span the chain keeps hits, in microseconds, for those that come late.

    Returns:
        The highest measure that a window reaches (0 when none reaches what the chain asks for), and the hits of that
        window.
    """
    insort(hits, hit)
    if len(hits) > MOST:
        del hits[: len(hits) - MOST]
    oldest = hits[-1].at - chain.span - keep
    if hits[0].at < oldest:
        del hits[: bisect_left(hits, oldest, key=_at)]
    start = bisect_left(hits, hit.at, key=_at)
    best, found = 0, hits[:0]
    for end in range(start, bisect_right(hits, hit.at + chain.span, key=_at)):
        if hits[end] < hit:
            continue
        window = hits[bisect_left(hits, hits[end].at - chain.span, key=_at) : end + 1]
        measure = _measure(chain, window)
        if measure > best:
            best, found = measure, window
    return (best, found) if best >= chain.least else (0, [])


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

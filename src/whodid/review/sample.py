r"""The sample of a review: which entries it looks at although nothing speaks for them, so that nobody chooses them.

The rule, which anybody can follow with the numbers that a signed review names: every index of the period gets the
score SHA-256("whodid/review-sample/v1\n" | root of the checkpoint, 32 bytes | index, 8 bytes big endian); entries that
are looked at anyhow and entries without content are left out; of the others the lowest scores are drawn.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from hashlib import sha256

__all__ = ["RULE", "draw", "size"]

RULE = "lowest-sha256/1"
"""Name of the rule, as a signed review has it."""

_LABEL = b"whodid/review-sample/v1\n"
_EVERY, _LEAST, _MOST = 50, 10, 50


def size(rest: int) -> int:
    """Return how many of so many entries are drawn: one in fifty, but ten at least and fifty at most."""
    return min(rest, max(_LEAST, min(_MOST, rest // _EVERY)))


def draw(root: bytes, indexes: Iterable[int], count: int) -> tuple[int, ...]:
    """Draw from the entries of a period.

    Args:
        root: Of the tree of the checkpoint that the review began with.
        indexes: Of the entries that may be drawn.
        count: How many.

    Returns:
        Their indexes, ascending.
    """
    seed = _LABEL + root
    lowest = heapq.nsmallest(count, ((sha256(seed + at.to_bytes(8, "big")).digest(), at) for at in indexes))
    return tuple(sorted(at for _, at in lowest))

"""Many indexes in short: `5,7..9`, as signed reviews and questions for evidence name entries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from whodid.errors import InvalidQuery
from whodid.query.terms import quote

__all__ = ["indexes_of", "spans"]

_RUN = re.compile(r"(0|[1-9][0-9]{0,15})(?:\.\.([1-9][0-9]{0,15}))?")


def spans(indexes: Iterable[int]) -> str:
    """Write ascending indexes: neighbours as `first..last`, with commas between."""
    runs: list[list[int]] = []
    for at in indexes:
        if runs and at == runs[-1][1] + 1:
            runs[-1][1] = at
        else:
            runs.append([at, at])
    return ",".join(str(low) if low == high else f"{low}..{high}" for low, high in runs)


def indexes_of(text: str, *, most: int = 20_000) -> tuple[int, ...]:
    """Read what `spans` wrote, in any order.

    Args:
        most: How many there may be.

    Returns:
        The indexes, ascending, each once.

    Raises:
        InvalidQuery: Something is no index, or there are too many.
    """
    found: set[int] = set()
    for low, high in _runs(text):
        if high - low >= most:
            raise InvalidQuery(f"There are more than {most:,} entries in {quote(text[:40])}", "Name fewer")
        found.update(range(low, high + 1))
        if len(found) > most:
            raise InvalidQuery(f"There are more than {most:,} entries in {quote(text[:40])}", "Name fewer")
    return tuple(sorted(found))


def _runs(text: str) -> Iterator[tuple[int, int]]:
    for run in text.split(",") if text else ():
        read = _RUN.fullmatch(run)
        if read is None:
            raise InvalidQuery(f"{quote(run[:40])} is no index", "Write them like 5,7..9")
        yield int(read[1]), int(read[2] or read[1])

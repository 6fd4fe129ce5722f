"""How many entries one step of a purge looks at, so that writers never wait long: a step is as big as the last allows.

Pure: what a step took goes in, the size of the next comes out. A machine that is slow or busy purges in small steps.
"""

from __future__ import annotations

__all__ = ["GOAL", "STEP", "Pace"]

STEP = 2_000
"""Entries that one step looks at, at most."""

GOAL = 0.2
"""Seconds that a step may block writers for. What a busy machine adds to one step stays within a second."""

_BEGIN = 250
_LEAST = 100  # what a step costs whatever its size is not saved by more of them
_GROWTH = 2


class Pace:
    """The size of the next step.

    Args:
        most: Entries in a step, at most.
    """

    def __init__(self, most: int = STEP) -> None:
        self._most = most
        self.size = min(most, _BEGIN)

    def took(self, entries: int, seconds: float) -> None:
        """Learn what a step took.

        The next one is at most twice as big: what one step took says little about one much bigger.

        Args:
            entries: How many it removed.
            seconds: How long writers waited for it.
        """
        fits = int(entries * GOAL / seconds) if seconds > 0 else self._most
        self.size = min(self._most, max(_LEAST, min(fits, self.size * _GROWTH)))

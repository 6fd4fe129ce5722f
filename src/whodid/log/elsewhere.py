"""Where else values of people may stand: whoever keeps such a place says here how a person leaves it.

An erasure reaches every place that is known to the log it erases from: files of exports, the memory of detection. What
is not known here stays, so whoever opens a place says so when it does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Elsewhere", "Forget"]

Forget = Callable[[str, str], int]
"""Takes a workspace and a person (`type:id`), removes what may hold values of that person, returns how many things."""


class Elsewhere:
    """The places of one log; safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: dict[str, list[Forget]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """What kinds of places there are."""
        with self._lock:
            return tuple(sorted(self._places))

    def add(self, name: str, forget: Forget) -> None:
        """Make a place known, for as long as the log is open.

        Args:
            name: Its kind, in the words of a record: `exports`, `findings`.
            forget: How a person leaves it. It may be asked again for a person who left.
        """
        with self._lock:
            self._places.setdefault(name, []).append(forget)

    def forget(self, workspace: str, person: str) -> dict[str, int]:
        """Make a person leave every place.

        Returns:
            How many things were removed, by kind; only kinds of which there was something.
        """
        with self._lock:
            places = {name: tuple(known) for name, known in sorted(self._places.items())}
        removed = {name: sum(forget(workspace, person) for forget in known) for name, known in places.items()}
        return {name: count for name, count in removed.items() if count}

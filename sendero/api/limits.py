"""How often something may be done: so many times a minute, in this process."""

from __future__ import annotations

import threading
from datetime import datetime

__all__ = ["Limiter"]

_MOST_KNOWN = 10_000


class Limiter:
    """Buckets that fill up again steadily.

    Args:
        per_minute: How often each name may come; all at once after a minute's rest.
    """

    def __init__(self, per_minute: int) -> None:
        self._most = float(per_minute)
        self._levels: dict[str, tuple[float, datetime]] = {}
        self._lock = threading.Lock()

    def take(self, name: str, now: datetime) -> float:
        """Take one.

        Returns:
            0, or the seconds until there is one again.
        """
        with self._lock:
            level = self._level(name, now)
            if level < 1:
                return (1 - level) * 60 / self._most
            if name not in self._levels and len(self._levels) >= _MOST_KNOWN:
                # Whoever came before the others has had time to fill up again.
                self._levels.pop(next(iter(self._levels)))
            self._levels[name] = (level - 1, now)
            return 0

    def wait(self, name: str, now: datetime) -> float:
        """Return the seconds until there is one again, and take none."""
        with self._lock:
            level = self._level(name, now)
            return 0 if level >= 1 else (1 - level) * 60 / self._most

    def _level(self, name: str, now: datetime) -> float:
        level, then = self._levels.get(name, (self._most, now))
        return min(self._most, level + max((now - then).total_seconds(), 0) * self._most / 60)

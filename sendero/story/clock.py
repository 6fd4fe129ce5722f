"""The time of the story, and a log that is told it entry by entry."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from whodid import Event, Log, Receipt, WhodidError

__all__ = ["ZONE", "Punctual", "StoryClock", "working_time"]

ZONE = ZoneInfo("Europe/Madrid")

_DAY = (time(10, 30), time(20, 30))
_TOGETHER = timedelta(seconds=2)
_ON_THE_WAY = timedelta(milliseconds=12)


def working_time(at: datetime) -> datetime:
    """Return an instant, or the last one before it at which the office of the story is at work and nobody sleeps."""
    local = at.astimezone(ZONE)
    opens, closes = _DAY
    if opens <= local.time() <= closes:
        return at
    day = local.date() if local.time() > closes else local.date() - timedelta(days=1)
    return datetime.combine(day, closes, ZONE).astimezone(at.tzinfo)


class StoryClock:
    """Two hands that only go forward: one for the workspace and one for the log.

    The workspace may be ahead while the log still takes what happened before; each hand says what is present to its
    side.

    Args:
        start: The beginning of the story.
    """

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._recording: datetime | None = None

    def to(self, at: datetime) -> None:
        """Go to an instant; a little further when it has passed already."""
        self._now = max(at, self._now + timedelta(milliseconds=3))

    def now(self) -> datetime:
        """Return the present of the workspace."""
        return self._now

    def log_now(self) -> datetime:
        """Return the present of the log."""
        return self._recording or self._now

    def recording(self, at: datetime | None) -> None:
        """Set the present of the log; None ties it to the workspace's."""
        self._recording = at


class Punctual:
    """The log as the relay sees it during the story: it takes each event at the time it happened.

    Args:
        log: The log, opened with `clock.log_now`.
    """

    def __init__(self, log: Log, clock: StoryClock) -> None:
        self._log = log
        self._clock = clock
        self._lock = threading.Lock()

    def record_many(self, workspace: str, events: Sequence[Event]) -> list[Receipt | WhodidError]:
        """Record events, those of the same moment together."""
        answers: list[Receipt | WhodidError] = []
        start = 0
        with self._lock:
            while start < len(events):
                stop = start + 1
                first = events[start].occurred_at
                while stop < len(events) and events[stop].occurred_at - first < _TOGETHER:
                    stop += 1
                self._clock.recording(events[stop - 1].occurred_at + _ON_THE_WAY)
                answers += self._log.record_many(workspace, events[start:stop])
                start = stop
            self._clock.recording(None)
        return answers

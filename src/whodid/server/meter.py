"""What the server counts, as one promise: whoever serves calls it, and a meter may keep it.

The meter of this file keeps nothing, which is what an application without metrics has. Nothing that names a person or
a workspace is ever shown by a meter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from whodid.log import ReplicaReport
from whodid.sinks import Health

__all__ = ["Fate", "Level", "Limit", "Meter"]

Fate = Literal["recorded", "known", "refused"]
"""What became of an event."""

Limit = Literal["read", "write"]
"""What somebody did too fast."""

Level = Literal[
    "events_waiting",
    "events_inside",
    "requests_inside",
    "streams",
    "syslog_connections",
    "events_spooled",
    "spool_age_seconds",
    "spool_bytes",
    "logs_unsigned",
]
"""What is read when somebody looks: how many there are right now."""


class Meter:
    """Take notice of nothing."""

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Note an answer.

        Args:
            route: The pattern of the address, never the address.
            seconds: From the request to the first byte of the answer.
        """

    def events(self, fate: Fate, count: int) -> None:
        """Note what became of some events that were sent."""

    def limited(self, limit: Limit) -> None:
        """Note that a request was refused because its key or viewer is too fast."""

    def committed(self, count: int, seconds: float) -> None:
        """Note that events of some requests went into the log together, or could not."""

    def store_failed(self, error: str) -> None:
        """Note that the store failed; `error` is the name of its class."""

    def exported(self, outcome: str, count: int, seconds: float) -> None:
        """Note that a job of an export came to its end."""

    def purged(self, entries: int) -> None:
        """Note that a round of retention ended, and how many entries lost their content."""

    def purge_failed(self) -> None:
        """Note that retention of a workspace failed."""

    def sealed(self, segments: int) -> None:
        """Note that a round of sealing ended, and how many segments were sealed in it."""

    def seal_failed(self) -> None:
        """Note that sealing in a workspace failed."""

    def detected(self, findings: int) -> None:
        """Note that a round of detection ended, and how many findings there were in it."""

    def detection_failed(self) -> None:
        """Note that detection failed in a workspace, or that a rule was disabled there."""

    def watch(self, level: Level, read: Callable[[], float]) -> None:
        """Remember how to read how many of something there are."""

    def watch_sinks(self, read: Callable[[], list[Health]]) -> None:
        """Remember how to read how the sinks are."""

    def watch_replicas(self, read: Callable[[], ReplicaReport]) -> None:
        """Remember how to read how the replicas of the store are."""

    def watch_exports(self, read: Callable[[], dict[str, int]]) -> None:
        """Remember how to read how many jobs of exports there are in each state."""

"""How a sink is: what it has to do still, for how long that waits, and what is the matter."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec import Struct

from whodid.log import Log
from whodid.sinks.position import Position, read_position
from whodid.sinks.settings import Sink, read_sinks

__all__ = ["Health", "health_of", "healths"]


class Health(Struct, frozen=True, kw_only=True):
    """How a sink is.

    Args:
        status: `active`, `failing` (the last delivery failed, the next one is due at `position.retry_at`) or `paused`.
        behind: How many entries of the log are still to be looked at.
        lag: Seconds since the first of them was recorded; 0 when there are none.
        silence: Seconds since it last took anything, signs of life included; None when it never did.
        paused: Seconds since it paused; None when it did not.
    """

    sink: Sink
    position: Position
    status: str
    behind: int
    lag: float
    silence: float | None
    paused: float | None


def healths(log: Log, workspace: str) -> list[Health]:
    """Return how every sink of a workspace is, in the order in which they were added."""
    return [health_of(log, workspace, sink) for sink in read_sinks(log, workspace)]


def health_of(log: Log, workspace: str, sink: Sink) -> Health:
    """Return how a sink is."""
    position, now = read_position(log, workspace, sink.id) or Position(next=0), log.now()
    size = log.head(workspace).size
    waiting = next(log.read(workspace, position.next), None)
    return Health(
        sink=sink,
        position=position,
        status="paused" if not sink.active else "failing" if position.fault else "active",
        behind=size - position.next,
        lag=0.0 if waiting is None else max(0.0, (now - waiting.recorded_at) / timedelta(seconds=1)),
        silence=_seconds_since(position.sent_at, now),
        paused=_seconds_since(sink.paused_at, now),
    )


def _seconds_since(at: datetime | None, now: datetime) -> float | None:
    return None if at is None else max(0.0, (now - at) / timedelta(seconds=1))

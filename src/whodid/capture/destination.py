"""Where an event goes that does not live and die with a change: denied and failed attempts, sign-ins, exports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from whodid.capture.relay import Recorder
from whodid.errors import WhodidError
from whodid.model import Event

__all__ = ["Destination", "Direct"]


class Destination(Protocol):
    """What keeps events by itself: a log, a client with its spool, an outbox in a transaction of its own."""

    def take(self, workspace: str, events: Sequence[Event]) -> None:
        """Keep events; they are on the disk when it returns.

        Raises:
            InvalidEvent: One of them is refused; none that came after it is kept.
            StoreError: They cannot be kept now.
        """


class Direct:
    """Writes to a log at once.

    Args:
        log: The log, or what records like one.
    """

    def __init__(self, log: Recorder) -> None:
        self._log = log

    def take(self, workspace: str, events: Sequence[Event]) -> None:
        """Record events; see `Destination.take`."""
        for answer in self._log.record_many(workspace, list(events)):
            if isinstance(answer, WhodidError):
                raise answer

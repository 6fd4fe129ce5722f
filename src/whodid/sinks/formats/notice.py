"""What a sink is told besides entries: that there is nothing to tell, or that somebody tests it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct

from whodid import canonical

__all__ = ["Notice"]


class Notice(Struct, frozen=True, kw_only=True):
    """A message that is no entry.

    Args:
        what: A heartbeat is sent after a time of silence, so that silence without one means a fault; a test, on demand.
        id: Of this message alone.
        sink: Name of the sink.
        next: Index of the entry that comes next.
        size: How many entries the log holds.
    """

    what: Literal["heartbeat", "test"]
    id: str
    workspace: str
    sink: str
    at: datetime
    next: int
    size: int

    def wire(self) -> bytes:
        """Write it as one JSON object; its member `whodid` tells it from an entry."""
        return msgspec.json.encode(
            {
                "whodid": self.what,
                "id": self.id,
                "workspace": self.workspace,
                "sink": self.sink,
                "at": canonical.time_text(self.at),
                "next": self.next,
                "size": self.size,
            }
        )

    @property
    def text(self) -> str:
        """The message in words, for formats that are read by people."""
        if self.what == "test":
            return f"Test of the sink {self.sink}"
        return f"Nothing new in the log; it holds {self.size} entries, the next one is {self.next}"

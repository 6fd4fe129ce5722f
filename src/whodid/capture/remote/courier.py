"""One delivery at a time: the frames and gaps of an owner to the log, and what it refuses to the side.

In the calling thread, without a wait of its own; who drives it decides when to try again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import msgspec

from whodid.capture.remote.files import set_aside
from whodid.capture.remote.gaps import Gaps
from whodid.capture.remote.shelf import Shelf
from whodid.capture.remote.transport import Elsewhere, Later, Result, settled
from whodid.errors import WhodidError

__all__ = ["LONGEST_PAUSE", "Carrier", "Counts", "Courier", "pause_after"]

_FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
"""Seconds between two attempts at most, where a server asks for nothing else."""
_WRONG_KEY = 60.0
_encode = msgspec.json.Encoder().encode


class Counts(msgspec.Struct, kw_only=True):
    """What was done so far; written by the delivering thread only."""

    delivered: int = 0
    quarantined: int = 0
    told: int = 0
    damaged: int = 0
    failures: int = 0
    fault: str = ""


class Carrier(Protocol):
    """What takes events to the log: a connection, or the log itself."""

    def send(self, workspace: str, events: Sequence[bytes], *, timeout: float | None = None) -> list[Result]:
        """Take events there; see `Transport.send`."""

    def close(self) -> None:
        """Let go of what it holds."""


class Courier:
    """Delivers the frames and the gaps of owners.

    Args:
        folder: Of the spool; refused events are set aside there.
        carrier: Makes what takes events to the log, when it is first needed.
        counts: Where to count.
        workspace: The one that the key is known to belong to: when the log says otherwise, the key is at fault and the
            events wait for the right one. Events of other workspaces are refused.
    """

    def __init__(
        self, folder: Path, carrier: Callable[[], Carrier], counts: Counts, workspace: str | None = None
    ) -> None:
        self._folder = folder
        self._make = carrier
        self._workspace = workspace
        self._carrier: Carrier | None = None
        self.counts = counts
        self.until: float | None = None

    def step(self, shelf: Shelf) -> bool:
        """Settle one batch of an owner, or what it dropped; False when nothing is left.

        Raises:
            Later: The log cannot take it now; nothing of the batch counts as settled.
            OSError: The spool cannot be read, or what was refused cannot be set aside.
        """
        batch = shelf.next()
        if batch is None:
            return self._tell(shelf.gaps)
        groups: dict[str, list[bytes]] = {}
        for frame in batch.frames:
            groups.setdefault(frame.workspace, []).append(frame.event)
        refused = [one for workspace, events in groups.items() for one in self.settle(workspace, events)]
        if refused:
            set_aside(self._folder, refused)
        shelf.done(batch)
        self.counts.damaged += batch.damaged
        self.counts.quarantined += len(refused)
        self.counts.delivered += len(batch.frames) - len(refused)
        return True

    def close(self) -> None:
        """Close the connection."""
        if self._carrier is not None:
            self._carrier.close()
            self._carrier = None

    def _tell(self, gaps: Gaps | None) -> bool:
        """Deliver what was dropped."""
        untold = gaps.untold() if gaps is not None else []
        if gaps is None or not untold:
            return False
        refused = [one for workspace, event in untold for one in self.settle(workspace, [_encode(event)])]
        if refused:
            set_aside(self._folder, refused)
        gaps.told()
        self.counts.told += sum(event.details["count"] for _, event in untold if event.details)
        return True

    def settle(self, workspace: str, events: Sequence[bytes]) -> list[dict[str, Any]]:
        """Send events and return those that the log refused, with the reasons, as lines to set aside.

        Raises:
            Later: The log cannot take them now.
        """
        try:
            results = settled(partial(self._send, workspace), events)
        except Elsewhere as error:
            if workspace == self._workspace:
                raise Later(str(error), _WRONG_KEY) from None
            results = [Result(status="refused", fault=str(error))] * len(events)
        except WhodidError as error:
            raise Later(str(error), _WRONG_KEY) from None
        pairs = zip(events, results, strict=True)
        return [_set_aside(workspace, event, one) for event, one in pairs if one.status == "refused"]

    def _send(self, workspace: str, events: Sequence[bytes]) -> list[Result]:
        if self._carrier is None:
            self._carrier = self._make()
        timeout = None if self.until is None else max(0.05, self.until - time.monotonic())
        return self._carrier.send(workspace, events, timeout=timeout)


def _set_aside(workspace: str, event: bytes, result: Result) -> dict[str, Any]:
    reason = {"pointer": result.pointer, "fault": result.fault, "remedy": result.remedy, "index": result.index}
    said = {name: value for name, value in reason.items() if value not in {None, ""}}
    return {"at": datetime.now(UTC).isoformat(), "workspace": workspace, **said, "event": msgspec.Raw(event)}


def pause_after(error: Exception, attempts: int, longest: float = LONGEST_PAUSE) -> float:
    """Return how long to wait: what the log asked for, and a growing part of chance so that not all come at once."""
    chance = random.uniform(0.0, min(longest, _FIRST_PAUSE * 2.0 ** min(attempts, 10)))  # noqa: S311
    return chance + (error.pause if isinstance(error, Later) else 0.0)

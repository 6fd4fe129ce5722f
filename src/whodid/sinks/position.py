"""How far a sink got: the index that comes next, and what happened on the way."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import Struct

from whodid.errors import StoreCorrupt
from whodid.log import Log
from whodid.sinks.formats.integrity import Link

__all__ = ["Position", "Quarantined", "forget_position", "read_position", "swap_position"]


class Quarantined(Struct, frozen=True, kw_only=True):
    """An entry that the receiver refuses for good.

    Args:
        fault: What the receiver said.
    """

    index: int
    id: str
    at: datetime
    fault: str


class Position(Struct, frozen=True, kw_only=True):
    """How far a sink got.

    Args:
        next: Index of the entry that comes next; everything before it was delivered, refused for good, or is not asked
            for.
        delivered: How many entries the receiver took, those that it took twice counted twice.
        refused: How many entries it refuses for good.
        quarantine: The newest of those, at most a hundred.
        purged: How many entries were purged before their turn came.
        sent_at: When it last took anything, signs of life included.
        attempts: How many deliveries in a row failed.
        fault: Why the last one did.
        failing_since: When the first of them failed.
        retry_at: When the next one is due.
        chain: Index of the entry with which the chain of its events began; None before that, and without a chain.
        link: What the next event of the chain refers to.
        again: Whether entries are to be delivered that were delivered before, until the first of them are.
    """

    next: int
    delivered: int = 0
    refused: int = 0
    quarantine: tuple[Quarantined, ...] = ()
    purged: int = 0
    sent_at: datetime | None = None
    attempts: int = 0
    fault: str = ""
    failing_since: datetime | None = None
    retry_at: datetime | None = None
    again: bool = False
    chain: int | None = None
    link: Link | None = None


_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Position)


def read_position(log: Log, workspace: str, sink: str) -> Position | None:
    """Return how far a sink got, or None if it has no position (any more)."""
    kept = log.state(workspace, _state(sink))
    if kept is None:
        return None
    try:
        return _decoder.decode(kept)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StoreCorrupt(f"The position of sink {sink} cannot be read: {error}", "Restore a backup") from None


def swap_position(log: Log, workspace: str, sink: str, old: Position | None, new: Position) -> bool:
    """Replace a position if it still is `old` (None: absent); say whether it was."""
    return log.swap_state(workspace, _state(sink), None if old is None else _encode(old), _encode(new))


def forget_position(log: Log, workspace: str, sink: str) -> None:
    """Remove a position."""
    while (kept := log.state(workspace, _state(sink))) is not None:
        if log.swap_state(workspace, _state(sink), kept, None):
            return


def _state(sink: str) -> str:
    return f"sinks.position.{sink}"

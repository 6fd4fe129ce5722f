"""What a receiver refused for good, and what people do about it: deliver it once more, or let it be."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from whodid.errors import NotFound, Purged
from whodid.log import Log
from whodid.sinks.delivery import make_message, open_receiver
from whodid.sinks.formats import FORMATS
from whodid.sinks.position import Position, Quarantined
from whodid.sinks.settings import Sink

__all__ = ["chosen", "send_again", "without"]


def chosen(quarantine: Sequence[Quarantined], indexes: Collection[int] | None) -> list[Quarantined]:
    """Return those in quarantine that somebody means.

    Args:
        indexes: Of the entries; all when absent.

    Raises:
        NotFound: One of them is not there.
    """
    if indexes is None:
        return list(quarantine)
    there = {one.index for one in quarantine}
    for index in indexes:
        if index not in there:
            raise NotFound(f"Entry {index} is not in quarantine", "Look at the list")
    return [one for one in quarantine if one.index in set(indexes)]


def send_again(log: Log, workspace: str, sink: Sink, tried: Sequence[Quarantined]) -> tuple[list[Quarantined], str]:
    """Deliver entries one by one, so that none keeps another back; end with the first fault that is not an entry's.

    Returns:
        Those that the receiver took, and why the last of the others was not taken.

    Raises:
        InvalidSetting: The settings or the secret of the sink cannot be used.
    """
    taken: list[Quarantined] = []
    fault = ""
    write = FORMATS[sink.format].entry
    receiver = open_receiver(log, workspace, sink, again=True)
    try:
        for one in tried:
            try:
                entry = log.get(workspace, one.index)
            except Purged:
                fault = f"Entry {one.index} was purged"
                continue
            result = receiver.send((make_message(entry, write(entry)),))
            refused = result.fault or result.refused.get(0, "")
            if not refused:
                taken.append(one)
                continue
            fault = refused
            if result.fault and not result.lasting:
                break
    finally:
        receiver.close()
    return taken, fault


def without(position: Position, indexes: Collection[int], *, delivered: bool) -> Position:
    """Return a position without some entries in quarantine.

    Args:
        delivered: Whether the receiver took them after all.
    """
    left = tuple(one for one in position.quarantine if one.index not in indexes)
    gone = len(position.quarantine) - len(left)
    if not delivered:
        return msgspec.structs.replace(position, quarantine=left)
    return msgspec.structs.replace(
        position, quarantine=left, refused=position.refused - gone, delivered=position.delivered + gone
    )

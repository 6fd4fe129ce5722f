"""How a person leaves what sinks keep: the words of receivers, who may repeat what they were sent.

A receiver that refuses an entry often says which value it does not like. These words are kept as long as they help:
with the position of the sink, with what is in quarantine, and with why it paused. Nobody can tell whom they speak of,
so an erasure takes all of a workspace. No entry of the log holds them (`without_words`).
"""

from __future__ import annotations

from msgspec.structs import replace

from whodid.log import Log
from whodid.sinks.position import read_position, swap_position
from whodid.sinks.said import without_words
from whodid.sinks.settings import SINKS, Sink, read_sinks

__all__ = ["erase"]


def erase(log: Log, workspace: str) -> int:
    """Remove what receivers said from all that the sinks of a workspace keep; what became of entries stays.

    Returns:
        From how many texts something was removed.
    """
    removed = sum(_position(log, workspace, sink.id) for sink in read_sinks(log, workspace))
    paused = [0]

    def make(sinks: tuple[Sink, ...]) -> tuple[tuple[Sink, ...], None] | None:
        after = tuple(replace(one, paused_because=without_words(one.paused_because)) for one in sinks)
        paused[0] = sum(one != other for one, other in zip(sinks, after, strict=True))
        return (after, None) if paused[0] else None

    SINKS.change(log, workspace, make)
    removed += paused[0]
    if removed:
        log.compact()
    return removed


def _position(log: Log, workspace: str, sink: str) -> int:
    while True:
        old = read_position(log, workspace, sink)
        if old is None:
            return 0
        quarantine = tuple(replace(one, fault=without_words(one.fault)) for one in old.quarantine)
        new = replace(old, fault=without_words(old.fault), quarantine=quarantine)
        count = sum(one != other for one, other in zip(old.quarantine, quarantine, strict=True))
        count += old.fault != new.fault
        if not count or swap_position(log, workspace, sink, old, new):
            return count

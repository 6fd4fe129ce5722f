"""Anchors: heads of a log that somebody outside has seen, as they are kept beside it.

What lives here: heads that a time stamp authority has stamped, one per day or so for a year; what a stamp is worth is
looked at elsewhere (`whodid.witness.stamp`). The newest head that witnesses cosigned is `Log.cosigned`.

A stamp is not an entry: it would make a new head, which would want a stamp.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec import Struct

from whodid.proof.checkpoint import parse_checkpoint
from whodid.proof.note import parse_note
from whodid.proof.seal import NOTHING, anchor_hash

if TYPE_CHECKING:
    from whodid.log.log import Log

__all__ = [
    "MOST_STAMPS",
    "Anchored",
    "Stamp",
    "Stamped",
    "keep_stamp",
    "named_stamp",
    "newest_anchor",
    "read_stamp",
    "stamped",
]

MOST_STAMPS = 400
"""How many are kept of one log: a year of one a day, and some."""

_STATE = "stamps"


class Stamp(Struct, frozen=True, kw_only=True):
    """A signed head with its time stamp.

    Args:
        at: The time that the authority names.
        note: The head, signed by the log.
        answer: What the authority answered (TimeStampResp of RFC 3161, DER).
    """

    at: datetime
    note: str
    answer: bytes

    @property
    def size(self) -> int:
        """Of the head."""
        return parse_checkpoint(parse_note(self.note)[0]).size


class Stamped(Struct, frozen=True, kw_only=True):
    """That a head of this size was stamped, and when."""

    size: int
    at: datetime


class Anchored(NamedTuple):
    """A head that somebody outside has seen, and the proof that a newer one continues it.

    Args:
        checkpoint: Signed by the log, and by witnesses if there are any.
        stamp: As in `Stamp.answer`; empty when there is none.
        consistency: Proof to the newer head.
    """

    checkpoint: str
    stamp: bytes
    consistency: Sequence[bytes]


_List = list[Stamped]


def stamped(state: Callable[[str], bytes | None]) -> list[Stamped]:
    """List the stamped heads of a log, oldest first.

    Args:
        state: Reads a named value of its workspace.
    """
    known = state(_STATE)
    return msgspec.json.decode(known, type=_List) if known else []


def read_stamp(state: Callable[[str], bytes | None], size: int) -> Stamp | None:
    """Return the stamp of the head with this size, or None when there is none."""
    known = state(f"stamp.{size}")
    return msgspec.json.decode(known, type=Stamp) if known else None


def newest_anchor(state: Callable[[str], bytes | None]) -> bytes:
    """Return what a seal says of the newest stamp: `anchor_hash` of it, or NOTHING when there is none."""
    listed = stamped(state)
    stamp = read_stamp(state, listed[-1].size) if listed else None
    return anchor_hash(stamp.answer) if stamp is not None else NOTHING


def named_stamp(state: Callable[[str], bytes | None], anchor: bytes, carrier: int) -> Stamp | None:
    """Return the stamp that a seal names, or None when it names none that is kept.

    Args:
        anchor: What the seal says.
        carrier: Index of the entry that carries the seal: the stamped head is not larger.
    """
    for one in reversed([one for one in stamped(state) if one.size <= carrier] if anchor != NOTHING else []):
        stamp = read_stamp(state, one.size)
        if stamp is not None and anchor_hash(stamp.answer) == anchor:
            return stamp
    return None


def keep_stamp(log: Log, workspace: str, stamp: Stamp) -> None:
    """Keep a stamp that was checked; the oldest goes when there are too many."""
    size = stamp.size
    name, made = f"stamp.{size}", msgspec.json.encode(stamp)
    # The stamp first: a list may not name what is not there.
    while not log.swap_state(workspace, name, log.state(workspace, name), made):
        continue
    while True:
        known = log.state(workspace, _STATE)
        listed = [one for one in (msgspec.json.decode(known, type=_List) if known else []) if one.size != size]
        listed = sorted([*listed, Stamped(size=size, at=stamp.at)], key=lambda one: one.size)
        if log.swap_state(workspace, _STATE, known, msgspec.json.encode(listed[-MOST_STAMPS:])):
            break
    for gone in listed[:-MOST_STAMPS]:
        name = f"stamp.{gone.size}"
        log.swap_state(workspace, name, log.state(workspace, name), None)

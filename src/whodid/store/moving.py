"""What moves a log from one store to another: the mark of a store that is on its way, and the pieces of a log.

A store without a mark is used as ever. One that has a mark takes nothing but what a copy brings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct

from whodid.errors import StoreCorrupt, StoreMoved
from whodid.proof import tree
from whodid.sequence import Bound, Head, Row, Sealed, Segment

__all__ = ["PROGRESS", "Mark", "Piece", "decode_mark", "encode_mark", "refuse"]

PROGRESS = "copied"
"""The named state that says how far the copy of a workspace has come; it goes with the last piece."""


class Mark(Struct, frozen=True, forbid_unknown_fields=True):
    """What keeps a store from being written.

    Args:
        kind: `leaving`, its logs are being copied away; `left`, they are kept elsewhere; `arriving`, logs are being
            copied here; `abandoned`, a copy to here was given up, and nothing here may be used.
        token: The same random text at both ends of one copy.
        other: The store at the other end, as people call it.
    """

    kind: Literal["leaving", "left", "arriving", "abandoned"]
    token: str
    other: str


class Piece(NamedTuple):
    """A part of the log of a workspace, as another store has it.

    Args:
        rows: Entries, ascending, with the gaps that purges left.
        nodes: Hashes that its tiles gain; a level at once, or in pieces from left to right.
        segments: Those that still have their salt.
        seals: Each with the stored index of its segment, or None where that is gone.
        second: Second tags, by the number of their segment.
        volumes: Each with its stored index, or None where that is gone.
        states: Named values.
        head: The head, with the last piece.
    """

    rows: tuple[Row, ...] = ()
    nodes: tuple[tree.Nodes, ...] = ()
    segments: tuple[Segment, ...] = ()
    seals: tuple[tuple[Sealed, bytes | None], ...] = ()
    second: Mapping[int, bytes] = {}
    volumes: tuple[tuple[Bound, bytes | None], ...] = ()
    states: Mapping[str, bytes] = {}
    head: Head | None = None


encode_mark = msgspec.json.Encoder().encode
_mark = msgspec.json.Decoder(Mark).decode


def decode_mark(data: bytes | None) -> Mark | None:
    """Read a stored mark; None where there is none.

    Raises:
        StoreCorrupt: It is not one.
    """
    try:
        return None if data is None else _mark(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StoreCorrupt(f"The mark of a move cannot be read: {error}", "Restore a backup") from None


def refuse(mark: Mark | None) -> None:
    """Refuse to write in a store that has a mark.

    Raises:
        StoreMoved: It has one.
    """
    if mark is None:
        return
    if mark.kind == "left":
        raise StoreMoved(f"These logs are kept in {mark.other} now", "Use that store")
    if mark.kind == "leaving":
        raise StoreMoved(
            f"These logs are being copied to {mark.other}", "Go on with whodid copy, or give it up with --abandon"
        )
    if mark.kind == "arriving":
        raise StoreMoved(f"The copy of {mark.other} is not complete here", "Go on with whodid copy")
    raise StoreMoved(f"The copy of {mark.other} to here was given up", "Use that store, and remove this one")

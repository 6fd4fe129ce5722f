"""Sealing: closes a segment, computes its index outside any lock, and appends the entry that carries its seal.

With it come the segment's second tags, those that the volume will have which binds it later (`whodid.log.binding`).

Two transactions, each of which looks at the head under the store's lock and does nothing when it was done already: a
crash between them leaves a closed segment that the next round seals, and of two processes that seal at once one writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec import Struct

from whodid import canonical, sequence
from whodid.errors import StoreCorrupt
from whodid.log.anchors import newest_anchor
from whodid.log.carrying import Carrying, stretch
from whodid.model import Context
from whodid.proof import leaf
from whodid.proof.index import Index
from whodid.proof.seal import Seal, salt_commitment
from whodid.sequence import Batch, Head, Segment
from whodid.store.base import Kept, Known, restore

__all__ = ["CLOSINGS", "CLOSING_SPAN", "SealedSegment", "Sealer", "gather"]

CLOSINGS = 10
"""How many segments may be closed on request within `CLOSING_SPAN`: one a minute, and some at once."""

CLOSING_SPAN = timedelta(minutes=10)

_ACTION = "audit.sealed"


class SealedSegment(Struct, frozen=True, kw_only=True):
    """What sealing one segment did.

    Args:
        number: Of the segment.
        start: Index of its first entry.
        stop: Index of the first entry after it.
        index: Of the entry that carries the seal.
        recorded_at: Of that entry.
    """

    number: int
    start: int
    stop: int
    index: int
    recorded_at: datetime


class Gathered(NamedTuple):
    """What the entries of a segment come to.

    Args:
        postings: Tag → positions.
        values: Tag → what it blinds, as (dimension, value).
        indexed: How many entries.
        recorded: Bounds of `recorded_at`, microseconds since 1970.
        occurred: Likewise of `occurred_at`.
    """

    postings: dict[bytes, list[int]]
    values: dict[bytes, tuple[int, bytes]]
    indexed: int
    recorded: tuple[int, int]
    occurred: tuple[int, int]


class Sealer:
    """Seal the segments of one workspace.

    Args:
        carrying: Appends the entries that carry the seals.
        sealed: Called after each seal.
    """

    def __init__(self, carrying: Carrying, *, sealed: Callable[[], object] = lambda: None) -> None:
        self._carrying = carrying
        self._store = carrying.store
        self._workspace = carrying.workspace
        self._clock = carrying.clock
        self._draw = carrying.draw
        self._sealed = sealed

    def run(self, *, close: bool, context: Context | None) -> list[SealedSegment]:
        """Seal what is closed, and close and seal what is due; with `close`, whatever the open segment holds as well.

        Args:
            close: Heeded at most once a minute on average; what is recorded meanwhile waits in the open segment.
            context: Where from, if a person asked for it.

        Returns:
            What this call sealed, oldest first.
        """
        found: list[SealedSegment] = []
        while (head := self._store.head(self._workspace)) is not None:
            if head.next is None:
                sealed = self._seal(head, context)
                if sealed is not None:
                    found.append(sealed)
                    self._sealed()
            elif (close and not head.bare and self._may_close()) or sequence.due(head, self._clock()):
                close = False
                self._close(head.segment.number)
            else:
                break
        return found

    def _may_close(self) -> bool:
        """Tell whether a segment may be closed before its time: each is work for everybody who ever verifies."""
        seals = self._store.seals(self._workspace)[-CLOSINGS:]
        if len(seals) < CLOSINGS:
            return True
        return Seal.decode(seals[0].seal).recorded_last <= canonical.micros(self._clock() - CLOSING_SPAN)

    def _close(self, number: int) -> None:
        """Close the segment with this number, unless somebody else did."""

        def assemble(head: Head | None, _: Known) -> Batch | None:
            return sequence.close(head, self._clock()) if head and head.segment.number == number else None

        self._store.append(self._workspace, assemble)

    def _seal(self, head: Head, context: Context | None) -> SealedSegment | None:
        """Seal the segment before the open one; None when somebody else did."""
        segment = next((one for one in self._store.segments(self._workspace) if one.number == head.sealed), None)
        if segment is None:
            raise StoreCorrupt(f"Segment {head.sealed} has no salt", "Restore a backup")
        stop, salt = head.segment.start, self._draw(32)
        volume_salt = head.unbound.salt or self._draw(32)
        gathered = gather(self._store.read(self._workspace, segment.start, stop), segment, self._workspace)
        index = Index(segment.start, gathered.postings)
        seal = Seal(
            number=segment.number,
            start=segment.start,
            stop=stop,
            indexed=gathered.indexed,
            keys=len(gathered.postings),
            recorded_first=gathered.recorded[0],
            recorded_last=gathered.recorded[1],
            occurred_first=gathered.occurred[0],
            occurred_last=gathered.occurred[1],
            root=index.root,
            commitment=salt_commitment(segment.number + 2, salt),
            previous=head.chain,
            anchor=newest_anchor(lambda name: self._store.state(self._workspace, name)),
        )
        sealing = sequence.Sealing(
            number=segment.number,
            seal=seal.encode(),
            hash=seal.hash,
            previous=head.chain,
            postings=index.encode(),
            salt=salt,
            second=b"".join([leaf.tag(volume_salt, *gathered.values[tag]) for tag in gathered.postings]),
            volume_salt=volume_salt,
        )
        details = {
            "segment": seal.number,
            **stretch(seal.start, seal.stop),
            # Hexadecimal: a text of base64 may look like somebody's secret by chance.
            "seal": sealing.seal.hex(),
        }
        carried = self._carrying.append(
            _ACTION,
            f"{head.origin}/seals/{seal.number}",
            details,
            context,
            lambda now, ready, at: sequence.seal(now, ready, at, sealing),
        )
        if carried is None:
            return None
        return SealedSegment(
            number=seal.number,
            start=seal.start,
            stop=seal.stop,
            index=carried.index,
            recorded_at=carried.recorded_at,
        )


def gather(entries: Iterable[Kept], segment: Segment, workspace: str) -> Gathered:
    """Read the entries of a segment that have content."""
    postings: dict[bytes, list[int]] = {}
    values: dict[bytes, tuple[int, bytes]] = {}
    indexed, recorded, occurred = 0, [0, 0], [0, 0]
    for kept in entries:
        recorded = [min(recorded[0], kept.recorded_at), kept.recorded_at] if indexed else [kept.recorded_at] * 2
        at = kept.occurred_at
        occurred = [min(occurred[0], at), max(occurred[1], at)] if indexed else [at, at]
        indexed += 1
        carried = {leaf.tag(segment.salt, *one): one for one in canonical.tag_values(restore(kept, workspace))}
        values |= carried
        for tag in carried:
            postings.setdefault(tag, []).append(kept.index)
    return Gathered(postings, values, indexed, (recorded[0], recorded[1]), (occurred[0], occurred[1]))

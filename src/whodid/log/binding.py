"""Binding: joins the indexes of many sealed segments to one volume, and appends the entry that carries it.

The tags of a volume's index are made with a salt of its own. A sealed segment brings its second tags along, so that
binding needs no content; for a segment that an earlier release sealed they are made of its content, as long as all of
that is there. Segments whose indexes are gone, and those for which it is too late, are bound without an index: the
chain of volumes has no gap, and their seals can be shown by it all the same.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import takewhile

from msgspec import Struct

from whodid import sequence
from whodid.log.carrying import Carrying, stretch
from whodid.log.indexes import segment_index
from whodid.log.sealing import gather
from whodid.model import Context
from whodid.proof import leaf
from whodid.proof.index import Index
from whodid.proof.leaf import TAG_SIZE
from whodid.proof.seal import Seal
from whodid.proof.volume import Volume, seals_root, volume_salt_commitment
from whodid.sequence import Head, Segment

__all__ = ["VOLUME_ENTRIES", "VOLUME_SEGMENTS", "Binder", "BoundVolume", "due"]

VOLUME_SEGMENTS = 64
"""From how many sealed segments on a volume is bound without being asked for."""

VOLUME_ENTRIES = 1 << 20
"""Likewise, from how many entries in at least two of them: a volume is made in memory."""

_ACTION = "audit.bound"
_NEVER = 1 << 62


class BoundVolume(Struct, frozen=True, kw_only=True):
    """What binding one volume did.

    Args:
        number: Of the volume.
        first: Number of its first segment.
        last: Number of its last segment.
        start: Index of its first entry.
        stop: Index after its last entry.
        index: Of the entry that carries it.
        recorded_at: Of that entry.
    """

    number: int
    first: int
    last: int
    start: int
    stop: int
    index: int
    recorded_at: datetime


class Binder:
    """Bind the sealed segments of one workspace.

    Args:
        carrying: Appends the entries that carry the volumes.
    """

    def __init__(self, carrying: Carrying) -> None:
        self._carrying = carrying
        self._store = carrying.store
        self._workspace = carrying.workspace
        self._draw = carrying.draw

    def run(self, *, everything: bool, context: Context | None) -> list[BoundVolume]:
        """Bind the segments that are due, or all that are sealed.

        Args:
            everything: Not to wait until there are `VOLUME_SEGMENTS` or `VOLUME_ENTRIES`; two are enough.
            context: Where from, if a person asked for it.

        Returns:
            What this call bound, oldest first.
        """
        found: list[BoundVolume] = []
        while (head := self._store.head(self._workspace)) is not None and (everything or due(head)):
            seals = [Seal.decode(one.seal) for one in self._store.seals(self._workspace)[head.unbound.first :]]
            # A segment that was sealed after this head belongs to the next volume.
            seals = seals[: head.sealed - head.unbound.first]
            bound = self._bind(head, seals, context) if len(seals) > 1 else None
            if bound is None:
                break
            found.append(bound)
        return found

    def _bind(self, head: Head, seals: Sequence[Seal], context: Context | None) -> BoundVolume | None:
        """Bind the first of these segments that go together; None when somebody else was faster."""
        kept = {segment.number: segment for segment in self._store.segments(self._workspace)}
        postings: dict[bytes, array[int]] = {}
        salt: bytes | None = None
        if seals[0].number not in kept:
            seals = list(takewhile(lambda seal: seal.number not in kept, seals))
        elif self._store.second(self._workspace, seals[0].number) is not None:
            salt = head.unbound.salt
            for seal in seals:
                joined = self._store.second(self._workspace, seal.number) or b""
                tags = [joined[at : at + TAG_SIZE] for at in range(0, len(joined), TAG_SIZE)]
                _join(postings, segment_index(self._store, self._workspace, seal.number), tags)
        else:
            fresh = self._draw(32)
            found = self._of_content(seals, kept, postings, fresh)
            seals, salt = (found, fresh) if found else (seals[:1], None)
        index = Index(seals[0].start, postings)
        indexed = [seal for seal in seals if seal.indexed and salt is not None]
        volume = Volume(
            number=head.unbound.volumes,
            first=seals[0].number,
            last=seals[-1].number,
            start=seals[0].start,
            stop=seals[-1].stop,
            indexed=sum(seal.indexed for seal in indexed),
            keys=len(postings),
            recorded_first=min((seal.recorded_first for seal in indexed), default=0),
            recorded_last=max((seal.recorded_last for seal in indexed), default=0),
            occurred_first=min((seal.occurred_first for seal in indexed), default=0),
            occurred_last=max((seal.occurred_last for seal in indexed), default=0),
            seals=seals_root([seal.encode() for seal in seals]),
            root=index.root,
            commitment=volume_salt_commitment(head.unbound.volumes, salt or self._draw(32)),
            previous=head.unbound.chain,
        )
        binding = sequence.Binding(
            number=volume.number,
            first=volume.first,
            last=volume.last,
            stop=volume.stop,
            # What is purged meanwhile takes its index along.
            least=seals[0].stop if salt is not None else _NEVER,
            volume=volume.encode(),
            hash=volume.hash,
            salt=salt,
            postings=index.encode(),
        )
        details = {
            "number": volume.number,
            "first": volume.first,
            "last": volume.last,
            **stretch(volume.start, volume.stop),
            "volume": binding.volume.hex(),
        }
        carried = self._carrying.append(
            _ACTION,
            f"{head.origin}/volumes/{volume.number}",
            details,
            context,
            lambda now, ready, at: sequence.bind(now, ready, at, binding),
        )
        if carried is None:
            return None
        return BoundVolume(
            number=volume.number,
            first=volume.first,
            last=volume.last,
            start=volume.start,
            stop=volume.stop,
            index=carried.index,
            recorded_at=carried.recorded_at,
        )

    def _of_content(
        self, seals: Sequence[Seal], kept: Mapping[int, Segment], postings: dict[bytes, array[int]], salt: bytes
    ) -> list[Seal]:
        """Join the first segments that have no second tags and that still have all their content."""
        found: list[Seal] = []
        entries = 0
        for seal in seals:
            entries += seal.stop - seal.start
            full = len(found) >= VOLUME_SEGMENTS or (len(found) > 1 and entries > VOLUME_ENTRIES)
            if full or self._store.second(self._workspace, seal.number) is not None:
                break
            index = segment_index(self._store, self._workspace, seal.number)
            read = self._store.read(self._workspace, seal.start, seal.stop)
            values = gather(read, kept[seal.number], self._workspace).values
            if not values.keys() >= index.postings.keys():
                break
            _join(postings, index, [leaf.tag(salt, *values[tag]) for tag in index.postings])
            found.append(seal)
        return found


def due(head: Head) -> bool:
    """Tell whether so many sealed segments wait that they ought to be bound."""
    waiting = head.sealed - head.unbound.first
    # The open segment begins where the sealed ones end, or one segment later.
    entries = head.segment.start - head.unbound.start
    return waiting >= VOLUME_SEGMENTS or (waiting > 1 and entries >= VOLUME_ENTRIES)


def _join(postings: dict[bytes, array[int]], index: Index, tags: Sequence[bytes]) -> None:
    """Add what the index of a segment holds, under other tags in the same order."""
    for tag, positions in zip(tags, index.postings.values(), strict=True):
        known = postings.get(tag)
        if known is None:
            postings[tag] = array("Q", positions)
        else:
            known.extend(positions)

"""A log at one signed head: everything that evidence is made of, all of it under one root.

What lives here: seals, indexes, headers and hashes as a store has them, read for one workspace. Which of them answer a
question is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

from whodid.log.anchoring import AnchorLog, Linked
from whodid.log.anchors import Anchored, named_stamp, read_stamp, stamped
from whodid.log.completing import covering, purges
from whodid.log.indexes import segment_index, volume_index
from whodid.log.keys import DeploymentKey
from whodid.log.proving import Prover
from whodid.model import Entry
from whodid.proof import leaf, tree
from whodid.proof.checkpoint import Checkpoint, parse_checkpoint
from whodid.proof.index import Index, Lookup
from whodid.proof.note import parse_note
from whodid.proof.seal import Seal
from whodid.proof.volume import Volume
from whodid.sequence import Head
from whodid.store.base import Store, restore

__all__ = ["Disclosed", "Snapshot", "SnapshotSegment", "SnapshotVolume"]

_CACHED_INDEXES = 2


class SnapshotSegment(NamedTuple):
    """A sealed segment.

    Args:
        entry: Index of the entry that carries the seal.
        salt: 32 bytes, or None once the segment has left.
    """

    seal: Seal
    entry: int
    salt: bytes | None


class SnapshotVolume(NamedTuple):
    """A volume.

    Args:
        entry: Index of the entry that carries it.
        salt: 32 bytes, or None once its index has left, or where it never had one.
    """

    volume: Volume
    entry: int
    salt: bytes | None


class Disclosed(NamedTuple):
    """An entry with what binds it to its leaf.

    Args:
        salts: One per field, in the order of `canonical.fields`.
    """

    entry: Entry
    header: leaf.Header
    salts: Sequence[bytes]


class Snapshot:
    """Read the log of one workspace as it was at a head.

    Args:
        head: What is recorded later does not exist here.
    """

    def __init__(self, store: Store, workspace: str, head: Head, key: DeploymentKey) -> None:
        self._store = store
        self._workspace = workspace
        self._key = key
        self._prover = Prover(store, workspace, head, key)
        self.head = head
        self.checkpoint = self._prover.checkpoint()
        self.vkey = key.verifier_key(head.origin)
        self._indexes = lru_cache(maxsize=_CACHED_INDEXES)(self._index)
        self._bindings = lru_cache(maxsize=_CACHED_INDEXES)(self._binding)

    @property
    def first(self) -> int:
        """Index below which neither content nor every hash is left."""
        return self.head.first

    @cached_property
    def segments(self) -> Sequence[SnapshotSegment]:
        """The sealed segments, purged ones included, oldest first."""
        salts = {one.number: one.salt for one in self._store.segments(self._workspace)}
        return [
            SnapshotSegment(Seal.decode(one.seal), one.index, salts.get(one.number))
            for one in self._store.seals(self._workspace)
            if one.index < self.head.size
        ]

    @cached_property
    def volumes(self) -> Sequence[SnapshotVolume]:
        """The volumes, those without an index included, oldest first."""
        return [
            SnapshotVolume(Volume.decode(one.volume), one.index, one.salt)
            for one in self._store.volumes(self._workspace)
            if one.index < self.head.size
        ]

    @property
    def origin(self) -> Sequence[bytes]:
        """The commitments to the salts of the first two segments."""
        return self.head.commitments

    def look_up(self, number: int, tag: bytes) -> tuple[Sequence[int], Lookup]:
        """Return the positions of a tag in a sealed segment, and the proof that there are no others."""
        return self._indexes(number).look_up(tag)

    def look_up_bound(self, number: int, tag: bytes) -> tuple[Sequence[int], Lookup]:
        """Return the positions of a tag in a volume that has its index, and the proof that there are no others."""
        return self._bindings(number).look_up(tag)

    def read(self, start: int, stop: int) -> Iterator[Disclosed]:
        """Iterate over the entries with content in [start, stop), by index."""
        for kept in self._store.read(self._workspace, start, min(stop, self.head.size)):
            entry = restore(kept, self._workspace)
            yield Disclosed(entry, *self._prover.header(kept, entry))

    def hash(self, position: int) -> bytes:
        """Return a leaf hash."""
        return self._prover.hashes([(0, position)])[0]

    def path(self, position: int) -> Sequence[bytes]:
        """Prove that a leaf is under the signed head."""
        return tree.inclusion_proof(position, self.head.size, self._prover.hashes)

    def frontier(self, size: int) -> Sequence[bytes]:
        """Return the frontier that the tree had at a size."""
        return tree.frontier_at(size, self._prover.hashes)

    def consistency(self, size: int) -> Sequence[bytes]:
        """Prove that the signed tree begins with the one of this size."""
        return self._prover.consistency(size, self.head.size)

    def reaches(self, size: int) -> bool:
        """Tell whether there is a consistency proof from an earlier size."""
        return size > 0 and self._prover.reaches(size)

    def continues(self, earlier: Checkpoint) -> bool:
        """Tell whether the log continues an earlier state; True as well when retention took what would tell."""
        return self._prover.continues(earlier)

    def anchors(self, stop: int, before: SnapshotSegment | None = None, *, size: int | None = None) -> list[Anchored]:
        """Return heads that somebody outside has seen, by size: at most two that were stamped, one that was cosigned.

        Args:
            stop: Index after the last entry that matters. The first stamp of a head that holds them all says the
                earliest that they were there; without such a one, the newest stamp says it of the most.
            before: A segment whose seal was written before the first entry that matters: the stamp that it names
                says the earliest that they can have been recorded.
            size: Of the head that they are linked to; this one when not given.
        """
        until = self.head.size if size is None else size
        sizes = [one.size for one in stamped(self._state) if one.size <= until]
        after = [size for size in sizes if size >= stop] or sizes[-1:]
        stamps = [read_stamp(self._state, after[0]) if after else None]
        if before is not None:
            stamps.append(named_stamp(self._state, before.seal.anchor, before.entry))
        notes = {parse_note(one.note)[0]: (one.note, one.answer) for one in stamps if one is not None}
        cosigned = self._prover.cosigned()
        if cosigned is not None:
            text, _ = parse_note(cosigned)
            notes[text] = (cosigned, notes[text][1] if text in notes else b"")
        found = [(parse_checkpoint(text).size, note, answer) for text, (note, answer) in notes.items()]
        return [
            Anchored(note, answer, self._prover.consistency(seen, until))
            for seen, note, answer in sorted(found)
            if seen <= until and self.reaches(seen)
        ]

    def linked(self, stop: int) -> list[Linked]:
        """Return heads that somebody outside has seen in the anchor log, by size, best of entries before `stop`."""
        found = AnchorLog(self._store.deciding, self._key).linked(self.head.origin, self.head.size, stop)
        return [one for one in found if self.reaches(one.head.size)]

    def record(self, position: int) -> int | None:
        """Return the index of the entry that recorded the purge of another, if it is still there."""
        return covering(position, self._purges)

    @cached_property
    def _purges(self) -> list[Entry]:
        return [one for one in purges(self._store, self._workspace) if one.index < self.head.size]

    def _state(self, name: str) -> bytes | None:
        return self._store.state(self._workspace, name)

    def _index(self, number: int) -> Index:
        return segment_index(self._store, self._workspace, number)

    def _binding(self, number: int) -> Index:
        return volume_index(self._store, self._workspace, number)

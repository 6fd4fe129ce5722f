"""A log at one signed head: everything that evidence is made of, all of it under one root.

What lives here: seals, indexes, headers and hashes as a store has them, read for one workspace. Which of them answer a
question is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

from whodid.errors import StoreCorrupt
from whodid.log.completing import covering, purges
from whodid.log.keys import DeploymentKey
from whodid.log.proving import Prover
from whodid.model import Entry
from whodid.proof import leaf, tree
from whodid.proof.index import Index, Lookup
from whodid.proof.seal import Seal
from whodid.sequence import Head
from whodid.store.base import Store, restore

__all__ = ["Disclosed", "Snapshot", "SnapshotSegment"]

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
        self._prover = Prover(store, workspace, head, key)
        self.head = head
        self.checkpoint = self._prover.checkpoint()
        self.vkey = key.verifier_key(head.origin)
        self._indexes = lru_cache(maxsize=_CACHED_INDEXES)(self._index)

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

    @property
    def origin(self) -> Sequence[bytes]:
        """The commitments to the salts of the first two segments."""
        return self.head.commitments

    def look_up(self, number: int, tag: bytes) -> tuple[Sequence[int], Lookup]:
        """Return the positions of a tag in a sealed segment, and the proof that there are no others."""
        return self._indexes(number).look_up(tag)

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

    def record(self, position: int) -> int | None:
        """Return the index of the entry that recorded the purge of another, if it is still there."""
        return covering(position, self._purges)

    @cached_property
    def _purges(self) -> list[Entry]:
        return [one for one in purges(self._store, self._workspace) if one.index < self.head.size]

    def _index(self, number: int) -> Index:
        data = self._store.postings(self._workspace, number)
        if data is None:
            raise StoreCorrupt(f"The index of segment {number} is missing", "Restore a backup")
        return Index.decode(data)

"""A log at one signed head: everything that evidence is made of, all of it under one root.

What lives here: seals, indexes, headers and hashes as a store has them, read for one workspace. Which of them answer a
question is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

from whodid import canonical
from whodid.errors import StoreCorrupt
from whodid.log.keys import DeploymentKey
from whodid.log.proving import Prover
from whodid.model import Entry
from whodid.proof import leaf, tree
from whodid.proof.index import Index, Lookup
from whodid.proof.seal import Seal, salt_commitment
from whodid.query import parse
from whodid.sequence import Head
from whodid.store.base import Store, restore

__all__ = ["Disclosed", "Snapshot", "SnapshotSegment"]

_CACHED_INDEXES = 2


class SnapshotSegment(NamedTuple):
    """A sealed segment.

    Args:
        index: Of the entry that carries the seal.
        salt: 32 bytes, or None once the segment has left.
    """

    seal: Seal
    index: int
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

    @cached_property
    def origin(self) -> Sequence[bytes]:
        """The commitments to the salts of the first two segments, as long as both are kept; else none."""
        salts = {one.number: one.salt for one in self._store.segments(self._workspace)}
        return [salt_commitment(number, salts[number]) for number in (0, 1)] if {0, 1} <= salts.keys() else []

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
        first, ranges = self._records
        if position < self.head.first:
            return first
        return next((index for low, high, index in ranges if low <= position < high), None)

    @cached_property
    def _records(self) -> tuple[int | None, list[tuple[int, int, int]]]:
        """Read the records of purges: the newest that covers everything below the head's first, and all ranges."""
        ranges: list[tuple[int, int, int]] = []
        newest: int | None = None
        asked = parse("action:audit.purged", now=canonical.from_micros(self.head.recorded_at))
        for kept in self._store.stream(self._workspace, asked, self.head.size):
            details = restore(kept, self._workspace).details or {}
            if kept.kind == leaf.PURGE:
                if newest is None and int(details.get("first", 0)) >= self.head.first:
                    newest = kept.index
                ranges += [(int(low), int(high), kept.index) for low, high in details.get("ranges", ())]
        return newest, ranges

    def _index(self, number: int) -> Index:
        data = self._store.postings(self._workspace, number)
        if data is None:
            raise StoreCorrupt(f"The index of segment {number} is missing", "Restore a backup")
        return Index.decode(data)

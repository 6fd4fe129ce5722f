"""Check segments, salts, indexes and seals as a sceptic would: every index is computed again from the content.

What a lying operator might do shows here as a fact: an entry left out of an index or put under another tag, a salt
that nobody committed to, a seal that does not follow the one before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from whodid.errors import ProofError
from whodid.log.anchors import MOST_STAMPS, read_stamp, stamped
from whodid.log.verify_index import check_index
from whodid.proof import leaf, tile, tree
from whodid.proof.seal import NOTHING, Seal, anchor_hash, check_chain, check_origin, salt_commitment
from whodid.sequence import DAY, Head, Segment
from whodid.store.base import Kept, Store

__all__ = ["SealCheck"]

Add = Callable[[int | None, str], None]


class SealCheck:
    """Check the seals of one workspace while its entries are read in order.

    Args:
        head: What is recorded after it is left out.
        add: Takes a problem: the entry at fault, or None, and the fact.
    """

    def __init__(self, store: Store, workspace: str, head: Head, segments: list[Segment], add: Add) -> None:
        self._store = store
        self._workspace = workspace
        self._head = head
        self._add = add
        self._segments = {segment.number: segment for segment in segments}
        self._kept = [one for one in store.seals(workspace) if one.number < head.sealed]
        self._by_index = {one.index: one for one in self._kept}
        self._seals: dict[int, Seal] = {}
        self._found: dict[bytes, list[int]] = {}
        self._present: set[int] = set()

    def entry(self, kept: Kept, header: leaf.Header, details: dict[str, object] | None) -> None:
        """Take an entry of the segment under way."""
        self._present.add(kept.index)
        for tag in dict.fromkeys(header.tags):
            self._found.setdefault(tag, []).append(kept.index)
        sealed = self._by_index.pop(kept.index, None)
        said = (details or {}).get("seal") if kept.kind == leaf.SEAL else None
        if (sealed.seal.hex() if sealed else None) != said:
            self._add(kept.index, "The seal that it carries is not the one that is kept")

    def segment(self, segment: Segment) -> None:
        """Compare the index of a segment with its entries, all of which were given."""
        found, present = self._found, self._present
        self._found, self._present = {}, set()
        seal = self._seals.get(segment.number)
        if segment.number >= self._head.sealed or seal is None:
            return
        name = f"of segment {segment.number}"
        compared = check_index(
            lambda: self._store.postings(self._workspace, segment.number),
            seal,
            found,
            present,
            self._add,
            name=name,
            done="sealed",
            within="its segment",
        )
        if compared and len(present) > seal.indexed:
            self._add(None, f"The seal {name} counts {seal.indexed} entries, and {len(present)} are there")

    def chain(self) -> None:
        """Check the seals among themselves, against the segments, and the salts against their commitments."""
        add, head = self._add, self._head
        for one in self._kept:
            try:
                self._seals[one.number] = Seal.decode(one.seal)
            except ProofError as error:
                add(one.index, f"The seal of segment {one.number} cannot be read: {error.fact}")
        seals = [self._seals[number] for number in sorted(self._seals)]
        if [seal.number for seal in seals] != list(range(head.sealed)):
            add(None, "Seals are missing")
        self._told(lambda: check_chain(seals))
        if (seals[-1].hash if seals else NOTHING) != head.chain:
            add(None, "The newest seal is not the one that the head says")
        if self._segments.get(head.segment.number) != head.segment:
            add(None, "The open segment is not the one that the head says")
        for seal in seals:
            for number, start in ((seal.number, seal.start), (seal.number + 1, seal.stop)):
                segment = self._segments.get(number)
                if segment is not None and segment.start != start:
                    add(segment.start, f"Segment {number} does not begin where the seals say")
        self._salts(seals)
        self._anchors(seals)
        self._day()

    def frozen(self, index: int, details: dict[str, Any], past: tree.Hashes) -> None:
        """Check the newest seal that a record of a purge names: that it is the kept one, and was in the tree.

        Args:
            index: Of the record.
            details: Of the record.
            past: Of the log's tree, as far down as it still is there.
        """
        said = details.get("seal")
        if said is None:
            return
        name = "The seal that the record of the purge names"
        try:
            data, at, size = bytes.fromhex(said["seal"]), int(said["index"]), int(said["size"])
            path = [bytes.fromhex(one) for one in said["path"]]
            if not any((one.number, one.index, one.seal) == (said["segment"], at, data) for one in self._kept):
                self._add(index, f"{name} is not the one that is kept")
            elif size > index:
                self._add(index, f"{name} is proven in a tree that was not there yet")
            elif size >= self._head.first // tile.TILE * tile.TILE:
                tree.check_inclusion(at, size, bytes.fromhex(said["leaf"]), path, tree.root_at(size, past))
        except (ProofError, ValueError, TypeError, KeyError):
            self._add(index, f"{name} is not where it says")

    def _day(self) -> None:
        """Compare the day of the open segment with its first entry that is not the seal of the one before."""
        head = self._head
        first = self._store.get(self._workspace, head.segment.start)
        if first is not None and first.kind == leaf.SEAL and head.segment.start + 1 < head.size:
            first = self._store.get(self._workspace, head.segment.start + 1)
        if first is not None and first.index < head.size and first.recorded_at // DAY != head.day:
            self._add(None, "The head says another day for the open segment than its first entry")

    def _salts(self, seals: Iterable[Seal]) -> None:
        head = self._head
        commitments = {seal.number + 2: seal.commitment for seal in seals}
        following = head.segment.number + 1
        salts = {number: segment.salt for number, segment in self._segments.items() if number < following}
        if head.next is not None:
            salts[following] = head.next
        commitments.update(enumerate(head.commitments))
        for number, salt in salts.items():
            if salt_commitment(number, salt) != commitments.get(number):
                self._add(None, f"The salt of segment {number} is not the one that was committed to")
        self._told(lambda: check_origin(head.origin, *head.commitments))

    def _anchors(self, seals: Iterable[Seal]) -> None:
        """Hold the seals against the time stamps that are kept: each names the newest that there was."""

        def state(name: str) -> bytes | None:
            return self._store.state(self._workspace, name)

        listed = stamped(state)
        kept = [stamp for one in listed if (stamp := read_stamp(state, one.size)) is not None]
        sizes = {anchor_hash(one.answer): one.size for one in kept}
        carriers = {one.number: one.index for one in self._kept}
        before, named = 0, False
        for seal in seals:
            name = f"The seal of segment {seal.number}"
            if seal.anchor == NOTHING:
                if named:
                    self._add(carriers[seal.number], f"{name} names no time stamp, and an earlier one does")
                continue
            named = True
            size = sizes.get(seal.anchor)
            if size is not None and not before <= size <= carriers[seal.number]:
                self._add(carriers[seal.number], f"{name} names a time stamp of a head that was not there yet")
            # The oldest stamps go when there are too many; until then every one that was named is kept.
            if size is None and (before or len(listed) < MOST_STAMPS):
                self._add(carriers[seal.number], f"{name} names a time stamp that is not kept")
            before = max(before, size or 0)

    def _told(self, check: Callable[[], None]) -> None:
        try:
            check()
        except ProofError as error:
            self._add(None, error.fact)

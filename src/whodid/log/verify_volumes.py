"""Check volumes as a sceptic would: their indexes are computed again from the content, under their own salts.

Nobody can do this from headers alone, whose tags are made with other salts: it takes the content. A file of evidence
holds every entry that it opens against the volume that named it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from whodid import canonical
from whodid.errors import ProofError, StoreError
from whodid.log.verify_index import check_index
from whodid.model import Entry
from whodid.proof import leaf
from whodid.proof.index import Index
from whodid.proof.leaf import TAG_SIZE, Header
from whodid.proof.seal import NOTHING
from whodid.proof.volume import Volume, check_volumes, seals_root, volume_salt_commitment
from whodid.sequence import Head, Sealed
from whodid.store.base import Kept, Store

__all__ = ["VolumeCheck"]

Add = Callable[[int | None, str], None]


class VolumeCheck:
    """Check the volumes of one workspace while its entries are read in order.

    Args:
        head: What is recorded after it is left out.
        seals: All of them, by the number of their segment.
        add: Takes a problem: the entry at fault, or None, and the fact.
    """

    def __init__(self, store: Store, workspace: str, head: Head, seals: Mapping[int, Sealed], add: Add) -> None:
        self._store = store
        self._workspace = workspace
        self._head = head
        self._seals = seals
        self._add = add
        self._kept = [one for one in store.volumes(workspace) if one.number < head.unbound.volumes]
        self._by_index = {one.index: one for one in self._kept}
        self._salts = {one.number: one.salt for one in self._kept if one.salt is not None}
        self._waiting: list[Volume] = []
        self._found: dict[bytes, list[int]] = {}
        self._second: tuple[int, Mapping[bytes, bytes]] = (-1, {})

    def chain(self) -> None:
        """Check the volumes among themselves, and against the seals and the head."""
        add, unbound = self._add, self._head.unbound
        volumes: list[Volume] = []
        for one in self._kept:
            try:
                volumes.append(Volume.decode(one.volume))
            except ProofError as error:
                add(one.index, f"Volume {one.number} cannot be read: {error.fact}")
        if [volume.number for volume in volumes] != list(range(unbound.volumes)):
            add(None, "Volumes are missing")
        try:
            check_volumes(volumes)
        except ProofError as error:
            add(None, error.fact)
        last = volumes[-1] if volumes else None
        said = (last.last + 1, last.stop, last.hash) if last else (0, 0, NOTHING)
        if said != (unbound.first, unbound.start, unbound.chain):
            add(None, "The newest volume is not the one that the head says")
        for volume in volumes:
            self._volume(volume)
        self._waiting = [volume for volume in volumes if volume.number in self._salts]

    def _volume(self, volume: Volume) -> None:
        seals = [self._seals.get(number) for number in range(volume.first, volume.last + 1)]
        if seals_root([one.seal for one in seals if one is not None]) != volume.seals:
            self._add(None, f"Volume {volume.number} holds other segments than it says")
        salt = self._salts.get(volume.number)
        if salt is not None and volume_salt_commitment(volume.number, salt) != volume.commitment:
            self._add(None, f"The salt of volume {volume.number} is not the one that it commits to")

    def entry(self, kept: Kept, header: Header, entry: Entry, segment: int) -> None:
        """Take an entry.

        Args:
            segment: Number of the one that it stands in.
        """
        said = (entry.details or {}).get("volume") if kept.kind == leaf.SEAL else None
        bound = self._by_index.pop(kept.index, None)
        if (bound.volume.hex() if bound else None) != said:
            self._add(kept.index, "The volume that it carries is not the one that is kept")
        while self._waiting and self._waiting[0].stop <= kept.index:
            self._compare(self._waiting.pop(0))
        values = canonical.tag_values(entry)
        if self._waiting and self._waiting[0].start <= kept.index:
            salt = self._salts[self._waiting[0].number]
            for tag in dict.fromkeys(leaf.tag(salt, *value) for value in values):
                self._found.setdefault(tag, []).append(kept.index)
        elif self._head.unbound.salt is not None and self._head.unbound.first <= segment < self._head.sealed:
            known, salt = self._second_of(segment), self._head.unbound.salt
            # What the index of the segment leaves out is told where that index is checked.
            carried = {tag: value for tag, value in zip(header.tags, values, strict=True) if tag in known}
            if any(known[tag] != leaf.tag(salt, *value) for tag, value in carried.items()):
                self._add(kept.index, "Its second tags are not those of what it says")

    def finish(self) -> None:
        """Compare what is left; every entry was given."""
        for volume in self._waiting:
            self._compare(volume)

    def _compare(self, volume: Volume) -> None:
        """Compare the index of a volume with its entries, all of which were given."""
        found, self._found = self._found, {}
        check_index(
            lambda: self._store.volume_postings(self._workspace, volume.number),
            volume,
            found,
            {position for carrying in found.values() for position in carrying},
            self._add,
            name=f"of volume {volume.number}",
            done="bound",
            within="its segments",
        )

    def _second_of(self, segment: int) -> Mapping[bytes, bytes]:
        """Return the second tags of a segment by its first ones, as far as it has any and its index can be read."""
        if self._second[0] != segment:
            tags = self._store.second(self._workspace, segment)
            known: Mapping[bytes, bytes] = {}
            try:
                stored = self._store.postings(self._workspace, segment) if tags is not None else None
                if tags is not None and stored is not None:
                    cut = [tags[at : at + TAG_SIZE] for at in range(0, len(tags), TAG_SIZE)]
                    known = dict(zip(Index.decode(stored).postings, cut, strict=True))
            except (ProofError, StoreError):
                known = {}  # told where the index is checked
            except ValueError:
                self._add(None, f"The second tags of segment {segment} are not as many as its index has")
            self._second = (segment, known)
        return self._second[1]

"""Proofs from a store: signed heads, inclusion and consistency, one workspace at one head."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache

import msgspec
from msgspec import Struct

from whodid import canonical
from whodid.errors import NotFound, Purged, Refuted, StoreCorrupt, StoreUnavailable
from whodid.log.keys import DeploymentKey
from whodid.model import Entry
from whodid.proof import leaf, tile, tree
from whodid.proof.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint, sign_checkpoint
from whodid.proof.note import Signature, Verifier, format_note, parse_note
from whodid.sequence import Head
from whodid.store.base import Kept, Store, restore
from whodid.store.moving import refuse

__all__ = ["Inclusion", "ProvenEntry", "Prover", "existing", "header_of", "levels_of"]

_CACHED_TILES = 64


class Inclusion(Struct, frozen=True, kw_only=True):
    """That a leaf is in a log.

    Args:
        index: Its place.
        size: Size of the tree that the path leads to.
        leaf: The encoded leaf header.
        path: RFC 6962 inclusion proof, hashes of 32 bytes.
        checkpoint: Signed note over the tree of that size.
        vkey: The key that checks the note.
    """

    index: int
    size: int
    leaf: bytes
    path: list[bytes]
    checkpoint: str
    vkey: str


class ProvenEntry(Struct, frozen=True, kw_only=True):
    """An entry with what is needed to recompute its leaf and to find it in the tree.

    Args:
        kind: Leaf kind.
        salts: One of 16 bytes per field, in the order of `canonical.fields`; the commitment (32) of an erased one.
        tags: Of 16 bytes each.
        path: RFC 6962 inclusion proof.
    """

    entry: Entry
    kind: int
    salts: list[bytes]
    tags: tuple[bytes, ...]
    path: list[bytes]


class _Signed(Struct, frozen=True):
    size: int
    note: str


class Prover:
    """Build proofs for one workspace at the head it is given.

    Args:
        head: The head whose size the proofs lead to.
    """

    def __init__(self, store: Store, workspace: str, head: Head, key: DeploymentKey) -> None:
        self.head = head
        self._store = store
        self.workspace = workspace
        self._key = key
        self._segments = store.segments(workspace)
        self._starts = [segment.start for segment in self._segments]
        self._levels = lru_cache(maxsize=_CACHED_TILES)(self._read_levels)

    def checkpoint(self) -> str:
        """Return the head as a signed note; one signature serves all entries since the last one.

        Raises:
            StoreCorrupt: More was signed than the log has, or another history: it is an older copy.
            StoreMoved: The log is kept in another store, which signs what is new.
            StoreUnavailable: A replica showed a head that the log itself does not have.
        """
        known, signed = self._signed_last()
        self._refuse_older(signed)
        if signed is not None and signed.size == self.head.size:
            return signed.note
        refuse(self._store.mark())
        checkpoint = Checkpoint(origin=self.head.origin, size=self.head.size, root=self.head.root)
        self._refuse_foreign(checkpoint)
        newer = signed is None or signed.size < self.head.size
        if newer and self._key.floor is not None:
            self._key.floor.raise_to(checkpoint)
        text = sign_checkpoint(checkpoint, self._key.signer(self.head.origin))
        if newer:
            # Another process may have signed a newer head meanwhile; then that one stays.
            made = msgspec.json.encode(_Signed(self.head.size, text))
            self._store.swap_state(self.workspace, "checkpoint", known, made)
        return text

    def check_signing(self) -> None:
        """Look whether the head can be signed; see `Log.check_signing`."""
        self._refuse_older(self._signed_last()[1])

    def _signed_last(self) -> tuple[bytes | None, _Signed | None]:
        """Return what the store remembers of the newest signed head, as it is kept and as it is read."""
        known = self._store.state(self.workspace, "checkpoint")
        return known, msgspec.json.decode(known, type=_Signed) if known else None

    def cosigned(self) -> str | None:
        """Return the newest signed head that a witness has cosigned."""
        known = self._store.state(self.workspace, "cosigned")
        return msgspec.json.decode(known, type=_Signed).note if known else None

    def add_cosignatures(self, note: str, signatures: Sequence[Signature]) -> str:
        """Put signatures of witnesses under a head that this log signed; see `Log.add_cosignatures`."""
        text, given = parse_note(note)
        note = self._signed_by_more("checkpoint", text, [*given, *signatures])
        return self._signed_by_more("cosigned", text, parse_note(note)[1])

    def _signed_by_more(self, name: str, text: str, signatures: list[Signature]) -> str:
        """Keep a head under a name with all signatures that are known for it, unless a newer one is kept there."""
        size = parse_checkpoint(text).size
        while True:
            known = self._store.state(self.workspace, name)
            kept = msgspec.json.decode(known, type=_Signed) if known else None
            same = kept is not None and parse_note(kept.note)[0] == text
            before = parse_note(kept.note)[1] if kept is not None and same else []
            note = format_note(text, list(dict.fromkeys([*before, *signatures])))
            # What the log signed last is its own; here it only gains signatures.
            older = name == "cosigned" and (kept is None or kept.size < size)
            made = msgspec.json.encode(_Signed(size, note))
            if not (same or older) or made == known or self._store.swap_state(self.workspace, name, known, made):
                return note

    def _refuse_older(self, signed: _Signed | None) -> None:
        """Refuse to sign for a copy of the log that does not continue what was signed."""
        last = self._key.floor.last(self.head.origin) if self._key.floor is not None else None
        most = max(signed.size if signed else 0, last.size if last else 0)
        if most > self.head.size:
            # The log may have grown since this head was read.
            newest = self._store.deciding.head(self.workspace)
            if newest is None or newest.size < most:
                # Signing a smaller head again would lead to two different histories of one size.
                raise _older(f"The log has {self.head.size} entries, and {most} were signed already")
        elif last is not None and not (signed and last == parse_checkpoint(parse_note(signed.note)[0])):
            # Not the head that the database remembers: another process was faster, or the log grew on from a backup.
            self._refuse_other(last)

    def _refuse_foreign(self, checkpoint: Checkpoint) -> None:
        """Refuse to sign what only a replica says."""
        decides = self._store.deciding
        if decides is self._store:
            return
        newest = existing(decides, self.workspace)
        if not Prover(decides, self.workspace, newest, self._key).continues(checkpoint):
            raise StoreUnavailable(
                f"A replica shows a head of {checkpoint.size} entries that the log does not have", "Try again"
            )

    def reaches(self, size: int) -> bool:
        """Tell whether the hashes are still there that the tree of an earlier size was made of."""
        return size <= self.head.size and (size >= self.head.first // tile.TILE * tile.TILE or not size % tile.TILE)

    def continues(self, earlier: Checkpoint) -> bool:
        """Tell whether the log continues an earlier state; True as well when retention took what would tell."""
        if earlier.size > self.head.size or earlier.origin != self.head.origin:
            return False
        return not self.reaches(earlier.size) or tree.root_at(earlier.size, self.hashes) == earlier.root

    def hold_against(self, note: str) -> None:
        """Check that a signed head is an earlier state of the log; see `Log.hold_against`."""
        kept, _ = open_checkpoint(note, Verifier(self._key.verifier_key(self.head.origin)))
        if kept.size > self.head.size:
            raise Refuted(f"{kept.size} entries were signed and only {self.head.size} are there")
        if not self.reaches(kept.size):
            raise Purged(kept.size)
        if not self.continues(kept):
            raise Refuted(f"The log has another history than the one of which {kept.size} entries were signed")

    def _refuse_other(self, last: Checkpoint) -> None:
        if not self.continues(last):
            raise _older(f"The log has another history than the one of which {last.size} entries were signed")

    def inclusion(self, kept: Kept) -> Inclusion:
        """Prove that an entry is in the log."""
        return self.disclosed(kept)[0]

    def disclosed(self, kept: Kept) -> tuple[Inclusion, list[bytes]]:
        """Prove that an entry is in the log; return the salts of its fields as well."""
        header, salts = self.header(kept)
        inclusion = Inclusion(
            index=kept.index,
            size=self.head.size,
            leaf=header.encode(),
            path=tree.inclusion_proof(kept.index, self.head.size, self.hashes),
            checkpoint=self.checkpoint(),
            vkey=self._key.verifier_key(self.head.origin),
        )
        return inclusion, salts

    def proven(self, kept: Kept, entry: Entry) -> ProvenEntry:
        """Join an entry and its proof."""
        header, salts = self.header(kept, entry)
        return ProvenEntry(
            entry=entry,
            kind=kept.kind,
            salts=salts,
            tags=header.tags,
            path=tree.inclusion_proof(kept.index, self.head.size, self.hashes),
        )

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Prove that the tree of size `new` extends the one of size `old`."""
        new = min(new, self.head.size)
        return tree.consistency_proof(old, new, self.hashes)

    def header(self, kept: Kept, entry: Entry | None = None) -> tuple[leaf.Header, list[bytes]]:
        """Recompute a leaf header from the content; return it with the salts of the fields."""
        place = bisect_right(self._starts, kept.index) - 1
        if place < 0:
            raise Purged(kept.index)
        return header_of(kept, entry or restore(kept, self.workspace), self._segments[place].salt)

    def row(self, level: int, start: int, stop: int) -> list[bytes]:
        """Return the hashes of one tile level from `start` up to `stop`, as far as there are any; see `Log.hashes`."""
        if level == 0 and start < self.head.first // tile.TILE * tile.TILE:
            raise Purged(start)
        found: list[bytes] = []
        at, stop = start, min(stop, self.head.size >> 8 * level)
        while at < stop:
            number, first = divmod(at, tile.TILE)
            last = min(stop - number * tile.TILE, tile.TILE)
            row = self._levels(level, number)[0][first:last]
            if len(row) < last - first:
                raise StoreCorrupt(f"Tile {number} of level {level} is too short", "Run whodid verify")
            found += row
            at += len(row)
        return found

    def hashes(self, positions: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return roots of complete subtrees by (level, index), from tiles that are folded once."""
        found = []
        for level, index in positions:
            tile_level, number, start, count = tile.covering(level, index)
            rows = self._levels(tile_level, number)
            depth = count.bit_length() - 1
            place = start >> depth
            if depth >= len(rows) or place >= len(rows[depth]):
                raise StoreCorrupt(f"Tile {number} of level {tile_level} is too short", "Run whodid verify")
            found.append(rows[depth][place])
        return found

    def _read_levels(self, level: int, number: int) -> list[list[bytes]]:
        (hashes,) = self._store.tiles(self.workspace, [(level, number)])
        return levels_of(hashes)


def _older(fact: str) -> StoreCorrupt:
    return StoreCorrupt(
        fact,
        "The database was replaced by an older copy: restore the newest one, or keep this one to read and begin a new "
        "database",
    )


def levels_of(hashes: bytes) -> list[list[bytes]]:
    """Fold a tile: its hashes, the roots of their complete pairs, and so on up."""
    node = tree.node_hash
    row = [hashes[at : at + 32] for at in range(0, len(hashes), 32)]
    rows = [row]
    while len(row) > 1:
        pairs = iter(row)
        row = [node(left, right) for left, right in zip(pairs, pairs, strict=False)]
        rows.append(row)
    return rows


def existing(store: Store, workspace: str) -> Head:
    """Return the newest head of a log.

    Raises:
        NotFound: Nothing was ever recorded for this workspace.
    """
    head = store.head(workspace)
    if head is None:
        raise NotFound(f"Nothing was recorded for a workspace {workspace!r}", "Check its name")
    return head


def header_of(kept: Kept, entry: Entry, salt: bytes) -> tuple[leaf.Header, list[bytes]]:
    """Compute the leaf header of an entry from its content, its seed and the salt of its segment."""
    listed = canonical.fields(entry)
    tags = tuple([leaf.tag(salt, dimension, value) for dimension, value in canonical.tag_values(entry)])
    openings = leaf.openings(kept.seed, listed)
    root = leaf.content_root(leaf.bindings(openings, listed))
    return leaf.Header(kept.kind, kept.recorded_at, root, tags), openings

"""What a log is made of besides entries: its head, its segments with their seals, and the volumes that bind them."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from whodid.proof.seal import NOTHING

__all__ = ["Binding", "Bound", "Head", "Sealed", "Sealing", "Segment", "Unbound"]


class Segment(Struct, frozen=True, kw_only=True):
    """A run of entries whose tags share one salt, closed at UTC midnight or when it is full.

    Args:
        number: Zero-based.
        start: Index of its first entry.
        salt: 32 random bytes.
    """

    number: int
    start: int
    salt: bytes


class Sealed(Struct, frozen=True, kw_only=True):
    """The seal of a segment, as it is kept beside its entry.

    Args:
        number: Of the segment.
        index: Of the entry that carries the seal.
        seal: The encoded seal.
    """

    number: int
    index: int
    seal: bytes


class Bound(Struct, frozen=True, kw_only=True):
    """A volume, as it is kept beside its entry.

    Args:
        number: Of the volume.
        index: Of the entry that carries it.
        volume: The encoded volume.
        first: Number of its first segment: its salt and its index go with that one's.
        salt: 32 bytes; None once its index has gone.
    """

    number: int
    index: int
    volume: bytes
    first: int
    salt: bytes | None


class Unbound(Struct, frozen=True, kw_only=True):
    """Where the segments begin that no volume holds yet.

    Args:
        volumes: How many volumes there are.
        first: Number of the first segment that none of them holds.
        start: Index of its first entry.
        chain: Hash of the newest volume, 32 bytes.
        salt: Of the next volume, 32 bytes: the second tags of sealed segments are made with it. None before the first.
    """

    volumes: int = 0
    first: int = 0
    start: int = 0
    chain: bytes = NOTHING
    salt: bytes | None = None


class Head(Struct, frozen=True, kw_only=True):
    """What the log of a workspace is right now.

    Args:
        origin: Name of the log in its checkpoints.
        size: Number of leaves.
        root: RFC 6962 root of the tree of that size, 32 bytes.
        frontier: Roots of the maximal complete subtrees, largest first.
        first: Index below which all content was purged.
        recorded_at: Microseconds since 1970 of the newest entry; the next is never earlier.
        segment: The open segment.
        day: The UTC day of its first entry but a seal, in days since 1970.
        next: Salt of the segment after it; None until the segment before it is sealed.
        chain: Hash of the newest seal, 32 bytes.
        commitments: To the salts of the first two segments; they outlive those salts.
        unbound: What the next volume begins with.
    """

    origin: str
    size: int
    root: bytes
    frontier: tuple[bytes, ...]
    first: int
    recorded_at: int
    segment: Segment
    day: int
    next: bytes | None
    chain: bytes
    commitments: tuple[bytes, bytes]
    unbound: Unbound = Unbound()

    @property
    def sealed(self) -> int:
        """How many segments are sealed: all before the open one, or all but the last of those."""
        return self.segment.number - (self.next is None)

    @property
    def bare(self) -> bool:
        """Whether the open segment holds nothing but the seal of the one before: closing it would only add a seal."""
        sealed_here = self.segment.number > 0 and self.next is not None
        return self.size - self.segment.start <= sealed_here


class Sealing(NamedTuple):
    """A seal with what it brings.

    Args:
        number: Of the sealed segment.
        seal: Encoded.
        hash: Of the seal.
        previous: Hash of the seal before it.
        postings: The stored index of the segment.
        salt: 32 bytes, of the segment after the open one; the seal commits to it.
        second: Tags of the index under the salt of the next volume, in its order.
        volume_salt: That salt, 32 bytes; the one of the head, where it has one.
    """

    number: int
    seal: bytes
    hash: bytes
    previous: bytes
    postings: bytes
    salt: bytes
    second: bytes
    volume_salt: bytes


class Binding(NamedTuple):
    """A volume with what it brings.

    Args:
        number: Of the volume.
        first: Number of its first segment.
        last: Number of its last segment.
        stop: Index after its last entry.
        least: Nothing is bound when the log was purged up to here meanwhile: where its first segment ends.
        volume: Encoded.
        hash: Of the volume.
        salt: 32 bytes; None for segments whose own indexes are gone.
        postings: The stored index of the volume; empty likewise.
    """

    number: int
    first: int
    last: int
    stop: int
    least: int
    volume: bytes
    hash: bytes
    salt: bytes | None
    postings: bytes

r"""The volume: many neighbouring segments bound under one index, so that one proof answers for all of them.

The tags of a segment are blinded with its own salt, so the index of one segment says nothing about another. A volume
has a salt of its own, and its index holds every value of its segments under the tag that this salt makes. An entry of
the log carries the volume; volumes are chained by hash, so the newest one authenticates all others. What a volume says
of its segments' seals is the root of the RFC 6962 tree over them, so that a single seal can be shown without the rest.

Its salt may be chosen when it is bound: the root of the index and the commitment to the salt stand in one volume, and
whoever looks a value up does so with the one salt that fits.

The encodings (all integers big endian, times in µs since 1970, UTC)::

    volume     = version u8 | number u32 | first u32 | last u32 | start u64 | stop u64 | indexed u64 | keys u32
               | recorded first u64, last u64 | occurred first u64, last u64
               | seals root 32 | index root 32 | commitment 32 | previous 32
    hash       = SHA-256("whodid/volume/v1\n" | volume)
    commitment = SHA-256("whodid/volume-salt/v1\n" | u64 number | salt 32)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from whodid.errors import MalformedProof, Refuted
from whodid.proof import tree
from whodid.proof.fixed import Form, commit_salt
from whodid.proof.seal import NOTHING, Seal

__all__ = ["VOLUME_SIZE", "Volume", "check_seal", "check_volumes", "seal_path", "seals_root", "volume_salt_commitment"]

_FORM = Form("volume", "IIIQQQIQQQQ32s32s32s32s", b"whodid/volume/v1\n")
VOLUME_SIZE = _FORM.size

_SALT = b"whodid/volume-salt/v1\n"


class Volume(NamedTuple):
    """What is fixed of neighbouring segments once they are bound.

    Args:
        number: Of the volume, zero-based.
        first: Number of its first segment.
        last: Number of its last segment.
        start: Index of the first entry of the first segment.
        stop: Index after the last entry of the last one.
        indexed: Entries in the index: as many as the indexes of the segments had; 0 when these were gone already.
        keys: Different tags in the index.
        recorded_first: Microseconds since 1970 of the earliest `recorded_at` in the index; 0 when it is empty.
        recorded_last: Likewise of the latest.
        occurred_first: Microseconds since 1970 of the earliest `occurred_at` in the index; 0 when it is empty.
        occurred_last: Likewise of the latest.
        seals: Root of the RFC 6962 tree whose leaves are the encoded seals of the segments, 32 bytes.
        root: Root of the index, 32 bytes.
        commitment: To the salt of the volume, 32 bytes.
        previous: Hash of the volume before, 32 bytes; NOTHING in the first.
    """

    number: int
    first: int
    last: int
    start: int
    stop: int
    indexed: int
    keys: int
    recorded_first: int
    recorded_last: int
    occurred_first: int
    occurred_last: int
    seals: bytes
    root: bytes
    commitment: bytes
    previous: bytes

    def encode(self) -> bytes:
        """Return the bytes that an entry carries and the chain hashes."""
        return _FORM.write(self)

    @classmethod
    def decode(cls, data: bytes) -> Volume:
        """Read a volume back.

        Args:
            data: Exactly one encoded volume.

        Returns:
            The volume; encoding it again gives the same bytes.

        Raises:
            MalformedProof: It has another length, an unknown version, or numbers that contradict each other.
        """
        volume = cls(*_FORM.read(data))
        ordered = volume.recorded_first <= volume.recorded_last and volume.occurred_first <= volume.occurred_last
        spread = volume.stop - volume.start
        if not volume.first <= volume.last or not volume.last - volume.first < spread >= volume.indexed or not ordered:
            raise MalformedProof(f"The numbers of volume {volume.number} contradict each other")
        return volume

    @property
    def hash(self) -> bytes:
        """What the next volume calls its `previous`."""
        return _FORM.hash(self)


def volume_salt_commitment(number: int, salt: bytes) -> bytes:
    """Commit to the salt of a volume.

    Args:
        number: Of the volume.
        salt: 32 bytes.

    Returns:
        32 bytes that bind the salt and hide it.
    """
    return commit_salt(_SALT, number, salt)


def seals_root(seals: Sequence[bytes]) -> bytes:
    """Return the root of the tree over the encoded seals of a volume's segments, in their order."""
    frontier, _ = tree.extend((), 0, [tree.leaf_hash(seal) for seal in seals])
    return tree.root(frontier)


def seal_path(seals: Sequence[bytes], place: int) -> list[bytes]:
    """Prove that a seal stands in the tree over the encoded seals of a volume.

    Args:
        seals: All of them, in their order.
        place: Of the seal among them.
    """

    def hashes(positions: Sequence[tuple[int, int]]) -> list[bytes]:
        return [seals_root(seals[index << level : index + 1 << level]) for level, index in positions]

    return tree.inclusion_proof(place, len(seals), hashes)


def check_volumes(volumes: Sequence[Volume]) -> None:
    """Check that volumes follow one another without a gap, from any one on.

    Args:
        volumes: Oldest first. Who trusts the last one may trust all of them afterwards.

    Raises:
        Refuted: One does not follow the one before it, or the first does not begin the log.
    """
    before: Volume | None = None
    for volume in volumes:
        if before is None:
            follows = volume.number != 0 or (volume.first, volume.start, volume.previous) == (0, 0, NOTHING)
        else:
            place = (before.number + 1, before.last + 1, before.stop, before.hash)
            follows = (volume.number, volume.first, volume.start, volume.previous) == place
        if not follows:
            raise Refuted(f"Volume {volume.number} does not follow the one before it")
        before = volume


def check_seal(volume: Volume, data: bytes, path: Sequence[bytes]) -> Seal:
    """Check that a seal is the one of a segment of a volume.

    Args:
        data: The encoded seal.
        path: As `seal_path` builds it.

    Returns:
        The seal.

    Raises:
        MalformedProof: It is no seal, or the path has not the shape of one.
        Refuted: The volume has another one in its place, or the two contradict each other.
    """
    seal = Seal.decode(data)
    if not volume.first <= seal.number <= volume.last:
        raise Refuted(f"Segment {seal.number} is not bound in volume {volume.number}")
    count = volume.last - volume.first + 1
    tree.check_inclusion(seal.number - volume.first, count, tree.leaf_hash(data), path, volume.seals)
    outer = (seal.number == volume.first, seal.number == volume.last)
    starts, stops = seal.start == volume.start, seal.stop == volume.stop
    if not volume.start <= seal.start < seal.stop <= volume.stop or (starts, stops) != outer:
        raise Refuted(f"Volume {volume.number} begins or ends elsewhere than its segments")
    return seal

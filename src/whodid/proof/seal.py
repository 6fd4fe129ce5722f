r"""The seal of a segment: what it holds, under which root its index stands, and which salts come after it.

The entries of a log fall into segments. When a segment is closed, an entry of the next one carries its seal; seals are
chained by hash, so the newest one authenticates all others. The salt that blinds the tags of a segment is committed to
two seals earlier, before the segment has its first entry, so it cannot be chosen afterwards. For the first two segments
the origin of the log commits, and every checkpoint ever signed carries the origin.

The encodings (all integers big endian, times in µs since 1970, UTC)::

    seal       = version u8 | number u32 | start u64 | stop u64 | indexed u32 | keys u32
               | recorded first u64, last u64 | occurred first u64, last u64
               | index root 32 | commitment 32 | previous 32 | anchor 32
    hash       = SHA-256("whodid/seal/v1\n" | seal)
    commitment = SHA-256("whodid/segment-salt/v1\n" | u64 number | salt 32)
    anchor     = SHA-256("whodid/anchor/v1\n" | time stamp, DER)
    origin id  = first 40 hex digits of SHA-256("whodid/origin/v1\n" | commitment of 0 | commitment of 1)
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from whodid.errors import MalformedProof, Refuted
from whodid.proof.fixed import Form, commit_salt

__all__ = [
    "NOTHING",
    "SEAL_SIZE",
    "Seal",
    "anchor_hash",
    "check_chain",
    "check_origin",
    "origin_id",
    "salt_commitment",
]

NOTHING = bytes(32)
"""Stands for a previous seal or an anchor that there is not."""

_FORM = Form("seal", "IQQIIQQQQ32s32s32s32s", b"whodid/seal/v1\n")
SEAL_SIZE = _FORM.size

_SALT = b"whodid/segment-salt/v1\n"
_ORIGIN = b"whodid/origin/v1\n"
_ANCHOR = b"whodid/anchor/v1\n"
_ORIGIN_DIGITS = 40


class Seal(NamedTuple):
    """What is fixed of a segment once it is closed.

    Args:
        number: Of the segment, zero-based.
        start: Index of its first entry.
        stop: Index of the first entry of the next segment; greater than `start`.
        indexed: Entries in the index: all, unless content had gone before the segment was sealed.
        keys: Different tags in the index.
        recorded_first: Microseconds since 1970 of the earliest `recorded_at` in the index; 0 when it is empty.
        recorded_last: Likewise of the latest.
        occurred_first: Microseconds since 1970 of the earliest `occurred_at` in the index; 0 when it is empty.
        occurred_last: Likewise of the latest.
        root: Root of the index, 32 bytes.
        commitment: To the salt of the segment after the next, 32 bytes.
        previous: Hash of the seal of the segment before, 32 bytes; NOTHING in the first.
        anchor: Hash of the newest outside anchor known, 32 bytes; NOTHING when none is.
    """

    number: int
    start: int
    stop: int
    indexed: int
    keys: int
    recorded_first: int
    recorded_last: int
    occurred_first: int
    occurred_last: int
    root: bytes
    commitment: bytes
    previous: bytes
    anchor: bytes

    def encode(self) -> bytes:
        """Return the bytes that an entry carries and the chain hashes."""
        return _FORM.write(self)

    @classmethod
    def decode(cls, data: bytes) -> Seal:
        """Read a seal back.

        Args:
            data: Exactly one encoded seal.

        Returns:
            The seal; encoding it again gives the same bytes.

        Raises:
            MalformedProof: It has another length, an unknown version, or numbers that contradict each other.
        """
        seal = cls(*_FORM.read(data))
        ordered = seal.recorded_first <= seal.recorded_last and seal.occurred_first <= seal.occurred_last
        if not seal.start < seal.stop or not 0 <= seal.indexed <= seal.stop - seal.start or not ordered:
            raise MalformedProof(f"The numbers in the seal of segment {seal.number} contradict each other")
        return seal

    @property
    def hash(self) -> bytes:
        """What the next seal calls its `previous`."""
        return _FORM.hash(self)


def anchor_hash(stamp: bytes) -> bytes:
    """Return what a seal says of a time stamp (TimeStampResp of RFC 3161): it was there before the seal."""
    return sha256(_ANCHOR + stamp).digest()


def salt_commitment(number: int, salt: bytes) -> bytes:
    """Commit to the salt of a segment.

    Args:
        number: Of the segment.
        salt: 32 bytes.

    Returns:
        32 bytes that bind the salt and hide it.
    """
    return commit_salt(_SALT, number, salt)


def origin_id(first: bytes, second: bytes) -> str:
    """Return the last part of a log's origin from the commitments to the salts of its first two segments."""
    return sha256(_ORIGIN + first + second).hexdigest()[:_ORIGIN_DIGITS]


def check_origin(origin: str, first: bytes, second: bytes) -> None:
    """Check that an origin commits to the salts of the first two segments.

    Args:
        origin: Of a checkpoint.
        first: Commitment to the salt of segment 0, 32 bytes.
        second: Commitment to the salt of segment 1, 32 bytes.

    Raises:
        Refuted: It does not.
    """
    if origin.rpartition("/")[2] != origin_id(first, second):
        raise Refuted("The origin of the log does not commit to the salts of its first segments")


def check_chain(seals: Sequence[Seal]) -> None:
    """Check that seals follow one another without a gap, from any segment on.

    Args:
        seals: Oldest first. Who trusts the last one may trust all of them afterwards.

    Raises:
        Refuted: One does not follow the one before it, or the first segment does not begin the log.
    """
    if seals and seals[0].number == 0 and (seals[0].start or seals[0].previous != NOTHING):
        raise Refuted("The seal of segment 0 does not begin the log")
    before: Seal | None = None
    for seal in seals:
        if before is not None and (seal.number, seal.start, seal.previous) != (
            before.number + 1,
            before.stop,
            before.hash,
        ):
            raise Refuted(f"The seal of segment {seal.number} does not follow the seal of segment {before.number}")
        before = seal

r"""The leaf: a fixed binary header that binds an entry without containing any of it.

What lives here: the header's bytes, salted field commitments, the content root, blinded tags, and how salts come from a
seed. Bytes and integers only; which fields an entry has is decided in `whodid.canonical`.

The encodings (all integers big endian)::

    header  = version u8 | kind u8 | recorded_at u64 (µs since 1970, UTC) | content root 32 | tag count u8 | tag 16 …
    leaf    = SHA-256(0x00 | header)                                          RFC 6962, 2.1
    commit  = SHA-256("whodid/field/v1\n" | salt 16 | u16 length | path | u32 length | value)
    root    = SHA-256("whodid/content/v1\n" | u16 count | commit …)
    tag     = first 16 bytes of SHA-256("whodid/tag/v1\n" | segment salt 32 | dimension u8 | value)
    salts   = SHAKE-256("whodid/salts/v1\n" | seed), cut into pieces of 16 bytes

The salt has a fixed length and every variable part carries its length, so no two different inputs share an encoding.
A seed never leaves the store: who discloses a field discloses that field's salt only.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence
from functools import lru_cache
from hashlib import sha256, shake_256
from typing import NamedTuple

from whodid.errors import MalformedProof

__all__ = [
    "ACTION",
    "ACTOR",
    "COMMITMENT_SIZE",
    "ERASURE",
    "EVENT",
    "KEY_CHANGE",
    "LOG_LINK",
    "PURGE",
    "RESOURCE",
    "SALT_SIZE",
    "SEAL",
    "SEED_SIZE",
    "TAG_SIZE",
    "Field",
    "Header",
    "bindings",
    "commit",
    "commitments",
    "content_root",
    "openings",
    "puncture",
    "salts",
    "tag",
]

VERSION = 1

EVENT, SEAL, ERASURE, PURGE, KEY_CHANGE, LOG_LINK = 1, 2, 3, 4, 5, 6
"""Kinds of leaf. Verifiers refuse a kind that they do not know."""

ACTOR, RESOURCE, ACTION = 1, 2, 3
"""Dimensions of a tag. A related resource has a tag of the dimension RESOURCE, so that a history is complete."""

SEED_SIZE = 16  # as much as a salt has: a longer seed would hide nothing better
_SEED_SIZES = (SEED_SIZE, 32)  # entries of earlier releases have the longer one
SALT_SIZE = 16
COMMITMENT_SIZE = 32
TAG_SIZE = 16
MAX_TAGS = 255

_FIXED = struct.Struct(">BBQ32sB")
_FIELD = b"whodid/field/v1\n"
_CONTENT = b"whodid/content/v1\n"
_TAG = b"whodid/tag/v1\n"
_SALTS = b"whodid/salts/v1\n"
_SALTED, _GONE = b"\0", b"\1"

Field = tuple[bytes, bytes | None]
"""Path and value of a field of an entry; the value is None where it was erased."""


class Header(NamedTuple):
    """What a leaf says in clear.

    Args:
        kind: One of EVENT, SEAL, ERASURE, PURGE, KEY_CHANGE, LOG_LINK.
        recorded_at: Microseconds since 1970-01-01T00:00:00Z.
        root: Content root, 32 bytes.
        tags: Blinded tags, 16 bytes each: actor, action, resource, then related resources.
    """

    kind: int
    recorded_at: int
    root: bytes
    tags: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Return the bytes whose RFC 6962 leaf hash stands in the tree."""
        return _FIXED.pack(VERSION, self.kind, self.recorded_at, self.root, len(self.tags)) + b"".join(self.tags)

    @classmethod
    def decode(cls, data: bytes) -> Header:
        """Read a header back.

        Args:
            data: Exactly one encoded header.

        Returns:
            The header; encoding it again gives the same bytes.

        Raises:
            MalformedProof: The version or the kind is unknown, or the length does not fit the tag count.
        """
        if len(data) < _FIXED.size:
            raise MalformedProof(f"A leaf header has at least {_FIXED.size} bytes and this has {len(data)}")
        version, kind, recorded_at, root, count = _FIXED.unpack_from(data)
        if version != VERSION:
            raise MalformedProof(f"Leaf version {version} is unknown", "Verify with a newer whodid")
        if not EVENT <= kind <= LOG_LINK:
            raise MalformedProof(f"Leaf kind {kind} is unknown", "Verify with a newer whodid")
        if len(data) != _FIXED.size + TAG_SIZE * count:
            raise MalformedProof(f"A leaf header with {count} tags does not have {len(data)} bytes")
        tags = tuple(data[at : at + TAG_SIZE] for at in range(_FIXED.size, len(data), TAG_SIZE))
        return cls(kind, recorded_at, root, tags)


def salts(seed: bytes, count: int) -> list[bytes]:
    """Derive the salts of an entry's fields.

    Args:
        seed: Random bytes, SEED_SIZE or more, kept with the entry and never disclosed.
        count: Number of fields.

    Returns:
        One salt of 16 bytes per field, in the order of the fields.
    """
    stream = shake_256(_SALTS + seed).digest(SALT_SIZE * count)
    return [stream[at : at + SALT_SIZE] for at in range(0, SALT_SIZE * count, SALT_SIZE)]


def commit(salt: bytes, path: bytes, value: bytes) -> bytes:
    """Commit to one field.

    Args:
        salt: 16 bytes.
        path: UTF-8 path of the field, under 64 KiB.
        value: The exact bytes that would be disclosed (UTF-8 JSON text), under 4 GiB.

    Returns:
        32 bytes that bind path and value, and hide both from whoever lacks the salt.
    """
    return sha256(_FIELD + salt + len(path).to_bytes(2) + path + len(value).to_bytes(4) + value).digest()


def commitments(seed: bytes, fields: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
    """Commit to all fields of an entry at once: `commit` under the `salts` of the seed.

    Args:
        seed: Random bytes, SEED_SIZE or more.
        fields: (path, value) pairs.

    Returns:
        One commitment of 32 bytes per field, in order.
    """
    stream = shake_256(_SALTS + seed).digest(SALT_SIZE * len(fields))
    found = []
    at = 0
    # One concatenation and one hash per field: this loop is most of what a proof costs on the way in.
    for path, value in fields:
        salt = stream[at : at + SALT_SIZE]
        at += SALT_SIZE
        found.append(sha256(b"".join((_FIELD, salt, _framed(path), len(value).to_bytes(4), value))).digest())
    return found


@lru_cache(maxsize=1024)
def _framed(path: bytes) -> bytes:
    """Return a path with its length before it; there are few."""
    return len(path).to_bytes(2) + path


def puncture(openings: Sequence[bytes], fields: Sequence[Field], gone: Collection[bytes]) -> bytes:
    """Forget the salts of some fields of an entry, and with them every way to their values.

    Args:
        openings: Of all fields, as `openings` returns them.
        fields: All (path, value) pairs of the entry in their order; the value is None where it went earlier.
        gone: Paths of the fields to forget.

    Returns:
        The secret that takes the place of the seed: for each field a byte and what stays, 0 and its salt, or 1 and its
        commitment. Neither the seed nor a salt that went can be computed from it.
    """
    kept = []
    for (path, value), opening in zip(fields, openings, strict=True):
        if value is None:
            kept.append(_GONE + opening)
        elif path in gone:
            kept.append(_GONE + commit(opening, path, value))
        else:
            kept.append(_SALTED + opening)
    return b"".join(kept)


def openings(secret: bytes, fields: Sequence[Field]) -> list[bytes]:
    """Return what opens each field of an entry: its salt (16 bytes), or the commitment (32) of one that is gone.

    Args:
        secret: A seed, or what `puncture` returned.
        fields: All (path, value) pairs in their order; the value is None where it is gone.

    Raises:
        MalformedProof: The secret is not one of an entry with these fields.
    """
    if len(secret) in _SEED_SIZES and all(value is not None for _, value in fields):
        return salts(secret, len(fields))
    found = []
    at = 0
    for _, value in fields:
        sign, size = (_GONE, COMMITMENT_SIZE) if value is None else (_SALTED, SALT_SIZE)
        if secret[at : at + 1] != sign:
            raise MalformedProof("The secret of an entry does not fit its fields")
        found.append(secret[at + 1 : at + 1 + size])
        at += 1 + size
    if at != len(secret):
        raise MalformedProof("The secret of an entry does not fit its fields")
    return found


def bindings(openings: Sequence[bytes], fields: Sequence[Field]) -> list[bytes]:
    """Return the commitment of every field of an entry, of those that are gone too.

    Args:
        openings: Of all fields, as `openings` returns them.
        fields: All (path, value) pairs in their order; the value is None where it is gone.
    """
    return [
        opening if value is None else commit(opening, path, value)
        for (path, value), opening in zip(fields, openings, strict=True)
    ]


def content_root(commitments: Sequence[bytes]) -> bytes:
    """Bind all fields of an entry, in order.

    Args:
        commitments: 32 bytes each, at most 65,535.

    Returns:
        32 bytes.
    """
    return sha256(_CONTENT + len(commitments).to_bytes(2) + b"".join(commitments)).digest()


def tag(segment_salt: bytes, dimension: int, value: bytes) -> bytes:
    """Blind a value that somebody may ask for.

    Args:
        segment_salt: 32 bytes, common to the entries of one segment.
        dimension: ACTOR, RESOURCE or ACTION.
        value: For an actor and a resource its type, a zero byte and its id; for an action its name.

    Returns:
        16 bytes, equal for equal values within the segment and unlinkable across segments.
    """
    return sha256(b"%b%b%c%b" % (_TAG, segment_salt, dimension, value)).digest()[:TAG_SIZE]

"""The shapes of proofs; bytes are base64 in JSON."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from whodid.viewer.shapes.entries import SeenEntry, Shape

__all__ = ["Checkpoint", "Consistency", "Hashes", "Proof", "Proofs"]


class ProvenField(Shape, frozen=True):
    """A field of an entry, bound to its leaf: path, salt and value, or the bare commitment where it is hidden.

    Args:
        value: Canonical JSON of the value.
    """

    path: str | UnsetType = UNSET
    salt: bytes | UnsetType = UNSET
    value: str | UnsetType = UNSET
    commitment: bytes | UnsetType = UNSET


class Proof(Shape, frozen=True):
    """That an entry is in the log.

    Args:
        leaf: Leaf header.
        path: Inclusion proof (RFC 6962, 2.1.1).
        checkpoint: Signed head (C2SP tlog-checkpoint).
        vkey: The key that checks it (C2SP signed-note).
    """

    index: int
    size: int
    leaf: bytes
    path: list[bytes]
    checkpoint: str
    vkey: str
    fields: list[ProvenField]


class ProvenEntry(Shape, frozen=True):
    """An entry with its proof under the common head."""

    entry: SeenEntry
    leaf: bytes
    path: list[bytes]
    fields: list[ProvenField]


class Proofs(Shape, frozen=True):
    """Many entries with their proofs under one signed head, which is absent when none is shown."""

    items: list[ProvenEntry]
    size: int | UnsetType = UNSET
    checkpoint: str | UnsetType = UNSET
    vkey: str | UnsetType = UNSET


class Checkpoint(Shape, frozen=True):
    """The signed head of the log.

    Args:
        first: The first index that may still have content.
        viewer: Opaque name of this viewer in this workspace, for what a page remembers.
    """

    size: int
    first: int
    checkpoint: str
    vkey: str
    viewer: str


class Consistency(Shape, frozen=True):
    """That the log of size `to` extends the one of size `from` (RFC 6962, 2.1.2)."""

    from_: int = msgspec.field(name="from")
    to: int
    path: list[bytes]


class Hashes(Shape, frozen=True):
    """Hashes of the tree.

    Args:
        hashes: 32 bytes each, one after the other.
    """

    size: int
    start: int
    count: int
    hashes: bytes

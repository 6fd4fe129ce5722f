"""Entries as NDJSON: exact, one entry in wire form per line; with proofs, a file that verifies on its own.

Pure renderers: bytes in, bytes out. A file with proofs looks like this::

    {"workspace":"acme","index":7, … ,"proof":{"kind":1,"path":["…"],"salts":["…"],"tags":["…"]}}
    …
    {"whodid":"export","version":1,"workspace":"acme","origin":"…","query":"…","count":1,"size":8,"exported_at":"…",
     "checkpoint":"…","vkey":"…","anchors":[…],"sha256":"…"}

Each entry carries what binds it to the signed checkpoint of the last line, the manifest (one line in the file). Lines
are in the order of `Log.stream`: newest first by (occurred_at, index). Hashes and salts are base64. `sha256` covers
every byte before the manifest and then the manifest with `sha256` empty: it finds accidents; what finds lies are the
proofs. Every line has one spelling only, and ends in a newline.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from whodid import canonical

if TYPE_CHECKING:
    from hashlib import _Hash

    # The verifier reads these structs too, and it must not need a log.
    from whodid.log import ProvenEntry

__all__ = ["VERSION", "Anchor", "Manifest", "Proof", "render", "render_proven", "seal"]

VERSION = 1


class Proof(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a line carries besides its entry.

    Args:
        kind: Kind of the leaf.
        path: Inclusion proof (RFC 6962, 2.1.1), leaf to root; base64.
        salts: One per field, in the order of `canonical.fields`; the commitment of a field that was erased or that is
            hidden in this file; base64.
        tags: Of the leaf header; base64.
        hidden: Paths of the fields that whoever made the file hid, in their order; the entry is without their values.
    """

    kind: int
    path: list[str]
    salts: list[str]
    tags: list[str]
    hidden: tuple[str, ...] = ()


class Anchor(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An earlier head of the log, or this one, that somebody outside has seen; as in evidence (docs/spec/anchors.md).

    Args:
        checkpoint: Signed note; signatures of witnesses stand in it.
        consistency: From the tree of that head to the one of the manifest: hashes in one, base64.
        stamp: Time stamp of that head (RFC 3161), base64, or empty.
    """

    checkpoint: str
    consistency: str
    stamp: str


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last line of a file with proofs.

    Args:
        query: What was asked for, in canonical form.
        count: Entries in the file.
        size: Entries in the log at the checkpoint.
        checkpoint: Signed note over the tree of that size.
        vkey: The key that is said to have signed; whoever verifies gets it from elsewhere.
        anchors: By size; the member is not there when there are none.
        sha256: Over the file as described above, hexadecimal.
    """

    whodid: str = "export"
    version: int = VERSION
    workspace: str
    origin: str
    query: str
    count: int
    size: int
    exported_at: datetime
    checkpoint: str
    vkey: str
    anchors: list[Anchor] = []
    sha256: str = ""

    def encode(self) -> bytes:
        """Return the only spelling of the line, with its newline."""
        fields = {**msgspec.structs.asdict(self), "exported_at": canonical.time_text(self.exported_at)}
        if not self.anchors:
            del fields["anchors"]
        return msgspec.json.encode(fields) + b"\n"


def render(wire: Iterable[bytes]) -> Iterator[bytes]:
    """Write entries in wire form as lines.

    Args:
        wire: As `Log.stream_wire` yields them, or `canonical.wire` makes them.
    """
    for entry in wire:
        yield entry + b"\n"


def render_proven(entries: Iterable[tuple[ProvenEntry, Sequence[str]]]) -> Iterator[bytes]:
    """Write entries with their proofs as lines; the manifest is still to come (`seal`).

    Args:
        entries: Each with the paths of the fields that are hidden in it.
    """
    for proven, hidden in entries:
        proof = Proof(
            kind=proven.kind,
            path=[b64encode(value).decode() for value in proven.path],
            salts=[b64encode(value).decode() for value in proven.salts],
            tags=[b64encode(value).decode() for value in proven.tags],
            hidden=tuple(hidden),
        )
        yield b'%b,"proof":%b}\n' % (canonical.wire(proven.entry)[:-1], canonical.encode(proof))


def seal(manifest: Manifest, before: _Hash) -> Manifest:
    """Complete a manifest with the digest of the file.

    Args:
        manifest: Its `sha256` is not looked at.
        before: Running SHA-256 over every byte before the manifest; it is left as it is.
    """
    running = before.copy()
    running.update(msgspec.structs.replace(manifest, sha256="").encode())
    return msgspec.structs.replace(manifest, sha256=running.hexdigest())

"""Checkpoints: the size and root of a log, as a text that the log and its witnesses sign.

The format is C2SP tlog-checkpoint (https://c2sp.org/tlog-checkpoint), a note with a text of at least three lines::

    example.com/behind-the-sofa
    20852163
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

the origin (the name of the log, for good), the number of leaves in decimal, and the base64 of the RFC 6962 root. More
lines may follow; what they mean is not known here, and the checkpoints of whodid have none, because newer signature
types do not cover them.

Whoever opens a checkpoint learns that a key stands for it, not that it is true: that this root follows an earlier one
is what a consistency proof says (`whodid.proof.tree`), and that everybody is shown the same root is what witnesses are
for.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass

from whodid.errors import MalformedProof, Refuted, UnverifiedNote
from whodid.proof.note import Note, Signer, Verifier, check_text, decode_base64, open_note, sign_note
from whodid.proof.tree import HASH_SIZE

__all__ = [
    "MAX_SIZE",
    "Checkpoint",
    "format_checkpoint",
    "open_checkpoint",
    "parse_checkpoint",
    "sign_checkpoint",
]

MAX_SIZE = (1 << 63) - 1
"""The largest size that is accepted: what a signed 64-bit integer holds, in databases as in other implementations."""

_LINES = 3
# At most 19 digits: a longer number is refused before it is read.
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A state that a log was in.

    Args:
        origin: Name of the log.
        size: Number of leaves.
        root: RFC 6962 root of the tree of that size, 32 bytes.
        extensions: Further lines, without their newlines; their meaning is the log's.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()


def format_checkpoint(checkpoint: Checkpoint) -> str:
    """Return the text of a checkpoint, to be signed; the inverse of `parse_checkpoint`.

    Raises:
        MalformedProof: If `parse_checkpoint` would read another checkpoint from it, or none.
    """
    root = b64encode(checkpoint.root).decode()
    text = "".join(f"{line}\n" for line in (checkpoint.origin, checkpoint.size, root, *checkpoint.extensions))
    if parse_checkpoint(text) != checkpoint:
        raise MalformedProof("The origin or an extension of the checkpoint is more than one line")
    return text


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint: the text of a note, not the note.

    Raises:
        MalformedProof: If it is not a checkpoint.
    """
    check_text(text)
    lines = text[:-1].split("\n")
    if len(lines) < _LINES or not all(lines):
        raise MalformedProof("A checkpoint is not three or more lines, none of them empty")
    origin, size, root, *extensions = lines
    if not _SIZE.fullmatch(size) or int(size) > MAX_SIZE:
        raise MalformedProof("The size of the checkpoint is not a decimal number below 2^63 without leading zeros")
    root_hash = decode_base64(root)
    if len(root_hash) != HASH_SIZE:
        raise MalformedProof(f"The root of the checkpoint has {len(root_hash)} bytes instead of 32")
    return Checkpoint(origin=origin, size=int(size), root=root_hash, extensions=tuple(extensions))


def sign_checkpoint(checkpoint: Checkpoint, *signers: Signer) -> str:
    """Return a checkpoint as a note with the signature of every signer.

    A log must never sign two checkpoints of which one does not continue the other; to make sure of that is the
    caller's task.

    Raises:
        MalformedProof: If the checkpoint cannot be written, or there is no signer.
    """
    return sign_note(format_checkpoint(checkpoint), *signers)


def open_checkpoint(
    data: str | bytes, log: Verifier, *, origin: str | None = None, witnesses: Iterable[Verifier] = ()
) -> tuple[Checkpoint, Note]:
    """Read a checkpoint that a certain log has signed.

    Args:
        data: The signed checkpoint, as text or as the UTF-8 of it.
        log: Key of the log. Signatures of witnesses alone do not make a checkpoint the log's.
        origin: Name of the log; by default that of its key, as C2SP recommends.
        witnesses: Keys of witnesses. How many of them must have signed is for the caller to decide, by `note.known`.

    Returns:
        The checkpoint, and the note with the signatures on it.

    Raises:
        MalformedProof: If it is not a signed checkpoint.
        Refuted: If a signature of a known key does not hold, or the checkpoint is that of another log.
        UnverifiedNote: If the log did not sign it.
        InvalidSetting: If two of the keys share name and id.
    """
    note = open_note(data, (log, *witnesses))
    if not any(known.by == log for known in note.known):
        raise UnverifiedNote(
            f"Only witnesses signed the checkpoint, not the key {log.name}+{log.key_id.hex()} of the log",
            "Ask the log for its checkpoint",
        )
    checkpoint = parse_checkpoint(note.text)
    wanted = log.name if origin is None else origin
    if checkpoint.origin != wanted:
        raise Refuted(f"The checkpoint is that of the log {checkpoint.origin}, not of {wanted}")
    return checkpoint, note

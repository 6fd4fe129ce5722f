"""The signed head that an evidence document leans on, and the earlier ones that it is said to continue.

What lives here: what the log signed, and that it went on from every head that somebody outside saw. What stands below
the head is in `pieces`.
"""

from __future__ import annotations

from collections.abc import Collection
from hashlib import sha256

from msgspec import UNSET

from whodid.errors import InvalidSetting, MalformedProof
from whodid.evidence.document import Document, Link
from whodid.evidence.pieces import UNREADABLE, Refused
from whodid.evidence.reading import MOST, details, hashes, leaf_of
from whodid.evidence.verdict import Anchored, Linked, Signed
from whodid.proof import leaf, tree
from whodid.proof.anchoring import anchors_key, check_anchored
from whodid.proof.checkpoint import Checkpoint, open_checkpoint
from whodid.proof.note import ED25519, Verifier, decode_base64

__all__ = ["anchored", "linked", "signed"]


def signed(document: Document, keys: Collection[Verifier]) -> tuple[Checkpoint, Signed]:
    """Check that the log signed the head of a document.

    Args:
        document: Whose head it is.
        keys: Those that are trusted; none for whatever key the document names.

    Raises:
        Refused: It did not, or with another key.
    """
    try:
        own = Verifier(document.vkey)
    except InvalidSetting:
        raise Refused("signature") from None
    if own.type != ED25519:
        raise Refused("signature")
    if keys and own not in keys:
        raise Refused("key")
    try:
        checkpoint, _ = open_checkpoint(document.checkpoint, own)
    except UNREADABLE:
        raise Refused("signature") from None
    if checkpoint.size > MOST:
        raise Refused("signature")
    public = decode_base64(own.vkey.split("+", 2)[2])[1:]
    return checkpoint, Signed(
        origin=checkpoint.origin,
        size=checkpoint.size,
        root=checkpoint.root.hex(),
        vkey=own.vkey,
        fingerprint=sha256(public).hexdigest(),
    )


def anchored(document: Document, checkpoint: Checkpoint) -> tuple[list[Anchored], list[int]]:
    """Check that the log went on from every head that somebody outside is said to have seen.

    Returns:
        What holds, and the places in the document of what does not.
    """
    own = Verifier(document.vkey)
    found: list[Anchored] = []
    wrong: list[int] = []
    for at, anchor in enumerate(document.anchors):
        try:
            earlier, _ = open_checkpoint(anchor.checkpoint, own)
            stamp, path = decode_base64(anchor.stamp), hashes(anchor.consistency)
            if not (found[-1].size if found else 0) < earlier.size <= checkpoint.size:
                raise MalformedProof("The anchors do not ascend, or lie beyond the signed head")
            tree.check_consistency(earlier.size, checkpoint.size, earlier.root, checkpoint.root, path)
        except UNREADABLE:
            wrong.append(at)
        else:
            found.append(Anchored(size=earlier.size, checkpoint=anchor.checkpoint, stamp=stamp))
    return found, wrong


def linked(document: Document, checkpoint: Checkpoint) -> tuple[list[Linked], list[int]]:
    """Check that the log went on from every head that stood in the anchor log of its deployment.

    Returns:
        What holds, and the places in the document of what does not.
    """
    found: list[Linked] = []
    wrong: list[int] = []
    for at, link in enumerate(() if document.linked is UNSET else document.linked):
        try:
            vkey = _check_link(link, document.vkey, checkpoint)
            if found and link.size < found[-1].size:
                raise MalformedProof("The heads do not ascend")
        except UNREADABLE:
            wrong.append(at)
        else:
            found.append(Linked(size=link.size, checkpoint=link.checkpoint, stamp=decode_base64(link.stamp), vkey=vkey))
    return found, wrong


def _check_link(link: Link, vkey: str, checkpoint: Checkpoint) -> str:
    """Check that a head stood in the map of the anchor log, and that the signed one continues it.

    Args:
        vkey: Key of the log; the anchor log of its deployment is signed with the same one, under its own name.
        checkpoint: The signed head.

    Returns:
        Key of the anchor log.

    Raises:
        WhodidError: It does not hold; so do the further ones of `UNREADABLE`.
    """
    own = anchors_key(vkey, link.checkpoint.partition("\n")[0])
    head, _ = open_checkpoint(link.checkpoint, own)
    hash_, header = leaf_of(link.entry)
    tree.check_inclusion(link.entry.index, head.size, hash_, hashes(link.entry.path), head.root)
    text = details(link.entry)["map"]
    map_root = bytes.fromhex(text)
    if header.kind != leaf.LOG_LINK or map_root.hex() != text:
        raise MalformedProof("The entry of the anchor log has no map")
    decode_base64(link.stamp)
    earlier = Checkpoint(origin=checkpoint.origin, size=link.size, root=decode_base64(link.root))
    check_anchored(map_root, earlier, decode_base64(link.path))
    if not 0 < link.size <= checkpoint.size:
        raise MalformedProof("The head lies beyond the signed one")
    path = hashes(link.consistency)
    tree.check_consistency(link.size, checkpoint.size, earlier.root, checkpoint.root, path)
    return own.vkey

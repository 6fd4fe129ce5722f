"""What an evidence document covers: sealed segments and volumes, once the log's signature vouches for them.

What lives here: the newest seal and the newest volume are entries of the log, the others hang on them; and together the
covered ones leave no gap. Whatever does not fit raises `Refused` with the code of the problem.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

import msgspec
from msgspec import UNSET

from whodid.errors import MalformedProof, WhodidError
from whodid.evidence.document import Bound, Document, Stretch
from whodid.evidence.reading import details, hashes, leaf_of
from whodid.proof import leaf, tree
from whodid.proof.checkpoint import Checkpoint
from whodid.proof.note import decode_base64
from whodid.proof.seal import Seal, check_chain, salt_commitment
from whodid.proof.volume import Volume, check_seal, check_volumes, volume_salt_commitment

__all__ = [
    "UNREADABLE",
    "Piece",
    "Refused",
    "Salted",
    "Sealed",
    "dated",
    "opened",
    "pieces",
    "salt_holds",
    "salted",
]

UNREADABLE = (
    WhodidError,
    ValueError,
    TypeError,
    OverflowError,
    KeyError,
    IndexError,
    struct.error,
    msgspec.DecodeError,
)
"""What reading hostile bytes may raise besides our own errors."""


class Refused(Exception):
    """Something on which everything else rests does not hold; its argument is the code of the problem."""


class Sealed(NamedTuple):
    """Seals and volumes that the log vouches for.

    Args:
        seals: By the number of their segment.
        newest: Number of the newest sealed segment.
        volumes: By number.
    """

    seals: dict[int, Seal]
    newest: int
    volumes: dict[int, Volume]


class Piece(NamedTuple):
    """A segment or a volume that the question covers.

    Args:
        code: Of the problem when its index says something else.
        first: Number of its first segment.
        last: Number of its last segment.
        sealed: What is fixed of it.
    """

    code: str
    stretch: Stretch
    first: int
    last: int
    sealed: Seal | Volume


class Salted(NamedTuple):
    """A segment whose salt is here.

    Args:
        salt: As it is written.
        seal: Of the segment; None when it is not here.
        piece: That covers it; None when nothing does.
    """

    number: int
    salt: str
    seal: Seal | None
    piece: Piece | None


def opened(document: Document, checkpoint: Checkpoint) -> Sealed:
    """Open the newest seal and the newest volume by their entries, and all others by the chains that these end.

    Raises:
        Refused: They do not hold.
    """
    bound = None if document.bound is UNSET else document.bound
    try:
        _carried(document, checkpoint, document.sealed, "seal", document.seals[-1])
    except UNREADABLE:
        raise Refused("seal") from None
    try:
        chain = [Seal.decode(decode_base64(one)) for one in document.seals]
        check_chain(chain)
        if chain[-1].stop > document.sealed:
            raise MalformedProof("The chain ends after its own entry")
        if bound is None and chain[0].number != max(0, document.segments[0].number - 2):
            raise MalformedProof("The chain begins elsewhere")
    except UNREADABLE:
        raise Refused("chain") from None
    sealed = Sealed({seal.number: seal for seal in chain}, chain[-1].number, {})
    if bound is not None:
        try:
            _bound(document, bound, checkpoint, sealed, chain)
        except UNREADABLE:
            raise Refused("bound") from None
    return sealed


def _carried(document: Document, checkpoint: Checkpoint, at: int, member: str, data: str) -> None:
    """Check that an entry of the log carries a seal or a volume."""
    (entry,) = [one for one in document.entries if one.index == at]
    hash_, header = leaf_of(entry)
    tree.check_inclusion(at, checkpoint.size, hash_, hashes(entry.path), checkpoint.root)
    if header.kind != leaf.SEAL or details(entry)[member] != decode_base64(data).hex():
        raise MalformedProof("The entry carries something else")


def _bound(document: Document, bound: Bound, checkpoint: Checkpoint, sealed: Sealed, chain: list[Seal]) -> None:
    """Check the volumes, that the chain of seals goes on from them, and the seals that are shown below them."""
    _carried(document, checkpoint, bound.carried, "volume", bound.volumes[-1])
    volumes = [Volume.decode(decode_base64(one)) for one in bound.volumes]
    check_volumes(volumes)
    newest = volumes[-1]
    last = sealed.seals.get(newest.last)
    if chain[0].number != max(0, newest.last - 1) or last is None or newest.stop != last.stop:
        raise MalformedProof("The chain of seals does not go on from the newest volume")
    sealed.volumes.update((volume.number, volume) for volume in volumes)
    shown: list[int] = []
    for text, path in bound.seals:
        data = decode_base64(text)
        number = Seal.decode(data).number
        (volume,) = [one for one in volumes if one.first <= number <= one.last]
        seal = check_seal(volume, data, hashes(path))
        if sealed.seals.setdefault(number, seal) != seal:
            raise MalformedProof("The volume holds another seal than the chain has")
        shown.append(number)
    if any(low >= high for low, high in pairwise(shown)) or newest.last not in shown:
        raise MalformedProof("The seals below volumes are not in order, or the last one is not there")


def pieces(document: Document, sealed: Sealed) -> list[Piece]:
    """Return what is covered, in order.

    Raises:
        Refused: It leaves a gap, or something is not sealed.
    """
    found: list[Piece] = []
    for stretch in document.segments:
        seal = sealed.seals.get(stretch.number)
        if seal is None:
            raise Refused("segments")
        found.append(Piece("index", stretch, stretch.number, stretch.number, seal))
    for stretch in () if document.bound is UNSET else document.bound.covered:
        volume = sealed.volumes.get(stretch.number)
        if volume is None:
            raise Refused("segments")
        found.append(Piece("volume", stretch, volume.first, volume.last, volume))
    ordered = sorted(found, key=lambda piece: piece.first)
    follows = all((a.last + 1, a.sealed.stop) == (b.first, b.sealed.start) for a, b in pairwise(ordered))
    if not follows or [*document.segments] != [one.stretch for one in ordered if one.code == "index"]:
        raise Refused("segments")
    if document.bound is not UNSET and document.bound.covered != [p.stretch for p in ordered if p.code == "volume"]:
        raise Refused("segments")
    return ordered


def salted(document: Document, sealed: Sealed, covered: list[Piece]) -> Iterator[Salted]:
    """List the segments whose salts are here: the covered ones, then those below volumes."""
    for piece in covered:
        if piece.code == "index" and isinstance(piece.sealed, Seal):
            yield Salted(piece.first, piece.stretch.salt, piece.sealed, piece)
    for number, salt in () if document.bound is UNSET else document.bound.salts:
        over = next((one for one in covered if one.code == "volume" and one.first <= number <= one.last), None)
        yield Salted(number, salt, sealed.seals.get(number), over)


def dated(document: Document, sealed: Sealed, sizes: Mapping[bytes, int]) -> tuple[list[int], dict[bytes, int]]:
    """Hold seals against the time stamps that they name: a stamp was there before the seal that names it.

    Args:
        sizes: What a seal says of a stamp (`anchor_hash`) → size of the stamped head.

    Returns:
        Segments whose seals name a stamp of a head that cannot have been there, and for each stamp that is named the
        index from which on entries were recorded after it.
    """
    wrong: list[int] = []
    after: dict[bytes, int] = {}
    least = 0
    for number, seal in sorted(sealed.seals.items()):
        size = sizes.get(seal.anchor)
        if size is None:
            continue
        following = sealed.seals.get(number + 1)
        # The entry that carries the seal stands in the next segment.
        carrier = document.sealed if following is None else following.stop - 1
        if not least <= size <= carrier:
            wrong.append(number)
        least = max(least, size)
        after.setdefault(seal.anchor, carrier + 1)
    return wrong, after


def salt_holds(number: int, text: str, commitment: bytes | None, *, volume: bool = False) -> bool:
    """Tell whether a salt is the one that was committed to."""
    try:
        salt = decode_base64(text)
    except UNREADABLE:
        return False
    made = volume_salt_commitment if volume else salt_commitment
    return len(salt) == 32 and commitment == made(number, salt)

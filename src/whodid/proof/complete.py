"""That nothing is missing: every entry with a tag in a run of sealed segments, and every leaf of a range.

`check_answer` is unconditional in what it says of one seal, and rests on the seals being those of the log: who trusts
the newest seal (an entry of the log, by its inclusion proof) may trust all of them, and who trusts that an index was
made of the headers of its segment may trust that what it does not name is not there. A volume answers for all of its
segments at once; so it is with the newest volume, where volumes answer. `check_range` rests on nothing but the root of
the tree.

As elsewhere in this package a check raises `MalformedProof` or `Refuted` when it does not hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from whodid.errors import MalformedProof, Refuted
from whodid.proof import leaf, tree
from whodid.proof.index import Lookup, check_absence, check_presence
from whodid.proof.seal import Seal, check_chain, check_origin, salt_commitment
from whodid.proof.volume import Volume, check_volumes, seals_root, volume_salt_commitment

__all__ = ["Answer", "Found", "RangeProof", "SegmentAnswer", "check_answer", "check_range", "range_proof"]


class SegmentAnswer(NamedTuple):
    """What one sealed segment, or one volume, answers.

    Args:
        number: Of the segment or the volume.
        salt: Of it, 32 bytes.
        positions: Of the entries that carry the tag, ascending; empty when none does.
        proof: That there are these and no others.
    """

    number: int
    salt: bytes
    positions: tuple[int, ...]
    proof: Lookup


class Answer(NamedTuple):
    """What a run of sealed segments answers to one question.

    Args:
        dimension: leaf.ACTOR, leaf.RESOURCE or leaf.ACTION.
        value: What the tag blinds, as `leaf.tag` takes it.
        commitments: To the salts of segments 0 and 1; empty when the first segment that is asked is not below 2.
        seals: Encoded, consecutive, from two before the first segment up to the newest of the log.
        segments: Those that answer for themselves, in order.
        volumes: Encoded, consecutive, from the first that answers up to the newest of the log; empty when none does.
        bound: What volumes answer for the other segments, in order. Together they leave no gap.
    """

    dimension: int
    value: bytes
    commitments: tuple[bytes, ...]
    seals: tuple[bytes, ...]
    segments: tuple[SegmentAnswer, ...]
    volumes: tuple[bytes, ...] = ()
    bound: tuple[SegmentAnswer, ...] = ()


class Found(NamedTuple):
    """What a checked answer says.

    Args:
        start: Index from which it covers everything.
        stop: Index up to which it covers everything.
        positions: Of the entries that carry the tag, ascending.
        unindexed: Entries within whose content had gone before their segment was sealed.
        newest: The seal that everything hangs on; compare it with the entry that carries it.
        volume: The newest volume, likewise, when volumes answer.
    """

    start: int
    stop: int
    positions: tuple[int, ...]
    unindexed: int
    newest: Seal
    volume: Volume | None = None


class RangeProof(NamedTuple):
    """What leads from the leaves of a range to the root of the tree.

    Args:
        frontier: Of the tree of the leaves before the range.
        path: Consistency proof from the size at the end of the range to the size of the tree.
    """

    frontier: tuple[bytes, ...]
    path: tuple[bytes, ...]


def check_answer(origin: str, answer: Answer) -> Found:
    """Check that an answer names every entry with a tag in its segments.

    Args:
        origin: Of the log's checkpoint.

    Returns:
        What it says; that its `newest` seal and its `volume` are entries of the log is left to the caller.

    Raises:
        MalformedProof: A part of it has not the shape of one.
        Refuted: It does not hold.
    """
    chain = [Seal.decode(one) for one in answer.seals]
    check_chain(chain)
    seals = {seal.number: seal for seal in chain}
    volumes = [Volume.decode(one) for one in answer.volumes]
    check_volumes(volumes)
    for given in (answer.segments, answer.bound):
        if any(low.number >= high.number for low, high in pairwise(given)):
            raise MalformedProof("The answers of segments or volumes are not in order")
    pieces = sorted([*_segments(origin, answer, seals), *_bound(answer, volumes, seals)], key=lambda one: one.first)
    if not pieces:
        raise MalformedProof("An answer without segments says nothing")
    following = pieces[0].first
    for piece in pieces:
        if piece.first != following:
            raise Refuted(f"Segment {following} is missing")
        following = piece.last + 1
        _check_piece(answer, piece)
    return Found(
        start=pieces[0].sealed.start,
        stop=pieces[-1].sealed.stop,
        positions=tuple(position for piece in pieces for position in piece.answer.positions),
        unindexed=sum(one.sealed.stop - one.sealed.start - one.sealed.indexed for one in pieces),
        newest=chain[-1],
        volume=volumes[-1] if volumes else None,
    )


class _Piece(NamedTuple):
    """A segment or a volume that answers: the numbers of its first and last segment, and what is fixed of it."""

    name: str
    first: int
    last: int
    sealed: Seal | Volume
    answer: SegmentAnswer


def _segments(origin: str, answer: Answer, seals: Mapping[int, Seal]) -> Iterator[_Piece]:
    """Check the salts of the segments that answer for themselves."""
    commitments = {number + 2: seal.commitment for number, seal in seals.items()}
    if any(one.number < 2 for one in answer.segments):
        if len(answer.commitments) != 2:
            raise MalformedProof("The commitments to the salts of the first two segments are missing")
        check_origin(origin, *answer.commitments)
        commitments.update(enumerate(answer.commitments))
    for one in answer.segments:
        seal = seals.get(one.number)
        if seal is None:
            raise Refuted(f"Segment {one.number} is missing")
        if salt_commitment(one.number, one.salt) != commitments.get(one.number):
            raise Refuted(f"The salt of segment {one.number} is not the one that was committed to")
        yield _Piece(f"segment {one.number}", one.number, one.number, seal, one)


def _bound(answer: Answer, volumes: Sequence[Volume], seals: Mapping[int, Seal]) -> Iterator[_Piece]:
    """Check that the volumes that answer hold these very segments, and their salts."""
    numbered = {volume.number: volume for volume in volumes}
    for one in answer.bound:
        volume = numbered.get(one.number)
        if volume is None:
            raise Refuted(f"Volume {one.number} is missing")
        inner = [seals[at] for at in range(volume.first, volume.last + 1) if at in seals]
        if seals_root([seal.encode() for seal in inner]) != volume.seals:
            raise Refuted(f"Volume {one.number} holds other seals than the chain has")
        if (inner[0].number, inner[0].start, inner[-1].stop) != (volume.first, volume.start, volume.stop):
            raise Refuted(f"Volume {one.number} begins or ends elsewhere than its segments")
        if volume_salt_commitment(one.number, one.salt) != volume.commitment:
            raise Refuted(f"The salt of volume {one.number} is not the one that was committed to")
        yield _Piece(f"volume {one.number}", volume.first, volume.last, volume, one)


def _check_piece(answer: Answer, piece: _Piece) -> None:
    """Check that the index of a segment or a volume says this and nothing else of the tag."""
    said, sealed = piece.answer, piece.sealed
    tag = leaf.tag(said.salt, answer.dimension, answer.value)
    if not said.positions:
        check_absence(sealed.root, tag, said.proof)
        return
    check_presence(sealed.root, tag, said.positions, said.proof)
    if said.positions[0] < sealed.start or said.positions[-1] >= sealed.stop:
        raise Refuted(f"The index of {piece.name} reaches beyond it")


def range_proof(start: int, stop: int, size: int, hashes: tree.Hashes) -> RangeProof:
    """Build the proof that leaves are those from `start` up to, not including, `stop` of the tree of `size`.

    Raises:
        MalformedProof: There is no such range in such a tree, or it is empty.
    """
    if not 0 <= start < stop <= size:
        raise MalformedProof(f"[{start}, {stop}) is not a range of a tree of {size} leaves")
    return RangeProof(tree.frontier_at(start, hashes), tuple(tree.consistency_proof(stop, size, hashes)))


def check_range(start: int, leaves: Sequence[bytes], size: int, root: bytes, proof: RangeProof) -> None:
    """Check that leaves are all those from `start` on, as many as are given, of the tree with this root.

    Args:
        start: Index of the first.
        leaves: Leaf hashes, 32 bytes each, in order, at least one.
        size: Of the tree.
        root: Of the tree.

    Raises:
        MalformedProof: There is no such range in such a tree, or the proof has not their shape.
        Refuted: It leads to another root.
    """
    stop = start + len(leaves)
    if not 0 <= start < stop <= size:
        raise MalformedProof(f"[{start}, {stop}) is not a range of a tree of {size} leaves")
    frontier, _ = tree.extend(proof.frontier, start, leaves)
    tree.check_consistency(stop, size, tree.root(frontier), root, proof.path)

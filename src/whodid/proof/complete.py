"""That nothing is missing: every entry with a tag in a run of sealed segments, and every leaf of a range.

`check_answer` is unconditional in what it says of one seal, and rests on the seals being those of the log: who trusts
the newest seal (an entry of the log, by its inclusion proof) may trust all of them, and who trusts that an index was
made of the headers of its segment may trust that what it does not name is not there. `check_range` rests on nothing but
the root of the tree.

As elsewhere in this package a check raises `MalformedProof` or `Refuted` when it does not hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from whodid.errors import MalformedProof, Refuted
from whodid.proof import leaf, tree
from whodid.proof.index import Lookup, check_absence, check_presence
from whodid.proof.seal import Seal, check_chain, check_origin, salt_commitment

__all__ = ["Answer", "Found", "RangeProof", "SegmentAnswer", "check_answer", "check_range", "range_proof"]


class SegmentAnswer(NamedTuple):
    """What one sealed segment answers.

    Args:
        number: Of the segment.
        salt: Of the segment, 32 bytes.
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
        commitments: To the salts of segments 0 and 1; empty when no segment below 2 is asked.
        seals: Encoded, consecutive, from two before the first segment up to the newest of the log.
        segments: Consecutive.
    """

    dimension: int
    value: bytes
    commitments: tuple[bytes, ...]
    seals: tuple[bytes, ...]
    segments: tuple[SegmentAnswer, ...]


class Found(NamedTuple):
    """What a checked answer says.

    Args:
        start: Index from which it covers everything.
        stop: Index up to which it covers everything.
        positions: Of the entries that carry the tag, ascending.
        unindexed: Entries within whose content had gone before their segment was sealed.
        newest: The seal that everything hangs on; compare it with the entry that carries it.
    """

    start: int
    stop: int
    positions: tuple[int, ...]
    unindexed: int
    newest: Seal


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
        What it says; that its `newest` seal is an entry of the log is left to the caller.

    Raises:
        MalformedProof: A part of it has not the shape of one.
        Refuted: It does not hold.
    """
    seals = {seal.number: seal for seal in map(Seal.decode, answer.seals)}
    check_chain(list(map(Seal.decode, answer.seals)))
    if not answer.segments:
        raise MalformedProof("An answer without segments says nothing")
    commitments = {number + 2: seal.commitment for number, seal in seals.items()}
    if answer.segments[0].number < 2:
        if len(answer.commitments) != 2:
            raise MalformedProof("The commitments to the salts of the first two segments are missing")
        check_origin(origin, *answer.commitments)
        commitments.update(enumerate(answer.commitments))
    positions: list[int] = []
    following = answer.segments[0].number
    for segment in answer.segments:
        seal = seals.get(segment.number)
        if segment.number != following or seal is None:
            raise Refuted(f"Segment {following} is missing")
        following += 1
        if salt_commitment(segment.number, segment.salt) != commitments.get(segment.number):
            raise Refuted(f"The salt of segment {segment.number} is not the one that was committed to")
        tag = leaf.tag(segment.salt, answer.dimension, answer.value)
        if segment.positions:
            check_presence(seal.root, tag, segment.positions, segment.proof)
            if segment.positions[0] < seal.start or segment.positions[-1] >= seal.stop:
                raise Refuted(f"The index of segment {segment.number} reaches beyond its segment")
        else:
            check_absence(seal.root, tag, segment.proof)
        positions += segment.positions
    asked = [seals[segment.number] for segment in answer.segments]
    return Found(
        start=asked[0].start,
        stop=asked[-1].stop,
        positions=tuple(positions),
        unindexed=sum(seal.stop - seal.start - seal.indexed for seal in asked),
        newest=seals[max(seals)],
    )


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

"""Trees and proofs, held against a naive reading of the RFCs.

The oracle below is RFC 9162 section 2.1 word by word: recursive, over the whole list of leaves, without any of the
arithmetic that the code under test lives on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha256
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whodid.errors import MalformedProof, ProofError, Refuted
from whodid.proof.tree import (
    EMPTY_ROOT,
    Nodes,
    check_consistency,
    check_inclusion,
    check_subtree_consistency,
    check_subtree_inclusion,
    consistency_proof,
    covering_subtrees,
    extend,
    frontier_at,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    root_at,
    subtree_consistency_proof,
    subtree_inclusion_proof,
    subtree_root,
)

MAX_SIZE = 300
LEAVES = [leaf_hash(b"leaf %d" % number) for number in range(MAX_SIZE)]

# ------------------------------------------------------------------------------------------------------------- oracle


def split(size: int) -> int:
    """Return the largest power of two below a size, by counting up."""
    k = 1
    while k * 2 < size:
        k *= 2
    return k


@cache
def mth(start: int, end: int) -> bytes:
    """MTH(D[start:end]) of RFC 9162 section 2.1.1, over LEAVES."""
    if start == end:
        return sha256().digest()
    if end - start == 1:
        return LEAVES[start]
    k = split(end - start)
    return sha256(b"\x01" + mth(start, start + k) + mth(start + k, end)).digest()


def path(index: int, start: int, end: int) -> list[bytes]:
    """PATH(index, D[start:end]) of RFC 9162 section 2.1.3.1."""
    if end - start == 1:
        return []
    k = split(end - start)
    if index < k:
        return [*path(index, start, start + k), mth(start + k, end)]
    return [*path(index - k, start + k, end), mth(start, start + k)]


def subproof(old: int, start: int, end: int, known: bool) -> list[bytes]:
    """SUBPROOF(old, D[start:end], known) of RFC 9162 section 2.1.4.1."""
    size = end - start
    if old == size:
        return [] if known else [mth(start, end)]
    k = split(size)
    if old <= k:
        return [*subproof(old, start, start + k, known), mth(start + k, end)]
    return [*subproof(old - k, start + k, end, False), mth(start, start + k)]


def hashes(positions: Sequence[tuple[int, int]]) -> list[bytes]:
    """Answer for complete subtrees of LEAVES, from the oracle."""
    return [mth(index << level, (index + 1) << level) for level, index in positions]


def refused(check: Callable[..., None], *arguments: Any) -> type[ProofError]:
    """Return which error a check raises; fail if it accepts."""
    with pytest.raises(ProofError) as caught:
        check(*arguments)
    return caught.type


def flip(value: bytes) -> bytes:
    """Return a hash with one bit changed."""
    return bytes([value[0] ^ 1]) + value[1:]


# ---------------------------------------------------------------------------------------------------------- growing it


def test_every_size_has_the_root_and_frontier_of_the_oracle() -> None:
    """A tree grown leaf by leaf has, at every size, the oracle's root and the frontier that the past yields."""
    frontier: tuple[bytes, ...] = ()

    for size in range(MAX_SIZE + 1):
        assert root(frontier) == mth(0, size)
        assert root_at(size, hashes) == mth(0, size)
        assert frontier_at(size, hashes) == frontier
        if size < MAX_SIZE:
            frontier, _ = extend(frontier, size, LEAVES[size : size + 1])


@given(st.lists(st.integers(0, 70), max_size=9))
def test_batches_do_not_show(batches: list[int]) -> None:
    """However leaves are split into batches, the frontier is the same and every node is handed out exactly once."""
    frontier: tuple[bytes, ...] = ()
    size = 0
    levels: dict[int, list[bytes]] = {}

    for batch in batches:
        end = min(size + batch, MAX_SIZE)
        frontier, nodes = extend(frontier, size, LEAVES[size:end])
        size = end
        assert [level for level, _, _ in nodes] == sorted({level for level, _, _ in nodes})
        for level, start, joined in nodes:
            row = levels.setdefault(level, [])
            assert level % 8 == 0
            assert start == len(row)
            row += [joined[at : at + 32] for at in range(0, len(joined), 32)]

    assert frontier == frontier_at(size, hashes)
    assert levels == {
        level: hashes([(level, index) for index in range(size >> level)]) for level in (0, 8) if size >> level
    }


def test_nodes_reach_every_eighth_level() -> None:
    """70,000 leaves at once and in pieces complete 273 nodes of level 8 and one of level 16."""
    leaves = [sha256(number.to_bytes(4, "big")).digest() for number in range(70_000)]

    whole, nodes = extend((), 0, leaves)
    frontier: tuple[bytes, ...] = ()
    joined: dict[int, bytes] = {}
    for start, end in pairwise([0, 1, 255, 256, 65_535, 65_537, 70_000]):
        frontier, added = extend(frontier, start, leaves[start:end])
        for level, first, row in added:
            assert first * 32 == len(joined.get(level, b""))
            joined[level] = joined.get(level, b"") + row

    assert [(level, start, len(row) // 32) for level, start, row in nodes] == [(0, 0, 70_000), (8, 0, 273), (16, 0, 1)]
    assert nodes[0] == Nodes(0, 0, b"".join(leaves))
    assert nodes[2].hashes == whole[0]
    assert frontier == whole
    assert joined == {level: row for level, _, row in nodes}


def test_no_leaves_change_nothing() -> None:
    """An empty append returns the same frontier and no nodes."""
    frontier, _ = extend((), 0, LEAVES[:7])

    assert extend(frontier, 7, []) == (frontier, [])
    assert extend((), 0, []) == ((), [])
    assert root(()) == EMPTY_ROOT


@pytest.mark.parametrize(
    ("frontier", "size", "leaves"),
    [
        (LEAVES[:2], 7, LEAVES[:1]),
        (LEAVES[:1], 0, LEAVES[:1]),
        ((b"short",), 1, LEAVES[:1]),
        ((), 0, [LEAVES[0], LEAVES[1][:31]]),
        ((), 0, [LEAVES[0] + b"x", LEAVES[1][:31]]),
        ((), -1, LEAVES[:1]),
        (LEAVES[:1], -1, LEAVES[:1]),
    ],
)
def test_extend_refuses_what_is_not_a_tree(frontier: Sequence[bytes], size: int, leaves: Sequence[bytes]) -> None:
    """A frontier of another size, a negative size and hashes of other lengths are refused."""
    with pytest.raises(MalformedProof):
        extend(frontier, size, leaves)


# ------------------------------------------------------------------------------------------- every proof of every size


def test_every_inclusion_proof_up_to_300_leaves() -> None:
    """At every size every leaf's proof is the oracle's, and it holds."""
    for size in range(1, MAX_SIZE + 1):
        for index in range(size):
            proof = inclusion_proof(index, size, hashes)
            assert proof == path(index, 0, size)
            check_inclusion(index, size, LEAVES[index], proof, mth(0, size))


def test_every_consistency_proof_up_to_300_leaves() -> None:
    """From every size to every later one the proof is the oracle's, and it holds."""
    for new in range(1, MAX_SIZE + 1):
        for old in range(1, new + 1):
            proof = consistency_proof(old, new, hashes)
            assert proof == subproof(old, 0, new, True)
            check_consistency(old, new, mth(0, old), mth(0, new), proof)


def damaged(proof: list[bytes]) -> list[tuple[list[bytes], type[ProofError]]]:
    """Return every proof with one hash changed, removed or doubled, or a hash put in, with the error each deserves."""
    cases: list[tuple[list[bytes], type[ProofError]]] = []
    for at, value in enumerate(proof):
        cases.append(([*proof[:at], flip(value), *proof[at + 1 :]], Refuted))
        cases.append(([*proof[:at], *proof[at + 1 :]], MalformedProof))
        cases.append(([*proof[:at], value, *proof[at:]], MalformedProof))
        cases.append(([*proof[:at], value[:-1], *proof[at + 1 :]], MalformedProof))
    cases += [([*proof, LEAVES[0]], MalformedProof), ([LEAVES[0], *proof], MalformedProof)]
    return cases


def test_every_damaged_proof_is_refused() -> None:
    """No proof up to 40 leaves survives a change, a removal or a repetition of any of its hashes."""
    for size in range(1, 41):
        top = mth(0, size)
        for index in range(size):
            for proof, error in damaged(inclusion_proof(index, size, hashes)):
                assert refused(check_inclusion, index, size, LEAVES[index], proof, top) is error
            for proof, error in damaged(consistency_proof(index + 1, size, hashes)):
                assert refused(check_consistency, index + 1, size, mth(0, index + 1), top, proof) is error


@given(st.data())
def test_proofs_of_other_things_are_refused(data: st.DataObject) -> None:
    """A true proof does not hold for another leaf, another index, another size or another root."""
    size = data.draw(st.integers(2, MAX_SIZE), label="size")
    index = data.draw(st.integers(0, size - 1), label="index")
    other = data.draw(st.integers(0, MAX_SIZE - 1).filter(lambda number: number != index), label="other")
    proof = inclusion_proof(index, size, hashes)
    top = mth(0, size)

    refused(check_inclusion, other, size, LEAVES[index], proof, top)
    refused(check_inclusion, index, size, LEAVES[other], proof, top)
    refused(check_inclusion, index, size, LEAVES[index], proof, mth(0, other) if other != size else EMPTY_ROOT)
    if other + 1 != size:
        # The shape may be the same, and then the root is not.
        refused(check_inclusion, index, other + 1, LEAVES[index], proof, mth(0, other + 1))


@given(st.data())
def test_consistency_of_other_trees_is_refused(data: st.DataObject) -> None:
    """A true consistency proof does not hold between other sizes or for other roots."""
    new = data.draw(st.integers(2, MAX_SIZE), label="new")
    old = data.draw(st.integers(1, new - 1), label="old")
    other = data.draw(st.integers(1, new).filter(lambda size: size != old), label="other")
    proof = consistency_proof(old, new, hashes)

    refused(check_consistency, other, new, mth(0, old), mth(0, new), proof)
    refused(check_consistency, old, new, mth(0, other), mth(0, new), proof)
    refused(check_consistency, old, new, flip(mth(0, old)), mth(0, new), proof)
    refused(check_consistency, old, new, mth(0, old), flip(mth(0, new)), proof)
    refused(check_consistency, old, new, mth(0, new), mth(0, old), proof)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (5, 3), (-1, 3), (0, -1)])
def test_there_is_no_inclusion_outside_of_a_tree(index: int, size: int) -> None:
    """Both sides of the pair refuse an index that is not in the tree."""
    with pytest.raises(MalformedProof):
        inclusion_proof(index, size, hashes)
    with pytest.raises(MalformedProof):
        check_inclusion(index, size, LEAVES[0], [], LEAVES[0])


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 5), (6, 5), (-1, 5)])
def test_there_is_no_consistency_with_nothing(old: int, new: int) -> None:
    """Both sides of the pair refuse to start from the empty tree, or backwards."""
    with pytest.raises(MalformedProof):
        consistency_proof(old, new, hashes)
    with pytest.raises(MalformedProof):
        check_consistency(old, new, EMPTY_ROOT, EMPTY_ROOT, [])


@pytest.mark.parametrize("answer", [[], [b"short"], [LEAVES[0], LEAVES[1]]])
def test_an_answer_of_another_shape_is_refused(answer: list[bytes]) -> None:
    """A past that returns too few, too many or no hashes does not become a proof."""
    with pytest.raises(MalformedProof):
        inclusion_proof(0, 2, lambda _: answer)
    with pytest.raises(MalformedProof):
        root_at(1, lambda _: answer if answer != [LEAVES[0]] else [])


def test_there_is_no_past_before_the_empty_tree() -> None:
    """A negative size has neither a frontier nor a root."""
    for read in (frontier_at, root_at):
        with pytest.raises(MalformedProof):
            read(-1, hashes)


def test_a_leaf_cannot_pass_for_a_node() -> None:
    """The bytes of two hashes, taken as leaf data, do not hash like the node above them."""
    assert leaf_hash(LEAVES[0] + LEAVES[1]) != node_hash(LEAVES[0], LEAVES[1])


# ------------------------------------------------------------------------------------------------------------ subtrees


def bit_ceil(number: int) -> int:
    """Return the smallest power of two that is not less than a number, by counting up."""
    power = 1
    while power < number:
        power *= 2
    return power


def subtrees(size: int) -> list[tuple[int, int]]:
    """List every subtree of a tree, by the definition, in the order of the published digests."""
    return [(s, e) for e in range(size + 1) for s in range(e + 1) if s % bit_ceil(e - s) == 0]


def test_only_subtrees_are_accepted() -> None:
    """Of all ranges, exactly those that the definition allows have a root; it is the oracle's."""
    allowed = set(subtrees(40))

    for end in range(41):
        for start in range(end + 1):
            if (start, end) in allowed:
                assert subtree_root(start, end, hashes) == mth(start, end)
            else:
                with pytest.raises(MalformedProof):
                    subtree_root(start, end, hashes)


@pytest.mark.parametrize(("start", "end"), [(1, 3), (2, 5), (2, 6), (4, 9), (-2, 2), (-4, -1), (5, 4)])
def test_ranges_that_are_no_subtrees_have_no_proofs(start: int, end: int) -> None:
    """Both sides of both pairs refuse a range that is not a subtree, even with what would be a proof in it."""
    top, proof = (mth(start, end), path(0, start, end)) if 0 <= start < end else (LEAVES[0], [])

    with pytest.raises(MalformedProof):
        subtree_inclusion_proof(start, start, end, hashes)
    with pytest.raises(MalformedProof):
        check_subtree_inclusion(start, start, end, LEAVES[max(start, 0)], proof, top)
    with pytest.raises(MalformedProof):
        subtree_consistency_proof(start, end, 16, hashes)
    with pytest.raises(MalformedProof):
        check_subtree_consistency(start, end, 16, top, mth(0, 16), [])


def test_subtrees_end_within_the_tree() -> None:
    """A subtree that ends after the tree is not a part of it."""
    with pytest.raises(MalformedProof):
        subtree_consistency_proof(0, 9, 8, hashes)
    with pytest.raises(MalformedProof):
        check_subtree_consistency(0, 9, 8, mth(0, 9), mth(0, 8), [])


def test_subtree_inclusion_is_inclusion_in_the_leaves_alone() -> None:
    """Within a subtree the proof is that of the tree over its leaves, and damage to it is refused."""
    for start, end in subtrees(24):
        for index in range(start, end):
            proof = subtree_inclusion_proof(index, start, end, hashes)
            assert proof == path(index - start, start, end)
            check_subtree_inclusion(index, start, end, LEAVES[index], proof, mth(start, end))
            for broken, error in damaged(proof):
                assert (
                    refused(check_subtree_inclusion, index, start, end, LEAVES[index], broken, mth(start, end)) is error
                )


def test_damaged_subtree_consistency_is_refused() -> None:
    """No subtree proof up to 24 leaves survives a change, and none holds for another root."""
    for size in range(1, 25):
        for start, end in subtrees(size):
            if start == end:
                continue
            proof = subtree_consistency_proof(start, end, size, hashes)
            part, top = mth(start, end), mth(0, size)
            check_subtree_consistency(start, end, size, part, top, proof)
            for broken, error in damaged(proof):
                assert refused(check_subtree_consistency, start, end, size, part, top, broken) is error
            assert refused(check_subtree_consistency, start, end, size, flip(part), top, proof) is Refuted
            assert refused(check_subtree_consistency, start, end, size, part, flip(top), proof) is Refuted


def test_covering_subtrees_cover() -> None:
    """Two subtrees cover any range, touch one another, end where it ends and begin at most half too early."""
    allowed = set(subtrees(80))

    for end in range(81):
        for start in range(end + 1):
            (left, middle), (right, last) = covering_subtrees(start, end)
            assert {(left, middle), (right, last)} <= allowed
            assert left <= start
            assert (middle, last) == (right, end)
            assert start == end or start - left < middle - start

    with pytest.raises(MalformedProof):
        covering_subtrees(2, 1)
    with pytest.raises(MalformedProof):
        covering_subtrees(-1, 1)

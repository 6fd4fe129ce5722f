"""The Merkle tree: growing it, proving with it, checking what others prove.

The tree is the one of RFC 6962 section 2.1 (RFC 9162 section 2.1), over SHA-256. It is never held in memory: a tree of
any size is known by its *frontier*, the roots of its maximal complete subtrees, largest first (at most 64 hashes). The
frontier is enough to append (`extend`) and to know the root (`root`). To prove something about the past, the functions
here ask one function, `Hashes`, for the roots of complete subtrees (`whodid.proof.tile` reads them from tiles).

A complete subtree is named by the pair (level, index): level 0 are the leaf hashes, and (level, index) covers the
leaves from index * 2**level up to, not including, (index + 1) * 2**level. Every range is half open, `[start, end)`.

Proof functions come in pairs with the same leading arguments, one that builds and one that checks::

    inclusion_proof            check_inclusion             leaf `index` is in the tree of `size`
    consistency_proof          check_consistency           the tree of `new` leaves begins with the tree of `old`
    subtree_inclusion_proof    check_subtree_inclusion     leaf `index` is in the subtree `[start, end)`
    subtree_consistency_proof  check_subtree_consistency   the subtree `[start, end)` is a part of the tree of `size`

The last two pairs are those of draft-ietf-plants-merkle-tree-certs ("MTC" below); the first two are special cases. A
builder calls its `hashes` once. A check returns nothing when the proof holds; it raises `MalformedProof` when the
arguments cannot belong to one another (a hash too many, an index outside), and `Refuted` when they could, and the
mathematics says no. What a leaf means, where hashes are kept and who signs a root do not belong here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from itertools import islice
from typing import NamedTuple

from whodid.errors import MalformedProof, Refuted

__all__ = [
    "EMPTY_ROOT",
    "HASH_SIZE",
    "Hashes",
    "Nodes",
    "check_consistency",
    "check_inclusion",
    "check_subtree_consistency",
    "check_subtree_inclusion",
    "consistency_proof",
    "covering_subtrees",
    "extend",
    "frontier_at",
    "inclusion_proof",
    "leaf_hash",
    "node_hash",
    "root",
    "root_at",
    "subtree_consistency_proof",
    "subtree_inclusion_proof",
    "subtree_root",
]

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()

# The prefixes keep a leaf from passing for an inner node and the other way round (RFC 6962 section 2.1).
_LEAF = b"\x00"
_NODE = b"\x01"

Hashes = Callable[[Sequence[tuple[int, int]]], Sequence[bytes]]
"""The past of a tree: given (level, index) of complete subtrees, return their roots in the same order."""


class Nodes(NamedTuple):
    """A run of neighbouring subtrees of one level, as `extend` completed them.

    Args:
        level: Level of the subtrees, a multiple of 8.
        start: Index, at that level, of the first of them.
        hashes: Their roots, 32 bytes each, concatenated without gaps.
    """

    level: int
    start: int
    hashes: bytes


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf with these bytes (RFC 6962 section 2.1)."""
    return sha256(_LEAF + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the inner node above two hashes (RFC 6962 section 2.1)."""
    return sha256(_NODE + left + right).digest()


def extend(frontier: Sequence[bytes], size: int, leaves: Sequence[bytes]) -> tuple[tuple[bytes, ...], list[Nodes]]:
    """Append leaf hashes to a tree, reading nothing but its frontier.

    Args:
        frontier: Roots of the maximal complete subtrees of the tree, largest first; empty for the empty tree.
        size: Number of leaves that the tree has so far.
        leaves: Leaf hashes (not leaf data), in order, 32 bytes each.

    Returns:
        The frontier of the tree of size + len(leaves) leaves, and the nodes that became complete, for every level that
        is a multiple of 8 and gained any, lowest level first. Those are the hashes that tiles hold, and each of them is
        returned by exactly one call in the life of a tree: a store that appends them to its tiles never reads a tile in
        order to write one. `nodes[0]`, at level 0, holds the given leaf hashes themselves.

    Raises:
        MalformedProof: If the frontier does not belong to a tree of this size, or the leaves are not hashes.
    """
    _require_subtree(0, size, size)
    _require_hashes(frontier, size.bit_count())
    larger = list(frontier)
    smaller: list[bytes] = []
    nodes: list[Nodes] = []
    row = list(leaves)
    _require_hashes(row, len(leaves))
    prefix, level, start = _NODE, 0, size
    # Level by level: the new nodes of one level, with the frontier's node on their left when they begin on an odd
    # index, pair up to the new nodes of the next; one that is left without a partner joins the frontier.
    while row:
        if not level & 7:
            nodes.append(Nodes(level, start, b"".join(row)))
        if start & 1:
            row.insert(0, larger.pop())
        if len(row) & 1:
            smaller.append(row.pop())
        pairs = iter(row)
        row = [sha256(prefix + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
        level += 1
        start >>= 1
    return (*larger, *reversed(smaller)), nodes


def root(frontier: Sequence[bytes]) -> bytes:
    """Return the root of the tree with this frontier; SHA-256 of nothing for the empty tree (RFC 6962 section 2.1)."""
    if not frontier:
        return EMPTY_ROOT
    value = frontier[-1]
    for left in reversed(frontier[:-1]):
        value = node_hash(left, value)
    return value


def frontier_at(size: int, hashes: Hashes) -> tuple[bytes, ...]:
    """Return the frontier that the tree had at a size, as `extend` takes it."""
    _require_subtree(0, size, size)
    return _read(_complete(0, size), hashes)


def root_at(size: int, hashes: Hashes) -> bytes:
    """Return the root that the tree had at a size."""
    return root(frontier_at(size, hashes))


def subtree_root(start: int, end: int, hashes: Hashes) -> bytes:
    """Return the root of the subtree `[start, end)`: the tree over those leaves alone.

    Raises:
        MalformedProof: If `[start, end)` is not a subtree; `covering_subtrees` finds two that cover any range.
    """
    _require_subtree(start, end, end)
    return _roots([(start, end)], hashes)[0]


def covering_subtrees(start: int, end: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return two neighbouring subtrees that together cover the range `[start, end)`.

    They end exactly at `end`. The first may begin before `start`, by less than half of its own length. A range of one
    leaf or none is returned as it is, followed by an empty one (MTC section 4.5).

    Raises:
        MalformedProof: If the range is not 0 <= start <= end.
    """
    if not 0 <= start <= end:
        raise MalformedProof(f"[{start}, {end}) is not a range of leaves")
    if end - start <= 1:
        return (start, end), (end, end)
    # The paths to both ends of the range part above these bits, and the two subtrees lie on either side of that point.
    low_bits = (1 << (start ^ end - 1).bit_length() - 1) - 1
    middle = (end - 1) & ~low_bits
    # Climb on the left for as long as the path stays on the right edge of what it has climbed out of.
    climbed = (~start & low_bits).bit_length()
    return (start >> climbed << climbed, middle), (middle, end)


def inclusion_proof(index: int, size: int, hashes: Hashes) -> list[bytes]:
    """Build the proof that leaf `index` is in the tree of `size` leaves (RFC 6962 section 2.1.1).

    Returns:
        The siblings on the way from the leaf to the root, lowest first.

    Raises:
        MalformedProof: If there is no such leaf in such a tree.
    """
    return subtree_inclusion_proof(index, 0, size, hashes)


def check_inclusion(index: int, size: int, leaf_hash: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Check the proof that `leaf_hash` is leaf `index` of the tree with this root (RFC 9162 section 2.1.3.2).

    Raises:
        MalformedProof: If there is no such leaf in such a tree, or the proof has not their shape.
        Refuted: If it leads to another root.
    """
    check_subtree_inclusion(index, 0, size, leaf_hash, proof, root)


def consistency_proof(old: int, new: int, hashes: Hashes) -> list[bytes]:
    """Build the proof that the first `old` leaves did not change up to size `new` (RFC 6962 section 2.1.2).

    Returns:
        The hashes from which both roots follow, lowest first; none when the sizes are equal.

    Raises:
        MalformedProof: If the sizes are not 1 <= old <= new. (Every tree begins with the empty one, without a proof.)
    """
    _require_growth(old, new)
    return subtree_consistency_proof(0, old, new, hashes)


def check_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check the proof that the tree of `new` leaves begins with that of `old` leaves (RFC 9162 section 2.1.4.2).

    Raises:
        MalformedProof: If the sizes are not 1 <= old <= new, or the proof has not their shape.
        Refuted: If it does not lead to both roots.
    """
    _require_growth(old, new)
    check_subtree_consistency(0, old, new, old_root, new_root, proof)


def subtree_inclusion_proof(index: int, start: int, end: int, hashes: Hashes) -> list[bytes]:
    """Build the proof that leaf `index` is in the subtree `[start, end)` (MTC section 4.3).

    Raises:
        MalformedProof: If `[start, end)` is not a subtree, or the leaf is outside of it.
    """
    _require_leaf(index, start, end)
    siblings: list[tuple[int, int]] = []
    while end - start > 1:
        middle = _middle(start, end)
        if index < middle:
            siblings.append((middle, end))
            end = middle
        else:
            siblings.append((start, middle))
            start = middle
    return _roots(reversed(siblings), hashes)


def check_subtree_inclusion(  # noqa: PLR0917 - the arguments of the pair, then what is claimed
    index: int, start: int, end: int, leaf_hash: bytes, proof: Sequence[bytes], root: bytes
) -> None:
    """Check the proof that `leaf_hash` is leaf `index` of the subtree with this root (MTC section 4.3.3).

    Raises:
        MalformedProof: If `[start, end)` is not a subtree, the leaf is outside of it, or the proof has not their shape.
        Refuted: If the proof leads to another root.
    """
    _require_leaf(index, start, end)
    place, last = index - start, end - start - 1
    # Up to the level where the path of the leaf meets the path of the last leaf, every level has a sibling, left or
    # right by the bits of the place. Above it the path runs along the right edge: siblings are on the left only, and
    # only where the place has a bit.
    shared = (place ^ last).bit_length()
    _require_hashes((leaf_hash,), 1)
    _require_hashes(proof, shared + (place >> shared).bit_count())
    value = leaf_hash
    for level, sibling in enumerate(proof):
        on_left = level >= shared or place >> level & 1
        value = node_hash(sibling, value) if on_left else node_hash(value, sibling)
    _require_same(value, root)


def subtree_consistency_proof(start: int, end: int, size: int, hashes: Hashes) -> list[bytes]:
    """Build the proof that the subtree `[start, end)` is a part of the tree of `size` leaves.

    For `start` 0 this is the consistency proof between two sizes, for a single leaf it is the inclusion proof. For an
    empty subtree it is empty (MTC section 4.4.1).

    Raises:
        MalformedProof: If `[start, end)` is not a subtree of a tree of this size.
    """
    _require_subtree(start, end, size)
    if start == end:
        return []
    siblings: list[tuple[int, int]] = []
    left, right, known = 0, size, True
    while (left, right) != (start, end):
        middle = _middle(left, right)
        if end <= middle:
            siblings.append((middle, right))
            right = middle
        else:
            siblings.append((left, middle))
            # A subtree that spans the middle: the sibling just taken is its left part. Go on with the rest of it, whose
            # root, unlike that of the whole, the reader of the proof does not know.
            if start < middle:
                start, known = middle, False
            left = middle
    if not known:
        siblings.append((start, end))
    return _roots(reversed(siblings), hashes)


def check_subtree_consistency(  # noqa: PLR0917 - the arguments of the pair, then what is claimed
    start: int, end: int, size: int, subtree_root: bytes, root: bytes, proof: Sequence[bytes]
) -> None:
    """Check the proof that the subtree `[start, end)` with one root is a part of the tree of `size` with the other.

    Nothing can be learned from an empty subtree: its root must be that of no leaves and its proof must be empty; the
    root of the tree is not looked at (MTC section 4.4.3).

    Raises:
        MalformedProof: If `[start, end)` is not a subtree of a tree of this size, or the proof has not their shape.
        Refuted: If the proof does not lead to both roots.
    """
    _require_subtree(start, end, size)
    if start == end:
        _require_hashes(proof, 0)
        _require_same(subtree_root, EMPTY_ROOT)
        return
    # The paths, from some level upwards, to the first and the last leaf of the subtree and to the last of the tree.
    first, last, edge = start, end - 1, size - 1
    while first != last and (last == edge or last & 1):
        first, last, edge = first >> 1, last >> 1, edge >> 1
    # From there on the proof is that of an inclusion, preceded by the node itself unless it is the subtree's own root.
    shared = (last ^ edge).bit_length()
    _require_hashes(proof, (first != last) + shared + (last >> shared).bit_count())
    siblings = iter(proof)
    small = large = subtree_root if first == last else next(siblings)
    for sibling in siblings:
        if last & 1 or last == edge:
            if first < last:
                small = node_hash(sibling, small)
            large = node_hash(sibling, large)
            while not last & 1:
                first, last, edge = first >> 1, last >> 1, edge >> 1
        else:
            large = node_hash(large, sibling)
        first, last, edge = first >> 1, last >> 1, edge >> 1
    _require_same(small, subtree_root)
    _require_same(large, root)


def _middle(start: int, end: int) -> int:
    """Return where the tree over `[start, end)`, of at least two leaves, divides into its left and right part."""
    return start + (1 << (end - start - 1).bit_length() - 1)


def _complete(start: int, end: int) -> list[tuple[int, int]]:
    """Return the maximal complete subtrees of the subtree `[start, end)`, largest first."""
    positions = []
    while start < end:
        level = (end - start).bit_length() - 1
        positions.append((level, start >> level))
        start += 1 << level
    return positions


def _roots(ranges: Iterable[tuple[int, int]], hashes: Hashes) -> list[bytes]:
    """Return the root of each subtree, asking for the hashes of all of them at once."""
    parts = [_complete(start, end) for start, end in ranges]
    found = iter(_read([position for part in parts for position in part], hashes))
    return [root(tuple(islice(found, len(part)))) for part in parts]


def _read(positions: Sequence[tuple[int, int]], hashes: Hashes) -> tuple[bytes, ...]:
    """Ask for hashes, and refuse an answer that cannot be theirs."""
    found = tuple(hashes(positions))
    _require_hashes(found, len(positions))
    return found


def _require_growth(old: int, new: int) -> None:
    if not 1 <= old <= new:
        raise MalformedProof(f"There is no consistency proof from {old} to {new} leaves", "Use sizes 1 <= old <= new")


def _require_leaf(index: int, start: int, end: int) -> None:
    _require_subtree(start, end, end)
    if not start <= index < end:
        raise MalformedProof(f"There is no leaf {index} among the leaves [{start}, {end})")


def _require_subtree(start: int, end: int, size: int) -> None:
    # A subtree starts at a multiple of its length, rounded up to a power of two (MTC section 4.1).
    if not 0 <= start <= end <= size or (start < end and start & (1 << (end - start - 1).bit_length()) - 1):
        raise MalformedProof(f"[{start}, {end}) is not a subtree of a tree of {size} leaves")


def _require_hashes(values: Sequence[bytes], count: int) -> None:
    if len(values) != count:
        raise MalformedProof(f"There are {len(values)} hashes where {count} belong")
    # Neighbours that trade bytes would hash alike: the length of each is part of what is checked.
    if not {*map(len, values)} <= {HASH_SIZE}:
        raise MalformedProof("A hash is not 32 bytes long")


def _require_same(value: bytes, wanted: bytes) -> None:
    if value != wanted:
        raise Refuted(f"The proof leads to the root {value.hex()}, and {wanted.hex()} was to be proven")

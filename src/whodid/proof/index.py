r"""The index of a segment: which entries carry a tag, and proof that there are no others.

A map from tags to ascending positions, as a Merkle Patricia tree: binary, over keys of 32 bytes, with an inner node
only where two keys part. The path of a key follows from its bits alone, so one root gives exactly one answer per key.
The tree is the one of rsc.io/tmp/mpt; its published trees are among the tests.

The encodings (all integers big endian)::

    key   = SHA-256("whodid/index-key/v1\n" | tag 16)
    value = SHA-256("whodid/positions/v1\n" | u32 count | u64 position …)       ascending
    leaf  = SHA-256(key | value)
    node  = SHA-256(left | right | u8 bit)     `bit`: the first in which its keys differ; 0 is the first bit of a key
    root  = SHA-256("") for a map without keys
    path  = (u8 bit | sibling 32) …            from the leaf up to the root, so that the bits decrease

A lookup proof is the one leaf that the bits of the asked key lead to, with its path. Holds that leaf the asked key, the
key is present with that value; holds it another, the asked key is absent. A check returns nothing when the proof holds;
it raises `MalformedProof` when the proof has not the shape, and `Refuted` when the mathematics says no.

The stored form of an index (`Index.encode`) is nothing that a proof refers to.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from itertools import accumulate, pairwise
from typing import NamedTuple

from whodid.errors import MalformedProof, Refuted
from whodid.proof.leaf import TAG_SIZE

__all__ = [
    "EMPTY",
    "KEY_SIZE",
    "Index",
    "Lookup",
    "Patricia",
    "check_absence",
    "check_lookup",
    "check_presence",
    "key_of",
    "value_of",
]

KEY_SIZE = 32
EMPTY = sha256(b"").digest()
"""The root of a map without keys."""

_BITS = 8 * KEY_SIZE
_STEP = 1 + KEY_SIZE
_MOST = 0xFFFFFFFF
_KEY = b"whodid/index-key/v1\n"
_POSITIONS = b"whodid/positions/v1\n"


class Lookup(NamedTuple):
    """What a map holds at the place where the bits of a key lead.

    Args:
        key: Key of the leaf there, 32 bytes; empty when the map has no keys.
        value: Value of that leaf, 32 bytes; empty when the map has no keys.
        path: (bit, sibling) steps of 33 bytes from the leaf up to the root.
    """

    key: bytes
    value: bytes
    path: bytes


def key_of(tag: bytes) -> bytes:
    """Return the key of a tag of 16 bytes: spread over all bits, whatever made the tag."""
    return sha256(_KEY + tag).digest()


def value_of(positions: Sequence[int]) -> bytes:
    """Bind ascending positions, 0 or more below 2**64."""
    body = array("Q", positions)
    if sys.byteorder == "little":
        body.byteswap()
    return sha256(b"%b%b%b" % (_POSITIONS, len(body).to_bytes(4), body.tobytes())).digest()


class Patricia:
    """A Merkle Patricia tree over a fixed map, all of it in memory.

    Args:
        items: (key, value) pairs of 32 bytes each, by strictly ascending key.

    Raises:
        MalformedProof: They do not ascend.
    """

    def __init__(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        pairs = list(items)
        self._keys = [key for key, _ in pairs]
        self._values = [value for _, value in pairs]
        if any(low >= high for low, high in pairwise(self._keys)):
            raise MalformedProof("The keys of an index do not ascend")
        self._leaves = [sha256(key + value).digest() for key, value in pairs]
        # The inner node whose keys part between the neighbours i-1 and i is kept at i; there is exactly one for each i.
        self._nodes = [b""] * len(pairs)
        self.root = self._build()

    def _build(self) -> bytes:
        """Fold the leaves from the left, keeping only the right edge open: one hash per node."""
        if not self._leaves:
            return EMPTY
        nodes, numbers = self._nodes, [int.from_bytes(key) for key in self._keys]
        open_: list[tuple[int, int, bytes]] = []  # (bit, place of the node, its left child), bits ascending
        right = self._leaves[0]
        for at in range(1, len(numbers)):
            bit = _BITS - (numbers[at - 1] ^ numbers[at]).bit_length()
            while open_ and open_[-1][0] > bit:
                above, place, left = open_.pop()
                nodes[place] = right = sha256(b"%b%b%c" % (left, right, above)).digest()
            open_.append((bit, at, right))
            right = self._leaves[at]
        while open_:
            above, place, left = open_.pop()
            nodes[place] = right = sha256(b"%b%b%c" % (left, right, above)).digest()
        return right

    def look_up(self, key: bytes) -> Lookup:
        """Prove what the map holds for a key of 32 bytes, or that it holds nothing."""
        if not self._keys:
            return Lookup(key=b"", value=b"", path=b"")
        start, stop, steps = 0, len(self._keys), []
        while stop - start > 1:
            bit, middle = self._parting(start, stop)
            if _bit(key, bit):
                sibling, start = self._hash(start, middle), middle
            else:
                sibling, stop = self._hash(middle, stop), middle
            steps.append(bytes((bit,)) + sibling)
        return Lookup(key=self._keys[start], value=self._values[start], path=b"".join(reversed(steps)))

    def _parting(self, start: int, stop: int) -> tuple[int, int]:
        """Return the first bit in which the keys of a range differ, and the place of the first key that has it."""
        low, high = int.from_bytes(self._keys[start]), int.from_bytes(self._keys[stop - 1])
        below = (low ^ high).bit_length() - 1
        least = (high >> below << below).to_bytes(KEY_SIZE)
        return _BITS - 1 - below, bisect_left(self._keys, least, start, stop)

    def _hash(self, start: int, stop: int) -> bytes:
        return self._leaves[start] if stop - start == 1 else self._nodes[self._parting(start, stop)[1]]


class Index:
    """The index of one segment.

    Args:
        start: Position of the segment's first entry; no position is below it.
        postings: Tag (16 bytes) → its positions, strictly ascending, at least one.
    """

    def __init__(self, start: int, postings: Mapping[bytes, Sequence[int]]) -> None:
        self.start = start
        self.postings = postings
        self._tree = Patricia(sorted((key_of(tag), value_of(positions)) for tag, positions in postings.items()))

    @property
    def root(self) -> bytes:
        """What a seal says of the index."""
        return self._tree.root

    def look_up(self, tag: bytes) -> tuple[tuple[int, ...], Lookup]:
        """Return the positions of a tag, none when no entry carries it, and the proof that there are no others."""
        return tuple(self.postings.get(tag, ())), self._tree.look_up(key_of(tag))

    def encode(self) -> bytes:
        """Return the stored form, made for compression: u64 start, u32 keys, tags, counts, then steps of positions."""
        counts, steps = array("I"), array("I")
        for positions in self.postings.values():
            counts.append(len(positions))
            before = self.start
            for position in positions:
                steps.append(position - before)
                before = position
        head = self.start.to_bytes(8) + len(counts).to_bytes(4)
        return head + b"".join(self.postings) + _planes(counts) + _planes(steps)

    @classmethod
    def decode(cls, data: bytes) -> Index:
        """Read a stored index back.

        Raises:
            MalformedProof: It is not one.
        """
        start, count = int.from_bytes(data[:8]), int.from_bytes(data[8:12])
        at = 12 + TAG_SIZE * count
        if len(data) < max(12, at + 4 * count) or len(data) % 4:
            raise MalformedProof("A stored index has not the length that it says")
        tags = [data[place : place + TAG_SIZE] for place in range(12, at, TAG_SIZE)]
        counts, steps = _unplanes(data[at : at + 4 * count]), _unplanes(data[at + 4 * count :])
        if sum(counts) != len(steps) or len(set(tags)) != count:
            raise MalformedProof("A stored index has not the positions that it says")
        postings, done = {}, 0
        for tag, many in zip(tags, counts, strict=True):
            postings[tag] = tuple(accumulate(steps[done : done + many], initial=start))[1:]
            done += many
        return cls(start, postings)


def check_lookup(root: bytes, key: bytes, proof: Lookup) -> bytes | None:
    """Check the proof of what the map with this root holds for a key.

    Args:
        root: 32 bytes.
        key: The asked key, 32 bytes.

    Returns:
        The value, or None: the map does not hold the key.

    Raises:
        MalformedProof: The proof has not the shape of one.
        Refuted: It is about another place of the map, or leads to another root.
    """
    if not proof.key:
        if proof.value or proof.path:
            raise MalformedProof("The proof of an empty index has no value and no path")
        if root != EMPTY:
            raise Refuted("The proof says that the index is empty, and its root says that it is not")
        return None
    if len(proof.key) != KEY_SIZE or len(proof.value) != KEY_SIZE or len(key) != KEY_SIZE or len(proof.path) % _STEP:
        raise MalformedProof("A key, a value or a path of an index has another length")
    below, value = _BITS, sha256(proof.key + proof.value).digest()
    for at in range(0, len(proof.path), _STEP):
        bit, sibling = proof.path[at], proof.path[at + 1 : at + _STEP]
        if bit >= below:
            raise MalformedProof("The bits of a path through an index do not decrease")
        side = _bit(proof.key, bit)
        if side != _bit(key, bit):
            raise Refuted("The path leads to another place of the index than the asked key does")
        left, right = (sibling, value) if side else (value, sibling)
        below, value = bit, sha256(b"%b%b%c" % (left, right, bit)).digest()
    if value != root:
        raise Refuted("The proof leads to another root of the index")
    return proof.value if proof.key == key else None


def check_presence(root: bytes, tag: bytes, positions: Sequence[int], proof: Lookup) -> None:
    """Check the proof that exactly these entries of a segment carry a tag.

    Raises:
        MalformedProof: The positions do not ascend, there are none, or the proof has not the shape of one.
        Refuted: It does not hold.
    """
    ascending = all(low < high for low, high in pairwise(positions))
    if not positions or not ascending or positions[0] < 0 or positions[-1] >= 1 << 64 or len(positions) > _MOST:
        raise MalformedProof("The positions of a tag do not ascend")
    if check_lookup(root, key_of(tag), proof) != value_of(positions):
        raise Refuted("The index holds other positions for the tag")


def check_absence(root: bytes, tag: bytes, proof: Lookup) -> None:
    """Check the proof that no entry of a segment carries a tag.

    Raises:
        MalformedProof: The proof has not the shape of one.
        Refuted: It does not hold.
    """
    if check_lookup(root, key_of(tag), proof) is not None:
        raise Refuted("The index does hold positions for the tag")


def _bit(key: bytes, bit: int) -> int:
    return key[bit >> 3] >> (7 - (bit & 7)) & 1


def _planes(numbers: array[int]) -> bytes:
    """Write 32-bit numbers byte plane by byte plane, highest first: mostly zeros beside zeros."""
    if sys.byteorder == "little":
        numbers.byteswap()
    data = numbers.tobytes()
    return b"".join(data[place::4] for place in range(4))


def _unplanes(data: bytes) -> array[int]:
    whole = bytearray(len(data) // 4 * 4)
    for place in range(4):
        whole[place::4] = data[place * (len(whole) // 4) : (place + 1) * (len(whole) // 4)]
    numbers = array("I", bytes(whole))
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers

"""The index of a segment: published trees, a naive model, and everything that a proof must not get past a check."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whodid.errors import MalformedProof, ProofError, Refuted
from whodid.proof.index import (
    EMPTY,
    Index,
    Lookup,
    Patricia,
    check_absence,
    check_lookup,
    check_presence,
    key_of,
    value_of,
)

FOREIGN = Path(__file__).parent / "vectors" / "foreign"
GOLDEN: dict[str, Any] = json.loads((FOREIGN / "mpt-golden-trees.json").read_text(encoding="utf-8"))


def naive_root(items: dict[bytes, bytes], bit: int = 0) -> bytes:
    """Return the root by its definition: split at every bit, leave out what does not part."""
    if not items:
        return EMPTY
    if len(items) == 1:
        ((key, value),) = items.items()
        return sha256(key + value).digest()
    sides: tuple[dict[bytes, bytes], dict[bytes, bytes]] = ({}, {})
    for key, value in items.items():
        sides[int.from_bytes(key) >> (255 - bit) & 1][key] = value
    if not sides[0] or not sides[1]:
        return naive_root(items, bit + 1)
    return sha256(naive_root(sides[0], bit + 1) + naive_root(sides[1], bit + 1) + bytes((bit,))).digest()


# Keys that share long beginnings, as well as keys that share nothing.
keys = st.one_of(
    st.binary(min_size=32, max_size=32),
    st.builds(
        lambda at, rest: bytes(at) + rest + bytes(31 - at), st.integers(0, 31), st.binary(min_size=1, max_size=1)
    ),
)
maps = st.dictionaries(keys, st.binary(min_size=32, max_size=32), max_size=40)
tags = st.binary(min_size=16, max_size=16)
postings = st.dictionaries(
    tags, st.sets(st.integers(1_000, 70_000), min_size=1, max_size=12).map(lambda one: tuple(sorted(one))), max_size=20
)


@pytest.mark.parametrize("tree", GOLDEN["trees"])
def test_golden_trees(tree: dict[str, Any]) -> None:
    """Build the published trees, and prove each of their keys and each that they miss."""
    items = {bytes.fromhex(item["key"]): bytes.fromhex(item["value"]) for item in tree["items"]}
    built = Patricia(sorted(items.items()))
    assert built.root.hex() == tree["root"]
    for key, value in items.items():
        assert check_lookup(built.root, key, built.look_up(key)) == value
    for text in GOLDEN["missing_keys"]:
        key = bytes.fromhex(text)
        assert check_lookup(built.root, key, built.look_up(key)) is None


@given(maps, st.lists(keys, max_size=5))
def test_as_the_definition_says(items: dict[bytes, bytes], others: list[bytes]) -> None:
    """Agree with a naive model on every root and every answer."""
    built = Patricia(sorted(items.items()))
    assert built.root == naive_root(items)
    for key in [*items, *others]:
        assert check_lookup(built.root, key, built.look_up(key)) == items.get(key)


def test_keys_ascend() -> None:
    """Refuse keys that are out of order or twice there."""
    for bad in ([b"b" * 32, b"a" * 32], [b"a" * 32, b"a" * 32]):
        with pytest.raises(MalformedProof):
            Patricia((key, bytes(32)) for key in bad)


@given(postings, st.lists(tags, max_size=4))
def test_index_proves_and_comes_back(given_: dict[bytes, tuple[int, ...]], others: list[bytes]) -> None:
    """Prove presence and absence from an index that was stored."""
    index = Index(1_000, given_)
    back = Index.decode(index.encode())
    assert back.start == 1_000
    assert back.postings == given_
    assert back.root == index.root
    for tag in [*given_, *others]:
        positions, proof = back.look_up(tag)
        assert positions == given_.get(tag, ())
        if positions:
            check_presence(index.root, tag, positions, proof)
            with pytest.raises(Refuted):
                check_absence(index.root, tag, proof)
        else:
            check_absence(index.root, tag, proof)
            with pytest.raises(ProofError):
                check_presence(index.root, tag, (1_000,), proof)


@given(postings, st.binary(max_size=80), st.integers(0, 200))
def test_damaged_storage_is_told(given_: dict[bytes, tuple[int, ...]], tail: bytes, cut: int) -> None:
    """Tell a stored index that is too long, too short or no index at all."""
    data = Index(1_000, given_).encode()
    for bad in (data + b"\0", data[: min(cut, len(data) - 1)]):
        with pytest.raises(MalformedProof):
            Index.decode(bad)
    with suppress(MalformedProof):
        Index.decode(tail)


def sample(count: int = 300) -> Index:
    """Return an index with tags of one and of several positions."""
    dice = random.Random(7)
    found: dict[bytes, list[int]] = {}
    for position in range(5_000, 5_000 + count):
        for _ in range(3):
            found.setdefault(sha256(b"%d" % dice.randrange(count)).digest()[:16], []).append(position)
    return Index(5_000, {tag: tuple(sorted(set(positions))) for tag, positions in found.items()})


def test_positions_are_bound() -> None:
    """Refuse a position more, a position less, and positions out of order."""
    index = sample()
    tag = next(tag for tag, positions in index.postings.items() if len(positions) >= 3)
    positions, proof = index.look_up(tag)
    check_presence(index.root, tag, positions, proof)
    for wrong in (positions[:-1], positions[1:], (*positions, positions[-1] + 1), (positions[0] - 1, *positions)):
        with pytest.raises(Refuted):
            check_presence(index.root, tag, wrong, proof)
    for wrong in ((), positions[::-1], (*positions, positions[-1]), (-1, *positions), (*positions, 1 << 64)):
        with pytest.raises(MalformedProof):
            check_presence(index.root, tag, wrong, proof)


def test_no_changed_byte_passes() -> None:
    """Change each byte of a proof of presence and of one of absence."""
    index = sample()
    absent = b"nobody has this."
    present = next(iter(index.postings))
    for tag in (present, absent):
        positions, proof = index.look_up(tag)
        for name in ("key", "value", "path"):
            data = getattr(proof, name)
            for at in range(len(data)):
                bent = data[:at] + bytes((data[at] ^ 1 << at % 8,)) + data[at + 1 :]
                changed = proof._replace(**{name: bent})
                with pytest.raises(ProofError):
                    if positions:
                        check_presence(index.root, tag, positions, changed)
                    else:
                        check_absence(index.root, tag, changed)


def test_a_proof_for_another_place_is_no_absence() -> None:
    """The lie that matters: another key's genuine leaf, offered as proof that the asked key is absent."""
    index = sample()
    asked = next(iter(index.postings))
    for other in index.postings:
        if other != asked:
            with pytest.raises(Refuted):
                check_absence(index.root, asked, index.look_up(other)[1])


def test_an_inner_node_does_not_pass_for_a_leaf() -> None:
    """Cut the path, and repeat a step of it."""
    index = sample()
    tag = next(iter(index.postings))
    _, proof = index.look_up(tag)
    for cut in (33, 66, 1, len(proof.path) - 33):
        with pytest.raises(ProofError):
            check_lookup(index.root, key_of(tag), Lookup(key=proof.key, value=proof.value, path=proof.path[cut:]))
    doubled = Lookup(key=proof.key, value=proof.value, path=proof.path[:33] + proof.path)
    with pytest.raises(MalformedProof, match="decrease"):
        check_lookup(index.root, key_of(tag), doubled)


def test_empty_index() -> None:
    """Prove absence from an index without keys, and refuse anything that only looks like that."""
    index = Index(9, {})
    assert index.root == EMPTY == sha256(b"").digest()
    positions, proof = index.look_up(b"t" * 16)
    assert positions == ()
    check_absence(EMPTY, b"t" * 16, proof)
    with pytest.raises(Refuted):
        check_absence(sample().root, b"t" * 16, proof)
    for bad in (Lookup(key=b"", value=b"v" * 32, path=b""), Lookup(key=b"", value=b"", path=b"p" * 33)):
        with pytest.raises(MalformedProof):
            check_absence(EMPTY, b"t" * 16, bad)
    for short in (Lookup(key=b"k", value=bytes(32), path=b""), Lookup(key=bytes(32), value=b"", path=b"")):
        with pytest.raises(MalformedProof):
            check_absence(EMPTY, b"t" * 16, short)


def test_value_by_hand() -> None:
    """Write the hashed bytes out as the specification says."""
    by_hand = b"whodid/positions/v1\n" + (2).to_bytes(4) + (7).to_bytes(8) + (300).to_bytes(8)
    assert value_of((7, 300)) == sha256(by_hand).digest()
    assert key_of(b"t" * 16) == sha256(b"whodid/index-key/v1\n" + b"t" * 16).digest()

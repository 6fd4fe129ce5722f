"""Trees and proofs that other projects published: the RFC 6962 reference tree, 518 probes, the draft's subtrees."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Sequence
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from whodid.errors import MalformedProof, ProofError, Refuted
from whodid.proof.tree import (
    EMPTY_ROOT,
    check_consistency,
    check_inclusion,
    check_subtree_consistency,
    check_subtree_inclusion,
    covering_subtrees,
    extend,
    leaf_hash,
    node_hash,
    root,
    subtree_consistency_proof,
    subtree_inclusion_proof,
    subtree_root,
)

FOREIGN = Path(__file__).parent / "vectors" / "foreign"


def load(name: str) -> Any:
    """Read one of the collections in vectors/foreign."""
    return json.loads((FOREIGN / f"{name}.json").read_text(encoding="utf-8"))


def probes(kind: str) -> list[Any]:
    """Return the probes of a kind as test parameters, named as in their source."""
    return [pytest.param(probe, id=name) for name, probe in load(f"merkle-{kind}-probes")["probes"].items()]


def unpack(probe: dict[str, Any], *names: str) -> list[Any]:
    """Return fields of a probe, with base64 decoded and a missing proof as an empty one."""
    values: list[Any] = []
    for name in names:
        value = probe[name]
        if name == "proof":
            values.append([b64decode(text) for text in value or []])
        else:
            values.append(b64decode(value) if isinstance(value, str) else value)
    return values


def judge(probe: dict[str, Any], check: Callable[..., None], *arguments: Any) -> None:
    """Demand of a check the verdict that the probe wants."""
    if probe["wantErr"]:
        with pytest.raises(ProofError):
            check(*arguments)
    else:
        check(*arguments)


def test_all_probes_are_here() -> None:
    """There are 518 probes, and both verdicts among each kind of them."""
    kinds = ["inclusion", "consistency", "subtreeinclusion", "subtreeconsistency"]
    collections = [load(f"merkle-{kind}-probes")["probes"].values() for kind in kinds]

    assert [len(collection) for collection in collections] == [98, 98, 204, 118]
    assert all({probe["wantErr"] for probe in collection} == {True, False} for collection in collections)


@pytest.mark.parametrize("probe", probes("inclusion"))
def test_inclusion_probes(probe: dict[str, Any]) -> None:
    """Inclusion probes of transparency-dev/merkle get the verdict that they want."""
    judge(probe, check_inclusion, *unpack(probe, "leafIdx", "treeSize", "leafHash", "proof", "root"))


@pytest.mark.parametrize("probe", probes("consistency"))
def test_consistency_probes(probe: dict[str, Any]) -> None:
    """Consistency probes of transparency-dev/merkle get the verdict that they want."""
    judge(probe, check_consistency, *unpack(probe, "size1", "size2", "root1", "root2", "proof"))


@pytest.mark.parametrize("probe", probes("subtreeinclusion"))
def test_subtree_inclusion_probes(probe: dict[str, Any]) -> None:
    """Subtree inclusion probes of transparency-dev/merkle get the verdict that they want."""
    judge(probe, check_subtree_inclusion, *unpack(probe, "leafIdx", "start", "end", "leafHash", "proof", "root"))


@pytest.mark.parametrize("probe", probes("subtreeconsistency"))
def test_subtree_consistency_probes(probe: dict[str, Any]) -> None:
    """Subtree consistency probes of transparency-dev/merkle get the verdict that they want."""
    judge(probe, check_subtree_consistency, *unpack(probe, "start", "end", "size", "root1", "root2", "proof"))


def test_rfc6962_reference() -> None:
    """Hashes, nodes and roots of the reference tree of RFC 6962 implementations."""
    vectors = load("rfc6962-reference")
    leaves = [leaf_hash(bytes.fromhex(data)) for data in vectors["leaf_inputs_hex"]]
    rows = [[bytes.fromhex(node) for node in row] for row in vectors["node_hashes_by_level_hex"]]

    assert leaves == rows[0]
    for below, above in pairwise(rows):
        assert [node_hash(*below[at : at + 2]) for at in range(0, len(below), 2)] == above
    for size, wanted in enumerate(vectors["root_hashes_by_size_hex"]):
        assert root(extend((), 0, leaves[:size])[0]).hex() == wanted
    by_name = {case["desc"]: case for case in vectors["hasher"]}
    assert by_name["empty root"]["want"] == EMPTY_ROOT.hex()
    assert by_name["empty leaf"]["want"] == leaf_hash(b"").hex()
    assert by_name["leaf L123456"]["want"] == leaf_hash(b"L123456").hex()
    assert by_name["node N123,N456"]["want"] == node_hash(b"N123", b"N456").hex()


def test_mtc_large_subtrees() -> None:
    """Three proofs of the Merkle Tree Certificates draft, in a tree of 2^48 - 2^24 + 2^12 leaves."""
    vectors = load("mtc-large-subtree")
    size, top = int(vectors["tree_size"], 16), bytes.fromhex(vectors["tree_hash"])
    assert len(vectors["vectors"]) == 3

    for vector in vectors["vectors"]:
        start, end = int(vector["start"], 16), int(vector["end"], 16)
        part = bytes.fromhex(vector["subtree_hash"])
        proof = [bytes.fromhex(value) for value in vector["proof"]]
        check_subtree_consistency(start, end, size, part, top, proof)
        for at, value in enumerate(proof):
            changed = [*proof[:at], bytes([value[0] ^ 1]) + value[1:], *proof[at + 1 :]]
            with pytest.raises(Refuted):
                check_subtree_consistency(start, end, size, part, top, changed)
            for shape in ([*proof[:at], *proof[at + 1 :]], [*proof[:at], value, *proof[at:]]):
                with pytest.raises(MalformedProof):
                    check_subtree_consistency(start, end, size, part, top, shape)


def test_mtc_accumulated_digests() -> None:
    """Every subtree, inclusion, consistency and covering up to 130 leaves, as one digest per algorithm; all hold."""
    wanted = load("notes-checkpoints-tiles")["mtc_subtree_accumulated"]
    leaves = [leaf_hash(bytes([number])) for number in range(130)]
    nodes = [leaves]
    while len(nodes[-1]) > 1:
        row = nodes[-1]
        nodes.append([node_hash(*row[at : at + 2]) for at in range(0, len(row) - 1, 2)])

    def stored(positions: Sequence[tuple[int, int]]) -> list[bytes]:
        return [nodes[level][index] for level, index in positions]

    def line(head: str, values: Sequence[bytes]) -> bytes:
        return " ".join([head, *(value.hex() for value in values)]).encode() + b"\n"

    ceilings = [1, *(1 << (length - 1).bit_length() for length in range(1, 131))]
    parts = [(start, end) for end in range(131) for start in range(end + 1) if start % ceilings[end - start] == 0]
    roots = {(start, end): subtree_root(start, end, stored) for start, end in parts}
    digests = {name: sha256() for name in ("subtree_hash", "subtree_inclusion", "subtree_consistency", "covering")}
    for start, end in parts:
        digests["subtree_hash"].update(line(f"[{start}, {end})", [roots[start, end]]))
        for index in range(start, end):
            proof = subtree_inclusion_proof(index, start, end, stored)
            check_subtree_inclusion(index, start, end, leaves[index], proof, roots[start, end])
            digests["subtree_inclusion"].update(line(f"{index} [{start}, {end})", proof))
    for size in range(131):
        for start, end in parts:
            if end <= size:
                proof = subtree_consistency_proof(start, end, size, stored)
                check_subtree_consistency(start, end, size, roots[start, end], roots[0, size], proof)
                digests["subtree_consistency"].update(line(f"[{start}, {end}) {size}", proof))
    for end in range(131):
        for start in range(end + 1):
            left, right = covering_subtrees(start, end)
            digests["covering"].update(f"[{left[0]}, {left[1]}) [{right[0]}, {right[1]})\n".encode())

    assert {name: digest.hexdigest() for name, digest in digests.items()} == {name: wanted[name] for name in digests}

"""The published vectors of seals and evidence: both verifiers say of each what the file says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.test_evidence_agree import agree
from whodid.evidence.verdict import FACTS
from whodid.proof import leaf, tree
from whodid.proof.anchoring import AnchorMap, anchors_key, check_anchored
from whodid.proof.checkpoint import Checkpoint, open_checkpoint
from whodid.proof.index import Index, Lookup, check_absence, check_presence, key_of
from whodid.proof.seal import Seal, check_chain, check_origin, origin_id, salt_commitment
from whodid.proof.volume import Volume, check_seal, check_volumes, seals_root, volume_salt_commitment

FOLDER = Path(__file__).parent / "vectors"
SEALS = json.loads((FOLDER / "seal.json").read_text(encoding="utf-8"))
VOLUMES = json.loads((FOLDER / "volume.json").read_text(encoding="utf-8"))
ANCHORED = json.loads((FOLDER / "anchor-log.json").read_text(encoding="utf-8"))
CASES = [
    case
    for file in ("evidence.json", "evidence-2.json")
    for case in json.loads((FOLDER / file).read_text(encoding="utf-8"))["cases"]
]


def test_salts_and_origin() -> None:
    """Commitments follow from number and salt, and the origin from the first two."""
    salts = [bytes.fromhex(one) for one in SEALS["salts"]]
    commitments = [salt_commitment(number, salt) for number, salt in enumerate(salts)]
    assert [one.hex() for one in commitments] == SEALS["commitments"]
    assert origin_id(*commitments[:2]) == SEALS["origin_id"]
    check_origin(f"example.com/audit/{SEALS['origin_id']}", *commitments[:2])
    assert Index(0, {}).root.hex() == SEALS["empty_index_root"]


def test_seals_indexes_and_lookups() -> None:
    """From what the entries carry to the index, its proofs, the seal and the chain."""
    seals = [Seal.decode(bytes.fromhex(one["seal"])) for one in SEALS["segments"]]
    check_chain(seals)
    for number, (segment, seal) in enumerate(zip(SEALS["segments"], seals, strict=True)):
        assert seal.hash.hex() == segment["hash"]
        salt = bytes.fromhex(SEALS["salts"][number])
        postings: dict[bytes, list[int]] = {}
        for at, carried in enumerate(segment["carried"], seal.start):
            for dimension, value in carried:
                postings.setdefault(leaf.tag(salt, dimension, value.encode()), []).append(at)
        assert Index(seal.start, postings).root == seal.root == bytes.fromhex(segment["index_root"])
        for found in segment["lookups"]:
            _look_up(seal.root, salt, found)


def test_volumes() -> None:
    """From what the entries carry to the index, its proofs, the paths of the seals and the chain."""
    first, second = (Volume.decode(bytes.fromhex(one["volume"])) for one in (VOLUMES, VOLUMES["without_index"]))
    check_volumes([first, second])
    assert [first.hash.hex(), second.hash.hex()] == [VOLUMES["hash"], VOLUMES["without_index"]["hash"]]
    salt = bytes.fromhex(VOLUMES["salt"])
    assert volume_salt_commitment(0, salt) == first.commitment
    postings: dict[bytes, list[int]] = {}
    for at, carried in enumerate(VOLUMES["carried"]):
        for dimension, value in carried:
            postings.setdefault(leaf.tag(salt, dimension, value.encode()), []).append(at)
    assert (Index(0, postings).root, len(postings)) == (first.root, first.keys)
    for found in VOLUMES["lookups"]:
        _look_up(first.root, salt, found)
    for number, (data, path) in enumerate(zip(VOLUMES["seals"], VOLUMES["paths"], strict=True)):
        seal = check_seal(first, bytes.fromhex(data), [bytes.fromhex(one) for one in path])
        assert (seal.number, data) == (number, SEALS["segments"][number]["seal"])
    assert seals_root([bytes.fromhex(one) for one in VOLUMES["without_index"]["seals"]]) == second.seals
    assert second.root.hex() == SEALS["empty_index_root"]


def test_the_anchor_log() -> None:
    """From heads to the map and its paths, and from the map to the signed head of the anchor log."""
    heads = [
        Checkpoint(origin=one["origin"], size=one["size"], root=bytes.fromhex(one["root"])) for one in ANCHORED["heads"]
    ]
    made = AnchorMap.of(heads)
    assert made.root.hex() == ANCHORED["root"]
    for head, path in zip(heads, ANCHORED["paths"], strict=True):
        check_anchored(made.root, head, bytes.fromhex(path))
    entry = ANCHORED["entry"]
    key = anchors_key(ANCHORED["vkey"], entry["checkpoint"].partition("\n")[0])
    assert key.vkey == ANCHORED["anchors_vkey"]
    head, _ = open_checkpoint(entry["checkpoint"], key)
    hash_ = tree.leaf_hash(bytes.fromhex(entry["leaf"]))
    inclusion = [bytes.fromhex(one) for one in entry["inclusion"]]
    tree.check_inclusion(entry["index"], head.size, hash_, inclusion, head.root)
    check_anchored(bytes.fromhex(entry["map"]), heads[0], bytes.fromhex(entry["path"]))


def _look_up(root: bytes, salt: bytes, found: dict[str, Any]) -> None:
    tag = leaf.tag(salt, found["dimension"], found["value"].encode())
    assert (tag.hex(), key_of(tag).hex()) == (found["tag"], found["key"])
    proof = Lookup(*[bytes.fromhex(found[name]) for name in ("leaf_key", "leaf_value", "path")])
    if found["positions"]:
        check_presence(root, tag, found["positions"], proof)
        assert found["leaf_value"] == found["positions_value"]
    else:
        check_absence(root, tag, proof)


@pytest.mark.frontend
def test_both_verifiers_say_of_each_file_what_the_vectors_say() -> None:
    """Verdict, problems with their places, levels and answers; and nearly every kind of problem is among them."""
    seen = set()
    for trusted in {case["trusted"] for case in CASES}:
        cases = [case for case in CASES if case["trusted"] == trusted]
        verdicts = agree([case["document"].encode() for case in cases], trusted)
        for case, verdict in zip(cases, verdicts, strict=True):
            problems = [[one.code, one.index] for one in verdict.problems]
            levels = {name: getattr(verdict.levels, name).state for name in case["levels"]}
            answers = [one.index for one in verdict.answers]
            told = (verdict.ok, problems, levels, answers)
            assert told == (case["ok"], case["problems"], case["levels"], case["answers"]), case["name"]
            seen |= {code for code, _ in problems}
    assert {case["name"] for case in CASES if not case["ok"]} > {"of another log"}
    assert len(seen) > len(FACTS) // 2

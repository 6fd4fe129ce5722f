"""What signed notes stand on: the one spelling of base64, and Ed25519 in its hard cases."""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whodid.errors import MalformedProof
from whodid.proof.note import decode_base64, verify_ed25519

FOREIGN = Path(__file__).parent / "vectors" / "foreign"

# --------------------------------------------------------------------------------------------------------------- base64


@given(st.binary(max_size=50))
def test_base64_has_one_spelling(data: bytes) -> None:
    """Bytes are read from their base64, and no shorter, longer or padded version of it means the same."""
    text = b64encode(data).decode()

    assert decode_base64(text) == data
    for other in (text + "=", text + "\n", " " + text, text.rstrip("=") if text.endswith("=") else text + "===="):
        with pytest.raises(MalformedProof):
            decode_base64(other)


@pytest.mark.parametrize(
    "text", ["A", "AA", "AAA", "A===", "AB==", "AAB=", "AA-A", "AA_A", "AA\u0661A", "éAAA", "A A="]
)
def test_what_is_not_base64(text: str) -> None:
    """Other alphabets, missing padding and stray bits are refused."""
    with pytest.raises(MalformedProof):
        decode_base64(text)


# -------------------------------------------------------------------------------------------------------------- Ed25519


def test_wycheproof() -> None:
    """All 151 Wycheproof cases get the verdict that they demand: 88 signatures hold, 63 do not."""
    groups = json.loads((FOREIGN / "wycheproof-ed25519.json").read_text(encoding="utf-8"))["testGroups"]
    verdicts: Counter[str] = Counter()

    for group in groups:
        public = bytes.fromhex(group["publicKey"]["pk"])
        for case in group["tests"]:
            holds = verify_ed25519(public, bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
            assert holds == (case["result"] == "valid"), case["tcId"]
            verdicts[case["result"]] += 1

    assert verdicts == {"valid": 88, "invalid": 63}


def test_cctv_edge_cases() -> None:
    """Of 914 edge cases 208 are accepted, and which ones is pinned: the commonest rule, that of ref10, Go and OpenSSL.

    RFC 8032 leaves these cases open, so there is no verdict in the data. The rule is to refuse a point R that is not in
    canonical form, and points of small order that only the cofactor would cancel, and to accept the rest. Cases
    flagged `reencoded_k` are signatures over another hash; ten of them hold by chance. Should another version of
    `cryptography` judge otherwise, a note could be valid on one machine and not on another: then this test fails.
    """
    cases = json.loads((FOREIGN / "cctv-ed25519.json").read_text(encoding="utf-8"))
    accepted = {
        case["number"]
        for case in cases
        if verify_ed25519(bytes.fromhex(case["key"]), case["msg"].encode(), bytes.fromhex(case["sig"]))
    }
    by_rule = {
        case["number"]
        for case in cases
        if not {"non_canonical_R", "low_order_residue", "reencoded_k"} & set(case["flags"] or ())
    }
    by_chance = {35, 166, 167, 188, 255, 308, 311, 314, 838, 904}

    assert len(cases) == 914
    assert accepted == by_rule | by_chance
    assert len(accepted) == 208

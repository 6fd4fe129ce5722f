"""Write tests/vectors/seal.json and evidence.json: what another verifier must accept and refuse, and why.

The files are frozen: run this only when a format gets a new version or an example is added, never because a test fails.
What the members mean is written in docs/spec/vectors.md.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.evidencing import Workshop, furnished, veiled
from tests.test_evidence import ABOUT, QUESTIONS, TAMPERED
from whodid.evidence.document import Document, encode
from whodid.evidence.question import Question
from whodid.evidence.verify import verify
from whodid.proof import leaf
from whodid.proof.index import Index, key_of, value_of
from whodid.proof.seal import NOTHING, Seal, anchor_hash, origin_id, salt_commitment

TARGET = Path(__file__).parents[1] / "tests" / "vectors"


def seals() -> dict[str, Any]:
    """Work three segments out: salts, tags, indexes, lookups and the chain of their seals."""
    salts = [bytes(range(32 * number, 32 * number + 32)) for number in range(5)]
    segments, before, start = [], NOTHING, 0
    for number, size in enumerate((4, 1, 3)):
        postings: dict[bytes, list[int]] = {}
        carried = []
        for at in range(start, start + size):
            said = [(leaf.ACTOR, f"user\0usr_{at % 2}"), (leaf.RESOURCE, f"contact\0con_{at % 3}")]
            carried.append([[dimension, value] for dimension, value in said])
            for dimension, value in said:
                postings.setdefault(leaf.tag(salts[number], dimension, value.encode()), []).append(at)
        index = Index(start, postings)
        seal = Seal(
            number=number,
            start=start,
            stop=start + size,
            indexed=size,
            keys=len(postings),
            recorded_first=10**15 + start,
            recorded_last=10**15 + start + size - 1,
            occurred_first=10**15 - 5,
            occurred_last=10**15 + start + size - 1,
            root=index.root,
            commitment=salt_commitment(number + 2, salts[number + 2]),
            previous=before,
            anchor=anchor_hash(b"a time stamp") if number else NOTHING,
        )
        looked_up = []
        for value in ("user\0usr_0", "user\0usr_1", "user\0usr_9"):
            tag = leaf.tag(salts[number], leaf.ACTOR, value.encode())
            positions, found = index.look_up(tag)
            looked_up.append(
                {
                    "dimension": leaf.ACTOR,
                    "value": value,
                    "tag": tag.hex(),
                    "key": key_of(tag).hex(),
                    "positions": list(positions),
                    "positions_value": value_of(positions).hex() if positions else None,
                    "leaf_key": found.key.hex(),
                    "leaf_value": found.value.hex(),
                    "path": found.path.hex(),
                }
            )
        segments.append(
            {
                "carried": carried,
                "index_root": index.root.hex(),
                "lookups": looked_up,
                "seal": seal.encode().hex(),
                "hash": seal.hash.hex(),
            }
        )
        before, start = seal.hash, start + size
    commitments = [salt_commitment(number, salt) for number, salt in enumerate(salts)]
    return {
        "salts": [one.hex() for one in salts],
        "commitments": [one.hex() for one in commitments],
        "origin_id": origin_id(*commitments[:2]),
        "empty_index_root": Index(0, {}).root.hex(),
        "segments": segments,
    }


def evidence() -> dict[str, Any]:
    """Make files that hold and files that do not, each with its verdict."""
    shop = furnished("vectors", segments=3, entries=5)
    plain = shop.evidence(ABOUT)
    made: dict[str, Document] = {name: shop.evidence(question) for name, question in QUESTIONS.items()}
    made["contact, with every header"] = shop.evidence(ABOUT, headers=True)
    made["contact, with hidden values"] = shop.evidence(ABOUT, show=veiled)
    made["after a purge"] = _purged().evidence(Question())
    shop.seen_outside = [(_head(shop, 7), b"\x30\x00")]
    made["with an anchor"] = shop.evidence(ABOUT)
    made["of another log"] = furnished("forger", segments=2, entries=2).evidence(ABOUT)
    made |= {f"tampered: {name}": tamper(plain) for name, (tamper, _) in TAMPERED.items() if tamper(plain) != plain}
    cases = []
    for name, document in made.items():
        trusted = shop.vkey if name.startswith(("tampered", "of another")) else document.vkey
        verdict = verify(encode(document), trusted=[trusted])
        cases.append(
            {
                "name": name,
                "document": encode(document).decode(),
                "trusted": trusted,
                "ok": verdict.ok,
                "problems": [[one.code, one.index] for one in verdict.problems],
                "levels": {one: getattr(verdict.levels, one).state for one in ("c0", "c1", "c2", "c3", "c4")},
                "answers": [one.index for one in verdict.answers],
            }
        )
    return {"cases": cases}


def _purged() -> Workshop:
    shop = furnished("purged", segments=3, entries=5)
    shop.purge(below=7)
    shop.close()
    return shop


def _head(shop: Workshop, size: int) -> str:
    shop.sign(size)
    note = shop.checkpoint
    shop.sign()
    return note


if __name__ == "__main__":
    for file, content in (("seal.json", seals()), ("evidence.json", evidence())):
        (TARGET / file).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

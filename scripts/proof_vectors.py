"""Write the vectors of seals, volumes and evidence: what another verifier must accept and refuse, and why.

The files are frozen: run this only when a format gets a new version or an example is added, never because a test fails.
What the members mean is written in docs/spec/vectors.md.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from tests.evidencing import ABOUT, QUESTIONS, Workshop, furnished, veiled
from tests.test_anchor_log import Anchoring
from tests.test_evidence import TAMPERED
from tests.test_evidence_volumes import LEANING
from tests.test_evidence_volumes import TAMPERED as TAMPERED_VOLUMES
from whodid.evidence.document import Document, encode
from whodid.evidence.question import Question
from whodid.evidence.verify import verify
from whodid.proof import leaf, tree
from whodid.proof.anchoring import AnchorMap, anchors_key
from whodid.proof.checkpoint import Checkpoint
from whodid.proof.index import Index, key_of, value_of
from whodid.proof.seal import NOTHING, Seal, anchor_hash, origin_id, salt_commitment
from whodid.proof.volume import Volume, seal_path, seals_root, volume_salt_commitment

TARGET = Path(__file__).parents[1] / "tests" / "vectors"
_ASKED = ("user\0usr_0", "user\0usr_1", "user\0usr_9")


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
        looked_up = [_looked_up(index, salts[number], value) for value in _ASKED]
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


def volumes() -> dict[str, Any]:
    """Bind the segments of `seals`: salts, second tags, lookups, paths of seals; then a volume without an index."""
    known = seals()
    encoded = [bytes.fromhex(one["seal"]) for one in known["segments"]]
    bound = [Seal.decode(one) for one in encoded]
    salt = bytes(range(200, 232))
    postings: dict[bytes, list[int]] = {}
    carried = [entry for one in known["segments"] for entry in one["carried"]]
    for at, said in enumerate(carried):
        for dimension, value in said:
            postings.setdefault(leaf.tag(salt, dimension, value.encode()), []).append(at)
    index = Index(0, postings)
    first = Volume(
        number=0,
        first=0,
        last=2,
        start=0,
        stop=bound[-1].stop,
        indexed=sum(one.indexed for one in bound),
        keys=len(postings),
        recorded_first=bound[0].recorded_first,
        recorded_last=bound[-1].recorded_last,
        occurred_first=bound[0].occurred_first,
        occurred_last=bound[-1].occurred_last,
        seals=seals_root(encoded),
        root=index.root,
        commitment=volume_salt_commitment(0, salt),
        previous=NOTHING,
    )
    following = bound[-1]._replace(number=3, start=8, stop=9, indexed=1, previous=bound[-1].hash)
    second = Volume(
        *(1, 3, 3, 8, 9, 0, 0, 0, 0, 0, 0),
        seals=seals_root([following.encode()]),
        root=Index(0, {}).root,
        commitment=volume_salt_commitment(1, bytes(32)),
        previous=first.hash,
    )
    return {
        "salt": salt.hex(),
        "carried": carried,
        "seals": [one.hex() for one in encoded],
        "paths": [[step.hex() for step in seal_path(encoded, place)] for place in range(3)],
        "lookups": [_looked_up(index, salt, value) for value in _ASKED],
        "volume": first.encode().hex(),
        "hash": first.hash.hex(),
        "without_index": {
            "seals": [following.encode().hex()],
            "volume": second.encode().hex(),
            "hash": second.hash.hex(),
        },
    }


def _looked_up(index: Index, salt: bytes, value: str) -> dict[str, Any]:
    tag = leaf.tag(salt, leaf.ACTOR, value.encode())
    positions, found = index.look_up(tag)
    return {
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


def anchor_log() -> dict[str, Any]:
    """Put five heads into a map, and the map into an entry of an anchor log."""
    shop = furnished("vectors", segments=1, entries=5)
    frontier, _ = tree.extend((), 0, shop.hashes)
    mine = Checkpoint(origin=shop.signer.name, size=len(shop.hashes), root=tree.root(frontier))
    others = [Checkpoint(origin=f"localhost/audit/{at:040x}", size=at, root=bytes([at]) * 32) for at in range(1, 5)]
    made = AnchorMap.of([mine, *others])
    found = Anchoring(shop).link(mine.size)
    return {
        "heads": [{"origin": one.origin, "size": one.size, "root": one.root.hex()} for one in (mine, *others)],
        "root": made.root.hex(),
        "paths": [made.path(one.origin).hex() for one in (mine, *others)],
        "vkey": shop.vkey,
        "anchors_vkey": anchors_key(shop.vkey, found.checkpoint.partition("\n")[0]).vkey,
        "entry": {
            "checkpoint": found.checkpoint,
            "index": found.entry.index,
            "leaf": found.header.encode().hex(),
            "inclusion": [one.hex() for one in found.inclusion],
            "map": (found.entry.details or {})["map"],
            "path": found.path.hex(),
        },
    }


def evidence_2() -> dict[str, Any]:
    """Make files of version 2 that hold and that do not."""
    shop = furnished("vectors", segments=8, entries=5)
    shop.bind(2)
    shop.bind(5)
    shop.close()
    plain = shop.evidence(ABOUT)
    made = {name: shop.evidence(QUESTIONS[name]) for name in LEANING}
    anchoring = Anchoring(shop)
    shop.linking = [anchoring.link(11), anchoring.link(25)]
    made["linked to the anchor log"] = linked = shop.evidence(ABOUT)
    links = [] if linked.linked is UNSET else linked.linked
    made["tampered: links swapped"] = replace(linked, linked=links[::-1])
    made["tampered: another head in the anchor log"] = replace(linked, linked=[replace(links[0], root=links[1].root)])
    made |= {
        f"tampered: {name}": tamper(plain) for name, (tamper, _) in TAMPERED_VOLUMES.items() if tamper(plain) != plain
    }
    return {"cases": [_case(name, document, shop.vkey) for name, document in made.items()]}


def evidence() -> dict[str, Any]:
    """Make files that hold and files that do not, each with its verdict."""
    shop = furnished("vectors", segments=3, entries=5)
    plain = shop.evidence(ABOUT)
    made: dict[str, Document] = {name: shop.evidence(QUESTIONS[name]) for name in (*LEANING, "everything")}
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
        cases.append(_case(name, document, trusted))
    return {"cases": cases}


def _case(name: str, document: Document, trusted: str) -> dict[str, Any]:
    verdict = verify(encode(document), trusted=[trusted])
    return {
        "name": name,
        "document": encode(document).decode(),
        "trusted": trusted,
        "ok": verdict.ok,
        "problems": [[one.code, one.index] for one in verdict.problems],
        "levels": {one: getattr(verdict.levels, one).state for one in ("c0", "c1", "c2", "c3", "c4")},
        "answers": [one.index for one in verdict.answers],
    }


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
    for file, content in (
        ("seal.json", seals()),
        ("volume.json", volumes()),
        ("anchor-log.json", anchor_log()),
        ("evidence.json", evidence()),
        ("evidence-2.json", evidence_2()),
    ):
        (TARGET / file).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

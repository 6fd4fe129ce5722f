"""Write tests/vectors/leaf.json: complete worked examples of the leaf encoding, for other implementations too.

The file is frozen: run this only to add an example, never because a test fails.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from whodid import canonical
from whodid.catalog import builtin
from whodid.proof import leaf, leaf_hash

TARGET = Path(__file__).parents[1] / "tests/vectors/leaf.json"
NAMES = ("contact.deleted", "contact.merged", "campaign.paused", "webhook.updated", "auth.login")


def example(name: str) -> dict[str, Any]:
    """Work one action's example out to its leaf."""
    action = builtin()[name]
    said = {**action.example, "kind": action.kind, "severity": action.severity}
    placed = {**said, "workspace": "casa-lumen", "index": 48207, "recorded_at": "2026-11-20T13:21:41.131000Z"}
    entry = canonical.read_wire(json.dumps(placed))
    seed = hashlib.sha256(f"seed of {name}".encode()).digest()
    segment_salt = hashlib.sha256(b"salt of the segment").digest()
    listed = [(path, value) for path, value in canonical.fields(entry) if value is not None]
    commitments = leaf.commitments(seed, listed)
    tags = tuple(leaf.tag(segment_salt, *one) for one in canonical.tag_values(entry))
    header = leaf.Header(leaf.EVENT, canonical.micros(entry.recorded_at), leaf.content_root(commitments), tags)
    return {
        "name": name,
        "entry": json.loads(canonical.wire(entry)),
        "kind": leaf.EVENT,
        "seed": seed.hex(),
        "segment_salt": segment_salt.hex(),
        "fields": [[path.decode(), value.decode()] for path, value in listed],
        "salts": [salt.hex() for salt in leaf.salts(seed, len(listed))],
        "commitments": [one.hex() for one in commitments],
        "header": header.encode().hex(),
        "leaf_hash": leaf_hash(header.encode()).hex(),
    }


if __name__ == "__main__":
    TARGET.write_text(
        json.dumps([example(name) for name in NAMES], indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )

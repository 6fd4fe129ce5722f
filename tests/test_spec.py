"""The worked examples of docs/spec say what the code does: same fields, same bytes, same hashes, same verdicts.

That the examples follow from the text of the pages alone is tested elsewhere: the pages bring verifiers that use
of whodid, and tests/test_docs.py runs them. The one for exports is taken from its page, as an auditor takes it,
to meet files that the page does not show.
"""

from __future__ import annotations

import io
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import whodid
from whodid import canonical
from whodid.export import export
from whodid.proof import Verifier, check_consistency, check_inclusion, leaf_hash, open_checkpoint
from whodid.proof.leaf import EVENT, Header, commit, salts, tag
from whodid.retention import erase_person, hiding

SPEC = Path(__file__).resolve().parent.parent / "docs" / "spec"
ENTRY = (SPEC / "entry-encoding.md").read_text(encoding="utf-8")
CHECKPOINT = (SPEC / "checkpoint.md").read_text(encoding="utf-8")
SEED, SEGMENT_SALT = bytes(range(32)), bytes(range(32, 64))


def rows(text: str, cells: int) -> list[list[str]]:
    """Return the rows of the tables with that many columns, without backticks."""
    found = [
        [cell.strip("` ") for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:1] == "|"
    ]
    return [row for row in found if len(row) == cells]


def between(text: str, before: str, after: str) -> str:
    """Return what stands between two texts, the first time they occur."""
    return text.partition(before)[2].partition(after)[0]


def test_the_fields_of_the_example() -> None:
    """Path, value, salt and commitment of every field are those that the code computes, in the same order."""
    entry = canonical.read_wire(between(ENTRY, "```json\n", "```"))
    listed = [(path, value) for path, value in canonical.fields(entry) if value is not None]
    expected = [
        [path.decode(), value.decode(), salt.hex(), commit(salt, path, value).hex()]
        for salt, (path, value) in zip(salts(SEED, len(listed)), listed, strict=True)
    ]

    assert [row for row in rows(ENTRY, 4) if row[0] in {field[0] for field in expected}] == expected


def test_the_leaf_of_the_example() -> None:
    """Content root, tags, header and leaf hash are those that the code computes."""
    entry = canonical.read_wire(between(ENTRY, "```json\n", "```"))
    root = canonical.content_root(entry, SEED)
    tags = tuple(tag(SEGMENT_SALT, dimension, value) for dimension, value in canonical.tag_values(entry))
    header = Header(EVENT, canonical.micros(entry.recorded_at), root, tags).encode()
    parts = dict(row for row in rows(ENTRY, 2) if len(row) == 2)

    assert parts["content root"] == root.hex()
    assert [value for name, value in parts.items() if name.startswith("tag of")] == [one.hex() for one in tags]
    assert parts[f"header, {len(header)} bytes"] == header.hex()
    assert parts["leaf hash"] == leaf_hash(header).hex()


def test_the_checkpoint_of_the_example() -> None:
    """Signature, inclusion and consistency of the example hold for the code, too; the leaf is that of the entry."""
    note, inclusion, consistency = [part.split("```")[0] for part in CHECKPOINT.split("```text\n")[1:4]]
    vkey = between(CHECKPOINT, "Its verifier key is `", "`")
    leaf = bytes.fromhex(between(CHECKPOINT, "with the hash\n`", "`"))
    earlier = bytes.fromhex(between(CHECKPOINT, "kept the root of size 3, `", "`"))

    checkpoint, _ = open_checkpoint(note, Verifier(vkey))
    check_inclusion(2, checkpoint.size, leaf, [bytes.fromhex(line) for line in inclusion.split()], checkpoint.root)
    proof = [bytes.fromhex(line) for line in consistency.split()]
    check_consistency(3, checkpoint.size, earlier, checkpoint.root, proof)
    assert f"`{leaf.hex()}`" in ENTRY


def verifier_of_exports() -> Any:
    """Return the function of the page, with nothing around it but what its own block imports."""
    page = (SPEC / "proven-export.md").read_text(encoding="utf-8")
    (block,) = (one for one in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "def verify(data, vkey)" in one)
    assert "whodid" not in re.sub(r"whodid/\w+/v1|\"whodid\"", "", block)
    names: dict[str, Any] = {}
    exec(block.partition("\nprint(")[0], names)  # what an auditor would paste
    return names["verify"]


def test_the_verifier_on_the_page_of_exports_needs_no_other_block_and_knows_what_is_gone() -> None:
    """Erased and hidden fields of every kind, and entries without any: all proven, and a value beside them is not."""
    log = whodid.open("memory://", name="example.com")
    maria = whodid.Actor(type="user", id="usr_2M", name="Maria Torres", email="maria@example.com", role="Manager")
    for number in range(12):
        log.record(
            "w",
            whodid.Event(
                id=f"0193a0f2-6c3e-7d51-9a4b-0000000000{number:02}",
                occurred_at=datetime.now(UTC) - timedelta(minutes=20 - number),
                action="contact.updated",
                actor=maria if number % 2 else whodid.Actor(type="system", id="sync"),
                resource=whodid.Resource(type="contact", id=f"con_{number % 3}", name="Juan"),
                related=tuple(
                    whodid.Related(type="contact", id=f"c{at}", rel="member", name="Eva") for at in range(11)
                ),
                changes=tuple(whodid.Change(path=f"city{at}", before="Getafe", after="Madrid") for at in range(number)),
                reason=whodid.Reason(text="Asked"),
                context=whodid.Context(source="web", ip="203.0.113.7", user_agent="curl"),
            ),
        )
    operator = whodid.Actor(type="system", id="tests")
    erase_person(log, "w", "user:usr_2M", actor=operator, reason=whodid.Reason(text="Request 1"))
    out = io.BytesIO()
    hidden = hiding(log, "w", ["changes.city3", "related.name", "reason", "context.place"])
    export(log, "w", "", "ndjson", out, actor=operator, proofs=True, hiding=hidden)
    lines = out.getvalue().splitlines(keepends=True)
    assert any("erased" in json.loads(line) for line in lines)
    assert any(len(json.loads(line)["proof"].get("hidden", ())) > 12 for line in lines[:-1])
    verify, vkey = verifier_of_exports(), log.verifier_key("w")
    assert verify(out.getvalue(), vkey) == len(lines) - 1
    entry = next(json.loads(line) for line in lines if "erased" in json.loads(line))
    at = next(at for at, line in enumerate(lines) if json.loads(line).get("id") == entry["id"])
    for forged in (
        entry | {"actor": entry["actor"] | {"name": "Somebody else"}},
        entry | {"reason": {"text": "Never asked"}},
        {name: value for name, value in entry.items() if name != "erased"},
    ):
        changed = [*lines[:at], json.dumps(forged).encode() + b"\n", *lines[at + 1 :]]
        with pytest.raises((AssertionError, ValueError)):
            verify(b"".join(changed), vkey)
    log.close()

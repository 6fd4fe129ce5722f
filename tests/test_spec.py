"""The worked examples of docs/spec say what the code does: same fields, same bytes, same hashes, same verdicts.

That the examples follow from the text of the pages alone is tested elsewhere: the pages bring verifiers that use
nothing of whodid, and tests/test_docs.py runs them.
"""

from __future__ import annotations

from pathlib import Path

from whodid import canonical
from whodid.proof import Verifier, check_consistency, check_inclusion, leaf_hash, open_checkpoint
from whodid.proof.leaf import EVENT, Header, commit, salts, tag

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

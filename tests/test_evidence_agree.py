"""The verifier in Python and the one in the page come to the same verdict, and neither believes a changed file."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.evidencing import ABOUT, QUESTIONS, Workshop, carried_by, furnished, veiled
from whodid import canonical
from whodid.evidence.document import Document, encode
from whodid.evidence.question import Question
from whodid.evidence.verdict import Verdict
from whodid.evidence.verify import verify
from whodid.log import Hiding
from whodid.proof import leaf
from whodid.proof.cosign import Cosigner
from whodid.proof.note import format_note, parse_note

FIELDS = Hiding(fields=("actor.name", "resource.name", "context.place", "changes.phone", "related.name"))
PERSON = Hiding(people=("user:usr_2M",), traces=dict.fromkeys(range(60), ("actor.name", "actor.email")), known=40)
WITNESS = Cosigner("north.example/w", bytes(32))
PAGE = Path(__file__).parents[1] / "src" / "whodid" / "evidence" / "static" / "evidence.html"
NODE = shutil.which("node")
MUTATIONS = int(os.environ.get("WHODID_MUTATIONS", "400"))
_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="

pytestmark = [
    pytest.mark.frontend,
    pytest.mark.skipif(NODE is None, reason="Node.js is missing: it runs the verifier of the page"),
]


def in_the_page(files: Iterable[bytes], *trusted: str) -> list[dict[str, Any]]:
    """Let the shipped script of the page verify files."""
    assert NODE is not None
    lines = "".join(f"{' '.join([b64encode(data).decode(), *trusted])}\n" for data in files)
    script = Path(__file__).with_name("evidence_node.mjs")
    done = subprocess.run([NODE, script, PAGE], input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def in_python(verdict: Verdict) -> dict[str, Any]:
    """Write a verdict as the page's script does."""
    levels = msgspec.to_builtins(verdict.levels)
    return {
        "ok": verdict.ok,
        "trusted": verdict.trusted,
        "problems": [[one.code, one.index] for one in verdict.problems],
        "levels": {name: [one["state"], one["words"]] for name, one in levels.items()},
        "counts": msgspec.to_builtins(verdict.counts),
        "answers": [one.index for one in verdict.answers],
    }


def agree(files: list[bytes], *trusted: str) -> list[Verdict]:
    """Verify files in both languages, and return the verdicts when they are the same."""
    verdicts = [verify(data, trusted=trusted) for data in files]
    told = in_the_page(files, *trusted)
    assert len(told) == len(files)
    for at, (verdict, other) in enumerate(zip(verdicts, told, strict=True)):
        mine = in_python(verdict)
        differing = {name: (mine[name], other[name]) for name in mine if mine[name] != other[name]}
        assert differing == {}, f"file {at}"
    return verdicts


def story() -> Workshop:
    """Return a log with everything that a file may hold: purged entries, records, many segments, heads seen before."""
    shop = furnished("story", segments=5)
    shop.purge(30, 31)
    shop.close()
    shop.purge(below=12)
    shop.purge(below=14)
    shop.close()
    for size, stamp in ((33, b""), (47, b"\x30\x03\x02\x01\x00")):
        shop.sign(size)
        text, signatures = parse_note(shop.checkpoint)
        shop.seen_outside.append((format_note(text, [*signatures, WITNESS.sign(text, 1_800_000_000)]), stamp))
    shop.sign()
    return shop


def documents(shop: Workshop) -> list[Document]:
    """Make evidence of every kind."""
    middle = canonical.micros(shop.entries[36].entry.recorded_at)
    made = [shop.evidence(one, headers=headers) for one in QUESTIONS.values() for headers in (False, True)]
    made += [shop.evidence(one, show=veiled) for one in (ABOUT, Question())]
    made += [shop.evidence(one, show=hidden.cover) for one in (ABOUT, Question()) for hidden in (FIELDS, PERSON)]
    made += [
        shop.evidence(Question(ABOUT.asks, since=middle)),
        shop.evidence(Question(ABOUT.asks, until=middle), headers=True),
        shop.evidence(Question((), since=middle, until=middle + 1_000_000)),
    ]
    for last in (0, 3):
        shop.bind(last)
    shop.close()
    made += [shop.evidence(QUESTIONS[name]) for name in ("contact", "both", "nobody")]
    assert [one.version for one in made[-3:]] == [2] * 3
    return [*made, shop.evidence(ABOUT, show=veiled)]


def mutated(document: dict[str, Any], draw: random.Random) -> bytes:
    """Change a document somewhere, mostly so that it keeps its shape."""
    document = json.loads(json.dumps(document))
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        parent, name = _place(document, draw)
        parent[name] = _changed(parent, name, document, draw)
    data = canonical.encode(document).replace(b"<", b"\\u003c")
    if not draw.randrange(6):
        at = draw.randrange(len(data))
        data = data[:at] + bytes((data[at] ^ 1 << draw.randrange(8),)) + data[at + 1 :]
    return data


def _place(value: Any, draw: random.Random) -> tuple[Any, Any]:
    """Choose a member somewhere inside, deep ones as likely as shallow ones."""
    while True:
        names = list(value) if isinstance(value, dict) else range(len(value))
        name = draw.choice(names)
        inner = value[name]
        if not isinstance(inner, dict | list) or not inner or not draw.randrange(5):
            return value, name
        value = inner


def _changed(parent: Any, name: Any, document: dict[str, Any], draw: random.Random) -> Any:
    value = parent[name]
    if isinstance(value, str):
        at = draw.randrange(len(value) + 1)
        letter = draw.choice([*_BASE64, "\u00e9", "\n", '"', "<", "\ufeff", "\x85"])
        return draw.choice((value[:at] + letter + value[at + 1 :], value[:at], value[::-1], value + letter))
    if isinstance(value, int):
        return draw.choice((value + 1, value - 1, 0, value * 2, None, str(value), value + 2**53, -value, float(value)))
    if isinstance(value, list) and value:
        at, other = draw.randrange(len(value)), draw.randrange(len(value))
        turned = list(value)
        turned[at], turned[other] = turned[other], turned[at]
        return draw.choice((turned, value[:at] + value[at + 1 :], [*value[:at], value[other], *value[at:]], []))
    if isinstance(value, dict):
        _, elsewhere = _place(document, draw)
        return draw.choice(
            (
                {},
                {**value, "more": 1},
                json.loads(json.dumps(document.get(elsewhere))) if isinstance(elsewhere, str) else None,
            )
        )
    return draw.choice((0, [], "", {}, True))


def test_both_verify_what_was_made() -> None:
    """Every kind of file holds in both languages, with the same words."""
    shop = story()
    made = [encode(one) for one in documents(shop)]
    assert all(verdict.ok for verdict in agree(made, shop.vkey))
    assert all(not verdict.trusted for verdict in agree(made))
    assert {verdict.problems[0].code for verdict in agree(made, furnished().vkey)} == {"key"}


def test_both_find_the_same_fault_in_mutated_files() -> None:
    """Whatever is changed, both say the same of it; and what still holds says nothing but the truth."""
    shop = story()
    made = documents(shop)
    draw = random.Random(os.environ.get("WHODID_MUTATIONS_SEED", "evidence"))
    files = [mutated(msgspec.to_builtins(draw.choice(made)), draw) for _ in range(MUTATIONS)]
    verdicts = agree(files, shop.vkey)
    refuted = [verdict.problems[0].code for verdict in verdicts if not verdict.ok]
    assert len(refuted) > len(files) * 3 // 4
    assert len(set(refuted)) > 8
    for verdict in verdicts:
        if verdict.ok:
            _holds(verdict, shop)


def test_both_find_the_same_fault_where_something_is_hidden() -> None:
    """Hidden fields opened with a value, shown ones closed, commitments swapped, reasons changed: one verdict each."""
    shop = story()
    draw = random.Random(os.environ.get("WHODID_MUTATIONS_SEED", "hidden"))
    made = [
        msgspec.to_builtins(shop.evidence(one, show=hidden.cover))
        for one in (ABOUT, Question())
        for hidden in (FIELDS, PERSON)
    ]
    files = [_unveiled(draw.choice(made), draw) for _ in range(MUTATIONS)]
    verdicts = agree(files, shop.vkey)
    assert {"entry", "form", "reason", "extra"} & {one.problems[0].code for one in verdicts if not one.ok}
    assert sum(not one.ok for one in verdicts) > len(files) // 2
    for verdict in verdicts:
        if verdict.ok:
            _holds(verdict, shop)


def _unveiled(document: dict[str, Any], draw: random.Random) -> bytes:
    """Change what an entry shows and hides."""
    document = json.loads(json.dumps(document))
    one, other = (draw.choice(document["entries"])["fields"] for _ in range(2))
    at, there = draw.randrange(len(one)), draw.randrange(len(other))
    path, first, second = one[at]
    closed = [field for fields in (one, other) for field in fields if not field[0]]
    match draw.randrange(6):
        case 0:  # a value with a salt where a commitment was, or another value
            one[at] = [path or "actor.name", b64encode(draw.randbytes(16)).decode(), '"Somebody"']
        case 1:  # hidden by whoever holds the file: allowed, and counted
            salt = b64decode(first)
            bound = leaf.commit(salt, path.encode(), second.encode()) if path else salt
            one[at] = ["", b64encode(bound).decode(), draw.choice(("redacted", "erased", "purged", ""))]
        case 2:
            one[at], other[there] = other[there], one[at]
        case 3:
            del one[at]
        case 4:
            one.insert(at, draw.choice(closed or [["", b64encode(bytes(32)).decode(), "redacted"]]))
        case _:
            one[at] = [path, first, draw.choice(("erased", "redacted", '{"$":"hidden"}'))]
    return canonical.encode(document).replace(b"<", b"\\u003c")


def _holds(verdict: Verdict, shop: Workshop) -> None:
    """Compare what a verified file says with the log: nothing false, and nothing of its own question left out."""
    assert verdict.statement is not None
    assert verdict.cover is not None
    for entry in verdict.answers:
        listed = canonical.fields(shop.entries[entry.index].entry)
        for (path, value), (shown, _, text) in zip(listed, entry.fields, strict=True):
            assert not shown or (shown, text.encode()) == (path.decode(), value)
    statement = verdict.statement
    question = Question(tuple(statement.asks), statement.since, statement.until)
    asked = [[(ask.dimension, tuple(value)) for value in ask.values] for ask in question.asks]
    right = []
    for at in range(verdict.cover.start, verdict.cover.stop):
        if at in shop.entries and question.has(shop.entries[at].header.recorded_at):
            carried = carried_by(shop.entries[at].entry)
            if all(carried & set(group) for group in asked):
                right.append(at)
    assert [entry.index for entry in verdict.answers] == right

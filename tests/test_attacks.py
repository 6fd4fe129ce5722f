"""What an operator who lies might do to a log that others have seen, and where each of it is found.

The attacks on a file alone are in test_evidence and test_evidence_agree, those on an index in test_log_sealing, those
on a witness in test_witness; docs/spec/attacks.md names the test of each.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest
from msgspec.structs import replace

import whodid
from tests.evidencing import ABOUT, MARIA, Workshop, checked, codes, furnished
from tests.keeping import HOME, Clock, event, record
from tests.test_witness import NORTH, policy
from whodid import Log
from whodid.cli.outside import Outside
from whodid.model import Actor, Event, Resource
from whodid.proof import tree
from whodid.proof.checkpoint import open_checkpoint, parse_checkpoint
from whodid.proof.note import Verifier, format_note, parse_note

SIZES = 600
ROOT = Path(__file__).parents[1]


def anchored(shop: Workshop, size: int) -> str:
    """Let a witness cosign an earlier head of a log."""
    shop.sign(size)
    text, signatures = parse_note(shop.checkpoint)
    shop.sign()
    return format_note(text, [*signatures, NORTH.sign(text, 1_800_000_000)])


def rewritten(at: int) -> Workshop:
    """Return the same log under the same key, in which one entry names somebody else: whole, sealed and signed."""
    shop = Workshop()
    true = shop.add

    def add(action: str, resource: Resource, *, actor: Actor = MARIA, **more: object) -> int:
        other = replace(actor, id="usr_other", name="Somebody Else") if len(shop.hashes) == at else actor
        return true(action, resource, actor=other, **more)  # type: ignore[arg-type]

    shop.add = add  # type: ignore[method-assign]
    for _ in range(4):
        for number in range(9):
            shop.add("contact.updated", Resource(type="contact", id=f"con_{number % 3}"))
        shop.close()
    return shop


@pytest.mark.parametrize("at", [3, 20, 30])
def test_history_that_is_rewritten_contradicts_every_later_anchor(at: int) -> None:
    """The forged file agrees with itself; whoever demands a head that was seen before finds the contradiction.

    What was rewritten after the anchor was not seen by anybody yet, and passes: anchor often.
    """
    honest, forged = rewritten(-1), rewritten(at)
    assert honest.vkey == forged.vkey
    note = anchored(honest, 25)
    size = parse_checkpoint(parse_note(note)[0]).size
    alone = forged.evidence(ABOUT)
    assert checked(alone, honest.vkey).ok
    outside = Outside(policy(NORTH), ())
    assert not outside.of_heads([(alone.checkpoint, b"")], honest.vkey).good
    forged.seen_outside = [(note, b"")]
    verdict = checked(forged.evidence(ABOUT), honest.vkey)
    assert verdict.ok == (at >= size)
    assert codes(verdict) == ([] if at >= size else [("anchor", 0)])
    honest.seen_outside = [(note, b"")]
    document = honest.evidence(ABOUT)
    good = checked(document, honest.vkey)
    assert good.ok
    heads = [(document.checkpoint, b""), *[(one.checkpoint, one.stamp) for one in good.anchors]]
    assert outside.of_heads(heads, honest.vkey).good


def test_two_heads_of_one_size_convict_whoever_signed_them() -> None:
    """Two files under one key and one size, each whole: their two signed roots are the proof that the key lied."""
    one, two = rewritten(-1), rewritten(5)
    files = [checked(shop.evidence(ABOUT), one.vkey) for shop in (one, two)]
    assert all(file.ok for file in files)
    heads = [file.signed for file in files]
    assert heads[0] is not None
    assert heads[1] is not None
    assert heads[0].size == heads[1].size
    assert heads[0].root != heads[1].root
    one.seen_outside = [(two.checkpoint, b"")]
    assert codes(checked(one.evidence(ABOUT), one.vkey)) == [("anchor", 0)]


def test_an_older_copy_cannot_link_to_what_was_seen_of_the_newer_one() -> None:
    """A log restored from a backup is smaller than the head that somebody has, and no proof leads backwards."""
    newer, older = furnished(segments=4), furnished(segments=2)
    older.signer = newer.signer
    note = anchored(newer, len(newer.hashes))
    document = older.evidence(ABOUT)
    linked = furnished(segments=2)
    linked.seen_outside = [(linked.checkpoint, b"")]
    (anchor,) = linked.evidence(ABOUT).anchors
    assert checked(replace(document, anchors=[anchor])).ok
    assert ("anchor", 0) in codes(checked(replace(document, anchors=[replace(anchor, checkpoint=note)])))


def test_after_a_purge_at_every_size_everything_left_is_provable() -> None:
    """From 1 to 600 entries purged, one after the other: inclusion, consistency and a signed head at every cut.

    At most cuts of a few entries and heads; at both ends, and around the ends of tiles, of all that is left.
    """
    clock = Clock()
    with whodid.open("memory://", clock=clock) as log:
        record(log, [event(number) for number in range(1, SIZES + 4)])
        signed = {}
        for cut in range(1, SIZES + 1):
            done = log.forget(HOME, [range(cut)], _purge(log, cut))
            assert done is not None
            assert (done.entries, done.first) == (1, cut)
            head, _ = open_checkpoint(log.checkpoint(HOME), Verifier(log.verifier_key(HOME)))
            signed[head.size] = head.root
            whole = cut in {1, 255, 256, 257, 511, 512, 513, SIZES}
            places = range(cut, head.size) if whole else {cut, (cut + head.size) // 2, head.size - 1}
            for at in places:
                found = log.prove(HOME, at)
                tree.check_inclusion(at, head.size, tree.leaf_hash(found.leaf), found.path, head.root)
            left = [size for size in signed if size >= cut]
            for old in left if whole else _spread(left, 4):
                proof = log.prove_consistency(HOME, old, head.size)
                tree.check_consistency(old, head.size, signed[old], head.root, proof)
            if whole:
                assert log.verify(HOME).ok
        assert log.verify(HOME).ok


def _spread(sizes: Sequence[int], count: int) -> list[int]:
    """Choose some, the ends included."""
    return sorted({sizes[at * (len(sizes) - 1) // max(1, count - 1)] for at in range(count)})


def _purge(log: Log, cut: int) -> Event:
    now = log.now()
    return Event(
        id=str(UUID(int=10**6 + cut)),
        occurred_at=now,
        actor=Actor(type="system", id="retention"),
        action="audit.purged",
        resource=Resource(type="log", id=HOME),
    )


@pytest.mark.parametrize("page", ["attacks", "threats"])
def test_the_pages_of_attacks_name_tests_that_there_are(page: str) -> None:
    """Every row of docs/spec/attacks.md and docs/spec/threats.md has a test, and it is here."""
    text = (ROOT / "docs" / "spec" / f"{page}.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    # A head stands above its rule.
    heads = {line for line, below in pairwise(lines) if below.startswith("| ---")}
    rows = [line for line in lines if line not in heads and not line.startswith("| ---")]
    assert len(rows) > 10
    for row in rows:
        named = re.findall(r"`((?:faults/)?test_\w+\.py)::(test_\w+)`", row)
        assert named, row
        for file, test in named:
            assert f"def {test}(" in (ROOT / "tests" / file).read_text(), (file, test)

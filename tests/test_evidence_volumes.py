"""Evidence files that lean on volumes: what they prove, how small they are, and which wrong volumes are refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from tests.evidencing import ABOUT, QUESTIONS, START, Workshop, checked, codes, furnished, truth
from whodid import canonical
from whodid.catalog import builtin
from whodid.evidence.document import Bound, Document, encode
from whodid.evidence.question import Question, ask
from whodid.evidence.verdict import FACTS
from whodid.model import Entry
from whodid.proof import leaf
from whodid.proof.volume import Volume

LEANING = [name for name in QUESTIONS if name not in {"everything", "named"}]
"""Questions that an index answers."""


def bound_of(document: Document) -> Bound:
    """Return what a file says of volumes."""
    assert document.bound is not UNSET
    return document.bound


def bookish(**more: Any) -> Workshop:
    """Return a log of twelve segments, of which two volumes hold nine."""
    shop = furnished("volumes", segments=12, **more)
    shop.bind(4)
    shop.bind(8)
    shop.close()
    return shop


@pytest.fixture(scope="module")
def shop() -> Workshop:
    """Lend a log that tests only read."""
    return bookish()


@pytest.mark.parametrize("name", LEANING)
def test_a_file_with_volumes_proves_what_one_without_does(shop: Workshop, name: str) -> None:
    """The same answers, at the same levels; headers need the indexes that were made of them."""
    document = shop.evidence(QUESTIONS[name])
    verdict = checked(document, shop.vkey)
    assert codes(verdict) == []
    assert document.version == 2
    assert [one.number for one in bound_of(document).covered] == [0, 1]
    assert [one.number for one in document.segments] == [9, 10, 11, 12]
    assert [one.index for one in verdict.answers] == truth(shop, QUESTIONS[name])
    assert [verdict.levels.c0.state, verdict.levels.c2.state, verdict.levels.c3.state] == ["held"] * 3
    assert verdict.cover is not None
    assert (verdict.cover.first, verdict.cover.last, verdict.cover.start) == (0, 12, 0)
    assert shop.evidence(QUESTIONS[name], headers=True).version == 1


def test_a_period_takes_the_volumes_that_lie_in_it(shop: Workshop) -> None:
    """Segments of a volume that the period cuts answer by themselves, and their seals are shown below it."""
    day = 86_400_000_000
    begin = canonical.micros(START + timedelta(seconds=5))
    for first, last, volumes, singles in (
        (0, 8, [0, 1], []),
        (2, 12, [1], [2, 3, 4, 9, 10, 11, 12]),
        (0, 6, [0], [5, 6]),
        (5, 8, [1], []),
        (1, 3, None, [1, 2, 3]),
    ):
        question = Question(ABOUT.asks, since=begin + day * first, until=begin + day * last + 3_600_000_000)
        document = shop.evidence(question)
        verdict = checked(document, shop.vkey)
        assert codes(verdict) == [], (first, last)
        assert [one.index for one in verdict.answers] == truth(shop, question) != []
        assert [one.number for one in document.segments] == singles
        assert (None if document.bound is UNSET else [one.number for one in document.bound.covered]) == volumes


def test_one_proof_answers_for_all_segments_of_a_volume() -> None:
    """An absence costs what it costs in one segment, and no seal of those below."""
    shop = furnished("many", segments=60, entries=3)
    before = len(encode(shop.evidence(QUESTIONS["nobody"])))
    shop.bind(59)
    document = shop.evidence(QUESTIONS["nobody"])
    assert codes(checked(document, shop.vkey)) == []
    assert (len(document.segments), len(document.seals), len(bound_of(document).seals)) == (0, 2, 1)
    assert bound_of(document).salts == []
    assert len(encode(document)) < before / 5


def test_a_volume_that_lost_a_segment_stands_aside() -> None:
    """The segments that are left answer by themselves; what was made before still holds, and links to today's head."""
    shop = bookish()
    made = shop.evidence(ABOUT)
    shop.purge(below=shop.seals[1][0].start)
    shop.close()
    document = shop.evidence(ABOUT)
    verdict = checked(document, shop.vkey)
    assert codes(verdict) == []
    assert [one.number for one in document.segments] == [1, 2, 3, 4, 9, 10, 11, 12, 13]
    assert [one.number for one in bound_of(document).covered] == [1]
    assert [one.index for one in verdict.answers] == [at for at in truth_of(shop, ABOUT) if at >= shop.first]
    assert codes(checked(made, shop.vkey)) == []


def truth_of(shop: Workshop, question: Question) -> list[int]:
    """Compute what answers a question of what is left."""
    found = []
    for at in sorted(shop.entries):
        if at < shop.seals[-1][0].stop:
            entry = shop.entries[at].entry
            things = {(entry.resource.type, entry.resource.id), *[(one.type, one.id) for one in entry.related]}
            if any(tuple(value) in things for ask in question.asks for value in ask.values):
                found.append(at)
    return found


def test_purged_entries_of_a_volume_are_named_with_their_record() -> None:
    """What left one by one after it was bound is still in the index."""
    shop = bookish()
    wanted = truth(shop, ABOUT)
    shop.purge(wanted[0], wanted[1])
    shop.close()
    verdict = checked(shop.evidence(ABOUT), shop.vkey)
    assert codes(verdict) == []
    assert verdict.counts.purged == 2
    assert [one.index for one in verdict.answers] == [at for at in truth_of(shop, ABOUT) if at not in wanted[:2]]


# ------------------------------------------------------------------------------------------------- what is refused


def _with(document: Document, **changes: Any) -> Document:
    return replace(document, bound=replace(bound_of(document), **changes))


def _first(document: Document, **changes: Any) -> Document:
    """Change the first covered volume."""
    one, *rest = bound_of(document).covered
    return _with(document, covered=[replace(one, **changes), *rest])


def _found(document: Document, **changes: Any) -> Document:
    one = bound_of(document).covered[0].found[0]
    return _first(document, found=[replace(one, **changes)])


def _less(document: Document, name: str, at: int) -> Document:
    kept = list(getattr(bound_of(document), name))
    del kept[at]
    return _with(document, **{name: kept})


TAMPERED: dict[str, tuple[Callable[[Document], Document], tuple[str, int | None]]] = {
    "no extension": (lambda d: replace(d, bound=UNSET), ("form", None)),
    "version 1": (lambda d: replace(d, version=1), ("form", None)),
    "nothing covered": (lambda d: _with(d, covered=[]), ("form", None)),
    "an answer too few": (lambda d: _first(d, found=[]), ("form", None)),
    "salts swapped": (lambda d: _with(d, salts=bound_of(d).salts[::-1]), ("form", None)),
    "a volume less": (lambda d: _less(d, "volumes", 0), ("bound", None)),
    "no newest volume": (lambda d: _less(d, "volumes", -1), ("bound", None)),
    "volumes swapped": (lambda d: _with(d, volumes=bound_of(d).volumes[::-1]), ("bound", None)),
    "another carrier": (lambda d: _with(d, carried=d.sealed), ("bound", None)),
    "a seal twice": (lambda d: _with(d, seals=bound_of(d).seals[:1] + bound_of(d).seals), ("bound", None)),
    "without the last seal": (lambda d: _less(d, "seals", -1), ("bound", None)),
    "the path of another seal": (
        lambda d: _with(d, seals=[(bound_of(d).seals[0][0], bound_of(d).seals[1][1]), *bound_of(d).seals[1:]]),
        ("bound", None),
    ),
    "a chain of seals that begins later": (lambda d: replace(d, seals=d.seals[1:]), ("bound", None)),
    "a covered volume less": (lambda d: _less(d, "covered", 0), ("salt", 0)),
    "covered volumes swapped": (lambda d: _with(d, covered=bound_of(d).covered[::-1]), ("segments", None)),
    "a covered volume twice": (
        lambda d: _with(d, covered=bound_of(d).covered[:1] + bound_of(d).covered),
        ("segments", None),
    ),
    "a covered segment less": (lambda d: replace(d, segments=d.segments[1:]), ("segments", None)),
    "an unknown volume": (lambda d: _first(d, number=9), ("segments", None)),
    "another salt": (lambda d: _first(d, salt=bound_of(d).covered[1].salt), ("volume", 0)),
    "a position less": (lambda d: _found(d, positions=bound_of(d).covered[0].found[0].positions[1:]), ("volume", 0)),
    "a position beyond": (
        lambda d: _found(d, positions=[*bound_of(d).covered[0].found[0].positions, 10_000]),
        ("volume", 0),
    ),
    "another path": (lambda d: _found(d, path=bound_of(d).covered[1].found[0].path), ("volume", 0)),
    "a salt of a segment less": (lambda d: _less(d, "salts", 3), ("tags", None)),
    "a seal of a salted segment less": (lambda d: _less(d, "seals", 3), ("salt", None)),
    "another salt of a segment": (
        lambda d: _with(d, salts=[(bound_of(d).salts[0][0], bound_of(d).salts[1][1]), *bound_of(d).salts[1:]]),
        ("salt", 0),
    ),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_changed_volume_is_found(shop: Workshop, name: str) -> None:
    """Whatever is removed, swapped, repeated or put in its place, both with its right name."""
    tamper, (code, at) = TAMPERED[name]
    verdict = checked(tamper(shop.evidence(ABOUT)), shop.vkey)
    assert not verdict.ok
    first = verdict.problems[0]
    assert first.code == code
    assert at is None or first.index == at
    assert first.fact == FACTS[code]
    assert first.place in {"the file", f"volume {first.index}", f"segment {first.index}", f"entry {first.index}"}


def test_a_volume_that_leaves_out_an_entry_is_convicted_by_who_opens_it() -> None:
    """An entry that another value of the question leads to is held against the volume, by its own header."""
    shop = furnished("volumes", segments=12)
    (at, *_) = [
        at
        for at, one in shop.entries.items()
        if {"con_1", "con_2"} <= {one.entry.resource.id, *[related.id for related in one.entry.related]}
    ]
    shop.bind(8, meddle=lambda postings, salt: postings[leaf.tag(salt, leaf.RESOURCE, b"contact\0con_1")].remove(at))
    shop.close()
    assert codes(checked(shop.evidence(ABOUT), shop.vkey)) == [], "alone, the volume is believed"
    both = ask(["resource:contact:con_1,contact:con_2"], catalog=builtin())
    assert codes(checked(shop.evidence(both), shop.vkey)) == [("carry", at)]
    assert codes(checked(shop.evidence(ABOUT, headers=True), shop.vkey)) == [], "headers need no volume"


def test_an_entry_under_another_name_in_a_volume_is_found_when_it_is_opened() -> None:
    """The volume names it for a question that its own header does not answer."""
    honest = bookish()
    at = truth(honest, ABOUT)[0]
    shop = furnished("volumes", segments=12)

    def other(entry: Entry) -> Entry:
        return replace(entry, resource=replace(entry.resource, id="con_9")) if entry.index == at else entry

    shop._forge = other
    shop.bind(8)
    shop.close()
    verdict = checked(shop.evidence(QUESTIONS["nobody"]), shop.vkey)
    assert ("carry", at) in codes(verdict)


@pytest.mark.parametrize(
    ("lie", "code"),
    [
        (lambda volume: volume._replace(last=volume.last - 1), "bound"),
        (lambda volume: volume._replace(stop=volume.stop + 3), "bound"),
        (lambda volume: volume._replace(seals=bytes(32)), "bound"),
        (lambda volume: volume._replace(root=bytes(32)), "volume"),
        (lambda volume: volume._replace(commitment=bytes(32)), "volume"),
    ],
)
def test_a_volume_of_other_segments_is_refused(lie: Callable[[Volume], Volume], code: str) -> None:
    """Even when the log itself says so."""
    shop = furnished("liar", segments=6)
    shop.bind(5, lie=lie)
    shop.close()
    assert codes(checked(shop.evidence(QUESTIONS["nobody"]), shop.vkey))[0][0] == code

"""Evidence files: what they prove, what they refuse, and what no file may hold."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.evidencing import (
    ABOUT,
    QUESTIONS,
    START,
    Workshop,
    bytes_of,
    checked,
    codes,
    furnished,
    truth,
    veiled,
)
from whodid import canonical
from whodid.catalog import builtin
from whodid.errors import InvalidQuery, MalformedProof, NotFound
from whodid.evidence.document import Document, Reason, decode, encode
from whodid.evidence.page import as_shipped, extract, page, script_hash, verifier
from whodid.evidence.question import Question, ask
from whodid.evidence.verdict import FACTS
from whodid.evidence.verify import verify
from whodid.model import Entry, Resource
from whodid.proof import leaf


@pytest.fixture(scope="module")
def shop() -> Workshop:
    """Lend a log that tests only read."""
    return furnished()


@pytest.mark.parametrize("headers", [False, True])
@pytest.mark.parametrize("name", QUESTIONS)
def test_a_file_proves_exactly_the_entries_that_answer(shop: Workshop, name: str, headers: bool) -> None:
    """Every question is answered by the entries that a reading of the whole log finds, and all of it is proven."""
    document = shop.evidence(QUESTIONS[name], headers=headers)
    verdict = checked(document, shop.vkey)
    assert verdict.ok
    assert verdict.trusted
    assert [one.index for one in verdict.answers] == truth(shop, QUESTIONS[name])
    assert [verdict.levels.c0.state, verdict.levels.c2.state, verdict.levels.c3.state] == ["held"] * 3
    assert verdict.levels.c1.state == ("held" if headers or name == "everything" else "absent")
    assert verdict.levels.c4.state == "absent"


def test_a_period_counts_by_the_time_of_recording(shop: Workshop) -> None:
    """Entries outside of the period are set aside with their headers alone, and the period is covered whole."""
    noon = canonical.micros(START + timedelta(days=1, seconds=14))
    period = Question(ABOUT.asks, since=noon, until=noon + 86_412_000_000)
    verdict = checked(document := shop.evidence(period))
    assert verdict.ok
    assert [one.index for one in verdict.answers] == truth(shop, period) != []
    assert document.asides
    assert not [one for one in document.asides if period.has(leaf.Header.decode(_bytes(one.header)).recorded_at)]
    assert verdict.cover is not None
    assert (verdict.cover.first, verdict.cover.last) == (1, 2)
    assert checked(shop.evidence(Question(since=noon, until=noon + 86_412_000_000))).ok
    shorter = replace(document, segments=document.segments[:1])
    assert ("period", None) in codes(checked(shorter))


def test_nothing_that_is_withheld_can_be_guessed(shop: Workshop) -> None:
    """No file holds a seed, nor the salt or the text of a withheld field."""
    data = encode(shop.evidence(Question(), show=veiled)).decode()
    shown = encode(shop.evidence(Question())).decode()
    assert verify(data.encode()).ok
    withheld = 0
    for entry, _, salts in shop.entries.values():
        if entry.index >= shop.seals[-1][0].stop:
            continue
        assert b64encode(bytes_of(shop.name, "seed", entry.index)).decode() not in shown
        for (_, value), (_, seen), salt in zip(
            canonical.fields(entry), canonical.fields(veiled(entry)), salts, strict=True
        ):
            text = b64encode(salt).decode()
            assert text in shown
            assert (text in data) == (value == seen)
            withheld += value != seen
    assert withheld > 10
    assert "maria@example.com" in shown
    assert "maria@example.com" not in data
    assert "+34" not in data


def test_a_purged_entry_is_named_with_its_record() -> None:
    """Of an entry without content its place is proven, and the record of the purge says why it is not shown."""
    shop = furnished(segments=2)
    shop.purge(0, 10)
    shop.add("contact.updated", Resource(type="contact", id="con_1"))
    shop.close()
    document = shop.evidence(ABOUT)
    verdict = checked(document)
    assert verdict.ok
    assert (verdict.counts.purged, verdict.counts.answers) == (2, len(verdict.answers) + 2)
    assert [(one.index, one.stop, one.record) for one in document.reasons] == [(0, 1, 20), (10, 11, 20)]
    whole = shop.evidence(Question())
    assert checked(whole).ok
    assert checked(shop.evidence(ABOUT, headers=True)).ok
    for at, reasons in enumerate(
        ([], document.reasons[:1], [*document.reasons, Reason(index=11, stop=12, why="purged", record=None)])
    ):
        assert codes(checked(replace(document, reasons=reasons)))[0][0] == ("lacking", "lacking", "extra")[at]
    wrong = [replace(one, record=document.sealed) for one in document.reasons]
    assert ("reason", 0) in codes(checked(replace(document, reasons=wrong)))
    without = [replace(one, record=None) for one in document.reasons]
    kept = [one for one in document.entries if one.index != 20]
    assert checked(replace(document, reasons=without, entries=kept)).ok


def test_after_a_purge_from_the_left_the_rest_is_whole() -> None:
    """A span begins above what was purged, says with one reason what is below, and the file claims nothing before."""
    shop = furnished(segments=5)
    record = shop.purge(below=25)
    document = shop.evidence(Question())
    assert document.span is not None
    assert (document.span.start, document.segments[0].number) == (25, 2)
    assert [(one.index, one.stop, one.record) for one in document.reasons] == [(19, 25, record)]
    verdict = checked(document)
    assert verdict.ok
    assert (verdict.counts.purged, verdict.counts.shown) == (6, 49 - 25)
    assert checked(shop.evidence(ABOUT)).ok
    assert ("span", None) in codes(checked(replace(document, reasons=[])))
    above = replace(document.reasons[0], stop=26)
    assert not checked(replace(document, reasons=[above])).ok


def test_after_two_purges_within_one_segment_the_rest_is_whole() -> None:
    """Each purge has its record, and together they explain what is below; a gap between them is found."""
    shop = furnished(segments=5)
    records = shop.purge(below=22), shop.purge(below=25)
    first, second = (document := shop.evidence(Question())).reasons
    assert (first.index, first.stop, first.record) == (19, 22, records[0])
    assert (second.index, second.stop, second.record) == (22, 25, records[1])
    assert checked(document).ok
    for left in ([first], [second], [replace(first, stop=21), second], [first, replace(second, stop=24)]):
        assert ("span", None) in codes(checked(replace(document, reasons=left)))


def test_an_erased_field_needs_no_value() -> None:
    """A field that was erased shows as erased, with the record that names the entry, and everything still holds."""
    shop = furnished(segments=1)
    entry = shop.entries[0]
    erasure = shop.add("audit.purged", Resource(type="log", id="acme"), kind=leaf.ERASURE, details={"ranges": [[0, 1]]})
    shop.close()
    document = shop.evidence(ABOUT)
    hidden = shop.evidence(ABOUT, show=veiled)
    marked = [(path, first, "erased" if not path else second) for path, first, second in hidden.entries[0].fields]
    gone = sum(not path for path, _, _ in marked)
    record = shop.evidence(Question()).entries[erasure]
    path = b64encode(b"".join(shop.path(erasure))).decode()
    *answers, sealed = [replace(document.entries[0], fields=marked), *document.entries[1:]]
    entries = [*answers, replace(record, path=path), sealed]
    reason = Reason(index=entry.entry.index, stop=1, why="erased", record=erasure)
    verdict = checked(replace(document, entries=entries, reasons=[reason]))
    assert codes(verdict) == []
    assert (verdict.counts.erased, verdict.counts.redacted) == (gone, 0)
    unsaid = checked(replace(document, entries=[*answers, sealed], reasons=[]))
    assert (unsaid.ok, unsaid.counts.erased, unsaid.counts.redacted) == (True, 0, gone)
    elsewhere = replace(reason, record=document.sealed)
    assert ("reason", 0) in codes(checked(replace(document, entries=[*answers, sealed], reasons=[elsewhere])))


# ------------------------------------------------------------------------------------------------------ tampered files


def _one(document: Document, at: int, **changes: Any) -> Document:
    entries = list(document.entries)
    entries[at] = replace(entries[at], **changes)
    return replace(document, entries=entries)


def _segment(document: Document, at: int, **changes: Any) -> Document:
    segments = list(document.segments)
    segments[at] = replace(segments[at], **changes)
    return replace(document, segments=segments)


def _found(document: Document, **changes: Any) -> Document:
    return _segment(document, 0, found=[replace(document.segments[0].found[0], **changes)])


def _asking(document: Document, *asks: Any) -> Document:
    return replace(document, statement=replace(document.statement, asks=list(asks)))


def _swapped(items: list[Any], one: int, other: int) -> list[Any]:
    items = list(items)
    items[one], items[other] = items[other], items[one]
    return items


TAMPERED: dict[str, tuple[Callable[[Document], Document], str]] = {
    "an entry removed": (lambda d: replace(d, entries=d.entries[1:]), "lacking"),
    "an entry twice": (lambda d: replace(d, entries=[d.entries[0], *d.entries]), "form"),
    "entries swapped": (lambda d: replace(d, entries=_swapped(d.entries, 0, 1)), "form"),
    "their places swapped": (
        lambda d: _one(_one(d, 0, path=d.entries[1].path), 1, path=d.entries[0].path),
        "entry",
    ),
    "another content": (lambda d: _one(d, 0, fields=d.entries[1].fields), "entry"),
    "another time": (lambda d: _one(d, 0, recorded_at=d.entries[0].recorded_at + 1), "entry"),
    "another kind": (lambda d: _one(d, 0, kind=5), "entry"),
    "fields swapped": (lambda d: _one(d, 0, fields=_swapped(d.entries[0].fields, 0, 1)), "entry"),
    "a field removed": (lambda d: _one(d, 0, fields=d.entries[0].fields[:-1]), "entry"),
    "a field withheld as text": (lambda d: _one(d, 0, fields=[("", *d.entries[0].fields[0][1:])]), "form"),
    "the seal's entry removed": (lambda d: replace(d, entries=d.entries[:-1]), "seal"),
    "a seal removed": (lambda d: replace(d, seals=[*d.seals[:1], *d.seals[2:]]), "chain"),
    "the newest seal removed": (lambda d: replace(d, seals=d.seals[:-1]), "seal"),
    "the oldest seal removed": (lambda d: replace(d, seals=d.seals[1:]), "chain"),
    "seals swapped": (lambda d: replace(d, seals=_swapped(d.seals, 0, 1)), "chain"),
    "a seal twice": (lambda d: replace(d, seals=[d.seals[0], *d.seals]), "chain"),
    "a segment removed": (lambda d: replace(d, segments=[*d.segments[:1], *d.segments[2:]]), "segments"),
    "the newest segment removed": (lambda d: replace(d, segments=d.segments[:-1]), "period"),
    "segments swapped": (lambda d: replace(d, segments=_swapped(d.segments, 0, 1)), "segments"),
    "a salt of another segment": (lambda d: _segment(d, 1, salt=d.segments[2].salt), "salt"),
    "a lookup of another segment": (lambda d: _segment(d, 1, found=d.segments[2].found), "index"),
    "a position removed": (
        lambda d: _segment(
            d, 0, found=[replace(d.segments[0].found[0], positions=d.segments[0].found[0].positions[1:])]
        ),
        "index",
    ),
    "a presence called an absence": (
        lambda d: _segment(d, 0, found=[replace(d.segments[0].found[0], positions=[])]),
        "index",
    ),
    "another question": (
        lambda d: replace(d, statement=replace(d.statement, asks=list(QUESTIONS["nobody"].asks))),
        "index",
    ),
    "an unasked question": (_asking, "form"),
    "no commitments of the origin": (lambda d: replace(d, origin=[]), "origin"),
    "commitments of the origin swapped": (lambda d: replace(d, origin=d.origin[::-1]), "origin"),
    "no checkpoint": (lambda d: replace(d, checkpoint=""), "signature"),
    "a smaller tree": (lambda d: replace(d, checkpoint=d.checkpoint.replace("\n40\n", "\n39\n")), "signature"),
    "no key": (lambda d: replace(d, vkey=""), "signature"),
    "another entry as the seal's": (lambda d: replace(d, sealed=d.entries[0].index), "seal"),
    "a later version": (lambda d: replace(d, version=2), "form"),
    "an aside that nobody asked for": (
        lambda d: replace(d, entries=d.entries[1:], asides=[_aside(d)]),
        "lacking",
    ),
}


def _aside(document: Document) -> Any:
    from whodid.evidence.document import Aside
    from whodid.evidence.reading import leaf_of

    entry = document.entries[0]
    _, header = leaf_of(entry)
    return Aside(index=entry.index, header=b64encode(header.encode()).decode(), path=entry.path)


@pytest.mark.parametrize("name", TAMPERED)
def test_whatever_is_removed_swapped_or_repeated_is_found(shop: Workshop, name: str) -> None:
    """Each way of tampering is refuted, and the first problem says where."""
    tamper, code = TAMPERED[name]
    document = shop.evidence(ABOUT)
    verdict = checked(tamper(document), shop.vkey)
    assert codes(verdict)[:1][0][0] == code
    assert not verdict.ok
    assert FACTS[code] == verdict.problems[0].fact


def test_every_byte_counts(shop: Workshop) -> None:
    """A change of any single byte of the data is refuted, or hits only what the file says of itself."""
    data = encode(shop.evidence(QUESTIONS["nobody"]))
    start, stop = data.index(b'"statement":'), data.index(b'"version":')
    said = range(start, stop)
    passed = 0
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1 + at % 7
        verdict = verify(bytes(changed))
        if verdict.ok:
            passed += 1
            assert at in said
            first = decode(data).statement
            again = decode(bytes(changed)).statement
            assert (first.asks, first.since, first.until) == (again.asks, again.since, again.until)
    assert 10 < passed < 120


def test_the_page_around_the_data_is_not_believed(shop: Workshop) -> None:
    """Whatever stands around the data changes nothing of the verdict, and a changed page is told from a shipped one."""
    data = encode(shop.evidence(ABOUT))
    file = page(data)
    assert as_shipped(file)
    assert extract(file) == data
    lying = file.replace(b"<title>Evidence", b"<title>Nonsense")
    assert not as_shipped(lying)
    assert extract(lying) == data
    assert len(script_hash()) == 64
    for broken in (verifier()[:400], file + file, b"", data):
        with pytest.raises(MalformedProof):
            extract(broken)
    assert extract(verifier()) == b""
    assert codes(verify(b"")) == [("form", None)]


def test_a_hostile_name_cannot_leave_the_data() -> None:
    """What a name says never ends the data block: it holds no less-than sign at all."""
    shop = Workshop()
    shop.add("contact.updated", Resource(type="contact", id="con_1", name="</script><script>alert(1)</script><!--"))
    shop.close()
    data = encode(shop.evidence(ABOUT))
    assert b"<" not in data
    assert extract(page(data)) == data
    assert verify(data).ok


# ---------------------------------------------------------------------------------------------------- a lying operator


def test_an_entry_left_out_of_the_index_is_convicted_by_any_header() -> None:
    """An index that hides an entry passes alone, which C2 says; with the headers it is a signed contradiction."""
    shop = furnished(leave_out=[10])
    alone = checked(shop.evidence(ABOUT))
    assert alone.ok
    assert alone.levels.c2.words.endswith("by the sealed indexes")
    assert 10 in truth(shop, ABOUT)
    assert 10 not in [one.index for one in alone.answers]
    convicted = checked(shop.evidence(ABOUT, headers=True))
    assert codes(convicted)[0] == ("carry", 10)
    assert convicted.levels.c2.state == "failed"


def test_an_entry_filed_under_another_name_is_found_when_it_is_opened() -> None:
    """Tags that disagree with the content are found wherever the entry is shown."""

    def forge(entry: Entry) -> Entry:
        return replace(entry, resource=Resource(type="contact", id="con_3")) if entry.index == 0 else entry

    shop = furnished(forge=forge)
    assert 0 not in [one.index for one in checked(shop.evidence(ABOUT)).answers]
    for question in (Question(), ask(["resource:contact:con_3"], catalog=builtin())):
        verdict = checked(shop.evidence(question))
        assert codes(verdict)[0] == ("tags", 0)
        assert verdict.levels.c3.state == "failed"


def test_a_salt_chosen_afterwards_is_refused() -> None:
    """A segment whose salt was not committed to before its first entry proves nothing about its tags."""
    for number, code in ((0, "salt"), (1, "salt"), (3, "salt")):
        shop = furnished()
        document = shop.evidence(ABOUT)
        other = b64encode(bytes_of("other", number)).decode()
        assert codes(checked(_segment(document, number, salt=other)))[0] == (code, number)


def test_another_history_under_another_key_is_refused_by_who_knows_the_key(shop: Workshop) -> None:
    """A file that agrees with itself under a key of its own is untrusted, and refuted for who knows the true key."""
    other = furnished("forger").evidence(ABOUT)
    assert checked(other).ok
    assert not checked(other).trusted
    assert codes(checked(other, shop.vkey)) == [("key", None)]


def test_seals_of_a_fork_do_not_follow_one_another(shop: Workshop) -> None:
    """Seals of two histories cannot be joined, nor does a seal pass without the entry that carries it."""
    fork = furnished("forger")
    mine, theirs = shop.evidence(ABOUT), fork.evidence(ABOUT)
    assert codes(checked(replace(mine, seals=[*theirs.seals[:2], *mine.seals[2:]])))[0][0] == "chain"
    assert codes(checked(replace(mine, seals=theirs.seals)))[0][0] == "seal"


def test_times_that_go_backwards_are_named() -> None:
    """An entry that was recorded before the one in front of it is named."""
    shop = Workshop()
    shop.add("contact.updated", Resource(type="contact", id="con_1"))
    shop.now -= timedelta(hours=1)
    late = shop.add("contact.updated", Resource(type="contact", id="con_1"))
    shop.now += timedelta(hours=2)
    shop.close()
    verdict = checked(shop.evidence(ABOUT))
    assert codes(verdict) == [("order", late)]
    assert verdict.levels.c0.state == "failed"


# ------------------------------------------------------------------------------------------------------------ questions


def test_questions_are_read_as_people_write_them() -> None:
    """Resources, actors and actions, alternatives by comma, a prefix of actions, and the ready-made ones."""
    asked = ask(["action:contact.*", "resource:contact:con_1,contact:a:b", "actor:user:usr_1"], catalog=builtin())
    assert [one.dimension for one in asked.asks] == ["actor", "action", "resource"]
    assert ["contact.deleted"] in asked.asks[1].values
    assert len(ask(["actor:usr_1"], catalog=builtin()).asks[0].values) == 6
    assert asked.asks[2].values == [["contact", "con_1"], ["contact", "a:b"]]
    assert ["role.created"] in ask(["access"], catalog=builtin()).asks[0].values
    assert {value[0].partition(".")[0] for value in ask(["approvals"], catalog=builtin()).asks[0].values} == {
        "template"
    }
    until = START + timedelta(days=1)
    assert str(ask(["resource:contact:con_1"], catalog=builtin(), since=START, until=until)) == (
        "resource:contact:con_1 recorded:2026-11-20T09:00:00.000000Z..2026-11-21T09:00:00.000000Z"
    )


@pytest.mark.parametrize(
    "terms",
    [
        ["maria"],
        ["resource:contact"],
        ["actor:user:"],
        ["action:"],
        ["action:nope.*"],
        ["access", "action:a.b"],
        ["ip:1.2.3.4"],
    ],
)
def test_what_an_index_cannot_answer_is_refused(terms: list[str]) -> None:
    """A question that no sealed index can answer is refused, with what can be asked instead."""
    with pytest.raises(InvalidQuery):
        ask(terms, catalog=builtin())
    with pytest.raises(InvalidQuery, match="ends before it begins"):
        ask([], catalog=builtin(), since=START, until=START)


def test_entries_are_named_alone(shop: Workshop) -> None:
    """By their indexes, each once; none that is not there."""
    asked = ask(["entry:7..9,5,8"], catalog=builtin())
    assert (asked.asks[0].values, str(asked)) == ([["5"], ["7"], ["8"], ["9"]], "entry:5,7..9")
    for terms in (["entry:5", "access"], ["entry:"], ["entry:x"], ["entry:05"], ["entry:0..30000"], ["entry:-1"]):
        with pytest.raises(InvalidQuery):
            ask(terms, catalog=builtin())
    with pytest.raises(InvalidQuery, match="all that a question asks for"):
        ask(["entry:5"], catalog=builtin(), since=START)
    for name in ("0,9999", "9999"):
        with pytest.raises(NotFound, match="no entry 9999"):
            shop.evidence(ask([f"entry:{name}"], catalog=builtin()))


def test_a_named_entry_beyond_what_is_covered_is_lacking(shop: Workshop) -> None:
    """Nothing in the file says under what it was filed, so nobody may claim that it is whole."""
    document = shop.evidence(ask(["entry:1,15"], catalog=builtin()))
    (asked,) = document.statement.asks
    beyond = replace(asked, values=[*asked.values, ["9999"]])
    changed = replace(document, statement=replace(document.statement, asks=[beyond]))
    assert codes(checked(changed)) == [("lacking", 9999)]
    fewer = replace(document, statement=replace(document.statement, asks=[replace(asked, values=[["1"]])]))
    assert codes(checked(fewer)) == [("extra", 15)]
    later = replace(document, segments=document.segments[1:], origin=[])
    assert ("extra", 1) in codes(checked(later))


def test_a_log_without_seals_has_no_evidence() -> None:
    """Where nothing is sealed, nothing is claimed."""
    with pytest.raises(NotFound):
        Workshop().evidence(Question())


def _bytes(text: str) -> bytes:
    from whodid.proof.note import decode_base64

    return decode_base64(text)

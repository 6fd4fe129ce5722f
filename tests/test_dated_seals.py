"""Seals name the newest time stamp that there was: what that proves of entries, and what no seal can say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import UNSET

import whodid
from tests.evidencing import ABOUT, Workshop, checked, codes, furnished
from tests.faults.writer import event
from tests.keeping import Clock
from tests.test_evidence_agree import agree
from whodid.evidence import extract, make, verify
from whodid.evidence.document import encode
from whodid.evidence.question import Question
from whodid.log import MOST_STAMPS, Log, Stamp, keep_stamp
from whodid.log import anchors as anchors_room
from whodid.log import sealing as sealing_room
from whodid.proof.note import parse_note
from whodid.proof.seal import NOTHING, Seal, anchor_hash

HOME = "w"
NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)


def stamps(shop: Workshop, *sizes: int) -> dict[int, bytes]:
    """Have heads of these sizes seen outside; return what stands for their stamps."""
    made = {size: b"stamp of %d" % size for size in sizes}
    for size, stamp in made.items():
        shop.sign(size)
        shop.seen_outside.append((shop.checkpoint, stamp))
    shop.sign()
    return made


def dated(named: int, *, size: int = 12, segments: int = 6) -> Workshop:
    """Return a log in which the seal of one segment, and all after it, name a stamp of a head with this size."""
    shop = Workshop("dated")
    for number in range(segments):
        shop.stamp = b"stamp of %d" % size if number >= named else b""
        for at in range(9):
            shop.add("contact.updated", furnished().entries[at].entry.resource)
        shop.close()
    stamps(shop, size)
    return shop


# ------------------------------------------------------------------------------------------------------- in a file


@pytest.mark.frontend
def test_a_file_says_from_where_on_entries_are_younger_than_a_stamp() -> None:
    """From the end of the segment after the one whose seal names it; both verifiers agree."""
    shop = dated(1)
    (verdict,) = agree([encode(shop.evidence(ABOUT))], shop.vkey)
    assert verdict.ok
    (anchor,) = verdict.anchors
    assert (anchor.size, anchor.after) == (12, shop.seals[2][0].stop)
    assert shop.seals[1][1] < shop.seals[2][0].stop
    last = dated(5)
    (anchor,) = checked(last.evidence(ABOUT), last.vkey).anchors
    assert anchor.after == last.seals[5][1] + 1


@pytest.mark.frontend
@pytest.mark.parametrize("named", [0, 1, 3])
def test_a_seal_that_names_a_stamp_of_a_later_head_is_refused(named: int) -> None:
    """The head was not there when the seal was written: whoever made it knew the future, or made it afterwards."""
    shop = dated(named, size=58)
    (verdict,) = agree([encode(shop.evidence(ABOUT))], shop.vkey)
    wrong = [("dated", number) for number in range(named, 5) if shop.seals[number + 1][0].stop <= 58]
    assert wrong == codes(verdict) != []
    assert verdict.problems[0].place == f"segment {named}"


def test_stamps_that_go_backwards_are_refused() -> None:
    """A later seal names an older stamp than the one before."""
    shop = Workshop("backwards")
    for stamp in (b"", b"", b"stamp of 15", b"stamp of 9", b""):
        shop.stamp = stamp
        for at in range(9):
            shop.add("contact.updated", furnished().entries[at].entry.resource)
        shop.close()
    stamps(shop, 9, 15)
    assert codes(checked(shop.evidence(ABOUT), shop.vkey)) == [("dated", 3)]


def test_seals_below_volumes_are_held_against_stamps() -> None:
    """Those that are shown; the one before the first covered segment is, for the stamp that it names."""
    shop = dated(1, segments=8)
    shop.bind(3)
    shop.bind(6)
    shop.close()
    begin = shop.seals[4][0].recorded_first
    document = shop.evidence(Question(ABOUT.asks, since=begin))
    assert document.bound is not UNSET
    verdict = checked(document, shop.vkey)
    assert codes(verdict) == []
    (anchor,) = verdict.anchors
    assert anchor.after == shop.seals[3][0].stop == shop.seals[4][0].start
    wrong = dated(2, size=60, segments=8)
    wrong.bind(3)
    wrong.bind(6)
    wrong.close()
    found = codes(checked(wrong.evidence(Question(ABOUT.asks, since=begin)), wrong.vkey))
    assert found[0] == ("dated", 2)


# ----------------------------------------------------------------------------------------------------------- in a log


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands still."""
    return Clock(NOW)


@pytest.fixture
def log(clock: Clock) -> Iterator[Log]:
    """Return an empty log."""
    with whodid.open("memory://", clock=clock) as opened:
        yield opened


def day(log: Log, clock: Clock, number: int) -> None:
    """Record three entries, and seal the day."""
    log.record_many(HOME, [event("dated", 3 * number + at) for at in range(3)])
    clock.now += timedelta(days=1)
    log.seal(HOME)


def stamp(log: Log) -> Stamp:
    """Keep what stands for a stamp of the newest head."""
    made = Stamp(at=log.now(), note=log.checkpoint(HOME), answer=b"stamp of %d" % log.head(HOME).size)
    keep_stamp(log, HOME, made)
    return made


def facts(log: Log) -> list[tuple[int | None, str]]:
    """Return what a verification finds."""
    return [(one.index, one.fact) for one in log.verify(HOME).problems]


def test_a_file_brings_the_stamp_that_its_first_seal_names(log: Log, clock: Clock) -> None:
    """Beside the one that comes first after what it shows: together they date the entries from both sides."""
    day(log, clock, 0)
    early = stamp(log)
    for number in range(1, 4):
        day(log, clock, number)
    between = stamp(log)
    day(log, clock, 4)
    late = stamp(log)
    day(log, clock, 5)
    seals = [Seal.decode(one.seal) for one in log._store.seals(HOME)]
    assert [one.anchor for one in seals] == [
        NOTHING,
        *[anchor_hash(early.answer)] * 3,
        anchor_hash(between.answer),
        anchor_hash(late.answer),
    ]
    question = Question(ABOUT.asks, since=seals[3].recorded_first, until=seals[3].recorded_last + 1)
    data = extract(make(log, HOME, question, actor=log.get(HOME, 0).actor).file)
    verdict = verify(data, trusted=[log.verifier_key(HOME)])
    assert verdict.ok
    assert [(one.stamp, one.after) for one in verdict.anchors][:2] == [
        (early.answer, seals[2].stop),
        (between.answer, seals[5].stop),
    ]
    assert facts(log) == []


def test_a_seal_of_a_log_that_names_what_was_not_there_is_found(
    log: Log, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stamp that nobody kept, one of a head that came later, none after one."""
    day(log, clock, 0)
    stamp(log)
    names = [b"forged", b"stamp of 99", b""]
    with monkeypatch.context() as patch:
        patch.setattr(sealing_room, "newest_anchor", lambda _: anchor_hash(name) if (name := names[-1]) else NOTHING)
        names.pop()
        day(log, clock, 1)
        names.pop()
        day(log, clock, 2)
        names[:] = [b""]
        day(log, clock, 3)
    carriers = [one.index for one in log._store.seals(HOME)]
    assert facts(log) == [
        (carriers[1], "The seal of segment 1 names a time stamp that is not kept"),
        (carriers[2], "The seal of segment 2 names a time stamp that is not kept"),
        (carriers[3], "The seal of segment 3 names no time stamp, and an earlier one does"),
    ]
    note = log.checkpoint(HOME)
    text, signatures = parse_note(note)
    assert text
    assert signatures
    keep_stamp(log, HOME, Stamp(at=NOW, note=note, answer=b"stamp of 99"))
    assert (carriers[1], "The seal of segment 1 names a time stamp of a head that was not there yet") in facts(log)


def test_stamps_that_went_because_they_were_too_many_are_no_fault(
    log: Log, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the oldest go: what a later seal names is kept."""
    for room in (anchors_room, __import__("whodid.log.verify_seals", fromlist=["SealCheck"])):
        monkeypatch.setattr(room, "MOST_STAMPS", 2)
    assert MOST_STAMPS > 2
    for number in range(5):
        stamp(log) if number else None
        day(log, clock, number)
    assert facts(log) == []
    state: Any = log.state(HOME, "stamps")
    assert state.count(b"size") == 2

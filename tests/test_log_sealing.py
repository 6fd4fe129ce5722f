"""Sealing as the log does it: when segments end, what is written, and which lies of an operator are found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

import whodid
from tests.faults.writer import event
from tests.keeping import Clock
from whodid import sequence
from whodid.catalog import builtin
from whodid.errors import NotFound, StoreUnavailable
from whodid.log import DeploymentKey, Log
from whodid.log import sealing as sealing_room
from whodid.proof.index import Index, check_absence, check_presence
from whodid.proof.leaf import ACTOR, RESOURCE, SEAL, tag
from whodid.proof.seal import Seal, check_chain, check_origin, salt_commitment
from whodid.sequence import Head, Sealed, Segment
from whodid.store.base import Assemble
from whodid.store.memory import MemoryStore

HOME = "w"
MORNING = datetime(2026, 11, 20, 8, tzinfo=UTC)


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands still."""
    return Clock(MORNING)


@pytest.fixture(params=["memory", "sqlite"])
def log(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Log]:
    """Return an empty log."""
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/audit.db"
    with whodid.open(url, clock=clock) as opened:
        yield opened


def record(log: Log, first: int, count: int) -> None:
    """Record events with consecutive numbers."""
    log.record_many(HOME, [event("seals", number) for number in range(first, first + count)])


def store_of(log: Log) -> Any:
    """Return the store behind a log."""
    return log._store


def seals_of(log: Log) -> list[Seal]:
    """Return the seals of the log."""
    return [Seal.decode(one.seal) for one in store_of(log).seals(HOME)]


# ------------------------------------------------------------------------------------------------------ when, and what


def test_a_day_is_sealed_after_it_is_over(log: Log, clock: Clock) -> None:
    """Nothing is sealed on the day itself; after midnight its segment is closed and sealed, without an append."""
    record(log, 0, 30)
    assert log.seal(HOME) == ()
    clock.advance(days=1)
    (sealed,) = log.seal(HOME)
    assert (sealed.number, sealed.start, sealed.stop, sealed.index) == (0, 0, 30, 30)
    assert log.seal(HOME) == ()
    entry = log.get(HOME, 30)
    assert entry.action == "audit.sealed"
    assert entry.marks == ()
    assert entry.details is not None
    assert bytes.fromhex(entry.details["seal"]) == store_of(log).seals(HOME)[0].seal
    assert store_of(log).get(HOME, 30).kind == SEAL
    assert log.verify(HOME).ok


def test_a_quiet_log_does_not_grow(log: Log, clock: Clock) -> None:
    """A segment that holds nothing but a seal stays open, however many days pass, and takes the next entries."""
    record(log, 0, 3)
    for _ in range(10):
        clock.advance(days=1)
        log.seal(HOME)
        log.seal(HOME, close=True)
    assert log.head(HOME).size == 4
    record(log, 3, 1)
    assert log.head(HOME).segment.number == 1
    clock.advance(hours=1)
    record(log, 4, 1)
    assert log.head(HOME).segment.number == 1
    clock.advance(days=1)
    assert [one.number for one in log.seal(HOME)] == [1]
    assert log.verify(HOME).ok


def test_on_demand_everything_recorded_so_far_is_sealed(log: Log) -> None:
    """Closing on demand leaves no entry without an index but the seal itself."""
    record(log, 0, 5)
    assert [(one.start, one.stop) for one in log.seal(HOME, close=True)] == [(0, 5)]
    record(log, 5, 2)
    assert [(one.start, one.stop) for one in log.seal(HOME, close=True)] == [(5, 8)]
    assert log.seal(HOME, close=True) == ()
    head = log.head(HOME)
    assert (head.size, head.segment.start, head.sealed, head.bare) == (9, 8, 2, True)


def test_closing_on_demand_cannot_make_thousands_of_segments(log: Log, clock: Clock) -> None:
    """Ten at once, and then one a minute on average; a day that is over is closed all the same."""
    for number in range(40):
        record(log, number, 1)
        log.seal(HOME, close=True)
    assert log.head(HOME).sealed == sealing_room.CLOSINGS
    for number in range(40, 100):
        clock.advance(minutes=1)
        record(log, number, 1)
        log.seal(HOME, close=True)
    assert 30 <= log.head(HOME).sealed - sealing_room.CLOSINGS <= 60
    clock.advance(days=1)
    log.seal(HOME)
    record(log, 100, 1)
    assert log.head(HOME).segment.start >= 100
    assert log.verify(HOME).ok


def test_what_waits_is_sealed_before_anything_else_is_closed(log: Log, clock: Clock) -> None:
    """Days without sealing fill one segment: the next one begins only with a committed salt."""
    for day in range(4):
        record(log, 10 * day, 10)
        clock.advance(days=1)
    head = log.head(HOME)
    assert (head.segment.number, head.sealed, head.next) == (1, 0, None)
    assert [(one.start, one.stop) for one in log.seal(HOME)] == [(0, 10), (10, 41)]
    assert log.verify(HOME).ok


def test_a_full_segment_rolls_over(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full segment ends within a batch, and not twice without a seal."""
    monkeypatch.setattr(sequence, "SEGMENT_ENTRIES", 20)
    record(log, 0, 70)
    assert log.head(HOME).segment.start == 20
    assert [(one.start, one.stop) for one in log.seal(HOME)] == [(0, 20), (20, 71)]
    record(log, 70, 30)
    assert log.head(HOME).segment.number == 3
    assert log.verify(HOME).ok


def test_seals_say_what_the_segment_holds(log: Log, clock: Clock) -> None:
    """Bounds, counts, chain, salts and origin of the seals agree with the log."""
    for day in range(3):
        record(log, 10 * day, 10)
        clock.advance(days=1)
        log.seal(HOME)
    seals = seals_of(log)
    check_chain(seals)
    segments = store_of(log).segments(HOME)
    head = log.head(HOME)
    salts = [*(one.salt for one in segments), head.next]
    for seal in seals:
        assert seal.commitment == salt_commitment(seal.number + 2, salts[seal.number + 2])
        kept = list(store_of(log).read(HOME, seal.start, seal.stop))
        assert seal.indexed == len(kept) == seal.stop - seal.start
        assert (seal.recorded_first, seal.recorded_last) == (kept[0].recorded_at, kept[-1].recorded_at)
        times = sorted(one.occurred_at for one in kept)
        assert (seal.occurred_first, seal.occurred_last) == (times[0], times[-1])
    check_origin(head.origin, salt_commitment(0, salts[0]), salt_commitment(1, salts[1]))
    assert head.chain == seals[-1].hash


def test_the_index_answers_for_every_tag(log: Log) -> None:
    """Every actor and resource is where the index says, and strangers are nowhere."""
    record(log, 0, 60)
    log.seal(HOME, close=True)
    (seal,) = seals_of(log)
    index = Index.decode(store_of(log).postings(HOME, 0))
    salt = store_of(log).segments(HOME)[0].salt
    for number in range(9):
        asked = tag(salt, ACTOR, b"user\0usr_%d" % number)
        positions, proof = index.look_up(asked)
        assert positions == tuple(at for at in range(60) if at % 9 == number)
        check_presence(seal.root, asked, positions, proof)
    stranger = tag(salt, RESOURCE, b"contact\0con_999")
    positions, proof = index.look_up(stranger)
    assert positions == ()
    check_absence(seal.root, stranger, proof)


def test_there_must_be_a_log(log: Log) -> None:
    """Sealing does not begin a log."""
    with pytest.raises(NotFound):
        log.seal("nobody")


# -------------------------------------------------------------------------------------------------- crashes and company


class Failing(MemoryStore):
    """A store that fails before or after its n-th write."""

    def __init__(self) -> None:
        super().__init__()
        self.fail_at: int | None = None
        self.after = False
        self.writes = 0

    def append(self, workspace: str, assemble: Assemble, ids: Sequence[bytes] = ()) -> Any:
        """Append, or fail."""
        self.writes += 1
        if self.writes == self.fail_at and not self.after:
            raise StoreUnavailable("The power failed")
        batch = super().append(workspace, assemble, ids)
        if self.writes == self.fail_at:
            raise StoreUnavailable("The power failed")
        return batch


@pytest.mark.parametrize("step", [1, 2, 3, 4])
@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_step_is_made_good_by_the_next_call(step: int, clock: Clock, *, after: bool) -> None:
    """Whatever step failed, before or after it was written, the log verifies, and the end is the same."""
    store = Failing()
    with Log(store, DeploymentKey(bytes(32)), builtin(), clock=clock) as log:
        record(log, 0, 10)
        clock.advance(days=1)
        record(log, 10, 10)
        clock.advance(days=1)
        store.writes, store.fail_at, store.after = 0, step, after
        try:
            log.seal(HOME, close=True)
        except StoreUnavailable:
            assert step < 4
        assert log.verify(HOME).ok
        store.fail_at = None
        log.seal(HOME, close=True)
        assert [(seal.start, seal.stop) for seal in seals_of(log)] == [(0, 10), (10, 21)]
        assert log.head(HOME).size == 22
        assert log.verify(HOME).ok


def test_two_that_seal_at_once_write_one_seal(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else seals while the index is computed: the slower one finds it done."""
    record(log, 0, 10)
    gather = sealing_room.gather
    others: list[object] = []

    def slowly(*given: Any) -> Any:
        found = gather(*given)
        if not others:
            others.append(None)
            others[0] = log.seal(HOME, close=True)
        return found

    monkeypatch.setattr(sealing_room, "gather", slowly)
    assert log.seal(HOME, close=True) == ()
    assert others != [()]
    assert len(seals_of(log)) == 1
    assert log.head(HOME).size == 11
    assert log.verify(HOME).ok


def test_entries_recorded_meanwhile_are_of_the_next_segment(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Appends go on while the index is computed."""
    record(log, 0, 10)
    gather = sealing_room.gather

    def busy(*given: Any) -> Any:
        record(log, 10, 5)
        return gather(*given)

    monkeypatch.setattr(sealing_room, "gather", busy)
    (sealed,) = log.seal(HOME, close=True)
    assert (sealed.stop, sealed.index) == (10, 15)
    assert log.verify(HOME).ok


# ----------------------------------------------------------------------------------------------------------------- lies


Lie = Callable[[dict[bytes, list[int]]], None]


def leave_out(postings: dict[bytes, list[int]]) -> None:
    """Leave one entry out of the index."""
    for tag_ in [one for one, positions in postings.items() if positions == [4] or 4 in positions]:
        postings[tag_].remove(4)
        if not postings[tag_]:
            del postings[tag_]


def misfile(postings: dict[bytes, list[int]]) -> None:
    """Put an entry under the tag of somebody else."""
    next(positions for positions in postings.values() if 4 not in positions).append(4)
    for positions in postings.values():
        positions.sort()


@pytest.mark.parametrize(
    ("lie", "fact"), [(leave_out, "leaves it out"), (misfile, "under a tag that it does not carry")]
)
def test_a_false_index_is_found(log: Log, monkeypatch: pytest.MonkeyPatch, lie: Lie, fact: str) -> None:
    """An operator seals an index that is not that of the entries; seal, chain and signature are all in order."""
    record(log, 0, 20)
    gather = sealing_room.gather

    def lying(*given: Any) -> Any:
        found = gather(*given)
        lie(found.postings)
        return found

    monkeypatch.setattr(sealing_room, "gather", lying)
    log.seal(HOME, close=True)
    report = log.verify(HOME)
    assert report.first_bad == 4
    assert any(fact in problem.fact for problem in report.problems)


@pytest.fixture
def memory(clock: Clock) -> Iterator[Log]:
    """Return a log in memory, with three sealed segments, that a test may falsify."""
    with whodid.open("memory://", clock=clock) as log:
        for number in range(3):
            record(log, 10 * number, 10)
            log.seal(HOME, close=True)
        yield log


def insides(log: Log) -> Any:
    """Return what the memory store keeps of the log."""
    return store_of(log)._logs[HOME]


def facts(log: Log) -> str:
    """Return everything that a verification complains of."""
    return " | ".join(problem.fact for problem in log.verify(HOME).problems)


def test_another_salt_is_found(memory: Log) -> None:
    """A salt that was exchanged, for the first segments, a later one or one that has not begun."""
    for number in range(4):
        true: Segment = insides(memory).segments[number]
        insides(memory).segments[number] = msgspec.structs.replace(true, salt=bytes(32))
        assert f"The salt of segment {number} is not the one that was committed to" in facts(memory)
        insides(memory).segments[number] = true
    head: Head = insides(memory).head
    insides(memory).head = msgspec.structs.replace(head, next=bytes(32))
    assert "The salt of segment 4 is not the one" in facts(memory)
    forged = (salt_commitment(0, bytes(32)), head.commitments[1])
    insides(memory).head = msgspec.structs.replace(head, commitments=forged)
    assert "The origin of the log does not commit" in facts(memory)


def test_a_bent_chain_is_found(memory: Log) -> None:
    """A seal that was changed, one that is missing, and one that is not in its entry."""
    seals = insides(memory).seals
    for number in range(3):
        true: Sealed = seals[number]
        bent = Seal.decode(true.seal)._replace(occurred_first=0)
        seals[number] = msgspec.structs.replace(true, seal=bent.encode())
        assert "The seal that it carries is not the one that is kept" in facts(memory)
        assert ("does not follow" if number < 2 else "newest seal is not the one") in facts(memory)
        del seals[number]
        assert "Seals are missing" in facts(memory)
        seals[number] = msgspec.structs.replace(true, seal=true.seal[:-1])
        assert "cannot be read" in facts(memory)
        seals[number] = true
    assert facts(memory) == ""


def test_another_index_is_found(memory: Log) -> None:
    """An index that is missing, damaged or another one than the sealed one."""
    postings = insides(memory).postings
    true = postings[1]
    for wrong, fact in ((None, "missing"), (true[:-4], "stored index"), (postings[0], "not the one that was sealed")):
        postings[1] = wrong
        assert fact in facts(memory)
    postings[1] = true
    assert facts(memory) == ""


def test_a_forked_log_is_found(memory: Log) -> None:
    """History is written again from the first entry on, key and seals in order: the origin is another."""
    origin = memory.head(HOME).origin
    with whodid.open("memory://", clock=memory._clock) as other:
        record(other, 0, 9)
        other.seal(HOME, close=True)
        assert other.head(HOME).origin != origin
        insides(other).head = msgspec.structs.replace(other.head(HOME), origin=origin)
        assert "The origin of the log does not commit" in facts(other)

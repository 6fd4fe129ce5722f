"""Answers with proof that nothing is missing: from a log, checked with nothing but its signed head."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.keeping import HOME, JOAO, MARIA, STORES, Clock, event, opened, record
from whodid import Log, Resource
from whodid.errors import MalformedProof, NotFound, ProofError, Purged, Refuted
from whodid.proof import check_inclusion, leaf_hash, open_checkpoint
from whodid.proof.complete import Answer, Found, SegmentAnswer, check_answer, check_range
from whodid.proof.index import Index
from whodid.proof.leaf import ACTION, ACTOR, RESOURCE, tag
from whodid.proof.note import Verifier
from whodid.proof.seal import NOTHING, Seal, salt_commitment
from whodid.proof.volume import Volume
from whodid.retention import purge

DAYS, PER_DAY = 6, 12


@pytest.fixture
def clock() -> Clock:
    """Return the clock of the log."""
    return Clock()


@pytest.fixture(params=STORES)
def log(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Log]:
    """Open a log of six sealed days."""
    with opened(request.param, tmp_path, clock) as log:
        for day in range(DAYS):
            numbers = range(100 * day + 1, 100 * day + 1 + PER_DAY)
            record(log, [event(number, "contact.deleted", clock.now) for number in numbers])
            clock.advance(days=1)
            log.seal(HOME)
        yield log


def check(log: Log, answer: Answer) -> Found:
    """Check an answer as a stranger would, who has the published key: the newest seal must be an entry of the log."""
    found = check_answer(log.head(HOME).origin, answer)
    sealed = log.complete(HOME, answer.dimension, answer.value).seal
    proof = log.prove(HOME, sealed.index)
    signed, _ = open_checkpoint(proof.checkpoint, Verifier(log.verifier_key(HOME)))
    check_inclusion(proof.index, signed.size, leaf_hash(proof.leaf), proof.path, signed.root)
    details = log.get(HOME, sealed.index).details
    assert details is not None
    assert bytes.fromhex(details["seal"]) == found.newest.encode()
    if found.volume is not None:
        carried = log.complete(HOME, answer.dimension, answer.value).volume
        assert carried is not None
        details = log.get(HOME, carried.index).details
        assert details is not None
        assert bytes.fromhex(details["volume"]) == found.volume.encode()
    return found


def carrying(log: Log, actor: str) -> list[int]:
    """Return the indexes of the entries of an actor, by reading all of them."""
    return [entry.index for entry in log.read(HOME) if entry.actor.id == actor]


def test_everything_somebody_did(log: Log) -> None:
    """Every entry of an actor, an action, a resource, and nothing of a stranger, over all segments."""
    for who in (MARIA, JOAO):
        given = log.complete(HOME, ACTOR, b"user\0" + who.id.encode())
        found = check(log, given.answer)
        assert list(found.positions) == carrying(log, who.id) != []
        assert (given.start, given.stop) == (found.start, found.stop) == (0, log.head(HOME).segment.start)
        assert (given.gone, found.unindexed) == ((), 0)
    assert len(check(log, log.complete(HOME, ACTION, b"contact.deleted").answer).positions) == DAYS * PER_DAY
    assert len(check(log, log.complete(HOME, RESOURCE, b"contact\0con_303").answer).positions) == 1
    assert check(log, log.complete(HOME, ACTOR, b"user\0nobody").answer).positions == ()


def test_a_part_of_the_log(log: Log) -> None:
    """Only the segments that the range touches answer, with the seals from two before them on."""
    third = Seal.decode(log.complete(HOME, ACTION, b"x").answer.seals[3])
    given = log.complete(HOME, ACTION, b"contact.deleted", third.start + 2, third.start + 5)
    assert [segment.number for segment in given.answer.segments] == [3]
    assert [Seal.decode(seal).number for seal in given.answer.seals] == [1, 2, 3, 4, 5]
    assert given.answer.commitments == ()
    found = check(log, given.answer)
    assert (found.start, found.stop) == (third.start, third.stop)
    assert len(found.positions) == PER_DAY


def test_the_newest_entries_answer_once_they_are_sealed(log: Log, clock: Clock) -> None:
    """An entry of the open segment is not covered, and the answer says so; closing on demand covers it."""
    record(log, [event(5_000, "contact.deleted", clock.now)])
    size = log.head(HOME).size
    assert log.complete(HOME, ACTION, b"contact.deleted").stop < size
    with pytest.raises(NotFound):
        log.complete(HOME, ACTION, b"contact.deleted", size - 1)
    log.seal(HOME, close=True)
    given = log.complete(HOME, ACTION, b"contact.deleted")
    assert given.stop == size
    assert check(log, given.answer).positions[-1] == size - 1


def test_what_an_operator_leaves_out_is_refuted(log: Log) -> None:
    """Positions, segments, seals and salts that are missing, swapped or another's."""
    answer = log.complete(HOME, ACTOR, b"user\0usr_maria").answer
    absent = log.complete(HOME, ACTOR, b"user\0nobody").answer
    check_answer(log.head(HOME).origin, answer)
    segments = answer.segments

    def with_segment(at: int, segment: SegmentAnswer) -> Answer:
        return answer._replace(segments=(*segments[:at], segment, *segments[at + 1 :]))

    lies = [
        answer._replace(segments=segments[:2] + segments[3:]),
        answer._replace(segments=(segments[1], segments[0], *segments[2:])),
        answer._replace(seals=answer.seals[:2] + answer.seals[3:]),
        answer._replace(seals=(answer.seals[1], answer.seals[0], *answer.seals[2:])),
        answer._replace(seals=answer.seals[:3]),
        answer._replace(commitments=answer.commitments[::-1]),
        answer._replace(commitments=()),
        answer._replace(segments=()),
        answer._replace(value=b"user\0usr_joao"),
        answer._replace(dimension=RESOURCE),
    ]
    for at, segment in enumerate(segments):
        lies += [
            with_segment(at, segment._replace(positions=segment.positions[:-1])),
            with_segment(at, segment._replace(positions=())),
            with_segment(at, segment._replace(positions=(), proof=absent.segments[at].proof)),
            with_segment(at, segment._replace(salt=bytes(32))),
            with_segment(at, segments[at - 1]._replace(number=at)),
        ]
    for lie in lies:
        with pytest.raises(ProofError):
            check_answer(log.head(HOME).origin, lie)


def bound(log: Log, clock: Clock) -> Log:
    """Bind four of the days, then three more, and leave one day to itself."""
    for day in range(DAYS, DAYS + 4):
        if day == DAYS + 3:
            log.bind(HOME)
        record(log, [event(100 * day + 1, "contact.deleted", clock.now)])
        clock.advance(days=1)
        log.seal(HOME)
        if day == DAYS:
            log.bind(HOME)
    return log


def test_volumes_answer_for_their_segments(log: Log, clock: Clock) -> None:
    """With one proof for many segments, and the same entries; segments that a range cuts off answer for themselves."""
    by_segments = [entry.index for entry in log.read(HOME) if entry.action == "contact.deleted"]
    bound(log, clock)
    first, second = [Volume.decode(one.volume) for one in log._store.volumes(HOME)]
    given = log.complete(HOME, ACTION, b"contact.deleted")
    found = check(log, given.answer)
    assert [one.number for one in given.answer.bound] == [0, 1]
    assert [one.number for one in given.answer.segments] == [second.last + 1]
    assert list(found.positions) == [entry.index for entry in log.read(HOME) if entry.action == "contact.deleted"]
    assert set(by_segments) < set(found.positions)
    assert (found.start, found.unindexed, given.gone) == (0, 0, ())
    assert check(log, log.complete(HOME, ACTOR, b"user\0nobody").answer).positions == ()

    cut = log.complete(HOME, ACTION, b"contact.deleted", Seal.decode(given.answer.seals[1]).start)
    assert ([one.number for one in cut.answer.bound], cut.answer.segments[0].number) == ([1], 1)
    assert check(log, cut.answer).positions == tuple(at for at in found.positions if at >= cut.start)
    short = log.complete(HOME, ACTION, b"contact.deleted", 0, first.stop)
    assert ([one.number for one in short.answer.bound], short.answer.segments) == ([0], ())
    assert short.answer.commitments == ()
    assert check(log, short.answer).stop == first.stop


def test_what_an_operator_leaves_out_of_volumes_is_refuted(log: Log, clock: Clock) -> None:
    """Volumes, positions, salts and the seals that a volume is said to hold; whatever leaves a gap."""
    answer = bound(log, clock).complete(HOME, ACTION, b"contact.deleted").answer
    origin = log.head(HOME).origin
    check_answer(origin, answer)
    one, two = answer.bound
    seal, newest = Seal.decode(answer.seals[0]), Volume.decode(answer.volumes[1])
    lies = [
        answer._replace(bound=(one,)),
        answer._replace(bound=(two, one)),
        answer._replace(bound=(one, one, two)),
        answer._replace(bound=(), segments=()),
        answer._replace(volumes=answer.volumes[1:]),
        answer._replace(volumes=answer.volumes[:1]),
        answer._replace(volumes=answer.volumes[::-1]),
        answer._replace(seals=answer.seals[1:]),
        answer._replace(seals=(seal._replace(commitment=bytes(32)).encode(), *answer.seals[1:])),
        answer._replace(bound=(two,), volumes=(newest._replace(start=newest.start - 1).encode(),)),
        answer._replace(value=b"contact.updated"),
    ] + [
        answer._replace(bound=(changed, two))
        for changed in (
            one._replace(positions=one.positions[1:]),
            one._replace(positions=()),
            one._replace(salt=two.salt),
            one._replace(number=1),
        )
    ]
    for lie in lies:
        with pytest.raises(ProofError):
            check_answer(origin, lie)
    # What begins later or ends earlier is an answer to less, and says so.
    whole = check_answer(origin, answer)
    assert check_answer(origin, answer._replace(bound=(two,))).start > whole.start
    assert check_answer(origin, answer._replace(segments=())).stop < whole.stop


def test_an_index_that_reaches_beyond_its_segment_is_refuted() -> None:
    """Whoever seals an index cannot have it speak of entries of another segment."""
    salt = bytes(range(32))
    for stop, problem in ((4, None), (3, "reaches beyond")):
        index = Index(2, {tag(salt, ACTION, b"contact.deleted"): [2, 3]})
        seals: list[Seal] = []
        for number, end in enumerate((1, 2, stop)):
            previous = seals[-1] if seals else None
            seal = Seal(
                number=number,
                start=previous.stop if previous else 0,
                stop=end,
                indexed=1,
                keys=1,
                recorded_first=0,
                recorded_last=0,
                occurred_first=0,
                occurred_last=0,
                root=index.root,
                commitment=salt_commitment(number + 2, salt),
                previous=previous.hash if previous else NOTHING,
                anchor=NOTHING,
            )
            seals.append(seal)
        positions, proof = index.look_up(tag(salt, ACTION, b"contact.deleted"))
        said = SegmentAnswer(2, salt, tuple(positions), proof)
        answer = Answer(ACTION, b"contact.deleted", (), tuple(one.encode() for one in seals), (said,))
        if problem is None:
            assert check_answer("any", answer).positions == (2, 3)
        else:
            with pytest.raises(Refuted, match=problem):
                check_answer("any", answer)


def test_no_changed_byte_of_a_seal_passes(log: Log) -> None:
    """Any bit of any seal but the newest is bound by the chain; of the newest by its entry."""
    answer = log.complete(HOME, ACTOR, b"user\0usr_maria").answer
    draw = random.Random(3)
    for number in range(len(answer.seals) - 1):
        for _ in range(20):
            data = bytearray(answer.seals[number])
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
            bent = answer._replace(seals=(*answer.seals[:number], bytes(data), *answer.seals[number + 1 :]))
            with pytest.raises(ProofError):
                check_answer(log.head(HOME).origin, bent)


def test_after_a_purge(log: Log, clock: Clock) -> None:
    """Segments that went do not answer; entries without content in those that stay are named with the record of it."""
    clock.advance(days=87)
    record(log, [event(9_000, "contact.deleted", clock.now)])
    done = purge(log, HOME, step=5, rest=lambda _: True)
    assert (done.entries, done.first) == (5, 5)
    given = log.complete(HOME, ACTION, b"contact.deleted")
    found = check(log, given.answer)
    assert (found.start, found.unindexed) == (0, 0)
    assert {gone.index for gone in given.gone} == set(range(5))
    assert {gone.record for gone in given.gone} == set(done.records)

    first = purge(log, HOME).first
    assert first > PER_DAY
    given = log.complete(HOME, ACTION, b"contact.deleted")
    found = check(log, given.answer)
    assert 0 < found.start <= first
    kept = {entry.index for entry in log.read(HOME, 0, found.stop) if entry.action == "contact.deleted"}
    assert set(found.positions) == kept | {gone.index for gone in given.gone}
    with pytest.raises(NotFound):
        log.complete(HOME, ACTION, b"contact.deleted", 0, 3)


def test_every_leaf_of_a_range(log: Log) -> None:
    """Headers lead to the signed root for any range, and no header may be changed, missing, swapped or added."""
    signed, _ = open_checkpoint(log.checkpoint(HOME), Verifier(log.verifier_key(HOME)))
    for start, stop in ((0, signed.size), (0, 1), (5, 6), (13, 57), (signed.size - 1, signed.size), (32, 64)):
        given = log.headers(HOME, start, stop)
        assert None not in given.headers
        leaves = [leaf_hash(header) for header in given.headers if header is not None]
        check_range(start, leaves, signed.size, signed.root, given.proof)
        wrong = [[*leaves[:-1], bytes(32)], [*leaves, bytes(32)], leaves[:-1]]
        wrong += [leaves[::-1]] if len(leaves) > 1 else []
        for bad in wrong:
            with pytest.raises(ProofError):
                check_range(start, bad, signed.size, signed.root, given.proof)
        with pytest.raises(ProofError):
            check_range(start + 1, leaves, signed.size, signed.root, given.proof)
    for start, stop in ((5, 5), (-1, 3), (0, signed.size + 1)):
        with pytest.raises(MalformedProof):
            log.headers(HOME, start, stop)


def test_ranges_that_reach_over_the_cut_of_a_purge(log: Log, clock: Clock) -> None:
    """Leaves without content are there as hashes, as long as their tile is."""
    clock.advance(days=87)
    record(log, [event(9_000, "contact.deleted", clock.now)])
    first = purge(log, HOME).first
    signed, _ = open_checkpoint(log.checkpoint(HOME), Verifier(log.verifier_key(HOME)))
    given = log.headers(HOME, first - 3, first + 2)
    hashes = iter(given.hashes)
    assert [header is None for header in given.headers[:3]] == [True] * 3
    leaves = [next(hashes) if header is None else leaf_hash(header) for header in given.headers]
    check_range(first - 3, leaves, signed.size, signed.root, given.proof)


def test_leaves_whose_tile_is_gone(tmp_path: Path, clock: Clock) -> None:
    """What went with its tile is not offered."""
    with opened("sqlite", tmp_path, clock) as log:
        record(log, [event(number, at=clock.now) for number in range(1, 601)])
        clock.advance(days=100)
        record(log, [event(9_000, at=clock.now)])
        purge(log, HOME)
        with pytest.raises(Purged):
            log.headers(HOME, 100, 602)
        assert log.head(HOME).first >= 600
        given = log.headers(HOME, log.head(HOME).first, log.head(HOME).size)
        signed, _ = open_checkpoint(log.checkpoint(HOME), Verifier(log.verifier_key(HOME)))
        leaves = [leaf_hash(header) for header in given.headers if header is not None]
        check_range(given.start, leaves, signed.size, signed.root, given.proof)


def test_a_log_that_was_never_sealed(tmp_path: Path, clock: Clock) -> None:
    """There is nothing to answer with."""
    with opened("memory", tmp_path, clock) as log:
        record(log, [event(1, at=clock.now), event(2, at=clock.now + timedelta(seconds=1))])
        with pytest.raises(NotFound, match="No sealed segment"):
            log.complete(HOME, ACTOR, b"user\0usr_maria")


def test_answers_of_another_log_are_refuted(log: Log, tmp_path: Path) -> None:
    """The origin of a checkpoint names the salts of its own log."""
    with opened("memory", tmp_path, Clock()) as other:
        record(other, [event(1, resource=Resource(type="contact", id="con_1"))])
        other.seal(HOME, close=True)
        answer = other.complete(HOME, ACTOR, b"user\0usr_maria").answer
        with pytest.raises(Refuted, match="origin"):
            check_answer(log.head(HOME).origin, answer)

"""Binding as the log does it: when volumes are made, what they hold, and which lies of an operator are found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import whodid
from tests.faults.writer import event
from tests.keeping import Clock
from tests.test_log_sealing import HOME, MORNING, record, seals_of, store_of
from whodid import canonical
from whodid.errors import NotFound
from whodid.evidence import ask, extract, make, verify
from whodid.log import Log
from whodid.log import binding as binding_room
from whodid.log import sealing as sealing_room
from whodid.proof import leaf
from whodid.proof.index import EMPTY, Index, check_absence, check_presence
from whodid.proof.seal import Seal
from whodid.proof.volume import Volume, check_seal, check_volumes, seal_path, volume_salt_commitment
from whodid.store.memory import MemoryStore


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


def days(log: Log, clock: Clock, count: int, first: int = 0) -> None:
    """Record three entries a day, and seal each day when it is over."""
    for day in range(first, first + count):
        record(log, 3 * day, 3)
        clock.advance(days=1)
        log.seal(HOME)


def volumes_of(log: Log) -> list[Volume]:
    """Return the volumes of the log."""
    return [Volume.decode(one.volume) for one in store_of(log).volumes(HOME)]


def purge(log: Log, stop: int) -> None:
    """Remove everything below an index."""
    said = event("seals", 9_000 + stop)
    log.forget(HOME, [range(stop)], msgspec.structs.replace(said, action="audit.purged"))


def facts(log: Log) -> set[str]:
    """Return what a verification finds."""
    return {problem.fact for problem in log.verify(HOME).problems}


# ------------------------------------------------------------------------------------------------------ when, and what


def test_many_segments_are_bound_by_themselves(log: Log, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the segment that makes them many; the next volume begins where this one ends."""
    monkeypatch.setattr(binding_room, "VOLUME_SEGMENTS", 4)
    days(log, clock, 3)
    assert volumes_of(log) == []
    days(log, clock, 6, first=3)
    first, second = volumes_of(log)
    assert [(one.number, one.first, one.last) for one in (first, second)] == [(0, 0, 3), (1, 4, 7)]
    check_volumes([first, second])
    entry = log.get(HOME, store_of(log).volumes(HOME)[0].index)
    assert (entry.action, entry.actor.id, entry.marks) == ("audit.bound", "sealing", ())
    assert entry.details is not None
    assert entry.details["volume"] == first.encode().hex()
    assert log.verify(HOME).ok


def test_many_entries_are_bound_by_themselves(log: Log, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two segments at least, however large one is."""
    monkeypatch.setattr(binding_room, "VOLUME_ENTRIES", 5)
    record(log, 0, 20)
    clock.advance(days=1)
    log.seal(HOME)
    assert volumes_of(log) == []
    record(log, 20, 1)
    clock.advance(days=1)
    log.seal(HOME)
    assert [(one.first, one.last, one.start, one.stop) for one in volumes_of(log)] == [(0, 1, 0, 22)]


def test_on_request_everything_that_is_sealed_is_bound(log: Log, clock: Clock) -> None:
    """Two segments are enough, one is not; what is bound is not bound again."""
    with pytest.raises(NotFound):
        log.bind("nobody")
    days(log, clock, 1)
    assert log.bind(HOME) == ()
    days(log, clock, 2, first=1)
    (bound,) = log.bind(HOME)
    assert (bound.number, bound.first, bound.last, bound.start) == (0, 0, 2, 0)
    assert log.bind(HOME) == ()
    assert log.verify(HOME).ok


def test_a_volume_answers_as_its_segments_do(log: Log, clock: Clock) -> None:
    """Its index holds every value of its segments, and its seals are theirs."""
    days(log, clock, 5)
    log.bind(HOME)
    (volume,), (bound,) = volumes_of(log), store_of(log).volumes(HOME)
    assert bound.salt is not None
    assert volume_salt_commitment(0, bound.salt) == volume.commitment
    index = Index.decode(store_of(log).volume_postings(HOME, 0))
    carried: dict[tuple[int, bytes], list[int]] = {}
    for entry in log.read(HOME, 0, volume.stop):
        for value in dict.fromkeys(canonical.tag_values(entry)):
            carried.setdefault(value, []).append(entry.index)
    assert len(carried) == volume.keys
    for value, wanted in carried.items():
        tag = leaf.tag(bound.salt, *value)
        positions, proof = index.look_up(tag)
        assert list(positions) == wanted
        check_presence(volume.root, tag, positions, proof)
    absent = leaf.tag(bound.salt, leaf.ACTOR, b"user\0nobody")
    check_absence(volume.root, absent, index.look_up(absent)[1])
    seals = seals_of(log)
    assert volume.indexed == sum(seal.indexed for seal in seals) == volume.stop
    assert (volume.recorded_first, volume.occurred_last) == (
        min(seal.recorded_first for seal in seals),
        max(seal.occurred_last for seal in seals),
    )
    encoded = [seal.encode() for seal in seals]
    for place, data in enumerate(encoded):
        assert check_seal(volume, data, seal_path(encoded, place)) == seals[place]


def test_what_was_purged_before_is_bound_without_an_index(log: Log, clock: Clock) -> None:
    """The chain begins with the first segment all the same; the salt of the others still waits for them."""
    days(log, clock, 4)
    purge(log, seals_of(log)[1].stop)
    assert [(one.first, one.last) for one in log.bind(HOME)] == [(0, 1), (2, 3)]
    empty, full = volumes_of(log)
    assert (empty.root, empty.indexed, empty.keys) == (EMPTY, 0, 0)
    assert full.indexed == full.stop - full.start
    kept = store_of(log).volumes(HOME)
    assert [one.salt is None for one in kept] == [True, False]
    assert store_of(log).volume_postings(HOME, 0) is None
    assert log.verify(HOME).ok


def test_no_content_is_needed_for_a_volume(log: Log, clock: Clock) -> None:
    """What left by itself meanwhile stands in the index of the volume as in that of its segment."""
    days(log, clock, 3)
    log.forget(HOME, [range(1, 2), range(4, 6)], msgspec.structs.replace(event("seals", 99), action="audit.purged"))
    log.bind(HOME)
    (volume,) = volumes_of(log)
    assert volume.indexed == volume.stop
    index = Index.decode(store_of(log).volume_postings(HOME, 0))
    assert {position for positions in index.postings.values() for position in positions} == set(range(volume.stop))
    assert log.verify(HOME).ok


def test_segments_of_an_earlier_release_are_bound_by_their_content(
    log: Log, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as it is there; a segment that lost some is bound without an index."""
    days(log, clock, 3)
    store = store_of(log)
    second = type(store).second
    monkeypatch.setattr(store, "second", lambda _, number: None if number < 3 else second(store, HOME, number))
    days(log, clock, 2, first=3)
    assert [(one.first, one.last) for one in log.bind(HOME)] == [(0, 2), (3, 4)]
    assert all(one.salt for one in store.volumes(HOME))
    assert log.verify(HOME).ok


def test_a_segment_of_an_earlier_release_without_all_its_content(
    log: Log, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can name the values that are only in what went."""
    days(log, clock, 3)
    store = store_of(log)
    monkeypatch.setattr(store, "second", lambda *_: None)
    log.forget(HOME, [range(1)], msgspec.structs.replace(event("seals", 98), action="audit.purged"))
    assert [(one.first, one.last) for one in log.bind(HOME)] == [(0, 0), (1, 2)]
    assert [one.salt is None for one in store.volumes(HOME)] == [True, False]
    assert log.verify(HOME).ok


def test_the_index_of_a_volume_goes_with_the_first_of_its_segments(log: Log, clock: Clock) -> None:
    """Nothing is left in the store with which somebody could guess what was purged; everything else verifies."""
    days(log, clock, 4)
    log.bind(HOME)
    (before,) = store_of(log).volumes(HOME)
    purge(log, seals_of(log)[0].stop)
    (after,) = store_of(log).volumes(HOME)
    assert before.salt is not None
    assert (after.salt, after.volume) == (None, before.volume)
    assert store_of(log).volume_postings(HOME, 0) is None
    assert log.verify(HOME).ok
    if not isinstance(store_of(log), MemoryStore):
        log.compact()
        path = Path(store_of(log).engine.path)
        written = b"".join(one.read_bytes() for one in path.parent.glob(f"{path.name}*") if one.is_file())
        assert before.salt not in written
        assert after.volume in written


def test_a_purge_while_segments_are_bound_wins(log: Log, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read before cannot come back with the volume."""
    days(log, clock, 3)
    join = binding_room._join
    waiting = [seals_of(log)[0].stop]

    def slowly(*given: Any) -> None:
        join(*given)
        while waiting:
            purge(log, waiting.pop())

    monkeypatch.setattr(binding_room, "_join", slowly)
    assert log.bind(HOME) == ()
    assert [(one.first, one.last) for one in log.bind(HOME)] == [(0, 0), (1, 2)]
    assert log.verify(HOME).ok


def test_a_file_of_evidence_leans_on_it(log: Log, clock: Clock) -> None:
    """One answer for all bound segments, verified from its bytes; after a purge, of what is left."""
    days(log, clock, 6)
    log.bind(HOME)
    days(log, clock, 2, first=6)
    question = ask(["resource:contact:con_1,contact:con_16"], catalog=log.catalog)
    key = log.verifier_key(HOME)
    wanted = [one.index for one in log.read(HOME) if one.resource.id in {"con_1", "con_16"}]
    data = extract(make(log, HOME, question, actor=log.get(HOME, 0).actor).file)
    assert b'"bound":{' in data
    verdict = verify(data, trusted=[key])
    assert verdict.ok
    assert [one.index for one in verdict.answers] == wanted
    purge(log, seals_of(log)[0].stop)
    again = extract(make(log, HOME, question, actor=log.get(HOME, 30).actor).file)
    assert b'"bound":{' not in again
    verdict = verify(again, trusted=[key])
    assert verdict.ok
    assert [one.index for one in verdict.answers] == wanted[1:]
    assert verify(data, trusted=[key]).ok


# ------------------------------------------------------------------------------------------------------ what is a lie


def test_a_volume_that_leaves_an_entry_out_is_found(log: Log, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """And so is one that has it under another tag: both name the entry."""
    join = binding_room._join

    def lying(postings: Any, index: Index, tags: Any) -> None:
        wanted = leaf.tag(store_of(log).head(HOME).unbound.salt, leaf.RESOURCE, b"contact\0con_1")
        join(postings, index, [b"\x05" * 16 if tag == wanted else tag for tag in tags])

    monkeypatch.setattr(binding_room, "_join", lying)
    days(log, clock, 2)
    (entry,) = [one for one in log.read(HOME, 0, 6) if one.resource.id == "con_1"]
    log.bind(HOME)
    report = log.verify(HOME)
    assert {one.fact for one in report.problems if one.index == entry.index} == {
        "The index of volume 0 leaves it out",
        "The index of volume 0 has it under a tag that it does not carry",
    }
    assert report.first_bad == entry.index


@pytest.mark.parametrize(
    ("changes", "fact"),
    [
        ({"seals": bytes(32)}, "Volume 0 holds other segments than it says"),
        ({"last": 5}, "The newest volume is not the one that the head says"),
        ({"root": bytes(32)}, "The index of volume 0 is not the one that was bound"),
        ({"commitment": bytes(32)}, "The salt of volume 0 is not the one that it commits to"),
        ({"first": 1}, "Volume 0 does not follow the one before it"),
    ],
)
def test_a_volume_that_is_another_is_found(log: Log, clock: Clock, changes: dict[str, Any], fact: str) -> None:
    """Whatever it says of its segments, its index or its salt."""
    days(log, clock, 3)
    log.bind(HOME)
    store = store_of(log)
    (bound,) = store.volumes(HOME)
    other = Volume.decode(bound.volume)._replace(**changes).encode()
    store.volumes = lambda _: [msgspec.structs.replace(bound, volume=other)]
    assert {fact, "The volume that it carries is not the one that is kept"} <= facts(log)


def test_a_volume_without_its_salt_or_index_is_found(log: Log, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as its segments are there; and so is a volume that is gone."""
    days(log, clock, 3)
    log.bind(HOME)
    store = store_of(log)
    with monkeypatch.context() as patch:
        patch.setattr(store, "volume_postings", lambda *_: None)
        assert facts(log) == {"The index of volume 0 is missing"}
    with monkeypatch.context() as patch:
        patch.setattr(store, "volumes", lambda _: [])
        assert "Volumes are missing" in facts(log)


def test_second_tags_of_something_else_are_found(log: Log, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before they are bound."""
    days(log, clock, 2)
    store = store_of(log)
    right = store.second(HOME, 1)
    for wrong, fact in (
        (right[16:] + right[:16], "Its second tags are not those of what it says"),
        (right[16:], "The second tags of segment 1 are not as many as its index has"),
    ):
        monkeypatch.setattr(store, "second", lambda _, number, wrong=wrong: wrong if number == 1 else None)
        assert facts(log) == {fact}


def test_a_seal_goes_on_where_another_drew_the_salt(log: Log, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two processes that seal at once, the second tags of both would be of one salt: one of them begins again."""
    record(log, 0, 3)
    clock.advance(days=1)
    gather = sealing_room.gather
    waiting = [1]
    others: list[Any] = []

    def slowly(*given: Any) -> Any:
        while waiting:
            waiting.pop()
            others.extend(log.seal(HOME))
        return gather(*given)

    monkeypatch.setattr(sealing_room, "gather", slowly)
    assert log.seal(HOME) == ()
    assert len(others) == 1
    assert [Seal.decode(one.seal).number for one in store_of(log).seals(HOME)] == [0]
    assert log.verify(HOME).ok

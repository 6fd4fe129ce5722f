"""Erasing fields of entries: values and salts go, every proof stays, old files verify, the bytes are gone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.keeping import HOME, MARIA, NOW, STORES, Clock, event, full_event, opened, record
from whodid import Actor, Entry, Event, Log, Reason, Related, Resource, canonical
from whodid.errors import ConflictingEvent, MalformedProof, StoreUnavailable
from whodid.export import export, verify_export
from whodid.proof import leaf

SECRET = "Zephyrine Quackenbush"
"""A name that is in no dictionary."""

AT = NOW


def erased_event(number: int = 900_000) -> Event:
    """Make the event that records an erasure."""
    return event(
        number,
        "audit.erased",
        AT,
        actor=MARIA,
        resource=Resource(type="log", id=HOME),
        related=(Related(type="contact", id="con_1", rel="subject"),),
        reason=Reason(text="Art. 17"),
    )


@pytest.fixture
def clock() -> Clock:
    """Return the clock of the log."""
    return Clock()


@pytest.fixture(params=STORES)
def log(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Log]:
    """Open a log with some entries about a person."""
    with opened(request.param, tmp_path, clock) as log:
        person = Resource(type="contact", id="con_1", name=SECRET)
        record(
            log,
            [
                event(1, resource=person),
                full_event(2),
                event(3, actor=Actor(type="user", id="usr_z", name=SECRET, email="zeph@quack.example")),
                event(4),
            ],
        )
        yield log


def exported(log: Log) -> list[bytes]:
    """Return the lines of an export with proofs."""
    file = BytesIO()
    export(log, HOME, "", "ndjson", file, proofs=True, actor=MARIA)
    return file.getvalue().splitlines(keepends=True)


def all_paths(entry: Entry) -> list[str]:
    """Return the paths of the fields of an entry."""
    return [path.decode() for path, _ in canonical.fields(entry)]


def test_a_value_goes_and_the_leaf_stays(log: Log) -> None:
    """The entry says what was erased, by which record; its leaf and the root over it are the same."""
    before = log.prove(HOME, 0)
    done = log.erase(HOME, {0: {"resource.name"}}, erased_event())

    assert done is not None
    assert (done.entries, done.fields) == (1, 1)
    entry = log.get(HOME, 0)
    assert entry.resource == Resource(type="contact", id="con_1")
    assert entry.erased is not None
    assert (entry.erased.paths, entry.erased.record) == (("resource.name",), done.receipt.index)
    assert log.prove(HOME, 0).leaf == before.leaf
    report = log.verify(HOME)
    assert report.ok, report.problems


def test_the_record_names_the_fields_and_no_value(log: Log) -> None:
    """Leaf kind, subject, ranges; nothing of what went."""
    done = log.erase(HOME, {0: {"resource.name"}, 2: {"actor.name", "actor.email"}}, erased_event())
    assert done is not None
    (proof, _) = next(log.disclose(HOME, [done.receipt.index]))
    found = log.get(HOME, done.receipt.index)

    assert leaf.Header.decode(proof.leaf).kind == leaf.ERASURE
    assert found.details == {
        "entries": 2,
        "ranges": [[0, 1], [2, 3]],
        "fields": {"resource.name": [[0, 1]], "actor.name actor.email": [[2, 3]]},
    }
    assert SECRET.encode() not in canonical.wire(found)


def test_every_field_of_a_full_entry_can_go(log: Log) -> None:
    """One by one and all at once, what stays is proven; ids and the core never go."""
    paths = all_paths(log.get(HOME, 1))
    kept = {"core", "actor.id", "resource.id", "related"}
    assert kept < set(paths)
    for number, path in enumerate(paths):
        done = log.erase(HOME, {1: {path}}, erased_event(900_001 + number))
        assert (done is None) == (path in kept)
        assert log.verify(HOME).ok
    entry = log.get(HOME, 1)
    assert entry.erased is not None
    assert [*entry.erased.paths] == [path for path in paths if path not in kept]
    assert all_paths(entry) == paths
    assert [value is None for _, value in canonical.fields(entry)] == [path not in kept for path in paths]


def test_erasing_twice_does_nothing_the_second_time(log: Log) -> None:
    """What is gone is skipped, and so is what never was there; nothing is recorded for nothing."""
    assert log.erase(HOME, {0: {"resource.name"}}, erased_event()) is not None
    size = log.head(HOME).size

    assert log.erase(HOME, {0: {"resource.name", "no.such", "core"}, 77: {"resource.name"}}, erased_event(9)) is None
    assert log.head(HOME).size == size


def test_files_from_before_and_after_verify(log: Log) -> None:
    """The old file keeps its values and verifies; the new one has the commitment of what went, and verifies too."""
    old = exported(log)
    log.erase(HOME, {0: {"resource.name"}, 2: {"actor.name", "actor.email"}}, erased_event())
    new = exported(log)

    for lines, there in ((old, True), (new, False)):
        report = verify_export(lines, lines[-1])
        assert report.ok, report.problems
        assert report.gapless
        assert (SECRET.encode() in b"".join(lines)) is there


def test_an_erased_field_in_a_file_cannot_be_filled_in_or_faked(log: Log) -> None:
    """A name put back, another field called erased, a salt in place of the commitment: refused."""
    log.erase(HOME, {0: {"resource.name"}}, erased_event())
    lines = exported(log)
    at = next(number for number, line in enumerate(lines) if b'"resource.name"' in line and b'"index":0' in line)
    line = lines[at]
    for forged in (
        line.replace(b'"id":"con_1"', b'"id":"con_1","name":"Somebody"', 1),
        line.replace(b'["resource.name"]', b'["resource.name","reason"]', 1),
        line.replace(b'["resource.name"]', b'["actor.name"]', 1),
    ):
        assert forged != line
        report = verify_export([*lines[:at], forged, *lines[at + 1 :]], lines[-1])
        assert not report.ok


def test_what_went_is_no_longer_found(log: Log) -> None:
    """Free text, names in filters and facets: nothing leads back; ids still do."""
    assert log.count(HOME, "zephyrine").value == 2
    log.erase(HOME, {0: {"resource.name"}, 2: {"actor.name", "actor.email"}}, erased_event())

    assert log.count(HOME, "zephyrine").value == 0
    assert log.count(HOME, f'actor:"{SECRET}"').value == 0
    assert [entry.index for entry in log.stream(HOME, "actor:usr_z")] == [2]
    assert [entry.index for entry in log.stream(HOME, "resource:contact:con_1")] == [4, 0]
    labels = {facet.label for facet in log.facets(HOME, "", "actor").values}
    assert SECRET not in labels
    assert "usr_z" in labels
    assert log.verify(HOME).ok


def test_a_resent_event_is_recognised_after_its_erasure(log: Log) -> None:
    """Its id is known: it is not recorded again, and not called another event."""
    said = event(1, resource=Resource(type="contact", id="con_1", name=SECRET))
    log.erase(HOME, {0: {"resource.name"}}, erased_event())

    receipt = log.record(HOME, said)
    assert (receipt.index, receipt.duplicate) == (0, True)
    with pytest.raises(ConflictingEvent):
        log.record(HOME, event(1, "contact.deleted"))


def test_an_entry_that_is_purged_meanwhile_is_left_out(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the transaction: the record says what was done, not what was meant."""
    store: Any = log._store
    real = store.forget
    purged = event(5_000, "audit.purged", resource=Resource(type="log", id=HOME))

    def forget(*arguments: Any) -> Any:
        monkeypatch.setattr(store, "forget", real)
        worker = threading.Thread(target=log.forget, args=(HOME, [range(1)], purged))
        worker.start()
        worker.join()
        return real(*arguments)

    monkeypatch.setattr(store, "forget", forget)
    done = log.erase(HOME, {0: {"resource.name"}, 2: {"actor.name"}}, erased_event())

    assert done is not None
    assert (done.entries, done.fields) == (1, 1)
    assert log.verify(HOME).ok


def test_a_crash_leaves_nothing_or_the_whole(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transaction fails at its end: the values are there as before, and nothing says that they were erased."""
    if not hasattr(log._store, "engine"):
        pytest.skip("the store in memory has no transaction that could fail")
    engine: Any = log._store.engine

    def full(*_: object) -> None:
        raise StoreUnavailable("The disk went away")

    with monkeypatch.context() as patch, pytest.raises(StoreUnavailable):
        patch.setattr("whodid.store.sqlite.write.encode_head", full)
        log.erase(HOME, {0: {"resource.name"}}, erased_event())

    assert engine.writer.get_autocommit()
    assert log.get(HOME, 0).resource.name == SECRET
    assert log.head(HOME).size == 4
    assert log.verify(HOME).ok


def test_the_bytes_are_gone_from_the_files(tmp_path: Path, clock: Clock) -> None:
    """Neither the name nor the content that held it is in the database, its free pages or its write-ahead log."""
    with opened("sqlite", tmp_path, clock) as log:
        crowd = [
            event(number, resource=Resource(type="contact", id=f"con_{number}", name=f"Crowd {number}"))
            for number in range(1, 400)
        ]
        record(log, crowd[:200])
        record(log, [event(1_000, resource=Resource(type="contact", id="con_1", name=SECRET))])
        record(log, crowd[200:])
        store: Any = log._store
        packed = store.engine.writer.value("SELECT payload FROM entry WHERE pos & 1099511627775 = 200")
        seed = store.engine.writer.value("SELECT seed FROM entry WHERE pos & 1099511627775 = 200")
        assert any(packed in file.read_bytes() for file in tmp_path.iterdir())

        log.erase(HOME, {200: {"resource.name"}}, erased_event())
        log.compact()

        for file in tmp_path.iterdir():
            data = file.read_bytes()
            for needle in (SECRET.encode(), b"zephyrine", b"quackenbush", packed, seed):
                assert needle not in data, (file.name, needle)
        assert log.verify(HOME).ok


def test_overwriting_while_somebody_reads_says_so(tmp_path: Path, clock: Clock) -> None:
    """The write-ahead log cannot be emptied then, and nobody may believe that it was."""
    with opened("sqlite", tmp_path, clock) as log:
        record(log, [event(1), event(2)])
        store: Any = log._store
        store.engine.writer.set_busy_timeout(10)
        with store.engine.reading() as reader:
            reader.rows("SELECT * FROM entry")
            with pytest.raises(StoreUnavailable):
                log.compact()
        log.compact()


def test_a_secret_that_does_not_fit_is_refused() -> None:
    """A seed where fields are gone, a cut one, one too long, a salt where a commitment belongs."""
    listed: list[leaf.Field] = [(b"a", b"1"), (b"b", b"2")]
    salts = leaf.openings(bytes(32), listed)
    secret = leaf.puncture(salts, listed, {b"b"})
    gone: list[leaf.Field] = [(b"a", b"1"), (b"b", None)]

    assert leaf.bindings(leaf.openings(secret, gone), gone) == leaf.bindings(salts, listed)
    assert salts[1] not in secret
    for wrong in (bytes(32), secret[:-1], secret + b"\0", b"\1" + secret[1:]):
        with pytest.raises(MalformedProof):
            leaf.openings(wrong, gone)
    with pytest.raises(MalformedProof):
        leaf.openings(secret, listed)
    assert leaf.puncture(leaf.openings(secret, gone), gone, {b"a"}).count(salts[0]) == 0

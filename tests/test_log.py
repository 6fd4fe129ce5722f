"""The hall: recording, reading, proving, forgetting."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

import whodid
from tests.faults.writer import event
from tests.keeping import Clock
from whodid import sequence
from whodid.errors import (
    ConflictingEvent,
    InvalidEvent,
    InvalidQuery,
    InvalidSetting,
    NotFound,
    Purged,
    StoreUnavailable,
)
from whodid.model import Actor, Event, Resource
from whodid.proof import check_consistency, check_inclusion, leaf_hash, open_checkpoint
from whodid.proof.note import Verifier
from whodid.sequence import Batch, Head
from whodid.store.base import Known
from whodid.testing import prepared

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def purged_event() -> Event:
    """Return the event that a purge records."""
    return Event(
        id="019ab000-0000-7000-8000-00000000dead",
        occurred_at=NOW,
        actor=Actor(type="system", id="retention", name="Retention"),
        action="audit.purged",
        resource=Resource(type="log", id="w", name="Audit log"),
    )


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[whodid.Log]:
    """Return an empty log on each store."""
    url, key = "memory://", None
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/audit.db"
    elif request.param == "postgres":
        url, key = request.getfixturevalue("postgres_url"), tmp_path / "whodid.key"
    with whodid.open(url, clock=Clock(NOW), key=key) as log:
        yield log


def test_a_recorded_event_is_found_and_proven(log: whodid.Log) -> None:
    """One event from the door to the store and back, with a proof that stands on its own."""
    receipts = log.record_many("w", [event("a", number) for number in range(300)])
    entry = log.get("w", 7)
    assert entry.id == event("a", 7).id == receipts[7].id  # type: ignore[union-attr]
    assert entry == log.get("w", entry.id)
    assert entry.recorded_at == NOW
    inclusion = log.prove("w", 7)
    checkpoint, _ = open_checkpoint(inclusion.checkpoint, Verifier(inclusion.vkey))
    check_inclusion(7, checkpoint.size, leaf_hash(inclusion.leaf), inclusion.path, checkpoint.root)
    assert inclusion.vkey == log.verifier_key("w")


def test_the_log_only_grows(log: whodid.Log) -> None:
    """Every signed head is a prefix of every later one."""
    heads = []
    for step in range(12):
        log.record_many("w", [event(f"s{step}", number) for number in range(37 * step % 61 + 1)])
        checkpoint, _ = open_checkpoint(log.checkpoint("w"), Verifier(log.verifier_key("w")))
        heads.append(checkpoint)
    for old in heads:
        for new in heads:
            if old.size <= new.size:
                proof = log.prove_consistency("w", old.size, new.size)
                check_consistency(old.size, new.size, old.root, new.root, proof)


def test_the_same_event_is_recorded_once(log: whodid.Log) -> None:
    """Repeats are acknowledged with the first place: later, within a batch, and from many threads at once."""
    first = log.record("w", event("a", 1))
    again = log.record("w", event("a", 1))
    assert (again.index, again.recorded_at, again.duplicate) == (first.index, first.recorded_at, True)
    twice = log.record_many("w", [event("a", 2), event("a", 2)])
    assert [(one.index, one.duplicate) for one in twice] == [(1, False), (1, True)]  # type: ignore[union-attr]
    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(log.record("w", event("a", 3)).index)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [2] * 8
    assert log.head("w").size == 3


def test_another_event_under_a_used_id_is_a_conflict(log: whodid.Log) -> None:
    """An id never changes its meaning, whether the first event came earlier or in the same batch."""
    log.record("w", event("a", 1))
    other = msgspec.structs.replace(event("a", 1), action="contact.deleted")
    with pytest.raises(ConflictingEvent) as caught:
        log.record("w", other)
    assert caught.value.index == 0
    good, bad = log.record_many("w", [event("a", 2), msgspec.structs.replace(event("a", 2), action="contact.deleted")])
    assert isinstance(good, whodid.Receipt)
    assert isinstance(bad, ConflictingEvent)
    assert log.record("v", other).index == 0, "another workspace has ids of its own"


def test_a_bad_event_does_not_keep_the_good_ones_out(log: whodid.Log) -> None:
    """Each event of a batch has its own answer."""
    late = msgspec.structs.replace(event("a", 1), occurred_at=NOW + timedelta(days=1))
    first, bad, last = log.record_many("w", [event("a", 0), late, event("a", 2)])
    assert isinstance(first, whodid.Receipt)
    assert isinstance(last, whodid.Receipt)
    assert isinstance(bad, InvalidEvent)
    assert bad.pointer == "/occurred_at"
    assert (first.index, last.index) == (0, 1)


def test_a_clock_that_goes_back_does_not_show(log: whodid.Log) -> None:
    """recorded_at never decreases along the index, and the log still verifies."""
    clock = log._clock
    assert isinstance(clock, Clock)
    log.record("w", event("a", 0))
    for hours in (2, -24, -1, 48):
        clock.now = NOW + timedelta(hours=hours)
        log.record_many("w", [event(f"h{hours}", number) for number in range(3)])
    times = [entry.recorded_at for entry in log.read("w")]
    assert times == sorted(times)
    assert log.verify("w").ok


def test_what_was_forgotten_is_purged_not_absent(log: whodid.Log) -> None:
    """After a purge the rest verifies, proofs hold across it, and the interface can tell purged from never there."""
    log.record_many("w", [event("a", number) for number in range(600)])
    before, _ = open_checkpoint(log.checkpoint("w"), Verifier(log.verifier_key("w")))
    done = log.forget("w", [range(520)], purged_event())
    assert done is not None
    assert (done.entries, done.first, done.receipt.index) == (520, 520, 600)
    record = log.get("w", 600)
    assert record.details is not None
    assert record.details["ranges"] == [[0, 520]]
    assert record.details["entries"] == 520
    with pytest.raises(Purged):
        log.get("w", 5)
    with pytest.raises(NotFound) as caught:
        log.get("w", 601)
    assert not isinstance(caught.value, Purged)
    report = log.verify("w")
    assert report.ok, report.problems
    assert (report.purged, report.checked) == (520, 81)
    after, _ = open_checkpoint(log.checkpoint("w"), Verifier(log.verifier_key("w")))
    proof = log.prove_consistency("w", before.size, after.size)
    check_consistency(before.size, after.size, before.root, after.root, proof)
    for index in (520, 599, 600):
        inclusion = log.prove("w", index)
        check_inclusion(index, after.size, leaf_hash(inclusion.leaf), inclusion.path, after.root)
    assert log.forget("w", [range(520)], purged_event()) is None


def test_purges_at_every_size_leave_a_log_that_verifies() -> None:
    """Random purges one after the other, with new entries between: never a problem, never a gap unaccounted for."""
    draw = random.Random(3)
    for trial in range(6):
        log = whodid.open("memory://", clock=Clock(NOW))
        alive: set[int] = set()
        number = 0
        for step in range(12):
            count = draw.randrange(1, 400)
            start = number
            log.record_many("w", [event(f"t{trial}", start + at) for at in range(count)])
            number += count
            size = log.head("w").size
            alive |= set(range(size - count, size))
            low = draw.randrange(size)
            gone = [range(low), range(low + 3, low + 9)] if step % 2 else [range(low)]
            done = log.forget("w", gone, msgspec.structs.replace(purged_event(), id=event(f"p{trial}", step).id))
            if done is not None:
                alive.add(done.receipt.index)
            kept = {entry.index for entry in log.read("w")}
            assert kept <= alive
            report = log.verify("w")
            assert report.ok, (trial, step, report.problems)
            for index in draw.sample(sorted(kept), min(5, len(kept))):
                inclusion = log.prove("w", index)
                checkpoint, _ = open_checkpoint(inclusion.checkpoint, Verifier(inclusion.vkey))
                check_inclusion(index, checkpoint.size, leaf_hash(inclusion.leaf), inclusion.path, checkpoint.root)


def test_content_that_vanished_without_a_record_is_reported(log: whodid.Log) -> None:
    """A gap that no purge accounts for is a problem, at its first entry."""
    log.record_many("w", [event("a", number) for number in range(20)])
    log.forget("w", [range(5)], purged_event())
    log._store.forget("w", [range(9, 11)], _unrelated)
    report = log.verify("w")
    assert not report.ok
    assert report.first_bad == 9


def _unrelated(head: Head | None, _: Known) -> Batch | None:
    assert head is not None
    return sequence.assemble(head, prepared(900, 1), NOW)


def test_questions_have_bounds(log: whodid.Log) -> None:
    """Pages, histograms and names outside their bounds are refused with a remedy."""
    log.record("w", event("a", 0))
    with pytest.raises(InvalidQuery, match="1 to 1,000"):
        log.find("w", limit=0)
    with pytest.raises(InvalidQuery, match="edges"):
        log.histogram("w", "", [NOW])
    with pytest.raises(InvalidQuery, match="facet"):
        log.facets("w", "", "colour")
    for name in ("", "a b", "ü", "x" * 101, "a/b", "a\n", None, 7):
        with pytest.raises(InvalidSetting, match="is not a workspace"):
            log.record(name, event("a", 1))  # type: ignore[arg-type]  # what callers without types pass
    with pytest.raises(NotFound):
        log.head("nobody")


def test_a_new_database_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    """It is shut like its key, and so is what lies beside it; rights that somebody gave stay."""
    path = tmp_path / "audit.db"
    with whodid.open(f"sqlite:///{path}") as log:
        log.record("w", event("a", 0))
        assert {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == dict.fromkeys(
            ["audit.db", "audit.db-wal", "audit.db-shm", "audit.db.key"], 0o600
        )
    path.chmod(0o640)
    with whodid.open(f"sqlite:///{path}") as log:
        log.record("w", event("a", 1))
        assert path.stat().st_mode & 0o777 == 0o640


def test_a_key_belongs_to_its_log(tmp_path: Path) -> None:
    """A log is refused without its key and with another's, and says what to do."""
    url = f"sqlite:///{tmp_path}/audit.db"
    with whodid.open(url) as log:
        log.record("w", event("a", 0))
        vkey = log.verifier_key("w")
    key = tmp_path / "audit.db.key"
    assert key.stat().st_mode & 0o777 == 0o600
    kept = key.read_text()
    key.unlink()
    with pytest.raises(InvalidSetting, match=r"missing.*Restore"):
        whodid.open(url)
    with whodid.open(f"sqlite:///{tmp_path}/other.db") as other:
        other.record("w", event("a", 0))
    key.write_text((tmp_path / "other.db.key").read_text())
    with pytest.raises(InvalidSetting, match="does not belong"):
        whodid.open(url)
    key.write_text("nonsense")
    with pytest.raises(InvalidSetting, match="not a key file"):
        whodid.open(url)
    key.write_text(kept)
    with whodid.open(url) as log:
        assert log.verifier_key("w") == vkey


def test_an_older_copy_of_the_database_signs_no_second_history() -> None:
    """A head below the last signed one is not signed again."""
    with whodid.open("memory://", clock=Clock(NOW)) as log:
        log.record_many("w", [event("a", number) for number in range(5)])
        log.checkpoint("w")
        store = log._store
        kept = store.state("w", "checkpoint")
        assert kept is not None
        store.swap_state("w", "checkpoint", kept, kept.replace(b'"size":5', b'"size":9'))
        with pytest.raises(whodid.WhodidError, match="older copy"):
            log.checkpoint("w")


@pytest.mark.parametrize(
    "url", ["", "audit.db", "sqlite://", "sqlite:///", "postgres://x", "memory://x", "http://x", "sqlite:/audit.db"]
)
def test_addresses_that_are_none_are_refused(url: str) -> None:
    """A wrong address is refused with the right forms."""
    with pytest.raises(InvalidSetting, match="address"):
        whodid.open(url)


@pytest.mark.parametrize("url", ["postgres://u:hush@h/db", "memory://u:hush@h", "mysql://h/d?password=hush", None])
def test_an_address_that_is_refused_keeps_its_password(url: str | None) -> None:
    """A slip in the scheme must not write the password into the log of the application; nor is None an accident."""
    with pytest.raises(InvalidSetting, match=r"is not (the|an) address") as caught:
        whodid.open(url)  # type: ignore[arg-type]  # what os.environ.get returns
    assert "hush" not in str(caught.value)
    with pytest.raises(InvalidSetting, match="no replicas") as caught:
        whodid.open(url, replicas=["postgresql://r"])  # type: ignore[arg-type]  # as above
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hush hush@h/d",
        "postgresql://u:hush%zz@h/d",
        'postgresql://u:hush"%zz@h/d',
        "postgresql://h/d?password=hush%zz",
        "postgresql://u:5/hush@h/d",
        "postgresql://u:5?hush@h/d",
        "postgresql://u:5#hush@h/d",
    ],
)
def test_an_address_that_postgresql_cannot_read_keeps_its_password(url: str) -> None:
    """Neither what libpq quotes of it, nor what it takes for a port or a name because a character ended the login."""
    pytest.importorskip("psycopg")
    with pytest.raises(InvalidSetting, match="database") as caught:
        whodid.open(url)
    assert "hush" not in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@127.0.0.1:1/d?application_name=a@b",
        "postgresql://127.0.0.1:1?user=u@h",
        "postgresql://u%40h:p%2F@127.0.0.1:1/d",
        "postgresql:///d?host=/nowhere&user=u@h",
    ],
)
def test_an_at_sign_may_stand_where_it_says_nothing_of_the_login(url: str) -> None:
    """Such an address is read, and only its database is not there."""
    pytest.importorskip("psycopg")
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        whodid.open(url)

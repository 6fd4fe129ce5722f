"""A restored backup: what was signed last is known outside of the database, and nothing else is signed there."""

from __future__ import annotations

import errno
import logging
import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

import whodid
from tests import shell
from tests.serving import HOME, Clock, event, record
from tests.shell import Run
from whodid import Log
from whodid.errors import StoreCorrupt, StoreFull, StoreUnavailable
from whodid.log.floor import Floor
from whodid.proof import tree
from whodid.proof.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from whodid.proof.note import Verifier, parse_note
from whodid.retention import purge

run = shell.run


def opened(folder: Path, clock: Clock | None = None) -> Log:
    """Open the log of a folder."""
    return whodid.open(f"sqlite:///{folder}/audit.db", clock=clock or Clock())


def filled(log: Log, start: int, count: int) -> None:
    """Record entries."""
    record(log, HOME, [event(number, "contact.created") for number in range(start, start + count)])


def backup(folder: Path, name: str) -> None:
    """Copy the database, while nobody has it open."""
    shutil.copyfile(folder / "audit.db", folder / name)


def restore(folder: Path, name: str) -> None:
    """Put a copy in place, without the files beside it."""
    for side in ("audit.db-wal", "audit.db-shm"):
        (folder / side).unlink(missing_ok=True)
    shutil.copyfile(folder / name, folder / "audit.db")


@pytest.fixture
def older(tmp_path: Path) -> tuple[Path, str]:
    """Return a folder whose database was restored: nine entries were signed, it has five."""
    with opened(tmp_path) as log:
        filled(log, 1, 5)
        log.checkpoint(HOME)
    backup(tmp_path, "older.db")
    with opened(tmp_path) as log:
        filled(log, 6, 4)
        note = log.checkpoint(HOME)
    backup(tmp_path, "newest.db")
    restore(tmp_path, "older.db")
    return tmp_path, note


def test_a_restored_backup_is_not_signed_for(older: tuple[Path, str]) -> None:
    """Neither the old head nor a new one of the old size, and the message says what to do; verify says it as well."""
    folder, _ = older
    with opened(folder) as log:
        assert log.head(HOME).size == 5
        for _again in range(2):
            with pytest.raises(StoreCorrupt, match=r"has 5 entries, and 9 were signed.*restore the newest"):
                log.checkpoint(HOME)
        with pytest.raises(StoreCorrupt):
            log.prove(HOME, 0)
        report = log.verify(HOME)
        assert [one.fact for one in report.problems] == ["9 entries were signed and only 5 are there"]


@pytest.mark.parametrize("further", [4, 7, 300])
def test_nor_when_it_grew_beyond_what_was_signed(older: tuple[Path, str], further: int) -> None:
    """Size alone does not tell: another history of the same length or longer is found by its root."""
    folder, _ = older
    with opened(folder) as log:
        filled(log, 1000, further)
        with pytest.raises(StoreCorrupt, match=r"another history than the one of which 9 entries were signed"):
            log.checkpoint(HOME)
        facts = [one.fact for one in log.verify(HOME).problems]
        assert facts == ["The head of size 9 that was signed last is not a state of this log"]


def test_the_newest_copy_is_signed_for_again(older: tuple[Path, str]) -> None:
    """The remedy works: with what was signed back in place, the log goes on from there."""
    folder, note = older
    with opened(folder) as log, pytest.raises(StoreCorrupt):
        log.checkpoint(HOME)
    restore(folder, "newest.db")
    with opened(folder) as log:
        assert log.checkpoint(HOME) == note
        filled(log, 10, 2)
        signed, _ = open_checkpoint(log.checkpoint(HOME), Verifier(log.verifier_key(HOME)))
        assert signed.size == 11
        assert log.verify(HOME).ok


def test_a_new_database_under_the_same_key_begins_a_new_log(older: tuple[Path, str]) -> None:
    """The other remedy: the old copy stays to be read, and a new origin begins."""
    folder, note = older
    (folder / "audit.db").rename(folder / "old.db")
    with opened(folder) as log:
        filled(log, 1, 2)
        assert log.checkpoint(HOME).split("\n")[0] != note.split("\n")[0]
    with whodid.open(f"sqlite:///{folder}/old.db", key=folder / "audit.db.key") as log:
        assert log.get(HOME, 4).index == 4


def test_a_log_that_was_taken_away_is_missed(tmp_path: Path, run: Run) -> None:
    """An older copy, from before a log began, has nothing of it to find wrong: neither has it once it begins anew."""
    with opened(tmp_path) as log:
        record(log, "other", [event(1, "contact.created")])
        log.checkpoint("other")
    backup(tmp_path, "older.db")
    with opened(tmp_path) as log:
        filled(log, 1, 5)
        origin = log.checkpoint(HOME).split("\n")[0]
        assert log.lost() == ()
    restore(tmp_path, "older.db")
    for anew in (False, True):
        with opened(tmp_path) as log:
            if anew:
                filled(log, 1, 5)
                log.checkpoint(HOME)
            (lost,) = log.lost()
        assert (lost.origin, lost.size, lost.ok) == (origin, 5, False)
        code, out, err = run("verify", "--store", f"sqlite:///{tmp_path}/audit.db")
        assert (code, out.count("ok"), "1 problem" in out) == (1, 1 + anew, True)
        assert f"{origin}, the log: 5 entries were signed, as {tmp_path}/audit.db.key.signed/" in err
        assert "Restore the newest copy" in err
        # Of a workspace that was named, only that is said.
        assert run("verify", "--store", f"sqlite:///{tmp_path}/audit.db", "-w", "other")[0] == 0
    report = run("verify", "--json", "--store", f"sqlite:///{tmp_path}/audit.db").json()
    assert [one["ok"] for one in report] == [True, True, False]
    next(path for path in (tmp_path / "audit.db.key.signed").iterdir() if origin in path.read_text()).unlink()
    assert run("verify", "--store", f"sqlite:///{tmp_path}/audit.db")[0] == 0


def test_a_store_of_which_everything_was_taken_is_not_called_empty(tmp_path: Path, run: Run) -> None:
    """A new database at the place of the old one: that there was something is still known."""
    with opened(tmp_path) as log:
        filled(log, 1, 5)
        log.checkpoint(HOME)
    (tmp_path / "audit.db").unlink()
    opened(tmp_path).close()
    code, _, err = run("verify", "--store", f"sqlite:///{tmp_path}/audit.db")
    assert code == 1
    assert "5 entries were signed" in err
    # What is no head of a log is nobody's.
    (tmp_path / "audit.db.key.signed" / "note.txt").write_text("Do not touch")
    assert run("verify", "--store", f"sqlite:///{tmp_path}/audit.db")[0] == 1


def test_signing_goes_on_where_nothing_was_restored(tmp_path: Path) -> None:
    """After a crash between the two notes of a head, from two processes, and after a purge below what was signed."""
    clock = Clock()
    with opened(tmp_path, clock) as log, opened(tmp_path, clock) as other:
        filled(log, 1, 300)
        log.checkpoint(HOME)
        filled(other, 301, 5)
        kept = log.state(HOME, "checkpoint")
        first = other.checkpoint(HOME)
        # A crash after the floor was raised: the database remembers the head before.
        assert log.swap_state(HOME, "checkpoint", log.state(HOME, "checkpoint"), kept)
        assert log.checkpoint(HOME) == first
        # The floor of another machine is behind, and retention has gone past it.
        floor = Floor(tmp_path / "audit.db.key.signed")
        behind = floor.last(parse_checkpoint(parse_note(first)[0]).origin)
        assert behind is not None
        path = next(one for one in floor.folder.iterdir() if one.name != ".lock")
        text = path.read_text()
        filled(log, 1000, 300)
        clock.advance(days=91)
        record(log, HOME, [event(5000 + at, "contact.created", ago=-timedelta(days=91)) for at in range(400)])
        purge(log, HOME)
        log.checkpoint(HOME)
        path.write_text(text)
        assert log.head(HOME).first // 256 * 256 > behind.size
        filled(log, 9000, 3)
        signed, _ = open_checkpoint(log.checkpoint(HOME), Verifier(log.verifier_key(HOME)))
        assert signed.size == log.head(HOME).size
        assert log.verify(HOME).ok


def test_a_prover_that_is_behind_another_signs_its_own_head(tmp_path: Path) -> None:
    """Between the reading of a head and its signature another may sign a newer one: nothing was restored."""
    with opened(tmp_path) as log:
        filled(log, 1, 5)
        prover = log._prover(HOME)
        filled(log, 6, 4)
        log.checkpoint(HOME)
        signed, _ = open_checkpoint(prover.checkpoint(), Verifier(log.verifier_key(HOME)))
        assert (signed.size, signed.root) == (5, tree.root_at(5, log._prover(HOME).hashes))
        # What is remembered is the newer one.
        assert b'"size":9' in (log.state(HOME, "checkpoint") or b"")
        floor = Floor(tmp_path / "audit.db.key.signed").last(signed.origin)
        assert floor is not None
        assert floor.size == 9


@pytest.mark.parametrize("text", ["", "nonsense\n", "other\n3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"])
def test_a_damaged_note_is_not_taken_for_none(older: tuple[Path, str], text: str) -> None:
    """Nothing is signed on a guess; the message says how to find out."""
    folder, _ = older
    path = next(one for one in (folder / "audit.db.key.signed").iterdir() if one.name != ".lock")
    path.write_text(text)
    with opened(folder) as log, pytest.raises(StoreCorrupt, match=r"Run whodid verify"):
        log.checkpoint(HOME)


def test_a_floor_only_rises(tmp_path: Path) -> None:
    """A smaller head changes nothing, and logs do not touch one another's."""
    floor = Floor(tmp_path / "signed")
    assert floor.last("a") is None
    for size in (3, 9, 5):
        floor.raise_to(Checkpoint(origin="a", size=size, root=bytes(32)))
    floor.raise_to(Checkpoint(origin="b", size=1, root=bytes(32)))
    assert [one and one.size for one in map(floor.last, "abc")] == [9, 1, None]
    assert (tmp_path / "signed").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("number", "raised"), [(errno.ENOSPC, StoreFull), (errno.EIO, StoreUnavailable), (errno.EROFS, None)]
)
def test_where_the_floor_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int, raised: type | None
) -> None:
    """A full disk keeps the log from signing; a folder that is read-only by intention is told of once."""

    def broken(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with opened(tmp_path) as log:
        filled(log, 1, 2)
        monkeypatch.setattr(os, "fsync", broken)
        with caplog.at_level(logging.WARNING, "whodid.log.floor"):
            if raised is not None:
                with pytest.raises(raised):
                    log._prover(HOME).checkpoint()
                monkeypatch.undo()
                assert log.checkpoint(HOME)
                assert not caplog.records
            else:
                floor = log._key.floor
                assert floor is not None
                for _again in range(2):
                    floor.raise_to(Checkpoint(origin="a", size=1, root=bytes(32)))
                assert ["will not be noticed" in one.getMessage() for one in caplog.records] == [True]

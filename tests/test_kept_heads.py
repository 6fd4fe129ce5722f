"""A head that somebody kept is held against the store: it can have no other past than the one that was signed."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

import whodid
from tests import shell
from tests.serving import HOME, Clock, event, record
from tests.shell import Run
from whodid import Log
from whodid.errors import ProofError, Purged, Refuted
from whodid.retention import purge

run = shell.run


def opened(folder: Path, clock: Clock | None = None) -> Log:
    """Open the log of a folder."""
    return whodid.open(f"sqlite:///{folder}/audit.db", clock=clock or Clock())


def filled(log: Log, start: int, count: int, workspace: str = HOME) -> str:
    """Record entries; return the head that is signed then."""
    record(log, workspace, [event(number, "contact.created") for number in range(start, start + count)])
    return log.checkpoint(workspace)


def kept(folder: Path, name: str, *notes: str) -> str:
    """Keep heads in a file: one as it is, several as a sink gets them."""
    path = folder / name
    path.write_text(notes[0] if len(notes) == 1 else "".join(f"{json.dumps({'checkpoint': one})}\n" for one in notes))
    return str(path)


def test_a_log_that_only_grew_continues_every_kept_head(tmp_path: Path, run: Run) -> None:
    """Printed or delivered, old or present, of whichever workspace."""
    with opened(tmp_path) as log:
        first, other = filled(log, 1, 3), filled(log, 1, 2, "other")
        second = filled(log, 4, 300)
    store = ("--store", f"sqlite:///{tmp_path}/audit.db")
    found = run("verify", *store, "--head", kept(tmp_path, "a", first, second), "--head", kept(tmp_path, "b", other))
    assert found.code == 0
    assert found.err.splitlines() == [
        f"{HOME}: It continues the kept head of 3 entries.",
        f"{HOME}: It continues the kept head of 303 entries.",
        "other: It continues the kept head of 2 entries.",
    ]
    assert run("verify", *store, "-w", "other", "--head", kept(tmp_path, "c", other)).code == 0
    elsewhere = run("verify", *store, "-w", "other", "--head", kept(tmp_path, "d", first))
    assert elsewhere.code == 2
    assert "Name its workspace, or none" in elsewhere.err


def test_a_database_that_was_rolled_back_is_found_by_whoever_kept_a_head(tmp_path: Path, run: Run) -> None:
    """Also when what stood beside the key is gone: without a head nothing is wrong with the older copy."""
    with opened(tmp_path) as log:
        early = filled(log, 1, 5)
    shutil.copyfile(tmp_path / "audit.db", tmp_path / "older.db")
    with opened(tmp_path) as log:
        late = filled(log, 6, 4)
    for side in ("audit.db-wal", "audit.db-shm"):
        (tmp_path / side).unlink(missing_ok=True)
    shutil.copyfile(tmp_path / "older.db", tmp_path / "audit.db")
    shutil.rmtree(tmp_path / "audit.db.key.signed")
    store = ("--store", f"sqlite:///{tmp_path}/audit.db")
    assert run("verify", *store, "--head", kept(tmp_path, "early", early)).code == 0
    found = run("verify", *store, "--head", kept(tmp_path, "late", late))
    assert found.code == 1
    assert "The kept head of 9 entries contradicts it: 9 entries were signed and only 5 are there." in found.err
    # And when it grew beyond that again, with other entries.
    with opened(tmp_path) as log:
        forked = filled(log, 50, 7)
        with pytest.raises(Refuted, match="another history than the one of which 9 entries were signed"):
            log.hold_against(HOME, late)
    for heads, code in (((late,), 1), ((forked,), 0), ((forked, late), 1)):
        report = run("verify", *store, "--json", "--head", kept(tmp_path, "heads", *heads))
        assert (report.code, report.json()[0]["ok"]) == (code, code == 0)


def test_a_log_that_is_not_there_is_missed(tmp_path: Path, run: Run) -> None:
    """Everything was taken away, the folder beside the key too; somebody kept a head."""
    with opened(tmp_path) as log:
        notes = [filled(log, 1, 5), filled(log, 6, 1)]
    (tmp_path / "audit.db").unlink()
    shutil.rmtree(tmp_path / "audit.db.key.signed")
    with opened(tmp_path) as log:
        filled(log, 1, 5)
    found = run("verify", "--store", f"sqlite:///{tmp_path}/audit.db", "--head", kept(tmp_path, "heads", *notes))
    assert found.code == 1
    assert found.err.count("A head of 5 entries was kept, and the log is not there.") == 1


def test_what_retention_took_cannot_be_told_and_is_said(tmp_path: Path, run: Run) -> None:
    """Neither well nor wrong: the exit code is that of what is purged."""
    clock = Clock()
    with opened(tmp_path, clock) as log:
        early = filled(log, 1, 5)
        filled(log, 6, 600)
        clock.now += timedelta(days=200)
        filled(log, 700, 1)
        purge(log, HOME)
        with pytest.raises(Purged):
            log.hold_against(HOME, early)
    found = run("verify", "--store", f"sqlite:///{tmp_path}/audit.db", "--head", kept(tmp_path, "early", early))
    assert found.code == 4
    assert "cannot be told any more: retention took the hashes" in found.err


def test_what_the_log_never_signed_says_nothing_of_its_past(tmp_path: Path, run: Run) -> None:
    """A head that somebody made up is named as such; what is no head is refused, and so is a head beside a file."""
    with opened(tmp_path) as log:
        note = filled(log, 1, 3)
        forged = note.replace("\n3\n", "\n2\n")
        with pytest.raises(ProofError):
            log.hold_against(HOME, forged)
    store = ("--store", f"sqlite:///{tmp_path}/audit.db")
    found = run("verify", *store, "--head", kept(tmp_path, "forged", forged))
    assert found.code == 1
    assert "The key of this log did not sign the kept head of 2 entries" in found.err
    (tmp_path / "text").write_text("Yours sincerely")
    for name, words in (("text", "holds no signed head"), ("nowhere", "cannot be read")):
        refused = run("verify", *store, "--head", str(tmp_path / name))
        assert refused.code == 2
        assert words in refused.err
    assert run("verify", str(tmp_path / "text"), "--head", str(tmp_path / "forged")).code == 2

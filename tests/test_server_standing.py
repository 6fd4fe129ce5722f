"""An older copy of the database came back: whoever runs the server is told, before somebody wants a proof."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import whodid
from tests import shell
from tests.keeping import HOME, event, record
from tests.shell import Run
from whodid.errors import StoreCorrupt, StoreUnavailable
from whodid.log import Log
from whodid.server.metrics import PrometheusMeter
from whodid.server.standing import StandingWorker

run = shell.run


@pytest.fixture
def older(tmp_path: Path) -> str:
    """Make a log of which more was signed than it has."""
    url = f"sqlite:///{tmp_path}/audit.db"
    with whodid.open(url) as log:
        record(log, (event(number) for number in range(1, 10)))
        record(log, [event(10)], workspace="wsp_other")
        log.checkpoint("wsp_other")
    shutil.copy(tmp_path / "audit.db", tmp_path / "older.db")
    with whodid.open(url) as log:
        record(log, (event(number) for number in range(10, 20)))
        log.checkpoint(HOME)
    shutil.copy(tmp_path / "older.db", tmp_path / "audit.db")
    return url


def test_a_log_that_signs_nothing_is_told_of_in_every_round(older: str) -> None:
    """By its name and with the remedy, and counted; nothing is signed by looking, and the others are well."""
    told: list[tuple[str, Exception]] = []
    meter = PrometheusMeter(b"x" * 32)
    with whodid.open(older) as log:
        worker = StandingWorker(log, on_error=lambda where, error: told.append((where, error)))
        meter.watch("logs_unsigned", lambda: worker.refused)
        assert b"whodid_logs_unsigned 0.0" in meter.page()
        states = {name: log._store.states(name) for name in log.workspaces()}
        for _ in range(2):
            assert worker.round() == 0
            assert worker.refused == 1
        assert {name: log._store.states(name) for name in log.workspaces()} == states
    assert b"whodid_logs_unsigned 1.0" in meter.page()
    assert [where for where, _ in told] == [HOME, HOME]
    assert isinstance(told[0][1], StoreCorrupt)
    assert "19 were signed already" in str(told[0][1])
    assert "replaced by an older copy" in str(told[0][1])


def test_logs_that_are_not_there_at_all_are_told_of(tmp_path: Path) -> None:
    """The copy is from before they began, or the file was made anew beside the key."""
    url = f"sqlite:///{tmp_path}/audit.db"
    with whodid.open(url) as log:
        for workspace in (HOME, "wsp_other"):
            record(log, [event(1)], workspace=workspace)
            log.checkpoint(workspace)
    (tmp_path / "audit.db").unlink()
    told: list[tuple[str, str]] = []
    with whodid.open(url) as log:
        worker = StandingWorker(log, on_error=lambda where, error: told.append((where, str(error))))
        worker.round()
    ((where, fact),) = told
    assert (where, worker.refused) == ("", 2)
    assert "the log is not there; and 1 more like it. Run whodid verify" in fact


def test_a_store_that_is_away_signs_nothing_and_is_not_older(older: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told of, and not counted."""
    told: list[str] = []

    def away(_log: Log, _workspace: str) -> None:
        raise StoreUnavailable("The database cannot be reached", "Try again later")

    with whodid.open(older) as log:
        worker = StandingWorker(log, on_error=lambda where, _error: told.append(where))
        monkeypatch.setattr(Log, "check_signing", away)
        worker.round()
    assert (told, worker.refused) == ([HOME, "wsp_other"], 0)


def test_looking_at_a_store_that_is_empty_makes_no_key(run: Run, tmp_path: Path) -> None:
    """A key would be in the way of the one that comes with `whodid copy`, and of the right address."""
    (tmp_path / "destination.db").touch()
    with whodid.open(f"sqlite:///{tmp_path}/source.db") as log:
        record(log, [event(1)])

    looked = [run(*command, "--store", "sqlite:///destination.db") for command in (["stats"], ["verify"], ["tail"])]
    there = (tmp_path / "destination.db.key").exists()
    copied = run("copy", "sqlite:///source.db", "sqlite:///destination.db")

    assert [(one.code, one.err.strip()) for one in looked] == [
        (4, "whodid: The store is empty. Record or import something first.")
    ] * 3
    assert not there
    assert copied.code == 0, copied.err
    assert run("verify", "--store", "sqlite:///destination.db").code == 0

"""The thread of sealing: what ended is sealed soon, by one of several servers, and nothing is written for nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.keeping import HOME, STORES, Clock, event, opened, record
from whodid import Log
from whodid.errors import StoreUnavailable
from whodid.log import leased
from whodid.retention import SealingWorker

AWAY = "wsp_away"


@pytest.fixture
def clock() -> Clock:
    """Return the clock of the log."""
    return Clock()


@pytest.fixture(params=STORES)
def log(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Log]:
    """Open a log with two workspaces whose first day is over."""
    with opened(request.param, tmp_path, clock) as log:
        for workspace in (HOME, AWAY):
            record(log, [event(number, at=clock.now) for number in range(1, 11)], workspace)
        clock.advance(days=1)
        yield log


def test_a_round_seals_every_workspace(log: Log, clock: Clock) -> None:
    """What ended is sealed once; a round with nothing to do writes nothing."""
    worker = SealingWorker(log)
    assert worker.round() == 2
    sizes = [log.head(workspace).size for workspace in (HOME, AWAY)]
    clock.advance(days=3)
    assert worker.round() == 0
    assert [log.head(workspace).size for workspace in (HOME, AWAY)] == sizes == [11, 11]
    assert log.state(HOME, "sealing.lease") is None
    assert log.verify(HOME).ok


def test_it_seals_by_itself(log: Log) -> None:
    """Nobody has to ask."""
    done = threading.Event()
    real = log.seal

    def seal(workspace: str) -> Any:
        found = real(workspace)
        if workspace == HOME:
            done.set()
        return found

    log.seal = seal  # type: ignore[method-assign, assignment]
    with SealingWorker(log, interval=3600):
        assert done.wait(10)
    assert log.head(HOME).sealed == 1


def test_whoever_does_not_hold_the_lease_leaves_it(log: Log, clock: Clock) -> None:
    """Another server is at it; if it died, its lease runs out."""
    with leased(log, HOME, "sealing.lease", timedelta(minutes=2)):
        assert SealingWorker(log).round() == 1
        assert log.head(HOME).sealed == 0
        clock.advance(minutes=3)
        assert SealingWorker(log).round() == 1
    assert log.head(HOME).sealed == 1


def test_an_error_in_one_workspace_does_not_keep_the_others_waiting(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told with the name of the workspace, and the next round tries again."""
    real = log.seal

    def fail(workspace: str) -> Any:
        if workspace == AWAY:
            raise StoreUnavailable("The store is busy", "Try again")
        return real(workspace)

    monkeypatch.setattr(log, "seal", fail)
    told: list[str] = []
    worker = SealingWorker(log, on_error=lambda workspace, _: told.append(workspace))
    assert worker.round() == 1
    assert told == [AWAY]
    monkeypatch.undo()
    assert worker.round() == 1

"""The thread of retention: it purges every workspace by itself, survives errors, and stops when it is told."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.keeping import HOME, NOW, STORES, Clock, event, opened, record
from whodid import Log
from whodid.errors import StoreUnavailable
from whodid.retention import RetentionWorker


@pytest.fixture
def clock() -> Clock:
    """Return the clock of the log."""
    return Clock(NOW - timedelta(days=200))


@pytest.fixture(params=STORES)
def log(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Log]:
    """Open a log with two workspaces whose entries are over."""
    with opened(request.param, tmp_path, clock) as log:
        for workspace in (HOME, "wsp_away"):
            record(log, [event(number, at=clock.now) for number in range(1, 51)], workspace)
        clock.advance(days=200)
        yield log


def wait_until(true: Callable[[], bool]) -> None:
    """Wait for something that another thread does, for ten seconds at most."""
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def test_it_purges_every_workspace_by_itself(log: Log) -> None:
    """Nobody has to ask: shortly after the start what is over is gone, everywhere."""
    with RetentionWorker(log, interval=3600):
        wait_until(lambda: log.head(HOME).first == log.head("wsp_away").first == 50)

    assert log.verify(HOME).ok
    assert log.verify("wsp_away").ok


def test_it_purges_again_after_the_interval(log: Log, clock: Clock) -> None:
    """What is over tomorrow goes tomorrow."""
    with RetentionWorker(log, interval=0.01):
        wait_until(lambda: log.head(HOME).first == 50)
        record(log, [event(100, at=clock.now)])

        def gone_a_day_later() -> bool:
            """Let a day pass: a hundred days at once would not be believed for another day."""
            clock.advance(days=1)
            return log.head(HOME).first > 52

        wait_until(gone_a_day_later)

    assert {entry.action for entry in log.read(HOME)} == {"audit.purged", "audit.sealed"}


def test_writers_go_on_while_it_purges(log: Log, clock: Clock) -> None:
    """No writer waits for a purge to end, and nothing that they record is lost."""
    record(log, [event(number, at=clock.now) for number in range(1_000, 1_010)], "wsp_third")
    clock.advance(days=100)
    with RetentionWorker(log, interval=0.001):
        for number in range(2_000, 2_100):
            record(log, [event(number, at=clock.now)])
        wait_until(lambda: log.head("wsp_third").first == 10)

    kept = [entry for entry in log.read(HOME) if entry.action not in {"audit.purged", "audit.sealed"}]
    assert len(kept) == 100
    assert log.verify(HOME).ok


def test_an_error_in_one_workspace_does_not_keep_the_others_waiting(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told with the name of the workspace, and the next round tries again."""
    real = log.forget
    broken = True

    def forget(workspace: str, *rest: Any, **more: Any) -> Any:
        if workspace == HOME and broken:
            raise StoreUnavailable("The store is busy", "Try again")
        return real(workspace, *rest, **more)

    monkeypatch.setattr(log, "forget", forget)
    told: list[tuple[str, Exception]] = []
    worker = RetentionWorker(log, on_error=lambda workspace, error: told.append((workspace, error)))

    assert worker.round() == 50
    assert log.head("wsp_away").first == 50
    assert [(workspace, type(error)) for workspace, error in told] == [(HOME, StoreUnavailable)]
    broken = False
    assert worker.round() == 50


def test_by_default_an_error_is_logged(
    log: Log, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An operator who configured nothing still finds it."""

    def fail() -> list[str]:
        raise StoreUnavailable("The store is gone", "Check the disk")

    monkeypatch.setattr(log, "workspaces", fail)
    with caplog.at_level(logging.ERROR):
        assert RetentionWorker(log).round() == 0

    assert "The store is gone. Check the disk." in caplog.text


def test_even_a_fault_of_ours_does_not_end_retention(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that dies unseen would keep personal data for ever."""
    told: list[Exception] = []
    real = log.forget

    def forget(*arguments: Any, **more: Any) -> Any:
        if not told:
            raise ZeroDivisionError
        return real(*arguments, **more)

    monkeypatch.setattr(log, "forget", forget)
    with RetentionWorker(log, interval=0.01, on_error=lambda _, error: told.append(error)):
        wait_until(lambda: log.head(HOME).first == log.head("wsp_away").first == 50)

    assert [type(error) for error in told] == [ZeroDivisionError]


def test_it_stops_at_once_and_leaves_no_thread(log: Log) -> None:
    """Stopping waits for the present step only, and twice is as good as once."""
    worker = RetentionWorker(log, interval=3600)
    worker.start()
    worker.start()
    names = [thread.name for thread in threading.enumerate()]
    begun = time.monotonic()
    worker.stop()
    worker.stop()

    assert names.count("whodid-retention") == 1
    assert time.monotonic() - begun < 5
    assert "whodid-retention" not in [thread.name for thread in threading.enumerate()]
    assert log.verify(HOME).ok


def test_it_can_be_started_again(log: Log) -> None:
    """After a stop it works like a new one."""
    worker = RetentionWorker(log, interval=3600)
    worker.start()
    worker.stop()
    with worker:
        wait_until(lambda: log.head(HOME).first == 50)


def test_it_rests_longer_than_it_works(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a step it leaves writers at least three times as long as the step took."""
    worker = RetentionWorker(log)
    waited: list[float] = []
    monkeypatch.setattr(worker._stopping, "wait", waited.append)
    worker._rest(0.5)
    worker._rest(0.0)

    assert waited == [1.5, 0.01]


def test_two_workers_purge_each_workspace_once(log: Log) -> None:
    """Several servers may each run one."""
    workers = [RetentionWorker(log, interval=0.001) for _ in range(3)]
    for worker in workers:
        worker.start()
    wait_until(lambda: log.head(HOME).first == log.head("wsp_away").first == 50)
    for worker in workers:
        worker.stop()

    for workspace in (HOME, "wsp_away"):
        assert [entry.action for entry in log.read(workspace)].count("audit.purged") == 1
        assert log.verify(workspace).ok

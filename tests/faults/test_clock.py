"""Clocks that leap ahead and go back: places stay in order, nothing is purged early, nobody waits for ten years."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import whodid
from tests.keeping import HOME, NOW, STORES, Clock, event, opened, record
from whodid import Log
from whodid.errors import InvalidEvent, InvalidSetting
from whodid.log import leased
from whodid.retention import RetentionWorker
from whodid.sinks import Sinks
from whodid.sinks.delivery import due
from whodid.sinks.position import Position

if TYPE_CHECKING:
    from whodid.errors import WhodidError

pytestmark = pytest.mark.faults

YEARS = 3_653
"""Ten of them, in days."""


@pytest.fixture
def clock() -> Clock:
    """Return the clock of the log."""
    return Clock(NOW)


@pytest.fixture(params=STORES)
def log(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Log]:
    """Open a log with some entries."""
    with opened(request.param, tmp_path, clock) as log:
        record(log, [event(number, at=clock.now) for number in range(1, 11)])
        yield log


def rounds(log: Log) -> tuple[int, list[WhodidError]]:
    """Have retention go round once; return how many entries lost their content, and what it told."""
    told: list[WhodidError] = []

    def tell(workspace: str, error: Exception) -> None:
        assert isinstance(error, InvalidSetting)
        assert workspace == ""
        told.append(error)

    return RetentionWorker(log, on_error=tell).round(), told


def test_a_clock_that_leaps_ahead_for_a_moment_purges_nothing(log: Log, clock: Clock) -> None:
    """Ten years at once are not believed; when the clock is back, retention goes on as if nothing had been."""
    assert rounds(log) == (0, [])
    clock.advance(days=YEARS)
    for _ in range(3):
        gone, (error,) = rounds(log)
        assert gone == 0
        assert "2036" in str(error)
        clock.advance(hours=1)
    clock.now = NOW + timedelta(hours=4)
    assert rounds(log) == (0, [])
    assert log.head(HOME).first == 0
    purged = []
    for _ in range(92):
        clock.advance(days=1)
        gone, told = rounds(log)
        assert not told
        purged.append(gone)
    assert [day for day, gone in enumerate(purged, 1) if gone] == [91]


def test_a_clock_that_was_wrong_and_is_set_is_believed_after_a_day(log: Log, clock: Clock) -> None:
    """A server that was off for months purges what is due a day later, without anybody's help."""
    assert rounds(log) == (0, [])
    clock.advance(days=120)
    for hours in (23, 1):
        gone, told = rounds(log)
        assert (gone, len(told)) == (0, 1)
        clock.advance(hours=hours)
    assert rounds(log) == (10, [])
    assert log.verify(HOME).ok


def test_one_server_with_a_wrong_clock_beside_one_with_a_right_one(log: Log, clock: Clock) -> None:
    """The wrong one is never believed, however long it is wrong; the right one goes on purging."""
    right = NOW
    assert rounds(log) == (0, [])
    for _ in range(60):
        right += timedelta(hours=12)
        clock.now = right + timedelta(days=YEARS)
        gone, told = rounds(log)
        assert (gone, len(told)) == (0, 1)
        clock.now = right
        assert rounds(log) == (0, [])


def test_a_clock_that_goes_back_is_believed_at_once(log: Log, clock: Clock) -> None:
    """Nothing is purged early by it; the way ahead again is a leap."""
    assert rounds(log) == (0, [])
    clock.advance(days=-400)
    assert rounds(log) == (0, [])
    clock.advance(days=400)
    assert [type(error) for error in rounds(log)[1]] == [InvalidSetting]


def test_places_and_times_stay_in_order_whatever_the_clock_does(log: Log, clock: Clock) -> None:
    """The time of recording never decreases along the index; what happened when stays as it was said."""
    times: list[datetime] = []
    for number, hours in enumerate((0, 2, -1, -24, 24 * 365, -24 * 365, 1, 0), 100):
        clock.advance(hours=hours)
        said = event(number, at=clock.now)
        record(log, [said])
        times.append(said.occurred_at)
    entries = list(log.read(HOME))[10:]
    recorded = [entry.recorded_at for entry in entries]
    assert recorded == sorted(recorded)
    assert [entry.occurred_at for entry in entries] == times
    assert [entry.index for entry in entries] == list(range(10, 18))
    log.checkpoint(HOME)
    report = log.verify(HOME)
    assert report.ok, report.problems


def test_events_of_right_clocks_are_refused_with_the_reason_while_ours_is_behind(log: Log, clock: Clock) -> None:
    """They are not recorded under a false time; whoever sends sets them aside, and sends them again later."""
    said = event(500, at=clock.now)
    clock.advance(hours=-2)
    with pytest.raises(InvalidEvent, match="ahead of the log's clock") as refused:
        log.record(HOME, said)
    assert refused.value.pointer == "/occurred_at"
    clock.advance(hours=2)
    assert not log.record(HOME, said).duplicate


def test_a_lease_that_a_wrong_clock_took_does_not_last_for_years(log: Log, clock: Clock) -> None:
    """Whoever took it and died is followed by the next as soon as the clock is right; a lease in time is heeded."""
    span = timedelta(minutes=10)
    clock.advance(days=YEARS)
    taken = leased(log, HOME, "test.lease", span)
    held = taken.__enter__()
    assert held is not None
    clock.advance(days=-YEARS)
    with leased(log, HOME, "test.lease", span) as after:
        assert after is not None
        assert not held.renewed()
        with leased(log, HOME, "test.lease", span) as third:
            assert third is None
    taken.__exit__(None, None, None)


def test_a_sink_that_failed_under_a_wrong_clock_is_tried_again(log: Log, clock: Clock, tmp_path: Path) -> None:
    """What is put off until ten years from now is due now; what is put off until in an hour is not."""
    sinks = Sinks(log, HOME, actor=whodid.Actor(type="system", id="tests"))
    sink = sinks.add("file", "file", str(tmp_path / "sunk.ndjson"), start=0, heartbeat=0)
    for off, expected in ((timedelta(hours=1), False), (timedelta(days=YEARS), True)):
        assert due(log, HOME, sink, Position(next=0, attempts=1, retry_at=clock.now + off)) is expected


def test_a_sink_that_was_heard_of_under_a_wrong_clock_is_heard_of_again(log: Log, clock: Clock, tmp_path: Path) -> None:
    """Its heartbeat does not wait until ten years have passed; that of another server a second ahead counts."""
    sinks = Sinks(log, HOME, actor=whodid.Actor(type="system", id="tests"))
    sink = sinks.add("file", "file", str(tmp_path / "sunk.ndjson"), start=0, heartbeat=60)
    size = log.head(HOME).size
    for ahead, expected in ((timedelta(seconds=1), False), (timedelta(days=YEARS), True)):
        assert due(log, HOME, sink, Position(next=size, sent_at=clock.now + ahead)) is expected


@pytest.mark.postgres
def test_two_servers_count_leases_by_the_clock_of_their_database(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them is an hour ahead: it does not take what the other holds."""
    monkeypatch.setenv("WHODID_KEY_FILE", str(tmp_path / "whodid.key"))
    span = timedelta(minutes=10)
    with whodid.open(postgres_url) as one, whodid.open(postgres_url) as other:
        record(one, [event(1, at=one.now())])
        clock = Clock(one.now() + timedelta(hours=1))
        monkeypatch.setattr(other, "_clock", clock)
        assert other.now() == clock.now
        assert other.shared_now() < clock.now
        with leased(one, HOME, "test.lease", span) as held:
            assert held is not None
            with leased(other, HOME, "test.lease", span) as second:
                assert second is None
            assert held.renewed()

"""The engine of sinks: in order, at least once, each at its own pace; nothing is ever skipped."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from tests import sinking
from tests.keeping import HOME, Clock, event, record
from tests.sinking import TAKEN, Told, managed, only, turn
from whodid import Log
from whodid.errors import InvalidSetting, StoreUnavailable
from whodid.log import leased
from whodid.model import Reason
from whodid.retention import purge
from whodid.sinks import KINDS, SinkWorker
from whodid.sinks.delivery import WAITS
from whodid.sinks.kinds import Message, Result

DOWN = Result(fault="The receiver is down")


clock, log, told = sinking.clock, sinking.log, sinking.told


@pytest.fixture
def worker(log: Log) -> SinkWorker:
    """Return a worker whose rounds the test makes."""
    return SinkWorker(log, on_error=fail)


def fail(workspace: str, error: Exception) -> None:
    """Let an error of a turn fail the test, by way of the threads' excepthook."""
    raise error


# ------------------------------------------------------------------------------------------------------------ delivery


def test_entries_come_in_order_and_once(log: Log, told: Told, worker: SinkWorker) -> None:
    """From where the sink begins to the end of the log, its own change included; then only what is new."""
    managed(log).add("siem", "file", "/tmp/x", start=3)

    assert turn(worker) == 1
    assert told.taken == [*range(3, 11)]
    assert [len(batch) for batch in told.got] == [4, 4]
    assert turn(worker) == 0

    record(log, [event(number) for number in range(20, 23)])
    assert turn(worker) == 1
    assert told.taken == [*range(3, 14)]
    assert told.opened == told.closed
    health = only(log)
    assert (health.status, health.behind, health.lag, health.position.delivered) == ("active", 0, 0.0, 11)


def test_a_new_sink_begins_with_what_comes(log: Log, told: Told, worker: SinkWorker) -> None:
    """The first entry it gets is the one that says it was added."""
    managed(log).add("siem", "file", "/tmp/x")
    turn(worker)

    ((entry,),) = told.got
    assert (entry["index"], entry["action"]) == (10, "audit.stream_changed")


def test_a_filter_lets_through_what_matches(log: Log, told: Told, worker: SinkWorker) -> None:
    """The position passes what is not asked for."""
    managed(log).add("siem", "file", "/tmp/x", query="actor:usr_maria action:contact.updated", start=0)
    turn(worker)

    assert told.taken == [0, 2, 4, 6, 8]
    assert only(log).position.next == 11


def test_a_backfill_delivers_again(log: Log, told: Told, worker: SinkWorker) -> None:
    """From an index on; forward it cannot go, because that would leave entries out."""
    sinks = managed(log)
    sinks.add("siem", "file", "/tmp/x", start=0)
    turn(worker)
    told.taken.clear()

    sinks.backfill("siem", 8, reason=Reason(text="The disk was lost"))
    turn(worker)

    assert told.taken == [8, 9, 10, 11]
    changed = log.get(HOME, 11)
    assert [(one.path, one.before, one.after) for one in changed.changes] == [("next", 11, 8)]
    assert changed.reason == Reason(text="The disk was lost")
    for start in (-1, 12, 99):
        with pytest.raises(InvalidSetting, match="nothing to deliver again"):
            sinks.backfill("siem", start)


def test_what_was_purged_before_its_turn_is_counted(log: Log, told: Told, worker: SinkWorker, clock: Clock) -> None:
    """A gap is said, never hidden."""
    sinks = managed(log)
    sinks.add("siem", "file", "/tmp/x", start=0)
    sinks.pause("siem")
    clock.advance(days=200)
    record(log, [event(50, at=clock.now)])
    purge(log, HOME)
    sinks.resume("siem")
    turn(worker)

    position = only(log).position
    assert position.purged > 0
    assert position.purged + position.delivered == position.next
    assert told.taken[0] == position.purged


# ---------------------------------------------------------------------------------------------------- when it fails


def test_a_delivery_that_fails_is_tried_again_later(log: Log, told: Told, worker: SinkWorker, clock: Clock) -> None:
    """Nothing moves until the receiver took it; the wait outlives the process, and success forgets it."""
    managed(log).add("siem", "file", "/tmp/x", start=0)
    told.results = [TAKEN, DOWN]
    turn(worker)

    health = only(log)
    assert (health.status, health.position.next, health.position.fault) == ("failing", 4, "The receiver is down")
    assert health.position.retry_at is not None
    assert 4.5 <= (health.position.retry_at - clock.now).total_seconds() <= 5.5
    assert (turn(worker), turn(SinkWorker(log))) == (0, 0)

    clock.advance(seconds=6)
    assert turn(worker) == 1
    assert told.taken == [*range(11)]
    assert (only(log).status, only(log).position.attempts, only(log).position.failing_since) == ("active", 0, None)


def test_the_wait_that_a_receiver_asks_for_is_kept(log: Log, told: Told, worker: SinkWorker, clock: Clock) -> None:
    """Retry-After beats a shorter wait of ours."""
    managed(log).add("siem", "file", "/tmp/x")
    told.results = [Result(fault="Too much", retry_after=900.0)]
    turn(worker)

    assert only(log).position.retry_at == clock.now + timedelta(seconds=900)


def test_after_the_last_wait_it_pauses_and_says_so(log: Log, told: Told, worker: SinkWorker, clock: Clock) -> None:
    """The schedule is followed to its end; then an entry says why, nothing is skipped, and resuming goes on."""
    managed(log).add("siem", "file", "/tmp/x", start=0)
    told.judge = lambda _: DOWN
    for wait in WAITS:
        assert turn(worker) == 1
        retry_at = only(log).position.retry_at
        assert retry_at is not None
        assert wait * 0.9 <= (retry_at - clock.now).total_seconds() <= wait * 1.1
        clock.now = retry_at
    turn(worker)

    health = only(log)
    assert (health.status, health.position.next, len(told.got)) == ("paused", 0, len(WAITS) + 1)
    assert "8 deliveries in a row failed: The receiver is down" in health.sink.paused_because
    paused = log.get(HOME, 11)
    assert (paused.action, paused.actor.id) == ("audit.stream_changed", "sinks")
    assert paused.reason == Reason(code="sink_failed", text=health.sink.paused_because)
    clock.advance(hours=2)
    assert only(log).paused == 7_200.0
    assert turn(worker) == 0

    told.judge = lambda _: TAKEN
    managed(log).resume("siem")
    turn(worker)
    assert told.taken == [*range(13)]


def test_whoever_wants_nothing_more_gets_nothing_more(log: Log, told: Told, worker: SinkWorker) -> None:
    """The sink pauses at once."""
    managed(log).add("siem", "file", "/tmp/x", start=0)
    told.results = [Result(fault="The receiver answered 410", gone=True)]
    turn(worker)

    assert (only(log).status, only(log).sink.paused_because) == ("paused", "The receiver answered 410")
    assert only(log).position.next == 0


@pytest.mark.parametrize("poison", [{0}, {5}, {10}, {2, 3, 9}])
def test_a_poison_entry_is_found_and_set_aside(log: Log, told: Told, worker: SinkWorker, poison: set[int]) -> None:
    """Halves find it; the others arrive, in order, and the quarantine says which it was and why."""

    def judge(messages: Sequence[Message]) -> Result:
        if any(message.index in poison for message in messages):
            return Result(fault="The receiver answered 400", lasting=True)
        return TAKEN

    told.judge = judge
    managed(log).add("siem", "file", "/tmp/x", start=0)
    turn(worker)

    assert told.taken == [index for index in range(11) if index not in poison]
    position = only(log).position
    assert {(one.index, one.fault) for one in position.quarantine} == {
        (at, "The receiver answered 400") for at in poison
    }
    assert (position.refused, position.delivered, position.next) == (len(poison), 11 - len(poison), 11)


def test_a_receiver_may_refuse_some_of_a_delivery(log: Log, told: Told, worker: SinkWorker) -> None:
    """Those are set aside without sending anything twice."""
    managed(log).add("siem", "file", "/tmp/x", start=0)
    told.results = [Result(refused={1: "no such field"})]
    turn(worker)

    assert told.taken == [0, *range(2, 11)]
    assert [(one.index, one.fault) for one in only(log).position.quarantine] == [(1, "no such field")]


def test_a_receiver_that_refuses_everything_is_not_believed(log: Log, told: Told, worker: SinkWorker) -> None:
    """The sink pauses before its first refused entry, and nothing stays in quarantine."""
    managed(log).add("siem", "file", "/tmp/x", start=0)
    told.judge = lambda _: Result(fault="The receiver answered 400: wrong path", lasting=True)
    turn(worker)

    health = only(log)
    assert (health.status, health.position.next, health.position.refused) == ("paused", 0, 0)
    assert "refuses every entry" in health.sink.paused_because
    told.judge = lambda _: TAKEN
    managed(log).resume("siem")
    turn(worker)
    assert told.taken == [*range(13)]


def test_settings_that_stopped_working_count_as_a_failed_delivery(
    log: Log, told: Told, worker: SinkWorker, tmp_path: Path
) -> None:
    """A secret that is gone is said, and tried again like everything else."""
    secret = tmp_path / "secret"
    secret.write_text("abc")
    secret.chmod(0o600)
    managed(log).add("siem", "file", "/tmp/x", secret=f"file:{secret}")
    secret.unlink()
    turn(worker)

    assert "cannot be read" in only(log).position.fault


# ------------------------------------------------------------------------------------------------------- side by side


def test_a_slow_sink_keeps_nobody_waiting(
    log: Log, told: Told, worker: SinkWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one receiver hangs, another one gets everything, again and again."""
    slow, free, hangs = Told(), threading.Event(), threading.Event()

    def hang(_: Sequence[Message]) -> Result:
        hangs.set()
        assert free.wait(30)
        return TAKEN

    slow.judge = hang
    monkeypatch.setitem(KINDS, "webhook", slow.kind())
    managed(log).add("slow", "webhook", "/tmp/x", start=0)
    managed(log).add("fast", "file", "/tmp/x", start=0)
    assert worker.round() == 2
    assert hangs.wait(10)
    fast = next(thread for (_, key), thread in worker._turns.items() if key == managed(log).get("fast").sink.id)
    fast.join(10)
    assert told.taken == [*range(12)]
    record(log, [event(30)])
    assert worker.round() == 1, "the slow one is in its turn still"
    free.set()
    worker.wait()
    assert told.taken == [*range(13)]
    assert slow.taken[:12] == [*range(12)]


def test_of_two_servers_one_delivers(log: Log, told: Told, worker: SinkWorker, clock: Clock) -> None:
    """A lease is held for the length of a turn; whoever died holds it until its time is over."""
    sink = managed(log).add("siem", "file", "/tmp/x", start=0)
    with leased(log, HOME, f"sinks.lease.{sink.id}", timedelta(seconds=30)):
        turn(worker)
        assert told.got == []
        clock.advance(seconds=31)
        turn(worker)
    assert told.taken == [*range(11)]


def test_whoever_lost_the_lease_ends_its_turn(log: Log, told: Told, worker: SinkWorker, clock: Clock) -> None:
    """A process that slept past its lease finds the other one's position, and keeps its own to itself."""
    managed(log).add("siem", "file", "/tmp/x", start=0)
    other = SinkWorker(log, on_error=fail)

    def sleep(_: Sequence[Message]) -> Result:
        told.judge = lambda _: TAKEN
        clock.advance(seconds=31)
        turn(other)
        return TAKEN

    told.judge = sleep
    turn(worker)

    assert told.taken == [*range(11), 0, 1, 2, 3], "the other one delivered all, and this one stopped"
    assert only(log).position.next == 11


def test_a_change_of_the_settings_ends_the_turn(log: Log, told: Told, worker: SinkWorker) -> None:
    """Pausing, removing and everything else holds from the next delivery on."""
    managed(log).add("siem", "file", "/tmp/x", start=0)

    def pause(_: Sequence[Message]) -> Result:
        managed(log).pause("siem", reason=Reason(text="Too loud"))
        return TAKEN

    told.judge = pause
    turn(worker)

    assert told.taken == [0, 1, 2, 3]
    assert (only(log).status, only(log).position.next) == ("paused", 4)


def test_workspaces_do_not_meet(log: Log, told: Told, worker: SinkWorker) -> None:
    """A sink gets the entries of its own workspace, and nobody else sees it."""
    record(log, [event(1), event(2)], "wsp_away")
    managed(log).add("siem", "file", "/tmp/x", start=0)

    assert managed(log, "wsp_away").all() == []
    turn(worker)
    assert {entry["workspace"] for batch in told.got for entry in batch} == {HOME}


def test_an_error_of_the_store_is_told(log: Log, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker goes on, and the next round tries again."""
    errors: list[tuple[str, str]] = []
    worker = SinkWorker(log, on_error=lambda workspace, error: errors.append((workspace, str(error))))
    managed(log).add("siem", "file", "/tmp/x", start=0)
    real = log.read

    def busy(*_: object) -> Iterator[object]:
        raise StoreUnavailable("The store is busy")

    monkeypatch.setattr(log, "read", busy)
    turn(worker)
    assert errors == [(HOME, "The store is busy.")]
    monkeypatch.setattr(log, "read", real)
    turn(worker)
    assert told.taken == [*range(11)]


def test_it_goes_by_itself(log: Log, told: Told) -> None:
    """Nobody has to ask, and stopping waits for the present delivery."""
    managed(log).add("siem", "file", "/tmp/x", start=0)
    done = threading.Event()

    def judge(messages: Sequence[Message]) -> Result:
        if messages[-1].index == 10:
            done.set()
        return TAKEN

    told.judge = judge
    with SinkWorker(log, interval=3_600):
        assert done.wait(10)
    assert only(log).position.next == 11


# ------------------------------------------------------------------------------------------------- signs of life, tests


def test_silence_is_broken_by_a_heartbeat(log: Log, told: Told, worker: SinkWorker, clock: Clock) -> None:
    """After so many seconds without an entry; never while there are entries; a failing one counts as failing."""
    managed(log).add("siem", "file", "/tmp/x", heartbeat=60)
    turn(worker)
    told.got.clear()
    clock.advance(seconds=59)
    assert turn(worker) == 0
    clock.advance(seconds=1)
    assert turn(worker) == 1

    ((beat,),) = told.got
    assert (beat["whodid"], beat["sink"], beat["next"], beat["size"]) == ("heartbeat", "siem", 11, 11)
    clock.advance(seconds=60)
    told.results = [DOWN]
    turn(worker)
    assert only(log).status == "failing"


def test_a_sink_without_heartbeat_is_silent(log: Log, told: Told, worker: SinkWorker, clock: Clock) -> None:
    """Zero seconds ask for none."""
    managed(log).add("siem", "file", "/tmp/x", heartbeat=0)
    turn(worker)
    clock.advance(days=3)
    assert turn(worker) == 0


def test_a_test_delivery_says_that_it_is_one(log: Log, told: Told) -> None:
    """It goes out now, whatever the position, and what became of it is returned."""
    managed(log).add("siem", "file", "/tmp/x")
    told.results = [TAKEN, DOWN]

    assert managed(log).test("siem") == TAKEN
    assert managed(log).test("siem") == DOWN
    assert [batch[0]["whodid"] for batch in told.got] == ["test", "test"]
    assert told.opened == told.closed == 3

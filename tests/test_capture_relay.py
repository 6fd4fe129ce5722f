"""The relay: everything committed arrives once, in order, whatever fails or dies in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

import whodid
from tests.capturing import TABLE, Base, event
from whodid import Event, Receipt, WhodidError
from whodid.capture import Relay
from whodid.capture.outbox import Outbox
from whodid.errors import InvalidEvent, StoreUnavailable

ROOT = Path(__file__).resolve().parent.parent


class Taker:
    """A log that takes events, refuses some and can be unreachable."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str]] = []
        self.down: set[str] = set()
        self.refuse: set[str] = set()
        self.during: Callable[[], None] = lambda: None

    def record_many(self, workspace: str, events: Sequence[Event]) -> list[object | WhodidError]:
        """Take events."""
        self.during()
        if workspace in self.down:
            raise StoreUnavailable("The log is away", "Wait")
        answers: list[object | WhodidError] = []
        for one in events:
            if one.resource.id in self.refuse:
                answers.append(InvalidEvent("/action", "it is not declared", "Declare it"))
            else:
                self.taken.append((workspace, one.resource.id))
                answers.append(object())
        return answers


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    """Open the application's database."""
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'host.db'}")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def outbox(engine: sa.Engine) -> Outbox:
    """Return its outbox."""
    return Outbox(engine, TABLE)


def write(engine: sa.Engine, outbox: Outbox, workspace: str, *numbers: int) -> None:
    """Commit events."""
    with engine.begin() as connection:
        outbox.write(connection, workspace, [event(number) for number in numbers])


def until(happened: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for something to happen."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


class TestDelivery:
    """Without a thread."""

    def test_everything_arrives_in_order_and_leaves_the_outbox(self, engine: sa.Engine, outbox: Outbox) -> None:
        """More than a batch, for two workspaces."""
        taker = Taker()
        write(engine, outbox, "w1", *range(5))
        write(engine, outbox, "w2", *range(5, 8))
        write(engine, outbox, "w1", 8)
        relay = Relay(outbox, taker, batch=4)

        assert relay.drain() == 9
        assert [number for where, number in taker.taken if where == "w1"] == ["0", "1", "2", "3", "4", "8"]
        assert [number for where, number in taker.taken if where == "w2"] == ["5", "6", "7"]
        assert outbox.backlog().waiting == 0
        assert relay.drain() == 0

    def test_a_refused_event_steps_aside(self, engine: sa.Engine, outbox: Outbox) -> None:
        """The others flow on, and the reason is kept."""
        taker = Taker()
        taker.refuse = {"2"}
        write(engine, outbox, "w1", 1, 2, 3)
        relay = Relay(outbox, taker)

        assert relay.drain() == 3
        assert [number for _, number in taker.taken] == ["1", "3"]
        (aside,) = outbox.quarantined()
        assert aside.fault == "/action: it is not declared. Declare it."
        assert (relay.status().delivered, relay.status().quarantined) == (2, 1)

    def test_a_row_that_cannot_be_read_steps_aside(self, engine: sa.Engine, outbox: Outbox) -> None:
        """Garbage in the table stops nobody."""
        taker = Taker()
        write(engine, outbox, "w1", 1, 2)
        with engine.begin() as connection:
            connection.execute(sa.update(TABLE).where(TABLE.c.place == 1).values(event="{not json"))
        Relay(outbox, taker).drain()

        assert [number for _, number in taker.taken] == ["2"]
        assert outbox.quarantined()[0].fault.startswith("It cannot be read")

    @pytest.mark.parametrize("value", [b"blob", b"\xff", 5, ""])
    def test_a_row_of_another_type_steps_aside(self, engine: sa.Engine, outbox: Outbox, value: object) -> None:
        """SQLite keeps any type in any column."""
        taker = Taker()
        write(engine, outbox, "w1", 1, 2)
        with engine.begin() as connection:
            connection.exec_driver_sql("UPDATE whodid_outbox SET event = ? WHERE place = 1", (value,))
        Relay(outbox, taker).drain()

        assert [number for _, number in taker.taken] == ["2"]
        assert outbox.quarantined()[0].fault.startswith("It cannot be read")

    def test_a_workspace_without_a_name_steps_aside(self, engine: sa.Engine, outbox: Outbox) -> None:
        """No log will ever take them, so they do not hold up the others, were they more than a batch."""
        write(engine, outbox, "not a name", 1, 2, 3)
        write(engine, outbox, "w1", 4)
        with whodid.open("memory://") as log:
            assert Relay(outbox, log, batch=2).drain() == 4
            assert log.head("w1").size == 1
        assert "not a name" in outbox.quarantined()[0].fault
        assert outbox.backlog().waiting == 0

    def test_an_unreachable_log_keeps_everything(self, engine: sa.Engine, outbox: Outbox) -> None:
        """The rows stay, the caller hears of it, and later they arrive; other workspaces do not wait."""
        taker = Taker()
        taker.down = {"w1"}
        write(engine, outbox, "w1", 1)
        write(engine, outbox, "w2", 2)
        relay = Relay(outbox, taker)

        with pytest.raises(StoreUnavailable):
            relay.drain()
        assert taker.taken == [("w2", "2")]
        assert outbox.backlog().waiting == 1

        taker.down = set()
        assert relay.drain() == 1
        assert taker.taken[-1] == ("w1", "1")

    def test_a_late_commit_is_not_skipped(self, engine: sa.Engine, outbox: Outbox) -> None:
        """A row whose place is lower than one that was delivered already is delivered all the same."""
        taker = Taker()
        write(engine, outbox, "w1", 1, 2)
        with engine.begin() as connection:
            early = connection.execute(sa.select(TABLE).where(TABLE.c.place == 1)).one()
            connection.execute(sa.delete(TABLE).where(TABLE.c.place == 1))
        relay = Relay(outbox, taker)
        relay.drain()
        with engine.begin() as connection:
            connection.execute(sa.insert(TABLE).values(early._asdict()))

        assert relay.drain() == 1
        assert [number for _, number in taker.taken] == ["2", "1"]

    def test_a_repeated_delivery_is_recorded_once(self, engine: sa.Engine, outbox: Outbox) -> None:
        """When the rows could not be deleted after the log took them, they arrive again and count once."""
        with whodid.open("memory://") as log:

            class Forgetful:
                """Takes events and dies before anybody hears of it, once."""

                died = False

                def record_many(self, workspace: str, events: Sequence[Event]) -> Sequence[Receipt | WhodidError]:
                    """Record."""
                    answers = log.record_many(workspace, events)
                    if not self.died:
                        self.died = True
                        raise StoreUnavailable("The answer was lost")
                    return answers

            write(engine, outbox, "w1", 1, 2)
            relay = Relay(outbox, Forgetful())
            with pytest.raises(StoreUnavailable):
                relay.drain()
            assert log.head("w1").size == 2

            assert relay.drain() == 2
            assert log.head("w1").size == 2
            assert outbox.backlog().waiting == 0


class TestThread:
    """By itself."""

    def test_a_commit_wakes_it_at_once(self, engine: sa.Engine, outbox: Outbox) -> None:
        """It does not wait for its interval."""
        taker, sessions = Taker(), sessionmaker(engine)
        with Relay(outbox, taker, interval=3600) as relay:
            outbox.on_commit(sessions, relay.wake)
            for number in range(3):
                with sessions.begin() as session:
                    outbox.write(session, "w1", [event(number)])
                until(lambda number=number: len(taker.taken) == number + 1)  # type: ignore[misc]

    def test_what_other_processes_commit_is_found_too(self, engine: sa.Engine, outbox: Outbox) -> None:
        """It looks by itself now and then."""
        taker = Taker()
        with Relay(outbox, taker, interval=0.02):
            time.sleep(0.05)
            write(engine, outbox, "w1", 1)
            until(lambda: bool(taker.taken))

    def test_it_goes_on_after_a_failure_and_says_so(self, engine: sa.Engine, outbox: Outbox) -> None:
        """The fault is shown while it lasts, counted, and gone with the first success."""
        taker = Taker()
        taker.down = {"w1"}
        write(engine, outbox, "w1", 1)
        with Relay(outbox, taker, interval=0.01) as relay:
            until(lambda: relay.status().failures >= 2)
            assert relay.status().fault.startswith("The log is away")
            taker.down = set()
            until(lambda: bool(taker.taken))
            until(lambda: relay.status().fault == "")

    def test_draining_waits_for_the_delivery_in_hand(self, engine: sa.Engine, outbox: Outbox) -> None:
        """Whoever drains sees everything that was committed before, also what the thread was just delivering."""
        taker, entered, go_on = Taker(), threading.Event(), threading.Event()

        def hold() -> None:
            entered.set()
            assert go_on.wait(10)

        taker.during = hold
        write(engine, outbox, "w1", 1)
        with Relay(outbox, taker, interval=3600) as relay:
            assert entered.wait(10)
            drained = threading.Thread(target=relay.drain)
            drained.start()
            time.sleep(0.05)
            assert drained.is_alive()
            go_on.set()
            drained.join(10)
            assert taker.taken == [("w1", "1")]

    def test_stopping_ends_the_thread(self, outbox: Outbox) -> None:
        """Nothing of it is left, and it can be started again."""
        relay = Relay(outbox, Taker(), interval=3600)
        for _ in range(2):
            relay.start()
            assert "whodid-relay" in {thread.name for thread in threading.enumerate()}
            relay.stop()
            assert "whodid-relay" not in {thread.name for thread in threading.enumerate()}

    def test_it_outlives_what_nobody_foresaw(
        self, engine: sa.Engine, outbox: Outbox, caplog: pytest.LogCaptureFixture
    ) -> None:
        """An unexpected error is told in the status and in the server's log, and the next delivery succeeds."""
        taker = Taker()

        def fail() -> None:
            raise KeyError("nobody foresaw it")

        taker.during = fail
        write(engine, outbox, "w1", 1)
        with Relay(outbox, taker, interval=0.01) as relay:
            until(lambda: relay.status().failures > 0)
            assert relay.status().fault == "A delivery stopped: KeyError"
            taker.during = lambda: None
            until(lambda: taker.taken == [("w1", "1")])
        assert relay.status().fault == ""
        assert "a delivery stopped" in caplog.text


PROGRAM = textwrap.dedent(
    """
    import sys, time
    sys.path.insert(0, sys.argv[2])
    import sqlalchemy as sa
    from sqlalchemy.orm import sessionmaker
    from tests.capturing import TABLE, Base, Thing, event
    import whodid
    from whodid.capture import Relay
    from whodid.capture.outbox import Outbox

    folder = sys.argv[1]
    engine = sa.create_engine(f"sqlite:///{folder}/host.db", connect_args={"timeout": 30})
    Base.metadata.create_all(engine)
    sessions = sessionmaker(engine)
    outbox = Outbox(engine, TABLE)
    log = whodid.open(f"sqlite:///{folder}/audit.db")
    relay = Relay(outbox, log, batch=3)
    outbox.on_commit(sessions, relay.wake)
    relay.start()
    with sessions() as session:
        number = session.execute(sa.select(sa.func.coalesce(sa.func.max(Thing.id), 0))).scalar_one()
    print("ready", flush=True)
    while True:
        number += 1
        with sessions.begin() as session:
            session.add(Thing(id=number, name=str(number)))
            session.flush()
            outbox.write(session, "w1", [event(number)])
    """
)


@pytest.mark.faults
def test_kills_lose_nothing_and_double_nothing(tmp_path: Path, engine: sa.Engine, outbox: Outbox) -> None:
    """A program is killed again and again while it writes and delivers: in the end each row has exactly one entry."""
    for round_ in range(6):
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path), str(ROOT)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        ) as program:
            assert program.stdout is not None
            assert program.stdout.readline() == b"ready\n"
            time.sleep(0.02 + 0.05 * round_)
            program.send_signal(signal.SIGKILL)

    with whodid.open(f"sqlite:///{tmp_path / 'audit.db'}") as log:
        Relay(outbox, log).drain()
        with Session(engine) as session:
            rows = session.execute(sa.select(sa.text("id")).select_from(sa.table("things"))).scalars().all()
        entries = [entry.resource.id for entry in log.read("w1")]
        assert len(rows) > 6
        assert sorted(entries, key=int) == [str(row) for row in sorted(rows)]
        assert log.verify("w1").ok
    assert outbox.backlog().waiting == 0

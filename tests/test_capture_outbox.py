"""The outbox: an event lives and dies with the change it tells of, to the savepoint."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

import whodid
from tests.capturing import TABLE, Base, Thing, event
from whodid import Event, Reason
from whodid.capture.outbox import Outbox
from whodid.errors import InvalidEvent, InvalidSetting, StoreUnavailable


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


def waiting(outbox: Outbox) -> list[str]:
    """Return the resource ids of the events that wait."""
    with outbox.claim(1000) as claim:
        return [msgspec.json.decode(row.event, type=Event).resource.id for row in claim.rows]


class TestWriting:
    """In the caller's own transaction."""

    def test_what_is_committed_waits_and_what_is_rolled_back_is_gone(self, engine: sa.Engine, outbox: Outbox) -> None:
        """A change and its event share their fate."""
        with Session(engine) as session, session.begin():
            session.add(Thing(id=1, name="a"))
            outbox.write(session, "w1", [event(1)])
        with Session(engine) as session:
            session.add(Thing(id=2, name="b"))
            outbox.write(session, "w1", [event(2)])
            session.rollback()
        with pytest.raises(sa.exc.IntegrityError), Session(engine) as session, session.begin():
            outbox.write(session, "w1", [event(3)])
            session.add(Thing(id=3, name="a"))

        assert waiting(outbox) == ["1"]

    def test_what_the_log_would_refuse_is_refused_at_once(self, engine: sa.Engine) -> None:
        """With the check of the log no change is committed whose event could never be recorded."""
        with whodid.open("memory://") as log:
            outbox = Outbox(engine, TABLE, check=log.check)
            with pytest.raises(InvalidEvent, match="control character"), Session(engine) as session, session.begin():
                session.add(Thing(id=1, name="a"))
                outbox.write(session, "w1", [event(1), event(2, reason=Reason(text="a\x01"))])
            with pytest.raises(InvalidSetting), Session(engine) as session, session.begin():
                outbox.write(session, "not a name", [event(1)])
            with Session(engine) as session, session.begin():
                assert session.get(Thing, 1) is None
                outbox.write(session, "w1", [event(3)])

        assert waiting(outbox) == ["3"]

    def test_a_connection_will_do(self, engine: sa.Engine, outbox: Outbox) -> None:
        """Code without an ORM writes through its connection."""
        with engine.connect() as connection:
            outbox.write(connection, "w1", [event(1)])
            connection.rollback()
            outbox.write(connection, "w1", [event(2)])
            connection.commit()

        assert waiting(outbox) == ["2"]

    @pytest.mark.parametrize("undone", list(itertools.product([False, True], repeat=3)))
    def test_nested_savepoints(self, engine: sa.Engine, outbox: Outbox, undone: tuple[bool, ...]) -> None:
        """Of three nested savepoints any may be rolled back: exactly the events of surviving rows are left."""
        with Session(engine) as session, session.begin():
            outbox.write(session, "w1", [event(0)])
            points = []
            for depth in range(3):
                points.append(session.begin_nested())
                session.add(Thing(id=depth + 1, name=str(depth)))
                session.flush()
                outbox.write(session, "w1", [event(depth + 1)])
            for point, undo in zip(reversed(points), reversed(undone), strict=True):
                if undo:
                    point.rollback()
                else:
                    point.commit()
        with Session(engine) as session:
            rows = [str(key) for key in session.execute(sa.select(Thing.id).order_by(Thing.id)).scalars()]

        assert waiting(outbox) == ["0", *rows]
        assert rows == [str(depth + 1) for depth in range(3) if not any(undone[: depth + 1])]

    def test_many_events_are_one_statement(self, engine: sa.Engine, outbox: Outbox) -> None:
        """One executemany for a call, none for an empty one."""
        statements: list[tuple[str, bool]] = []
        sa.event.listen(
            engine, "before_cursor_execute", lambda *call: statements.append((call[2].split()[0], bool(call[5])))
        )
        with Session(engine) as session, session.begin():
            outbox.write(session, "w1", [event(number) for number in range(50)])
            outbox.write(session, "w1", [])

        assert statements == [("INSERT", True)]

    def test_a_bad_event_does_not_spoil_the_transaction(self, engine: sa.Engine, outbox: Outbox) -> None:
        """Everything is encoded before the first byte is sent."""
        with Session(engine) as session, session.begin():
            session.add(Thing(id=1, name="a"))
            with pytest.raises(TypeError):
                outbox.write(session, "w1", [event(1), event(2, details={"thing": object()})])
            outbox.write(session, "w1", [event(3)])

        assert waiting(outbox) == ["3"]

    def test_a_failing_outbox_fails_the_change_and_gives_nothing_away(self, tmp_path: Path) -> None:
        """Without its table the write is refused; the error names no value of the event."""
        engine = sa.create_engine(f"sqlite:///{tmp_path / 'bare.db'}")
        outbox = Outbox(engine)
        with pytest.raises(StoreUnavailable) as caught, Session(engine) as session, session.begin():
            outbox.write(session, "w1", [event(1, details={"city": "Atlantis"})])
        engine.dispose()

        told = f"{caught.value} {caught.value.__cause__}"
        assert "whodid_outbox" in told
        assert "Atlantis" not in told

    def test_the_table_can_be_made_for_hosts_without_migrations(self, tmp_path: Path) -> None:
        """`create` may be called at every start."""
        engine = sa.create_engine(f"sqlite:///{tmp_path / 'bare.db'}")
        outbox = Outbox(engine)
        outbox.create()
        outbox.create()
        with engine.begin() as connection:
            outbox.write(connection, "w1", [event(1)])

        assert waiting(outbox) == ["1"]
        engine.dispose()


class TestDelivering:
    """Claiming and settling."""

    def test_rows_come_in_order_and_leave_when_they_are_settled(self, engine: sa.Engine, outbox: Outbox) -> None:
        """Delivered rows go; refused ones stay aside with the reason."""
        with engine.begin() as connection:
            outbox.write(connection, "w1", [event(1), event(2)])
            outbox.write(connection, "w2", [event(3)])
        with outbox.claim(10) as claim:
            assert [row.workspace for row in claim.rows] == ["w1", "w1", "w2"]
            first, second, _ = (row.place for row in claim.rows)
            claim.settle([first], {second: "not declared"})

        assert waiting(outbox) == ["3"]
        (aside,) = outbox.quarantined()
        assert (aside.place, aside.workspace, aside.fault) == (second, "w1", "not declared")

    def test_an_unsettled_claim_changes_nothing(self, engine: sa.Engine, outbox: Outbox) -> None:
        """Whatever happens in between, the rows are still there."""
        with engine.begin() as connection:
            outbox.write(connection, "w1", [event(1)])
        with pytest.raises(ZeroDivisionError), outbox.claim(10):
            raise ZeroDivisionError

        assert waiting(outbox) == ["1"]

    def test_writers_go_on_while_rows_are_being_delivered(self, engine: sa.Engine, outbox: Outbox) -> None:
        """A claim neither blocks the application nor is spoilt by what it writes meanwhile."""
        with engine.begin() as connection:
            outbox.write(connection, "w1", [event(1)])
        with outbox.claim(10) as claim:
            with engine.begin() as connection:
                outbox.write(connection, "w1", [event(2)])
            claim.settle([row.place for row in claim.rows], {})

        assert waiting(outbox) == ["2"]

    def test_a_refused_event_can_be_released(self, engine: sa.Engine, outbox: Outbox) -> None:
        """Once its reason is gone it waits again."""
        with engine.begin() as connection:
            outbox.write(connection, "w1", [event(1)])
        with outbox.claim(10) as claim:
            claim.settle([], {claim.rows[0].place: "not declared"})
        assert waiting(outbox) == []

        outbox.release([one.place for one in outbox.quarantined()])
        assert waiting(outbox) == ["1"]
        assert outbox.quarantined() == []

    def test_the_backlog(self, engine: sa.Engine, outbox: Outbox) -> None:
        """How much waits, since when, and how much was refused."""
        empty = outbox.backlog()
        assert (empty.waiting, empty.oldest, empty.quarantined) == (0, None, 0)
        before = datetime.now(UTC)
        with engine.begin() as connection:
            outbox.write(connection, "w1", [event(1), event(2), event(3)])
        with outbox.claim(1) as claim:
            claim.settle([], {claim.rows[0].place: "no"})

        backlog = outbox.backlog()
        assert (backlog.waiting, backlog.quarantined) == (2, 1)
        assert backlog.oldest is not None
        assert before <= backlog.oldest <= datetime.now(UTC)


class TestWaking:
    """Saying that something was committed."""

    def test_only_the_commit_of_a_session_that_wrote_wakes(self, engine: sa.Engine, outbox: Outbox) -> None:
        """Not a rollback, not a savepoint, not a session that wrote elsewhere; and the row is there when it wakes."""
        sessions = sessionmaker(engine)
        seen: list[list[str]] = []
        outbox.on_commit(sessions, lambda: seen.append(waiting(outbox)))
        with sessions() as session:
            session.add(Thing(id=1, name="a"))
            session.commit()
            outbox.write(session, "w1", [event(1)])
            session.rollback()
        assert seen == []

        with sessions.begin() as session:
            with session.begin_nested():
                outbox.write(session, "w1", [event(2)])
            assert seen == []
        assert seen == [["2"]]

    def test_it_ends(self, engine: sa.Engine, outbox: Outbox) -> None:
        """Then nothing is called any more, and SQLAlchemy keeps nothing of it."""
        sessions = sessionmaker(engine)
        end = outbox.on_commit(sessions, lambda: pytest.fail("it was called"))
        end()

        with sessions.begin() as session:
            outbox.write(session, "w1", [event(1)])
        with sessions() as session:
            assert not list(session.dispatch.after_commit)

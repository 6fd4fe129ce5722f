"""S2, S3, S5, S17: rollbacks leave nothing, savepoints are exact, failures stay on record, foreign hooks do no harm."""

from __future__ import annotations

import asyncio
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, sessionmaker

from tests import postgresing
from tests.watched import Base, Crowd, Person, Post
from tests.watching import AISHA, ASYNC, ON_POSTGRES, SYNC, Bed, adding, watched_models
from whodid import Event, builtin
from whodid.capture import Capture, context
from whodid.capture.outbox import Outbox
from whodid.capture.sqlalchemy import install
from whodid.errors import InvalidEvent, StoreUnavailable


class Kept:
    """A destination that remembers."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Event]] = []

    def take(self, workspace: str, events: Any) -> None:
        self.events += [(workspace, event) for event in events]


def everything(session: Session, capture: Capture) -> None:
    """Create, update, delete, change members and say something outright."""
    gone, person = Person(name="gone"), Person(name="Juan", groups=[Crowd(name="a")])
    session.add_all([gone, person])
    session.flush()
    person.name = "Ana"
    session.delete(gone)
    session.execute(sa.update(Crowd).values(name="b"))
    capture.record("report.exported", ("report", "1"), bind=session)
    capture.record("person.greeted", person, bind=session)


class TestRollback:
    """S2."""

    @pytest.mark.parametrize("how", ["raised", "rolled back", "refused"])
    def test_nothing_is_left(self, bed: Bed, how: str) -> None:
        """Whatever ends the transaction; after a retry there is exactly one set."""

        def scene(session: Session) -> None:
            everything(session, bed.capture)
            if how == "raised":
                raise ZeroDivisionError
            if how == "refused":
                session.add_all([Person(name="twin"), Person(name="twin")])
                session.commit()
            session.rollback()

        try:
            bed.run(scene)
        except (ZeroDivisionError, sa.exc.IntegrityError):
            assert how != "rolled back"
        assert bed.check() == []

        def again(session: Session) -> None:
            everything(session, bed.capture)
            session.commit()

        bed.run(again)
        told = sorted(event.action for event in bed.events())
        assert told == ["crowd.created", "person.greeted", "report.exported"]  # the greeting speaks for the new person

    @ON_POSTGRES
    def test_a_commit_that_the_database_refuses(self, bed: Bed) -> None:
        """A deferred constraint fails the commit itself: neither row nor entry."""
        with bed.plain.begin() as connection:
            connection.exec_driver_sql(
                "ALTER TABLE crowd ADD CONSTRAINT once UNIQUE (name) DEFERRABLE INITIALLY DEFERRED"
            )

        def scene(session: Session) -> None:
            session.add_all([Crowd(name="a"), Crowd(name="a")])
            session.commit()

        with pytest.raises(sa.exc.IntegrityError):
            bed.run(scene)
        assert bed.check() == []
        bed.run(adding(Crowd(name="a")))
        assert len(bed.check()) == 1

    @pytest.mark.parametrize("bed_url", [pytest.param("psycopg", marks=pytest.mark.postgres)], indirect=True)
    def test_a_serialization_failure_and_its_retry(self, bed: Bed) -> None:
        """Two transactions read what the other changes: one fails and is tried again, and nothing is told twice."""
        bed.run(adding(Crowd(name="a"), Crowd(name="b")))
        bed.check()
        bed.engine.update_execution_options(isolation_level="SERIALIZABLE")
        meeting = threading.Barrier(2)
        failures: list[str] = []

        def scene(own: str, *, first: bool) -> None:
            with context(actor=AISHA), bed.sessions.begin() as session:
                crowds = session.scalars(sa.select(Crowd)).all()
                if first:
                    meeting.wait(timeout=30)
                next(one for one in crowds if one.name.startswith(own)).name = f"{own} of {len(crowds)}"

        def worker(own: str) -> None:
            first = True
            while True:
                try:
                    return scene(own, first=first)
                except sa.exc.OperationalError as error:
                    failures.append(str(getattr(error.orig, "sqlstate", "")))
                    first = False

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(worker, "ab"))
        assert set(failures) == {"40001"}
        assert sorted(event.action for event in bed.check()) == ["crowd.updated", "crowd.updated"]


class TestDatabases:
    """S2: the entry is in the database of its change."""

    def test_two_databases(self, tmp_path: Path) -> None:
        """Each gets the entries of its own rows, with one statement."""
        engines = [sa.create_engine(f"sqlite:///{tmp_path / name}.db") for name in "ab"]
        for engine in engines:
            Base.metadata.create_all(engine)
        sessions = sessionmaker(binds={Person: engines[0], Crowd: engines[1], Base: engines[0]})
        capture = Capture(builtin(), lambda workspace, value: "fp", workspace="w1")
        outbox = Outbox(engines[0])
        handle = install(sessions, capture, outbox, models=watched_models())
        for engine in engines:
            outbox.table.create(engine)
        with context(actor=AISHA), sessions() as session:
            session.add_all([Person(name="Juan"), Crowd(name="a")])
            session.commit()
            session.add(Crowd(name="b"))
            session.rollback()
        told = []
        for engine in engines:
            with engine.connect() as connection:
                rows = connection.execute(sa.select(outbox.table.c.event)).scalars().all()
            told.append([msgspec.json.decode(row, type=Event).action for row in rows])
            engine.dispose()
        assert told == [["person.created"], ["crowd.created"]]
        handle.remove()

    def test_a_replica_is_never_written(self, tmp_path: Path) -> None:
        """A session that routes reading elsewhere writes its entries, and reads before-values, where it writes rows."""
        leader, replica = (sa.create_engine(f"sqlite:///{tmp_path / name}.db") for name in ("leader", "replica"))
        asked: list[str] = []
        sa.event.listen(replica, "before_cursor_execute", lambda *call: asked.append(call[2]))

        class Routing(Session):
            """As the documentation of SQLAlchemy has it."""

            def get_bind(self, mapper: Any = None, clause: Any = None, **_: Any) -> Any:
                return leader if self._flushing or isinstance(clause, (sa.Update, sa.Delete, sa.Insert)) else replica

        Base.metadata.create_all(leader)
        Base.metadata.create_all(replica)
        asked.clear()
        sessions = sessionmaker(class_=Routing)
        capture = Capture(builtin(), lambda workspace, value: "fp", workspace="w1")
        outbox = Outbox(leader)
        outbox.create()
        handle = install(sessions, capture, outbox, models=watched_models())
        with context(actor=AISHA):
            with sessions() as session:
                person = Person(id=1, name="Juan")
                session.add(person)
                session.flush()
                capture.record("report.exported", ("report", "1"))
                session.commit()
            with sessions.begin():
                capture.record("report.exported", ("report", "2"))
        assert asked == []
        assert outbox.backlog().waiting == 3
        handle.remove()
        leader.dispose()
        replica.dispose()


class TestSavepoints:
    """S3."""

    @pytest.mark.parametrize("undone", list(itertools.product([False, True], repeat=3)))
    def test_three_deep(self, bed: Bed, undone: tuple[bool, ...]) -> None:
        """Of three nested savepoints any may be rolled back: the entries are those of the surviving writes."""

        def scene(session: Session) -> None:
            session.add(Person(name="0"))
            session.flush()
            points = []
            for depth in range(3):
                points.append(session.begin_nested())
                session.add(Crowd(name=str(depth)))
                session.execute(sa.update(Person).values(name=f"at {depth}"))
                bed.capture.record("person.greeted", ("person", f"level {depth}"))
            for point, undo in zip(reversed(points), reversed(undone), strict=True):
                if undo:
                    point.rollback()
                else:
                    point.commit()
            session.add(Crowd(name="last"))
            session.commit()

        bed.run(scene)
        events = bed.events()
        greeted = [event.resource.id for event in events if event.action == "person.greeted"]
        surviving = [depth for depth in range(3) if not any(undone[: depth + 1])]
        assert greeted == [f"level {depth}" for depth in surviving]
        with bed.plain.connect() as connection:
            crowds = connection.execute(sa.select(Crowd.name)).scalars().all()
            name = connection.scalar(sa.select(Person.name))
        assert sorted(str(event.changes[0].after) for event in events if event.action == "crowd.created") == sorted(
            crowds
        )
        (created,) = [event for event in events if event.action == "person.created"]
        assert created.changes[0].after == name == (f"at {surviving[-1]}" if surviving else "0")

    def test_a_flush_that_fails_inside_one(self, bed: Bed) -> None:
        """The usual way to try an insert: the savepoint goes, the transaction and its entries stay."""

        def scene(session: Session) -> None:
            session.add(Person(name="Juan"))
            session.flush()
            for name in ("Juan", "Eva"):
                try:
                    with session.begin_nested():
                        session.add(Person(name=name))
                except sa.exc.IntegrityError:
                    assert name == "Juan"
            session.commit()

        bed.run(scene)
        assert [event.changes[0].after for event in bed.check()] == ["Juan", "Eva"]


class TestOthers:
    """S17, and sessions in somebody else's transaction."""

    @pytest.mark.parametrize("before", [True, False])
    def test_hooks_that_raise(self, bed: Bed, before: bool) -> None:
        """A hook of the application that raises after the commit takes no entry with it."""

        def scene(session: Session) -> None:
            def boom(_session: Session) -> None:
                raise ZeroDivisionError

            sa.event.listen(session, "after_commit", boom, insert=before)
            session.add(Person(name="Juan"))
            session.commit()

        with pytest.raises(ZeroDivisionError):
            bed.run(scene)
        assert len(bed.check()) == 1

    def test_changes_made_while_committing(self, bed: Bed) -> None:
        """What a later hook still changes, or says, in the last moment is written, too."""

        def scene(session: Session) -> None:
            def late(_session: Session) -> None:
                if not session.get_nested_transaction() and not session.info.get("done"):
                    session.info["done"] = True
                    session.add(Person(name="late"))
                    bed.capture.record("person.greeted", ("person", "late"), bind=session)

            sa.event.listen(session, "before_commit", late)
            session.add(Person(name="Juan"))
            session.commit()

        bed.run(scene)
        assert sorted(event.action for event in bed.events()) == ["person.created", "person.created", "person.greeted"]

    @SYNC
    @pytest.mark.parametrize("mode", ["conditional_savepoint", "create_savepoint", "rollback_only", "control_fully"])
    @pytest.mark.parametrize("kept", [True, False])
    def test_a_session_joins_a_transaction(self, bed: Bed, mode: Any, kept: bool) -> None:
        """Its entries share the fate of the outer transaction."""
        with bed.engine.connect() as connection, context(actor=AISHA):
            outer = connection.begin()
            with bed.sessions(bind=connection, join_transaction_mode=mode) as session:
                session.add(Person(name="Juan"))
                session.commit()
            if mode != "control_fully":
                (outer.commit if kept else outer.rollback)()
        told = len(bed.check())
        with bed.plain.connect() as connection:
            assert told == connection.scalar(sa.select(sa.func.count()).select_from(Person))
        if bed.plain.dialect.name != "sqlite":  # whose driver begins no transaction for a savepoint
            assert told == (1 if kept or mode == "control_fully" else 0)

    @pytest.mark.postgres
    def test_two_phases(self) -> None:
        """The entries are written before the transaction is prepared."""
        with postgresing.lent(max_prepared_transactions="4") as server:
            bed = Bed(server.database("phases").replace("postgresql://", "postgresql+psycopg://"))
            with context(actor=AISHA), bed.sessions(twophase=True) as session:
                session.add(Person(name="Juan"))
                session.prepare()
                session.commit()
            assert len(bed.check()) == 1
            bed.close()


class TestFailures:
    """S5."""

    def test_denied_and_failed_survive(self, bed: Bed) -> None:
        """They are independent of the transaction that rolls back."""
        kept = Kept()
        bed.capture._destination = kept

        def scene(session: Session) -> None:
            session.add(Person(name="Juan"))
            session.flush()
            bed.capture.record("person.erased", ("person", "1"), outcome="denied")
            with bed.capture.action("import.run", ("import", "7")):
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            bed.run(scene)
        assert bed.check() == []
        assert [(event.action, event.outcome) for _, event in kept.events] == [
            ("person.erased", "denied"),
            ("import.run", "failed"),
        ]

    def test_a_failing_outbox_fails_the_write(self, bed: Bed) -> None:
        """Neither success nor half of it: the error is clear and the data unchanged."""
        with bed.plain.begin() as connection:
            connection.execute(sa.text("DROP TABLE whodid_outbox"))
        with pytest.raises(StoreUnavailable, match="outbox"):
            bed.run(adding(Person(name="Juan")))
        with bed.plain.connect() as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(Person)) == 0
        assert bed.capture.status().failures == 1

    def test_the_policy_spool_keeps_both(self, bed_url: str) -> None:
        """The events go to the destination, the data is committed."""
        bed = Bed(bed_url, on_failure="spool")
        kept = Kept()
        bed.capture._destination = kept
        bed.run(adding(Person(name="Eva")))
        assert len(bed.check()) == 1
        with bed.plain.begin() as connection:
            connection.execute(sa.text("DROP TABLE whodid_outbox"))
        bed.run(adding(Person(name="Juan")))
        with bed.plain.connect() as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(Person)) == 2
        assert [event.action for _, event in kept.events] == ["person.created"]
        bed.close()

    def test_without_a_workspace(self, bed_url: str) -> None:
        """A strict capture refuses the commit; otherwise the event is set aside, and counted."""
        bed = Bed(bed_url)
        bed.capture._workspace = None
        with pytest.raises(InvalidEvent, match="workspace"):
            bed.run(adding(Crowd(name="a")))
        bed.close()
        bed = Bed(bed_url, strict=False)
        bed.capture._workspace = None
        bed.run(adding(Crowd(name="a"), Post(title="t", shop="w7")))
        with bed.plain.connect() as connection:
            table = bed.handle.outbox.table
            rows = connection.execute(sa.select(table.c.workspace, table.c.fault).order_by(table.c.workspace)).all()
        assert [(workspace, fault is None) for workspace, fault in rows] == [("", False), ("w7", True)]
        assert bed.capture.status().unknown_workspace == 1
        bed.close()


class TestSaidOutright:
    """`record` inside a watched session."""

    def test_it_speaks_for_the_row(self, bed: Bed) -> None:
        """It carries the changes of the object that it is about, and there is no second entry."""
        bed.run(adding(Person(name="Juan")))
        bed.check()

        def scene(session: Session) -> None:
            person = session.execute(sa.select(Person)).scalar_one()
            person.name = "Ana"
            bed.capture.record("person.renamed", person, reason="asked")
            session.commit()

        bed.run(scene)
        (event,) = bed.events()
        assert (event.action, [(c.path, c.before, c.after) for c in event.changes]) == (
            "person.renamed",
            [("name", "Juan", "Ana")],
        )

    def test_an_object_without_an_id(self, bed: Bed) -> None:
        """What has no id yet cannot be named, and it is said what to do."""

        def scene(session: Session) -> None:
            person = Person(name="Juan")
            session.add(person)
            with pytest.raises(InvalidEvent, match="Flush"):
                bed.capture.record("person.greeted", person, bind=session)

        bed.run(scene)

    @ASYNC
    def test_the_session_of_asyncio(self, bed: Bed) -> None:
        """The natural way, with await, and the transaction found through the asynchronous session."""

        async def story() -> None:
            with context(actor=AISHA):
                async with bed.sessions() as session, session.begin():
                    assert isinstance(session, AsyncSession)
                    session.add(Person(name="Juan"))
                    await session.flush()
                    bed.capture.record("person.greeted", ("person", "1"), bind=session)
                async with bed.sessions() as session:
                    person = await session.get_one(Person, 1)
                    await session.commit()
                    person.name = "Ana"
                    await session.commit()
                async with bed.sessions.begin() as session:
                    await session.delete(await session.get_one(Person, 1))
            await bed.async_engine.dispose()

        asyncio.run(story())
        assert [event.action for event in bed.events()] == ["person.greeted", "person.updated", "person.deleted"]

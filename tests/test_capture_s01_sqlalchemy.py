"""S1, five lines: installing, removing, what is not covered, and what the tests of an application see."""

from __future__ import annotations

import asyncio
import datetime as dt
import decimal
import gc
import subprocess
import sys
import uuid
import weakref
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, scoped_session, sessionmaker

from tests.shell import program
from tests.watched import Crowd, Note, Person
from tests.watching import AISHA, Bed, watched_models
from whodid import builtin
from whodid.capture import Capture, context
from whodid.capture.outbox import Outbox
from whodid.capture.sqlalchemy import install, model
from whodid.capture.sqlalchemy.coverage import Coverage, gaps
from whodid.capture.testing import AuditLog, audit_log
from whodid.errors import InvalidSetting

__all__ = ["audit_log"]

EVENTS = (
    "after_transaction_create",
    "after_begin",
    "after_transaction_end",
    "after_commit",
    "before_commit",
    "before_flush",
    "after_flush",
    "do_orm_execute",
)


def capture() -> Capture:
    """Return a capture for one workspace."""
    return Capture(builtin(), lambda *_: "fp", workspace="w1", strict=True)


def listeners(sessions: Any) -> int:
    """Count what listens to the sessions of a maker."""
    with sessions() as session:
        return sum(len(list(getattr(session.dispatch, name))) for name in EVENTS)


class TestInstalling:
    """Idempotent, reversible, and of one sessionmaker only."""

    def test_again_and_again(self) -> None:
        """The same arguments change nothing, others take the place, and nothing is left in the end."""
        engine = sa.create_engine("sqlite://")
        sessions, others = sessionmaker(engine), sessionmaker(engine)
        before = listeners(sessions)
        methods = {name: getattr(Session, name) for name in ("bulk_save_objects", "bulk_insert_mappings")}
        said, outbox = capture(), Outbox(engine)
        handle = install(sessions, said, outbox)
        once = listeners(sessions)
        assert once == before + len(EVENTS)
        assert install(sessions, said, outbox) is handle
        assert install(scoped_session(sessions), said, outbox) is handle
        newer = install(sessions, said, outbox, unclaimed="raise")
        assert newer is not handle
        assert listeners(sessions) == once
        assert listeners(others) == before
        newer.remove()
        newer.remove()
        assert listeners(sessions) == before
        assert not list(engine.dispatch.before_cursor_execute)
        assert {name: getattr(sessions.class_, name) for name in methods} == methods
        engine.dispose()

    def test_what_was_removed_is_let_go(self) -> None:
        """An application that installs and removes again and again does not grow."""

        def installed() -> list[weakref.ref[Any]]:
            sessions = sessionmaker(sa.create_engine("sqlite://"))
            # As in an application, where what is called belongs to an object that has the sessions.
            captured = Capture(builtin(), lambda *_: f"{sessions}", workspace="w1", strict=True)
            outbox = Outbox(sessions.kw["bind"])
            end = outbox.on_commit(sessions, lambda: captured.keep("w1", []))
            handle = install(sessions, captured, outbox, models=(Note,))
            handle.remove()
            end()
            return [weakref.ref(one) for one in (captured, outbox, handle)]

        kept = installed()
        # What dies with a class dies in a second round.
        gc.collect()
        gc.collect()
        assert [one() for one in kept] == [None, None, None]

    def test_the_asynchronous_maker(self, tmp_path: Path) -> None:
        """Its sessions get a class of their own, and lose it again; all other sessions are left alone."""

        async def story() -> None:
            engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'a.db'}")
            sessions = async_sessionmaker(engine)
            handle = install(sessions, capture())
            async with sessions() as session:
                assert type(session.sync_session) is not Session
            assert not list(Session().dispatch.before_flush)
            handle.remove()
            async with sessions() as session:
                assert type(session.sync_session) is Session
            await engine.dispose()

        asyncio.run(story())

    @pytest.mark.parametrize("sessions", [Session, "sessions", sa.create_engine("sqlite://")])
    def test_what_cannot_be_watched(self, sessions: Any) -> None:
        """It is said what to pass instead."""
        with pytest.raises(InvalidSetting, match="sessionmaker"):
            install(sessions, capture())

    def test_bad_settings(self) -> None:
        """Each is refused where it is given."""
        sessions = sessionmaker(sa.create_engine("sqlite://"))
        with pytest.raises(InvalidSetting, match="policy"):
            install(sessions, capture(), unclaimed="ignore")  # type: ignore[arg-type]
        with pytest.raises(InvalidSetting, match="policy"):
            install(sessions, capture(), on_failure="ignore")  # type: ignore[arg-type]
        with pytest.raises(InvalidSetting, match="no database"):
            install(sessionmaker(), capture())

    @pytest.mark.parametrize(
        ("wrong", "match"),
        [
            ({"type": "No Type"}, "type of resource"),
            ({"ignore": "name"}, "one text"),
            ({"actions": {"made": "x.made"}}, "no such verb"),
        ],
    )
    def test_a_malformed_model(self, wrong: dict[str, Any], match: str) -> None:
        """What is malformed by itself is refused when it is said."""
        with pytest.raises(InvalidSetting, match=match):
            model(**wrong)

    def test_a_model_that_names_what_is_not_there(self) -> None:
        """A misspelt attribute is found at the first change, and those that exist are listed."""

        class Own(DeclarativeBase):
            """Of this test alone."""

        class Thing(Own):
            """It misspells a name."""

            __tablename__ = "thing"
            __audit__ = model("thing", redact={"pasword"})
            id: Mapped[int] = mapped_column(primary_key=True)
            password: Mapped[str]

        engine = sa.create_engine("sqlite://")
        sessions = sessionmaker(engine)
        handle = install(sessions, capture(), models=[Thing])
        Own.metadata.create_all(engine)
        with sessions() as session:
            session.add(Thing(password="x"))
            with pytest.raises(InvalidSetting, match=r"pasword.*id, password"):
                session.flush()
        handle.remove()
        Own.registry.dispose()
        engine.dispose()


class TestTwice:
    """The application is built twice in one process."""

    def test_nothing_is_doubled(self, bed: Bed) -> None:
        """Each change has exactly one entry, and the outbox is never watched itself."""
        again = install(bed.sessions, bed.capture, bed.handle.outbox, models=watched_models())
        bed.handle = again

        def scene(session: Session) -> None:
            session.add(Person(name="Juan", groups=[Crowd(name="a")]))
            session.commit()

        bed.run(scene)
        assert len(bed.check()) == 2


class TestValues:
    """S14: any value of a column is told, and what has no JSON form never fails the write."""

    def test_types(self) -> None:
        """What a column can hold."""

        class Own(DeclarativeBase):
            """Of this test alone."""

        class Mixed(Own):
            """A column of each type."""

            __tablename__ = "mixed"
            id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
            day: Mapped[dt.date] = mapped_column(default=dt.date(2026, 1, 2))
            at: Mapped[dt.time] = mapped_column(default=dt.time(3, 4, 5))
            number: Mapped[decimal.Decimal] = mapped_column(default=decimal.Decimal("1.50"))
            real: Mapped[float] = mapped_column(default=2.5)
            raw: Mapped[bytes] = mapped_column(default=b"\x00\xff")
            thing: Mapped[Any] = mapped_column(sa.PickleType, default=object)
            text: Mapped[str] = mapped_column(default="x" * 5000)

        engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
        sessions = sessionmaker(engine)
        said = capture()
        handle = install(sessions, said, models=[Mixed])
        Own.metadata.create_all(engine)
        handle.outbox.create()
        with context(actor=AISHA), sessions() as session:
            session.add(Mixed())
            session.commit()
        assert handle.outbox.backlog().waiting == 1
        handle.remove()
        Own.registry.dispose()
        engine.dispose()

    def test_a_secret_never_leaves(self, bed: Bed) -> None:
        """Neither by declaration, nor by name, nor by its look."""
        token = "ghp_" + "a1B2" * 9

        def scene(session: Session) -> None:
            session.add(Person(name="Juan", notes="of his own", settings={"api_key": "hush", "text": f"see {token}"}))
            session.commit()

        bed.run(scene)
        with bed.plain.connect() as connection:
            (row,) = connection.execute(sa.select(bed.handle.outbox.table.c.event)).scalars().all()
        assert not [secret for secret in ("of his own", "hush", token) if secret in row]
        assert "notes" in row


class TestCoverage:
    """What is not recorded is listed."""

    def test_models(self, bed: Bed) -> None:
        """Ignored fields, classes that are excluded, and sessions that nobody watches."""
        own = {gap.name for gap in gaps(bed.sessions)}
        assert "Person.updated_at" in own
        handle = install(bed.sessions, bed.capture, bed.handle.outbox, models=watched_models(), exclude=[Note])
        assert ("model", "Note") in {(gap.kind, gap.name) for gap in gaps(bed.sessions)}
        handle.remove()
        assert [gap.kind for gap in gaps(bed.sessions)] == ["sessions"]

    def test_statements(self, bed: Bed) -> None:
        """Each is named with the line of the application; what is recorded is not."""
        with bed.plain.begin() as connection:
            connection.exec_driver_sql("DROP TABLE IF EXISTS loose")
            connection.exec_driver_sql("CREATE TABLE loose (x int)")

        def scene(session: Session) -> None:
            session.add(Crowd(name="a"))
            session.flush()
            session.execute(sa.update(Crowd).values(name="b"))
            session.execute(sa.text("UPDATE crowd SET name = 'c'"))
            session.execute(sa.text("INSERT INTO loose VALUES (1)"))
            session.commit()

        with Coverage(bed.sessions) as coverage:
            bed.run(scene)
        assert [gap.name for gap in coverage.gaps()] == ["UPDATE crowd SET name = ?", "INSERT INTO loose VALUES (?)"]
        assert all(Path(__file__).name in gap.place for gap in coverage.gaps())

    def test_connections_of_the_driver(self, bed: Bed) -> None:
        """What is done below SQLAlchemy leaves no entry and cannot be seen; the places that go there are named."""

        def scene(session: Session) -> None:
            cursor = session.connection().connection.cursor()
            cursor.execute("SELECT 1")
            cursor.close()
            session.execute(sa.select(Crowd)).all()
            session.commit()

        async def raw() -> None:
            async with bed.async_engine.connect() as connection:
                await connection.get_raw_connection()
            await bed.async_engine.dispose()

        watched = [sa.Connection.__dict__["connection"], sa.Engine.__dict__["raw_connection"]]
        with Coverage(bed.sessions) as coverage:
            bed.run(scene)
            if bed.asynchronous:
                asyncio.run(raw())
            else:
                bed.engine.raw_connection().close()
            bed.plain.raw_connection().close()  # not of these sessions
        other = "AsyncConnection.get_raw_connection()" if bed.asynchronous else "Engine.raw_connection()"
        assert [(gap.kind, gap.name) for gap in coverage.gaps()] == [
            ("driver", "Connection.connection"),
            ("driver", other),
        ]
        assert all(Path(__file__).name in gap.place for gap in coverage.gaps())
        assert [sa.Connection.__dict__["connection"], sa.Engine.__dict__["raw_connection"]] == watched

    def test_the_command(self, tmp_path: Path) -> None:
        """Its exit code is that of a build: 1 for a gap, 0 when it is allowed, 2 for a wrong name."""
        (tmp_path / "shop.py").write_text(
            "import sqlalchemy as sa\n"
            "from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker\n"
            "import whodid\nfrom whodid.capture import Capture\nfrom whodid.capture.sqlalchemy import install, model\n"
            "class Base(DeclarativeBase): pass\n"
            "class Thing(Base):\n"
            "    __tablename__ = 'thing'\n    __audit__ = model(ignore={'seen'})\n"
            "    id: Mapped[int] = mapped_column(primary_key=True)\n    seen: Mapped[int]\n"
            "sessions = sessionmaker(sa.create_engine('sqlite://'))\n"
            "install(sessions, Capture(whodid.builtin(), lambda *_: ''))\n"
        )

        def doctor(*arguments: str) -> tuple[int, str, str]:
            done = program("doctor", *arguments, folder=tmp_path, stdout=PIPE, stderr=PIPE)
            out, err = done.communicate(timeout=60)
            return done.returncode, out.decode(), err.decode()

        assert doctor("shop:sessions") == (1, "field\tThing.seen\tIts changes are ignored.\n", "")
        assert doctor("shop:sessions", "--allow", "Thing.seen") == (0, "", "Everything is recorded.\n")
        code, _, told = doctor("shop:nothing")
        assert (code, "shop has no nothing" in told) == (2, True)
        assert doctor("nowhere:sessions")[0] == 2
        for fault in ("{}.gone", "{}['gone']"):
            (tmp_path / "broken.py").write_text(fault)
            code, _, told = doctor("broken:sessions")
            assert (code, "broken cannot be imported: " in told, "gone" in told) == (2, True, True)


class TestFixture:
    """What the tests of an application see."""

    def test_inside_a_transaction_that_is_rolled_back(self, audit_log: AuditLog) -> None:
        """The usual harness: the outer transaction is the test's, and nothing of it stays."""
        engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
        sessions = sessionmaker(engine)
        said = capture()
        handle = install(sessions, said, models=[Crowd])
        Crowd.__table__.create(engine)  # type: ignore[attr-defined]
        handle.outbox.create()
        audit_log.freeze(said, dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
        with engine.connect() as connection, connection.begin() as outer, context(actor=AISHA):
            with sessions(bind=connection, join_transaction_mode="create_savepoint") as session:
                crowd = Crowd(name="A")
                session.add(crowd)
                session.commit()
                crowd.name = "B"
                session.commit()
                crowd.name = "C"
                session.flush()
                session.rollback()
            assert audit_log.one("crowd.updated").changes == {"name": ("A", "B")}
            assert audit_log.one("crowd.updated").actor == AISHA
            first = audit_log.one("crowd.created")
            assert (first.event.id, first.workspace) == ("019b76da-a800-7000-8000-000000000001", "w1")
            outer.rollback()
        with pytest.raises(AssertionError, match="2 events were recorded"):
            audit_log.one()
        audit_log.clear()
        assert audit_log.all() == []
        handle.remove()
        engine.dispose()

    def test_pytest_knows_the_fixture_once_whodid_is_installed(self, tmp_path: Path) -> None:
        (tmp_path / "test_host.py").write_text("def test_host(audit_log):\n    assert audit_log.all() == []\n")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "test_host.py"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "1 passed" in done.stdout, done.stdout + done.stderr


PLAIN = """
import sys
sys.modules["greenlet"] = None  # SQLAlchemy 2.1 does not install it
import sqlalchemy as sa, whodid
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker
from whodid.capture import Capture, Relay, context
from whodid.capture.sqlalchemy import install

class Base(DeclarativeBase): ...

class Customer(Base):
    __tablename__ = "customer"
    id: Mapped[int] = mapped_column(primary_key=True)

engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
Base.metadata.create_all(engine)
sessions, log = sessionmaker(engine), whodid.open("memory://")
handle = install(sessions, Capture.to(log))
assert handle.hook.unit(sessions()) is None
handle.outbox.create()
with context(actor=whodid.Actor(type="user", id="usr_1"), workspace="w"), sessions.begin() as session:
    session.add(Customer(id=1))
Relay(handle.outbox, log).drain()
print(sorted(entry.action for entry in log.read("w")), "sqlalchemy.ext.asyncio" in sys.modules)
"""


def test_synchronous_sessions_need_no_greenlet() -> None:
    """Whoever has no asynchronous sessions needs nothing of what these need."""
    done = subprocess.run([sys.executable, "-c", PLAIN], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "['customer.created'] False\n", done.stderr

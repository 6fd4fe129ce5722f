"""The outbox of an application that uses SQLAlchemy 2: events as rows of its own database, in its own transaction.

An event that is written here lives and dies with the change it tells of: the same connection, the same transaction, the
same savepoint. Nothing is buffered, so nothing needs to be undone.

The log's own database is never touched from here; the relay carries the rows over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError, StatementError
from sqlalchemy.orm import Session, sessionmaker

from whodid.canonical import encode
from whodid.capture.builder import Builder
from whodid.capture.insisting import Check, insist
from whodid.capture.pending import Said
from whodid.capture.relay import Backlog, Quarantined, Waiting
from whodid.capture.triggers.notes import HEAD, OF_TRANSACTION, UNFOLDING, Note, is_note, said, told_of
from whodid.catalog import builtin
from whodid.errors import InvalidSetting, StoreUnavailable
from whodid.model import Event

__all__ = ["Outbox", "outbox_table"]

_COLUMNS = ("workspace", "event", "written_at", "fault")
_WROTE = "whodid_outbox_written"
_ROLLBACK = "40"  # the class of SQLSTATE for serialization failures and deadlocks


def outbox_table(within: sa.MetaData, *, schema: str | None = None) -> sa.Table:
    """Declare the table `whodid_outbox`, for the host's own metadata and migrations.

    Args:
        within: Where to declare it.
        schema: Database schema; the default one when not given.
    """
    return sa.Table(
        "whodid_outbox",
        within,
        sa.Column("place", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("workspace", sa.String(200), nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("written_at", sa.DateTime, nullable=False, comment="UTC"),
        sa.Column("fault", sa.Text, comment="why the log refused it; null while it waits"),
        schema=schema,
        sqlite_autoincrement=True,
    )


class Outbox:
    """The rows of `whodid_outbox`.

    Args:
        engine: The host's database, for delivering; writing uses the caller's own session or connection.
        table: What `outbox_table` returned; one of its own when not given.
        check: Raises for an event that the log would refuse: `log.check`. Without it such an event is committed with
            its change and set aside by the relay afterwards.
        only: Deliver the events of this workspace, and leave those of the others; all of them when not given.
        capture: What events are made with of the rows that triggers tell of (`whodid.capture.triggers`); the built-in
            catalog, and secrets without fingerprints, when not given.
    """

    def __init__(
        self,
        engine: sa.Engine,
        table: sa.Table | None = None,
        *,
        check: Check | None = None,
        only: str | None = None,
        capture: Builder | None = None,
    ) -> None:
        self._engine = engine
        self._check = check
        self._capture = capture
        self._table = outbox_table(sa.MetaData()) if table is None else table
        self._insert = sa.insert(self._table)
        self._mine = sa.true() if only is None else self._table.c.workspace == only
        # Whose the rows are that a note tells of is only known when it is read.
        self._ours = self._mine | self._table.c.workspace.startswith(HEAD, autoescape=True)
        self._forms: dict[str, _Form | None] = {}

    @classmethod
    def at(
        cls, url: str, *, schema: str | None = None, only: str | None = None, capture: Builder | None = None
    ) -> Self:
        """Open the outbox of an application that runs elsewhere, to deliver from it.

        Args:
            url: Address of the application's database as SQLAlchemy writes it, with a synchronous driver.
            schema: Database schema of the table; the default one when not given.
            only: As of the class.
            capture: As of the class.

        Raises:
            InvalidSetting: The address cannot be used, or its driver is not installed.
            StoreUnavailable: There is no such file of SQLite.
        """
        try:
            engine = sa.create_engine(url, pool_pre_ping=True, hide_parameters=True)
        except NoSuchModuleError as error:
            raise InvalidSetting(str(error), "Check the part before ://") from None
        except ArgumentError:
            # Its text would show the address, and the password in it.
            raise InvalidSetting(
                "This is not the address of a database", "Write it like postgresql+psycopg://user@host/database"
            ) from None
        except ModuleNotFoundError as error:
            raise InvalidSetting(f"The database needs {error.name}, which is not installed", "Install it") from None
        if engine.dialect.is_async:
            raise InvalidSetting(
                f"The driver {engine.dialect.driver} is asynchronous, and the relay is not",
                "Name a synchronous one: postgresql+psycopg://, sqlite:///",
            )
        outbox = cls(engine, outbox_table(sa.MetaData(), schema=schema), only=only, capture=capture)
        if outbox.file is not None and not outbox.file.exists():
            raise StoreUnavailable(f"There is no database at {outbox.address}", "Check the address")
        return outbox

    @property
    def address(self) -> str:
        """The address of its database, without the password."""
        return self._engine.url.render_as_string(hide_password=True)

    @property
    def file(self) -> Path | None:
        """The file of its database where that is one of SQLite, otherwise None."""
        url = self._engine.url
        return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None

    def create(self) -> None:
        """Create the table if it is missing; for hosts without migrations of their own.

        Raises:
            StoreUnavailable: The database cannot be reached or is busy.
        """
        with _faults("created"):
            self._table.create(self._engine, checkfirst=True)

    def write(self, bind: Session | sa.Connection, workspace: str, events: Sequence[Event]) -> None:
        """Write events into the transaction of `bind`, with one statement.

        They are delivered if it commits and vanish if it, or the savepoint in force, is rolled back. Everything is
        checked and encoded before the first byte is sent, so that a bad event does not spoil the transaction.

        Args:
            bind: The session or connection that made the change.
            workspace: Whose log they are for.
            events: What happened, in order.

        Raises:
            InvalidEvent: The log would refuse one of them; the caller's transaction must be rolled back, because the
                change would be without its entry.
            StoreUnavailable: The rows could not be written; roll back, for the same reason.
        """
        told = [(workspace, event) for event in events]
        if isinstance(bind, Session):
            if told:
                with _faults("written"):
                    connection = bind.connection()
                self.put(connection, told)
                self.wrote(bind)
        else:
            self.put(bind, told)

    def put(
        self, connection: sa.Connection, told: Sequence[tuple[str, Event]], faults: Mapping[str, str] | None = None
    ) -> None:
        """Write events of any workspaces into the transaction of a connection, with one statement.

        Args:
            connection: The one that made the changes.
            told: Workspace and event, in order.
            faults: Id of an event → why it is set aside at once, instead of waiting for delivery.

        Raises:
            InvalidEvent: As of `write`.
            StoreUnavailable: As of `write`.
        """
        aside = faults or {}
        insist(self._check, told, aside)
        if told:
            self._put(connection, told, aside)

    def _put(self, connection: sa.Connection, told: Sequence[tuple[str, Event]], aside: Mapping[str, str]) -> None:
        now = datetime.now(UTC).replace(tzinfo=None)
        # In the order of `_COLUMNS`.
        rows = [(whose, encode(event).decode(), now, aside.get(event.id)) for whose, event in told]
        with _faults("written"):
            # This is on the path of every changed row of the host, where rendering the same statement's parameters
            # row by row costs more than sending them.
            form = self._form(connection)
            if form is None:
                connection.execute(self._insert, [dict(zip(_COLUMNS, row, strict=True)) for row in rows])
            else:
                connection.exec_driver_sql(form.text, form.rows(rows, now))

    def _form(self, connection: sa.Connection) -> _Form | None:
        """Return the insert as the driver takes it; None where SQLAlchemy must have a hand in every row."""
        if "schema_translate_map" in connection.get_execution_options():
            return None
        name = f"{connection.dialect.name}+{connection.dialect.driver}"
        if name not in self._forms:
            self._forms[name] = _form(self._insert.inline(), self._table, connection.dialect)
        return self._forms[name]

    def wrote(self, session: Session) -> None:
        """Note that a session wrote here, so that its commit wakes the relay."""
        session.info[_WROTE] = True

    @property
    def table(self) -> sa.Table:
        """The table of its rows."""
        return self._table

    @property
    def engine(self) -> sa.Engine:
        """The database that it delivers from."""
        return self._engine

    def on_commit(self, sessions: sessionmaker[Session], wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` after each commit of a session that wrote to the outbox.

        It only wakes the relay: an entry never depends on a hook that runs after the commit.

        Returns:
            What ends that. SQLAlchemy keeps who listens to a factory of sessions for as long as the process lives, and
            all that `wake` reaches with it.
        """

        def committed(session: Session) -> None:
            # Releasing a savepoint is a commit too, but nothing can be read of it yet.
            if not session.in_nested_transaction() and session.info.pop(_WROTE, False):
                wake()

        sa.event.listen(sessions, "after_commit", committed)
        return lambda: sa.event.remove(sessions, "after_commit", committed)

    @contextmanager
    def claim(self, limit: int) -> Iterator[_Claim]:
        """Take up to `limit` waiting rows, in order of their places.

        Other relays skip them while the claim lasts, where the engine can lock rows; where it cannot, two relays may
        deliver the same row, which the log takes once.

        Raises:
            StoreUnavailable: The database cannot be reached or is busy.
        """
        table = self._table
        waiting = (
            sa.select(table.c.place, table.c.workspace, table.c.event)
            .where(table.c.fault.is_(None), self._ours)
            .order_by(table.c.place)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        with _faults("read"), self._engine.connect() as connection:
            rows = [Waiting(place=p, workspace=w, event=_bytes(e)) for p, w, e in connection.execute(waiting)]
            while any(is_note(row.workspace) for row in rows):
                connection.rollback()
                self._unfold(connection, limit)
                rows = [Waiting(place=p, workspace=w, event=_bytes(e)) for p, w, e in connection.execute(waiting)]
            if connection.dialect.name == "sqlite":
                # SQLite has no row locks, and a transaction that has read cannot write once another one wrote since.
                connection.rollback()
            yield _Claim(connection, table, rows)

    def say(self, connection: sa.Connection, told: Sequence[Said]) -> None:
        """Write events that were said outright beside the notes of triggers, so that they speak for their rows.

        Args:
            connection: The one that made the changes, on PostgreSQL.
            told: The events, in order.

        Raises:
            InvalidEvent: As of `write`.
            StoreUnavailable: As of `write`.
        """
        insist(self._check, ((one.workspace, one.event) for one in told))
        now = datetime.now(UTC).replace(tzinfo=None)
        mine: sa.ColumnElement[str] = sa.literal_column(OF_TRANSACTION)
        with _faults("written"):
            connection.execute(
                self._insert.values(workspace=mine), [{"event": said(one), "written_at": now} for one in told]
            )

    def _unfold(self, connection: sa.Connection, limit: int) -> None:
        """Put events in the place of the notes of triggers, whole transactions at once, in a transaction of its own."""
        table, waits = self._table, self._table.c.fault.is_(None)
        first = (
            sa.select(table.c.workspace)
            .where(waits, table.c.workspace.startswith(HEAD, autoescape=True))
            .order_by(table.c.place)
            .limit(limit)
        )
        with connection.begin():
            if connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(UNFOLDING)))
            of = set(connection.scalars(first))
            whole = sa.select(table.c.place, table.c.workspace, table.c.event, table.c.written_at)
            rows = connection.execute(whole.where(waits, table.c.workspace.in_(of)).order_by(table.c.place)).all()
            notes = [Note(place=p, transaction=w, text=_bytes(e).decode(), at=_instant(at)) for p, w, e, at in rows]
            made = told_of(notes, self._capture or Builder(builtin(), None))
            if made.events:
                self._put(connection, made.events, made.faults)
            _Claim(connection, table, ()).end((row.place for row in notes), made.unreadable)

    def backlog(self) -> Backlog:
        """Count what waits and what was refused.

        Raises:
            StoreUnavailable: The database cannot be reached or is busy.
        """
        table = self._table
        waits = table.c.fault.is_(None)
        query = (
            sa.select(
                sa.func.count().filter(waits),
                sa.func.min(table.c.written_at).filter(waits),
                sa.func.count(table.c.fault),
            )
            .select_from(table)
            .where(self._ours)
        )
        with _faults("read"), self._engine.connect() as connection:
            waiting, oldest, quarantined = connection.execute(query).one()
        return Backlog(waiting=waiting, oldest=None if oldest is None else _instant(oldest), quarantined=quarantined)

    def quarantined(self, limit: int = 100) -> list[Quarantined]:
        """Return events that the log refused, oldest place first.

        Raises:
            StoreUnavailable: The database cannot be reached or is busy.
        """
        table = self._table
        query = (
            sa.select(table.c.place, table.c.workspace, table.c.event, table.c.fault)
            .where(table.c.fault.is_not(None), self._mine)
            .order_by(table.c.place)
            .limit(limit)
        )
        with _faults("read"), self._engine.connect() as connection:
            return [
                Quarantined(place=place, workspace=workspace, event=_bytes(event), fault=fault)
                for place, workspace, event, fault in connection.execute(query)
            ]

    def release(self, places: Iterable[int]) -> None:
        """Let refused events wait for delivery again: after an action was declared, for example.

        Raises:
            StoreUnavailable: The database cannot be reached or is busy.
        """
        with _faults("written"), self._engine.begin() as connection:
            connection.execute(sa.update(self._table).where(self._table.c.place.in_(list(places))).values(fault=None))


class _Claim:
    """Rows in delivery, and the connection that holds them."""

    def __init__(self, connection: sa.Connection, table: sa.Table, rows: Sequence[Waiting]) -> None:
        self.rows = rows
        self._connection = connection
        self._table = table

    def settle(self, delivered: Iterable[int], refused: Mapping[int, str]) -> None:
        self.end(delivered, refused)
        self._connection.commit()

    def end(self, delivered: Iterable[int], refused: Mapping[int, str]) -> None:
        """Do what `settle` does, and leave it to the caller to commit."""
        place = self._table.c.place
        if gone := [one for one in delivered if one not in refused]:
            self._connection.execute(sa.delete(self._table).where(place.in_(gone)))
        if refused:
            self._connection.execute(
                sa.update(self._table).where(place == sa.bindparam("at")).values(fault=sa.bindparam("why")),
                [{"at": at, "why": why} for at, why in refused.items()],
            )


class _Form(Struct, frozen=True):
    """The insert of a dialect.

    Args:
        names: The order of the parameters; empty when they are named.
        instant: Writes an instant as the driver wants it.
    """

    text: str
    names: tuple[str, ...]
    instant: Callable[[datetime], object] | None

    def rows(self, rows: list[tuple[Any, ...]], now: datetime) -> list[Any]:
        """Return rows of `_COLUMNS`, all of them written now, as the driver wants them."""
        if self.instant is not None:
            written_at = self.instant(now)
            rows = [(workspace, event, written_at, fault) for workspace, event, _, fault in rows]
        if self.names == _COLUMNS:
            return rows
        named = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
        return [tuple(map(row.__getitem__, self.names)) for row in named] if self.names else named


def _form(insert: sa.Insert, table: sa.Table, dialect: sa.Dialect) -> _Form | None:
    processors = {name: table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in _COLUMNS}
    instant = processors.pop("written_at")
    if any(processor is not None for processor in processors.values()):
        return None
    compiled: Any = insert.compile(dialect=dialect, column_keys=list(_COLUMNS))
    return _Form(str(compiled), tuple(compiled.positiontup or ()), instant)


def _instant(written_at: datetime) -> datetime:
    """Return when a row was written; the column of Django has a zone on PostgreSQL."""
    return written_at.replace(tzinfo=UTC) if written_at.tzinfo is None else written_at.astimezone(UTC)


def _bytes(event: object) -> bytes:
    """Return what a row holds; SQLite keeps any type in any column, and an edited row must not stop the others."""
    return event if isinstance(event, bytes) else str(event).encode()


@contextmanager
def _faults(done: str) -> Iterator[None]:
    """Turn a database error into ours; its text must not carry the values of the statement."""
    try:
        yield
    except SQLAlchemyError as error:
        if isinstance(error, StatementError):
            error.hide_parameters = True
        if str(getattr(getattr(error, "orig", None), "sqlstate", "")).startswith(_ROLLBACK):
            raise  # the database gave the caller's transaction up; whoever repeats such ones has to see it
        raise StoreUnavailable(
            f"The outbox could not be {done}: {type(error).__name__}",
            "Check the application's database and that the table whodid_outbox exists; nothing was lost",
        ) from error

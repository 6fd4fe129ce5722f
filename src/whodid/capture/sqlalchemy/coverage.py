"""What of an application is not recorded: by its models, and by what it does while its tests run.

`gaps` reads the models: classes and tables that nobody watches, memberships without an owner, fields that are ignored.
`Coverage` looks at the statements: what changed a table and made no entry, and where in the application it was said. A
cursor of the driver itself is below SQLAlchemy, and nothing can be seen of its statements; that one was asked for can.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import RelationshipDirection, mapperlib

from whodid.capture.off import unrecorded
from whodid.capture.sqlalchemy.install import Handle, installed
from whodid.capture.sqlalchemy.net import changes, shape
from whodid.capture.triggers.standing import faults

__all__ = ["Coverage", "Gap", "gaps"]

_OURS = str(Path(__file__).resolve().parent.parent)
_THEIRS = str(Path(sa.__file__).resolve().parent)


class Gap(Struct, frozen=True, kw_only=True):
    """Something that is not recorded.

    Args:
        kind: Of what is missing.
        name: Of the class, table, field or statement.
        why: In one sentence.
        place: Where in the application, as file and line; empty for a gap of the models.
    """

    kind: Literal["sessions", "model", "table", "members", "field", "statement", "driver", "trigger"]
    name: str
    why: str
    place: str = ""


def gaps(sessions: Any) -> list[Gap]:
    """List what the hook of a sessionmaker does not record, by the models of the application.

    Where triggers tell of tables, the database is asked whether they are as they should be.

    Args:
        sessions: What was given to `install`.
    """
    handle = installed(sessions)
    if handle is None:
        return [Gap(kind="sessions", name=repr(sessions), why="Nothing is installed on these sessions.")]
    return [*_gaps(handle), *_faults(handle)]


def _faults(handle: Handle) -> Iterator[Gap]:
    """Yield what the database lacks of the triggers that are to tell of its tables."""
    if handle.hook.teller is None:
        return
    script = handle.triggers()
    engine = handle.outbox.engine
    if engine.dialect.is_async:
        # A command has no loop: the same database, through the synchronous side of the driver.
        engine = sa.create_engine(engine.url, poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            connection.execution_options(no_parameters=True)
            for fault in faults(script, lambda query: connection.exec_driver_sql(query).all()):
                yield Gap(kind="trigger", name=fault.table, why=fault.why)
    except SQLAlchemyError as error:
        yield Gap(kind="trigger", name=engine.url.database or "", why=f"It cannot be asked: {type(error).__name__}.")


def _gaps(handle: Handle) -> Iterator[Gap]:
    hook = handle.hook
    covered: set[sa.Table] = {handle.outbox.table}
    known: dict[sa.MetaData, None] = {}
    for registry in sorted(mapperlib._all_registries(), key=id):  # noqa: SLF001
        known[registry.metadata] = None
        for mapper in sorted(registry.mappers, key=lambda one: one.class_.__name__):
            name, plan = mapper.class_.__name__, hook.plan(mapper)
            if plan is None and hook.claims(mapper):
                covered |= set(_claimed_tables(handle, mapper))
                continue
            if plan is None:
                covered |= {table for table in mapper.tables if isinstance(table, sa.Table)}
                if mapper.local_table is not handle.outbox.table:
                    yield Gap(kind="model", name=name, why="The class is not watched.")
                continue
            covered |= {*plan.tables, *(many.secondary for many in plan.many)}
            for key in sorted(plan.said.ignore):
                yield Gap(kind="field", name=f"{name}.{key}", why="Its changes are ignored.")
            for prop in mapper.relationships:
                if prop.direction is RelationshipDirection.MANYTOMANY and prop.viewonly and prop.secondary is not None:
                    covered.discard(prop.secondary)
    for metadata in known:
        for table in metadata.sorted_tables:
            if table not in covered:
                kind: Literal["members", "table"] = "members" if _links(table) else "table"
                why = (
                    "No watched class has a relationship through the table."
                    if kind == "members"
                    else "No watched class has rows in the table."
                )
                yield Gap(kind=kind, name=table.name, why=why)


def _claimed_tables(handle: Handle, mapper: Any) -> Iterator[sa.Table]:
    """Yield the tables that triggers are to tell of for a mapper."""
    plan = handle.hook.named(mapper)
    if plan is not None:
        yield from plan.tables
        yield from (many.secondary for many in plan.many if many.owns)


def _links(table: sa.Table) -> bool:
    """Tell whether a table only joins two others."""
    return len(table.columns) == 2 and all(column.foreign_keys for column in table.columns)


class Coverage:
    """Look at what an application does, while its tests run: `with Coverage(sessions) as coverage: …`.

    Args:
        sessions: What was given to `install`.
    """

    def __init__(self, sessions: Any) -> None:
        handle = installed(sessions)
        self._handle = handle
        self._sessions = sessions
        self._engines: list[sa.Engine] = []
        self._replaced: list[tuple[Any, str, Any]] = []
        self._found: dict[tuple[str, str], Gap] = {}

    def __enter__(self) -> Self:
        if self._handle is not None:
            self._engines = self._handle.hook.net.engines()
            for engine in self._engines:
                event.listen(engine, "before_cursor_execute", self._before)
            self._watch_drivers()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for engine in self._engines:
            event.remove(engine, "before_cursor_execute", self._before)
        self._engines = []
        for owner, name, original in reversed(self._replaced):
            setattr(owner, name, original)
        self._replaced.clear()

    def gaps(self) -> list[Gap]:
        """Return the statements that changed something and made no entry of the rows, one per place.

        Where the application took the connection of the driver, nobody knows what it did with it: that place is one.
        """
        if self._handle is None:
            return gaps(self._sessions)
        return sorted(self._found.values(), key=lambda gap: (gap.place, gap.name))

    def _watch_drivers(self) -> None:
        """Notice who asks for the connection of the driver; as no event tells of that, the ways to it are replaced."""
        connection, raw = sa.Connection.__dict__["connection"], sa.Engine.__dict__["raw_connection"]

        def handed(one: sa.Connection) -> Any:
            self._driver(one.engine, "Connection.connection")
            return connection.fget(one)

        def taken(one: sa.Engine) -> Any:
            self._driver(one, "Engine.raw_connection()")
            return raw(one)

        self._replaced = [(sa.Connection, "connection", connection), (sa.Engine, "raw_connection", raw)]
        sa.Connection.connection = property(handed)  # type: ignore[assignment]  # restored by __exit__
        sa.Engine.raw_connection = taken  # type: ignore[assignment, method-assign]
        sessions = sys.modules.get("sqlalchemy.ext.asyncio")
        if sessions is not None:
            original = sessions.AsyncConnection.get_raw_connection

            async def awaited(one: Any) -> Any:
                self._driver(one.engine.sync_engine, "AsyncConnection.get_raw_connection()")
                return await original(one)

            self._replaced.append((sessions.AsyncConnection, "get_raw_connection", original))
            sessions.AsyncConnection.get_raw_connection = awaited

    def _driver(self, engine: sa.Engine, name: str) -> None:
        asking = sys._getframe(1).f_back  # noqa: SLF001 - None at the bottom of a greenlet of SQLAlchemy
        if engine not in self._engines or asking is None or asking.f_code.co_filename.startswith(_THEIRS):
            return
        place = _place()
        why = "What the connection of the driver changes is not seen, and leaves no entry."
        self._found.setdefault((place, name), Gap(kind="driver", name=name, why=why, place=place))

    def _before(
        self, connection: sa.Connection, _cursor: Any, statement: str, _values: Any, context: Any, _many: object
    ) -> None:
        if self._handle is None or unrecorded() or not (hits := changes(statement)):
            return
        net = self._handle.hook.net
        own = self._handle.outbox.table.name.lower()
        missed = {hit.table for hit in net.unclaimed(connection, statement, context) or ()}
        for hit in hits:
            if hit.table == own or self._handle.hook.told_by_triggers(hit.table):
                continue
            if hit.table in missed or not net.watches(hit.table):
                why = (
                    "The statement passed the session by; there is no entry of its rows."
                    if hit.table in missed
                    else f"Nobody watches the table {hit.table}."
                )
                place = _place()
                gap = Gap(kind="statement", name=shape(statement), why=why, place=place)
                self._found.setdefault((place, gap.name), gap)


def _place() -> str:
    """Return the line of the application that the statement comes from."""
    frame = sys._getframe(2)  # noqa: SLF001 - the caller's caller
    inside = (_OURS, _THEIRS)
    found = None
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith(inside) and "greenlet" not in name and not name.startswith("<"):
            found = f"{name}:{frame.f_lineno}"
            break
        frame = frame.f_back  # type: ignore[assignment]  # None ends the loop
    return found or "unknown"

"""A watched application on SQLAlchemy, and an oracle that does not know of it.

The oracle is a trigger on every table: it copies each row before and after, as JSON, into a table of its own, in the
same transaction. `Bed.check` folds what the oracle saw into net changes and compares them, field by field, with the
events of the outbox.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
import pytest
import sqlalchemy as sa
from msgspec import UNSET
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, sessionmaker

from tests.watched import Base, Role
from whodid import Actor, Event, builtin
from whodid.capture import Capture, context
from whodid.capture.sqlalchemy import Handle, install

__all__ = [
    "AISHA",
    "ASYNC",
    "ON_POSTGRES",
    "ON_SQLITE",
    "SYNC",
    "Bed",
    "adding",
    "doing",
    "table_of",
    "watched_models",
]

_POSTGRES = pytest.mark.postgres


def _on(*drivers: str) -> pytest.MarkDecorator:
    params = [pytest.param(one, marks=_POSTGRES) if one.startswith("psycopg") else one for one in drivers]
    return pytest.mark.parametrize("bed_url", params, indirect=True)


ON_SQLITE = _on("sqlite", "aiosqlite")
ON_POSTGRES = _on("psycopg", "psycopg_async")
SYNC = _on("sqlite", "psycopg")
ASYNC = _on("aiosqlite", "psycopg_async")

AISHA = Actor(type="user", id="usr_1", name="Aisha Khan")
_R = TypeVar("_R")


_SKIPPED = {"id", "updated_at", "picture"}
_BETWEEN = {"person_group": ("person", "groups")}
_TYPES = {"person": "person", "crowd": "crowd", "post": "post", "remark": "comment", "liking": "like", "staff": "staff"}
_PATHS = {("person", "consent_marketing"): "consent.marketing"}


class Bed:
    """One application on one engine, its sessions sync or async.

    Args:
        url: Of an empty database; the driver of it says whether sessions are asynchronous.
        settings: Further arguments of `install`.
    """

    def __init__(self, url: str, *, strict: bool = True, **settings: Any) -> None:
        self.asynchronous = sa.make_url(url).drivername.endswith(("aiosqlite", "async"))
        plain_url = url.replace("+aiosqlite", "").replace("psycopg_async", "psycopg")
        self.plain = sa.create_engine(plain_url)
        if self.plain.dialect.name == "sqlite":
            sa.event.listen(self.plain, "connect", _enforce)
        with self.plain.begin() as connection:
            self._empty(connection)
        self.capture = Capture(builtin(), lambda workspace, value: f"fp:{len(value)}", workspace="w1", strict=strict)
        self.sessions: Any
        if self.asynchronous:
            self.async_engine = create_async_engine(url)
            if self.plain.dialect.name == "sqlite":
                sa.event.listen(self.async_engine.sync_engine, "connect", _enforce)
            self.engine = self.async_engine.sync_engine
            self.sessions = async_sessionmaker(self.async_engine)
        else:
            self.engine = sa.create_engine(plain_url)
            if self.plain.dialect.name == "sqlite":
                sa.event.listen(self.engine, "connect", _enforce)
            self.sessions = sessionmaker(self.engine)
        self.statements: list[str] = []
        sa.event.listen(self.engine, "before_cursor_execute", self._count)
        self.handle: Handle = install(self.sessions, self.capture, models=watched_models(), **settings)
        with self.plain.begin() as connection:
            self.handle.outbox.table.create(connection)
        self._told = 0
        self._seen = 0

    def close(self) -> None:
        """Stop watching and let the database go."""
        self.handle.remove()
        self.plain.dispose()
        if self.asynchronous:
            asyncio.run(self.async_engine.dispose())
        else:
            self.engine.dispose()

    def run(self, *scenes: Callable[[Session], _R]) -> list[_R]:
        """Play scenes in one session, one after the other; each may commit."""
        with context(actor=AISHA):
            if not self.asynchronous:
                with self.sessions() as session:
                    return [scene(session) for scene in scenes]
            return asyncio.run(self._run(scenes))

    async def _run(self, scenes: Iterable[Callable[[Session], _R]]) -> list[_R]:
        try:
            async with self.sessions() as session:
                return [await session.run_sync(scene) for scene in scenes]
        finally:
            await self.async_engine.dispose()

    def counted(self, *scenes: Callable[[Session], Any]) -> list[str]:
        """Play scenes and return the statements that they took."""
        self.statements.clear()
        self.run(*scenes)
        return list(self.statements)

    def events(self) -> list[Event]:
        """Return the events that were committed since the last time."""
        table = self.handle.outbox.table
        query = sa.select(table.c.place, table.c.event).where(table.c.place > self._told).order_by(table.c.place)
        with self.plain.connect() as connection:
            rows = connection.execute(query).all()
        if rows:
            self._told = rows[-1][0]
        return [msgspec.json.decode(row[1], type=Event) for row in rows]

    def check(self) -> list[Event]:
        """Compare what was told since the last time with what the oracle saw."""
        events = self.events()
        saw = self._oracle()
        told: dict[tuple[str, str], dict[str, Any]] = {}
        for event in events:
            key = event.resource.type, event.resource.id
            assert event.actor == AISHA
            assert key not in told, f"{key} was told twice: {events}"
            told[key] = _fact(event)
        assert told == saw, f"told {told}, but the oracle saw {saw}"
        return events

    def _count(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        self.statements.append(statement)

    # ------------------------------------------------------------------------------------------------------ the oracle

    def _empty(self, connection: sa.Connection) -> None:
        postgres = connection.dialect.name == "postgresql"
        connection.execute(sa.text("DROP TABLE IF EXISTS oracle"))
        connection.execute(sa.text("DROP TABLE IF EXISTS whodid_outbox"))
        Base.metadata.drop_all(connection)
        Base.metadata.create_all(connection)
        kind = "bigserial" if postgres else "integer"
        connection.execute(
            sa.text(f"CREATE TABLE oracle (place {kind} PRIMARY KEY, tab text, op text, was text, now text)")
        )
        if postgres:
            connection.exec_driver_sql(
                "CREATE OR REPLACE FUNCTION oracle_sees() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                "INSERT INTO oracle (tab, op, was, now) VALUES (TG_TABLE_NAME, TG_OP, "
                "CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD)::text END, "
                "CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW)::text END); RETURN NULL; END $$"
            )
        for table in Base.metadata.sorted_tables:
            if postgres:
                connection.exec_driver_sql(
                    f"CREATE TRIGGER oracle_{table.name} AFTER INSERT OR UPDATE OR DELETE ON {table.name} "
                    "FOR EACH ROW EXECUTE FUNCTION oracle_sees()"
                )
                continue
            for operation in ("INSERT", "UPDATE", "DELETE"):
                sides = []
                for side, unless in (("OLD", "INSERT"), ("NEW", "DELETE")):
                    pairs = ", ".join(f"'{c.name}', {side}.{c.name}" for c in table.columns if c.name != "picture")
                    sides.append("NULL" if operation == unless else f"json_object({pairs})")
                connection.exec_driver_sql(
                    f"CREATE TRIGGER oracle_{table.name}_{operation} AFTER {operation} ON {table.name} BEGIN "
                    f"INSERT INTO oracle (tab, op, was, now) VALUES ('{table.name}', '{operation}', {sides[0]}, "
                    f"{sides[1]}); END"
                )

    def _oracle(self) -> dict[tuple[str, str], dict[str, Any]]:
        with self.plain.connect() as connection:
            rows = connection.execute(
                sa.text("SELECT place, tab, was, now FROM oracle WHERE place > :seen ORDER BY place"),
                {"seen": self._seen},
            ).all()
        if rows:
            self._seen = rows[-1][0]
        net: dict[tuple[str, str], list[Any]] = {}
        links: dict[tuple[str, str, str], dict[str, int]] = {}
        for _, table, was, now in rows:
            old, new = (None if side is None else json.loads(side) for side in (was, now))
            row: dict[str, Any] = new or old or {}
            if table in _BETWEEN:
                owner, path = _BETWEEN[table]
                ours = links.setdefault((owner, str(row["person_id"]), path), {})
                member = str(row["group_id"])
                ours[member] = ours.get(member, 0) + (1 if old is None else -1)
                continue
            type_ = "staff" if table == "engineer" else _TYPES.get(table, table)
            names = [column.name for column in Base.metadata.tables[table].primary_key]
            key = (type_, ":".join(str(row[name]) for name in names))
            old, new = _normal(table, old), _normal(table, new)
            if key not in net:
                net[key] = [old, new]
            elif table == "engineer" or (type_ == "staff" and net[key] and "language" in (net[key][0] or net[key][1])):
                for at, side in enumerate((old, new)):  # the other half of the same row
                    if side is not None:
                        net[key][at] = {**(net[key][at] or {}), **side}
            else:
                net[key][1] = new
        facts = {key: _expected(*sides) for key, sides in net.items()}
        for (type_, id_, path), steps in links.items():
            fact = facts.setdefault((type_, id_), {"verb": "updated"}) or {"verb": "updated"}
            facts[type_, id_] = fact
            added = sorted(member for member, sum_ in steps.items() if sum_ > 0)
            removed = sorted(member for member, sum_ in steps.items() if sum_ < 0)
            if added or removed:
                fact[path] = (removed, added)
        return {key: fact for key, fact in facts.items() if fact is not None and fact != {"verb": "updated"}}


def adding(*rows: object) -> Callable[[Session], None]:
    """Return a scene that adds rows and commits."""
    return doing(lambda session: session.add_all(rows))


def doing(step: Callable[[Session], object]) -> Callable[[Session], None]:
    """Return a scene that does something and commits."""

    def scene(session: Session) -> None:
        step(session)
        session.commit()

    return scene


def table_of(class_: type[Base]) -> sa.Table:
    """Return the table of a model."""
    table = sa.inspect(class_).local_table
    assert isinstance(table, sa.Table)
    return table


def watched_models() -> list[type]:
    """Return the models of this application; other tests have theirs."""
    return [mapper.class_ for mapper in Base.registry.mappers if mapper.inherits is None]


def _enforce(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _normal(table: str, row: dict[str, Any] | None) -> dict[str, Any] | None:
    """Write a row of the oracle as the events write it: flat, without what is not told."""
    if row is None:
        return None
    found: dict[str, Any] = {}
    columns = Base.metadata.tables[table].columns
    for name, value in row.items():
        if name not in _SKIPPED and value is not None:
            _flatten(_PATHS.get((table, name), name), _value(columns[name], value), found)
    return found


def _flatten(path: str, value: Any, found: dict[str, Any]) -> None:
    if isinstance(value, dict) and "$" not in value:
        for key, item in value.items():
            _flatten(f"{path}.{key}", item, found)
    elif value is not None:
        found[path] = value


def _value(column: sa.Column[Any], value: Any) -> Any:
    kind = column.type
    if isinstance(kind, sa.JSON):
        return json.loads(value) if isinstance(value, str) else value
    if isinstance(kind, sa.Enum):
        return Role[value].value
    if isinstance(kind, sa.Boolean):
        return bool(value)
    if isinstance(kind, sa.Numeric):
        return _number(value)
    return _moment(value) if isinstance(kind, sa.DateTime) else value


def _number(value: Any) -> str:
    return f"{Decimal(str(value)):.2f}"


def _moment(value: str) -> str:
    at = datetime.fromisoformat(value)
    return (at.astimezone(UTC) if at.tzinfo else at).replace(tzinfo=None).isoformat()


def _expected(old: dict[str, Any] | None, new: dict[str, Any] | None) -> dict[str, Any] | None:
    if old is None and new is None:
        return None
    before, after = old or {}, new or {}
    found: dict[str, Any] = {
        path: (before.get(path), after.get(path)) for path in {**before, **after} if before.get(path) != after.get(path)
    }
    if "notes" in found:
        found["notes"] = "secret"
    found["verb"] = "created" if old is None else "deleted" if new is None else "updated"
    if found["verb"] == "updated" and "deleted_at" in found:
        found["verb"] = "deleted" if before.get("deleted_at") is None else "restored"
    return found


def _fact(event: Event) -> dict[str, Any]:
    """Write an event as the oracle's facts are written."""
    found: dict[str, Any] = {"verb": event.action.rpartition(".")[2]}
    for change in event.changes:
        path = change.path
        if change.class_ == "secret":
            assert (change.before, change.after) == (UNSET, UNSET)
            found[path] = "secret"
            continue
        if path == "groups":
            before = sorted(change.removed or [] if change.before is UNSET else change.before)
            after = sorted(change.added or [] if change.after is UNSET else change.after)
            found[path] = (before, after)
            continue
        if path == "picture":
            continue
        was, now = (change.removed, change.added) if change.op == "set" else (change.before, change.after)
        sides = [{} if side is UNSET or side == [] else _flat(path, side) for side in (was, now)]
        for one in {**sides[0], **sides[1]}:
            found[one] = (sides[0].get(one), sides[1].get(one))
    return found


def _flat(path: str, value: Any) -> dict[str, Any]:
    if path == "balance" and value is not None:
        value = _number(value)
    if path in {"seen_at", "deleted_at"} and isinstance(value, str):
        value = _moment(value)
    found: dict[str, Any] = {}
    _flatten(path, value, found)
    return found

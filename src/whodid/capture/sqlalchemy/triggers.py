"""The trigger tier under SQLAlchemy: tables described by their mappers, and who acts told to the database.

A class that triggers tell of is not watched by the hook, so that there is one event of a change and not two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary, WeakSet

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql

from whodid.capture.context import Scope, current
from whodid.capture.sqlalchemy.net import changes
from whodid.capture.sqlalchemy.plan import Column as Watched
from whodid.capture.sqlalchemy.plan import Many, Plan
from whodid.capture.triggers.tables import Column, Link, Table, column
from whodid.capture.triggers.telling import SETTING, told
from whodid.capture.values import plain
from whodid.errors import InvalidSetting

if TYPE_CHECKING:
    from whodid.capture.capture import Capture

__all__ = ["Teller", "described", "told_tables"]

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # it has no annotations
_MEMO = 4096
_TELL = sa.select(sa.func.set_config(SETTING, sa.bindparam("told", type_=sa.Text), sa.true()))
_SCHEMA = "public"


class _Last(NamedTuple):
    """What was told in a transaction last."""

    transaction: Any
    scope: Scope | None
    version: int
    text: str


class Teller:
    """Tells the database who acts, before the first statement of a transaction that changes something.

    Args:
        capture: Knows what is secret.
        writes: Called for the connection of each such transaction.
    """

    def __init__(self, capture: Capture, writes: Callable[[sa.Connection], None]) -> None:
        self._capture = capture
        self._noted = writes
        self._engines: WeakSet[sa.Engine] = WeakSet()
        self._last: WeakKeyDictionary[sa.Connection, _Last] = WeakKeyDictionary()
        self._writes: dict[str, bool] = {}

    def watch(self, engine: sa.Engine) -> None:
        """Listen to an engine of PostgreSQL, once."""
        if engine.dialect.name == "postgresql" and engine not in self._engines:
            self._engines.add(engine)
            event.listen(engine, "before_cursor_execute", self._before)
            event.listen(engine, "rollback_savepoint", self._undone)

    def unwatch(self) -> None:
        """Stop listening."""
        for engine in list(self._engines):
            event.remove(engine, "before_cursor_execute", self._before)
            event.remove(engine, "rollback_savepoint", self._undone)
        self._engines.clear()

    def tell(self, connection: sa.Connection) -> None:
        """Tell who acts in the transaction of a connection, if that is not known there already.

        Call it before something is written that SQLAlchemy does not see: with a cursor of the driver, or by a function
        of the database that a SELECT calls.
        """
        scope = current()
        version = 0 if scope is None else scope.version()
        last = self._last.get(connection)
        if last is None or last.transaction is not connection.get_transaction():
            last = _Last(None, None, 0, "")
            self._noted(connection)
        elif last.scope is scope and last.version == version:
            return
        text = told(scope, self._capture)
        if text != last.text:
            connection.execute(_TELL, {"told": text})
        self._last[connection] = _Last(connection.get_transaction(), scope, version, text)

    def _before(
        self, connection: sa.Connection, _cursor: Any, statement: str, _values: Any, _context: Any, _many: object
    ) -> None:
        writes = self._writes.get(statement)
        if writes is None:
            if len(self._writes) >= _MEMO:
                self._writes.clear()
            # Of any table: one that nobody told of may have a trigger or a foreign key that changes one.
            writes = self._writes[statement] = bool(changes(statement))
        if writes:
            self.tell(connection)

    def _undone(self, connection: sa.Connection, _name: str, _context: None) -> None:
        """Forget what was told: the database may have forgotten it with the savepoint."""
        if (last := self._last.get(connection)) is not None:
            # Whatever stands there now, it is not this: the next statement tells it afresh.
            self._last[connection] = last._replace(scope=None, version=-1, text="\0")


def told_tables(plan: Plan) -> tuple[sa.Table, ...]:
    """Return the tables whose rows are those of a plan: of its mapper, and between it and others for what it owns."""
    return (*plan.tables, *(many.secondary for many in plan.many if many.owns))


def described(plans: Iterator[Plan], capture: Capture) -> Iterator[Table]:
    """Yield the tables of mappers, as triggers are to tell of them.

    Args:
        plans: What would be watched of the mappers.
        capture: Its catalog says what is secret.

    Raises:
        InvalidSetting: A model names its workspace or its owner by a function, which no trigger can call.
    """
    columns: dict[sa.Table, dict[str, Watched]] = {}
    owners: dict[sa.Table, Plan] = {}
    links: dict[sa.Table, tuple[Plan, Many]] = {}
    for plan in plans:
        _check(plan)
        for table in plan.tables:
            known = owners.get(table)
            if known is None or known.mapper.isa(plan.mapper):
                owners[table] = plan
            columns.setdefault(table, {}).update(
                {one.column.name: one for one in plan.columns.values() if one.column.table is table}
            )
        links.update({many.secondary: (plan, many) for many in plan.many if many.owns})
    for table, plan in owners.items():
        yield _table(table, plan, columns[table], capture)
    for table, (plan, many) in links.items():
        if table not in owners:
            yield _between(table, plan, many)


def _check(plan: Plan) -> None:
    for what, said in (("workspace", plan.said.workspace), ("owner", plan.said.owner)):
        if callable(said):
            raise InvalidSetting(
                f"The {what} of {plan.mapper.class_.__name__} is a function, which no trigger can call",
                f"Name the attribute that holds it: model({what}=…), or leave the class to the hook",
            )


def _table(table: sa.Table, plan: Plan, told_: dict[str, Watched], capture: Capture) -> Table:
    classes = capture.catalog.classes(plan.shape.actions["updated"])
    hidden = {path for path in (one.path for one in told_.values()) if classes.of(path) == "secret"}
    hidden |= plan.shape.secret
    keys = tuple(one.name for one in table.primary_key)

    def name_of(attribute: str | None) -> str | None:
        found = None if attribute is None else plan.mapper.columns.get(attribute)
        return found.name if found is not None and found.table is table else None

    said = plan.said
    owner = said.owner if isinstance(said.owner, tuple) else None
    owner_column = name_of(owner and owner[1])
    return Table(
        name=table.name,
        schema=table.schema or _SCHEMA,
        type=plan.type,
        key=keys,
        columns=tuple(_column(one, secret=plan.shape.hide_body or one.path in hidden) for one in told_.values()),
        ignored=frozenset(one.name for one in table.columns) - set(told_) - set(keys),
        label=name_of(said.label),
        workspace=name_of(said.workspace if isinstance(said.workspace, str) else None),
        owner=None if owner is None or owner_column is None else (owner[0], owner_column),
        actions={verb: action for verb, action in plan.shape.actions.items() if action != f"{plan.type}.{verb}"},
        soft_delete=plan.shape.soft_delete,
    )


def _column(one: Watched, *, secret: bool) -> Column:
    type_: Any = one.column.type
    if isinstance(type_, sa.types.TypeDecorator):
        type_ = type_.load_dialect_impl(_DIALECT)
    choices = None
    if isinstance(type_, sa.Enum):
        if type_.enum_class is not None:
            members = [member.value for member in type_.enum_class.__members__.values()]
            choices = {label: plain(value) for label, value in zip(type_.enums, members, strict=False)}
        written = "enum"
    elif isinstance(type_, sa.Numeric) and not type_.asdecimal:
        written = "double precision"
    else:
        written = type_.compile(dialect=_DIALECT).lower()
    return column(one.column.name, written, path=one.path, secret=secret, listed=one.listed, choices=choices)


def _between(table: sa.Table, plan: Plan, many: Many) -> Table:
    relation = plan.mapper.relationships[many.key]
    source = tuple(remote.name for _, remote in relation.synchronize_pairs)
    member = tuple(remote.name for _, remote in relation.secondary_synchronize_pairs or ())
    return Table(
        name=table.name,
        schema=table.schema or _SCHEMA,
        type=plan.type,
        key=tuple(one.name for one in table.primary_key) or (*source, *member),
        columns=tuple(
            column(name, table.columns[name].type.compile(dialect=_DIALECT).lower(), secret=False)
            for name in dict.fromkeys((*source, *member))
        ),
        ignored=frozenset(one.name for one in table.columns) - {*source, *member},
        actions={verb: action for verb, action in plan.shape.actions.items() if action != f"{plan.type}.{verb}"},
        soft_delete=plan.shape.soft_delete,
        link=Link(type=plan.type, field=many.path, source=source, member=member),
    )

"""What the database does to other rows when a row is deleted: ON DELETE CASCADE, SET NULL and SET DEFAULT.

The children that it may reach are read before, and looked at again afterwards: only what really happened is told,
whether the database enforces its foreign keys or not, and whether the session did the work itself or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.orm.state import InstanceState

from whodid.capture.pending import Row
from whodid.capture.sqlalchemy.plan import Plan
from whodid.capture.sqlalchemy.rows import CHUNK, chunks, key_is, rows_by_key
from whodid.capture.sqlalchemy.unit import Now, SessionUnit
from whodid.capture.values import UNKNOWN_VALUE
from whodid.model import Related

if TYPE_CHECKING:
    from whodid.capture.sqlalchemy.hook import SessionHook

__all__ = ["Cascades"]

State = InstanceState[Any]


class _Reach(Struct, frozen=True, eq=False):
    """A foreign key through which the database changes children by itself.

    Args:
        own: Attributes of the child, of the foreign key.
        referred: Attributes of the parent that it refers to.
        deletes: Whether children go with their parent.
    """

    child: Plan
    own: tuple[str, ...]
    referred: tuple[str, ...]
    deletes: bool


class _Lost(Struct, frozen=True, eq=False):
    """Children that may be changed.

    Args:
        rows: Primary key → attribute → value before.
        more: How many there are when they are too many to be told one by one; otherwise 0.
    """

    reach: _Reach
    rows: dict[tuple[Any, ...], dict[str, Any]]
    more: int


class Cascades:
    """The foreign keys between watched tables."""

    def __init__(self, hook: SessionHook) -> None:
        self._hook = hook
        self._reaches: dict[Plan, list[_Reach]] = {}
        self._parents: dict[Plan, list[tuple[tuple[str, ...], str]]] = {}

    def before(self, unit: SessionUnit, deleted: Iterable[State]) -> None:
        """Read the children of rows that a flush will delete."""
        unit.lost.clear()
        by_plan: dict[Plan, list[Mapping[str, Any]]] = {}
        for state in deleted:
            plan = self._hook.plan(state.mapper)
            if plan is not None and state.key is not None and self._reaching(plan):
                values = {**state.dict, **unit.known.get(state, {}), **dict(zip(plan.keys, state.key[1], strict=True))}
                by_plan.setdefault(plan, []).append(values)
        for plan, rows in by_plan.items():
            unit.lost += self.read(unit, plan, rows)

    def read(self, unit: SessionUnit, plan: Plan, rows: Sequence[Mapping[str, Any]]) -> list[_Lost]:
        """Read the children that the database may change when rows of a mapper are deleted, and theirs."""
        found: list[_Lost] = []
        self._read(unit, plan, rows, found, set())
        return found

    def _read(
        self,
        unit: SessionUnit,
        plan: Plan,
        rows: Sequence[Mapping[str, Any]],
        found: list[_Lost],
        seen: set[tuple[Plan, tuple[Any, ...]]],
    ) -> None:
        for reach in self._reaching(plan):
            given = [key for row in rows if None not in (key := tuple(row.get(one) for one in reach.referred))]
            lost = self._children(unit, reach, given)
            fresh = {key: row for key, row in lost.rows.items() if (reach.child, key) not in seen}
            if not fresh and not lost.more:
                continue
            found.append(_Lost(reach, fresh, lost.more))
            if reach.deletes:
                seen |= {(reach.child, key) for key in fresh}
                self._read(unit, reach.child, list(fresh.values()), found, seen)

    def _children(self, unit: SessionUnit, reach: _Reach, given: list[tuple[Any, ...]]) -> _Lost:
        child = reach.child
        connection = unit.connection(child)
        limit = self._hook.row_limit
        columns = {column.key: column.column for column in child.columns.values() if not column.heavy}
        mapper = child.mapper
        own = [mapper.get_property(key).columns[0] for key in reach.own]
        rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        for some in chunks(given, CHUNK):
            keys = [one[0] for one in some] if len(own) == 1 else some
            where = key_is(own, sa.bindparam("keys", keys, expanding=True))
            query = (
                sa.select(*(one.label(None) for one in (*mapper.primary_key, *columns.values())))
                .select_from(mapper.persist_selectable)
                .where(where)
                .limit(limit + 1 - len(rows))
            )
            size = len(mapper.primary_key)
            for row in connection.execute(query):
                identity = tuple(row[:size])
                rows[identity] = {
                    **dict(zip(child.keys, identity, strict=True)),
                    **dict(zip(columns, row[size:], strict=True)),
                }
            if len(rows) > limit:
                return _Lost(reach, {}, self._count(connection, reach, given))
        return _Lost(reach, rows, 0)

    def _count(self, connection: sa.Connection, reach: _Reach, given: list[tuple[Any, ...]]) -> int:
        mapper = reach.child.mapper
        own = [mapper.get_property(key).columns[0] for key in reach.own]
        total = 0
        for some in chunks(given, CHUNK):
            keys = [one[0] for one in some] if len(own) == 1 else some
            where = key_is(own, sa.bindparam("keys", keys, expanding=True))
            total += (
                connection.scalar(sa.select(sa.func.count()).select_from(mapper.persist_selectable).where(where)) or 0
            )
        return total

    def after(self, unit: SessionUnit, now: Now, lost: Sequence[_Lost] | None = None) -> list[tuple[Plan, Row]]:
        """Note which of the children were deleted or changed."""
        noted: list[tuple[Plan, Row]] = []
        for one in unit.lost if lost is None else lost:
            child, place = one.reach.child, unit.connection(one.reach.child)
            if one.more:
                noted.append((child, self._summary(unit, one, now, place)))
                continue
            wanted = child.columns.keys() & set(one.reach.own)
            left = rows_by_key(place, child, wanted, one.rows)
            for identity, values in one.rows.items():
                here = left.get(identity)
                changed = [child.columns[key] for key in wanted if here is not None and here[key] != values[key]]
                if here is not None and not changed:
                    continue
                before = (
                    last_values(child, values)
                    if here is None
                    else {column.path: column.read(values[column.key]) for column in changed}
                )
                after = None if here is None else {column.path: column.read(here[column.key]) for column in changed}
                noted.append((child, unit.note(child, identity, values, now, place, before=before, after=after)))
        unit.lost.clear()
        return noted

    def _summary(self, unit: SessionUnit, lost: _Lost, now: Now, place: sa.Connection) -> Row:
        deletes = lost.reach.deletes
        details = {"rows": lost.more, "summary": "too many rows to be told one by one", "by": "foreign key"}
        return self._hook.summary(
            unit, lost.reach.child, now, place, verb="deleted" if deletes else "updated", details=details
        )

    def link(self, rows: Iterable[tuple[Plan, Row]]) -> None:
        """Name the deleted parent in the entries of rows that went or changed with it."""
        noted = list(rows)
        gone = {row.key for _, row in noted if row.after is None}
        if not gone:
            return
        for plan, row in noted:
            if row.before is None:
                continue
            for paths, parent in self._referring(plan):
                values = [row.before.get(path) for path in paths]
                key = (parent, ":".join(str(value) for value in values))
                if None not in values and key in gone and key != row.key:
                    row.related = (*row.related, Related(type=parent, id=key[1], rel="cause"))

    def _reaching(self, plan: Plan) -> list[_Reach]:
        found = self._reaches.get(plan)
        if found is None:
            found = self._reaches[plan] = list(self._reach(plan))
        return found

    def _reach(self, plan: Plan) -> Iterator[_Reach]:
        for child in self._hook.plans():
            if child.mapper.inherits is not None and child.tables == self._hook.tables_of(child.mapper.inherits):
                continue  # of the same table: the topmost mapper stands for it
            for table in child.tables:
                for constraint in table.foreign_key_constraints:
                    rule = (constraint.ondelete or "").upper()
                    if (
                        rule not in {"CASCADE", "SET NULL", "SET DEFAULT"}
                        or constraint.referred_table not in plan.tables
                    ):
                        continue
                    if table is not child.mapper.local_table or (child.mapper.isa(plan.mapper) and _of_key(constraint)):
                        continue  # a part of the same row
                    pairs = [(one.parent, one.column) for one in constraint.elements]
                    own = tuple(child.mapper.get_property_by_column(mine).key for mine, _ in pairs)
                    referred = tuple(plan.mapper.get_property_by_column(theirs).key for _, theirs in pairs)
                    yield _Reach(child, own, referred, rule == "CASCADE")

    def _referring(self, plan: Plan) -> list[tuple[tuple[str, ...], str]]:
        found = self._parents.get(plan)
        if found is None:
            found = self._parents[plan] = list(self._refer(plan))
        return found

    def _refer(self, plan: Plan) -> Iterator[tuple[tuple[str, ...], str]]:
        by_column = {column.column: column for column in plan.columns.values()}
        for table in plan.tables:
            for constraint in table.foreign_key_constraints:
                parent = self._hook.plan_of_table(constraint.referred_table)
                own = [by_column.get(one.parent) for one in constraint.elements]
                if parent is not None and all(one is not None for one in own):
                    yield tuple(one.path for one in own if one is not None), parent.type


def _of_key(constraint: sa.ForeignKeyConstraint) -> bool:
    return all(column.primary_key for column in constraint.columns)


def last_values(plan: Plan, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the last values of a row that was read before it went."""
    last: dict[str, Any] = {}
    for column in plan.listed:
        if column.heavy:
            last[column.path] = UNKNOWN_VALUE
        elif (value := values.get(column.key)) is not None:
            last[column.path] = column.read(value)
    return last

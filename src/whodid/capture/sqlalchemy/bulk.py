"""Statements of a session that change many rows: update, delete, insert, upsert, and lists of them.

The rows are read before and after, a bounded number of them, in a bounded number of statements. Above the limit there
is one entry with the exact count and the shape of the statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.orm import ORMExecuteState, Session

from whodid.capture.pending import Row
from whodid.capture.sqlalchemy.cascades import last_values
from whodid.capture.sqlalchemy.inserting import Inserting
from whodid.capture.sqlalchemy.net import shape
from whodid.capture.sqlalchemy.plan import Column, Plan
from whodid.capture.sqlalchemy.reading import SIMPLE
from whodid.capture.sqlalchemy.rows import rows_by_key
from whodid.capture.sqlalchemy.unit import Now, SessionUnit
from whodid.capture.values import DB_COMPUTED, UNKNOWN_VALUE

if TYPE_CHECKING:
    from whodid.capture.describe import Verb
    from whodid.capture.sqlalchemy.hook import SessionHook

__all__ = ["Bulk", "Work", "changed_row", "created_row", "flushed"]

Identity = tuple[Any, ...]
Values = Mapping[str, Any]


class Work(Struct, frozen=True, eq=False):
    """A statement under way on one mapper's rows."""

    hook: Any
    unit: SessionUnit
    plan: Plan
    now: Now
    place: sa.Connection

    def summary(self, verb: Verb, rows: int, statement: object, fields: Iterable[str] = ()) -> None:
        """Note one entry for all rows."""
        details: dict[str, Any] = {"rows": rows, "statement": shape(str(statement))}
        if told := sorted(fields):
            details["fields"] = told
        self.hook.summary(self.unit, self.plan, self.now, self.place, verb=verb, details=details)


class Bulk:
    """What the hook does with the statements of its sessions."""

    def __init__(self, hook: SessionHook) -> None:
        self._hook = hook
        self._inserting = Inserting(hook)

    def execute(self, state: ORMExecuteState) -> Any:
        """Run a statement that changes rows and note what it changed; None when it is not of a watched model."""
        statement: Any = state.statement
        if not (state.is_insert or state.is_update or state.is_delete):
            return None
        mapper = state.bind_mapper
        plan = self._hook.plan_of_table(statement.table) if mapper is None else self._hook.plan(mapper)
        if plan is None:
            return None
        unit = self._hook.of(state.session)
        flushed(state.session)
        work = Work(self._hook, unit, plan, unit.now(), unit.connection(plan))
        if state.is_insert:
            return self._inserting.run(state, work)
        if state.is_delete:
            return self._delete(state, work)
        if isinstance(state.parameters, list) and not statement._where_criteria:  # noqa: SLF001 - there is no other way to read it
            return self._update_by_key(state, work, state.parameters)
        return self._update(state, work)

    # ------------------------------------------------------------------------------------------------------- updates

    def _update(self, state: ORMExecuteState, work: Work) -> Any:
        statement: Any = state.statement
        columns = _assigned(work.plan, statement, state.parameters)
        if not columns:
            return run(state, work.unit)
        before = self._matching(state, work, columns)
        if before is None:
            rows = self._count(state, work)
            result = run(state, work.unit)
            work.summary("updated", rows, statement, (column.path for column in columns))
            return result
        result = run(state, work.unit)
        self._note_changes(work, before, columns)
        return result

    def _update_by_key(self, state: ORMExecuteState, work: Work, given: Sequence[Values]) -> Any:
        plan = work.plan
        columns = _named(plan, {name for values in given for name in values} - set(plan.keys))
        if not columns:
            return run(state, work.unit)
        if len(given) > self._hook.row_limit:
            result = run(state, work.unit)
            work.summary("updated", len(given), state.statement, (column.path for column in columns))
            return result
        before = self.before(work, columns, (tuple(values.get(key) for key in plan.keys) for values in given))
        result = run(state, work.unit)
        self._note_changes(work, before, columns)
        return result

    def before(self, work: Work, columns: Iterable[Column], identities: Iterable[Identity]) -> dict[Identity, Values]:
        """Read rows by their keys, before something happens to them."""
        keys = {column.key for column in columns if not column.heavy} | set(work.plan.wanted)
        return dict(rows_by_key(work.place, work.plan, keys, identities))

    def _note_changes(self, work: Work, before: Mapping[Identity, Values], columns: Sequence[Column]) -> None:
        keys = {column.key for column in columns if not column.heavy} | set(work.plan.wanted)
        after = rows_by_key(work.place, work.plan, keys, before)
        for identity, old in before.items():
            changed_row(work, identity, old, after.get(identity), columns)
        self._hold(work)

    # ------------------------------------------------------------------------------------------------------- deletes

    def _delete(self, state: ORMExecuteState, work: Work) -> Any:
        columns = [column for column in work.plan.columns.values() if not column.heavy]
        before = self._matching(state, work, columns)
        if before is None:
            rows = self._count(state, work)
            result = run(state, work.unit)
            work.summary("deleted", rows, state.statement)
            return result
        plan, cascades = work.plan, self._hook.cascades
        full = [{**values, **dict(zip(plan.keys, identity, strict=True))} for identity, values in before.items()]
        lost = cascades.read(work.unit, plan, full)
        result = run(state, work.unit)
        noted: list[tuple[Plan, Row]] = []
        for identity, values in before.items():
            last = last_values(plan, values)
            noted.append((plan, work.unit.note(plan, identity, values, work.now, work.place, before=last, after=None)))
        noted += cascades.after(work.unit, work.now, lost)
        cascades.link(noted)
        self._hold(work)
        return result

    # -------------------------------------------------------------------------------------------------- which rows

    def _matching(self, state: ORMExecuteState, work: Work, columns: Sequence[Column]) -> dict[Identity, Values] | None:
        """Read the rows that a statement will change; None when they are too many."""
        plan, limit = work.plan, self._hook.row_limit
        class_ = plan.mapper.class_
        wanted = [column.key for column in columns if not column.heavy]
        wanted += [key for key in plan.wanted if key not in wanted]
        query = self._select(state, [getattr(class_, key) for key in (*plan.keys, *wanted)])
        size = len(plan.keys)
        found: dict[Identity, Values] = {}
        for given in _sets(state.parameters):
            for row in work.place.execute(query.limit(limit + 1).with_for_update(), given):
                found[tuple(row[:size])] = dict(zip(wanted, row[size:], strict=True))
            if len(found) > limit:
                return None
        return found

    def _count(self, state: ORMExecuteState, work: Work) -> int:
        inner = self._select(state, [getattr(work.plan.mapper.class_, key) for key in work.plan.keys]).subquery()
        query = sa.select(sa.func.count()).select_from(inner)
        return sum(work.place.scalar(query, given) or 0 for given in _sets(state.parameters))

    def _select(self, state: ORMExecuteState, columns: Sequence[Any]) -> sa.Select[Any]:
        statement: Any = state.statement
        query = sa.select(*columns).where(*statement._where_criteria)  # noqa: SLF001
        return query.options(*statement._with_options) if statement._with_options else query  # noqa: SLF001

    def _hold(self, work: Work) -> None:
        self._hook.hold(work.unit)


def run(state: ORMExecuteState, unit: SessionUnit) -> Any:
    """Run a statement that somebody takes care of."""
    with unit.claim():
        return state.invoke_statement()


def flushed(session: Session) -> None:
    """Flush as the session itself would before it runs a statement, so that what is read before is true."""
    if session.autoflush and not session._flushing:  # noqa: SLF001 - inside a flush there is nothing to flush
        session.flush()


def changed_row(work: Work, identity: Identity, old: Values, new: Values | None, columns: Iterable[Column]) -> None:
    """Note a row that a statement changed; nothing when it holds what it held."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for column in columns:
        was = old.get(column.key)
        if new is None or column.heavy:
            before[column.path], after[column.path] = UNKNOWN_VALUE if column.heavy else column.read(was), DB_COMPUTED
            continue
        now = new[column.key]
        if was is now or (type(was) is type(now) and type(was) in SIMPLE and was == now):
            continue
        before[column.path], after[column.path] = column.read(was), column.read(now)
    if before:
        values = {**old, **(new or {})}
        work.unit.note(work.plan, identity, values, work.now, work.place, before=before, after=after)


def created_row(work: Work, identity: Identity, values: Values) -> None:
    """Note a row that a statement made."""
    after = last_values(work.plan, values)
    work.unit.note(work.plan, identity, values, work.now, work.place, before=None, after=after)


def _assigned(plan: Plan, statement: Any, parameters: Any) -> list[Column]:
    """Return the watched columns that an update sets."""
    names: set[Any] = set(statement._values or ())  # noqa: SLF001
    names |= {key for key, _ in getattr(statement, "_ordered_values", None) or ()}  # of SQLAlchemy 2.0
    if not names:
        for given in _sets(parameters):
            names |= set(given)
    return _named(plan, names)


def _named(plan: Plan, names: Iterable[Any]) -> list[Column]:
    found = {}
    for name in names:
        column = plan.by_name.get(name if isinstance(name, str) else getattr(name, "key", ""))
        if column is not None:
            found[column.key] = column
    if found:
        found.update({column.key: column for column in plan.updated})
    return list(found.values())


def _sets(parameters: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the sets of parameters that a statement runs with."""
    if isinstance(parameters, Mapping):
        yield parameters
    elif parameters:
        yield from parameters
    else:
        yield {}

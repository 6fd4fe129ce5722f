"""Inserts and upserts of a session: which rows came into being, and which were there before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine.result import null_result
from sqlalchemy.orm import ORMExecuteState
from sqlalchemy.sql import visitors

from whodid.capture.sqlalchemy.plan import Plan
from whodid.capture.sqlalchemy.rows import CHUNK, chunks, key_is, rows_by_key

if TYPE_CHECKING:
    from whodid.capture.sqlalchemy.bulk import Work
    from whodid.capture.sqlalchemy.hook import SessionHook

__all__ = ["Inserting"]

Identity = tuple[Any, ...]
Values = Mapping[str, Any]


class Inserting:
    """Runs the inserts of a session."""

    def __init__(self, hook: SessionHook) -> None:
        self._hook = hook

    def run(self, state: ORMExecuteState, work: Work) -> Any:
        """Run an insert and note the rows that it made or changed."""
        statement: Any = state.statement
        given = _given(work.plan, statement, state.parameters)
        conflict = _conflict(work.plan, statement)
        upserts = conflict is not None and conflict[0]
        many = isinstance(state.parameters, list) or bool(statement._multi_values) or given is None  # noqa: SLF001
        dialect = work.place.dialect
        returns = (
            dialect.insert_executemany_returning if isinstance(state.parameters, list) else dialect.insert_returning
        )
        if given is not None and len(given) > self._hook.row_limit:
            return self._too_many(state, work, len(given))
        there = self._there(work, conflict[1], given) if conflict is not None and upserts and given is not None else {}
        if (upserts and (given is None or there is None)) or (many and not returns):
            return self._too_many(state, work, None if given is None else len(given))
        with work.unit.claim():
            if not many and conflict is None and not statement._returning:  # noqa: SLF001
                result: Any = state.invoke_statement()
                identities = [tuple(result.inserted_primary_key)]
            else:
                result, identities = self._returning(state, work)
        if len(identities) > self._hook.row_limit:
            work.summary("created", len(identities), _text(work.plan, statement))
        else:
            self._note(work, identities, there or {})
        return result

    def _too_many(self, state: ORMExecuteState, work: Work, count: int | None) -> Any:
        """Run it and note one entry for all rows."""
        with work.unit.claim():
            result: Any = state.invoke_statement()
        rows = count if count is not None else getattr(result, "rowcount", -1)
        work.summary("created", rows, _text(work.plan, state.statement))
        return result

    def _note(self, work: Work, identities: Sequence[Identity], there: Mapping[Identity, Values]) -> None:
        from whodid.capture.sqlalchemy.bulk import changed_row, created_row

        columns = [column for column in work.plan.columns.values() if not column.heavy]
        keys = {column.key for column in columns} | set(work.plan.wanted)
        found = rows_by_key(work.place, work.plan, keys, dict.fromkeys(identities))
        for identity, values in found.items():
            if (old := there.get(identity)) is None:
                created_row(work, identity, values)
            else:
                changed_row(work, identity, old, values, columns)
        self._hook.hold(work.unit)

    def _returning(self, state: ORMExecuteState, work: Work) -> tuple[Any, list[Identity]]:
        """Run it so that it returns the primary keys, and give the caller what they would have got without."""
        statement: Any = state.statement
        own = len(statement._returning)  # noqa: SLF001
        class_ = work.plan.mapper.class_
        if state.bind_mapper is None:
            keys: list[Any] = list(work.plan.mapper.primary_key)
        else:
            keys = [getattr(class_, key) for key in work.plan.keys]
        result: Any = state.invoke_statement(statement.returning(*keys))
        if not own:
            identities = [tuple(row) for row in result]
            return (null_result() if isinstance(state.parameters, list) else result), identities
        frozen = result.freeze()
        identities = [tuple(row[own:]) for row in frozen()]
        return frozen().columns(*range(own)), identities

    def _there(self, work: Work, names: tuple[str, ...], given: Sequence[Values]) -> dict[Identity, Values] | None:
        """Read the rows that an upsert will meet; None when it cannot be told which they are."""
        plan = work.plan
        asked = [tuple(values.get(name) for name in names) for values in given]
        if any(None in one or any(isinstance(value, sa.ClauseElement) for value in one) for one in asked):
            return None
        own = [plan.mapper.get_property(name).columns[0] for name in names]
        columns = {column.key: column.column for column in plan.columns.values() if not column.heavy}
        primary = plan.mapper.primary_key
        found: dict[Identity, Values] = {}
        for some in chunks(dict.fromkeys(asked), CHUNK):
            keys = [one[0] for one in some] if len(own) == 1 else some
            query = sa.select(*(one.label(None) for one in (*primary, *columns.values()))).where(
                key_is(own, sa.bindparam("keys", keys, expanding=True))
            )
            for row in work.place.execute(query):
                found[tuple(row[: len(primary)])] = dict(zip(columns, row[len(primary) :], strict=True))
        return found


def _text(plan: Plan, statement: Any) -> str:
    """Write an insert in short: the ORM's own cannot be written before it is run."""
    ending = "" if _conflict(plan, statement) is None else " ON CONFLICT …"
    return f"INSERT INTO {statement.table.name}{ending}"


def _given(plan: Plan, statement: Any, parameters: Any) -> list[Values] | None:
    """Return the values of the rows by attribute; None when a query yields them."""
    if statement.select is not None:
        return None
    rows: list[Mapping[Any, Any]] = []
    if statement._multi_values:  # noqa: SLF001
        rows = [row for rows_ in statement._multi_values for row in rows_]  # noqa: SLF001
    else:
        own = statement._values or {}  # noqa: SLF001
        sets = parameters if isinstance(parameters, list) else [parameters or {}]
        rows = [{**own, **one} for one in sets]
    return [{name: _value(value) for name, value in _by_attribute(plan, row)} for row in rows]


def _by_attribute(plan: Plan, row: Mapping[Any, Any]) -> Iterable[tuple[str, Any]]:
    for name, value in row.items():
        text = name if isinstance(name, str) else name.key
        column = plan.by_name.get(text)
        yield (text if column is None else column.key), value


def _value(value: Any) -> Any:
    return value.value if isinstance(value, sa.BindParameter) else value


def _conflict(plan: Plan, statement: Any) -> tuple[bool, tuple[str, ...]] | None:
    """Read ON CONFLICT: whether it updates, and the attributes that say which row it meets; None without one."""
    for clause in visitors.iterate(statement):
        kind = getattr(clause, "__visit_name__", "")
        if not kind.startswith(("on_conflict_do", "on_duplicate_key")):
            continue
        updates = "nothing" not in kind
        elements = getattr(clause, "inferred_target_elements", None)
        named = getattr(clause, "constraint_target", None)
        if elements:
            names = [one if isinstance(one, str) else one.key for one in elements]
        elif isinstance(named, str):
            names = _constrained(plan, named)
        else:
            names = list(plan.keys)
        found = [plan.by_name.get(name) for name in names]
        if not all(found):
            return updates, plan.keys
        return updates, tuple(column.key for column in found if column is not None)
    return None


def _constrained(plan: Plan, name: str) -> list[str]:
    for table in plan.tables:
        for constraint in table.constraints:
            if constraint.name == name and isinstance(constraint, (sa.UniqueConstraint, sa.PrimaryKeyConstraint)):
                return [column.name for column in constraint.columns]
        for index in table.indexes:
            if index.name == name:
                return [column.name for column in index.columns]
    return list(plan.keys)

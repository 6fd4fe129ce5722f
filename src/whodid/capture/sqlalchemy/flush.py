"""What a flush changes, from what the session knows: no attribute is touched that might load something.

Before the flush the values are read that would be lost: columns that were overwritten unread, edited in place, or that
expired on a row which is to be deleted. After it, rows are noted from the states that the unit of work really wrote,
orphans included.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm.base import NO_VALUE, PASSIVE_NO_INITIALIZE
from sqlalchemy.orm.state import InstanceState
from sqlalchemy.orm.unitofwork import UOWTransaction

from whodid.capture.pending import Row
from whodid.capture.sqlalchemy.plan import Column, Plan
from whodid.capture.sqlalchemy.reading import SIMPLE
from whodid.capture.sqlalchemy.rows import rows_by_key
from whodid.capture.sqlalchemy.unit import SessionUnit
from whodid.capture.values import DB_COMPUTED, UNKNOWN_VALUE

if TYPE_CHECKING:
    from whodid.capture.sqlalchemy.hook import SessionHook

__all__ = ["after_flush", "before_flush", "read_before"]

State = InstanceState[Any]
_MISSING: Any = object()


def before_flush(hook: SessionHook, unit: SessionUnit) -> None:
    """Read the values that the flush would make unknown, with one statement per mapper."""
    session = unit.session
    unit.known.clear()
    unit.computing.clear()
    needs: dict[Plan, dict[State, set[str]]] = {}
    deleted = {item._sa_instance_state for item in session.deleted}  # noqa: SLF001 - what `inspect` returns, quicker
    changed = [item._sa_instance_state for item in session.dirty]  # noqa: SLF001
    for state in changed:
        plan = hook.plan(state.mapper)
        if plan is None:
            continue
        if state.mapper._is_orphan(state):  # noqa: SLF001 - the flush asks the same
            deleted.add(state)
            continue
        if missing := _overwritten(unit, plan, state):
            _need(needs, plan, state, missing)
        _need_children(hook, needs, plan, state)
    for state in deleted:
        plan = hook.plan(state.mapper)
        if plan is not None:
            if missing := {column.key for column in plan.listed if _lost(column, state)}:
                _need(needs, plan, state, {*missing, *(key for key in plan.wanted if key not in state.dict)})
            _need_children(hook, needs, plan, state)
    for plan, states in needs.items():
        read_before(unit, plan, states)
    hook.cascades.before(unit, [state for state in deleted if hook.plan(state.mapper) is not None])


def read_before(unit: SessionUnit, plan: Plan, states: dict[State, set[str]]) -> None:
    """Read columns of rows that are to be written, and keep them until the flush is over."""
    keys = {key for some in states.values() for key in some}
    identities = {state: tuple(state.key[1]) for state in states if state.key is not None}
    found = rows_by_key(unit.connection(plan), plan, keys, identities.values())
    for state, identity in identities.items():
        if (row := found.get(identity)) is not None:
            unit.known.setdefault(state, {}).update({key: row[key] for key in states[state] if key in row})


def _need(needs: dict[Plan, dict[State, set[str]]], plan: Plan, state: State, keys: Iterable[str]) -> None:
    needs.setdefault(plan, {}).setdefault(state, set()).update(keys)


def _overwritten(unit: SessionUnit, plan: Plan, state: State) -> set[str]:
    """Return the attributes of a changed object whose committed values are not known."""
    committed, loaded = state.committed_state, state.dict
    missing: set[str] = set()
    for key, value in committed.items():
        if value is NO_VALUE and (column := plan.columns.get(key)) is not None and not column.heavy:
            missing.add(key)
        if type(new := loaded.get(key)) not in SIMPLE and isinstance(new, sa.ClauseElement) and key in plan.columns:
            # The flush forgets that an expression was assigned; its value is asked for afterwards.
            unit.computing.setdefault(state, set()).add(key)
            if value is not NO_VALUE:
                unit.known.setdefault(state, {})[key] = value
    if plan.updated and any(key in plan.columns for key in committed):
        unit.computing.setdefault(state, set()).update(column.key for column in plan.updated)
        for column in plan.updated:
            if column.key in loaded and column.key not in committed:
                unit.known.setdefault(state, {})[column.key] = loaded[column.key]
            elif column.key not in loaded and not column.heavy:
                missing.add(column.key)
    if missing:
        missing |= {key for key in plan.wanted if key not in loaded}
    elif isinstance(plan.said.workspace, str) and plan.said.workspace not in loaded:
        missing.add(plan.said.workspace)
    return missing


def _lost(column: Column, state: State) -> bool:
    """Tell whether the last value of a column of a row to be deleted must be read."""
    if column.heavy:
        return False
    return state.committed_state.get(column.key) is NO_VALUE or column.key not in state.dict


def _need_children(hook: SessionHook, needs: dict[Plan, dict[State, set[str]]], plan: Plan, state: State) -> None:
    """Care for children whose foreign key the flush will set although nobody touched them, and for orphans to be."""
    for key, foreign in plan.children.items():
        if key not in state.committed_state:
            continue
        history = state.manager[key].impl.get_history(state, state.dict, PASSIVE_NO_INITIALIZE)
        for child in (*(history.added or ()), *(history.deleted or ())):
            child_state = child._sa_instance_state  # noqa: SLF001
            child_plan = hook.plan(child_state.mapper)
            if child_plan is None or child_state.key is None:
                continue
            if child_state.mapper._is_orphan(child_state):  # noqa: SLF001
                wanted = {column.key for column in child_plan.listed if _lost(column, child_state)}
            else:
                wanted = {one for one in foreign if one in child_plan.columns and one not in child_state.dict}
            if wanted:
                _need(needs, child_plan, child_state, wanted)


def after_flush(hook: SessionHook, unit: SessionUnit, context: UOWTransaction) -> None:
    """Note the rows that the flush wrote."""
    _After(hook, unit, context).note()
    unit.known.clear()
    unit.computing.clear()


class _After:
    """One flush, when its statements are through and the session still knows what was before."""

    def __init__(self, hook: SessionHook, unit: SessionUnit, context: UOWTransaction) -> None:
        self._hook = hook
        self._unit = unit
        self._context = context
        self._now = unit.now()
        self._places: dict[Plan, Any] = {}
        self._computed: dict[State, dict[str, Any]] = {}

    def note(self) -> None:
        """Note the rows, the collections and what the database did to others."""
        created: list[State] = []
        changed: dict[Plan, list[State]] = {}
        deleted: dict[Plan, list[State]] = {}
        places, unit, plan_of = self._places, self._unit, self._hook.plan
        for state, (gone, passive) in self._context.states.items():
            plan = plan_of(state.mapper)
            if plan is None or passive:
                continue
            if plan not in places:
                places[plan] = unit.connection(plan)
                changed[plan], deleted[plan] = [], []
            if gone:
                deleted[plan].append(state)
            elif state.key is None:
                created.append(state)
            else:
                changed[plan].append(state)
        replaced = self._replaced(created)
        self._read_computed(created, changed)
        noted: list[tuple[Plan, Row]] = []
        links = any(deleted.values())
        created.sort(key=_place_in_session)
        for state in created:
            if (plan := plan_of(state.mapper)) is not None:
                self._note_created(plan, state, replaced.get(state))
        for plan, states in changed.items():
            for state in _ordered(states):
                row = self._note_changed(plan, state)
                if row is not None and links:
                    noted.append((plan, row))
        for plan, states in deleted.items():
            for state in _ordered(states):
                values = dict(_values_before(unit, state))
                last = _last(unit, plan, state)
                identity = tuple(state.key[1]) if state.key else ()
                row = unit.note(plan, identity, values, self._now, places[plan], before=last, after=None)
                noted.append((plan, row))
        self._hook.members.after(unit, self._context, self._now)
        if links:
            noted += self._hook.cascades.after(unit, self._now)
            self._hook.cascades.link(noted)

    def _replaced(self, created: list[State]) -> dict[State, State]:
        """Find new objects that took the row of a deleted one: the flush makes one update of the two."""
        states = self._context.states
        if not any(gone and passive for gone, passive in states.values()):
            return {}
        session, found = self._unit.session, {}
        for state in created:
            key = state.mapper._identity_key_from_state(state)  # noqa: SLF001 - the flush asks the same
            other = session.identity_map._dict.get(key)  # noqa: SLF001 - a lookup that loads nothing
            if other is not None and states.get(other) == (True, True):
                found[state] = other
        return found

    def _read_computed(self, created: list[State], changed: Mapping[Plan, list[State]]) -> None:
        """Read what the database computed and the flush did not bring back."""
        needs: dict[Plan, dict[State, set[str]]] = {}
        for state in created:
            plan, loaded = self._hook.plan(state.mapper), state.dict
            if plan is not None and (plan.inserted or state.expired_attributes):
                keys = {column.key for column in plan.inserted if column.key not in loaded and not column.heavy}
                keys |= {key for key in state.expired_attributes if key not in loaded and _readable(plan, key)}
                if keys:
                    _need(needs, plan, state, keys)
        for plan, state in ((plan, state) for plan, states in changed.items() for state in states):
            loaded, committed = state.dict, state.committed_state
            computing = self._unit.computing.get(state)
            if computing is not None or not committed.keys() <= loaded.keys():
                asked = (*committed, *(computing or ()))
                keys = {key for key in asked if key not in loaded and _readable(plan, key)}
                if keys:
                    _need(needs, plan, state, keys)
        for plan, states in needs.items():
            identities = {state: _identity(plan, state) for state in states}
            keys = {key for some in states.values() for key in some}
            rows = rows_by_key(self._places[plan], plan, keys, identities.values())
            self._computed.update({state: rows.get(identity, {}) for state, identity in identities.items()})

    def _note_created(self, plan: Plan, state: State, replaced: State | None) -> None:
        values = state.dict
        if (found := self._computed.get(state)) is not None:
            values = {**found, **values}
        after: dict[str, Any] = {}
        for column in plan.listed:
            value = values.get(column.key)
            if value is not None:
                after[column.path] = value if type(value) is column.native else column.read(value)
            elif column.on_insert and column.key not in values:
                after[column.path] = DB_COMPUTED
        before: dict[str, Any] | None = None
        place = self._places[plan]
        if replaced is not None:  # the flush sets only what the new object says
            said = {column.path for column in plan.listed if column.key in values}
            last = _last(self._unit, plan, replaced)
            before = {path: value for path, value in last.items() if path in said}
            after = {path: after.get(path) for path in said}
        self._unit.note(plan, _identity(plan, state), values, self._now, place, before=before, after=after)

    def _note_changed(self, plan: Plan, state: State) -> Row | None:
        values, known, columns = state.dict, self._unit.known.get(state), plan.columns
        committed = state.committed_state
        keys: Collection[str] = committed
        if (computing := self._unit.computing.get(state)) is not None:
            keys = dict.fromkeys([*committed, *sorted(computing)])
        before: dict[str, Any] = {}
        after: dict[str, Any] = {}
        for key in keys:
            column = columns.get(key)
            if column is None:
                continue
            old = committed.get(key, NO_VALUE)
            if old is NO_VALUE:
                old = _MISSING if known is None else known.get(key, _MISSING)
            new = values.get(key, _MISSING)
            if new is _MISSING:
                new = self._computed.get(state, {}).get(key, _MISSING)
            if old is new or (type(old) is type(new) and type(old) in SIMPLE and old == new):
                continue
            path, native = column.path, column.native
            before[path] = old if type(old) is native else UNKNOWN_VALUE if old is _MISSING else column.read(old)
            after[path] = new if type(new) is native else DB_COMPUTED if new is _MISSING else column.read(new)
        if not before:
            return None
        if known:
            values = {**known, **values}
        place = self._places[plan]
        return self._unit.note(plan, _identity(plan, state), values, self._now, place, before=before, after=after)


def _place_in_session(state: State) -> int:
    return state.insert_order or 0


def _ordered(states: list[State]) -> list[State]:
    """Return persistent states of a mapper in the order of their keys, as the flush writes them."""
    with suppress(TypeError):  # keys that know no order
        states.sort(key=_identity_of)
    return states


def _identity_of(state: State) -> Any:
    return state.key[1] if state.key is not None else ()


def _readable(plan: Plan, key: str) -> bool:
    return (column := plan.columns.get(key)) is not None and not column.heavy


def _identity(plan: Plan, state: State) -> tuple[Any, ...]:
    """Return the primary key of a row as it is after the flush."""
    loaded = state.dict
    try:
        if len(plan.keys) == 1:
            return (loaded[plan.keys[0]],)
        return tuple(loaded[key] for key in plan.keys)
    except KeyError:
        return tuple(state.key[1]) if state.key is not None else ()


def _values_before(unit: SessionUnit, state: State) -> Iterator[tuple[str, Any]]:
    """Yield what is known of a row as it was before the flush."""
    committed = state.committed_state
    known = unit.known.get(state, {})
    for key, value in state.dict.items():
        if key not in committed:
            yield key, value
        elif committed[key] is not NO_VALUE:
            yield key, committed[key]
    yield from known.items()


def _last(unit: SessionUnit, plan: Plan, state: State) -> dict[str, Any]:
    """Return the last values of a row that is gone."""
    values = dict(_values_before(unit, state))
    last: dict[str, Any] = {}
    for column in plan.listed:
        value = values.get(column.key, _MISSING)
        if value is _MISSING:
            last[column.path] = UNKNOWN_VALUE
        elif value is not None:
            last[column.path] = value if type(value) is column.native else column.read(value)
    return last

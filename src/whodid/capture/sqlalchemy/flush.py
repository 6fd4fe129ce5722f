"""What a flush changes, from what the session knows: no attribute is touched that might load something.

Before the flush the values are read that would be lost: columns that were overwritten unread, edited in place, or that
expired on a row which is to be deleted. After it, rows are noted from the states that the unit of work really wrote,
orphans included.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import NO_VALUE, PASSIVE_NO_INITIALIZE
from sqlalchemy.orm.state import InstanceState
from sqlalchemy.orm.unitofwork import UOWTransaction

from whodid.capture.pending import Row
from whodid.capture.sqlalchemy.plan import Column, Plan
from whodid.capture.sqlalchemy.reading import COMPUTED, SIMPLE, UNKNOWN
from whodid.capture.sqlalchemy.rows import rows_by_key
from whodid.capture.sqlalchemy.unit import Now, SessionUnit

if TYPE_CHECKING:
    from whodid.capture.sqlalchemy.hook import SessionHook

__all__ = ["after_flush", "before_flush", "read_before"]

State = InstanceState[Any]
_MISSING: Any = object()


def before_flush(hook: SessionHook, unit: SessionUnit) -> None:
    """Read the values that the flush would make unknown, with one statement per mapper."""
    session = unit.session
    unit.known.clear()
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
    missing = {
        key
        for key, value in committed.items()
        if value is NO_VALUE and (column := plan.columns.get(key)) is not None and not column.heavy
    }
    if plan.updated and any(key in plan.columns for key in committed):
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
    now = unit.now()
    places: dict[Plan, Any] = {}
    created: list[State] = []
    changed: list[State] = []
    deleted: list[State] = []
    for state, (gone, passive) in context.states.items():
        plan = hook.plan(state.mapper)
        if plan is None or (passive and not gone):
            continue
        if plan not in places:
            places[plan] = unit.connection(plan)
        if not gone:
            (created if state.key is None else changed).append(state)
        elif not passive:
            deleted.append(state)
    replaced = _replaced(unit.session, created, context)
    computed = _computed(hook, unit, created, changed)
    for state in sorted(created, key=lambda one: one.insert_order):  # type: ignore[attr-defined]  # set by add()
        plan = hook.plan(state.mapper)
        if plan is not None:
            _note_created(unit, plan, state, now, places[plan], computed, replaced.get(state))
    noted: list[tuple[Plan, Row]] = []
    for state in _ordered(changed):
        plan = hook.plan(state.mapper)
        if plan is not None:
            row = _note_changed(unit, plan, state, now, places[plan], computed)
            if row is not None and deleted:
                noted.append((plan, row))
    for state in _ordered(deleted):
        plan = hook.plan(state.mapper)
        if plan is not None:
            noted.append((plan, _note_deleted(unit, plan, state, now, places[plan])))
    hook.members.after(unit, context, now)
    if deleted:
        noted += hook.cascades.after(unit, now)
        hook.cascades.link(noted)
    unit.known.clear()


def _ordered(states: list[State]) -> list[State]:
    """Return persistent states in the order of their keys, as the flush writes them."""
    try:
        return sorted(states, key=lambda state: (state.mapper.class_.__name__, state.key[1]))  # type: ignore[index]
    except TypeError:
        return states  # keys that know no order


def _replaced(session: Session, created: list[State], context: UOWTransaction) -> dict[State, State]:
    """Find new objects that took the row of a deleted one: the flush makes one update of the two."""
    if not any(gone and passive for gone, passive in context.states.values()):
        return {}
    found = {}
    for state in created:
        key = state.mapper._identity_key_from_state(state)  # noqa: SLF001 - the flush asks the same
        other = session.identity_map._dict.get(key)  # noqa: SLF001 - a lookup that loads nothing
        if other is not None and context.states.get(other) == (True, True):
            found[state] = other
    return found


def _computed(
    hook: SessionHook, unit: SessionUnit, created: list[State], changed: list[State]
) -> dict[State, dict[str, Any]]:
    """Read what the database computed and the flush did not bring back."""
    needs: dict[Plan, dict[State, set[str]]] = {}
    for state in created:
        plan = hook.plan(state.mapper)
        if plan is not None:
            loaded, committed = state.dict, state.committed_state
            keys = {column.key for column in plan.inserted if column.key not in loaded and not column.heavy}
            if len(committed) > len(loaded) or not committed.keys() <= loaded.keys():
                keys |= {key for key in committed if key not in loaded and _readable(plan, key)}
            if keys:
                _need(needs, plan, state, keys)
    for state in changed:
        plan = hook.plan(state.mapper)
        if plan is not None:
            loaded = state.dict
            keys = {key for key in state.committed_state if key not in loaded and _readable(plan, key)}
            if plan.updated:
                keys |= {
                    one.key for one in plan.updated if one.key not in loaded and one.key in unit.known.get(state, ())
                }
            if keys:
                _need(needs, plan, state, keys)
    found: dict[State, dict[str, Any]] = {}
    for plan, states in needs.items():
        identities = {state: _identity(plan, state) for state in states}
        rows = rows_by_key(
            unit.connection(plan), plan, {key for keys in states.values() for key in keys}, identities.values()
        )
        found.update({state: rows.get(identity, {}) for state, identity in identities.items()})
    return found


def _readable(plan: Plan, key: str) -> bool:
    return (column := plan.columns.get(key)) is not None and not column.heavy


def _identity(plan: Plan, state: State) -> tuple[Any, ...]:
    """Return the primary key of a row as it is after the flush."""
    loaded = state.dict
    try:
        return tuple(loaded[key] for key in plan.keys)
    except KeyError:
        return tuple(state.key[1]) if state.key is not None else ()


def _note_created(
    unit: SessionUnit,
    plan: Plan,
    state: State,
    now: Now,
    place: Any,
    computed: dict[State, dict[str, Any]],
    replaced: State | None,
) -> None:
    values = state.dict
    if (found := computed.get(state)) is not None:
        values = {**found, **values}
    after = {}
    for column in plan.listed:
        value = values.get(column.key)
        if value is not None:
            after[column.path] = value if type(value) is str else column.read(value)
        elif column.on_insert and column.key not in values:
            after[column.path] = COMPUTED
    before = None if replaced is None else _last(unit, plan, replaced)
    unit.note(plan, _identity(plan, state), values, now, place, before=before, after=after)


def _note_changed(
    unit: SessionUnit, plan: Plan, state: State, now: Now, place: Any, computed: dict[State, dict[str, Any]]
) -> Row | None:
    values, known, columns = state.dict, unit.known.get(state), plan.columns
    keys: Collection[str] = state.committed_state
    if plan.updated and any(key in columns for key in keys):
        keys = dict.fromkeys([*keys, *(column.key for column in plan.updated)])
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for key in keys:
        column = columns.get(key)
        if column is None:
            continue
        old = state.committed_state.get(key, NO_VALUE)
        if old is NO_VALUE:
            old = _MISSING if known is None else known.get(key, _MISSING)
        new = values.get(key, _MISSING)
        if new is _MISSING:
            new = computed.get(state, {}).get(key, _MISSING)
        if old is new or (type(old) is type(new) and type(old) in SIMPLE and old == new):
            continue
        before[column.path] = UNKNOWN if old is _MISSING else column.read(old)
        after[column.path] = COMPUTED if new is _MISSING else column.read(new)
    if not before:
        return None
    if known:
        values = {**known, **values}
    return unit.note(plan, _identity(plan, state), values, now, place, before=before, after=after)


def _note_deleted(unit: SessionUnit, plan: Plan, state: State, now: Now, place: Any) -> Row:
    values = dict(_values_before(unit, state))
    before = _last(unit, plan, state)
    return unit.note(plan, tuple(state.key[1]) if state.key else (), values, now, place, before=before, after=None)


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
    last = {}
    for column in plan.listed:
        value = values.get(column.key, _MISSING)
        if value is _MISSING:
            last[column.path] = UNKNOWN
        elif value is not None:
            last[column.path] = value if type(value) is str else column.read(value)
    return last

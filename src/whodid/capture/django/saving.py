"""Objects that are loaded and saved.

What was loaded is remembered at the object: by reference, and as a copy only where a value can be changed in place.
Saving compares with it, so that no query is needed to know what was before; a query is made for an object that was
never loaded, and for values that the database computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django import VERSION
from django.db import connections
from django.db.models import Model
from django.db.models.base import ModelState

from whodid.capture.django.plans import Plan, copied
from whodid.capture.django.unit import Patches, Unit, unit_of
from whodid.capture.values import DB_COMPUTED, UNKNOWN_VALUE, same

if TYPE_CHECKING:
    from whodid.capture.django.hook import Hook

_SPELLED = {(5, 0), (5, 1), (5, 2)}  # versions of Django whose `from_db` does what is written out below

__all__ = ["fetch", "known_of", "learn", "watch_saving"]


def watch_saving(hook: Hook, patches: Patches) -> None:
    """Follow what is loaded and saved."""
    plans = hook.plans

    def loading(original: Any) -> Any:
        def from_db(cls: Any, db: Any, field_names: Any, values: Any) -> Any:
            plan = plans[cls]
            if plan is None:
                return original(cls, db, field_names, values)
            if len(values) == plan.plain_width:
                # The most frequent case is written out as Django has it: a call less for each object that is loaded.
                new = cls(*values)
                state = new._state
                state.adding = False
                state.db = db
                state.whodid = values
                return new
            if len(values) != plan.width:
                new = original(cls, db, field_names, values)
                new._state.whodid = _partly(plan, field_names, values)
                return new
            new = original(cls, db, field_names, values)
            values = list(values)
            for at, _ in plan.copied:
                values[at] = copied(values[at])
            new._state.whodid = values
            return new

        def following(cls: Any, db: Any, field_names: Any, values: Any, *args: Any, **kwargs: Any) -> Any:
            new = original(cls, db, field_names, values, *args, **kwargs)
            plan = plans[cls]
            if plan is not None:
                new._state.whodid = _partly(plan, field_names if len(values) != plan.width else plan.order, values)
            return new

        return from_db if VERSION[:2] in _SPELLED else following

    def refreshing(original: Any) -> Any:
        def refresh(self: Any, using: Any = None, fields: Any = None, *args: Any, **kwargs: Any) -> None:
            original(self, using, fields, *args, **kwargs)
            plan = plans[type(self)]
            if plan is not None:
                values = self.__dict__
                names = (
                    plan.order
                    if fields is None
                    else [name for name in plan.order if name in fields or _named(plan, name) in fields]
                )
                known = dict(known_of(plan, self._state) or {})
                known.update((name, _kept(plan, name, values[name])) for name in names if name in values)
                self._state.whodid = known

        return refresh

    def saving(original: Any) -> Any:
        def save_table(
            self: Any,
            raw: Any = False,  # noqa: FBT002 - as Django has it
            cls: Any = None,
            force_insert: Any = False,  # noqa: FBT002
            force_update: Any = False,  # noqa: FBT002
            using: Any = None,
            update_fields: Any = None,
        ) -> Any:
            plan = plans[type(self)]
            if plan is None:
                return original(self, raw, cls, force_insert, force_update, using, update_fields)
            call = (raw, cls, force_insert, force_update, using, update_fields)
            unit = unit_of(hook, connections[using])
            if unit.open:
                return _saved(hook, unit, plan, original, self, call)
            return hook.run(using, lambda unit: _saved(hook, unit, plan, original, self, call))

        return save_table

    patches.put(Model, "from_db", loading)
    patches.put(Model, "refresh_from_db", refreshing)
    patches.put(Model, "_save_table", saving)


def _saved(hook: Hook, unit: Unit, plan: Plan, original: Any, self: Any, call: tuple[Any, ...]) -> Any:
    raw, cls, force_insert, force_update, using, update_fields = call
    state: ModelState = self._state
    values = self.__dict__
    known = None if state.db is not None and state.db != using else known_of(plan, state)
    if (known is None or hook.exact) and not force_insert and not _surely_new(self, raw, force_update):
        # The table of a parent is written first: the row is read before, and not again for its own table.
        if not state.__dict__.pop("whodid_read", False) and values.get(plan.pk[0]) is not None:
            known = fetch(plan, using, values, plan.light(), lock=hook.exact)
            state.whodid = known
        if cls is not plan.model:
            state.whodid_read = True
    elif known is not None and (unread := _unread(plan, values, known, update_fields)):
        known.update(fetch(plan, using, values, unread) or {})
    claimed, unit.claimed = unit.claimed, True
    try:
        updated = original(self, *call)
    finally:
        unit.claimed = claimed
    if cls is not plan.model:
        return updated  # a parent of it; all columns are told of together
    if updated:
        if known is not None:
            _noted_update(hook, unit, plan, self, known, update_fields)
    else:
        _noted_insert(hook, unit, plan, self)
    return updated


def _surely_new(self: Any, raw: Any, force_update: Any) -> bool:
    """Tell whether Django inserts without trying an update: the object is new and its key comes from a default."""
    return (
        not raw
        and not force_update
        and self._state.adding
        and all(field.has_default() or field.has_db_default() for field in self._meta.pk_fields)
    )


def _unread(plan: Plan, values: dict[str, Any], known: dict[str, Any], update_fields: Any) -> list[str]:
    """Name the columns that are about to be overwritten and were never loaded."""
    return [
        name
        for name in plan.columns.keys() - known.keys()
        if name in values
        and not plan.columns[name].heavy
        and (update_fields is None or name in update_fields or plan.columns[name].field.name in update_fields)
    ]


def _noted_insert(hook: Hook, unit: Unit, plan: Plan, self: Any) -> None:
    values = self.__dict__
    after = {name: column.json(values.get(name)) for name, column in plan.columns.items()}
    known = {name: values.get(name) for name in plan.order}
    known.update((name, copied(values.get(name))) for _, name in plan.copied)
    if computed := [name for name, value in after.items() if value is DB_COMPUTED or name in plan.generated]:
        _completed(plan, unit, values, after, known, computed)
    learn(unit, self._state, known)
    if plan.links:
        hook.members(unit, plan, added=[values])
    if plan.own:
        hook.note(unit, plan, values, None, after, subject=self)


def _noted_update(hook: Hook, unit: Unit, plan: Plan, self: Any, known: dict[str, Any], update_fields: Any) -> None:
    values = self.__dict__
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    fresh: dict[str, Any] = {}
    computed: list[str] = []
    for name, column in plan.columns.items():
        if name not in values or name in plan.generated:
            continue
        new = values[name]
        old = known.get(name, UNKNOWN_VALUE)
        if not column.copies and (new is old or (type(new) is type(old) and new == old)):
            continue
        if update_fields is not None and name not in update_fields and column.field.name not in update_fields:
            continue
        made = column.json(new)
        if made is DB_COMPUTED:
            computed.append(name)
        was = UNKNOWN_VALUE if old is UNKNOWN_VALUE else column.json(old)
        if made is not DB_COMPUTED and same(made, was):
            continue
        before[name] = was
        after[name] = made
        fresh[name] = copied(new) if column.copies else new
    if not after:
        return
    if computed or plan.generated:
        was = {name: plan.columns[name].json(known[name]) for name in plan.generated if name in known}
        _completed(plan, unit, values, after, fresh, [*computed, *was])
        before |= was
    now = {**known, **fresh}  # what was assigned and not written is no part of the row
    now.update((name, values.get(name)) for name in plan.pk)
    learn(unit, self._state, now)
    if plan.links:
        hook.members(unit, plan, added=[now], removed=[known])
    if plan.own:
        if plan.has_password and "password" in after and values.get("_password") is not None:
            _password_changed(hook, unit, plan, self)
        hook.note(unit, plan, now, before, after, subject=self)


def _password_changed(hook: Hook, unit: Unit, plan: Plan, self: Any) -> None:
    """Say that a password was chosen; that it was hashed anew, at a sign-in, is an update like any other."""
    whose = hook.workspace(plan, self.__dict__, self)
    if whose is not None:
        hook.capture.record("auth.password_changed", self, workspace=whose, bind=unit.alias)


def _completed(
    plan: Plan, unit: Unit, values: dict[str, Any], after: dict[str, Any], known: dict[str, Any], names: list[str]
) -> None:
    """Put what the database computed in the place of its expression."""
    found = fetch(plan, unit.alias, values, names) or {}
    for name in names:
        if name in found:
            after[name] = plan.columns[name].json(found[name])
            known[name] = found[name]
        else:
            after[name] = DB_COMPUTED
            known.pop(name, None)


def fetch(
    plan: Plan, alias: str, values: dict[str, Any], names: Iterable[str], *, lock: bool = False
) -> dict[str, Any] | None:
    """Return columns of a row as they are in the database now; None when there is no such row.

    Args:
        lock: Whether nobody may change them until the transaction ends, where the database can lock rows.
    """
    key = {name: values.get(name) for name in plan.pk}
    rows = plan.model._base_manager.using(alias).filter(**key).order_by()
    if lock and connections[alias].features.has_select_for_update:
        rows = rows.select_for_update()
    found = next(iter(rows.values(*plan.pk, *names)), None)
    return None if found is None else dict(found)


def known_of(plan: Plan, state: Any) -> dict[str, Any] | None:
    """Return what is known of a row as it is in the database: attribute → value; None when it was never loaded."""
    known = state.__dict__.get("whodid")
    if known is None or type(known) is dict:
        return known
    return dict(zip(plan.order, known, strict=True))


def learn(unit: Unit, state: Any, known: dict[str, Any]) -> None:
    """Remember what is in the database now; if the transaction is undone, what was known before is known again."""
    unit.knows(state, state.__dict__.get("whodid"))
    state.whodid = known


def _partly(plan: Plan, names: Iterable[str], values: Sequence[Any]) -> dict[str, Any]:
    loaded = set(names)
    known = dict(zip((name for name in plan.order if name in loaded), values, strict=False))
    known.update((name, copied(known[name])) for _, name in plan.copied if name in known)
    return known


def _kept(plan: Plan, name: str, value: Any) -> Any:
    column = plan.columns.get(name)
    return copied(value) if column is not None and column.copies else value


def _named(plan: Plan, name: str) -> str:
    column = plan.columns.get(name)
    return name if column is None else str(column.field.name)

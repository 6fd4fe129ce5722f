"""Statements of a queryset that write many rows: update, bulk_create with all its conflicts, bulk_update.

Each is one change per row, with before and after, at the price of a fixed number of statements. Above the limit of the
hook one entry tells how many rows there were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connections, models
from django.db.models import QuerySet
from django.db.models.constants import OnConflict

from whodid.capture.django.creating import Creation
from whodid.capture.django.plans import Plan, copied
from whodid.capture.django.reading import by_keys, claimed, key_of, matching, where, whole
from whodid.capture.django.saving import known_of, learn
from whodid.capture.django.unit import Patches, Unit
from whodid.capture.values import DB_COMPUTED, UNKNOWN_VALUE, same

if TYPE_CHECKING:
    from whodid.capture.django.hook import Hook

__all__ = ["watch_querysets"]


def watch_querysets(hook: Hook, patches: Patches) -> None:
    """Follow what querysets write."""
    plans = hook.plans

    def updating(original: Any) -> Any:
        def update(self: Any, **kwargs: Any) -> Any:
            plan = plans[self.model]
            if plan is None or not kwargs or self.query.is_sliced or self.query.combinator:
                return original(self, **kwargs)
            self._for_write = True

            def work(unit: Unit) -> Any:
                if unit.whole:  # a part of something that is told as a whole
                    return original(self, **kwargs)
                return _updated(hook, unit, plan, original, self, kwargs)

            return hook.run(self.db, work)

        return update

    def creating(original: Any) -> Any:
        def bulk_create(
            self: Any,
            objs: Any,
            batch_size: Any = None,
            ignore_conflicts: Any = False,  # noqa: FBT002 - as Django has it
            update_conflicts: Any = False,  # noqa: FBT002
            update_fields: Any = None,
            unique_fields: Any = None,
        ) -> Any:
            plan = plans[self.model]
            objs = list(objs)
            call = (batch_size, ignore_conflicts, update_conflicts, update_fields, unique_fields)
            if plan is None or not objs:
                return original(self, objs, *call)
            self._for_write = True
            return hook.run(self.db, lambda unit: Creation(hook, unit, plan, self, objs).run(original, call))

        return bulk_create

    def inserting(original: Any) -> Any:
        def insert(self: Any, objs: Any, fields: Any, *args: Any, **kwargs: Any) -> Any:
            if kwargs.get("on_conflict") == OnConflict.IGNORE:
                creation = Creation.under_way(connections[kwargs.get("using") or self.db])
                if creation is not None:
                    return creation.insert(objs, fields)
            return original(self, objs, fields, *args, **kwargs)

        return insert

    def updating_many(original: Any) -> Any:
        def bulk_update(self: Any, objs: Any, fields: Any, batch_size: Any = None) -> Any:
            plan = plans[self.model]
            objs = tuple(objs)
            if plan is None or not objs or not fields:
                return original(self, objs, fields, batch_size)
            self._for_write = True
            return hook.run(
                self.db, lambda unit: _updated_many(hook, unit, plan, original, self, objs, list(fields), batch_size)
            )

        return bulk_update

    patches.put(QuerySet, "update", updating)
    patches.put(QuerySet, "bulk_create", creating)
    patches.put(QuerySet, "_insert", inserting)
    patches.put(QuerySet, "bulk_update", updating_many)


def _updated(hook: Hook, unit: Unit, plan: Plan, original: Any, self: Any, kwargs: dict[str, Any]) -> Any:
    given: dict[str, Any] = {}
    for name, value in kwargs.items():
        try:
            field = self.model._meta.get_field(plan.model._meta.pk.name if name == "pk" else name)
        except models.FieldDoesNotExist:
            return original(self, **kwargs)  # which refuses it
        if getattr(field, "attname", None) in plan.columns:
            given[field.attname] = _raw(field, value)
    names = [*given, *plan.generated]
    links = [name for link in plan.links for name in (link.source, link.member)]
    if not names or (not plan.own and not links):
        return claimed(unit, lambda: original(self, **kwargs))
    rows = matching(self._chain(), unit.alias, plan, [*names, *links], hook.limit)
    result = claimed(unit, lambda: original(self, **kwargs))
    if len(rows) > hook.limit:
        details = {"rows": result, "fields": sorted(given), "where": where(self)}
        hook.summary(unit, plan, "updated", details)
        return result
    computed = [name for name, value in given.items() if hasattr(value, "resolve_expression")] + list(plan.generated)
    now = by_keys(plan, unit.alias, rows, computed) if computed and rows else {}
    batch = hook.capture.new_id() if len(rows) > 1 else None
    fixed = {name: plan.columns[name].json(value) for name, value in given.items() if name not in computed}
    moved: tuple[list[Any], list[Any]] = ([], [])
    for row in rows:
        before = {name: plan.columns[name].json(row[name]) for name in names}
        found = now.get(key_of(plan, row), {})
        after = {
            **fixed,
            **{name: plan.columns[name].json(found[name]) if name in found else DB_COMPUTED for name in computed},
        }
        changed = [name for name in names if not same(before[name], after[name])]
        if not changed:
            continue
        fresh = {**row, **{name: given[name] for name in given if name not in computed}, **found}
        if plan.links:
            moved[0].append(fresh)
            moved[1].append(row)
        if plan.own:
            hook.note(
                unit,
                plan,
                {**row, plan.label: fresh[plan.label]} if plan.label else row,
                {name: before[name] for name in changed},
                {name: after[name] for name in changed},
                batch=batch,
            )
    if plan.links and moved[0]:
        hook.members(unit, plan, added=moved[0], removed=moved[1])
    return result


def _raw(field: Any, value: Any) -> Any:
    """Return what a column gets when a field is given a value: of an object, its key."""
    if isinstance(value, models.Model) and field.remote_field:
        return getattr(value, field.target_field.attname)
    return value


def _updated_many(
    hook: Hook, unit: Unit, plan: Plan, original: Any, self: Any, objs: Any, fields: list[str], batch_size: Any
) -> Any:
    names = [field.attname for field in map(self.model._meta.get_field, fields) if field.attname in plan.columns]
    if len(objs) > hook.limit:
        result = whole(unit, lambda: original(self, objs, fields, batch_size))
        hook.summary(unit, plan, "updated", {"rows": result, "fields": sorted(names)})
        return result
    known: list[dict[str, Any]] = [
        (known_of(plan, one._state) or {}) if one._state.db in {None, unit.alias} else {} for one in objs
    ]
    unread = [at for at, one in enumerate(known) if not all(name in one for name in names)]
    stored = by_keys(plan, unit.alias, [objs[at].__dict__ for at in unread], names) if unread else {}
    for at in unread:
        known[at] = {**known[at], **stored.get(key_of(plan, objs[at].__dict__), {})}
    result = whole(unit, lambda: original(self, objs, fields, batch_size))
    expressions = any(hasattr(one.__dict__.get(name), "resolve_expression") for one in objs for name in names)
    lost = result != len(objs)
    now: dict[Any, dict[str, Any]] = {}
    if expressions or lost or plan.generated:
        now = by_keys(plan, unit.alias, [one.__dict__ for one in objs], [*names, *plan.generated])
    batch = hook.capture.new_id() if len(objs) > 1 else None
    for one, was in zip(objs, known, strict=True):
        values = one.__dict__
        found = now.get(key_of(plan, values), None if lost else {})
        if found is None:
            continue  # there is no such row any more
        written = {name: copied(found.get(name, values.get(name))) for name in names}
        before: dict[str, Any] = {}
        after: dict[str, Any] = {}
        for name in [*names, *plan.generated] if found else names:
            column = plan.columns[name]
            old = column.json(was[name]) if name in was else UNKNOWN_VALUE
            new = column.json(found.get(name, values.get(name)))
            if not same(old, new):
                before[name], after[name] = old, new
        if after and plan.own:
            hook.note(unit, plan, {**values, **was, **written}, before, after, subject=one, batch=batch)
        learn(unit, one._state, {**was, **written})
    return result

"""Statements of a queryset that write many rows: update, bulk_create with all its conflicts, bulk_update.

Each is one change per row, with before and after, at the price of a fixed number of statements. Above the limit of the
hook one entry tells how many rows there were.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.db import connections, models
from django.db.models import QuerySet, sql
from django.db.models.constants import OnConflict

from whodid.capture.django.plans import Plan, copied
from whodid.capture.django.saving import known_of, learn
from whodid.capture.django.unit import Patches, Unit
from whodid.capture.django.values import COMPUTED, UNKNOWN
from whodid.capture.values import same

if TYPE_CHECKING:
    from whodid.capture.django.hook import Hook

__all__ = ["matching", "watch_querysets"]


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
        def bulk_create(self: Any, objs: Any, batch_size: Any = None, ignore_conflicts: Any = False, update_conflicts: Any = False, update_fields: Any = None, unique_fields: Any = None) -> Any:  # fmt: skip  # noqa: FBT002
            plan = plans[self.model]
            objs = list(objs)
            call = (batch_size, ignore_conflicts, update_conflicts, update_fields, unique_fields)
            if plan is None or not objs:
                return original(self, objs, *call)
            self._for_write = True
            return hook.run(self.db, lambda unit: _Creation(hook, unit, plan, self, objs).run(original, call))

        return bulk_create

    def inserting(original: Any) -> Any:
        def insert(self: Any, objs: Any, fields: Any, returning_fields: Any = None, raw: Any = False, using: Any = None, on_conflict: Any = None, update_fields: Any = None, unique_fields: Any = None) -> Any:  # fmt: skip  # noqa: FBT002
            creation = _Creation.under_way(connections[using or self.db])
            if creation is None or on_conflict != OnConflict.IGNORE:
                return original(self, objs, fields, returning_fields, raw, using, on_conflict, update_fields, unique_fields)  # fmt: skip
            return creation.insert(objs, fields)

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


def claimed(unit: Unit, work: Any) -> Any:
    """Do something whose statements a hook answers for."""
    before, unit.claimed = unit.claimed, True
    try:
        return work()
    finally:
        unit.claimed = before


def whole(unit: Unit, work: Any) -> Any:
    """Do something that is told as a whole, whatever statements it is made of."""
    unit.whole = True
    try:
        return claimed(unit, work)
    finally:
        unit.whole = False


def matching(queryset: Any, alias: str, plan: Plan, names: Iterable[str], most: int) -> list[dict[str, Any]]:
    """Return the rows of a queryset as they are, locked where the database can; one more than `most` if they are more.

    Args:
        names: Columns to read, besides the key and what every entry tells.
    """
    rows = queryset.using(alias).order_by()
    rows.query.select_related = False
    features = connections[alias].features
    if features.has_select_for_update and not (rows.query.distinct or rows.query.group_by or rows.query.combinator):
        own = {"of": ("self",)} if features.has_select_for_update_of else {}
        rows = rows.select_for_update(**own)
    wanted = list(dict.fromkeys([*plan.pk, *plan.extra, *names]))
    found = {}
    for row in rows.values_list(*wanted)[: most + 1]:
        found[row[: len(plan.pk)]] = dict(zip(wanted, row, strict=True))
    return list(found.values())


def by_keys(plan: Plan, alias: str, rows: Sequence[dict[str, Any]], names: Iterable[str]) -> dict[Any, dict[str, Any]]:
    """Read columns of rows again: key → columns."""
    found: dict[Any, dict[str, Any]] = {}
    manager = plan.model._base_manager.using(alias)
    most = connections[alias].features.max_query_params or 10_000
    size = max(1, min(most - 10, 10_000))
    for at in range(0, len(rows), size):
        keys = [_key(plan, row) for row in rows[at : at + size]]
        for row in manager.filter(pk__in=keys).values(*plan.pk, *names):
            found[_key(plan, row)] = row
    return found


def _key(plan: Plan, row: Any) -> Any:
    return row[plan.pk[0]] if len(plan.pk) == 1 else tuple(row[name] for name in plan.pk)


# ---------------------------------------------------------------------------------------------------------------- update


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
        found = now.get(_key(plan, row), {})
        after = {
            **fixed,
            **{name: plan.columns[name].json(found[name]) if name in found else COMPUTED for name in computed},
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


def where(queryset: Any) -> str:
    """Return the shape of a condition: the statement's text, without its values."""
    try:
        compiler = queryset.query.get_compiler(queryset.db)
        compiler.pre_sql_setup()
        text, _ = compiler.compile(queryset.query.where)
    except Exception:  # noqa: BLE001 - it describes a statement that was executed already
        return ""
    return str(text)[:500]


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
        known[at] = {**known[at], **stored.get(_key(plan, objs[at].__dict__), {})}
    result = whole(unit, lambda: original(self, objs, fields, batch_size))
    expressions = any(hasattr(one.__dict__.get(name), "resolve_expression") for one in objs for name in names)
    lost = result != len(objs)
    now: dict[Any, dict[str, Any]] = {}
    if expressions or lost or plan.generated:
        now = by_keys(plan, unit.alias, [one.__dict__ for one in objs], [*names, *plan.generated])
    batch = hook.capture.new_id() if len(objs) > 1 else None
    for one, was in zip(objs, known, strict=True):
        values = one.__dict__
        found = now.get(_key(plan, values), None if lost else {})
        if found is None:
            continue  # there is no such row any more
        before: dict[str, Any] = {}
        after: dict[str, Any] = {}
        for name in [*names, *plan.generated] if found else names:
            column = plan.columns[name]
            old = column.json(was[name]) if name in was else UNKNOWN
            new = column.json(found.get(name, values.get(name)))
            if not same(old, new):
                before[name], after[name] = old, new
        if after and plan.own:
            hook.note(unit, plan, values, before, after, subject=one, batch=batch)
        learn(unit, one._state, {**was, **{name: copied(found.get(name, values.get(name))) for name in names}})
    return result


# --------------------------------------------------------------------------------------------------------------- create


class _Creation:
    """A call of `bulk_create`.

    Args:
        queryset: Whose call it is.
        objs: What is to be created.
    """

    def __init__(self, hook: Hook, unit: Unit, plan: Plan, queryset: Any, objs: list[Any]) -> None:
        self._hook = hook
        self._unit = unit
        self._plan = plan
        self._queryset = queryset
        self._objs = objs
        self._inserted: list[dict[str, Any]] = []

    @staticmethod
    def under_way(connection: Any) -> _Creation | None:
        """Return the creation that ignores conflicts on a connection now."""
        found: _Creation | None = connection.__dict__.get("whodid_creation")
        return found

    def run(self, original: Any, call: tuple[Any, ...]) -> Any:
        """Create, and note what was created."""
        _, ignore, update, update_fields, unique_fields = call
        hook, unit, plan = self._hook, self._unit, self._plan

        def create() -> Any:
            return claimed(unit, lambda: original(self._queryset, self._objs, *call))

        features = unit.connection.features
        if len(self._objs) > hook.limit or ((ignore or update) and not features.can_return_rows_from_bulk_insert):
            count = {"rows": len(self._objs)} if not ignore else {"rows_at_most": len(self._objs)}
            result = create()
            hook.summary(unit, plan, "created", {**count, "conflicts": "updated" if update else "ignored" if ignore else "none"})  # fmt: skip
            return result
        if ignore:
            unit.connection.whodid_creation = self
            try:
                result = create()
            finally:
                del unit.connection.whodid_creation
            self._created(self._inserted)
        elif update:
            before = self._conflicting(update_fields, unique_fields)
            result = create()
            self._upserted(before, update_fields, unique_fields)
        else:
            result = create()
            self._noted(self._objs)
        return result

    def insert(self, objs: Any, fields: Any) -> list[Any]:
        """Execute an INSERT that ignores conflicts, and let the database tell which rows it took."""
        plan, connection = self._plan, self._unit.connection
        query = sql.InsertQuery(plan.model, on_conflict=OnConflict.IGNORE)
        query.insert_values(fields, objs)
        compiler = query.get_compiler(connection=connection)
        told = [field for field in plan.model._meta.concrete_fields if not self._heavy(field)]
        compiler.returning_fields = told
        rows: list[Any] = []
        with connection.cursor() as cursor:
            for text, params in compiler.as_sql():
                cursor.execute(text, params)
                rows += cursor.fetchall()
        places = [field.get_col(plan.model._meta.db_table) for field in told]
        if converters := compiler.get_converters(places):
            rows = list(compiler.apply_converters(rows, converters))
        self._inserted += [{field.attname: value for field, value in zip(told, row, strict=True)} for row in rows]
        return []

    def _heavy(self, field: Any) -> bool:
        column = self._plan.columns.get(field.attname)
        return column is not None and column.heavy

    def _noted(self, objs: list[Any]) -> None:
        plan, unit = self._plan, self._unit
        rows = []
        for one in objs:
            values = one.__dict__
            rows.append({name: values.get(name) for name in plan.order})
            learn(unit, one._state, {name: copied(values.get(name)) for name in plan.columns})
        computed = [
            name
            for name in plan.columns
            if name in plan.generated or any(hasattr(row[name], "resolve_expression") for row in rows)
        ]
        if computed:
            found = by_keys(plan, unit.alias, rows, computed)
            for row in rows:
                row.update(found.get(_key(plan, row), {}))
        self._created(rows, objs)

    def _created(self, rows: list[dict[str, Any]], objs: list[Any] | None = None) -> None:
        hook, unit, plan = self._hook, self._unit, self._plan
        if plan.links and rows:
            hook.members(unit, plan, added=rows)
        if not plan.own:
            return
        batch = hook.capture.new_id() if len(rows) > 1 else None
        for at, row in enumerate(rows):
            after = {name: column.json(row.get(name)) for name, column in plan.columns.items()}
            hook.note(unit, plan, row, None, after, subject=objs[at] if objs else None, batch=batch)

    def _conflicting(self, update_fields: Any, unique_fields: Any) -> dict[Any, dict[str, Any]]:
        """Read the rows that are there already: unique values → row."""
        meta, plan = self._plan.model._meta, self._plan
        unique = self._attributes(unique_fields)
        names = [field.attname for field in map(meta.get_field, update_fields) if field.attname in plan.columns]
        found: dict[Any, dict[str, Any]] = {}
        size = max(1, ((self._unit.connection.features.max_query_params or 100_000) - 10) // max(1, len(unique)))
        manager = plan.model._base_manager.using(self._unit.alias)
        for at in range(0, len(self._objs), size):
            some = self._objs[at : at + size]
            wanted = {f"{name}__in": [one.__dict__.get(name) for one in some] for name in unique}
            for row in matching(
                manager.filter(**wanted), self._unit.alias, plan, [*unique, *names], 10 * self._hook.limit
            ):
                found[self._unique(unique, row)] = row
        return found

    def _upserted(self, before: dict[Any, dict[str, Any]], update_fields: Any, unique_fields: Any) -> None:
        hook, unit, plan = self._hook, self._unit, self._plan
        unique = self._attributes(unique_fields)
        names = [
            field.attname for field in map(plan.model._meta.get_field, update_fields) if field.attname in plan.columns
        ]
        new = [one for one in self._objs if self._unique(unique, one.__dict__) not in before]
        self._noted(new)
        batch = hook.capture.new_id() if len(self._objs) > 1 else None
        for one in self._objs:
            row = before.get(self._unique(unique, one.__dict__))
            if row is None:
                continue
            was = {name: plan.columns[name].json(row[name]) for name in names}
            now = {name: plan.columns[name].json(one.__dict__.get(name)) for name in names}
            changed = [name for name in names if not same(was[name], now[name])]
            if changed and plan.own:
                hook.note(unit, plan, row, {name: was[name] for name in changed}, {name: now[name] for name in changed}, subject=one, batch=batch)  # fmt: skip

    def _attributes(self, unique_fields: Any) -> list[str]:
        meta = self._plan.model._meta
        return [meta.get_field(meta.pk.name if name == "pk" else name).attname for name in unique_fields or ()]

    def _unique(self, names: list[str], row: Any) -> tuple[str, ...]:
        """Return the unique values of a row as they compare in the database."""
        meta = self._plan.model._meta
        return tuple(str(meta.get_field(name).to_python(row.get(name))) for name in names)

"""`bulk_create`, with all that may become of a conflict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import sql
from django.db.models.constants import OnConflict

from whodid.capture.django.plans import Plan, copied
from whodid.capture.django.reading import by_keys, claimed, key_of, matching
from whodid.capture.django.saving import learn
from whodid.capture.django.unit import Unit
from whodid.capture.values import same

if TYPE_CHECKING:
    from whodid.capture.django.hook import Hook

__all__ = ["Creation"]


class Creation:
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
    def under_way(connection: Any) -> Creation | None:
        """Return the creation that ignores conflicts on a connection now."""
        found: Creation | None = connection.__dict__.get("whodid_creation")
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
            conflicts = "updated" if update else "ignored" if ignore else "none"
            hook.summary(unit, plan, "created", {**count, "conflicts": conflicts})
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
            learn(unit, one._state, {name: copied(values.get(name)) for name in plan.order})
        computed = [
            name
            for name in plan.columns
            if name in plan.generated or any(hasattr(row[name], "resolve_expression") for row in rows)
        ]
        if computed:
            found = by_keys(plan, unit.alias, rows, computed)
            for row in rows:
                row.update(found.get(key_of(plan, row), {}))
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
                sides = [{name: side[name] for name in changed} for side in (was, now)]
                hook.note(unit, plan, row, *sides, subject=one, batch=batch)

    def _attributes(self, unique_fields: Any) -> list[str]:
        meta = self._plan.model._meta
        return [meta.get_field(meta.pk.name if name == "pk" else name).attname for name in unique_fields or ()]

    def _unique(self, names: list[str], row: Any) -> tuple[str, ...]:
        """Return the unique values of a row as they compare in the database."""
        meta = self._plan.model._meta
        return tuple(str(meta.get_field(name).to_python(row.get(name))) for name in names)

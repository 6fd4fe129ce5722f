"""Rows that go: the collector with its cascades, fast deletes and fields set to null, and many-to-many rows.

The last values of a row come from the object where it was loaded. What Django deletes without loading it is read first,
in one statement; the rows of automatic many-to-many tables are told by the DELETE itself, where the database can.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.models import QuerySet, sql
from django.db.models.deletion import Collector

from whodid.capture.django.plans import Plan
from whodid.capture.django.reading import by_keys, claimed, key_of, matching, where
from whodid.capture.django.saving import known_of
from whodid.capture.django.unit import Patches, Unit, unit_of
from whodid.capture.values import UNKNOWN_VALUE

if TYPE_CHECKING:
    from whodid.capture.django.hook import Hook

__all__ = ["watch_deletes"]


def watch_deletes(hook: Hook, patches: Patches) -> None:
    """Follow what is deleted."""
    plans = hook.plans

    def collecting(original: Any) -> Any:
        def delete(self: Any) -> Any:
            touched = [
                *self.data,
                *(one.model for one in self.fast_deletes),
                *(field.model for field, _ in self.field_updates),
            ]
            if not any(plans[model] is not None for model in touched):
                return original(self)
            return hook.run(self.using, lambda unit: _Deletion(hook, unit, self).run(original))

        return delete

    def deleting(original: Any) -> Any:
        def raw_delete(self: Any, using: Any) -> Any:
            plan = plans[self.model]
            if plan is None:
                return original(self, using)
            return hook.run(using, lambda unit: _raw_deleted(hook, unit, plan, original, self))

        return raw_delete

    def by_key(original: Any) -> Any:
        def batch(self: Any, *args: Any) -> Any:
            unit = unit_of(hook, connections[args[-1]])
            if not unit.collecting:
                return original(self, *args)
            return claimed(unit, lambda: original(self, *args))

        return batch

    patches.put(sql.DeleteQuery, "delete_batch", by_key)
    patches.put(sql.UpdateQuery, "update_batch", by_key)
    patches.put(Collector, "delete", collecting)
    patches.put(QuerySet, "_raw_delete", deleting)


class _Deletion:
    """One call of `Collector.delete`.

    Args:
        collector: What Django collected.
    """

    def __init__(self, hook: Hook, unit: Unit, collector: Any) -> None:
        self._hook = hook
        self._unit = unit
        self._collector = collector

    def run(self, original: Any) -> Any:
        """Delete, and note what was deleted and what was set to null."""
        unit = self._unit
        if unit.deletion is not None:  # a signal handler deletes something else meanwhile
            return self._run(original)
        unit.together(self._hook.capture.new_id)
        try:
            return self._run(original)
        finally:
            unit.together(None)

    def _run(self, original: Any) -> Any:
        hook, unit = self._hook, self._unit
        gone = [
            (plan, sorted(instances, key=lambda one: one.pk) if len(instances) > 1 else list(instances))
            for model, instances in self._collector.data.items()
            if instances and (plan := hook.plans[model]) is not None and not self._is_parent(model)
        ]
        last = [
            (plan, instances, self._last(plan, instances)) for plan, instances in gone if len(instances) <= hook.limit
        ]
        nulled = self._nulled()
        result = self._collected(original)
        nulled()
        for plan, _, rows in last:  # first the members, then their owner, of whom nothing can be told after he went
            if plan.links:
                hook.members(unit, plan, removed=rows)
        for plan, instances, rows in last:
            if plan.own:
                for one, row in zip(instances, rows, strict=True):
                    hook.note(unit, plan, row, _whole(plan, row), None, subject=one)
        for plan, instances in gone:
            if len(instances) > hook.limit:
                hook.summary(unit, plan, "deleted", {"rows": len(instances)})
        return result

    def _collected(self, original: Any) -> Any:
        """Let the collector delete; what signal handlers do meanwhile is their own affair."""
        unit = self._unit
        before, unit.collecting = unit.collecting, True
        try:
            return original(self._collector)
        finally:
            unit.collecting = before

    def _is_parent(self, model: Any) -> bool:
        """Tell whether a model is deleted only as the parent of another one, which tells of all columns."""
        return any(
            model is not other
            and issubclass(other, model)
            and self._hook.plans[other] is not None
            and other._meta.concrete_model is not model._meta.concrete_model
            and {one.pk for one in self._collector.data[model]} <= {one.pk for one in self._collector.data[other]}
            for other in self._collector.data
        )

    def _last(self, plan: Plan, instances: list[Any]) -> list[dict[str, Any]]:
        """Return the last values of rows; what the collector left out is read, what the application did is not."""
        rows = [{**one.__dict__, **(known_of(plan, one._state) or {})} for one in instances]
        asked = self._collector.origin
        ours = (
            isinstance(asked, QuerySet)
            and asked.model._meta.concrete_model is plan.model
            and asked.query.deferred_loading[0]
        )
        wanted = plan.wanted
        lacking = [
            at
            for at, (one, row) in enumerate(zip(instances, rows, strict=True))
            if self._hook.exact or (one is not asked and not ours and not wanted <= row.keys())
        ]
        if lacking:
            found = by_keys(plan, self._unit.alias, [rows[at] for at in lacking], sorted(wanted))
            for at in lacking:
                stored = found.get(key_of(plan, rows[at]), {})
                rows[at] = {**rows[at], **stored} if self._hook.exact else {**stored, **rows[at]}
        return rows

    def _nulled(self) -> Any:
        """Read the rows whose references are set to null or to a default; return what notes them afterwards.

        Only the objects that Django has loaded: of the others the queryset's own update tells.
        """
        hook, unit = self._hook, self._unit
        found: list[tuple[Plan, str, Any, list[dict[str, Any]]]] = []
        for (field, value), lists in self._collector.field_updates.items():
            plan = hook.plans[field.model]
            if plan is None or field.attname not in plan.columns:
                continue
            loaded = [some for some in lists if not isinstance(some, QuerySet) or some._result_cache is not None]
            objs = [one.__dict__ for some in loaded for one in some]
            if objs:
                rows = by_keys(plan, unit.alias, objs, [field.attname, *plan.extra])
                found.append((plan, field.attname, value, list(rows.values())))

        def note() -> None:
            for plan, name, value, rows in found:
                column = plan.columns[name]
                after = column.json(value.pk if hasattr(value, "pk") else value)
                for row in rows:
                    hook.note(unit, plan, row, {name: column.json(row[name])}, {name: after})

        return note


def _whole(plan: Plan, row: dict[str, Any]) -> dict[str, Any]:
    """Return all that is known of a row that goes."""
    return {name: column.json(row[name]) if name in row else UNKNOWN_VALUE for name, column in plan.columns.items()}


def _raw_deleted(hook: Hook, unit: Unit, plan: Plan, original: Any, self: Any) -> Any:
    if (
        not plan.own
        and unit.connection.features.can_return_rows_from_bulk_insert
        and unit.connection.vendor in {"sqlite", "postgresql"}
    ):
        rows = claimed(unit, lambda: _returning(unit, plan, self))
        hook.members(unit, plan, removed=rows)
        return len(rows)
    rows = matching(self._chain(), unit.alias, plan, _columns(plan), hook.limit)
    count = claimed(unit, lambda: original(self, unit.alias))
    if len(rows) > hook.limit:
        hook.summary(unit, plan, "deleted", {"rows": count, "where": where(self)})
        return count
    if plan.links and rows:
        hook.members(unit, plan, removed=rows)
    if plan.own:
        batch = hook.capture.new_id() if len(rows) > 1 else None
        for row in rows:
            hook.note(unit, plan, row, _whole(plan, row), None, batch=batch)
    return count


def _columns(plan: Plan) -> list[str]:
    return plan.light() if plan.own else [name for link in plan.links for name in (link.source, link.member)]


def _returning(unit: Unit, plan: Plan, self: Any) -> list[dict[str, Any]]:
    """Delete rows of a many-to-many table, and let the database tell which they were."""
    query = self.query.clone()
    query.__class__ = sql.DeleteQuery
    compiler = query.get_compiler(unit.alias)
    text, params = compiler.as_sql()
    columns = [plan.model._meta.get_field(name) for name in plan.order]
    quoted = ", ".join(unit.connection.ops.quote_name(field.column) for field in columns)
    with unit.connection.cursor() as cursor:
        cursor.execute(f"{text} RETURNING {quoted}", params)
        rows = cursor.fetchall()
    places = [field.get_col(plan.model._meta.db_table) for field in columns]
    if converters := compiler.get_converters(places):
        rows = compiler.apply_converters(rows, converters)
    return [dict(zip(plan.order, row, strict=True)) for row in rows]

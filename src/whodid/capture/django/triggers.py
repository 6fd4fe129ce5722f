"""The trigger tier under Django: tables described by their models, and who acts told to the database.

A model that triggers tell of is not watched by the hook, so that there is one event of a change and not two.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.db import connections, transaction
from django.db.backends.signals import connection_created

from whodid.capture.context import current
from whodid.capture.django.net import READS, written_tables
from whodid.capture.django.outbox import TABLE
from whodid.capture.django.plans import Plan
from whodid.capture.django.unit import unit_of
from whodid.capture.triggers import Column, Link, Script, Table, column
from whodid.capture.triggers.telling import SETTING, told
from whodid.errors import InvalidSetting

if TYPE_CHECKING:
    from whodid.capture.django.hook import Hook

__all__ = ["Teller", "script"]

_TELL = "SELECT set_config(%s, %s, true)"


class Teller:
    """Tells the database who acts, before the first statement of a transaction that changes something."""

    def __init__(self, hook: Hook) -> None:
        self._hook = hook

    def install(self) -> None:
        """Watch the connections that exist, and those to come."""
        for connection in connections.all(initialized_only=True):
            self._watch(connection=connection)
        connection_created.connect(self._watch, weak=False)

    def remove(self) -> None:
        """Watch no connection any longer."""
        connection_created.disconnect(self._watch)
        for connection in connections.all(initialized_only=True):
            while self._execute in connection.execute_wrappers:
                connection.execute_wrappers.remove(self._execute)

    def _watch(self, *, connection: Any, **_: Any) -> None:
        if connection.vendor == "postgresql" and self._execute not in connection.execute_wrappers:
            connection.execute_wrappers.append(self._execute)

    def _execute(self, execute: Any, statement: Any, params: Any, many: Any, context: Any) -> Any:
        if isinstance(statement, str) and (statement.startswith(READS) or not written_tables(statement)):
            return execute(statement, params, many, context)
        connection = context["connection"]
        if connection.get_autocommit() and not connection.in_atomic_block:
            # Alone, the setting would end before the statement begins.
            with transaction.atomic(using=connection.alias):
                self.tell(connection)
                return execute(statement, params, many, context)
        self.tell(connection)
        return execute(statement, params, many, context)

    def tell(self, connection: Any) -> None:
        """Tell who acts in the transaction of a connection, if that is not known there already."""
        unit, scope = unit_of(self._hook, connection), current()
        now = (scope, 0 if scope is None else scope.version())
        if unit.open and unit.teller == now:
            return
        with connection.connection.cursor() as cursor:
            cursor.execute(_TELL, [SETTING, told(scope, self._hook.capture)])
        if unit.open:
            unit.teller = now
            unit.wakes()


def script(hook: Hook, alias: str) -> Script:
    """Return the SQL of the triggers that the setting TRIGGERS asks for.

    Args:
        hook: The installed one.
        alias: The database; it says how the types of the columns are called.

    Raises:
        InvalidSetting: The database is not PostgreSQL, or a model names its workspace by a function.
    """
    connection = connections[alias]
    if connection.vendor != "postgresql":
        raise InvalidSetting(f"The database {alias} is not PostgreSQL", "Name one that is: --database")
    plans = hook.plans.claimed_plans()
    tables = [*(_table(plan, hook, connection) for plan in plans), *_links(plans, connection)]
    limit = min(max(hook.limit, 1), 100_000)
    whose = hook.capture.one_workspace
    return Script(tables=tuple(tables), outbox=TABLE, zoned=_zoned(), row_limit=limit, workspace=whose)


def _zoned() -> bool:
    from django.conf import settings

    return bool(settings.USE_TZ)


def _place(meta: Any) -> tuple[str, str]:
    """Return the schema and the name of a table; some write both into the name."""
    schema, dot, name = meta.db_table.replace('"', "").rpartition(".")
    return (schema, name) if dot else ("public", meta.db_table)


def _table(plan: Plan, hook: Hook, connection: Any) -> Table:
    meta, classes = plan.model._meta, hook.capture.catalog.classes(plan.shape.actions["updated"])
    if callable(plan.options.workspace):
        raise InvalidSetting(
            f"The workspace of {meta.label} is a function, which no trigger can call",
            "Name the field that holds it: audited(workspace='…'), or leave the model to the hook",
        )
    fields = {field.attname: field for field in meta.local_concrete_fields}
    keys = [field for field in meta.pk_fields if field.attname in fields]
    columns = [_column(field, connection, secret=None, listed=False) for field in keys]
    columns += [
        _column(one.field, connection, secret=one.hidden or classes.of(one.name) == "secret")
        for one in plan.columns.values()
        if one.name in fields
    ]
    schema, name = _place(meta)
    known = {one.name for one in columns}

    def column_of(attribute: str | None) -> str | None:
        return str(fields[attribute].column) if attribute in fields else None

    return Table(
        name=name,
        schema=schema,
        type=plan.type,
        key=tuple(field.column for field in keys),
        columns=tuple(columns),
        ignored=frozenset(field.column for field in fields.values()) - known,
        label=column_of(plan.label),
        workspace=column_of(plan.place),
        soft_delete=plan.shape.soft_delete,
    )


def _column(field: Any, connection: Any, *, secret: bool | None, listed: bool = True) -> Column:
    return column(field.column, field.db_type(connection) or "text", path=field.attname, secret=secret, listed=listed)


def _links(plans: list[Plan], connection: Any) -> Iterator[Table]:
    """Yield the tables that Django makes for many-to-many fields; they are told of the model with the field."""
    for plan in plans:
        for field in plan.model._meta.local_many_to_many:
            through = field.remote_field.through
            if not through._meta.auto_created:
                continue
            schema, name = _place(through._meta)
            fields = [through._meta.get_field(one) for one in (field.m2m_field_name(), field.m2m_reverse_field_name())]
            source, member = ((one.column,) for one in fields)
            yield Table(
                name=name,
                schema=schema,
                type=plan.type,
                key=(through._meta.pk.column,),
                columns=tuple(_column(one, connection, secret=False) for one in fields),
                ignored=frozenset({through._meta.pk.column}),
                soft_delete=plan.shape.soft_delete,
                link=Link(type=plan.type, field=field.name, source=source, member=member),
            )

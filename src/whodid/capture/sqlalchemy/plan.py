"""What is to be watched of a mapped class, worked out once.

A plan never holds a row and never touches an attribute of one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.orm import ColumnProperty, Mapper, RelationshipDirection, RelationshipProperty
from sqlalchemy.orm.base import NO_VALUE
from sqlalchemy.orm.exc import UnmappedColumnError

from whodid.capture.describe import Shape, Verb
from whodid.capture.events import identifier
from whodid.capture.sqlalchemy.model import Model
from whodid.capture.sqlalchemy.reading import Read, native, reader
from whodid.capture.values import plain
from whodid.errors import InvalidSetting
from whodid.model import Related, Resource

__all__ = ["Column", "Many", "Plan", "make_plan", "name_of_class", "resource_id"]

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SECRET_TYPE = re.compile(r"encrypt|passw|secret", re.IGNORECASE)
_VERBS: tuple[Verb, ...] = ("created", "updated", "deleted", "restored")


class Column(Struct, frozen=True, kw_only=True, eq=False):
    """A column that is watched.

    Args:
        key: Its attribute.
        path: What it is called in the changes.
        read: Makes a JSON value of its values.
        native: The type of values that are JSON values as they are.
        heavy: It is not read from the database for the sake of an entry.
        listed: It is told of a row that was created or deleted.
        on_insert: The database may compute it when a row is inserted.
        on_update: It may get another value by itself when a row is updated.
    """

    key: str
    path: str
    column: sa.Column[Any]
    read: Read
    native: type
    heavy: bool
    listed: bool
    on_insert: bool
    on_update: bool


class Many(Struct, frozen=True, kw_only=True, eq=False):
    """A many-to-many relationship.

    Args:
        key: Its attribute.
        path: What it is called in the changes of the owner.
        owns: Whether the entries are about this side.
        secondary: The table between.
        remote: The mapper of the other side.
    """

    key: str
    path: str
    owns: bool
    secondary: sa.Table
    remote: Mapper[Any]


class Plan(Struct, frozen=True, kw_only=True, eq=False):
    """What is watched of one mapper.

    Args:
        keys: The attributes of the primary key, in the order of the identity.
        columns: By attribute.
        by_name: By the name of the column and by attribute, for statements.
        many: Its many-to-many relationships, both sides.
        children: One-to-many relationships: attribute → attributes of the foreign key on the other side.
        tables: The tables that hold its rows.
    """

    mapper: Mapper[Any]
    said: Model
    type: str
    shape: Shape
    keys: tuple[str, ...]
    columns: Mapping[str, Column]
    by_name: Mapping[str, Column]
    listed: tuple[Column, ...]
    inserted: tuple[Column, ...]
    updated: tuple[Column, ...]
    many: tuple[Many, ...]
    children: Mapping[str, tuple[str, ...]]
    tables: tuple[sa.Table, ...]

    def name(self, values: Mapping[str, Any]) -> str | None:
        """Return the name of a row, when it is loaded."""
        label = self.said.label
        value = None if label is None else values.get(label)
        return None if value is None or value is NO_VALUE else str(value)

    def workspace(self, values: Mapping[str, Any]) -> str | None:
        """Return the workspace that a row says by itself."""
        said = self.said.workspace
        value = said(values) if callable(said) else None if said is None else values.get(said)
        return None if value is None or value is NO_VALUE else str(value)

    def owner(self, values: Mapping[str, Any]) -> tuple[Related, ...]:
        """Return what a row belongs to."""
        said = self.said.owner
        if said is None:
            return ()
        found = said(values) if callable(said) else (said[0], values.get(said[1]))
        if found is None or found[1] is None or found[1] is NO_VALUE:
            return ()
        return (Related(type=found[0], id=str(found[1]), rel="owner"),)

    def resource(self, identity: tuple[Any, ...], values: Mapping[str, Any]) -> Resource:
        """Name a row."""
        return Resource(type=self.type, id=resource_id(identity), name=self.name(values))

    @property
    def wanted(self) -> Iterator[str]:
        """The attributes that say whose a row is and what it is called."""
        for said in (self.said.label, self.said.workspace):
            if isinstance(said, str):
                yield said
        if isinstance(self.said.owner, tuple):
            yield self.said.owner[1]


def resource_id(identity: tuple[Any, ...]) -> str:
    """Write a primary key as the id of a resource; the parts of a composite one are joined by colons."""
    if len(identity) == 1:
        value = identity[0]
        return str(value) if type(value) is int else identifier(value if type(value) is str else str(plain(value)))
    return identifier(":".join(str(plain(value)) for value in identity))


def name_of_class(class_: type) -> str:
    """Return the type of resource that a class gets when nothing else is said."""
    return "_".join(re.findall(r"[a-z0-9]+", _HUMP.sub("_", class_.__name__).lower())) or "row"


def make_plan(mapper: Mapper[Any], *, zones: bool) -> Plan | None:
    """Work out what is watched of a mapper; None when its rows are in no table.

    Args:
        mapper: Of the class.
        zones: Whether the database keeps the zone of an instant.

    Raises:
        InvalidSetting: `__audit__` names an attribute that the class does not have.
    """
    tables = tuple(table for table in mapper.tables if isinstance(table, sa.Table))
    if not tables:
        return None
    said = getattr(mapper.class_, "__audit__", None) or Model()
    if not isinstance(said, Model):
        raise InvalidSetting(f"__audit__ of {mapper.class_.__name__} is not a model(...)", "Make it with model(...)")
    columns = {column.key: column for column in _columns(mapper, said, zones=zones)}
    many = tuple(_many(mapper, said))
    _check(mapper, said, {prop.key for prop in [*mapper.column_attrs, *mapper.relationships]})
    keys = tuple(mapper.get_property_by_column(column).key for column in mapper.primary_key)
    type_ = said.type or name_of_class(mapper.base_mapper.class_)
    soft = None if said.soft_delete is None else said.fields.get(said.soft_delete, said.soft_delete)
    hidden = {column.path for column in columns.values() if _SECRET_TYPE.search(type(column.column.type).__name__)}
    return Plan(
        mapper=mapper,
        said=said,
        type=type_,
        shape=Shape(
            actions={verb: said.actions.get(verb, f"{type_}.{verb}") for verb in _VERBS},
            secret=frozenset({said.fields.get(key, key) for key in said.redact} | hidden),
            hide_body=said.hide_body,
            soft_delete=soft,
        ),
        keys=keys,
        columns=columns,
        by_name={
            **{column.column.name: column for column in columns.values()},
            **{column.column.key: column for column in columns.values()},
            **columns,
        },
        listed=tuple(column for column in columns.values() if column.listed),
        inserted=tuple(column for column in columns.values() if column.on_insert and column.listed),
        updated=tuple(column for column in columns.values() if column.on_update),
        many=many,
        children=dict(_children(mapper)),
        tables=tables,
    )


def _columns(mapper: Mapper[Any], said: Model, *, zones: bool) -> Iterator[Column]:
    for prop in mapper.column_attrs:
        column = prop.columns[0]
        # A version column changes with every update and says nothing.
        if not isinstance(column, sa.Column) or prop.key in said.ignore or column is mapper.version_id_col:
            continue
        lone_key = column.primary_key and len(mapper.primary_key) == 1 and not column.foreign_keys
        inherited_key = column.primary_key and len(prop.columns) > 1
        yield Column(
            key=prop.key,
            path=said.fields.get(prop.key, prop.key),
            column=column,
            read=reader(column.type, zones=zones),
            native=native(column.type),
            heavy=_heavy(prop),
            listed=not (lone_key or inherited_key),
            on_insert=_computed(column.default, column.server_default),
            on_update=column.onupdate is not None
            or _computed(None, column.server_onupdate)
            # A computed column is a server default and a server onupdate in one.
            or column.computed is not None,
        )


def _heavy(prop: ColumnProperty[Any]) -> bool:
    return bool(prop.deferred) or isinstance(prop.columns[0].type, sa.LargeBinary)


def _computed(default: Any, server_default: Any) -> bool:
    return server_default is not None or (default is not None and not default.is_scalar and not default.is_callable)


def _many(mapper: Mapper[Any], said: Model) -> Iterator[Many]:
    for prop in mapper.relationships:
        secondary = prop.secondary
        if (
            prop.direction is RelationshipDirection.MANYTOMANY
            and isinstance(secondary, sa.Table)
            and not prop.viewonly
            and prop.key not in said.ignore
        ):
            yield Many(
                key=prop.key,
                path=said.fields.get(prop.key, prop.key),
                owns=_owns(prop, secondary),
                secondary=secondary,
                remote=prop.mapper,
            )


def _owns(prop: RelationshipProperty[Any], secondary: sa.Table) -> bool:
    """Tell whether the entries are about this side: the only one there is, or the one the table names first."""
    others = [one for one in prop.mapper.relationships if one.secondary is secondary and one is not prop]
    if not any(one.mapper.common_parent(prop.parent) and not one.viewonly for one in others):
        return True
    own = {remote for _, remote in prop.local_remote_pairs if remote.table is secondary}
    own &= {pair[1] for pair in prop.synchronize_pairs}
    first = next((column for column in secondary.columns if column.foreign_keys), None)
    return first in own


def _children(mapper: Mapper[Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for prop in mapper.relationships:
        if prop.direction is RelationshipDirection.ONETOMANY and not prop.viewonly:
            yield prop.key, tuple(key for _, remote in prop.synchronize_pairs for key in _key_of(prop.mapper, remote))


def _key_of(mapper: Mapper[Any], column: Any) -> Iterator[str]:
    with suppress(UnmappedColumnError):
        yield mapper.get_property_by_column(column).key


def _check(mapper: Mapper[Any], said: Model, known: set[str]) -> None:
    named = {*said.ignore, *said.redact, *said.fields}
    named |= {one for one in (said.label, said.soft_delete, said.workspace) if isinstance(one, str)}
    if isinstance(said.owner, tuple):
        named.add(said.owner[1])
    if unknown := sorted(named - known):
        raise InvalidSetting(
            f"__audit__ of {mapper.class_.__name__} names {', '.join(unknown)}, which it does not have",
            f"Use some of {', '.join(sorted(known))}",
        )

"""Which tables triggers tell of, and how: what the SQL is written from.

A description comes from a model of SQLAlchemy (`whodid.capture.sqlalchemy.triggers`) or Django
(`whodid.capture.django.triggers`), or is said with `table` where there is no model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from whodid.capture.triggers.forms import Form, form_of
from whodid.catalog.classes import is_secret_name
from whodid.errors import InvalidSetting

__all__ = ["Column", "Link", "Table", "column", "table"]

_LONGEST = 63  # bytes of a name in PostgreSQL
_TYPE = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")


class Column(Struct, frozen=True, kw_only=True):
    """A column that is told.

    Args:
        name: In the table.
        path: What it is called in the changes.
        type: As PostgreSQL writes it.
        form: How its values travel.
        listed: Whether it is told of a row that was created or deleted.
        choices: Of an enumeration: what the database keeps → the value of the member.
    """

    name: str
    path: str
    type: str
    form: Form
    listed: bool = True
    choices: Mapping[str, Any] | None = None


class Link(Struct, frozen=True, kw_only=True):
    """What a row of a many-to-many table means: a member of a field of its owner.

    Args:
        type: Of the resource that is the owner.
        field: The path of the members in its changes.
        source: Columns that name the owner, in the order of its key.
        member: Columns that name the member.
    """

    type: str
    field: str
    source: tuple[str, ...]
    member: tuple[str, ...]


class Table(Struct, frozen=True, kw_only=True):
    """A table that triggers tell of.

    Args:
        name: Of the table.
        schema: Its database schema.
        type: Of the resource that a row is.
        key: The columns of its primary key, in order.
        columns: What is told of it, key columns included where a change of them is told.
        ignored: Columns whose changes are not worth an entry.
        label: The column that names a row.
        workspace: The column that holds the workspace; otherwise the scope says it.
        owner: Type of what a row belongs to, and the column that holds its id.
        actions: Verb → name of the action, where it is another one than `type.verb`.
        soft_delete: The path of the column that is set when a row counts as deleted.
        link: Of a many-to-many table, what its rows mean.
    """

    name: str
    type: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    schema: str = "public"
    ignored: frozenset[str] = frozenset()
    label: str | None = None
    workspace: str | None = None
    owner: tuple[str, str] | None = None
    actions: Mapping[str, str] = {}
    soft_delete: str | None = None
    link: Link | None = None

    def __post_init__(self) -> None:
        for name in (self.name, self.schema, *self.key, *(one.name for one in self.columns)):
            if not name or "\0" in name or len(name.encode()) > _LONGEST:
                raise InvalidSetting(
                    f"{name[:80]!r} is not a name in PostgreSQL", f"Use 1 to {_LONGEST} bytes, none of them zero"
                )
        if not self.key:
            raise InvalidSetting(
                f"The table {self.name} has no primary key, so that its rows cannot be named",
                "Give it one, or name the columns that tell its rows apart: table(..., key=[...])",
            )
        if not self.type or not _TYPE.issuperset(self.type):
            raise InvalidSetting(
                f"{self.type!r} is not a type of resource", "Use lower-case letters, digits and underscores"
            )

    @property
    def named(self) -> tuple[tuple[str, str], ...]:
        """What is told of a row besides its key and its values: what it says, and the column that says it."""
        said = (("label", self.label), ("workspace", self.workspace), ("owner", self.owner and self.owner[1]))
        return tuple((what, name) for what, name in said if name is not None)


def column(
    name: str,
    type: str,
    *,
    path: str | None = None,
    secret: bool | None = None,
    listed: bool = True,
    choices: Mapping[str, Any] | None = None,
) -> Column:
    """Describe a column; whether it is a secret is decided here, once and for all.

    Args:
        name: In the table.
        type: As PostgreSQL writes it.
        path: What it is called in the changes; its name when not given.
        secret: Whether nothing is told of its values; when not given, its name decides.
        listed: Whether it is told of a row that was created or deleted.
        choices: Of an enumeration: what the database keeps → the value of the member.
    """
    by_name = any(is_secret_name(part) for one in (name, path or name) for part in one.split("."))
    hidden = by_name if secret is None else secret
    return Column(
        name=name,
        path=path or name,
        type=type,
        form="secret" if hidden else form_of(type),
        listed=listed,
        choices=None if hidden else choices,
    )


def table(
    name: str,
    columns: Mapping[str, str],
    *,
    key: Iterable[str] = ("id",),
    type: str | None = None,
    schema: str = "public",
    ignore: Iterable[str] = (),
    redact: Iterable[str] = (),
    plain: Iterable[str] = (),
    hide_body: bool = False,
    label: str | None = None,
    workspace: str | None = None,
    owner: tuple[str, str] | None = None,
    actions: Mapping[str, str] | None = None,
    soft_delete: str | None = None,
) -> Table:
    """Describe a table for which there is no model.

    Args:
        name: Of the table.
        columns: Name → type as PostgreSQL writes it, as psql shows them.
        key: The columns of its primary key.
        type: Of the resource that a row is; the name of the table when not given.
        schema: Its database schema.
        ignore: Columns whose changes are not worth an entry.
        redact: Columns of which only is told that they changed. Names of secrets (`api_token`) are among them.
        plain: Columns that are told although they have the name of a secret.
        hide_body: Whether of all columns only is told that they changed.
        label: The column that names a row.
        workspace: The column that holds the workspace.
        owner: Type of what a row belongs to, and the column that holds its id.
        actions: Verb → name of the action.
        soft_delete: The column that is set when a row counts as deleted.

    Raises:
        InvalidSetting: A name cannot be one, or one of the arguments names a column that is not among `columns`.
    """
    keys, ignored, redacted, shown = tuple(key), frozenset(ignore), frozenset(redact), frozenset(plain)
    said = {*keys, *ignored, *redacted, *shown, *filter(None, (label, workspace, owner and owner[1], soft_delete))}
    if unknown := sorted(said - set(columns)):
        raise InvalidSetting(
            f"table({name!r}) names {', '.join(unknown)}, which is not among its columns",
            f"Use some of {', '.join(columns)}",
        )
    told = []
    for one, type_ in columns.items():
        if one not in ignored:
            secret = True if hide_body or one in redacted else False if one in shown else None
            told.append(column(one, type_, secret=secret, listed=keys != (one,)))
    return Table(
        name=name,
        schema=schema,
        type=type or name,
        key=keys,
        columns=tuple(told),
        ignored=ignored,
        label=label,
        workspace=workspace,
        owner=owner,
        actions=dict(actions or {}),
        soft_delete=soft_delete,
    )

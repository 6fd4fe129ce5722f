"""What an application says of a model that is watched: `__audit__ = model("customer", label="name")`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct

from whodid.errors import InvalidSetting

__all__ = ["Model", "model"]

_TYPE = re.compile(r"[a-z][a-z0-9_]*")
_VERBS = ("created", "updated", "deleted", "restored")

Values = Mapping[str, Any]
"""The loaded columns of a row by attribute; nothing is loaded to complete them."""


class Model(Struct, frozen=True, kw_only=True):
    """What was said with `model`."""

    type: str | None = None
    label: str | None = None
    ignore: frozenset[str] = frozenset()
    redact: frozenset[str] = frozenset()
    hide_body: bool = False
    soft_delete: str | None = None
    owner: tuple[str, str] | Callable[[Values], tuple[str, str] | None] | None = None
    fields: Mapping[str, str] = {}
    workspace: str | Callable[[Values], str | None] | None = None
    actions: Mapping[str, str] = {}


def model(
    type: str | None = None,
    *,
    label: str | None = None,
    ignore: Iterable[str] = (),
    redact: Iterable[str] = (),
    hide_body: bool = False,
    soft_delete: str | None = None,
    owner: tuple[str, str] | Callable[[Values], tuple[str, str] | None] | None = None,
    fields: Mapping[str, str] | None = None,
    workspace: str | Callable[[Values], str | None] | None = None,
    actions: Mapping[str, str] | None = None,
) -> Model:
    """Say how the rows of a model are told; everything has a default.

    Attributes are named as in the class. What is a function gets the loaded columns of the row, by attribute.

    Args:
        type: Of the resource; by default the name of the class in snake case, of the topmost one when it inherits.
        label: The attribute that names the resource.
        ignore: Attributes whose changes are not worth an entry.
        redact: Attributes of which only is told that they changed.
        hide_body: Whether that holds for all of them.
        soft_delete: The attribute that is set when the row counts as deleted.
        owner: What it belongs to, as type of resource and the attribute that holds its id, or a function that returns
            type and id.
        fields: Attribute → path in the changes.
        workspace: The attribute that holds it, or a function that returns it; otherwise the scope says it.
        actions: `created`, `updated`, `deleted` or `restored` → another name for the action.

    Raises:
        InvalidSetting: The type or a verb is malformed.
    """
    if type is not None and not _TYPE.fullmatch(type):
        raise InvalidSetting(
            f"{type!r} is not a type of resource", "Use lower-case letters, digits and underscores, such as 'invoice'"
        )
    if unknown := set(actions or ()) - set(_VERBS):
        raise InvalidSetting(
            f"{', '.join(sorted(unknown))}: there is no such verb of a model", f"Use some of {', '.join(_VERBS)}"
        )
    return Model(
        type=type,
        label=label,
        ignore=_names("ignore", ignore),
        redact=_names("redact", redact),
        hide_body=hide_body,
        soft_delete=soft_delete,
        owner=owner,
        fields=dict(fields or {}),
        workspace=workspace,
        actions=dict(actions or {}),
    )


def _names(argument: str, given: Iterable[str]) -> frozenset[str]:
    if isinstance(given, str):
        raise InvalidSetting(f"{argument}={given!r} is one text", f"Write {argument}={{{given!r}}}")
    return frozenset(given)

"""What a model says about how it is watched."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from msgspec import Struct

from whodid.errors import InvalidSetting

__all__ = ["Options", "audited", "options_of"]

_Model = TypeVar("_Model", bound=type)

_declared: dict[type, Options] = {}


class Options(Struct, frozen=True, kw_only=True):
    """See `audited`."""

    type: str | None = None
    label: str | None = None
    ignore: frozenset[str] = frozenset()
    redact: frozenset[str] = frozenset()
    hide_body: bool = False
    soft_delete: str | None = None
    workspace: str | Callable[[Any], str | None] | None = None


def audited(
    type: str | None = None,
    *,
    label: str | None = None,
    ignore: Iterable[str] = (),
    redact: Iterable[str] = (),
    hide_body: bool = False,
    soft_delete: str | None = None,
    workspace: str | Callable[[Any], str | None] | None = None,
) -> Callable[[_Model], _Model]:
    """Say how a model is watched; a model that the settings leave out is watched because of it.

    Args:
        type: Of the resource, and the noun of its actions; by default the model's name.
        label: Field that names a row; by default `name`, `title` or the like. It is never loaded for this.
        ignore: Fields whose changes are no changes.
        redact: Fields whose values never leave the process.
        hide_body: Hide every value; that fields changed is still recorded.
        soft_delete: Field that is filled, or true, when a row counts as deleted.
        workspace: Field that holds the workspace of a row, or a function of the object. A bulk change can read a field
            only.
    """

    def decorate(model: _Model) -> _Model:
        for name in (ignore, redact):
            if isinstance(name, str):
                raise InvalidSetting(f"{name!r} is a text, and a list of fields is needed", "Write it in brackets")
        _declared[model] = Options(
            type=type,
            label=label,
            ignore=frozenset(ignore),
            redact=frozenset(redact),
            hide_body=hide_body,
            soft_delete=soft_delete,
            workspace=workspace,
        )
        return model

    return decorate


def options_of(model: type) -> Options | None:
    """Return what a model, or the nearest class that it inherits from, was declared with."""
    return next((_declared[kind] for kind in model.__mro__ if kind in _declared), None)

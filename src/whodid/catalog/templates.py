"""The grammar of sentences: which placeholders a template has and where each takes its text from.

A template is a whole sentence of one language with named parts in braces. This file checks templates and sources when
an action is declared and reads the parts of an entry; it knows no action and no language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from msgspec import UNSET, Struct

from whodid.errors import InvalidCatalog
from whodid.model import Actor, Content, Event, Related, Resource

__all__ = ["STANDARD_PARTS", "Part", "Said", "Value", "check_source", "check_template", "names", "read"]

Said = Event | Content
"""What a sentence can be made of: an event, checked content or an entry."""

STANDARD_PARTS: Mapping[str, str] = {
    "actor": "actor",
    "resource": "resource",
    "other": "other",
    "action": "action",
    "on_behalf_of": "on_behalf_of",
    "before": "changes.before",
    "after": "changes.after",
    "count": "details.count",
    "reason": "reason",
    "absorbed": "related.absorbed",
    "cause": "related.cause",
    "member": "related.member",
}
"""Parts that every template may use, and their sources; an action adds its own with `Action.parts`.

`other` is the resource unless it is the actor: with it, nobody changes the password of oneself by name.
"""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_UNITS = {"minutes": 60, "seconds": 1}
_CONTEXT = frozenset({"source", "ip", "country", "city"})


class Part(Struct, frozen=True, kw_only=True):
    """One part of a sentence: the text to show and what it names.

    Args:
        text: Plain text; empty only for an anonymous actor without a name, until a language names it.
        type: Type of the actor or resource, `action`, or what kind of value: `date` and `time` for text in the form of
            RFC 3339, which whoever shows it may write in the reader's way; `value` for everything else.
        id: Id of the actor or resource; empty for everything else.
    """

    text: str
    type: str
    id: str = ""


class Value(Struct, frozen=True):
    """A JSON value that a language has yet to write as text; never null.

    Args:
        unit: Seconds in one of what it counts, where it is a length of time.
    """

    value: Any
    unit: int | None = None


@lru_cache(maxsize=4096)
def names(template: str) -> tuple[str, ...]:
    """Return the names of the parts of a template, in order of appearance."""
    return tuple(_PLACEHOLDER.findall(template))


def check_template(template: object, known: frozenset[str], where: str) -> None:
    """Refuse a template that could not be filled.

    Args:
        template: The sentence.
        known: Names of the parts it may use.
        where: What is being checked, for the message.

    Raises:
        InvalidCatalog: It is empty, has a stray brace or names a part that nobody fills.
    """
    if not isinstance(template, str) or not template.strip():
        raise InvalidCatalog(f"{where} is empty", "Write the whole sentence, such as '{actor} sent invoice {resource}'")
    if "{" in _PLACEHOLDER.sub("", template) or "}" in _PLACEHOLDER.sub("", template):
        raise InvalidCatalog(f"{where} has a stray brace", "Use braces only around the name of a part")
    for name in names(template):
        if name not in known:
            raise InvalidCatalog(
                f"{where} names the unknown part '{{{name}}}'",
                f"Use one of {', '.join(sorted(known))}, or say in `parts` where '{name}' comes from",
            )


def check_source(name: str, source: object, where: str) -> None:
    """Refuse a part that has no readable source.

    Raises:
        InvalidCatalog: The name or the source is malformed.
    """
    if not _NAME.fullmatch(name):
        raise InvalidCatalog(f"{where}: '{name}' cannot name a part", "Use lower-case letters, digits and underscores")
    if not isinstance(source, str) or _reader(source) is None:
        raise InvalidCatalog(
            f"{where}: part '{name}' has no readable source",
            "Use details.<name>, related.<rel>, changes.<path>.before, changes.<path>.after, reason or "
            f"context.<{'|'.join(sorted(_CONTEXT))}>",
        )


def read(said: Said, source: str) -> Part | Value | None:
    """Read one part of an event or entry.

    Args:
        said: The event or entry.
        source: A source that `check_source` let in.

    Returns:
        The part or the value, or None when there is none.
    """
    reader = _reader(source)
    return None if reader is None else reader(said)


@lru_cache(maxsize=1024)
def _reader(source: str) -> Callable[[Said], Part | Value | None] | None:
    root, _, rest = source.partition(".")
    if not rest:
        return _WHOLE.get(root)
    if root == "details":
        keys = rest.split(".")
        return (lambda said: _detail(said, keys)) if all(keys) else None
    if root == "related":
        return lambda said: next((_resource(r) for r in said.related if r.rel == rest), None)
    if root == "context" and rest in _CONTEXT:
        return lambda said: _value(getattr(said.context, rest, None))
    if root == "changes":
        path, _, side = rest.rpartition(".")
        if side in {"before", "after"}:
            return lambda said: _change(said, path, side)
    return None


def _actor(actor: Actor | None) -> Part | None:
    if actor is None:
        return None
    text = actor.name or actor.email or ("" if actor.type == "anonymous" else actor.id)
    return Part(text=text, type=actor.type, id=actor.id)


def _resource(resource: Resource | Related) -> Part:
    return Part(text=resource.name or resource.id, type=resource.type, id=resource.id)


def _other(said: Said) -> Part | None:
    return None if said.resource.id == said.actor.id else _resource(said.resource)


def _value(value: Any) -> Value | None:
    return None if value is None or value is UNSET else Value(value)


def _reason(said: Said) -> Value | None:
    return None if said.reason is None else _value(said.reason.text or said.reason.code)


def _detail(said: Said, keys: list[str]) -> Value | None:
    value: Any = said.details
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    unit = _UNITS.get(keys[-1].rpartition("_")[2])
    if unit is not None and isinstance(value, int) and not isinstance(value, bool):
        return Value(value, unit)
    return _value(value)


def _change(said: Said, path: str, side: str) -> Value | None:
    for change in said.changes:
        if not path or change.path == path:
            return _value(change.before if side == "before" else change.after)
    return None


_WHOLE: dict[str, Callable[[Said], Part | Value | None]] = {
    "actor": lambda said: _actor(said.actor),
    "resource": lambda said: _resource(said.resource),
    "other": _other,
    "action": lambda said: Part(text=said.action, type="action"),
    "on_behalf_of": lambda said: _actor(said.actor.on_behalf_of),
    "reason": _reason,
}

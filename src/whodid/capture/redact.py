"""Secrets never leave the caller's process: what is replaced before an event is written anywhere.

The rules are the catalog's, so that capture and intake agree: declared classes, names, and the look of a text. A
replaced value leaves a marker with a keyed fingerprint: whether it changed can be told, what it was cannot.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET

from whodid.capture.values import DB_COMPUTED, UNFIT, UNKNOWN_VALUE, Hidden, is_marker, plain
from whodid.catalog.classes import FieldClasses, is_secret_name, stricter
from whodid.catalog.secrets import SHORTEST, holds_secret, without_secrets
from whodid.model import Change, Reason, Related, Resource

__all__ = [
    "Fingerprint",
    "is_secret_type",
    "looks_secret",
    "masked",
    "masked_change",
    "print_of",
    "reason_of",
    "tidied",
    "tidy",
]

Fingerprint = Callable[[Any], str | None]
"""Make a keyed fingerprint of a JSON value; None where there is no key to make one with."""

_Named = TypeVar("_Named", Resource, Related)

_LONGEST_NAME = 500
_LONGEST_REASON = 4096
_NO_VALUE = (UNKNOWN_VALUE, DB_COMPUTED)
_TYPES = ("encrypt", "secret", "password", "fernet")


def is_secret_type(kind: type) -> bool:
    """Tell whether the values of a type of column or field are secrets, by the names of its class and its bases.

    Args:
        kind: Such as `EncryptedType`, `EncryptedCharField`, `PasswordType` or `SecretStr`.
    """
    return any(word in base.__name__.lower() for base in kind.__mro__ for word in _TYPES)


def looks_secret(value: Any) -> bool:
    """Tell whether a value is a text in the format of a secret, under however innocent a name, or came as a secret."""
    if type(value) is str:
        return len(value) >= SHORTEST and holds_secret(value)
    return isinstance(value, Hidden)


def print_of(value: Any, fingerprint: Fingerprint) -> str | None:
    """Return the fingerprint of a secret, or None where there is no value to make one of.

    Args:
        value: A JSON value, or UNSET.
        fingerprint: A keyed fingerprint of a JSON value.
    """
    if value is None or value is UNSET or value == [] or value in _NO_VALUE:
        return None
    if isinstance(value, Hidden):
        return fingerprint(value.secret)
    return fingerprint(value)


def masked(value: Any, path: str, classes: FieldClasses, fingerprint: Fingerprint) -> Any:
    """Return a JSON value in which every secret is replaced, at any depth.

    Args:
        value: A JSON value; it is not changed.
        path: Where it stands: the path of the change, or empty for the root of the details.
        classes: The field classes of the action.
        fingerprint: A keyed fingerprint of a JSON value.
    """
    kind = type(value)
    if kind is str:
        return without_secrets(value) if len(value) >= SHORTEST else value
    if kind is list:
        if len(value) == 2 and _is_header(value):
            return [value[0], _marker(value[1], fingerprint)]
        return [masked(item, path, classes, fingerprint) for item in value]
    if isinstance(value, Hidden):
        return _marker(value, fingerprint)
    if kind is not dict:
        return value
    told = classes.telling(value)
    made = {}
    for key, item in value.items():
        at = f"{path}.{key}" if path else key
        if item is not None and (classes.hides(at, key) or (told is not None and told(key))):
            made[key] = item if is_marker(item) and not isinstance(item, Hidden) else _marker(item, fingerprint)
        else:
            made[key] = masked(item, at, classes, fingerprint)
    return made


def masked_change(change: Change, classes: FieldClasses, fingerprint: Fingerprint) -> Change:
    """Return a change without secrets, with the stricter of its own class and the catalog's.

    Args:
        change: As the application made it.
        classes: The field classes of the action.
        fingerprint: A keyed fingerprint of a JSON value.
    """
    class_ = stricter(classes.of(change.path), change.class_)
    before, after, added, removed = (
        UNSET if side is UNSET else plain(side) for side in (change.before, change.after, change.added, change.removed)
    )
    if class_ == "secret" or looks_secret(before) or looks_secret(after):
        was = removed if before is UNSET else before
        now = added if after is UNSET else after
        return Change(
            path=change.path,
            op=change.op,
            class_="secret",
            before_fp=change.before_fp or print_of(was, fingerprint),
            after_fp=change.after_fp or print_of(now, fingerprint),
            from_=change.from_,
        )
    sides = {"before": before, "after": after, "added": added, "removed": removed}
    kept = {
        side: value if value is UNSET else masked(value, change.path, classes, fingerprint)
        for side, value in sides.items()
    }
    return msgspec.structs.replace(change, class_=class_, **kept)


def tidy(text: str | None, longest: int) -> str | None:
    """Return a name without secrets and without what no log takes, at most so long.

    Args:
        text: Of a person or thing; None stays None.
        longest: Characters.
    """
    if text is None:
        return None
    if not text.isprintable():
        # What shapes a text and does not show stays: joined emoji, the direction of writing.
        text = UNFIT.sub("\N{REPLACEMENT CHARACTER}", text)
    if len(text) >= SHORTEST:
        text = without_secrets(text)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def tidied(thing: _Named) -> _Named:
    """Return a resource whose name every log takes."""
    name = tidy(thing.name, _LONGEST_NAME)
    return thing if name == thing.name else msgspec.structs.replace(thing, name=name)


def _marker(value: Any, fingerprint: Fingerprint) -> dict[str, str]:
    made = print_of(value, fingerprint)
    return {"$": "redacted"} if made is None else {"$": "redacted", "fp": made}


def _is_header(pair: list[Any]) -> bool:
    """Tell whether a list is the name of a header or parameter that is secret, and its value."""
    name, value = pair
    if type(name) is not str or type(value) is not str or len(name) > 100:
        return False
    # Two names side by side (`["password", "email"]`) are no pair; headers are told by their dash or their name.
    return ("-" in name or name.lower() in {"authorization", "cookie"}) and is_secret_name(name)


def reason_of(reason: Reason | str | None) -> Reason | None:
    """Return a reason without secrets, in a form that every log takes."""
    if isinstance(reason, str):
        reason = Reason(text=reason)
    if reason is None or reason.text is None:
        return reason
    return Reason(code=reason.code, text=tidy(reason.text, _LONGEST_REASON))

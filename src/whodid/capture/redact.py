"""Secrets never leave the caller's process: what is replaced before an event is written anywhere.

The rules are the catalog's, so that capture and intake agree: declared classes, names, and the look of a text. A
replaced value leaves a marker with a keyed fingerprint: whether it changed can be told, what it was cannot.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UNSET

from whodid.catalog.classes import FieldClasses, stricter
from whodid.catalog.secrets import holds_secret, without_secrets
from whodid.model import Change

__all__ = ["looks_secret", "masked", "masked_change"]


def looks_secret(value: Any) -> bool:
    """Tell whether a value is a text in the format of a secret, under however innocent a name."""
    return isinstance(value, str) and holds_secret(value)


def masked(value: Any, path: str, classes: FieldClasses, fingerprint: Callable[[Any], str]) -> Any:
    """Return a JSON value in which every secret is replaced, at any depth.

    Args:
        value: A JSON value; it is not changed.
        path: Where it stands: the path of the change, or empty for the root of the details.
        classes: The field classes of the action.
        fingerprint: A keyed fingerprint of a JSON value.
    """
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, list):
        return [masked(item, path, classes, fingerprint) for item in value]
    if isinstance(value, dict):
        return {
            key: {"$": "redacted", "fp": fingerprint(item)}
            if item is not None and classes.hides(at, key)
            else masked(item, at, classes, fingerprint)
            for key, item, at in ((key, item, f"{path}.{key}" if path else key) for key, item in value.items())
        }
    return value


def masked_change(change: Change, classes: FieldClasses, fingerprint: Callable[[Any], str]) -> Change:
    """Return a change without secrets, with the stricter of its own class and the catalog's.

    Args:
        change: As the application made it.
        classes: The field classes of the action.
        fingerprint: A keyed fingerprint of a JSON value.
    """
    class_ = stricter(classes.of(change.path), change.class_)
    sides = {"before": change.before, "after": change.after, "added": change.added, "removed": change.removed}
    if class_ == "secret" or looks_secret(change.before) or looks_secret(change.after):
        was = change.removed if change.before is UNSET else change.before
        now = change.added if change.after is UNSET else change.after
        return msgspec.structs.replace(
            change,
            class_="secret",
            before_fp=change.before_fp if was is UNSET or was is None else fingerprint(was),
            after_fp=change.after_fp if now is UNSET or now is None else fingerprint(now),
            **dict.fromkeys(sides, UNSET),
        )
    kept = {
        side: value if value is UNSET else masked(value, change.path, classes, fingerprint)
        for side, value in sides.items()
    }
    return msgspec.structs.replace(change, class_=class_, **kept)

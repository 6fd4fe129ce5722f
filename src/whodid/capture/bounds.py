"""How much an event may say: 64 KiB, whatever it tells of.

The comparison by path has come before; what is too much then is cut where it is longest, and a marker says so. Nothing
is dropped without a trace, and nothing that a log would refuse for its size is made.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from whodid.canonical import encode
from whodid.capture.values import is_marker, text_marker
from whodid.model import Change

__all__ = ["MOST_BYTES", "bounded"]

MOST_BYTES = 64 * 1024
"""Of an event as JSON."""

_FRAME = 8 * 1024  # what an event needs besides changes and details
_ROOM = MOST_BYTES - _FRAME
_SMALL = 200  # bytes; a smaller value is not worth a marker
_HEAD = 64
_SIDES = ("before", "after", "added", "removed")


def bounded(
    changes: tuple[Change, ...], details: dict[str, Any] | None
) -> tuple[tuple[Change, ...], dict[str, Any] | None]:
    """Return changes and details that fit into an event together; the very same ones when they do.

    Args:
        changes: JSON values in them, without secrets.
        details: JSON.
    """
    if len(changes) < 100 and not details and _few(changes):
        return changes, details
    size = len(encode(changes)) + (len(encode(details)) if details else 0)
    if size <= _ROOM:
        return changes, details
    made = list(changes)
    told = dict(details or {})
    # The longest first: one picture among twenty short fields is what is cut, not the fields.
    for length, put, value in sorted(_values(made, told), key=lambda one: -one[0]):
        if size <= _ROOM or length <= _SMALL:
            break
        marker = _marker(value, length)
        put(marker)
        size -= length - len(encode(marker))
    if size > _ROOM:
        made, size = _fewer(made, size)
    return tuple(made), told or details


def _few(changes: tuple[Change, ...]) -> bool:
    """Tell quickly whether changes are small for certain."""
    total = 0
    for change in changes:
        for value in (change.before, change.after, change.added, change.removed):
            if type(value) is str:
                total += len(value)
            elif type(value) is list:
                if len(value) > 50 or not all(type(item) is str for item in value):
                    return False
                total += sum(map(len, value))
            elif isinstance(value, dict):
                return False
    return 4 * total < _ROOM // 2


def _values(changes: list[Change], details: dict[str, Any]) -> list[tuple[int, Callable[[Any], None], Any]]:
    """List the values that may be cut: their size, what puts something in their place, and themselves."""
    listed: list[tuple[int, Callable[[Any], None], Any]] = []

    def change_put(at: int, side: str) -> Callable[[Any], None]:
        def put(value: Any) -> None:
            changes[at] = replace(changes[at], **{side: [value] if side in ("added", "removed") else value})

        return put

    for at, change in enumerate(changes):
        for side in _SIDES:
            value = getattr(change, side)
            if value is not UNSET:
                listed.append((len(encode(value)), change_put(at, side), value))
    for key, value in details.items():
        listed.append((len(encode(value)), partial(details.__setitem__, key), value))
    return listed


def _marker(value: Any, length: int) -> dict[str, Any]:
    if isinstance(value, str):
        return text_marker(value, head=_HEAD)
    if is_marker(value):
        return {name: part for name, part in value.items() if name not in ("head", "part")}
    return {"$": "truncated", "length": length, "items": len(value), "sha256": sha256(encode(value)).hexdigest()}


def _fewer(changes: list[Change], size: int) -> tuple[list[Change], int]:
    """Leave the last changes out until the others fit, and count them."""
    total = len(changes)
    rest = Change(path="*", after={"$": "truncated", "items": total})
    while changes and size > _ROOM - 200:
        size -= len(encode(changes.pop())) + 1
    return [*changes, rest], size

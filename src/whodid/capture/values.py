"""Python values as JSON values, so that two of them are equal exactly when nothing changed.

The same instant in another zone, a decimal of another scale and a whole float are the same value; `True` and `1` are
not. What has no honest JSON form is refused with the path of the fault, before anything is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from whodid.canonical import encode
from whodid.errors import InvalidEvent

__all__ = ["plain", "same"]

_DEPTH = 16


def plain(value: Any, pointer: str = "", depth: int = 0) -> Any:
    """Return the JSON value of a Python value.

    Args:
        value: None, bool, int, float, str, datetime with a zone, date, time, Decimal, UUID, Enum, or a mapping, list,
            tuple or set of them.
        pointer: JSON Pointer of the value inside the event, for the error.

    Raises:
        InvalidEvent: The value, or one inside it, has no JSON form.
    """
    if value is None or (isinstance(value, (bool, str)) and not isinstance(value, Enum)):
        return value
    if depth > _DEPTH:
        raise InvalidEvent(pointer, f"values nest deeper than {_DEPTH} levels", "Record a flatter form of it")
    match value:
        case Enum():
            return plain(value.value, pointer, depth + 1)
        case int():
            return int(value)
        case float():
            return int(value) if value.is_integer() else value
        case Decimal():
            return _decimal(value, pointer)
        case datetime():
            if value.tzinfo is None:
                raise InvalidEvent(pointer, "an instant has no time zone", "Use aware datetimes, best in UTC")
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date() | time():
            return value.isoformat()
        case UUID():
            return str(value)
        case Mapping():
            return {str(key): plain(item, f"{pointer}/{key}", depth + 1) for key, item in value.items()}
        case AbstractSet():
            return sorted((plain(item, pointer, depth + 1) for item in value), key=encode)
        case list() | tuple():
            return [plain(item, f"{pointer}/{at}", depth + 1) for at, item in enumerate(value)]
    raise InvalidEvent(pointer, f"a {type(value).__name__} has no JSON form", "Convert it to a number, text or list")


def same(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are equal; the order of keys does not count, the types do."""
    return one is other or encode(one) == encode(other)


def _decimal(value: Decimal, pointer: str) -> str:
    if not value.is_finite():
        raise InvalidEvent(pointer, f"{value} is not a number", "Record an absent value instead")
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"

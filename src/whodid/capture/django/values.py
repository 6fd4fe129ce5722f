"""Values of rows as JSON values: whatever a field holds, never an error, never without an end.

What has no JSON form leaves a marker, an object whose `$` says what it is and whose `v` is what people read. Encoding
cannot fail, because an error at this place would fail the change that it tells of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.core.files.base import File
from django.utils.duration import duration_iso_string
from django.utils.functional import Promise
from django.utils.timezone import get_default_timezone, is_naive, make_aware

from whodid.canonical import encode
from whodid.capture.values import plain

__all__ = ["COMPUTED", "UNKNOWN", "jsonable"]

UNKNOWN = {"$": "unknown"}
"""In the place of a value that was never loaded."""
COMPUTED = {"$": "db_computed"}
"""In the place of a value that the database computed and that cannot be fetched."""

LONGEST = 4096
"""Characters of a text that is kept whole."""
_HEAD = 200
_DEPTH = 10
_MEMBERS = 200
_WIDEST = 16 * 1024
_INTEGER = 2**53 - 1
_UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")


def jsonable(value: Any) -> Any:
    """Return the JSON value of a value of a row.

    Decimals, instants, UUIDs and the like become texts in their one form, so that equal values are equal texts.

    Args:
        value: Anything.
    """
    made = _FORMS.get(type(value))
    if made is None and hasattr(value, "resolve_expression"):
        return COMPUTED
    try:
        return made(value) if made is not None else _bounded(value)
    except Exception:  # noqa: BLE001 - a hostile __repr__, a cycle: the change must not fail for it
        return {"$": "unencodable", "v": type(value).__name__}


def _same(value: Any) -> Any:
    return value


def _text(value: str) -> Any:
    if len(value) > LONGEST:
        raw = value.encode("utf-8", "surrogatepass")
        head = _UNFIT.sub("\ufffd", value[:_HEAD])
        return {"$": "truncated", "v": head, "length": len(value), "sha256": sha256(raw).hexdigest()[:16]}
    return _UNFIT.sub("\ufffd", value) if not value.isprintable() and _UNFIT.search(value) else value


def _integer(value: int) -> Any:
    return value if -_INTEGER <= value <= _INTEGER else {"$": "int", "v": _text(str(value))}


def _float(value: float) -> Any:
    if value == 0:
        return 0
    if 1e-4 <= abs(value) < 1e15:  # what every encoder writes alike
        return int(value) if value.is_integer() else value
    return {"$": "float", "v": repr(value)}


def _decimal(value: Decimal) -> Any:
    return plain(value) if value.is_finite() else {"$": "decimal", "v": str(value)}


def _instant(value: datetime) -> Any:
    return plain(make_aware(value, get_default_timezone()) if is_naive(value) else value)


def _bytes(value: bytes | bytearray | memoryview) -> Any:
    raw = bytes(value)
    digest = sha256(raw).hexdigest()[:16]
    return {"$": "bytes", "v": f"{len(raw)} bytes, sha256 {digest}", "length": len(raw), "sha256": digest}


def _bounded(value: Any) -> Any:
    made = _nested(value, 0)
    if isinstance(made, (dict, list)) and len(raw := encode(made)) > _WIDEST:
        head = raw[:_HEAD].decode("utf-8", "ignore")
        return {"$": "truncated", "v": head, "length": len(raw), "sha256": sha256(raw).hexdigest()[:16]}
    return made


def _nested(value: Any, depth: int) -> Any:
    made = _FORMS.get(type(value))
    if made is not None:
        return made(value)
    if depth > _DEPTH:
        return {"$": "truncated", "v": f"deeper than {_DEPTH} levels"}
    match value:
        case Enum():
            return _nested(value.value, depth + 1)
        case Promise():
            return _text(str(value))
        case File():
            return _text(str(value.name)) if value.name else None
        case str() | bool() | int() | float() | Decimal() | datetime() | date() | time() | timedelta() | UUID():
            base: Any = next(kind for kind in type(value).__mro__ if kind in _FORMS)
            return _FORMS[base](base(value) if base in {str, int, float} else value)
        case Mapping():
            if len(value) > _MEMBERS:
                return {"$": "truncated", "v": f"{len(value)} members"}
            return {str(_text(str(key)[:_HEAD])): _nested(item, depth + 1) for key, item in value.items()}
        case AbstractSet():
            return sorted((_nested(item, depth + 1) for item in value), key=encode)
        case list() | tuple():
            return [_nested(item, depth + 1) for item in value]
        case bytearray():
            return _bytes(value)
    if not any("__str__" in kind.__dict__ for kind in type(value).__mro__[:-1]):
        return {"$": "unencodable", "v": type(value).__name__}
    return _text(str(value))  # an address, a range, a point: their libraries write them in one form


_FORMS: dict[type, Callable[[Any], Any]] = {
    type(None): _same,
    bool: _same,
    str: _text,
    int: _integer,
    float: _float,
    Decimal: _decimal,
    datetime: _instant,
    date: date.isoformat,
    time: time.isoformat,
    timedelta: duration_iso_string,
    UUID: str,
    bytes: _bytes,
    memoryview: _bytes,
}

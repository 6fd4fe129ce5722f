"""Python values as JSON values, so that two of them are equal exactly when nothing changed.

The same instant in another zone, a decimal of another scale and a whole float are the same value; `True` and `1` are
not. Types that JSON lacks become texts that a person can read: numbers too big or too small for every reader, dates,
durations, ids, addresses.

Nothing here raises, recurses for ever or grows without bound: an audit log must not make the application fail. What has
no honest form leaves a marker, a JSON object with the member `$`:

* `{"$": "truncated"}`: too long; with `length` (bytes) or `items`, `sha256` and a `head`;
* `{"$": "bytes"}`: with `length` and `sha256`;
* `{"$": "unencodable"}`: with the name of its `type`, and of a text its escaped `head`;
* `{"$": "unknown"}` and `{"$": "db_computed"}`: what a hook could not learn;
* `{"$": "redacted"}`: a secret, see `whodid.capture.redact`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from itertools import islice
from pathlib import PurePath
from typing import Any
from uuid import UUID

import msgspec

from whodid.canonical import encode
from whodid.catalog.secrets import without_secrets

__all__ = [
    "DB_COMPUTED",
    "LONGEST",
    "MOST_KEYS",
    "UNFIT",
    "UNKNOWN_VALUE",
    "Hidden",
    "is_marker",
    "plain",
    "same",
    "text_marker",
    "unencodable",
]

UNKNOWN_VALUE: dict[str, Any] = {"$": "unknown"}
"""A value that could not be learnt without disturbing the application."""

DB_COMPUTED: dict[str, Any] = {"$": "db_computed"}
"""A value that the database made and that was not read back."""

LONGEST = 16 * 1024
"""Characters of a text that is kept whole."""

MOST_KEYS = 200
"""Members of an object that is kept whole."""

_MOST_ITEMS = 1000  # of a list
_MOST_PARTS = 2000  # of a value, at all depths
_MOST_TEXT = 64 * 1024  # characters in one value, beyond which long texts are shown by their heads
_DEPTH = 10
_HEAD = 256
_SHORT_HEAD = 32
_HEAD_ITEMS = 20
_OVERLAP = 4096  # how far beyond a head a secret is looked for that begins inside it
_INTEGER = 2**53 - 1
_FLOAT_FROM, _FLOAT_TO = 1e-4, 1e15  # between these every encoder that follows RFC 8785 writes a float alike
_LONGEST_KEY = 200
_BITS = 4096

UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")  # control characters, halves of surrogate pairs
_UNFIT_KEY = re.compile("[\x00-\x1f\ud800-\udfff\U00010000-\U0010ffff]")
_LAZY = frozenset({"__proxy__", "LazyProxy", "LazyString", "_LazyString", "LazyTranslation"})
_READABLE = (
    UUID, PurePath, range,
    IPv4Address, IPv6Address, IPv4Network, IPv6Network, IPv4Interface, IPv6Interface,
)  # fmt: skip

_FLAT = frozenset({str, int, float, bool, type(None), Decimal, UUID, datetime, date})
_LISTS = frozenset({list, tuple, set, frozenset})
_MOST_COUNTED = 10_000

_count = [0]


def unencodable() -> int:
    """Return how many values left a marker because they have no form, since the process began."""
    return _count[0]


class Hidden(dict[str, Any]):
    """The marker of a secret, on its way to be replaced by one with the fingerprint of the workspace.

    Args:
        secret: The value; it is no part of the JSON form.
    """

    __slots__ = ("secret",)

    def __init__(self, secret: Any) -> None:
        super().__init__({"$": "redacted"})
        self.secret = secret

    def __repr__(self) -> str:
        return "Hidden()"


def is_marker(value: Any) -> bool:
    """Tell whether a value stands for one that is not shown."""
    return isinstance(value, dict) and "$" in value


def plain(value: Any, *, texts: bool = False) -> Any:
    """Return the JSON value of a Python value; of any one, whatever it does.

    Args:
        value: Anything.
        texts: Whether a class that has no other form may write its values itself (`__str__`), as those of columns do:
            a range, a telephone number, a point.
    """
    kind = type(value)
    if kind is str:
        return value if len(value) <= LONGEST and value.isprintable() else _text(value)
    if value is None or kind is bool:
        return value
    if kind is int and -_INTEGER <= value <= _INTEGER:
        return value
    if kind is list and len(value) <= _HEAD_ITEMS and all(type(item) is str and len(item) <= _HEAD for item in value):
        made = list(value)
        if "".join(made).isprintable():
            return made
    simple = _SIMPLE.get(kind) if kind is not str else None
    if simple is not None:
        try:
            return simple(value)
        except Exception:  # noqa: BLE001 - a value may do anything, and must not make the change fail
            return _no_form(value)
    return _Walk(texts=texts).value(value, 0)


def same(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are equal; the order of keys does not count, the types do."""
    if one is other:
        return True
    if isinstance(one, Hidden) and isinstance(other, Hidden):
        return bool(encode(one.secret) == encode(other.secret))
    kind = type(one)
    if kind is type(other) and kind in (str, int, bool, float):
        return bool(one == other)
    return encode(one) == encode(other)


class _Walk:
    """One walk through a value: what it has come through, and how many parts it may still have."""

    def __init__(self, *, texts: bool) -> None:
        self._texts = texts
        self._within: set[int] = set()
        self._left = _MOST_PARTS
        self._room = _MOST_TEXT

    def value(self, value: Any, depth: int) -> Any:
        """Return the JSON value of a value at a depth."""
        try:
            return self._form(value, depth)
        except Exception:  # noqa: BLE001 - a value may do anything, and must not make the change fail
            return _no_form(value)

    def _form(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            self._room -= len(value)
            if self._room < 0 and len(value) > _HEAD:
                return text_marker(value, head=_SHORT_HEAD)
            return value if len(value) <= LONGEST and value.isprintable() else _text(value)
        if value is None or kind is bool:
            return value
        simple = _SIMPLE.get(kind)
        if simple is not None:
            return simple(value)
        if (secret := _revealed(value)) is not None:
            return Hidden(self.value(secret, depth))
        if isinstance(value, Hidden):
            return value
        self._left -= 1
        if self._left < 0 or depth > _DEPTH or id(value) in self._within:
            return _no_form(value)
        self._within.add(id(value))
        try:
            return self._compound(value, depth)
        finally:
            self._within.discard(id(value))

    def _compound(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if isinstance(value, Mapping):
            return self._object(value, depth)
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return self._object({name: getattr(value, name) for name in value._fields}, depth)
        if isinstance(value, (list, tuple)):
            return self._list(value, depth)
        if isinstance(value, AbstractSet):
            items = self._list(list(islice(value, _MOST_ITEMS + 1)), depth)
            return sorted(items, key=encode) if isinstance(items, list) else {**items, "items": len(value)}
        if isinstance(value, Enum):
            return self.value(value.value, depth + 1)
        for base in kind.__mro__[1:]:
            if (simple := _SIMPLE.get(base)) is not None:
                return simple(value)
        if isinstance(value, _READABLE) or kind.__name__ in _LAZY:
            return _text(str(value))
        if is_dataclass(value) and not isinstance(value, type):
            return self._object({field.name: getattr(value, field.name) for field in fields(value)}, depth)
        if isinstance(value, msgspec.Struct):
            return self._object({name: getattr(value, name) for name in value.__struct_fields__}, depth)
        if callable(dump := getattr(value, "model_dump", None)) and not isinstance(value, type):
            return self.value(dump(), depth + 1)
        if isinstance(value, Sequence):
            return self._list(list(islice(value, _MOST_ITEMS + 1)), depth)
        if self._texts and any("__str__" in base.__dict__ for base in kind.__mro__[:-1]):
            return _text(str(value))
        return _no_form(value)

    def _object(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        if len(value) > MOST_KEYS:
            head = dict(islice(value.items(), _HEAD_ITEMS))
            return _sized(value, len(value), self._object(head, depth + 1))
        made: dict[str, Any] = {}
        for key, item in value.items():
            name = key if type(key) is str and key.isascii() and key.isprintable() else self._key(key)
            if name in made or len(name) > _LONGEST_KEY:
                name = self._apart(name, key, made)
            self._left -= 1
            made[name] = self.value(item, depth + 1)
        return made

    def _list(self, value: list[Any] | tuple[Any, ...], depth: int) -> Any:
        if len(value) > min(_MOST_ITEMS, max(self._left, 0)):
            return _sized(value, len(value), [self.value(item, depth + 1) for item in value[:_HEAD_ITEMS]])
        self._left -= len(value)
        return [self.value(item, depth + 1) for item in value]

    def _key(self, key: Any) -> str:
        form = key if type(key) is str else self.value(key, _DEPTH)
        text = form if isinstance(form, str) else encode(form).decode()
        return _UNFIT_KEY.sub(lambda found: f"\\u{{{ord(found[0]):x}}}", text)

    @staticmethod
    def _apart(name: str, key: Any, made: dict[str, Any]) -> str:
        """Return a name of a key that is too long or whose text is another key's already."""
        if len(name) > _LONGEST_KEY:
            digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
            name = f"{without_secrets(name)[:_LONGEST_KEY]}…{digest}"
        if name in made:
            name = f"{name} ({type(key).__name__[:50]})"
        while name in made:
            name += "'"
        return name


def text_marker(text: str, *, form: str = "truncated", head: int = _HEAD) -> dict[str, Any]:
    """Return the marker of a text: how long it is, what it is, and how it begins.

    A secret that begins in what is shown is taken out first, also when it ends beyond.

    Args:
        form: Which marker.
        head: Characters to show.
    """
    data = text.encode("utf-8", "surrogatepass")
    shown = without_secrets(text[: head + min(_OVERLAP, 16 * head)])[:head]
    shown = UNFIT.sub(lambda found: f"\\u{ord(found[0]):04x}", shown)
    return {"$": form, "length": len(data), "sha256": sha256(data).hexdigest(), "head": shown}


def _text(text: str) -> Any:
    text = str.__str__(text)
    if len(text) > LONGEST:
        return text_marker(text)
    if UNFIT.search(text):
        _count[0] += 1
        return {**text_marker(text, form="unencodable"), "type": "str"}
    return text


def _no_form(value: Any) -> dict[str, Any]:
    _count[0] += 1
    name = type(value).__name__
    return {"$": "unencodable", "type": name[:100] if name.isprintable() else "object"}


def _sized(value: Any, items: int, head: Any) -> dict[str, Any]:
    """Return the marker of a container that has too many members."""
    marker = {"$": "truncated", "items": items, "head": head}
    if not _is_countable(value):
        return marker
    try:
        data = msgspec.json.encode(value)
    except Exception:  # noqa: BLE001 - then two of them are told apart by their heads only
        return marker
    return {**marker, "length": len(data), "sha256": sha256(data).hexdigest()}


def _is_countable(value: Any) -> bool:
    """Tell whether a container can be written out as a whole in a few milliseconds; small ones can be immense."""
    waiting, left = [value], _MOST_COUNTED
    while waiting:
        one = waiting.pop()
        inside = one.values() if type(one) is dict else one if type(one) in _LISTS else None
        if inside is None:
            return False
        kinds = set(map(type, inside))
        if kinds <= _FLAT:
            continue
        left -= len(inside)
        if left < 0:
            return False
        waiting += [item for item in inside if type(item) not in _FLAT]
    return True


def _revealed(value: Any) -> Any:
    """Return what a wrapper of secrets holds (pydantic's `SecretStr` and those like it), or None for anything else."""
    reveal = getattr(type(value), "get_secret_value", None)
    return reveal(value) if callable(reveal) else None


def _integer(value: int) -> int | str:
    value = int(value)
    if -_INTEGER <= value <= _INTEGER:
        return value
    return str(value) if value.bit_length() <= _BITS else _text(hex(value))


def _float(value: float) -> int | float | str:
    value = float(value)
    if value == 0:
        return 0
    if _FLOAT_FROM <= abs(value) < _FLOAT_TO:
        return int(value) if value.is_integer() else value
    if value != value:  # noqa: PLR0124 - NaN is the one that does not equal itself
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return _decimal(Decimal(repr(value)))


def _decimal(value: Decimal) -> str:
    """Write a number so that its scale does not matter: 10.50 and 10.5 are the same."""
    written = str(value)
    if len(written) <= 40 and "E" not in written:  # as most are: nothing is to be done but to strip zeros
        shorter = written.rstrip("0").rstrip(".") if "." in written else written
        return "0" if shorter in {"-0", "0"} else shorter
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return str(value)
    text = "".join(map(str, digits)).lstrip("0")
    stripped = text.rstrip("0")
    exponent += len(text) - len(stripped)
    if not stripped:
        return "0"
    if -40 <= exponent <= 40 and len(stripped) <= 1000:
        written = format(Decimal((sign, tuple(map(int, stripped)), exponent)), "f")
    else:
        written = f"{'-' if sign else ''}{stripped}E{exponent:+d}"
    return written if len(written) <= LONGEST else f"{written[:_HEAD]}…{sha256(written.encode()).hexdigest()}"


def _datetime(value: datetime) -> str:
    if value.utcoffset() is None:
        return value.replace(tzinfo=None).isoformat()
    try:
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except OverflowError:  # an offset beyond the first or the last year
        return value.isoformat()


def _duration(value: timedelta) -> str:
    """Write a duration as ISO 8601 does, in days and seconds."""
    if value < timedelta(0):
        return f"-{_duration(-value)}" if value > timedelta.min else f"-P{-value.days}D"
    minutes, seconds = divmod(value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    rest = f"{seconds}.{value.microseconds:06d}".rstrip("0") if value.microseconds else str(seconds or "")
    clock = "".join(
        f"{number}{unit}" for number, unit in ((hours or "", "H"), (minutes or "", "M"), (rest, "S")) if number
    )
    days = f"{value.days}D" if value.days else ""
    return f"P{days}{'T' + clock if clock else ''}" if days or clock else "PT0S"


def _bytes(value: bytes | bytearray | memoryview) -> dict[str, Any]:
    data = bytes(value)
    return {"$": "bytes", "length": len(data), "sha256": sha256(data).hexdigest()}


_SIMPLE: dict[type, Callable[[Any], Any]] = {
    str: _text,
    int: _integer,
    float: _float,
    Decimal: _decimal,
    datetime: _datetime,
    date: date.isoformat,
    time: time.isoformat,
    timedelta: _duration,
    UUID: str,
    bytes: _bytes,
    bytearray: _bytes,
    memoryview: _bytes,
}

"""Free JSON values (`before`, `after`, `details`): bounded, made canonical, and without secrets.

A value is walked once. It comes back as the very same object when nothing had to change, which is the usual case.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from whodid.catalog import SHORTEST, FieldClasses, holds_secret, is_secret_name
from whodid.intake.limits import FLOAT_FROM, FLOAT_TO, INTEGER, KEY, KEYS, MAX_DEPTH, TEXT, Fault

__all__ = ["Hider", "check_text", "is_fingerprint", "normal"]

_SHORT_TEXT = TEXT // 4  # no UTF-8 character takes more than four bytes
_encode = msgspec.json.Encoder(order="sorted").encode

_HEX = frozenset("0123456789abcdef")
_NONE: frozenset[str] = frozenset()


def is_fingerprint(text: object) -> bool:
    """Tell whether a text is a fingerprint as whodid writes them: 16 to 64 lower-case hexadecimal digits."""
    return isinstance(text, str) and 16 <= len(text) <= 64 and _HEX.issuperset(text)


def check_text(text: str) -> None:
    """Refuse a text that is too long.

    Raises:
        Fault: It takes more than 64 KiB.
    """
    if len(text) > _SHORT_TEXT and len(text.encode("utf-8", "surrogatepass")) > TEXT:
        raise Fault("Text is longer than 64 KiB", "Shorten it, or record its length and digest instead")


class Hider:
    """Puts fingerprints in the place of secrets, for one event.

    Args:
        classes: Of the event's action.
        fingerprint: Keyed; the same value gives the same text.
    """

    __slots__ = ("classes", "fingerprint", "hid")

    def __init__(self, classes: FieldClasses, fingerprint: Callable[[bytes], str]) -> None:
        self.classes = classes
        self.fingerprint = fingerprint
        self.hid = False
        """Whether anything was hidden, here or before the event arrived."""

    def print_of(self, value: Any) -> str:
        """Return the fingerprint of a secret value that `normal` let in without a hider."""
        self.hid = True
        try:
            return self.fingerprint(_encode(value))
        except UnicodeEncodeError:
            raise Fault("Text holds half a surrogate pair", "Send valid Unicode") from None

    def hide(self, value: Any, depth: int) -> dict[str, str]:
        """Return the marker that takes the place of a secret value.

        Raises:
            Fault: The value could not have been recorded anyhow.
        """
        if type(value) is dict and len(value) == 2 and value.get("$") == "redacted" and is_fingerprint(value.get("fp")):
            self.hid = True
            return value
        return {"$": "redacted", "fp": self.print_of(normal(value, depth, "", None))}


def normal(value: Any, depth: int, where: str, hider: Hider | None) -> Any:
    """Check a JSON value and return it in its one form.

    Integral floats become integers, tuples lists. With a hider, members of secret name or class and texts in the format
    of a secret are replaced.

    Args:
        value: Anything.
        depth: Level at which the value stands; the event is level 1.
        where: Path of the value for the classes of fields; empty at the root of the details.
        hider: None to look for no secrets.

    Returns:
        The value itself when nothing had to change.

    Raises:
        Fault: It cannot be recorded.
    """
    kind = type(value)
    if kind is str:
        if len(value) > _SHORT_TEXT:
            check_text(value)
        if hider is not None and len(value) >= SHORTEST and holds_secret(value):
            return hider.hide(value, depth)
        return value
    if value is None or kind is bool:
        return value
    if kind is int:
        if -INTEGER <= value <= INTEGER:
            return value
        raise Fault("The number is beyond ±(2^53−1)", "Send it as text")
    if kind is dict:
        return _object(value, depth, where, hider)
    if kind is list or kind is tuple:
        return _list(value, depth, where, hider)
    if kind is float:
        return _float(value)
    if isinstance(value, str):
        return normal(str.__str__(value), depth, where, hider)
    raise Fault(f"{kind.__name__} is not a JSON value", "Send text, a number, true, false, null, a list or an object")


def _float(value: float) -> int | float:
    if value == 0:
        return 0
    if not FLOAT_FROM <= abs(value) < FLOAT_TO:
        raise Fault("The number is not between 0.0001 and 10^15 in size", "Send it as text, such as '1.5e-7'")
    return int(value) if value.is_integer() else value


def _list(value: list[Any] | tuple[Any, ...], depth: int, where: str, hider: Hider | None) -> list[Any]:
    if depth > MAX_DEPTH:
        raise _too_deep()
    made: list[Any] | None = None if type(value) is list else list(value)
    for at, item in enumerate(value):
        try:
            new = normal(item, depth + 1, where, hider)
        except Fault as fault:
            fault.tokens.append(at)
            raise
        if new is not item:
            if made is None:
                made = list(value)
            made[at] = new
    return value if made is None else made  # type: ignore[return-value]  # a tuple was copied above


def _object(value: dict[Any, Any], depth: int, where: str, hider: Hider | None) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        raise _too_deep()
    if len(value) > KEYS:
        raise Fault(f"The object has more than {KEYS} members", "Record what matters, or their number and digest")
    made: dict[str, Any] | None = None
    named, suspects = (None, _NONE) if hider is None else (hider.classes.telling(value), hider.classes.suspects)
    if hider is not None and value.get("$") == "redacted":
        hider.hid = True
    for key, item in value.items():
        if type(key) is not str or len(key) > KEY or not key.isascii():
            _check_key(key)
        kind = type(item)
        try:
            if hider is not None and (
                (is_secret_name(key) or key in suspects or named is not None)
                and item is not None
                and _is_hidden(key, where, hider, named)
            ):
                new = hider.hide(item, depth + 1)
            elif (kind is str and len(item) < SHORTEST) or (kind is int and -INTEGER <= item <= INTEGER):
                continue
            else:
                new = normal(item, depth + 1, f"{where}.{key}" if where else key, hider)
        except Fault as fault:
            fault.tokens.append(key)
            raise
        if new is not item:
            if made is None:
                made = dict(value)
            made[key] = new
    return value if made is None else made


def _is_hidden(key: str, where: str, hider: Hider, named: Callable[[str], bool] | None) -> bool:
    return hider.classes.hides(f"{where}.{key}" if where else key, key) or (named is not None and named(key))


def _check_key(key: Any) -> None:
    if type(key) is not str:
        raise Fault(f"The object has a key of type {type(key).__name__}", "Make every key text")
    if len(key) > KEY:
        raise Fault(f"The object has a key of more than {KEY} characters", "Shorten it")
    if max(key) > "\uffff":
        # RFC 8785 sorts keys by UTF-16 units, fast encoders by code point: they part beyond the BMP.
        raise Fault("The object has a key with a character beyond U+FFFF", "Use other characters in keys")


def _too_deep() -> Fault:
    return Fault(f"Values are nested deeper than {MAX_DEPTH} levels", "Flatten them")

"""The numbers of a rule that a workspace may change: where they stand in its document, and how others get there.

A document says it under `numbers`: a name, `of` (the way to the value, as a list of members) and the bounds `from` and
`to`. A text such as `10m` is a length of time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from whodid.detect.rule import Number
from whodid.errors import InvalidSetting

__all__ = ["changed", "check_numbers", "seconds"]

_LENGTH = re.compile(r"(\d+)([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def seconds(text: str) -> int:
    """Return a length of time, such as `10m`, in seconds."""
    found = _LENGTH.fullmatch(text)
    if found is None:
        raise ValueError(f"{text} is no length of time")
    return int(found[1]) * _UNITS[found[2]]


def changed(document: dict[str, Any], values: Mapping[str, float]) -> tuple[Number, ...]:
    """Put other values into a document, and return its numbers as they are then.

    Args:
        document: One rule; it is changed.
        values: Of some of its numbers, by name; others stay as they are.
    """
    found = []
    for name, place in document.get("numbers", {}).items():
        *way, last = place["of"]
        inside: Any = document
        for member in way:
            inside = inside[member]
        usual = inside[last]
        timed = isinstance(usual, str)
        value = values.get(name)
        if value is not None:
            inside[last] = f"{int(value)}s" if timed else value if isinstance(usual, float) else int(value)
        standard = seconds(usual) if timed else usual
        found.append(
            Number(
                name=name,
                value=standard if value is None else value,
                usual=standard,
                unit="seconds" if timed else "share" if isinstance(usual, float) else "count",
                least=seconds(place["from"]) if timed else place["from"],
                most=seconds(place["to"]) if timed else place["to"],
            )
        )
    return tuple(found)


def check_numbers(title: str, numbers: tuple[Number, ...], values: Mapping[str, float]) -> None:
    """Refuse values that a rule cannot take.

    Raises:
        InvalidSetting: It has no such number, or the value is out of its bounds, or no whole one where it must be.
    """
    known = {one.name: one for one in numbers}
    for name, value in values.items():
        number = known.get(name)
        if number is None:
            have = ", ".join(known) or "none"
            raise InvalidSetting(f"The rule {title!r} has no number {name[:80]!r}", f"Those that it has: {have}")
        if not number.least <= value <= number.most:
            raise InvalidSetting(f"{name} of {title!r} cannot be {value:g}", f"Use {number.least:g} to {number.most:g}")
        if number.unit != "share" and value != int(value):
            raise InvalidSetting(f"{name} of {title!r} cannot be {value:g}", "Use a whole number")

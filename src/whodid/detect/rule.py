"""What a rule is once it was read: a test on one entry or on several within a time, and what to say when it holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal

import msgspec
from msgspec import Struct

from whodid.detect.view import View

__all__ = ["LEVELS", "Chain", "Fixture", "Level", "Number", "Rule", "Test", "fill", "slots"]

Level = Literal["info", "low", "medium", "high", "critical"]
LEVELS: tuple[Level, ...] = ("info", "low", "medium", "high", "critical")

Test = Callable[[View], bool]
"""Whether an entry with its features has a property."""

ChainKind = Literal["event_count", "value_count", "temporal", "temporal_ordered"]

_LENGTHS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
_PLACE = re.compile(r"\{([^{}]+)\}")


class Chain(Struct, frozen=True, kw_only=True):
    """How several entries make one finding.

    Args:
        kind: Count entries, count different values of `field`, ask for all parts, or for all parts in their order.
        parts: Names of the rules whose hits are looked at.
        span: How far apart the first and the last hit may be, in microseconds.
        groups: For each part, the fields whose values must be the same for all hits.
        least: How many it takes.
        field: Whose different values are counted.
    """

    kind: ChainKind
    parts: tuple[str, ...]
    span: int
    groups: tuple[tuple[str, ...], ...]
    least: int
    field: str | None = None


class Fixture(Struct, frozen=True, kw_only=True):
    """A short story that a rule is tried on: entries, each with the features that it is to have."""

    entries: tuple[tuple[dict[str, Any], dict[str, Any]], ...]


class Number(Struct, frozen=True, kw_only=True):
    """A number of a rule that a workspace may change.

    Args:
        value: What it is now.
        usual: What it is as the rule comes with whodid.
        unit: Whether it counts something, is a length of time in seconds, or a share of one.
        least: The lowest that it may be.
        most: The highest.
    """

    name: str
    value: float
    usual: float
    unit: Literal["count", "seconds", "share"]
    least: float
    most: float


class Rule(Struct, frozen=True, kw_only=True):
    """One rule.

    Args:
        name: What others refer to it by.
        level: How grave a finding is, unless one of `raises` says more.
        raises: Further levels, each with the test (a single entry) or the count (several) that calls for it.
        reason: The finding in plain words; `{field}` stands for a value.
        respond: What to do now.
        harmless: Known causes that are no harm.
        form: The rule as a sentence; `{name}` stands for one of its numbers.
        group: Fields that make two findings the same.
        quiet: For how long the same finding is not told again, in microseconds.
        told: Whether it makes findings; otherwise it is only a part of others.
        test: For a rule on single entries.
        actions: The only actions, in lower case, that the test can hold for; None for any.
        chain: For a rule on several entries.
        numbers: What may be changed in it.
        limits: Numbers of the features that it reads, by name (`Limits`).
        reads: The fields that it compares.
        digest: Of the text of a rule that a workspace wrote; what a run remembers of it is worth nothing to another.
        since: It looks at entries recorded from then on, in microseconds since 1970.
    """

    name: str
    title: str
    level: Level
    raises: tuple[tuple[Level, Test | int], ...] = ()
    reason: str = ""
    respond: str = ""
    harmless: tuple[str, ...] = ()
    form: str = ""
    tags: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    quiet: int = 0
    told: bool = False
    test: Test | None = None
    actions: frozenset[str] | None = None
    chain: Chain | None = None
    firing: tuple[Fixture, ...] = ()
    silent: tuple[Fixture, ...] = ()
    numbers: tuple[Number, ...] = ()
    limits: dict[str, float] = {}
    reads: frozenset[str] = frozenset()
    digest: str = ""
    since: int = 0


def slots(template: str) -> frozenset[str]:
    """Return the names of what is to be put into a template."""
    return frozenset(_PLACE.findall(template))


def fill(template: str, view: View, more: dict[str, Any]) -> tuple[str, dict[str, Any], tuple[str, ...]]:
    """Put values into a reason.

    Args:
        view: Of the entry that completed the finding.
        more: Values that are not of the entry, by name; a length of time is put in as words, and told in seconds.

    Returns:
        The text, the values that were put in, and the names for which there was none.
    """
    used: dict[str, Any] = {}
    absent: list[str] = []

    def one(found: re.Match[str]) -> str:
        name = found.group(1)
        values = (more[name],) if name in more else view.get(name)
        if not values:
            absent.append(name)
            return "(not said)"
        used[name] = _told(values[0]) if len(values) == 1 else list(values)
        return ", ".join(_text(value) for value in values)

    return _PLACE.sub(one, template), used, tuple(absent)


def _told(value: Any) -> Any:
    return int(value.total_seconds()) if isinstance(value, timedelta) else value


def _text(value: Any) -> str:
    if isinstance(value, timedelta):
        seconds = int(value.total_seconds())
        number, unit = next((seconds // size, unit) for unit, size in _LENGTHS if seconds % size == 0)
        return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
    if isinstance(value, float):
        return f"{value:.3g}"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()

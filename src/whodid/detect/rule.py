"""What a rule is once it was read: a test on one entry or on several within a time, and what to say when it holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

import msgspec
from msgspec import Struct

from whodid.detect.view import View

__all__ = ["LEVELS", "Chain", "Fixture", "Level", "Rule", "Test", "fill"]

Level = Literal["info", "low", "medium", "high", "critical"]
LEVELS: tuple[Level, ...] = ("info", "low", "medium", "high", "critical")

Test = Callable[[View], bool]
"""Whether an entry with its features has a property."""

ChainKind = Literal["event_count", "value_count", "temporal", "temporal_ordered"]

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


class Rule(Struct, frozen=True, kw_only=True):
    """One rule.

    Args:
        name: What others refer to it by.
        level: How grave a finding is, unless one of `raises` says more.
        raises: Further levels, each with the test (a single entry) or the count (several) that calls for it.
        reason: The finding in plain words; `{field}` stands for a value.
        respond: What to do now.
        harmless: Known causes that are no harm.
        group: Fields that make two findings the same.
        quiet: For how long the same finding is not told again, in microseconds.
        told: Whether it makes findings; otherwise it is only a part of others.
        test: For a rule on single entries.
        actions: The only actions, in lower case, that the test can hold for; None for any.
        chain: For a rule on several entries.
    """

    name: str
    title: str
    level: Level
    raises: tuple[tuple[Level, Test | int], ...] = ()
    reason: str = ""
    respond: str = ""
    harmless: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    quiet: int = 0
    told: bool = False
    test: Test | None = None
    actions: frozenset[str] | None = None
    chain: Chain | None = None
    firing: tuple[Fixture, ...] = ()
    silent: tuple[Fixture, ...] = ()


def fill(template: str, view: View, more: dict[str, Any]) -> tuple[str, dict[str, Any], tuple[str, ...]]:
    """Put values into a reason.

    Args:
        view: Of the entry that completed the finding.
        more: Values that are not of the entry, by name.

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
        used[name] = values[0] if len(values) == 1 else list(values)
        return ", ".join(_text(value) for value in values)

    return _PLACE.sub(one, template), used, tuple(absent)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()

"""Rules from files: ours, which come with whodid, and those of a workspace; each is tried on its fixtures first.

A rule that does not fire where it says it fires, or that fires where it says it stays silent, is refused like one that
cannot be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from whodid.detect.rule import Fixture, Rule, fill
from whodid.detect.run import Run
from whodid.detect.view import FEATURES, View
from whodid.errors import InvalidRule
from whodid.model import Entry

if TYPE_CHECKING:
    from whodid.detect.sigma import Kind

__all__ = ["built_in", "installed", "load", "read"]

_START = datetime(2026, 1, 5, 10, tzinfo=UTC)
_DEFAULTS: dict[str, Any] = {
    "kind": "security",
    "severity": "info",
    "workspace": "fixture",
    "actor": {"type": "user", "id": "usr_1"},
    "resource": {"type": "user", "id": "usr_1"},
}


def installed() -> bool:
    """Tell whether the extra `detect` is there, without loading it."""
    return all(find_spec(name) is not None for name in ("re2", "sigma", "yaml"))


def built_in(numbers: Mapping[str, Mapping[str, float]] | None = None) -> tuple[Rule, ...]:
    """Return the rules that come with whodid, checked once per process.

    Args:
        numbers: To have instead of the usual ones, by rule and name; they were checked (`check_numbers`).
    """
    found: list[Rule] = []
    for name, (text, rules) in _shipped().items():
        other = {rule.name: numbers[rule.name] for rule in rules if numbers and numbers.get(rule.name)}
        told = frozenset((rule, frozenset(values.items())) for rule, values in other.items())
        found += _with_numbers(text, name, told) if told else rules
    return tuple(found)


@cache
def _shipped() -> dict[str, tuple[str, tuple[Rule, ...]]]:
    """Return the text and the rules of each file that comes with whodid."""
    folder = files("whodid.detect").joinpath("rules")
    named = sorted(
        (file.name, file.read_text(encoding="utf-8")) for file in folder.iterdir() if file.name[-4:] == ".yml"
    )
    made: dict[str, tuple[str, tuple[Rule, ...]]] = {}
    found: list[Rule] = []
    for name, text in named:
        rules = read(text, name, beside=found, kind="ours")
        found += rules
        made[name] = (text, tuple(rules))
    return made


@lru_cache(maxsize=1_024)
def _with_numbers(text: str, name: str, told: frozenset[tuple[str, frozenset[tuple[str, float]]]]) -> tuple[Rule, ...]:
    """Return rules of ours with other numbers; their fixtures tell of the usual ones, and are not tried."""
    from whodid.detect.sigma import parse_rules

    return tuple(parse_rules(text, name, "ours", {rule: dict(values) for rule, values in told}))


def load(path: str | Path, *, beside: Sequence[Rule] = ()) -> list[Rule]:
    """Read and try the rules of a file; see `read`.

    Raises:
        InvalidRule: The file cannot be read, or a rule in it is refused.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or "it is not UTF-8"
        raise InvalidRule(str(path), "", f"It cannot be read: {said}", "Check the name of the file") from None
    return read(text, str(path), beside=beside)


def read(text: str, source: str, *, beside: Sequence[Rule] = (), kind: Kind = "file") -> list[Rule]:
    """Read rules and try each on its fixtures.

    Args:
        text: YAML, one document per rule.
        source: What the file is called, for messages.
        beside: Rules that are there already, whose names are taken.
        kind: Where it is from.

    Returns:
        The rules, parts before what is made of them.

    Raises:
        InvalidRule: One is refused; the message says which, why, and what to do.
        InvalidSetting: The extra `detect` is not installed.
    """
    # Whoever only handles findings needs no reader of rules, and what it is made of may not be installed.
    from whodid.detect.sigma import parse_rules

    rules = parse_rules(text, source, kind)
    taken = {rule.name for rule in beside}
    for rule in rules:
        if rule.name in taken:
            raise InvalidRule(source, rule.name, "There is a rule of that name already", "Give it another name")
        for firing, fixtures in ((True, rule.firing), (False, rule.silent)):
            for number, fixture in enumerate(fixtures, 1):
                _try(rules, rule, fixture, firing=firing, number=number, source=source)
    return rules


def _try(rules: Sequence[Rule], rule: Rule, fixture: Fixture, *, firing: bool, number: int, source: str) -> None:
    side = "firing" if firing else "silent"
    what = f"its {side} fixture {number}"
    run = Run(rules)
    found = []
    try:
        for index, (event, features) in enumerate(fixture.entries):
            unknown = sorted(set(features) - set(FEATURES))
            if unknown:
                raise InvalidRule(source, rule.name, f"In {what}: there is no feature {unknown[0]}", "Correct it")
            view = _view(event, features, index)
            findings = [finding for finding in run.take(view.entry, features) if finding.rule == rule.name]
            found += findings
            for finding in findings:
                _, _, absent = fill(rule.reason, view, finding.numbers)
                if absent and firing:
                    raise InvalidRule(
                        source, rule.name, f"In {what}: the reason asks for {absent[0]}, which is absent",
                        "Let the rule ask that it exists, or leave it out of the reason",
                    )  # fmt: skip
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise InvalidRule(source, rule.name, f"In {what}: {str(error).rstrip('.')}", "Correct the event") from None
    if run.state.failures:
        raise InvalidRule(source, rule.name, f"In {what} a rule failed", "Report this as a fault of whodid")
    if bool(found) is not firing:
        said = "it stays silent" if firing else "it fires"
        raise InvalidRule(source, rule.name, f"In {what} {said}", "Correct the rule or the fixture")


def _view(event: dict[str, Any], features: dict[str, Any], index: int) -> View:
    """Complete the event of a fixture; without a time it happens one second after the one before."""
    at = event.get("occurred_at", _START + timedelta(seconds=index))
    entry = msgspec.convert(
        {
            "id": f"00000000-0000-7000-8000-{index:012x}",
            **_DEFAULTS,
            **event,
            "occurred_at": at,
            "recorded_at": at,
            "index": index,
        },
        Entry,
    )
    return View(entry, features)

"""What a run remembers of one workspace, and how a person leaves it."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct, field

from whodid.detect.baseline import Baseline
from whodid.detect.window import Hit

__all__ = ["Act", "Signal", "State", "forget", "renew"]


class Signal(Struct, frozen=True, array_like=True, order=True, gc=False):
    """That a rule held for a person.

    Args:
        at: When the entry occurred that completed it, in microseconds since 1970.
        rule: Its name.
        index: Of that entry.
    """

    at: int
    rule: str
    index: int = -1

    def before(self, at: int, index: int, span: int) -> bool:
        """Tell whether it lies before an entry, by no more than a span."""
        return (self.at, self.index) < (at, index) and at - self.at <= span


class Act(Struct, frozen=True, array_like=True, gc=False):
    """An entry about a person that is judged again when something comes late that lies before it.

    Args:
        at: When it occurred, in microseconds since 1970.
        index: Of the entry.
        features: What the baseline said of it, as far as rules that ask for signals read that.
    """

    at: int
    index: int
    features: dict[str, Any] = {}

    @property
    def place(self) -> tuple[int, int]:
        """What acts are ordered by."""
        return self.at, self.index


class State(Struct, kw_only=True, omit_defaults=True):
    """What a run remembers of one workspace; JSON-serialisable.

    Args:
        next: Index of the entry that comes next.
        clock: The latest time that an entry occurred and was recorded, in microseconds since 1970.
        people: Baselines by person.
        networks: By network, who signed in from it, and when last.
        windows: By rule and by group (its values as JSON), the hits so far.
        told: By rule and by group, when a finding was told and at which level (its place in `LEVELS`).
        signals: By person, when which rule held, by time; the last 64.
        acts: By person, the last 64 entries by time that succeeded.
        tries: The same of those that did not.
        sign_ins: Sign-ins that succeeded so far.
        missing: How many of them did not carry a country, a device (user agent) or a network (address), by name.
        failures: By rule, how often it failed.
        disabled: By rule, why.
        digests: By rule that the workspace wrote, of its text.
    """

    next: int = 0
    clock: int = 0
    people: dict[str, Baseline] = field(default_factory=dict)
    networks: dict[str, dict[str, int]] = field(default_factory=dict)
    windows: dict[str, dict[str, list[Hit]]] = field(default_factory=dict)
    told: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)
    signals: dict[str, list[Signal]] = field(default_factory=dict)
    acts: dict[str, list[Act]] = field(default_factory=dict)
    tries: dict[str, list[Act]] = field(default_factory=dict)
    sign_ins: int = 0
    missing: dict[str, int] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    disabled: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)


def renew(state: State, digests: dict[str, str]) -> None:
    """Forget what was remembered for rules that are others now, or gone.

    Args:
        digests: Of the texts of those that are there, by rule.
    """
    for rule, digest in state.digests.items():
        if digests.get(rule) != digest:
            for part in (state.windows, state.told, state.failures, state.disabled):
                part.pop(rule, None)
    state.digests = digests


def forget(state: State, person: str) -> None:
    """Forget a person: baseline, signals, networks, and every hit and finding that was about them.

    Args:
        person: Id of a user or an API key.
    """
    state.people.pop(person, None)
    for known in (state.signals, state.acts, state.tries):
        known.pop(person, None)
    for people in state.networks.values():
        people.pop(person, None)
    for groups in state.windows.values():
        for key in [key for key in groups if _names(key, person)]:
            del groups[key]
        for key, hits in groups.items():
            groups[key] = [hit for hit in hits if person not in {hit.person, hit.value}]
    for told in state.told.values():
        for key in [key for key in told if _names(key, person)]:
            del told[key]


def _names(key: str, person: str) -> bool:
    return person in msgspec.json.decode(key)

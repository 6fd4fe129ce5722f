"""What a workspace decided about rules; every change is an entry.

Which rules make alerts, about whom they are silent, with which numbers, and which rules it wrote itself.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from msgspec import UNSET, Struct
from msgspec.structs import replace

from whodid.capture.events import uuid7
from whodid.detect.sentence import Sentence, sigma
from whodid.errors import InvalidSetting, NotFound
from whodid.log import Announced, Log
from whodid.model import Actor, Change, Context, Event, Reason, Related, Resource

__all__ = [
    "ALWAYS",
    "BUDGET",
    "CHANGED",
    "LONGEST_MUTE",
    "MOST_OWN",
    "Mute",
    "OwnRule",
    "RuleSettings",
    "Settings",
    "read_settings",
]

CHANGED = "audit.alert_rule_changed"
"""What an entry about a change says."""

ALWAYS = "log_touched"
"""The rule that cannot be switched off: whoever wants to go unnoticed would begin with it."""

LONGEST_MUTE = 90
"""Days."""

BUDGET = 10
"""Alerts a week that a workspace puts up with, as long as it says nothing else."""

MOST_OWN = 50
"""Rules that a workspace may write."""

_MOST_MUTES = 500
_MOST_BUDGET = 10_000


class Mute(Struct, frozen=True, kw_only=True):
    """That a rule makes no alert about a person for a while.

    Args:
        person: Whom.
        until: The first moment at which it does again.
    """

    rule: str
    person: Resource
    until: datetime
    by: Actor


class OwnRule(Struct, frozen=True, kw_only=True):
    """A rule that a workspace wrote.

    Args:
        name: What entries and alerts call it; never given twice.
        title: What people call it.
        sentence: What it is made of, if it was written as a sentence.
        text: Otherwise, its Sigma.
        at: When it was last changed.
        by: By whom.
    """

    name: str
    title: str
    sentence: Sentence | None = None
    text: str = ""
    at: datetime
    by: Actor


class Settings(Struct, frozen=True, kw_only=True):
    """What a workspace decided about rules.

    Args:
        off: Rules that make no alerts.
        mutes: Whom a rule is silent about.
        failed: Rules that failed and were disabled, and why.
        numbers: Of built-in rules, by rule and name, where they are not the usual ones.
        budget: How many alerts a week it puts up with.
        own: Rules that it wrote.
        made: How many it ever wrote.
    """

    off: tuple[str, ...] = ()
    mutes: tuple[Mute, ...] = ()
    failed: dict[str, str] = {}
    numbers: dict[str, dict[str, float]] = {}
    budget: int = BUDGET
    own: tuple[OwnRule, ...] = ()
    made: int = 0

    def mutes_now(self, rule: str, person: Resource | None, at: datetime) -> bool:
        """Tell whether a rule is silent about a person at a time."""
        if person is None:
            return False
        about = (rule, person.type, person.id)
        return any((one.rule, one.person.type, one.person.id) == about and at < one.until for one in self.mutes)


_SETTINGS: Announced[Settings] = Announced("alerts.rules", Settings, Settings(), "The settings of the rules")


def read_settings(log: Log, workspace: str) -> Settings:
    """Return what a workspace decided about rules."""
    return _SETTINGS.read(log, workspace)


class RuleSettings:
    """The settings of the rules of one workspace.

    Args:
        actor: Who changes them.
        context: Where from.
    """

    def __init__(self, log: Log, workspace: str, *, actor: Actor, context: Context | None = None) -> None:
        self._log = log
        self._workspace = workspace
        self._actor = actor
        self._context = context

    def switch(self, rule: str, title: str, *, on: bool) -> None:
        """Let a rule make alerts, or not.

        Raises:
            InvalidSetting: It is the rule that watches over the log itself.
        """
        if rule == ALWAYS and not on:
            raise InvalidSetting(f"The rule {rule} cannot be switched off", "Mute it for a person instead")

        def make(before: Settings) -> tuple[Settings, Sequence[Change]] | None:
            if (rule not in before.off and rule not in before.failed) is on:
                return None
            off = tuple(one for one in before.off if one != rule)
            failed = {name: why for name, why in before.failed.items() if name != rule} if on else before.failed
            after = replace(before, off=off if on else (*off, rule), failed=failed)
            return after, (Change(path="active", before=not on, after=on),)

        self._change(rule, title, make)

    def number(self, rule: str, title: str, values: Mapping[str, float], usual: Mapping[str, float]) -> None:
        """Give a built-in rule other numbers.

        Args:
            values: Those that change; they were checked (`check_numbers`).
            usual: All that it has, as it comes with whodid.
        """

        def make(before: Settings) -> tuple[Settings, Sequence[Change]] | None:
            old = before.numbers.get(rule, {})
            changes = tuple(
                Change(path=f"numbers.{name}", before=old.get(name, usual[name]), after=value)
                for name, value in sorted(values.items())
                if value != old.get(name, usual[name])
            )
            new = {name: value for name, value in {**old, **values}.items() if value != usual.get(name)}
            numbers = {name: told for name, told in {**before.numbers, rule: new}.items() if told}
            return (replace(before, numbers=numbers), changes) if changes else None

        self._change(rule, title, make)

    def budget(self, weekly: int) -> None:
        """Say how many alerts a week are few enough.

        Raises:
            InvalidSetting: It is not 1 to 10,000.
        """
        if not 1 <= weekly <= _MOST_BUDGET:
            raise InvalidSetting(f"A budget of {weekly} alerts a week is none", f"Use 1 to {_MOST_BUDGET:,}")

        def make(before: Settings) -> tuple[Settings, Sequence[Change]] | None:
            if before.budget == weekly:
                return None
            return replace(before, budget=weekly), (Change(path="budget", before=before.budget, after=weekly),)

        self._change("", "", make)

    def write(
        self, sentence: Sentence | None, text: str, title: str, told: str, *, personal: bool, name: str | None = None
    ) -> str:
        """Add a rule of the workspace, or put another in its place.

        Args:
            sentence: What it is made of; None for Sigma.
            text: Otherwise, its Sigma.
            told: Its Sigma, for the entry.
            personal: Whether that is a personal value.
            name: Of the one that it takes the place of.

        Returns:
            Its name.

        Raises:
            NotFound: There is none of that name.
            InvalidSetting: There are 50 already.
        """
        given: list[str] = []

        def make(before: Settings) -> tuple[Settings, Sequence[Change]] | None:
            old = None if name is None else _own(before, name)
            if old is None and len(before.own) >= MOST_OWN:
                raise InvalidSetting(f"The workspace wrote {MOST_OWN} rules already", "Delete one first")
            made = before.made + (old is None)
            now = self._log.now()
            rule = OwnRule(
                name=old.name if old is not None else f"own_{made}", title=title, sentence=sentence, text=text,
                at=now, by=self._actor,
            )  # fmt: skip
            given[:] = [rule.name]
            if old is not None and (old.sentence, old.text) == (sentence, text):
                return None
            own = tuple(rule if one.name == rule.name else one for one in before.own) if old else (*before.own, rule)
            failed = {one: why for one, why in before.failed.items() if one != rule.name}
            was = None if old is None else _text_of(old)
            return replace(before, own=own, made=made, failed=failed), (_written(was, told, personal=personal),)

        people = () if sentence is None else sentence.persons
        self._change(lambda: given[0], title, make, people=people)
        return given[0]

    def delete(self, name: str, *, personal: bool) -> None:
        """Remove a rule that the workspace wrote; its alerts stay.

        Args:
            personal: Whether its text is a personal value.

        Raises:
            NotFound: There is none of that name.
        """
        old = _own(read_settings(self._log, self._workspace), name)

        def make(before: Settings) -> tuple[Settings, Sequence[Change]]:
            gone = _own(before, name)
            after = replace(
                before,
                own=tuple(one for one in before.own if one.name != name),
                off=tuple(one for one in before.off if one != name),
                mutes=tuple(one for one in before.mutes if one.rule != name),
                failed={one: why for one, why in before.failed.items() if one != name},
            )
            return after, (_written(_text_of(gone), None, personal=personal),)

        self._change(name, old.title, make, people=() if old.sentence is None else old.sentence.persons)

    def mute(self, rule: str, title: str, person: Resource, days: int, note: str = "") -> Mute:
        """Let a rule be silent about a person for some days.

        Raises:
            InvalidSetting: It is not 1 to 90 days, or there are too many already.
        """
        if not 1 <= days <= LONGEST_MUTE:
            raise InvalidSetting(f"A rule cannot be muted for {days} days", f"Use 1 to {LONGEST_MUTE}")
        now = self._log.now()
        mute = Mute(rule=rule, person=person, until=now + timedelta(days=days), by=self._actor)

        def make(before: Settings) -> tuple[Settings, Sequence[Change]]:
            about = (rule, person.type, person.id)
            kept = [
                one for one in before.mutes if one.until > now and (one.rule, one.person.type, one.person.id) != about
            ]
            if len(kept) >= _MOST_MUTES:
                raise InvalidSetting(f"There are {_MOST_MUTES} mutes already", "Switch the rule off instead")
            change = Change(path="muted_until", op="add", after=mute.until.isoformat())
            return replace(before, mutes=(*kept, mute)), (change,)

        self._change(rule, title, make, person=person, reason=Reason(text=note) if note else None)
        return mute

    def failing(self, rule: str, title: str, why: str) -> bool:
        """Record that a rule failed and was disabled; say whether that is news."""

        def make(before: Settings) -> tuple[Settings, Sequence[Change]] | None:
            if rule in before.failed:
                return None
            return replace(before, failed={**before.failed, rule: why}), (
                Change(path="active", before=True, after=False),
            )

        return self._change(rule, title, make, reason=Reason(code="rule_failed", text=why[:1_000]))

    def mended(self) -> None:
        """Forget which rules failed: there are new ones."""
        _SETTINGS.change(
            self._log, self._workspace, lambda old: (replace(old, failed={}), None) if old.failed else None
        )

    def erase(self, person: Resource) -> bool:
        """Remove what tells of a person, and rules that are about them; say whether there was anything."""
        changed = [False]

        def make(before: Settings) -> tuple[Settings, None] | None:
            kept = [one for one in before.mutes if (one.person.type, one.person.id) != (person.type, person.id)]
            mutes = tuple(_unnamed(one, person) for one in kept)
            own = tuple(_unnamed(one, person) for one in before.own if not _names(one, person))
            changed[0] = (mutes, own) != (before.mutes, before.own)
            return (replace(before, mutes=mutes, own=own), None) if changed[0] else None

        _SETTINGS.change(self._log, self._workspace, make)
        return changed[0]

    def _change(
        self,
        rule: str | Callable[[], str],
        title: str,
        make: Callable[[Settings], tuple[Settings, Sequence[Change]] | None],
        *,
        person: Resource | None = None,
        people: Sequence[str] = (),
        reason: Reason | None = None,
    ) -> bool:
        """Change the settings and record it; say whether anything changed.

        Args:
            rule: Its name, or what tells it once `make` was called; none where it is about no single one.
            person: Whom it is about.
            people: Ids of users whom a rule names.
        """
        about = [Related(type="user", id=one, rel="person") for one in people]
        if person is not None:
            about.append(Related(type=person.type, id=person.id, name=person.name, rel="person"))

        def announced(before: Settings) -> tuple[Settings, Event] | None:
            made = make(before)
            if made is None:
                return None
            now = self._log.now()
            name = rule if isinstance(rule, str) else rule()
            named = [Related(type="rule", id=name, name=title, rel="rule")] if name else []
            return made[0], Event(
                id=uuid7(now, os.urandom(8)),
                occurred_at=now,
                actor=self._actor,
                action=CHANGED,
                resource=Resource(type="log", id=self._workspace),
                related=(*named, *about),
                changes=tuple(made[1]),
                reason=reason,
                context=self._context,
            )

        return _SETTINGS.change(self._log, self._workspace, announced) is not None


_Made = TypeVar("_Made", Mute, OwnRule)


def _unnamed(made: _Made, person: Resource) -> _Made:
    """Return what somebody made; without their name if it is the person."""
    if (made.by.type, made.by.id) != (person.type, person.id):
        return made
    return replace(made, by=Actor(type=made.by.type, id=made.by.id))


def _names(rule: OwnRule, person: Resource) -> bool:
    """Tell whether a rule names a person, whose id is a word of it."""
    told = rule.text if rule.sentence is None else " ".join((*rule.sentence.names, rule.sentence.resource_id))
    return re.search(rf"(?<![\w-]){re.escape(person.id)}(?![\w-])", told) is not None


def _own(settings: Settings, name: str) -> OwnRule:
    found = next((one for one in settings.own if one.name == name), None)
    if found is None:
        raise NotFound(f"The workspace wrote no rule {name[:80]!r}", "Look at the list of rules")
    return found


def _text_of(rule: OwnRule) -> str:
    return rule.text if rule.sentence is None else sigma(rule.sentence)


def _written(before: str | None, after: str | None, *, personal: bool) -> Change:
    return Change(
        path="rule",
        op="add" if before is None else "remove" if after is None else "replace",
        before=UNSET if before is None else before,
        after=UNSET if after is None else after,
        class_="personal" if personal else "plain",
    )

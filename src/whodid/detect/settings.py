"""Which rules make alerts in a workspace, and about whom they are silent; every change is an entry."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from whodid.capture.events import uuid7
from whodid.errors import InvalidSetting
from whodid.log import Announced, Log
from whodid.model import Actor, Change, Context, Event, Reason, Related, Resource

__all__ = ["ALWAYS", "LONGEST_MUTE", "Mute", "RuleSettings", "Settings", "read_settings"]

ALWAYS = "log_touched"
"""The rule that cannot be switched off: whoever wants to go unnoticed would begin with it."""

LONGEST_MUTE = 90
"""Days."""

_MOST_MUTES = 500


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


class Settings(Struct, frozen=True, kw_only=True):
    """What a workspace decided about rules.

    Args:
        off: Rules that make no alerts.
        mutes: Whom a rule is silent about.
        failed: Rules that failed and were disabled, and why.
    """

    off: tuple[str, ...] = ()
    mutes: tuple[Mute, ...] = ()
    failed: dict[str, str] = {}

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
            if (rule not in before.off) is on:
                return None
            off = tuple(one for one in before.off if one != rule) if on else (*before.off, rule)
            return replace(before, off=off), (Change(path="active", before=not on, after=on),)

        self._change(rule, title, make)

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
        """Remove what tells of a person; say whether there was anything."""
        changed = [False]

        def make(before: Settings) -> tuple[Settings, None] | None:
            kept = [one for one in before.mutes if (one.person.type, one.person.id) != (person.type, person.id)]
            mine = [one if (one.by.type, one.by.id) != (person.type, person.id) else _unnamed(one) for one in kept]
            changed[0] = tuple(mine) != before.mutes
            return (replace(before, mutes=tuple(mine)), None) if changed[0] else None

        _SETTINGS.change(self._log, self._workspace, make)
        return changed[0]

    def _change(
        self,
        rule: str,
        title: str,
        make: Callable[[Settings], tuple[Settings, Sequence[Change]] | None],
        *,
        person: Resource | None = None,
        reason: Reason | None = None,
    ) -> bool:
        """Change the settings and record it; say whether anything changed."""
        about = [Related(type="rule", id=rule, name=title, rel="rule")]
        if person is not None:
            about.append(Related(type=person.type, id=person.id, name=person.name, rel="person"))

        def announced(before: Settings) -> tuple[Settings, Event] | None:
            made = make(before)
            if made is None:
                return None
            now = self._log.now()
            return made[0], Event(
                id=uuid7(now, os.urandom(8)),
                occurred_at=now,
                actor=self._actor,
                action="audit.alert_rule_changed",
                resource=Resource(type="log", id=self._workspace),
                related=tuple(about),
                changes=tuple(made[1]),
                reason=reason,
                context=self._context,
            )

        return _SETTINGS.change(self._log, self._workspace, announced) is not None


def _unnamed(mute: Mute) -> Mute:
    return replace(mute, by=Actor(type=mute.by.type, id=mute.by.id))

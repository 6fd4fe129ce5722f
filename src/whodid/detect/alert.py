"""An alert as a value: a finding that somebody was told of, and what becomes of it.

Findings of one rule about the same group are one alert while it is active. Pure: the book in, the book out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from math import inf
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from whodid.detect.rule import LEVELS, Level
from whodid.detect.run import Finding
from whodid.detect.view import person_of
from whodid.model import Actor, Entry, Resource

__all__ = [
    "EVIDENCE",
    "MOST_ACTIVE",
    "MOST_REMINDERS",
    "REMIND_AFTER",
    "Act",
    "Alert",
    "Book",
    "Status",
    "Verdict",
    "absorbed",
    "alert_of",
    "blanked",
    "least",
    "merged",
    "person_in",
    "same",
    "swallowed",
]

Status = Literal["open", "acknowledged", "resolved", "muted", "inhibited"]
Verdict = Literal["confirmed", "harmless", "mine"]

MOST_ACTIVE = 200
"""Alerts of a workspace that are open or acknowledged at a time; the least grave and oldest one gives way."""

EVIDENCE = 50
"""Entries that an alert names at most: the last ones."""

REMIND_AFTER = timedelta(days=1)
"""How long a grave alert may stay open before people are told again."""

MOST_REMINDERS = 7
"""How often they are; whoever did not look then is not helped by an eighth."""

_GRAVE = frozenset({"high", "critical"})
_EVERYTHING: frozenset[str] = frozenset()
_SWALLOWS: dict[str, frozenset[str]] = {
    "takeover": _EVERYTHING,
    "guessed_password": frozenset({"password_guessing", "password_spraying"}),
}
"""Rules whose alert stands for those of others about the same person; of any other for an empty set."""

_TOGETHER = timedelta(days=1)


class Act(Struct, frozen=True, kw_only=True):
    """What somebody did about an alert."""

    at: datetime
    by: Actor
    note: str = ""


class Alert(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A finding that somebody was told of, with those that came after it about the same.

    Args:
        id: `alt_`, the index of the entry that completed it, and a digest of what makes two findings the same.
        level: The highest so far.
        group: What makes two findings the same, as field and value.
        person: Whom it is about, if it is about somebody.
        reason: Why, in plain words with its numbers; empty when a person in it was erased.
        index: Of the entry that completed the first finding.
        entries: Indexes of the entries that it rests on, ascending; the last 50 at most.
        at: When the first finding occurred.
        last_at: When the last one did.
        times: How many findings it stands for.
        raised_at: When it was raised, last at a higher level than before.
        reminded_at: When people were told again because nobody looked after it.
        reminders: How often they were.
        within: Id of the alert that stands for it.
        verdict: What it was, once resolved: `confirmed`, `harmless`, or `mine` (it was the person).
    """

    id: str
    rule: str
    title: str
    level: Level
    status: Status = "open"
    group: dict[str, str] = {}
    person: Resource | None = None
    reason: str
    respond: str
    harmless: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    numbers: dict[str, Any] = {}
    index: int
    entries: tuple[int, ...]
    at: datetime
    last_at: datetime
    times: int = 1
    raised_at: datetime
    reminded_at: datetime | None = None
    reminders: int = 0
    acknowledged: Act | None = None
    resolved: Act | None = None
    verdict: Verdict | None = None
    within: str | None = None

    @property
    def active(self) -> bool:
        """Whether it is neither resolved nor silent."""
        return self.status in {"open", "acknowledged"}

    def forgotten(self, now: datetime) -> bool:
        """Tell whether people are to be told again: it is grave, and nobody has looked after it for a day."""
        if self.status != "open" or self.level not in _GRAVE or self.reminders >= MOST_REMINDERS:
            return False
        return now - (self.reminded_at or self.raised_at) >= REMIND_AFTER

    def key(self) -> str:
        """Return what orders alerts by age."""
        return self.id


class Book(Struct, frozen=True, kw_only=True):
    """The alerts of a workspace that are active, and how far the findings of its log are in it.

    Args:
        begins: Findings of entries that occurred before this make no alert.
        seen: Index of the entry whose findings came last.
        names: Fingerprints of those findings: a finding that comes again, after a crash, is known.
        active: Open and acknowledged alerts, oldest first.
        pages: How many pages of further alerts there are.
        reach: By number of a page, the first and the last entry that one of its alerts rests on or was completed by. A
            page that was written by a version which did not note that has none.
    """

    begins: datetime | None = None
    seen: int = -1
    names: tuple[str, ...] = ()
    active: tuple[Alert, ...] = ()
    pages: int = 0
    reach: dict[str, tuple[int, int]] = {}

    def knows(self, finding: Finding) -> bool:
        """Tell whether a finding is in the book already."""
        return finding.seen < self.seen or (finding.seen == self.seen and _name(finding) in self.names)

    def noting(self, finding: Finding) -> Book:
        """Return the book with a finding in it."""
        before = self.names if finding.seen == self.seen else ()
        return replace(self, seen=finding.seen, names=(*before, _name(finding)))

    def holding(self, number: int, page: Sequence[Alert]) -> Book:
        """Return the book with a page as it is now."""
        rest = [at for one in page for at in (one.index, *one.entries)]
        reach = {**self.reach, str(number): (min(rest, default=0), max(rest, default=-1))}
        return replace(self, pages=number + 1, reach=reach)

    def furthest(self, over: Collection[int] | None) -> list[tuple[int, float]]:
        """Return the pages that may hold an alert over some entries (any for None), those that reach furthest first.

        Returns:
            The number of each, and the index after which none of its alerts was completed.
        """
        anywhere = (-inf, inf)
        reaches = [(number, self.reach.get(str(number), anywhere)) for number in range(self.pages)]
        found = [
            (number, last)
            for number, (first, last) in reaches
            if over is None or any(first <= at <= last for at in over)
        ]
        return sorted(found, key=lambda one: one[::-1], reverse=True)

    def having(self, alert: Alert) -> Book:
        """Return the book with an alert as it is now: among the active ones, or not."""
        others = tuple(one for one in self.active if one.id != alert.id)
        if not alert.active:
            return replace(self, active=others)
        return replace(self, active=tuple(sorted((*others, alert), key=Alert.key)))


def alert_of(finding: Finding, entry: Entry, now: datetime) -> Alert:
    """Make the alert of a finding.

    Args:
        entry: That completed it.
    """
    return Alert(
        id=f"alt_{finding.index:012x}_{_fingerprint(finding)}",
        rule=finding.rule,
        title=finding.title,
        level=finding.level,
        group=finding.group,
        person=person_in(entry) if set(finding.group) != {"network"} else None,
        reason=finding.reason,
        respond=finding.respond,
        harmless=finding.harmless,
        tags=finding.tags,
        numbers=finding.numbers,
        index=finding.index,
        entries=finding.entries,
        at=finding.at,
        last_at=finding.at,
        raised_at=now,
    )


def person_in(entry: Entry) -> Resource | None:
    """Return whom an entry is about, with the name that it carries."""
    id_ = person_of(entry)
    if id_ is None:
        return None
    if entry.category == "auth" and entry.resource.type == "user":
        return Resource(type="user", id=id_, name=entry.resource.name)
    return Resource(type=entry.actor.type, id=id_, name=entry.actor.name)


def same(book: Book, finding: Finding) -> Alert | None:
    """Return the active alert that a finding belongs to."""
    found = (one for one in book.active if one.rule == finding.rule and one.group == finding.group)
    return next(found, None)


def merged(alert: Alert, finding: Finding, now: datetime) -> Alert:
    """Return an alert with one more finding; a higher level opens it again."""
    rises = LEVELS.index(finding.level) > LEVELS.index(alert.level)
    more: dict[str, Any] = {}
    if rises:
        more = {"level": finding.level, "status": "open", "raised_at": now}
    return replace(
        alert,
        reason=finding.reason,
        numbers=finding.numbers,
        entries=tuple(sorted({*alert.entries, *finding.entries}))[-EVIDENCE:],
        last_at=max(alert.last_at, finding.at),
        times=alert.times + 1,
        **more,
    )


def swallowed(book: Book, alert: Alert) -> tuple[Alert, ...]:
    """Return the active alerts that a new one stands for."""
    return tuple(one for one in book.active if _stands_for(alert, one))


def absorbed(book: Book, alert: Alert) -> Alert | None:
    """Return the active alert that stands for a new one."""
    return next((one for one in book.active if _stands_for(one, alert)), None)


def _stands_for(alert: Alert, other: Alert) -> bool:
    swallows = _SWALLOWS.get(alert.rule)
    if swallows is None or other.rule == alert.rule or alert.person is None:
        return False
    if swallows is _EVERYTHING or other.rule in swallows:
        about = other.person is not None and (other.person.type, other.person.id) == (
            alert.person.type,
            alert.person.id,
        )
        return about and abs(alert.last_at - other.last_at) <= _TOGETHER
    return False


def least(alerts: Iterable[Alert]) -> Alert:
    """Return the one that gives way to others: the oldest of the least grave."""
    return min(alerts, key=lambda one: (LEVELS.index(one.level), one.id))


def blanked(alert: Alert, person: Resource, names: frozenset[str]) -> Alert:
    """Return an alert without anything of a person; what says nothing of them comes back as it is.

    Args:
        names: Under which the person is known.
    """
    mine = alert.person is not None and (alert.person.type, alert.person.id) == (person.type, person.id)
    texts = (alert.reason, *map(str, alert.numbers.values()), *alert.group.values())
    told = any(name in text for name in names for text in texts) or person.id in alert.group.values()
    acts = {"acknowledged": _unnamed(alert.acknowledged, person), "resolved": _unnamed(alert.resolved, person)}
    if not mine and not told:
        return replace(alert, **acts)
    return replace(
        alert,
        person=Resource(type=person.type, id=person.id) if mine else alert.person,
        reason="",
        numbers={},
        group={name: value if value == person.id else "" for name, value in alert.group.items()},
        **acts,
    )


def _unnamed(act: Act | None, person: Resource) -> Act | None:
    if act is None or (act.by.type, act.by.id) != (person.type, person.id):
        return act
    return replace(act, by=Actor(type=act.by.type, id=act.by.id))


def _name(finding: Finding) -> str:
    """Return what tells findings apart that became known after one entry."""
    late = finding.index != finding.seen
    return f"{_fingerprint(finding)}:{finding.index:x}:{finding.level}" if late else _fingerprint(finding)


def _fingerprint(finding: Finding) -> str:
    return sha256(msgspec.json.encode([finding.rule, sorted(finding.group.items())])).hexdigest()[:12]

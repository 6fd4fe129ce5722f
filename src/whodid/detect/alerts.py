"""The alerts of one workspace, for whoever looks after them: list, acknowledge, resolve, mute, switch rules.

Active alerts are one named state of the log, and each that is raised, acknowledged or resolved is an entry, written
with it (`Announced`). An alert that is active no longer goes to a page of a hundred; the page is written before the
alert leaves the active ones, so a crash leaves it in both, and the active one counts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from itertools import compress
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from whodid.canonical import micros, time_text
from whodid.capture.events import uuid7
from whodid.detect.alert import (
    EVIDENCE,
    MOST_ACTIVE,
    Act,
    Alert,
    Book,
    Verdict,
    absorbed,
    alert_of,
    blanked,
    least,
    merged,
    same,
    swallowed,
)
from whodid.detect.baseline import signs_in
from whodid.detect.hearing import RAISED, RESOLVED
from whodid.detect.rule import Level
from whodid.detect.run import Finding
from whodid.detect.settings import read_settings
from whodid.detect.view import person_of
from whodid.errors import InvalidSetting, NotFound, StoreCorrupt
from whodid.log import Announced, Log
from whodid.model import Actor, Context, Entry, Event, Reason, Related, Resource, Severity

__all__ = ["BY_HAND", "DETECTION", "Alerts", "Page"]

DETECTION = Actor(type="system", id="detection", name="Detection")

BY_HAND = "by_hand"
"""Stands where the rule would, in alerts that people raise."""

_BOOK: Announced[Book] = Announced("alerts", Book, Book(), "The book of alerts")
_JOB = Context(source="job")
_PAGE = 100
_LONGEST_NOTE = 1_000
_SEVERITIES: dict[Level, Severity] = {
    "info": "info", "low": "info", "medium": "notice", "high": "warning", "critical": "critical",
}  # fmt: skip

_encode = msgspec.json.Encoder().encode
_pages = msgspec.json.Decoder(list[Alert])
_one = msgspec.json.Decoder(Alert)
_each = msgspec.json.Decoder(list[msgspec.Raw])


class _Resting(Struct, frozen=True):
    """As much of an alert as says whether it is asked for: a tenth of the work of reading it."""

    entries: tuple[int, ...]


_resting = msgspec.json.Decoder(list[_Resting])


class Page(Struct, frozen=True, kw_only=True):
    """Some alerts, newest first.

    Args:
        next: Id after which to go on, or None.
    """

    items: tuple[Alert, ...]
    next: str | None = None


class Alerts:
    """The alerts of one workspace.

    Args:
        actor: Who acts on them; detection itself when not given.
        context: Where from.
    """

    def __init__(self, log: Log, workspace: str, *, actor: Actor = DETECTION, context: Context | None = _JOB) -> None:
        self._log = log
        self._workspace = workspace
        self._actor = actor
        self._context = context

    # ------------------------------------------------------------------------------------------------------ looking

    def active(self) -> tuple[Alert, ...]:
        """Return the alerts that are open or acknowledged, newest first."""
        return self._book().active[::-1]

    def page(
        self,
        status: str = "all",
        *,
        over: Collection[int] | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Page:
        """Return alerts, newest first.

        Args:
            status: `open`, `acknowledged`, `active`, `resolved`, `muted`, `inhibited` or `all`.
            over: Only those that rest on one of these entries, by index. No entry is read for that, and no alerts but
                the active ones and these.
            after: Id of the last one of the page before.
            limit: How many.
        """
        found: list[Alert] = []
        these = None if over is None else frozenset(over)
        for alert in self._newest(closed=status not in {"open", "acknowledged", "active"}, over=these):
            wanted = status in {"all", alert.status} or (status == "active" and alert.active)
            if wanted and (after is None or alert.id < after):
                found.append(alert)
                if len(found) > limit:
                    return Page(items=tuple(found[:limit]), next=found[limit - 1].id)
        return Page(items=tuple(found))

    def get(self, id: str) -> Alert:
        """Return an alert.

        Raises:
            NotFound: There is none of that id.
        """
        for closed in (False, True):
            for alert in self._newest(closed=closed):
                if alert.id == id:
                    return alert
        raise NotFound(f"There is no alert {id[:80]!r}", "It may be gone with the entries that it rests on")

    def all(self) -> list[Alert]:
        """Return every alert that is kept, newest first."""
        return list(self._newest(closed=True))

    # ------------------------------------------------------------------------------------------------------- acting

    def acknowledge(self, id: str, note: str = "") -> Alert:
        """Say that somebody looks after an alert; it is an entry.

        Raises:
            NotFound: There is none of that id.
            InvalidSetting: It is not active any more, or the note is too long.
        """
        _check(note)

        def act(alert: Alert) -> tuple[Alert, Event] | None:
            if alert.status == "acknowledged":
                return None
            done = replace(alert, status="acknowledged", acknowledged=self._act(note))
            return done, self._event("audit.alert_acknowledged", done, note)

        return self._change(id, act)

    def resolve(self, id: str, verdict: Verdict, note: str = "") -> Alert:
        """Say what an alert was and close it; it is an entry, and detection learns from it.

        Args:
            verdict: `mine`: it was the person. `harmless`: it was somebody who may. `confirmed`: it was a stranger;
                what those sign-ins added to what is usual for the person is taken away again.

        Raises:
            NotFound: There is none of that id.
            InvalidSetting: It is not active any more, or the note is too long.
        """
        _check(note)

        def act(alert: Alert) -> tuple[Alert, Event]:
            done = replace(alert, status="resolved", resolved=self._act(note), verdict=verdict)
            details: dict[str, Any] = {"verdict": verdict}
            if verdict == "confirmed" and (times := self._sign_ins(alert)):
                details["sign_ins"] = times
            return done, self._event(RESOLVED, done, note, details)

        return self._change(id, act)

    def raise_by_hand(self, entry: Entry, note: str, *, entries: Sequence[int] = (), level: Level = "medium") -> Alert:
        """Raise an alert over what a person found odd; it is an entry. Over the same entry there is one at a time.

        Args:
            entry: What it is about.
            note: What is odd about it: the reason of the alert.
            entries: Indexes of further entries that it rests on.

        Raises:
            InvalidSetting: There is no note, or it is too long.
        """
        _check(note)
        if not note.strip():
            raise InvalidSetting("An alert says what is odd", "Write a note")
        finding = _by_itself(
            BY_HAND, "Raised by a person", entry, note, level=level, entries=entries, index=str(entry.index)
        )
        raised: list[Alert] = []

        def make(book: Book) -> tuple[Book, Event] | None:
            known = same(book, finding)
            raised[:] = [known if known is not None else alert_of(finding, entry, self._log.now())]
            if known is not None:
                return None
            return book.having(raised[0]), self._event(RAISED, raised[0], note, cause=entry.id)

        self._make_room()
        _BOOK.change(self._log, self._workspace, make)
        return raised[0]

    def remind_of(self, rule: str, title: str, entry: Entry, *, reason: str, respond: str, since: datetime) -> None:
        """Raise an alert over what nobody did in time, or tell of it again while it is active; each time is an entry.

        Args:
            rule: What stands where the rule would.
            entry: Since which it was not done.
            since: When it was due.
        """
        made = _by_itself(rule, title, entry, reason, level="medium", since=time_text(since))
        finding = replace(made, respond=respond)

        def make(book: Book) -> tuple[Book, Event]:
            known, now = next((one for one in book.active if one.rule == rule), None), self._log.now()
            if known is None:
                alert = replace(alert_of(finding, entry, now), person=None)
                return book.having(alert), self._event(RAISED, alert)
            return self._reminded(book, known, now)

        self._make_room()
        _BOOK.change(self._log, self._workspace, make)

    # --------------------------------------------------------------------------------------------- what detection does

    def begin(self, at: datetime) -> None:
        """Make no alert of what occurred before a time, unless there is a book already."""
        _BOOK.change(self._log, self._workspace, lambda book: None if book.begins else (replace(book, begins=at), None))

    def take(self, finding: Finding, entry: Entry) -> Alert | None:
        """Make an alert of a finding, or add it to the one that it belongs to; a finding that is known does nothing.

        Args:
            entry: After which it was known.

        Returns:
            The alert, if somebody is to be told: it is new, or graver than before.
        """
        told: list[Alert] = []
        if finding.index != entry.index:
            entry = next(self._log.read(self._workspace, finding.index, finding.index + 1), entry)
        settings = read_settings(self._log, self._workspace)

        def make(book: Book) -> tuple[Book, Event | None] | None:
            told.clear()
            if book.knows(finding):
                return None
            noted = book.noting(finding)
            early = book.begins is not None and finding.at < book.begins
            if early or finding.level == "info" or finding.rule in settings.off:
                return None
            now = self._log.now()
            known = same(book, finding)
            if known is not None:
                alert = merged(known, finding, now)
                if alert.level == known.level:
                    return noted.having(alert), None
            else:
                alert = alert_of(finding, entry, now)
                above = absorbed(book, alert)
                if above is not None:
                    noted = self._closed(noted, replace(alert, status="inhibited", within=above.id))
                    more = tuple(sorted({*above.entries, *alert.entries}))
                    return noted.having(replace(above, entries=more[-EVIDENCE:], times=above.times + 1)), None
                if settings.mutes_now(alert.rule, alert.person, finding.at):
                    return self._closed(noted, replace(alert, status="muted")), None
                for part in swallowed(book, alert):
                    noted = self._closed(noted, replace(part, status="inhibited", within=alert.id))
            told.append(alert)
            return noted.having(alert), self._event(RAISED, alert, cause=entry.id)

        self._make_room()
        _BOOK.change(self._log, self._workspace, make)
        return told[0] if told else None

    def remind(self) -> int:
        """Tell again of grave alerts that nobody looked after; each time is an entry. Return of how many."""
        now = self._log.now()

        def again(id: str) -> Callable[[Book], tuple[Book, Event] | None]:
            def make(book: Book) -> tuple[Book, Event] | None:
                alert = next((one for one in book.active if one.id == id and one.forgotten(now)), None)
                if alert is None:
                    return None
                return self._reminded(book, alert, now)

            return make

        found = [one.id for one in self._book().active if one.forgotten(now)]
        for id in found:
            _BOOK.change(self._log, self._workspace, again(id))
        return len(found)

    def _reminded(self, book: Book, alert: Alert, now: datetime) -> tuple[Book, Event]:
        done = replace(alert, reminded_at=now, reminders=alert.reminders + 1)
        return book.having(done), self._event(RAISED, done, more={"reminder": done.reminders})

    def clear(self) -> None:
        """Remove pages of alerts that all rest on entries which retention removed."""
        first = self._log.head(self._workspace).first
        for number in range(self._book().pages):
            kept = self._log.state(self._workspace, _page_name(number))
            if kept is not None and all(max(one.entries, default=0) < first for one in self._read(kept)):
                self._log.swap_state(self._workspace, _page_name(number), kept, None)

    def erase(self, person: Resource) -> bool:
        """Remove from every alert what tells of a person; that it was raised stays. Say whether there was anything."""
        about = [one.person for one in self._newest(closed=True) if one.person is not None]
        names = frozenset(one.name for one in about if one.name and (one.type, one.id) == (person.type, person.id))
        changed = [False]

        def make(book: Book) -> tuple[Book, None] | None:
            active = tuple(blanked(one, person, names) for one in book.active)
            changed[0] |= active != book.active
            return (replace(book, active=active), None) if active != book.active else None

        _BOOK.change(self._log, self._workspace, make)
        for number in range(self._book().pages):
            name = _page_name(number)
            while (kept := self._log.state(self._workspace, name)) is not None:
                page = _encode([blanked(one, person, names) for one in self._read(kept)])
                if page == kept:
                    break
                changed[0] = True
                if self._log.swap_state(self._workspace, name, kept, page):
                    break
        return changed[0]

    def _make_room(self) -> None:
        while len(active := self._book().active) >= MOST_ACTIVE:
            self.resolve(least(active).id, "harmless", f"There were {MOST_ACTIVE} active alerts")

    # ------------------------------------------------------------------------------------------------------ storing

    def _book(self) -> Book:
        return _BOOK.read(self._log, self._workspace)

    def _newest(self, *, closed: bool, over: frozenset[int] | None = None) -> Iterator[Alert]:
        """Yield alerts, newest first; an alert is closed when it is not active any more.

        A page is read when its turn comes.

        Args:
            over: Only alerts that rest on one of these entries; of closed ones nothing else is read.
        """
        book = self._book()
        waiting = [one for one in book.active if over is None or not over.isdisjoint(one.entries)]
        known = {one.id for one in book.active}
        for number, last in book.furthest(over) if closed else ():
            yield from sorted((one for one in waiting if one.index > last), key=Alert.key, reverse=True)
            waiting = [one for one in waiting if one.index <= last]
            kept = self._log.state(self._workspace, _page_name(number))
            waiting += [one for one in (self._read(kept, over) if kept else ()) if one.id not in known]
        yield from sorted(waiting, key=Alert.key, reverse=True)

    def _change(self, id: str, act: Callable[[Alert], tuple[Alert, Event] | None]) -> Alert:
        changed: list[Alert] = []

        def make(book: Book) -> tuple[Book, Event | None] | None:
            alert = next((one for one in book.active if one.id == id), None)
            if alert is None:
                raise InvalidSetting(f"The alert is {self.get(id).status} already", "Look at it again")
            done = act(alert)
            changed[:] = [alert if done is None else done[0]]
            if done is None:
                return None
            after, event = done
            return (book.having(after) if after.active else self._closed(book, after)), event

        _BOOK.change(self._log, self._workspace, make)
        return changed[0]

    def _closed(self, book: Book, alert: Alert) -> Book:
        """Put an alert onto a page, and return the book without it."""
        number = max(0, book.pages - 1)
        while True:
            kept = self._log.state(self._workspace, _page_name(number))
            page = [one for one in (self._read(kept) if kept else []) if one.id != alert.id]
            if len(page) >= _PAGE:
                number += 1
                continue
            page.append(alert)
            if self._log.swap_state(self._workspace, _page_name(number), kept, _encode(page)):
                return book.having(alert).holding(number, page)

    def _read(self, kept: bytes, over: frozenset[int] | None = None) -> list[Alert]:
        try:
            if over is None:
                return _pages.decode(kept)
            rests = [not over.isdisjoint(one.entries) for one in _resting.decode(kept)]
            return [_one.decode(one) for one in compress(_each.decode(kept), rests)] if any(rests) else []
        except msgspec.DecodeError as error:
            raise StoreCorrupt(f"A page of alerts cannot be read: {error}", "Restore a backup") from None

    # ------------------------------------------------------------------------------------------------------- saying

    def _act(self, note: str) -> Act:
        return Act(at=self._log.now(), by=self._actor, note=note)

    def _sign_ins(self, alert: Alert) -> list[int]:
        """Return when the sign-ins occurred that the alert is about, in microseconds since 1970."""
        times = []
        for index in alert.entries:
            entry = next(self._log.read(self._workspace, index, index + 1), None)
            mine = entry is not None and alert.person is not None and person_of(entry) == alert.person.id
            if entry is not None and mine and signs_in(entry):
                times.append(micros(entry.occurred_at))
        return times

    def _event(
        self, action: str, alert: Alert, note: str = "", more: dict[str, Any] | None = None, cause: str | None = None
    ) -> Event:
        now = self._log.now()
        about = [Related(type="rule", id=alert.rule, name=alert.title, rel="rule")]
        if alert.person is not None:
            about.append(Related(type=alert.person.type, id=alert.person.id, name=alert.person.name, rel="person"))
        details = {"alert": alert.id, "level": alert.level, "entries": list(alert.entries)}
        return Event(
            id=uuid7(now, os.urandom(8)),
            occurred_at=now,
            actor=self._actor,
            action=action,
            resource=Resource(type="log", id=self._workspace),
            related=tuple(about),
            details={**details, **(more or {})},
            reason=Reason(text=note) if note else None,
            cause=cause,
            context=self._context,
            severity=_SEVERITIES[alert.level] if action == RAISED else None,
        )


def _by_itself(
    rule: str, title: str, entry: Entry, reason: str, *, level: Level, entries: Sequence[int] = (), **group: str
) -> Finding:
    """Return a finding that no rule made."""
    return Finding(
        rule=rule,
        title=title,
        level=level,
        at=entry.occurred_at,
        index=entry.index,
        seen=entry.index,
        group=group,
        reason=reason,
        respond="",
        harmless=(),
        tags=(),
        numbers={},
        entries=tuple(sorted({*entries, entry.index}))[-EVIDENCE:],
    )


def _check(note: str) -> None:
    if len(note) > _LONGEST_NOTE:
        raise InvalidSetting(f"The note has {len(note):,} characters", f"Use at most {_LONGEST_NOTE:,}")


def _page_name(number: int) -> str:
    return f"alerts.page.{number}"

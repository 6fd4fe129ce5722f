"""What happened in this session? One sign-in, its requests, what they did, until its end.

A session is known by the id that entries carry (`session:ID`), or by one of its entries (`entry:INDEX`). Where that
entry carries no id, it is the time of that person between two sign-ins, and the answer says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import groupby

from whodid.answers.find import Work, term
from whodid.answers.shape import Basis, Part, Row, Said, Subject
from whodid.errors import NotFound
from whodid.model import Entry
from whodid.query import Query

__all__ = ["session"]

_SIGN_INS = frozenset({"auth.login", "auth.sso_login"})
_ENDS = frozenset({"auth.logout", "auth.session_revoked"})
_PAUSE = timedelta(minutes=30)
_LONGEST = timedelta(days=1)
_MOST_ROWS = 500
_Result = tuple[Said, tuple[Row, ...], Basis, tuple[Entry, ...]]


def session(work: Work) -> _Result:
    """Find the entries of the subject, and tell them in their order: request by request, pauses between them."""
    subject = work.about()
    entries: list[Entry] = []
    if subject.type == "entry":
        at = _at(work, subject.id)
        known = at.context.session if at.context is not None else None
        if known is None:
            work.limits.append(Said("limit.guessed"))
            entries = _around(work, at)
        subject = Subject(type="session", id=known) if known is not None else subject
    if subject.type == "session":
        work.limits.append(Said("limit.session"))
        entries = _carrying(work, subject)
    basis = Basis(indexes=tuple(sorted(entry.index for entry in entries)))
    if not entries:
        return Said.of("story.none", subject=subject), (), basis, ()
    rows = [Row(subject=subject, said=(_counts(entries),), indexes=basis.indexes[:1])]
    rows += _told(subject, entries)
    if len(rows) > _MOST_ROWS:
        work.limits.append(Said.of("limit.long", count=_MOST_ROWS))
    return _finding(subject, entries), tuple(rows[:_MOST_ROWS]), basis, tuple(reversed(entries))


def _at(work: Work, index: str) -> Entry:
    """Return the entry of an index.

    Raises:
        NotFound: There is none that this reader may see.
    """
    found = work.reader.find(Query(terms=(term("index", index),))) if index.isascii() and index.isdigit() else iter(())
    entry = next(found, None)
    if entry is None:
        raise NotFound("There is no such entry in this log", "Check its number")
    return entry


def _carrying(work: Work, subject: Subject) -> list[Entry]:
    """Return the entries that carry the id of a session, and those that say that somebody else ended it."""
    found = {
        entry.index: entry
        for entry in work.bounded(Query(terms=(term("session", subject.id),)))
        if entry.context is not None and entry.context.session == subject.id
    }
    for entry in work.bounded(Query(terms=(term("related", f"session:{subject.id}"),))):
        if any((one.type, one.id) == ("session", subject.id) for one in entry.related):
            found[entry.index] = entry
    return _ordered(found.values())


def _around(work: Work, at: Entry) -> list[Entry]:
    """Return what a person did from the sign-in before an entry, or that it is, to where they came or went again."""
    person = at.resource.id if at.category == "auth" else at.actor.id
    span = Query(terms=(term("actor", person),), since=at.occurred_at - _LONGEST, until=at.occurred_at + _LONGEST)
    theirs = _ordered(one for one in work.bounded(span) if one.actor.id == person)
    begins = [one for one in theirs if _begins(one) and _place(one) <= _place(at)]
    start = _place(begins[-1]) if begins else _place(at)
    found: list[Entry] = []
    for entry in theirs:
        if _place(entry) < start:
            continue
        if _begins(entry) and _place(entry) > max(start, _place(at)):
            break
        found.append(entry)
        if entry.action in _ENDS and _place(entry) >= _place(at):
            break
    return found or [at]


def _ordered(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=_place)


def _place(entry: Entry) -> tuple[object, int]:
    return entry.occurred_at, entry.index


def _begins(entry: Entry) -> bool:
    return entry.action in _SIGN_INS and entry.outcome == "success"


def _finding(subject: Subject, entries: Sequence[Entry]) -> Said:
    begin = next((one for one in entries if _begins(one)), None)
    last = entries[-1]
    parts: dict[str, Part] = {"subject": subject, "at": entries[0].occurred_at, "last": last.occurred_at}
    if begin is None:
        return Said("story.begun", parts)
    parts |= {"entry": begin, "at": begin.occurred_at}
    end = next((one for one in reversed(entries) if one.action in _ENDS and one.outcome == "success"), None)
    if end is None:
        return Said("story.open", parts)
    return Said("story.ended", {**parts, "end": end, "last": end.occurred_at})


def _counts(entries: Sequence[Entry]) -> Said:
    requests = {one.context.request for one in entries if one.context is not None and one.context.request}
    return Said.of(
        "story.counts",
        count=len(entries),
        requests=len(requests),
        changes=sum(one.outcome == "success" and _changes(one) for one in entries),
        exports=sum(one.action.endswith(".exported") for one in entries),
        refused=sum(one.outcome != "success" for one in entries),
    )


def _changes(entry: Entry) -> bool:
    return bool(entry.changes) or entry.kind in {"create", "delete"}


def _told(subject: Subject, entries: Sequence[Entry]) -> Iterator[Row]:
    """Tell entries request by request; equal acts of one request in one breath."""
    before: Entry | None = None
    for (request, _), group in groupby(entries, key=_belongs):
        steps = list(group)
        if before is not None and steps[0].occurred_at - before.occurred_at >= _PAUSE:
            pause = steps[0].occurred_at - before.occurred_at
            yield Row(subject=subject, said=(Said.of("story.pause", minutes=int(pause.total_seconds() // 60)),))
        about = steps[0].resource
        known = Subject(type=about.type, id=about.id, name=about.name)
        one = Subject(type="request", id=request) if request else known
        yield Row(subject=one, said=tuple(_steps(steps)), indexes=tuple(step.index for step in steps))
        before = steps[-1]


def _belongs(entry: Entry) -> tuple[str, str]:
    """Return what neighbours have in common that are told in one line."""
    request = entry.context.request if entry.context is not None else None
    return (request, "") if request else ("", f"{entry.action} {entry.outcome}")


def _steps(steps: Iterable[Entry]) -> Iterator[Said]:
    for _, alike in groupby(steps, key=lambda one: (one.action, one.outcome, one.actor.id)):
        first, *more = alike
        if more:
            yield Said.of("story.steps", entry=first, at=first.occurred_at, more=len(more))
        else:
            yield Said.of("story.step", entry=first, at=first.occurred_at)

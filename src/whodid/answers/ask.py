"""The questions, and how one is asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from whodid.answers.approval import approval
from whodid.answers.deletion import deletion
from whodid.answers.find import Work, declared
from whodid.answers.keys import keys
from whodid.answers.roles import roles
from whodid.answers.session import session
from whodid.answers.shape import Answer, Basis, Reader, Row, Said, Subject
from whodid.answers.standing import Prove, stand
from whodid.answers.stop import stop
from whodid.catalog import Catalog
from whodid.errors import InvalidQuery, NotFound
from whodid.model import Entry
from whodid.query import quote

__all__ = ["QUESTIONS", "Asked", "answer"]

_Finder = Callable[[Work], tuple[Said, tuple[Row, ...], Basis, tuple[Entry, ...]]]


class Asked(NamedTuple):
    """A question that can be asked.

    Args:
        find: Works out the answer.
        marks: Of the catalog's actions that answer it; none where their kind says it.
        subject: Whether it is about one thing; otherwise that is optional.
        period: Whether it is about a day or a period.
        about: Types of resources that it can be asked about, where the catalog does not say it.
    """

    find: _Finder
    marks: tuple[str, ...] = ()
    subject: bool = False
    period: bool = False
    about: tuple[str, ...] = ()

    def types(self, catalog: Catalog) -> tuple[str, ...]:
        """Name the types of resources that it can be asked about."""
        if self.about:
            return self.about
        known = declared(catalog, *self.marks) if self.marks else _deletable(catalog)
        return tuple(dict.fromkeys(catalog[name].resource_type for name in known if catalog[name].resource_type))


QUESTIONS: dict[str, Asked] = {
    "deletion": Asked(deletion, subject=True),
    "approval": Asked(approval, ("approval",), subject=True),
    "roles": Asked(roles, ("role",), period=True),
    "keys": Asked(keys, ("key_made", "key_ended"), period=True),
    "stop": Asked(stop, ("stop",), subject=True),
    "session": Asked(session, subject=True, about=("session", "entry")),
}
"""Who deleted this; how did it get approved; who had which role; which API keys existed; why did it stop; what happened
in this session."""


def answer(
    reader: Reader,
    catalog: Catalog,
    question: str,
    subject: Subject | None = None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    now: datetime,
    prove: Prove | None = None,
) -> Answer:
    """Answer a question from what is kept.

    Args:
        reader: The log as whoever asks may see it.
        catalog: Says what actions mean.
        question: One of `QUESTIONS`.
        subject: What it is about.
        since: First moment that is asked about, UTC.
        until: First moment after, UTC.
        now: The present, UTC.
        prove: Works out what the log proves of the answer; without it the answer does not say how complete it is.

    Raises:
        InvalidQuery: There is no such question, or it lacks its subject, or is about no period.
        NotFound: Nothing was ever recorded.
    """
    asked = QUESTIONS.get(question)
    if asked is None:
        raise InvalidQuery(f"There is no question {quote(question)}", f"Ask one of {', '.join(QUESTIONS)}")
    if not asked.period and (since is not None or until is not None):
        raise InvalidQuery("This question is about no day", "Leave the day out")
    kept = reader.kept()
    if kept.since is None:
        raise NotFound("Nothing is recorded that could answer", "Record something first")
    work = Work(reader, catalog, subject, since=since, until=until, now=now)
    finding, rows, basis, entries = asked.find(work)
    return Answer(
        question=question,
        subject=None if subject is None else work.known(entries),
        since=since,
        until=until,
        finding=finding,
        rows=rows,
        basis=basis if basis.actions or basis.indexes else None,
        entries=entries,
        limits=(*work.limits, *_limits(work, asked, rows, entries)),
        standing=stand(prove, basis, entries, size=kept.size, narrowed=reader.narrowed) if prove is not None else None,
    )


def _limits(work: Work, asked: Asked, rows: tuple[Row, ...], entries: tuple[Entry, ...]) -> list[Said]:
    """Say what any answer from this log cannot say."""
    kept, limits = work.reader.kept(), []
    subject, types = work.subject, asked.types(work.catalog)
    if not types or (subject is not None and subject.type not in types and asked.marks):
        limits.append(Said("limit.undeclared"))
    elif not entries and subject is None:
        limits.append(Said("limit.silent"))
    if kept.since is not None:
        limits.append(Said("limit.kept" if kept.first or kept.until else "limit.begins", {"at": kept.since}))
    if kept.until is not None and kept.since is not None and kept.since.date().isoformat() <= kept.until[:10]:
        limits.append(Said.of("limit.purged", until=kept.until))
    erased = sum(entry.erased is not None for entry in entries)
    if erased:
        limits.append(Said.of("limit.erased", count=erased))
    if any(not row.proven for row in rows):
        limits.append(Said("limit.acted"))
    if work.reader.narrowed:
        limits.append(Said("limit.narrowed"))
    if not work.reader.personal:
        limits.append(Said("limit.hidden"))
    return [*limits, Said("limit.unrecorded"), Said("limit.genuine" if asked.about else "limit.unproven")]


def _deletable(catalog: Catalog) -> tuple[str, ...]:
    return tuple(name for name, action in catalog.items() if action.kind == "delete")

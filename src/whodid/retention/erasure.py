"""Erasing a person from a log, on request: what would go, and doing it, in bounded steps, each of which is an entry.

A person is a typed id, such as `contact:con_7` or `user:usr_1`. Erased are the person's name, address and the values
that the catalog calls personal, wherever the person is actor, resource or related; and, on demand, what others wrote
about the person (*mentions*). The ids stay until the entries are purged: they are what tells that something was
erased, and every proof still holds. Then every other place that the log knows is emptied of the person
(`Log.elsewhere`): files of exports, the memory of detection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import UNSET, Struct

from whodid import canonical
from whodid.capture.events import uuid7
from whodid.errors import Held, InvalidSetting, NotFound
from whodid.log import Log
from whodid.model import Actor, Change, Context, Entry, Event, Reason, Related, Resource
from whodid.query import Query, Term, Value, fold
from whodid.retention.holds import Hold, holder, standing_holds
from whodid.retention.register import ERASURE_RECORD, Erased, Gone, write_register

__all__ = ["ErasurePreview", "ErasureReport", "Mention", "erase_person", "preview_erasure", "repeat_erasure", "traces"]

STEP = 500
"""Entries that one step rewrites: it blocks writers for some tens of milliseconds."""

BEYOND = ("backups", "downloads", "sinks")
"""What no erasure reaches: copies of the store, files that somebody fetched, entries that were delivered."""

_LEAST = 3
_PERSON = re.compile(r"[a-z][a-z0-9_]{0,63}:.{1,200}", re.DOTALL)
_TELLING = frozenset({"name", "first_name", "last_name", "full_name", "display_name", "username", "email", "phone"})
_DIGITS = re.compile(r"\d(?:\D{0,2}\d){6,}")


class Mention(Struct, frozen=True, kw_only=True):
    """A field that tells of the person in an entry that is not about the person.

    Args:
        index: Of the entry.
        path: Of the field.
    """

    index: int
    path: str


class ErasurePreview(Struct, frozen=True, kw_only=True):
    """What an erasure would do now.

    Args:
        entries: Entries that would lose fields.
        fields: Fields that they would lose.
        mentions: Fields of other entries in which a name or an address of the person occurs; they stay unless the
            caller wants them erased too.
        held: Legal holds that keep some of the entries.
        elsewhere: Kinds of places besides the log that would be emptied of the person.
        beyond: What an erasure does not reach.
    """

    entries: int
    fields: int
    mentions: tuple[Mention, ...]
    held: tuple[Hold, ...]
    elsewhere: tuple[str, ...]
    beyond: tuple[str, ...] = BEYOND


class ErasureReport(Struct, frozen=True, kw_only=True):
    """What an erasure did.

    Args:
        entries: Entries that lost fields.
        fields: Fields that they lost.
        records: Indexes of the `audit.erased` entries: one per step, and one about other places if anything was there.
        elsewhere: How many things were removed from other places, by kind.
        beyond: What the erasure did not reach.
    """

    entries: int = 0
    fields: int = 0
    records: tuple[int, ...] = ()
    elsewhere: dict[str, int] = {}
    beyond: tuple[str, ...] = BEYOND


class _Found(NamedTuple):
    known: bool
    paths: dict[int, tuple[str, ...]]
    mentions: tuple[Mention, ...]
    held: tuple[Hold, ...]


def preview_erasure(log: Log, workspace: str, person: str) -> ErasurePreview:
    """Return what an erasure would do now; nothing changes.

    Args:
        person: `type:id`.

    Raises:
        InvalidSetting: That names nobody.
        NotFound: The workspace has no log.
    """
    found = _find(log, workspace, _subject(person))
    return ErasurePreview(
        entries=len(found.paths),
        fields=sum(len(paths) for paths in found.paths.values()),
        mentions=found.mentions,
        held=found.held,
        elsewhere=log.elsewhere.names,
    )


def traces(log: Log, workspace: str, person: str) -> dict[int, tuple[str, ...]]:
    """Return every field that is a person's own or mentions the person, by the index of its entry; nothing changes.

    Args:
        person: `type:id`.

    Raises:
        InvalidSetting: That names nobody.
        NotFound: The workspace has no log.
    """
    found = _find(log, workspace, _subject(person))
    paths = dict(found.paths)
    for one in found.mentions:
        paths[one.index] = (*paths.get(one.index, ()), one.path)
    return paths


def erase_person(
    log: Log,
    workspace: str,
    person: str,
    *,
    actor: Actor,
    reason: Reason,
    context: Context | None = None,
    mentions: Iterable[Mention] = (),
    despite_holds: bool = False,
    progress: Callable[[int], None] | None = None,
) -> ErasureReport:
    """Erase a person and record it, step by step as `audit.erased`; then take what is left of it out of the files.

    A crash leaves whole steps; erase again, and what is done is skipped.

    Args:
        person: `type:id`.
        actor: Who erases.
        reason: Why; its text must not be empty, and should not name the person.
        context: Where from.
        mentions: Fields of other entries to erase as well, as the preview lists them.
        despite_holds: Whether to erase entries that a legal hold keeps; the records then name the holds.
        progress: Called after every step with the number of entries erased so far.

    Raises:
        InvalidSetting: The person or the reason is missing.
        Held: A legal hold keeps some of the entries; nothing was erased.
        NotFound: The workspace has no log.
        StoreError: A step failed; the steps before it stand.
    """
    subject = _subject(person)
    if not (reason.text or "").strip():
        raise InvalidSetting("A person is erased with a reason", "Say on which request")
    found = _find(log, workspace, subject)
    if found.held and not despite_holds:
        raise Held(found.held[0].id, found.held[0].name)
    paths = dict(found.paths)
    for one in mentions:
        paths[one.index] = (*paths.get(one.index, ()), one.path)
    writer = _Writer(log, workspace, subject, actor=actor, reason=reason, context=context, held=found.held)
    entries, fields = 0, 0
    indexes = sorted(paths)
    if indexes:
        # Before the first step: what is noted and not done is done by whoever erases again.
        log.elsewhere.note(write_register([writer.noted(paths)]))
    for at in range(0, len(indexes), STEP):
        event = writer.event(beyond=BEYOND)
        done = log.erase(workspace, {index: paths[index] for index in indexes[at : at + STEP]}, event)
        if done is not None:
            entries, fields = entries + done.entries, fields + done.fields
            writer.records.append(done.receipt.index)
            if progress is not None:
                progress(entries)
    # After the steps, so that no file of what was there before them is made any more. Who is in no entry is nowhere.
    removed = log.elsewhere.forget(workspace, person) if found.known else {}
    if removed:
        writer.records.append(log.record(workspace, writer.event(elsewhere=removed)).index)
    log.compact()
    return ErasureReport(entries=entries, fields=fields, records=tuple(writer.records), elsewhere=removed)


def repeat_erasure(log: Log, erased: Erased, *, actor: Actor, context: Context | None = None) -> ErasureReport:
    """Erase a person again, and every field that was erased then, from a copy of the log that is older.

    What is erased already is skipped; a hold that the copy brought back does not keep what had gone.

    Args:
        erased: As the register has it.
        actor: Who erases again; the records say so, with the reason of that time.
        context: Where from.

    Raises:
        NotFound: The workspace has no log.
        StoreError: A step failed; the steps before it stand.
    """
    return erase_person(
        log,
        erased.workspace,
        erased.person,
        actor=actor,
        reason=Reason(text=erased.reason),
        context=context,
        mentions=tuple(_present(log, erased)),
        despite_holds=True,
    )


def _present(log: Log, erased: Erased) -> Iterator[Mention]:
    """Iterate over the fields of that time, wherever the entries are now."""
    for gone in erased.gone:
        try:
            index = log.get(erased.workspace, gone.id).index
        except NotFound:  # purged, or lost with what was recorded after the backup
            continue
        for path in gone.paths:
            yield Mention(index=index, path=path)


class _Writer:
    """Writes the records of one erasure, which have an id in common."""

    def __init__(
        self,
        log: Log,
        workspace: str,
        subject: Resource,
        *,
        actor: Actor,
        reason: Reason,
        context: Context | None,
        held: Sequence[Hold],
    ) -> None:
        self._log = log
        self._workspace = workspace
        self._subject = subject
        self._actor = actor
        self._reason = reason
        self._context = context
        self._details: dict[str, Any] = {
            "subject": f"{subject.type}:{subject.id}",
            "erasure": str(uuid7(log.now(), os.urandom(8))),
        }
        if held:
            self._details["held_by"] = [hold.id for hold in held]
        self.records: list[int] = []

    def noted(self, paths: Mapping[int, Collection[str]]) -> Erased:
        """Return what is about to go, for the register."""
        gone = tuple(
            Gone(id=self._log.get(self._workspace, index).id, paths=tuple(paths[index])) for index in sorted(paths)
        )
        return Erased(
            workspace=self._workspace,
            erasure=self._details["erasure"],
            person=self._details["subject"],
            at=self._log.now(),
            actor=self._actor,
            reason=self._reason.text or "",
            entries=len(gone),
            fields=sum(len(one.paths) for one in gone),
            gone=gone,
        )

    def event(self, **more: Any) -> Event:
        """Return a record."""
        now = self._log.now()
        subject = self._subject
        return Event(
            id=uuid7(now, os.urandom(8)),
            occurred_at=now,
            actor=self._actor,
            action=ERASURE_RECORD,
            resource=Resource(type="log", id=self._workspace),
            related=(Related(type=subject.type, id=subject.id, rel="subject"),),
            details={**self._details, **more},
            reason=self._reason,
            context=self._context,
        )


def _subject(person: str) -> Resource:
    if not _PERSON.fullmatch(person):
        raise InvalidSetting(f"{person[:80]!r} is nobody", "Write the type and the id, such as contact:con_7")
    kind, _, id_ = person.partition(":")
    return Resource(type=kind, id=id_)


def _find(log: Log, workspace: str, person: Resource) -> _Found:
    """Look through the log for what is the person's, and for what others wrote about the person."""
    paths: dict[int, tuple[str, ...]] = {}
    about: dict[int, Entry] = {}
    values: dict[str, None] = {}
    for entry in _touching(log, workspace, person):
        about[entry.index] = entry
        listed = tuple(dict.fromkeys(_own_paths(log, entry, person)))
        values.update(dict.fromkeys(_telling(entry, listed)))
        paths[entry.index] = listed
    needles = {folded: value for value in values if len(folded := " ".join(fold(value).split())) >= _LEAST}
    mentions: list[Mention] = []
    for entry in _mentioning(log, workspace, needles.values()):
        told = [path for path, text in _texts(entry) if any(needle in text for needle in needles)]
        if entry.index in about:
            paths[entry.index] = tuple(dict.fromkeys((*paths[entry.index], *told)))
        else:
            mentions.extend(Mention(index=entry.index, path=path) for path in told)
    present = {index: _there(about[index], listed) for index, listed in paths.items()}
    held_by = holder(standing_holds(log, workspace))
    held = {hold.id: hold for index in present if present[index] and (hold := held_by(about[index])) is not None}
    return _Found(
        bool(about),
        {index: listed for index, listed in sorted(present.items()) if listed},
        tuple(dict.fromkeys(mentions)),
        tuple(held.values()),
    )


def _touching(log: Log, workspace: str, person: Resource) -> Iterator[Entry]:
    """Iterate over the entries in which the person is actor, acted for, resource or related."""
    log.head(workspace)
    told: set[int] = set()
    typed = Value(text=f"{person.type}:{person.id}")
    for field, value in (("resource", typed), ("actor", Value(text=person.id))):
        for entry in log.stream(workspace, Query(terms=(Term(field=field, values=(value,)),))):
            if entry.index not in told and _touches(entry, person):
                told.add(entry.index)
                yield entry


def _touches(entry: Entry, person: Resource) -> bool:
    things: list[Actor | Resource | Related] = [*_actors(entry.actor), entry.resource, *entry.related]
    return any((one.type, one.id) == (person.type, person.id) for one in things)


def _actors(actor: Actor) -> Iterator[Actor]:
    found: Actor | None = actor
    while found is not None:
        yield found
        found = found.on_behalf_of


def _own_paths(log: Log, entry: Entry, person: Resource) -> Iterator[str]:
    """Iterate over the fields of an entry that are the person's own."""
    who = (person.type, person.id)
    if (entry.actor.type, entry.actor.id) == who:
        yield from ("actor.name", "actor.email", "context.place", "context.user_agent")
    if who in {(one.type, one.id) for one in _actors(entry.actor)} - {(entry.actor.type, entry.actor.id)}:
        yield "actor.on_behalf_of"
    if (entry.resource.type, entry.resource.id) == who:
        yield "resource.name"
        yield from (f"changes.{at}" for at, change in enumerate(entry.changes) if change.class_ == "personal")
        declared = log.catalog.get(entry.action)
        # What says that and on which request somebody was erased is what must not go.
        if declared is not None and "P" in declared.sensitivity and not entry.action.endswith(".erased"):
            yield "details"
    for at, one in enumerate(entry.related):
        if (one.type, one.id) == who:
            yield f"related.{at}.name"


def _telling(entry: Entry, paths: Iterable[str]) -> Iterator[str]:
    """Iterate over the values among the fields that tell who it is, wherever they stand."""
    known = set(paths)
    if "actor.name" in known:
        yield from (value for value in (entry.actor.name, entry.actor.email) if value)
    if "actor.on_behalf_of" in known:
        behalf = list(_actors(entry.actor))[1:]
        yield from (value for one in behalf for value in (one.name, one.email) if value)
    if "resource.name" in known and entry.resource.name:
        yield entry.resource.name
    for at, one in enumerate(entry.related):
        if f"related.{at}.name" in known and one.name:
            yield one.name
    for at, change in enumerate(entry.changes):
        if f"changes.{at}" in known:
            yield from (value for value in _strings(change) if _tells(change.path, value))


def _tells(path: str, value: str) -> bool:
    return path.rpartition(".")[2] in _TELLING or "@" in value or _DIGITS.search(value) is not None


def _strings(change: Change) -> Iterator[str]:
    for side in (change.before, change.after, change.added, change.removed):
        for value in side if isinstance(side, list) else () if side is UNSET else (side,):
            if isinstance(value, str):
                yield value


def _mentioning(log: Log, workspace: str, values: Iterable[str]) -> Iterator[Entry]:
    """Iterate over the entries in which one of the values occurs as a phrase."""
    told: set[int] = set()
    for value in values:
        for entry in log.stream(workspace, Query(terms=(Term(field="text", values=(Value(text=value),)),))):
            if entry.index not in told:
                told.add(entry.index)
                yield entry


def _texts(entry: Entry) -> Iterator[tuple[str, str]]:
    """Iterate over the fields in which somebody may have written about a person, each with its folded text."""
    for path, value in canonical.fields(entry):
        if value is not None and path not in {b"core", b"actor.id", b"resource.id", b"related", b"context.place"}:
            yield path.decode(), " ".join(fold(value.decode()).split())


def _there(entry: Entry, paths: Iterable[str]) -> tuple[str, ...]:
    """Return those of the fields that the entry still has."""
    present = {path.decode() for path, value in canonical.fields(entry) if value is not None}
    return tuple(path for path in paths if path in present)

"""What is to be said of a transaction before it commits: net changes of rows, and events that were said outright.

Rows are kept as values, before and after, and become events when they are written: a field that was changed and changed
back is no change, created and then updated is one creation, created and then deleted is nothing. An event that was said
outright about a resource speaks for its row: the row's changes complete it when it names none of its own, and no second
event is made of them.

Marks make it exact to the savepoint: what was noted after a mark is forgotten when that savepoint is rolled back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from whodid.capture.context import Scope
from whodid.model import Change, Event, Related, Resource

__all__ = ["Collection", "Pending", "Row", "Said"]

Key = tuple[str, str]


class Collection(Struct, gc=False):
    """Members of a many-to-many field that came and went, without the ones that stayed."""

    added: list[Any]
    removed: list[Any]


class Row(Struct, kw_only=True, gc=False):
    """What happened to one row.

    Args:
        resource: With its name as it is now.
        workspace: Whose log it is for; None when it is not known.
        before: Its fields before, as JSON values; None when it was created. Of an update only what may have changed.
        after: Its fields after; None when it was deleted.
        collections: By field.
        verb: What the event is called when the hook was told so (a soft delete); otherwise it follows from the sides.
        scope: Who acts, as it was when the row was written.
        at: When it was written.
        related: Further resources, its owner above all.
        details: Further JSON values, of a summary of many rows.
        shape: What describing it needs to know of its model (`whodid.capture.describe`); None for a hook's own ways.
        place: Where its event is to be written, when a transaction spans several databases; the hook's own.
        background: Whether the scope had ended already; that it ends before the event is made is something else.
    """

    resource: Resource
    workspace: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    scope: Scope | None
    at: datetime
    collections: dict[str, Collection] = msgspec.field(default_factory=dict)
    verb: str | None = None
    related: tuple[Related, ...] = ()
    details: dict[str, Any] | None = None
    shape: Any = None
    place: Any = None
    background: bool | None = None

    def __post_init__(self) -> None:
        if self.background is None:
            self.background = self.scope is not None and self.scope.sealed

    @property
    def key(self) -> Key:
        """What it is about."""
        return self.resource.type, self.resource.id


class Said(Struct, kw_only=True, gc=False):
    """An event that was said outright.

    Args:
        completes: Whether it takes its changes from the row, because it came without any.
        claims: Further resources that it speaks for.
    """

    workspace: str
    event: Event
    completes: bool
    claims: frozenset[Key] = frozenset()


class Mark(NamedTuple):
    """A place in what is pending: a savepoint."""

    length: int


Describe = Callable[[Row], tuple[str, Event] | None]
"""Make an event of a row; None when nothing changed, or when it was set aside."""

Compare = Callable[[Row, Event, str], tuple[Change, ...]]
"""Compare the sides of a row as an event's action sees its fields, in a workspace."""


class Pending:
    """The notes of one transaction, in order."""

    def __init__(self) -> None:
        self._notes: list[Row | Said] = []
        self._marks: list[Mark] = []

    def __len__(self) -> int:
        return len(self._notes)

    def row(self, row: Row) -> None:
        """Note what happened to a row."""
        self._notes.append(row)

    def say(self, said: Said) -> None:
        """Note an event that was said outright."""
        self._notes.append(said)

    def mark(self) -> None:
        """Note that a savepoint begins."""
        self._marks.append(Mark(len(self._notes)))

    def release(self) -> None:
        """Keep what was noted since the innermost mark."""
        self._marks.pop()

    def rollback(self) -> None:
        """Forget what was noted since the innermost mark."""
        del self._notes[self._marks.pop().length :]

    def clear(self) -> None:
        """Forget everything: the transaction is rolled back."""
        self._notes.clear()
        self._marks.clear()

    def hand_over(self, which: Callable[[Said], bool]) -> list[Said]:
        """Return the events that somebody else is to join with their rows, and forget them; none inside a savepoint.

        Args:
            which: Tells whether an event is one of them.
        """
        upto = self._marks[0].length if self._marks else len(self._notes)
        found = [note for note in self._notes[:upto] if isinstance(note, Said) and which(note)]
        if found:
            self._notes[:upto] = [note for note in self._notes[:upto] if note not in found]
            self._marks = [Mark(mark.length - len(found)) for mark in self._marks]
        return found

    def take(self, describe: Describe, compare: Compare) -> list[tuple[str, Event]]:
        """Return the events of what is noted outside every savepoint, and forget it.

        Args:
            describe: Makes an event of a row.
            compare: Completes an event that was said without changes.

        Returns:
            Workspace and event, in the order in which things happened.
        """
        upto = self._marks[0].length if self._marks else len(self._notes)
        notes, self._notes = self._notes[:upto], self._notes[upto:]
        self._marks = [Mark(mark.length - upto) for mark in self._marks]
        said = [note for note in notes if isinstance(note, Said)]
        if not said:  # the common case, and the one that must be quick
            return list(_told(describe, _net(note for note in notes if isinstance(note, Row))))
        return _joined(notes, said, describe, compare)


def _told(describe: Describe, rows: Iterable[Row]) -> Iterator[tuple[str, Event]]:
    for row in rows:
        if (told := describe(row)) is not None:
            yield told


def _net(rows: Iterable[Row]) -> list[Row]:
    """Make one of the rows about a resource that follow one another under one scope, at the place of the first."""
    kept: dict[str, Row] = {}
    for row in rows:
        place = _place(row)
        was = kept.get(place)
        if was is None:
            kept[place] = row
        elif (one := _merged(was, row)) is None:
            del kept[place]
        else:
            kept[place] = one
    return list(kept.values())


def _place(row: Row) -> str:
    """Return what rows have in common that are one change; a summary of many rows is never one with another.

    A text, because the garbage collector does not look at texts, and there is one for every changed row.
    """
    apart = id(row.scope if row.details is None else row.details)
    return f"{row.resource.type}\0{row.resource.id}\0{apart}\0{row.workspace}"


def _merged(one: Row, next_: Row) -> Row | None:
    """Make one row of two, the second of which came later; None when nothing is left of it."""
    if one.before is None and next_.after is None and one.after is not None:
        return None
    before = None if one.before is None else {**(next_.before or {}), **one.before}
    if one.after is None and next_.before is None:  # deleted and made again
        before = one.before
    after = None if next_.after is None else {**(one.after or {}), **next_.after}
    collections = dict(one.collections)
    for field, change in next_.collections.items():
        collections[field] = _merged_collection(collections.get(field), change)
    return Row(
        # A row may be in two tables, of which one has its name.
        resource=next_.resource if next_.resource.name is not None else one.resource,
        workspace=next_.workspace,
        before=before,
        after=after,
        collections=collections,
        verb=next_.verb or one.verb,
        scope=one.scope,
        background=one.background,
        at=one.at,
        related=next_.related or one.related,
        details=next_.details,
        shape=next_.shape,
        place=next_.place,
    )


def _merged_collection(one: Collection | None, next_: Collection) -> Collection:
    if one is None:
        return next_
    return Collection(
        added=_less(one.added, next_.removed) + _less(next_.added, one.removed),
        removed=_less(one.removed, next_.added) + _less(next_.removed, one.added),
    )


def _less(items: list[Any], others: list[Any]) -> list[Any]:
    """Return the items that are not among the others: who came and went again did neither."""
    return [item for item in items if item not in others]


def _joined(notes: list[Row | Said], said: list[Said], describe: Describe, compare: Compare) -> list[tuple[str, Event]]:
    """Let what was said outright speak for its rows."""
    spoken: set[Key] = set()
    for one in said:
        if one.event.outcome == "success":
            spoken |= {(one.event.resource.type, one.event.resource.id), *one.claims}
    rows: dict[Key, list[Row]] = {}
    for note in notes:
        if isinstance(note, Row) and note.key in spoken:
            rows.setdefault(note.key, []).append(note)
    others = _net(note for note in notes if isinstance(note, Row) and note.key not in spoken)
    first = _first_places(notes)
    placed: list[tuple[int, tuple[str, Event]]] = [
        (at, (note.workspace, _completed(note, rows, compare)))
        for at, note in enumerate(notes)
        if isinstance(note, Said)
    ]
    placed += [(first[_place(row)], told) for row in others if (told := describe(row)) is not None]
    placed.sort(key=lambda one: one[0])
    return [told for _, told in placed]


def _first_places(notes: list[Row | Said]) -> dict[str, int]:
    places: dict[str, int] = {}
    for at, note in enumerate(notes):
        if isinstance(note, Row):
            places.setdefault(_place(note), at)
    return places


def _completed(said: Said, rows: dict[Key, list[Row]], compare: Compare) -> Event:
    """Give an event the changes of its row; the first that asks for them gets them."""
    key = (said.event.resource.type, said.event.resource.id)
    if not said.completes or not (about := rows.pop(key, [])):
        return said.event
    whole = about[0]
    for row in about[1:]:
        one = _merged(whole, row)
        if one is None:
            return said.event
        whole = one
    return msgspec.structs.replace(said.event, changes=compare(whole, said.event, said.workspace))

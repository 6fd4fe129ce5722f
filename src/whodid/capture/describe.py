"""From the notes of a transaction to events: what every hook shares.

A row that changed becomes one event, called by what happened to it and by whom. This is the path of every changed row,
so it is quick where it can be: scalars are compared as they are; what is nested, long or secret takes the way of
`whodid.capture.diff`, which knows all the rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from msgspec import UNSET, Struct

from whodid.capture.bounds import bounded
from whodid.capture.context import Scope
from whodid.capture.diff import diff
from whodid.capture.pending import Collection, Row
from whodid.capture.redact import Fingerprint, masked, print_of, reason_of, tidied
from whodid.capture.values import Hidden, plain, same
from whodid.catalog.classes import FieldClasses
from whodid.catalog.secrets import SHORTEST, holds_secret
from whodid.errors import InvalidEvent
from whodid.model import Actor, Change, Context, Event, FieldClass, Kind, Reason

if TYPE_CHECKING:
    from whodid.capture.builder import Builder

__all__ = ["Describer", "Shape", "marker"]

_SCALARS = frozenset({type(None), bool, int, float, str})
_LONG = 200  # characters
_FEW = 16  # changes of two texts of that length are far less than an event may say
_KINDS: Mapping[str, Kind] = {"created": "create", "updated": "update", "deleted": "delete", "restored": "update"}

Verb = Literal["created", "updated", "deleted", "restored"]


class Shape(Struct, frozen=True, kw_only=True):
    """How the rows of a model are told.

    Args:
        actions: Verb → name of the action.
        secret: Fields of which nothing is told but that they changed.
        hide_body: Whether that holds for all of them.
        soft_delete: The field that says whether a row counts as deleted; None when there is none.
    """

    actions: dict[Verb, str]
    secret: frozenset[str] = frozenset()
    hide_body: bool = False
    soft_delete: str | None = None


class _Whence(Struct, frozen=True):
    """What the events of one scope have in common."""

    actor: Actor
    context: Context | None
    reason: Reason | None
    cause: str | None
    batch: str | None
    details: Mapping[str, Any] | None


class _Way(Struct, frozen=True):
    """What the events of a model have in common, by what happened and in which workspace."""

    action: str
    kind: Kind | None
    sides: _Sides


class Describer:
    """Makes the events of one writing, and remembers what belongs to them.

    Args:
        capture: Knows the catalog, the fingerprints and the scope.

    Attributes:
        faults: Id of an event → why it must be set aside.
        places: Id of an event → place of its row.
    """

    def __init__(self, capture: Builder) -> None:
        self._capture = capture
        self._whence: dict[tuple[int, bool | None, str | None], _Whence] = {}
        self._ways: dict[tuple[int, Verb, str | None], _Way] = {}
        self.faults: dict[str, str] = {}
        self.places: dict[str, Any] = {}

    def describe(self, row: Row) -> tuple[str, Event] | None:
        """Make an event of a row; None when nothing changed.

        Raises:
            InvalidEvent: Capture is strict, and it is not known who acts or in which workspace.
        """
        shape: Shape = row.shape
        verb: Verb = row.verb or _verb(row, shape)  # type: ignore[assignment]  # hooks name no others
        capture, workspace = self._capture, row.workspace
        way = self._ways.get((id(shape), verb, workspace)) or self._way(shape, verb, workspace)
        changes, small = way.sides.changes(row)
        if not changes and verb == "updated" and row.details is None:
            return None
        whence = self._whence.get((id(row.scope), row.background, workspace)) or self._from(row)
        details = row.details if whence.details is None else {**whence.details, **(row.details or {})}
        told = tuple(changes)
        if details or not small or len(told) > _FEW:
            told, details = bounded(told, details)
        event = Event(
            id=capture.new_id(row.at),
            occurred_at=row.at,
            actor=whence.actor,
            action=way.action,
            resource=row.resource if row.resource.name is None else tidied(row.resource),
            related=row.related,
            changes=told,
            reason=whence.reason,
            cause=whence.cause,
            batch=whence.batch,
            details=details,
            context=whence.context,
            kind=way.kind,
        )
        capture.counts.add("recorded")
        if row.place is not None:
            self.places[event.id] = row.place
        if workspace is None:
            self._set_aside(event)
            return "", event
        return workspace, event

    def compare(self, row: Row, event: Event, workspace: str) -> tuple[Change, ...]:
        """Compare the sides of a row as an event's action sees its fields, in a workspace."""
        if row.place is not None:
            self.places[event.id] = row.place
        classes = self._capture.catalog.classes(event.action)
        return tuple(_Sides(row.shape, classes, self._fingerprint(workspace)).changes(row)[0])

    def _way(self, shape: Shape, verb: Verb, workspace: str | None) -> _Way:
        action, catalog = shape.actions[verb], self._capture.catalog
        found = self._ways[id(shape), verb, workspace] = _Way(
            action=action,
            kind=None if action in catalog else _KINDS[verb],
            sides=_Sides(shape, catalog.classes(action), self._fingerprint(workspace)),
        )
        return found

    def _from(self, row: Row) -> _Whence:
        here, background = row.scope or Scope(None, {}), bool(row.background)
        around = here.around(None)
        if around is not None:
            classes = self._capture.catalog.classes("")
            around = masked(plain(around), "", classes, self._fingerprint(row.workspace))
        found = self._whence[id(row.scope), background, row.workspace] = _Whence(
            actor=self._capture.actor(scope=here),
            context=here.origin(background=background),
            reason=reason_of(here.get("reason")),
            cause=here.get("cause"),
            batch=here.get("batch"),
            details=around,
        )
        return found

    def _fingerprint(self, workspace: str | None) -> Fingerprint:
        if workspace is None:
            return lambda _: "unknown"  # there is no key without a workspace
        return self._capture.keyed(workspace)

    def _set_aside(self, event: Event) -> None:
        if self._capture.strict:
            raise InvalidEvent(
                "/workspace",
                f"it is not known in which workspace {event.action} happened",
                "Open a scope with one, name the field in model(workspace=...), or give the capture a default",
            )
        self._capture.counts.add("unknown_workspace")
        self.faults[event.id] = "It is not known in which workspace it happened."


class _Sides:
    """One comparison: how the row's model is told, how the action sees its fields, and whose fingerprints they get."""

    __slots__ = ("_classes", "_fingerprint", "_known", "_shape")

    def __init__(self, shape: Shape, classes: FieldClasses, fingerprint: Fingerprint) -> None:
        self._shape = shape
        self._classes = classes
        self._fingerprint = fingerprint
        self._known: dict[str, FieldClass] = {}

    def changes(self, row: Row) -> tuple[list[Change], bool]:
        """Compare the two sides of a row, and tell who came and went.

        Returns:
            The changes, and whether each is of scalars of which no text is longer than `_LONG`.
        """
        if row.before is None:
            made, small = self._whole(row.after or {}, created=True)
        elif row.after is None:
            made, small = self._whole(row.before, created=False)
        else:
            made, small = self._both(row.before, row.after)
        for path, members in row.collections.items():
            small = False
            if (found := self._members(path, members, row)) is not None:
                made.append(found)
        return made, small

    def _whole(self, fields: Mapping[str, Any], *, created: bool) -> tuple[list[Change], bool]:
        """Tell every field of a row that came or went."""
        known, made, small = self._known, list[Change](), True
        for path, value in fields.items():
            if value is None:
                continue
            kind = type(value)
            fits = (
                value.isprintable() and (len(value) < SHORTEST or not _searched(value))
                if kind is str
                else kind in _SCALARS
            )
            if not fits or (class_ := known.get(path) or self._class(path)) == "secret":
                small = False
                made += self._careful(path, *((None, value) if created else (value, None)), whole=True)
            elif created:
                made.append(Change(path=path, op="add", after=value, class_=class_))
            else:
                made.append(Change(path=path, op="remove", before=value, class_=class_))
        return made, small

    def _both(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[list[Change], bool]:
        """Compare what a row was with what it is."""
        known, made, small = self._known, list[Change](), True
        for path in after if before.keys() <= after.keys() else {**after, **before}:
            old, new = before.get(path), after.get(path)
            was, now = type(old), type(new)
            if was in _SCALARS and now in _SCALARS:
                if was is now and old == new:
                    continue
                if not (
                    (was is str and not old.isprintable())  # type: ignore[union-attr]
                    or (now is str and not new.isprintable())  # type: ignore[union-attr]
                    or (was is str and len(old) >= SHORTEST and _searched(old))  # type: ignore[arg-type]  # a text
                    or (now is str and len(new) >= SHORTEST and _searched(new))  # type: ignore[arg-type]
                    or (class_ := known.get(path) or self._class(path)) == "secret"
                ):
                    if old is None:
                        made.append(Change(path=path, op="add", after=new, class_=class_))
                    elif new is None:
                        made.append(Change(path=path, op="remove", before=old, class_=class_))
                    else:
                        made.append(Change(path=path, before=old, after=new, class_=class_))
                    continue
            small = False
            made += self._careful(path, old, new, whole=False)
        return made, small

    def _class(self, path: str) -> FieldClass:
        """Return the class of a field; of one that is hidden, too, it is secret."""
        found = self._known[path] = "secret" if self._hidden(path) else self._classes.of(path)
        return found

    def _hidden(self, path: str) -> bool:
        return self._shape.hide_body or path in self._shape.secret

    def _careful(self, path: str, old: Any, new: Any, *, whole: bool) -> Iterator[Change]:
        classes, fingerprint = self._classes, self._fingerprint
        if self._hidden(path) or isinstance(old, Hidden) or isinstance(new, Hidden):
            if not same(old, new):
                yield self._secret(path, old, new)
        elif (marker(old) or marker(new)) and classes.of(path) != "secret":
            if not same(old, new):
                yield Change(
                    path=path,
                    op=_op(old, new),
                    before=UNSET if old is None else masked(old, path, classes, fingerprint),
                    after=UNSET if new is None else masked(new, path, classes, fingerprint),
                    class_=classes.of(path),
                )
        else:
            gone, made = whole and new is None, whole and old is None
            yield from diff(None if made else {path: old}, None if gone else {path: new}, classes, fingerprint)

    def _secret(self, path: str, old: Any, new: Any) -> Change:
        return Change(
            path=path,
            op=_op(old, new),
            class_="secret",
            before_fp=print_of(old, self._fingerprint),
            after_fp=print_of(new, self._fingerprint),
        )

    def _members(self, path: str, members: Collection, row: Row) -> Change | None:
        """Tell who came and went; of a resource that itself came or went, they are a value like any other."""
        added, removed = members.added, members.removed
        if not added and not removed:
            return None
        class_ = self._classes.of(path)
        if self._hidden(path) or class_ == "secret":
            return self._secret(path, removed or None, added or None)
        if row.before is None:
            return Change(path=path, op="add", after=added, class_=class_) if added else None
        if row.after is None:
            return Change(path=path, op="remove", before=removed, class_=class_) if removed else None
        return Change(path=path, op="set", added=added, removed=removed, class_=class_)


def marker(value: Any) -> bool:
    """Tell whether a JSON value stands for one that has no form of its own, or is not shown."""
    return isinstance(value, dict) and "$" in value


def _searched(text: str) -> bool:
    """Tell whether a text must take the careful way; one shorter than every secret is not even asked for."""
    return len(text) > _LONG or holds_secret(text)


def _op(old: Any, new: Any) -> Literal["add", "remove", "replace"]:
    return "add" if old is None else "remove" if new is None else "replace"


def _verb(row: Row, shape: Shape) -> Verb:
    if row.before is None:
        return "created"
    if row.after is None:
        return "deleted"
    field = shape.soft_delete
    if field is not None and field in row.after:
        was, now = bool(row.before.get(field)), bool(row.after[field])
        if now != was:
            return "deleted" if now else "restored"
    return "updated"

"""From the notes of a transaction to events: what every hook shares.

A row that changed becomes one event, called by what happened to it and by whom. This is the path of every changed row,
so it is quick where it can be: scalars are compared as they are; what is nested, long or secret takes the way of
`whodid.capture.diff`, which knows all the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from msgspec import UNSET, Struct

from whodid.capture.capture import reason_of
from whodid.capture.context import Scope
from whodid.capture.diff import diff
from whodid.capture.pending import Row
from whodid.capture.redact import masked
from whodid.capture.values import same
from whodid.catalog.classes import FieldClasses
from whodid.catalog.secrets import SHORTEST, holds_secret
from whodid.errors import InvalidEvent
from whodid.model import Actor, Change, Context, Event, Kind, Reason, Related

if TYPE_CHECKING:
    from whodid.capture.capture import Capture

__all__ = ["Describer", "Shape", "marker"]

_SCALARS = frozenset({type(None), bool, int, float, str})
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


class Describer:
    """Makes the events of one writing, and remembers what belongs to them.

    Args:
        capture: Knows the catalog, the fingerprints and the scope.

    Attributes:
        faults: Id of an event → why it must be set aside.
        places: Id of an event → place of its row.
    """

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._whence: dict[int, _Whence] = {}
        self._keyed: dict[str, Callable[[Any], str]] = {}
        self.faults: dict[str, str] = {}
        self.places: dict[str, Any] = {}

    def describe(self, row: Row) -> tuple[str, Event] | None:
        """Make an event of a row; None when nothing changed.

        Raises:
            InvalidEvent: Capture is strict, and it is not known who acts or in which workspace.
        """
        shape: Shape = row.shape
        verb: Verb = row.verb or _verb(row, shape)  # type: ignore[assignment]  # hooks name no others
        action = shape.actions[verb]
        capture = self._capture
        workspace = row.workspace
        fingerprint = self._fingerprint(workspace)
        changes = tuple(self._changes(row, shape, capture.catalog.classes(action), fingerprint))
        if not changes and verb == "updated" and row.details is None:
            return None
        whence = self._whence.get(id(row.scope)) or self._from(row.scope)
        event = Event(
            id=capture.new_id(row.at),
            occurred_at=row.at,
            actor=whence.actor,
            action=action,
            resource=row.resource,
            related=row.related,
            changes=changes,
            reason=whence.reason,
            cause=whence.cause,
            batch=whence.batch,
            details=row.details,
            context=whence.context,
            kind=None if action in capture.catalog else _KINDS[verb],
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
        return tuple(self._changes(row, row.shape, classes, self._fingerprint(workspace)))

    def _from(self, scope: Scope | None) -> _Whence:
        here = scope or Scope(None, {})
        found = self._whence[id(scope)] = _Whence(
            actor=self._capture.actor(scope=here),
            context=here.context,
            reason=reason_of(here.get("reason")),
            cause=here.get("cause"),
            batch=here.get("batch"),
        )
        return found

    def _fingerprint(self, workspace: str | None) -> Callable[[Any], str]:
        if workspace is None:
            return lambda _: "unknown"  # there is no key without a workspace
        found = self._keyed.get(workspace)
        if found is None:
            found = self._keyed[workspace] = self._capture.keyed(workspace)
        return found

    def _set_aside(self, event: Event) -> None:
        if self._capture.strict:
            raise InvalidEvent(
                "/workspace",
                f"it is not known in which workspace {event.action} happened",
                "Open a scope with one, name the field in model(workspace=...), or give the capture a default",
            )
        self._capture.counts.add("unknown_workspace")
        self.faults[event.id] = "It is not known in which workspace it happened."

    def _changes(
        self, row: Row, shape: Shape, classes: FieldClasses, fingerprint: Callable[[Any], str]
    ) -> Iterator[Change]:
        before, after = row.before or {}, row.after or {}
        whole = row.before is None or row.after is None
        for path in {**after, **before} if len(before) != len(after) or before.keys() != after.keys() else after:
            old, new = before.get(path), after.get(path)
            if type(old) in _SCALARS and type(new) in _SCALARS:
                if type(old) is type(new) and old == new:
                    continue
                if not (shape.hide_body or path in shape.secret or _long(old) or _long(new)):
                    class_ = classes.of(path)
                    if class_ != "secret":
                        yield Change(
                            path=path,
                            op="add" if old is None else "remove" if new is None else "replace",
                            before=UNSET if old is None else old,
                            after=UNSET if new is None else new,
                            class_=class_,
                        )
                        continue
            yield from _careful(path, old, new, shape, classes, fingerprint, whole=whole)
        for path, change in row.collections.items():
            if found := _members(path, change.added, change.removed, shape, classes, fingerprint, row):
                yield found


def marker(value: Any) -> bool:
    """Tell whether a JSON value stands for one that is not shown: unknown, computed by the database, of no JSON form."""
    return isinstance(value, dict) and "$" in value


def _long(value: Any) -> bool:
    """Tell whether a text must be searched for secrets; a shorter one cannot hold any."""
    return isinstance(value, str) and len(value) >= SHORTEST and (len(value) > 200 or holds_secret(value))


def _careful(
    path: str,
    old: Any,
    new: Any,
    shape: Shape,
    classes: FieldClasses,
    fingerprint: Callable[[Any], str],
    *,
    whole: bool,
) -> Iterator[Change]:
    if shape.hide_body or path in shape.secret:
        if not same(old, new):
            yield Change(
                path=path,
                op="add" if old is None else "remove" if new is None else "replace",
                class_="secret",
                before_fp=None if old is None else fingerprint(old),
                after_fp=None if new is None else fingerprint(new),
            )
    elif (marker(old) or marker(new)) and classes.of(path) != "secret":
        if not same(old, new):
            yield Change(
                path=path,
                op="add" if old is None else "remove" if new is None else "replace",
                before=UNSET if old is None else masked(old, path, classes, fingerprint),
                after=UNSET if new is None else masked(new, path, classes, fingerprint),
                class_=classes.of(path),
            )
    elif whole:
        yield from diff(
            None if old is None else {path: old}, None if new is None else {path: new}, classes, fingerprint
        )
    else:
        yield from diff({path: old}, {path: new}, classes, fingerprint)


def _members(
    path: str,
    added: list[Any],
    removed: list[Any],
    shape: Shape,
    classes: FieldClasses,
    fingerprint: Callable[[Any], str],
    row: Row,
) -> Change | None:
    """Tell who came and went; of a resource that itself came or went, they are a value like any other."""
    if not added and not removed:
        return None
    if shape.hide_body or path in shape.secret or classes.of(path) == "secret":
        return Change(
            path=path,
            op="set",
            class_="secret",
            before_fp=fingerprint(removed) if removed else None,
            after_fp=fingerprint(added) if added else None,
        )
    class_ = classes.of(path)
    if row.before is None:
        return Change(path=path, op="add", after=added, class_=class_) if added else None
    if row.after is None:
        return Change(path=path, op="remove", before=removed, class_=class_) if removed else None
    return Change(path=path, op="set", added=added, removed=removed, class_=class_)


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

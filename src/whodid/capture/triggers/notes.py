"""From the notes that triggers wrote to events: what the relay does before it delivers.

A note tells of one statement. The notes of a transaction are taken together, and become the net change of each row, as
a hook would have said it: created and then changed is one creation, changed and changed back is nothing. What the
application said outright in the same transaction speaks for its rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from whodid.canonical import encode
from whodid.capture.builder import Builder
from whodid.capture.context import Scope
from whodid.capture.describe import Describer, Shape, Verb
from whodid.capture.events import UNKNOWN, identifier
from whodid.capture.pending import Collection, Pending, Row, Said
from whodid.capture.redact import Fingerprint
from whodid.capture.triggers.forms import DIGEST, read
from whodid.capture.triggers.telling import heard
from whodid.capture.values import plain
from whodid.model import Event, Related, Resource

__all__ = ["HEAD", "OF_TRANSACTION", "UNFOLDING", "Note", "Told", "is_note", "said", "told_of"]

HEAD = "(transaction "
"""How the place of the workspace begins in a note; no workspace can be called so."""
OF_TRANSACTION = f"'{HEAD}' || txid_current()::text || ')'"
"""SQL for what stands in the place of the workspace: whose transaction a note belongs to."""
UNFOLDING = 0x77686F646964
"""Key ("whodid") of the advisory lock under which notes become events.

Two who do it at once could each hold a part of a transaction that the other one needs as a whole.
"""
_VERBS: dict[str, Verb] = {"INSERT": "created", "UPDATE": "updated", "DELETE": "deleted", "TRUNCATE": "deleted"}
_ALL: tuple[Verb, ...] = ("created", "updated", "deleted", "restored")
_NOBODY = "It is not known in which workspace it happened."

_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class _Said(Struct, frozen=True):
    """A note of an event that was said outright."""

    workspace: str
    event: Event
    completes: bool
    claims: frozenset[tuple[str, str]]


_decode_said = msgspec.json.Decoder(_Said).decode


class Note(Struct, frozen=True, kw_only=True):
    """A row of the outbox that a trigger wrote, or that belongs to the rows of one.

    Args:
        place: Names the row.
        transaction: What stands in its column `workspace`.
        text: What stands in its column `event`.
        at: When it was written, UTC.
    """

    place: int
    transaction: str
    text: str
    at: datetime


class Told(Struct, frozen=True, kw_only=True):
    """What becomes of some notes.

    Args:
        events: Workspace and event, in order.
        faults: Id of an event → why it is set aside.
        unreadable: Place of a note that cannot be read → why.
    """

    events: list[tuple[str, Event]]
    faults: dict[str, str]
    unreadable: dict[int, str]


def is_note(workspace: str) -> bool:
    """Tell by the column `workspace` whether a row of the outbox is a note."""
    return workspace.startswith(HEAD)


def said(one: Said) -> str:
    """Write an event that was said outright as a note, so that it can speak for rows that triggers tell of."""
    note = {"$": "said", "workspace": one.workspace, "completes": one.completes, "claims": sorted(one.claims)}
    return encode({**note, "event": one.event}).decode()


def told_of(notes: Iterable[Note], capture: Builder) -> Told:
    """Make the events of whole transactions.

    Args:
        notes: All notes of one or more transactions, in order of their places.
        capture: Its catalog, fingerprints and default workspace are used, and its counters.
    """
    made = Told(events=[], faults={}, unreadable={})
    transactions: dict[str, list[Note]] = {}
    for note in notes:
        transactions.setdefault(note.transaction, []).append(note)
    for some in transactions.values():
        _Reading(capture, made).tell(some)
    return made


class _Silent(Builder):
    """A capture that refuses nothing: what the database says has happened already."""

    def __init__(self, capture: Builder) -> None:
        super().__init__(capture.catalog, None, clock=capture.clock, entropy=capture.entropy)
        self.counts = capture.counts
        self._real = capture

    def keyed(self, workspace: str | None) -> Fingerprint:
        """Return what makes fingerprints: of values, and never of a digest in the place of one."""
        make = self._real.keyed(workspace)

        def fingerprint(value: Any) -> str | None:
            digest = type(value) is str and value.startswith(DIGEST)
            return make(value) if workspace and not digest else None

        return fingerprint


class _Table(Struct, frozen=True):
    """How the rows of a note read."""

    type: str
    name: str
    shape: Shape
    head: dict[str, Any]


class _Reading:
    """The notes of one transaction."""

    def __init__(self, capture: Builder, made: Told) -> None:
        self._capture = capture
        self._made = made
        self._pending = Pending()
        self._scopes: dict[str, Scope] = {}
        self._shapes: dict[str, Shape] = {}
        self._emptied: dict[tuple[str, int], dict[str, Any]] = {}

    def tell(self, notes: Sequence[Note]) -> None:
        """Add the events of the notes to what is made."""
        for note in notes:
            try:
                for one in self._read(note):
                    if isinstance(one, Said):
                        self._pending.say(one)
                    else:
                        self._pending.row(one)
            except Exception as error:  # noqa: BLE001 - somebody else than a trigger wrote it: anything may be in it
                self._made.unreadable[note.place] = _unreadable(error)
        describer = Describer(_Silent(self._capture))
        try:
            found = self._pending.take(describer.describe, describer.compare)
        except Exception as error:  # noqa: BLE001 - the same
            self._made.unreadable.update((note.place, _unreadable(error)) for note in notes)
            return
        for workspace, event in found:
            if not workspace:
                self._made.faults[event.id] = _NOBODY
                self._capture.counts.add("unknown_workspace")
            self._made.events.append((workspace, event))

    def _read(self, note: Note) -> list[Row | Said]:
        """Read a note as a whole, before anything of it counts."""
        first, _, rest = note.text.partition("\n")
        head = _decode(first)
        if head["$"] == "said":
            told = _decode_said(first)
            return [Said(workspace=told.workspace, event=told.event, completes=told.completes, claims=told.claims)]
        speaker, _, context = rest.partition("\n")
        scope = self._scope(context, json.loads(speaker))
        shape = self._shape(head)
        known = _Table(head["type"], head["table"], shape, head)
        if "count" in head:
            return list(self._whole(known, note, scope))
        if "link" in head:
            workspace = self._workspace(known, scope)
            return [one for row in head["rows"] for one in _members(known, row, scope, note.at, workspace)]
        return [self._row(known, row, scope, note.at) for row in head["rows"]]

    def _scope(self, context: str, speaker: str) -> Scope:
        """Return who acts; the same for every statement of the same scope, so that its changes are one."""
        key = f"{speaker}\n{context}"
        found = self._scopes.get(key)
        if found is None:
            found = heard(context)
            if found is None or found.actor is None:
                self._capture.counts.add("unknown_actor")
                own = {} if found is None else {"workspace": found.workspace, "details": found.get("details")}
                details = {**(own.get("details") or {}), "database_user": speaker[:100]}
                outer = found
                found = Scope(outer, {"actor": UNKNOWN, "details": details})
            self._scopes[key] = found
        return found

    def _shape(self, head: dict[str, Any]) -> Shape:
        type_, own = str(head["type"]), head.get("actions", {})
        key = f"{head['table']} {type_} {own} {head.get('soft_delete')}"
        if key not in self._shapes:
            actions = {verb: str(own.get(verb, f"{type_}.{verb}")) for verb in _ALL}
            self._shapes[key] = Shape(actions=actions, soft_delete=head.get("soft_delete"))
        return self._shapes[key]

    def _workspace(self, table: _Table, scope: Scope, own: Any = None) -> str:
        if own is None:
            own = scope.workspace or table.head.get("workspace") or self._capture.known_workspace(scope=scope)
        return "" if own is None else str(own)

    def _whole(self, table: _Table, note: Note, scope: Scope) -> Iterator[Row]:
        """Tell of many rows as a whole; a table that was emptied with its partitions is one."""
        details: dict[str, Any] = {"table": table.name}
        if table.head["op"] == "TRUNCATE":
            details["statement"] = "TRUNCATE"
            if (place := (table.type, id(scope))) in self._emptied:
                return
            self._emptied[place] = details
        else:
            details["rows"] = int(table.head["count"])
        yield Row(
            resource=Resource(type=table.type, id="*"),
            workspace=self._workspace(table, scope),
            before={},
            after={},
            verb=_VERBS[table.head["op"]],
            scope=scope,
            at=note.at,
            details=details,
            shape=table.shape,
        )

    def _row(self, table: _Table, row: list[Any], scope: Scope, at: datetime) -> Row:
        head = table.head
        keys, names, columns = head["key"], head.get("named", ()), head.get("columns", ())
        identity = _identity(keys, row)
        values = row[len(keys) + len(names) :]
        named = dict(zip(names, row[len(keys) :], strict=False))
        before: dict[str, Any] | None = {}
        after: dict[str, Any] | None = {}
        related: tuple[Related, ...] = ()
        if (owner := named.get("owner")) is not None:
            related = (Related(type=head["owner"], id=identifier(_word(owner)), rel="owner"),)
        if head["op"] == "UPDATE":
            before, after = _sides(columns, values)
            former = [
                values[at_][0] if at_ >= 0 and values[at_] is not None else now
                for at_, now in zip(head["keys"], row, strict=False)
            ]
            if (was := _identity(keys, former)) != identity:
                related += (Related(type=table.type, id=was, rel="former"),)
        else:
            told = {
                column[0]: value
                for column, raw in zip(columns, values, strict=True)
                if (value := _value(column, raw)) is not None
            }
            before, after = (None, told) if head["op"] == "INSERT" else (told, None)
        label = named.get("label")
        return Row(
            resource=Resource(type=table.type, id=identity, name=None if label is None else _word(label)),
            workspace=self._workspace(table, scope, named.get("workspace")),
            before=before,
            after=after,
            scope=scope,
            at=at,
            related=related,
            shape=table.shape,
        )


def _unreadable(error: Exception) -> str:
    return f"It cannot be read: {type(error).__name__}: {error}"[:500]


def _sides(columns: Sequence[Any], values: Sequence[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what an update changed, before and after."""
    before, after = {}, {}
    for column, pair in zip(columns, values, strict=True):
        if pair is not None:
            before[column[0]], after[column[0]] = (_value(column, side) for side in pair)
    return before, after


def _value(column: Sequence[Any], raw: Any) -> Any:
    form = column[1] if len(column) > 1 else ""
    return read(raw, form, column[2] if len(column) > 2 else None)


def _identity(keys: Sequence[Sequence[str]], row: Sequence[Any]) -> str:
    """Return the id of a row, from the first values of it."""
    return identifier(":".join(_word(_value(("", *form), value)) for form, value in zip(keys, row, strict=False)))


def _word(value: Any) -> str:
    return value if type(value) is str else str(plain(value))


def _members(table: _Table, row: list[Any], scope: Scope, at: datetime, workspace: str) -> Iterator[Row]:
    """Yield what a row of a many-to-many table says of its owner; of both of them when it got another one."""
    link, op, columns = table.head["link"], table.head["op"], table.head["columns"]
    values = row[len(table.head["key"]) + len(table.head.get("named", ())) :]

    def told(places: Sequence[int], side: int) -> str:
        return _identity(
            [columns[one][1:] for one in places],
            [values[one][side] if op == "UPDATE" else values[one] for one in places],
        )

    steps = {"INSERT": [(0, True)], "DELETE": [(0, False)], "UPDATE": [(0, False), (1, True)]}[op]
    for side, came in steps:
        member = [told(link["member"], side)]
        yield Row(
            resource=Resource(type=link["type"], id=told(link["source"], side)),
            workspace=workspace,
            before={},
            after={},
            collections={link["field"]: Collection(added=member if came else [], removed=[] if came else member)},
            scope=scope,
            at=at,
            shape=table.shape,
        )

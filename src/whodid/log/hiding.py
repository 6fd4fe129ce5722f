"""What whoever makes a file hides in it: chosen fields, and what is some people's own; every proof still holds.

A leaf commits to each field alone, so a hidden field leaves as its commitment: without its value, and without its salt.
The opaque ids, the action and the times stay, as they stay after an erasure. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from msgspec import UNSET, Struct
from msgspec.structs import replace

from whodid import canonical
from whodid.errors import InvalidSetting
from whodid.log.proving import ProvenEntry
from whodid.model import Actor, Change, Entry, Reason
from whodid.proof import leaf

__all__ = ["COVER", "HIDDEN", "Hiding", "hide_proven"]

HIDDEN = {"$": "hidden"}
"""Stands where a hidden value would stand."""

COVER = "[hidden]"
"""The same where only text can stand, as in a cell of a table."""

_MARKS = (canonical.encode(HIDDEN), COVER.encode())

_WHOLE = ("actor.name", "actor.email", "actor.on_behalf_of", "resource.name", "reason", "details")
_CONTEXT = ("context.place", "context.user_agent")
_MANY = ("related.name", "changes")
_PLACE = ("city", "country", "forwarded_ip", "ip")
_CHANGES = "changes."
_RECORDS = frozenset({"audit.bound", "audit.sealed", "audit.purged", "audit.erased"})
"""Their details name nobody, and verifiers read them."""


class Hiding(Struct, frozen=True, kw_only=True):
    """What is hidden.

    Args:
        fields: `actor.name`, `actor.email`, `actor.on_behalf_of`, `resource.name`, `related.name`, `reason`, `details`,
            `context.place`, `context.user_agent`, `changes` for all values that changed, or `changes.PATH` for those of
            one field and of what lies inside it.
        people: Whose own values are hidden, `TYPE:ID`; what these are is in `traces`.
        traces: Index → paths of fields (docs/spec/entry-encoding.md).
        known: Index of the first entry in which nobody looked for these people: everything that can be hidden is hidden
            from there on. None when there are no people.

    Raises:
        InvalidSetting: A field cannot be hidden.
    """

    fields: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    traces: Mapping[int, Collection[str]] = {}
    known: int | None = None

    def __post_init__(self) -> None:
        for field in self.fields:
            if field not in {*_WHOLE, *_CONTEXT, *_MANY} and not field.removeprefix(_CHANGES) != field != _CHANGES:
                raise InvalidSetting(
                    f"{field!r} cannot be hidden",
                    f"Use {', '.join((*_WHOLE, *_CONTEXT, *_MANY))} or changes.FIELD, such as changes.email",
                )

    def __bool__(self) -> bool:
        return bool(self.fields or self.people)

    def words(self) -> list[str]:
        """Return what is hidden as the record of a file names it."""
        return [*self.fields, *self.people]

    def paths(self, entry: Entry) -> list[str]:
        """Return the paths of the fields of an entry that are hidden, of those that it has, in their order."""
        wanted = {*self.fields, *self.traces.get(entry.index, ())}
        if self.known is not None and entry.index >= self.known:
            wanted |= {*_WHOLE, *_CONTEXT, *_MANY}
        if "related.name" in wanted:
            wanted.update(f"related.{at}.name" for at in range(len(entry.related)))
        for at, change in enumerate(entry.changes):
            if "changes" in wanted or any(_within(change.path, field) for field in self.fields):
                wanted.add(f"changes.{at}")
        if entry.action in _RECORDS:
            wanted.discard("details")
        present = [path.decode() for path, value in canonical.fields(entry) if value is not None]
        return [path for path in present if path in wanted]

    def count(self, shown: Entry) -> int:
        """Count the hidden fields of an entry as a reader sees it, without those that the reader cannot see anyway."""
        values = dict(canonical.fields(shown))
        return sum(not any(mark in (values[path.encode()] or b"") for mark in _MARKS) for path in self.paths(shown))

    def cover(self, entry: Entry) -> Entry:
        """Return an entry with a cover over each hidden value, for a file without proofs and for evidence."""
        for path in self.paths(entry):
            entry = _covered(entry, path)
        return entry


def hide_proven(proven: ProvenEntry, paths: Iterable[str]) -> ProvenEntry:
    """Take the values and salts of fields out of an entry with its proof; commitments take their place."""
    hidden = {path.encode() for path in paths}
    if not hidden:
        return proven
    entry = proven.entry
    salts = [
        leaf.commit(salt, path, value) if path in hidden and value is not None else salt
        for (path, value), salt in zip(canonical.fields(entry), proven.salts, strict=True)
    ]
    kept = canonical.without(entry, [path.decode() for path in hidden], record=0, at=entry.recorded_at)
    return replace(proven, entry=replace(kept, erased=entry.erased), salts=salts)


def _within(path: str, field: str) -> bool:
    wanted = field.removeprefix(_CHANGES)
    return wanted != field and (path == wanted or path.startswith((f"{wanted}.", f"{wanted}[")))


def _covered(entry: Entry, path: str) -> Entry:
    noun, _, rest = path.partition(".")
    if noun == "changes":
        at = int(rest)
        return replace(entry, changes=(*entry.changes[:at], _blank(entry.changes[at]), *entry.changes[at + 1 :]))
    if noun == "related":
        at = int(rest.partition(".")[0])
        one = replace(entry.related[at], name=COVER)
        return replace(entry, related=(*entry.related[:at], one, *entry.related[at + 1 :]))
    if noun == "reason":
        return replace(entry, reason=Reason(text=COVER))
    if noun == "details":
        return replace(entry, details=dict(HIDDEN))
    if noun == "resource":
        return replace(entry, resource=replace(entry.resource, name=COVER))
    if path == "actor.on_behalf_of":
        return replace(entry, actor=replace(entry.actor, on_behalf_of=Actor(type="anonymous", id=COVER)))
    if noun == "actor":
        return replace(entry, actor=replace(entry.actor, **{rest: COVER}))
    context = entry.context
    names = [name for name in (_PLACE if rest == "place" else (rest,)) if getattr(context, name, None) is not None]
    return entry if context is None else replace(entry, context=replace(context, **dict.fromkeys(names, COVER)))


def _blank(change: Change) -> Change:
    values: dict[str, Any] = {name: HIDDEN for name in ("before", "after") if getattr(change, name) is not UNSET} | {
        name: [HIDDEN] for name in ("added", "removed") if getattr(change, name) is not UNSET
    }
    prints = {name: COVER for name in ("before_fp", "after_fp") if getattr(change, name) is not None}
    return replace(change, **values, **prints)

"""The one byte form: what of an entry is stored, what is hashed, and what travels.

* `payload` / `restore`: the stored content, without what the store keeps in columns (id, times, place).
* `fields`: the ordered list of (path, value bytes) that a leaf commits to, one by one.
* `wire` / `read_wire`: an entry as one line of JSON, for export, HTTP and import.

All JSON written here is RFC 8785: intake refuses what would make a fast sorted encoder differ from it (floats with
exponents, integers beyond ±(2^53−1), keys beyond the BMP). Changing a byte of `fields` changes every leaf: it is
versioned by `SCHEMA` and frozen by vectors. Nothing here reads a clock or a file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import UNSET, Struct
from msgspec.structs import replace

from whodid.errors import InvalidEvent, StoreCorrupt
from whodid.model import (
    Actor,
    Change,
    Content,
    Context,
    Entry,
    Erased,
    Kind,
    Outcome,
    Reason,
    Related,
    Resource,
    Severity,
)
from whodid.proof import leaf

__all__ = [
    "SCHEMA",
    "content_root",
    "encode",
    "fields",
    "from_micros",
    "micros",
    "payload",
    "read_wire",
    "restore",
    "tag_values",
    "time_text",
    "wire",
    "wire_from_payload",
    "without",
]

SCHEMA = 1

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

encode = msgspec.json.Encoder(order="sorted").encode
"""Encode a JSON value or a struct canonically (RFC 8785, for values that intake lets in)."""

_in_order = msgspec.json.Encoder().encode
"""The same for texts, numbers and lists, and for objects whose members stand in their order already: it sorts nothing,
which is a third of the time."""


class _Payload(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`Content` less what the store keeps in columns of its own."""

    actor: Actor
    action: str
    kind: Kind
    severity: Severity
    resource: Resource
    outcome: Outcome = "success"
    related: tuple[Related, ...] = ()
    changes: tuple[Change, ...] = ()
    reason: Reason | None = None
    cause: str | None = None
    batch: str | None = None
    details: dict[str, Any] | None = None
    context: Context | None = None
    marks: tuple[str, ...] = ()
    erased: Erased | None = None


_decode_payload = msgspec.json.Decoder(_Payload).decode
_decode_entry = msgspec.json.Decoder(Entry).decode


def micros(at: datetime) -> int:
    """Return an instant as microseconds since 1970-01-01T00:00:00Z."""
    return (at - _EPOCH) // _MICROSECOND


def from_micros(at: int) -> datetime:
    """Return the UTC instant of microseconds since 1970-01-01T00:00:00Z."""
    return _EPOCH + timedelta(microseconds=at)


def time_text(at: datetime) -> str:
    """Write a UTC instant as RFC 3339 with exactly six fraction digits and `Z`."""
    return at.isoformat(timespec="microseconds")[:26] + "Z"


def payload(content: Content) -> bytes:
    """Encode what the store keeps of an entry's content besides its columns (id, times, place).

    Args:
        content: A checked event or an entry; of an entry also what was erased from it.

    Returns:
        Canonical JSON; an object that never is empty.
    """
    return encode(
        _Payload(
            actor=content.actor,
            action=content.action,
            kind=content.kind,
            severity=content.severity,
            resource=content.resource,
            outcome=content.outcome,
            related=content.related,
            changes=content.changes,
            reason=content.reason,
            cause=content.cause,
            batch=content.batch,
            details=content.details,
            context=content.context,
            marks=content.marks,
            erased=content.erased if isinstance(content, Entry) else None,
        )
    )


def restore(data: bytes, *, workspace: str, index: int, entry_id: str, occurred_at: int, recorded_at: int) -> Entry:
    """Join stored content and its columns to an entry again.

    Args:
        data: What `payload` returned.
        occurred_at: Microseconds since 1970.
        recorded_at: Microseconds since 1970.

    Returns:
        The entry, equal to the one that was recorded.

    Raises:
        StoreCorrupt: The bytes are not what `payload` writes.
    """
    try:
        kept = _decode_payload(data)
        return Entry(
            workspace=workspace,
            index=index,
            id=entry_id,
            occurred_at=from_micros(occurred_at),
            recorded_at=from_micros(recorded_at),
            actor=kept.actor,
            action=kept.action,
            kind=kept.kind,
            severity=kept.severity,
            resource=kept.resource,
            outcome=kept.outcome,
            related=kept.related,
            changes=kept.changes,
            reason=kept.reason,
            cause=kept.cause,
            batch=kept.batch,
            details=kept.details,
            context=kept.context,
            marks=kept.marks,
            erased=kept.erased,
        )
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError) as error:
        raise StoreCorrupt(
            f"The content of entry {index} cannot be read: {error}", "Restore it from a backup", index=index
        ) from None


def wire(entry: Entry) -> bytes:
    """Write an entry as one JSON object without line breaks (the wire form)."""
    return wire_from_payload(
        payload(entry),
        workspace=entry.workspace,
        index=entry.index,
        entry_id=entry.id,
        occurred_at=micros(entry.occurred_at),
        recorded_at=micros(entry.recorded_at),
    )


def wire_from_payload(
    data: bytes, *, workspace: str, index: int, entry_id: str, occurred_at: int, recorded_at: int
) -> bytes:
    """Write the wire form from stored content without decoding it, for export at full speed.

    Args:
        data: What `payload` returned.
        workspace: A workspace's name, which needs no escape in JSON.
        occurred_at: Microseconds since 1970.
        recorded_at: Microseconds since 1970.
    """
    head = (
        f'{{"workspace":"{workspace}","index":{index},"id":"{entry_id}","occurred_at":"{_micros_text(occurred_at)}",'
        f'"recorded_at":"{_micros_text(recorded_at)}",'
    )
    return head.encode() + data[1:]


def _micros_text(at: int) -> str:
    """Write microseconds since 1970 as `time_text` writes an instant, remembering the minute."""
    minute, rest = divmod(at, 60_000_000)
    second, fraction = divmod(rest, 1_000_000)
    return f"{_minute_text(minute)}{second:02d}.{fraction:06d}Z"


@lru_cache(maxsize=4096)
def _minute_text(minute: int) -> str:
    return time_text(from_micros(minute * 60_000_000))[:17]


def read_wire(data: bytes | str) -> Entry:
    """Read the wire form of an entry.

    Raises:
        InvalidEvent: The text is not the wire form of an entry; `pointer` says where.
    """
    try:
        return _decode_entry(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidEvent("", f"This is not an entry in wire form: {error}", "Export it again") from None


def fields(content: Content) -> list[leaf.Field]:
    """List what a leaf commits to, one by one, so that each can be shown, withheld or erased alone.

    Personal values (names, addresses, before and after) are fields of their own; what stays for the whole life of the
    entry (action, outcome, times, opaque ids, the paths that changed) is gathered in few.

    Args:
        content: A checked event or an entry; the result does not depend on its place.

    Returns:
        (path, value) pairs in a fixed order; the value is the exact JSON text to disclose, None where it was erased.
    """
    listed: list[leaf.Field] = []
    listed.extend(_fields(content))
    if not isinstance(content, Entry) or content.erased is None:
        return listed
    present = dict(listed)
    gone = {path.encode() for path in content.erased.paths}
    # What has a value was not erased, whatever is said: else a value that no commitment binds could stand there.
    return [
        (path, present.get(path))
        for path in _order(len(content.related), len(content.changes))
        if path in present or path in gone
    ]


@lru_cache(maxsize=256)
def _order(related: int, changes: int) -> tuple[bytes, ...]:
    """Return every path that an entry can have, in the order of `fields`."""
    return (
        *(b"core", b"actor.id", b"actor.name", b"actor.email", b"actor.on_behalf_of", b"resource.id", b"resource.name"),
        b"related",
        *(b"related.%d.name" % at for at in range(related)),
        *(b"reason", b"details", b"context.place", b"context.user_agent"),
        *(b"changes.%d" % at for at in range(changes)),
    )


def _fields(content: Content) -> list[tuple[bytes, bytes]]:
    listed = [(b"core", _in_order(_core(content)))]
    add = listed.append
    _add_actor(content.actor, add)
    resource = content.resource
    add((b"resource.id", _in_order({"id": resource.id, "type": resource.type})))
    if resource.name is not None:
        add((b"resource.name", _in_order(resource.name)))
    if content.related:
        add((b"related", _in_order([{"id": r.id, "rel": r.rel, "type": r.type} for r in content.related])))
        for at, related in enumerate(content.related):
            if related.name is not None:
                add((b"related.%d.name" % at, _in_order(related.name)))
    if content.reason is not None:
        add((b"reason", encode(content.reason)))
    if content.details is not None:
        add((b"details", encode(content.details)))
    context = content.context
    if context is not None:
        place: dict[str, str] = {}
        if context.city is not None:
            place["city"] = context.city
        if context.country is not None:
            place["country"] = context.country
        if context.forwarded_ip is not None:
            place["forwarded_ip"] = context.forwarded_ip
        if context.ip is not None:
            place["ip"] = context.ip
        if place:
            add((b"context.place", _in_order(place)))
        if context.user_agent is not None:
            add((b"context.user_agent", _in_order(context.user_agent)))
    for at, change in enumerate(content.changes):
        values = _values(change)
        if values:
            add((b"changes.%d" % at, encode(values)))
    return listed


_PLACE = ("city", "country", "forwarded_ip", "ip")


def content_root(content: Content, seed: bytes) -> bytes:
    """Commit to all fields of what is about to be recorded, under its seed.

    Args:
        seed: Random bytes, `leaf.SEED_SIZE` or more.

    Returns:
        The content root of the leaf header, 32 bytes.
    """
    return leaf.content_root(leaf.commitments(seed, _fields(content)))


def without(entry: Entry, paths: Collection[str], *, record: int, at: datetime) -> Entry:
    """Return an entry without the values of some fields.

    Args:
        paths: Of `fields`; those that the entry does not have, and those that are no person's (`core`, ids), stay.
        record: Index of the entry that records the erasure.
        at: When, UTC.

    Returns:
        The entry that stays; `fields` lists the same paths of it, with None for what is gone.
    """
    gone = {path.decode() for path, value in fields(entry) if value is not None} & {*paths} - _STAYS
    if not gone:
        return entry
    before = entry.erased.paths if entry.erased else ()
    order = [path.decode() for path in _order(len(entry.related), len(entry.changes))]
    context = entry.context
    if context is not None:
        places = dict.fromkeys(_PLACE if "context.place" in gone else ())
        agents = dict.fromkeys(("user_agent",) if "context.user_agent" in gone else ())
        context = replace(context, **places, **agents)
    return replace(
        entry,
        actor=replace(entry.actor, **{path.removeprefix("actor."): None for path in gone if path.startswith("actor.")}),
        resource=replace(entry.resource, name=None) if "resource.name" in gone else entry.resource,
        related=tuple(
            [replace(one, name=None) if f"related.{at}.name" in gone else one for at, one in enumerate(entry.related)]
        ),
        reason=None if "reason" in gone else entry.reason,
        details=None if "details" in gone else entry.details,
        context=context,
        changes=tuple(
            [_emptied(one) if f"changes.{at}" in gone else one for at, one in enumerate(entry.changes)],
        ),
        erased=Erased(at=at, paths=tuple([path for path in order if path in gone or path in before]), record=record),
    )


_STAYS = frozenset({"core", "actor.id", "resource.id", "related"})


def _emptied(change: Change) -> Change:
    return Change(path=change.path, op=change.op, class_=change.class_, from_=change.from_)


def tag_values(content: Content) -> list[tuple[int, bytes]]:
    """List what the tags of a leaf blind: actor, action, resource, then related resources, each (dimension, value)."""
    actor, resource = content.actor, content.resource
    listed = [
        (leaf.ACTOR, f"{actor.type}\0{actor.id}".encode()),
        (leaf.ACTION, content.action.encode()),
        (leaf.RESOURCE, f"{resource.type}\0{resource.id}".encode()),
    ]
    listed.extend((leaf.RESOURCE, f"{r.type}\0{r.id}".encode()) for r in content.related)
    return listed


def _core(content: Content) -> dict[str, Any]:
    """Gather what stays for the whole life of an entry, in the order of RFC 8785."""
    context = content.context
    core: dict[str, Any] = {"action": content.action}
    if content.batch is not None:
        core["batch"] = content.batch
    if content.cause is not None:
        core["cause"] = content.cause
    if content.changes:
        core["changes"] = [_outline(change) for change in content.changes]
    core["id"] = content.id
    core["kind"] = content.kind
    if content.marks:
        core["marks"] = content.marks
    at = content.occurred_at
    # The encoder writes the same text in a tenth of the time, but leaves a fraction of zeros away.
    core["occurred_at"] = at if at.microsecond and at.tzinfo is UTC else time_text(at)
    core["outcome"] = content.outcome
    if context is not None and context.request is not None:
        core["request"] = context.request
    core["schema"] = SCHEMA
    if context is not None and context.session is not None:
        core["session"] = context.session
    core["severity"] = content.severity
    if context is not None and context.source is not None:
        core["source"] = context.source
    return core


def _add_actor(actor: Actor, add: Callable[[tuple[bytes, bytes]], None]) -> None:
    who = {"id": actor.id}
    if actor.role is not None:
        who["role"] = actor.role
    who["type"] = actor.type
    add((b"actor.id", _in_order(who)))
    if actor.name is not None:
        add((b"actor.name", _in_order(actor.name)))
    if actor.email is not None:
        add((b"actor.email", _in_order(actor.email)))
    if actor.on_behalf_of is not None:
        add((b"actor.on_behalf_of", encode(actor.on_behalf_of)))


def _outline(change: Change) -> dict[str, str]:
    outline: dict[str, str] = {"class": change.class_}
    if change.from_ is not None:
        outline["from"] = change.from_
    outline["op"] = change.op
    outline["path"] = change.path
    return outline


def _values(change: Change) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if change.added is not UNSET:
        values["added"] = change.added
    if change.after is not UNSET:
        values["after"] = change.after
    if change.after_fp is not None:
        values["after_fp"] = change.after_fp
    if change.before is not UNSET:
        values["before"] = change.before
    if change.before_fp is not None:
        values["before_fp"] = change.before_fp
    if change.removed is not UNSET:
        values["removed"] = change.removed
    return values

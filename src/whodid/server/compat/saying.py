"""What the doors for general protocols share: messages made into events by one set of rules, and recorded.

Log records, CloudEvents, Splunk events and syslog messages have no actor and no resource of their own; they carry
attributes. `make_event` looks for the names that are in use for each member of an event, and keeps all the rest in the
details. The same message always makes the same event with the same id, so that sending it again is recognised.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple, get_args
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct

from whodid.canonical import time_text
from whodid.capture.events import uuid7
from whodid.errors import ConflictingEvent, InvalidEvent, WhodidError
from whodid.export.import_.foreign import address, event_id, fit, identifier, is_path, kind_of, text
from whodid.intake import decode_event
from whodid.log import Log, Receipt
from whodid.model import Actor, ActorType, Change, Context, Event, Outcome, Reason, Resource, Severity
from whodid.server.compat.shared import our_action, our_type
from whodid.server.meter import Meter
from whodid.server.reserved import reserved
from whodid.server.signing import uuid8
from whodid.server.waiting import Waiting, commit_or_keep

__all__ = ["MOST_MESSAGES", "Arrived", "Said", "make_event", "nested", "settle"]

MOST_MESSAGES = 10_000
"""Messages of one request: collectors send batches of eight thousand unless they are told otherwise."""

_DEPTH = 32
_MOST_CHANGES = 100
_SIDE_DEPTH = 8
_PLAIN = "message.logged"
"""The action of a message that names none."""

_ACTORS = get_args(ActorType)
_OUTCOMES: dict[str, Outcome] = {
    "success": "success",
    "successful": "success",
    "succeeded": "success",
    "allowed": "success",
    "failure": "failed",
    "failed": "failed",
    "error": "failed",
    "denied": "denied",
    "blocked": "denied",
    "unauthorized": "denied",
    "forbidden": "denied",
}

# What each member is called: our own word first, then OpenTelemetry's and ECS's, then Splunk's.
_ACTOR_IDS = ("actor.id", "user.id", "enduser.id", "user_id", "usr.id", "actor", "user", "user.name", "username")
_ACTOR_NAMES = ("actor.name", "user.full_name", "user.name", "usr.name")
_RESOURCE_IDS = ("resource.id", "object.id", "target.id", "object_id")
_RESOURCE_TYPES = ("resource.type", "object.type", "target.type", "object_category")
_RESOURCE_NAMES = ("resource.name", "object.name", "target.name", "object")
_ADDRESSES = ("client.address", "client.ip", "source.address", "source.ip", "src_ip", "src", "ip", "source_ip")
_AGENTS = ("user_agent.original", "user_agent", "http.user_agent", "http_user_agent")
_SESSIONS = ("session.id", "session_id")
_REQUESTS = ("request.id", "http.request.id", "request_id")


class Said(Struct, frozen=True, kw_only=True):
    """One message of a foreign protocol.

    Args:
        product: Name of the protocol, which keeps its ids apart from others'.
        record: The whole message as JSON; without an id of its own, its event's id is derived from it.
        speaker: What sent it: a service, a host; it is the actor of a message that names none.
        attributes: Where the members of an event are looked for.
        uid: Names the message: an id of its sender's.
        twin: How many messages of the same request, all the same, came before it.
        at: When it happened, None when the message does not say so.
        action: What the envelope calls it; empty for nothing.
        resource_id: What the envelope names as affected.
        severity: None leaves it to the catalog.
        more: For the details.
    """

    product: str
    record: Mapping[str, Any]
    speaker: str
    attributes: Mapping[str, Any]
    uid: str | None = None
    twin: int = 0
    at: datetime | None = None
    action: str = ""
    resource_id: str = ""
    severity: Severity | None = None
    more: Mapping[str, Any] = {}


class Arrived(NamedTuple):
    """An event, and whether one that has its id already is the same, whatever the log finds different in it.

    So it is when the id was derived from all that the message says, and when the message has an id and no time.
    """

    event: Event
    same: bool


def nested(value: Any, most: int = _DEPTH) -> bool:
    """Tell whether a JSON value lies deeper than anybody has to read."""
    level = [value]
    for _ in range(most):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def make_event(said: Said, now: datetime) -> Arrived:
    """Return a message as an event.

    A message that is an event in our own form (`action`, `actor` and `resource`) is taken as it is; id and time are
    added when they are missing.

    Args:
        now: When it happened, if it does not say so. Such a message gets an id of its own each time it comes.

    Raises:
        InvalidEvent: It lies too deep, or it is in our own form and cannot be read.
    """
    if nested(said.record):
        raise InvalidEvent("", f"The message is nested deeper than {_DEPTH} levels", "Send it flatter")
    found = _Found(said.attributes)
    uid = said.uid or found.text("event.id", "log.record.uid")
    id_, same = _id(said, uid, now)
    if _is_ours(said.attributes):
        return _ours(said.attributes, id_, said.at or now, same=same)
    action, outcome, foreign = _action(said, found)
    noun = action.partition(".")[0]
    details = {
        **said.more,
        f"{said.product}_action": foreign,
        "attributes": {},
    }
    event = Event(
        id=id_,
        occurred_at=said.at or now,
        actor=_actor(said, found),
        action=action,
        resource=_resource(said, found, noun),
        outcome=outcome,
        changes=_changes(found),
        reason=_reason(found),
        context=_context(found),
        kind=kind_of(action.rpartition(".")[2]),
        severity=said.severity,
    )
    details["attributes"] = found.left()
    kept = {name: fit(value) for name, value in details.items() if value not in (None, {}, [], "")}
    return Arrived(msgspec.structs.replace(event, details=kept or None), same)


def _is_ours(attributes: Mapping[str, Any]) -> bool:
    return isinstance(attributes.get("action"), str) and all(
        isinstance(attributes.get(name), dict) and "id" in attributes[name] and "type" in attributes[name]
        for name in ("actor", "resource")
    )


def _ours(attributes: Mapping[str, Any], id_: str, at: datetime, *, same: bool) -> Arrived:
    own = {"id": id_, "occurred_at": time_text(at), **attributes}
    try:
        event = decode_event(msgspec.json.encode(own))
    except (UnicodeEncodeError, OverflowError):
        raise InvalidEvent("", "The event is no JSON", "Send text in UTF-8, and numbers of at most 64 bits") from None
    return Arrived(event, "occurred_at" not in attributes if "id" in attributes else same)


def _id(said: Said, uid: str | None, now: datetime) -> tuple[str, bool]:
    if uid is not None:
        try:
            return str(UUID(uid)), said.at is None
        except ValueError:
            named = f"{said.product} message 1\0{uid}".encode("utf-8", "surrogatepass")
            return uuid8(hashlib.sha256(named).digest()), said.at is None
    if said.at is not None:
        return event_id(said.product, said.record, said.twin), True
    # Two messages without a time may well be two events, however alike they are.
    return uuid7(now, os.urandom(8)), False


class _Found:
    """The attributes of a message; what is taken out of them is not in what is left."""

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        self._left = _copied(attributes)
        self._flat = not any(isinstance(value, dict) for value in attributes.values())

    def text(self, *paths: str, limit: int = 500) -> str | None:
        """Take the first of some attributes that can stand as a text."""
        for holder, key in self._places(paths):
            taken = text(_scalar(holder[key]), limit)
            if taken is not None:
                del holder[key]
                return taken
        return None

    def name(self, *paths: str) -> str | None:
        """Take the first of some attributes as an id; one that does not fit stays, and its digest is the id."""
        for holder, key in self._places(paths):
            value = _scalar(holder[key])
            if isinstance(value, str) and value.strip():
                if identifier(value) == value:
                    del holder[key]
                return identifier(value)
        return None

    def peek(self, *paths: str) -> str | None:
        """Return the first of some attributes that is a text, and leave it."""
        return next((holder[key] for holder, key in self._places(paths) if isinstance(holder[key], str)), None)

    def sides(self, side: str) -> dict[str, Any]:
        """Return the values of all fields before or after a change."""
        whole = self._left.get(side)
        inner = whole if isinstance(whole, dict) else {}
        prefix = f"{side}."
        flat = {key.removeprefix(prefix): value for key, value in self._left.items() if key.startswith(prefix)}
        return {key: value for key, value in (inner | flat).items() if is_path(key)}

    def drop(self, side: str, field: str) -> None:
        """Take one of `sides`."""
        self._left.pop(f"{side}.{field}", None)
        whole = self._left.get(side)
        if isinstance(whole, dict):
            whole.pop(field, None)

    def left(self) -> dict[str, Any]:
        """Return what was not taken."""
        return {key: value for key, value in self._left.items() if value not in ({}, None)}

    def _places(self, paths: tuple[str, ...]) -> Iterator[tuple[dict[str, Any], str]]:
        """Yield where attributes are: under the whole name, or object by object."""
        for path in paths:
            if path in self._left:
                yield self._left, path
                continue
            if self._flat:
                continue
            *outer, last = path.split(".")
            holder: Any = self._left
            for part in outer:
                holder = holder.get(part) if isinstance(holder, dict) else None
            if isinstance(holder, dict) and last in holder and outer:
                yield holder, last


def _copied(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copied(value) if isinstance(value, dict) else value for key, value in attributes.items()}


def _scalar(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _action(said: Said, found: _Found) -> tuple[str, Outcome, str | None]:
    """Return the action, the outcome, and what the action was called where that is something else."""
    outcome = _outcome(found, "outcome", "event.outcome")
    if outcome is None:
        outcome = _outcome(found, "action")  # Splunk's models say there how it ended
    foreign = found.text("action", limit=200) or said.action or found.text("event.action", "event.name", limit=200)
    if not foreign:
        return _PLAIN, outcome or "success", None
    noun = found.peek(*_RESOURCE_TYPES) or "event"
    action = our_action(foreign, our_type(noun))
    return action, outcome or "success", foreign if foreign != action else None


def _outcome(found: _Found, *paths: str) -> Outcome | None:
    word = found.peek(*paths)
    outcome = _OUTCOMES.get((word or "").lower())
    if outcome is not None:
        found.text(*paths)
    return outcome


def _actor(said: Said, found: _Found) -> Actor:
    kind = found.peek("actor.type", "user.type")
    known = kind in _ACTORS
    if known:
        found.text("actor.type", "user.type")
    name_taken = found.name(*_ACTOR_IDS)
    if name_taken is None:
        return Actor(type="system", id=identifier(said.speaker), name=text(said.speaker))
    return Actor(
        type=kind if known else "user",  # type: ignore[arg-type]
        id=name_taken,
        name=found.text(*_ACTOR_NAMES),
        email=found.text("actor.email", "user.email", "usr.email"),
        role=found.text("actor.role", "user.role"),
    )


def _resource(said: Said, found: _Found, noun: str) -> Resource:
    id_ = found.name(*_RESOURCE_IDS)
    if id_ is None and said.resource_id:
        id_ = identifier(said.resource_id)
    if id_ is None:
        return Resource(type="service", id=identifier(said.speaker), name=text(said.speaker))
    kind = found.peek(*_RESOURCE_TYPES)
    if kind is not None and our_type(kind) == kind:
        found.text(*_RESOURCE_TYPES)
    return Resource(type=our_type(kind or noun), id=id_, name=found.text(*_RESOURCE_NAMES))


def _changes(found: _Found) -> tuple[Change, ...]:
    before, after = found.sides("before"), found.sides("after")
    fields = list(dict.fromkeys([*before, *after]))
    if len(fields) > _MOST_CHANGES:
        return ()
    changes = []
    for field in fields:
        old = fit(before[field], _SIDE_DEPTH) if field in before else UNSET
        new = fit(after[field], _SIDE_DEPTH) if field in after else UNSET
        found.drop("before", field)
        found.drop("after", field)
        if old != new:
            changes.append(
                Change(
                    path=field,
                    op="add" if old is UNSET else "remove" if new is UNSET else "replace",
                    before=old,
                    after=new,
                )
            )
    return tuple(changes)


def _reason(found: _Found) -> Reason | None:
    code, said = found.text("reason.code"), found.text("reason.text", "reason", "event.reason")
    return Reason(code=code, text=said) if code or said else None


def _context(found: _Found) -> Context:
    ip = next((one for path in _ADDRESSES if (one := address(found.peek(path)))), None)
    if ip is not None:
        for path in _ADDRESSES:
            if found.peek(path) == ip:
                found.text(path)
                break
    return Context(
        source="api",
        ip=ip,
        user_agent=found.text(*_AGENTS),
        session=found.text(*_SESSIONS, limit=200),
        request=found.text(*_REQUESTS, limit=200),
    )


def settle(
    log: Log,
    workspace: str,
    arrived: list[Arrived | WhodidError],
    *,
    whole: bool,
    meter: Meter,
    waiting: Waiting | None = None,
) -> list[WhodidError | None]:
    """Record what can be recorded, and return for each message why it was not.

    Args:
        meter: Counts what became of them; a message that was not recorded because of another one is refused.
        whole: Record nothing when a message is at fault. An id that belongs to another event is told all the same
            after the others were recorded, for only the log itself knows.
        waiting: Where they wait if the store is away, for a client that never sends again.

    Raises:
        StoreError: Nothing was recorded.
    """
    arrived = [one if isinstance(one, WhodidError) else reserved(one.event) or one for one in arrived]
    if whole:
        checked = [one if isinstance(one, WhodidError) else _fault(log, workspace, one.event) for one in arrived]
        if any(checked):
            meter.events("refused", len(checked))
            return checked
    events = [one.event for one in arrived if isinstance(one, Arrived)]
    placed = commit_or_keep(log, meter, workspace, events, waiting) if events else []
    results = iter(placed)
    told: list[WhodidError | None] = []
    recorded = 0
    for one in arrived:
        if isinstance(one, WhodidError):
            told.append(one)
            continue
        result = next(results)
        recorded += isinstance(result, Receipt) and not result.duplicate
        known = isinstance(result, ConflictingEvent) and one.same
        told.append(result if isinstance(result, WhodidError) and not known else None)
    # What waits is counted when it is recorded.
    taken = told.count(None) - placed.count(None)
    meter.events("recorded", recorded)
    meter.events("known", taken - recorded)
    meter.events("refused", len(told) - told.count(None))
    return told


def _fault(log: Log, workspace: str, event: Event) -> InvalidEvent | None:
    try:
        log.check(workspace, event)
    except InvalidEvent as fault:
        return fault
    return None

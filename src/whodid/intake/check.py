"""The check of one event against shape, limits, clock and catalog.

Built for speed where nothing is wrong: each text is looked at once, each value is walked once, and whatever depends on
the action alone is kept per action. Only when something is found does a slow pass say exactly where.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from whodid.canonical import payload
from whodid.catalog import Catalog
from whodid.errors import InvalidEvent
from whodid.intake.changes import check_changes
from whodid.intake.decode import decode_batch, decode_event
from whodid.intake.limits import ACTION, EVENT_BYTES, TYPE, Fault, invalid, pointer
from whodid.intake.parts import (
    check_actor,
    check_context,
    check_id,
    check_name,
    check_reason,
    check_uuid,
    choice,
    refuse_choice,
    refuse_type,
    renamed,
)
from whodid.intake.values import Hider, normal
from whodid.model import KINDS, OUTCOMES, SEVERITIES, Content, Event, Kind, Related, Resource, Severity

__all__ = ["Intake"]

_RELATED = 32
_LATE = timedelta(hours=24)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)
_MEMO = 4096

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")


class _Plan:
    """What the catalog says about an action, in the form that a check needs."""

    __slots__ = ("classes", "declared", "kind", "reason_required", "resource_type", "sensitive", "severity")

    def __init__(self, catalog: Catalog, action: str) -> None:
        declared = catalog.get(action)
        self.declared = declared is not None
        self.classes = catalog.classes(action)
        self.kind: Kind = catalog.infer_kind(action)
        self.severity: Severity = "notice" if self.kind in {"delete", "security"} else "info"
        self.sensitive = False
        self.resource_type = ""
        self.reason_required = False
        if declared is not None:
            self.severity = declared.severity
            self.sensitive = not {"A", "S"}.isdisjoint(declared.sensitivity)
            self.resource_type = declared.resource_type
            self.reason_required = declared.reason_required


class Intake:
    """Turns events into content that may be recorded.

    Safe to share between threads.

    Args:
        catalog: The declared actions.
        strict: Refuse what contradicts the catalog: an undeclared action, another resource type than the declared one,
            a missing reason where one is required. Otherwise undeclared actions are marked and the rest is let in,
            because an audit log rather keeps a strange entry than none.
        fingerprint: (workspace, canonical JSON of a secret value) → keyed fingerprint.
        skew: How far ahead of the log's clock a sender's may be.
    """

    def __init__(
        self,
        catalog: Catalog,
        *,
        strict: bool,
        fingerprint: Callable[[str, bytes], str],
        skew: timedelta = timedelta(minutes=5),
    ) -> None:
        self._catalog = catalog
        self._strict = strict
        self._fingerprint = fingerprint
        self._skew = skew
        self._plans: dict[str, _Plan] = {}
        self._types: set[str] = set()

    decode_event = staticmethod(decode_event)
    decode_batch = staticmethod(decode_batch)

    def check(self, event: Event, workspace: str, now: datetime) -> Content:
        """Check an event and complete it; see `encoded`."""
        return self.encoded(event, workspace, now)[0]

    def encoded(self, event: Event, workspace: str, now: datetime) -> tuple[Content, bytes]:
        """Check an event and complete it.

        Args:
            event: As decoded, or made by hand; nothing about its members is taken for granted.
            workspace: Whose key makes the fingerprints.
            now: UTC.

        Returns:
            The content: time in UTC, integral floats as integers, secrets as fingerprints, kind and severity from the
            catalog, marks in alphabetical order; and its `canonical.payload`, in which some faults show first.

        Raises:
            InvalidEvent: With the JSON Pointer to the fault and the remedy, and never with a value of the event.
        """
        if not isinstance(event, Event):
            raise InvalidEvent("", "This is not an event", "Send an Event, or decode one with decode_event")
        action = event.action
        plan = (self._plans.get(action) if type(action) is str else None) or self._plan(action)
        occurred_at = self._instant(event.occurred_at, now)
        resource = event.resource
        if not isinstance(resource, Resource):
            refuse_type(resource, "a Resource", "resource")
        self._thing(resource, "resource")
        if event.outcome not in OUTCOMES:
            refuse_choice(OUTCOMES, "outcome")
        if self._strict:
            _obey(plan, event)
        hider = Hider(plan.classes, lambda value: self._fingerprint(workspace, value))
        if event.batch is not None:
            check_id(event.batch, "batch")
        kind = choice(event.kind, KINDS, plan.kind, "kind")
        content = Content(
            id=check_uuid(event.id, "id"),
            occurred_at=occurred_at,
            actor=check_actor(event.actor, hider, "actor"),
            action=action,
            kind=plan.kind if plan.declared else kind,
            severity=choice(event.severity, SEVERITIES, plan.severity, "severity"),
            resource=renamed(resource, hider),
            outcome=event.outcome,
            related=() if event.related == () else self._related(event.related, hider),
            changes=() if event.changes == () else check_changes(event.changes, hider),
            reason=None if event.reason is None else check_reason(event.reason, hider),
            cause=None if event.cause is None else check_uuid(event.cause, "cause"),
            batch=event.batch,
            details=None if event.details is None else _details(event.details, hider),
            context=None if event.context is None else check_context(event.context),
        )
        late = now - occurred_at > _LATE
        if late or hider.hid or plan.sensitive or not plan.declared:
            marks = (("late", late), ("redacted", hider.hid), ("sensitive", plan.sensitive))
            named = (*marks, ("undeclared", not plan.declared))
            content = replace(content, marks=tuple([mark for mark, holds in named if holds]))
        return content, _encoded(content)

    def _plan(self, action: Any) -> _Plan:
        if type(action) is not str:
            refuse_type(action, "text", "action")
        if not ACTION.fullmatch(action):
            raise invalid(
                "The action is not of the form noun.verb",
                "Use lower-case letters, digits and underscores, at most 100, such as 'invoice.sent'",
                "action",
            )
        plan = _Plan(self._catalog, action)
        if self._strict and not plan.declared:
            raise invalid(
                "The catalog does not declare this action", "Declare it with Catalog.declare, or correct it", "action"
            )
        if len(self._plans) >= _MEMO:
            self._plans.clear()  # undeclared actions come from outside: the memory they take must have an end
        self._plans[action] = plan
        return plan

    def _instant(self, said: Any, now: datetime) -> datetime:
        if not isinstance(said, datetime):
            refuse_type(said, "a datetime with its offset from UTC", "occurred_at")
        at: datetime = said
        if type(at) is not datetime:
            at = datetime.combine(at.date(), at.time(), at.tzinfo)
        if at.tzinfo is not UTC:
            if at.utcoffset() is None:
                raise invalid("The time has no offset from UTC", "Add Z, or an offset such as +01:00", "occurred_at")
            try:
                at = at.astimezone(UTC)
            except OverflowError:  # an offset beyond the first or the last year
                at = datetime.min.replace(tzinfo=UTC) if at.year == 1 else _LATEST
        if at < _EARLIEST:
            raise invalid("The time is before 1970", "Send the time at which it happened", "occurred_at")
        if at > now + self._skew:
            raise invalid(
                f"The time is more than {self._skew.total_seconds():g} seconds ahead of the log's clock",
                "Set the sender's clock, or send the time at which it happened",
                "occurred_at",
            )
        return at

    def _related(self, related: Any, hider: Hider) -> tuple[Related, ...]:
        if not isinstance(related, (tuple, list)):
            refuse_type(related, "a list", "related")
        if len(related) > _RELATED:
            raise invalid(
                f"There are more than {_RELATED} related resources",
                "Name those that matter, and record the others as events of one batch",
                "related",
            )
        for at, one in enumerate(related):
            if not isinstance(one, Related):
                refuse_type(one, "a Related", "related", at)
            self._thing(one, "related", at)
            self._type(one.rel, "related", at, "rel")
        return tuple([renamed(one, hider) for one in related])

    def _thing(self, thing: Resource | Related, *at: str | int) -> None:
        self._type(thing.type, *at, "type")
        check_id(thing.id, *at, "id")
        if thing.name is not None:
            check_name(thing.name, *at, "name")

    def _type(self, text: Any, *at: str | int) -> None:
        if type(text) is not str:
            refuse_type(text, "text", *at)
        if text in self._types:
            return
        if not TYPE.fullmatch(text):
            raise invalid(
                "This is not a name of a type",
                "Use at most 100 lower-case letters, digits and underscores, such as 'invoice'",
                *at,
            )
        if len(self._types) >= _MEMO:
            self._types.clear()
        self._types.add(text)


def _obey(plan: _Plan, event: Event) -> None:
    if plan.resource_type and event.resource.type != plan.resource_type:
        raise invalid(
            f"The resource of this action is of type '{plan.resource_type}'",
            "Send that type, or declare the action with another one",
            "resource",
            "type",
        )
    if plan.reason_required and event.outcome == "success" and event.reason is None:
        raise invalid("This action needs a reason", "Send a code, a text or both", "reason")


def _details(details: Any, hider: Hider) -> dict[str, Any]:
    if type(details) is not dict:
        refuse_type(details, "a dict", "details")
    try:
        return normal(details, 2, "", hider)  # type: ignore[no-any-return]  # an object stays an object
    except Fault as fault:
        raise fault.at("details") from None


def _encoded(content: Content) -> bytes:
    """Refuse what shows only in the encoding: halves of surrogate pairs, the size, control characters."""
    try:
        data = payload(content)
    except UnicodeEncodeError:
        at = _find(_SURROGATES, msgspec.to_builtins(content)) or ""
        raise InvalidEvent(at, "Text holds half of a surrogate pair", "Send valid Unicode") from None
    if len(data) > EVENT_BYTES:
        raise InvalidEvent(
            "", "The event takes more than 256 KiB", "Send several events of one batch, and keep files elsewhere"
        )
    # A fast look at the bytes, because a control character can only be there as one of these escapes; a backslash of
    # the text itself may look like one, and then the slow pass finds nothing.
    if b"\\" in data and (b"\\u00" in data or b"\\b" in data or b"\\f" in data):
        found = _find(_CONTROLS, msgspec.to_builtins(content))
        if found is not None:
            raise InvalidEvent(
                found, "Text holds a control character", "Remove it; tabs and line breaks may stay in free text"
            )
    return data


def _find(characters: re.Pattern[str], value: Any, *at: str | int) -> str | None:
    """Return the pointer to the first text with one of the characters; for a key, to the object that has it."""
    if isinstance(value, str):
        return pointer(*at) if characters.search(value) else None
    if isinstance(value, dict):
        if any(characters.search(key) for key in value):
            return pointer(*at)
        found = (_find(characters, item, *at, key) for key, item in value.items())
    elif isinstance(value, (list, tuple)):
        found = (_find(characters, item, *at, index) for index, item in enumerate(value))
    else:
        return None
    return next((place for place in found if place is not None), None)

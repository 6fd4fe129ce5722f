"""What the tests of intake share: one small sound event, checked as of one day."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from whodid.catalog import builtin
from whodid.errors import InvalidEvent
from whodid.intake import Intake
from whodid.model import Actor, Content, Event, Resource

SECRET = "correct horse battery staple"
NOW = datetime(2026, 11, 20, 14, tzinfo=UTC)
ID = "01a08f3c-6d2e-7b41-9c5a-2f8e6b1d7a90"


def fingerprint(workspace: str, value: bytes) -> str:
    """Return what a log would: a keyed digest that depends on workspace and value."""
    return hmac.digest(b"key of the test " + workspace.encode(), value, "sha256")[:8].hex()


LENIENT = Intake(builtin(), strict=False, fingerprint=fingerprint)
STRICT = Intake(builtin(), strict=True, fingerprint=fingerprint)


def wire(**parts: Any) -> dict[str, Any]:
    """Return a small sound event in wire form with the given members instead of its own."""
    sound = {
        "id": ID,
        "occurred_at": "2026-11-20T13:32:07.486Z",
        "actor": {"type": "user", "id": "usr_2M", "name": "Maria Torres"},
        "action": "contact.updated",
        "resource": {"type": "contact", "id": "con_7J2R", "name": "Juan Pérez"},
    }
    return {**sound, **parts}


def event(**parts: Any) -> Event:
    """Return the same as an event, its members taken as they are."""
    sound: dict[str, Any] = {
        "id": ID,
        "occurred_at": datetime(2026, 11, 20, 13, 32, 7, 486000, tzinfo=UTC),
        "actor": Actor(type="user", id="usr_2M", name="Maria Torres"),
        "action": "contact.updated",
        "resource": Resource(type="contact", id="con_7J2R", name="Juan Pérez"),
    }
    return Event(**{**sound, **parts})


def check(said: Event, intake: Intake = LENIENT) -> Content:
    """Check an event as of the story's day."""
    return intake.check(said, "wsp_3F", NOW)


def refusal(said: Event | bytes, intake: Intake = LENIENT) -> InvalidEvent:
    """Return the refusal of an event, decoded and checked."""
    with pytest.raises(InvalidEvent) as refused:
        check(intake.decode_event(said) if isinstance(said, bytes) else said, intake)
    assert refused.value.remedy
    return refused.value


def dumped(**parts: Any) -> bytes:
    """Return the small sound event as bytes, with the given members."""
    return json.dumps(wire(**parts), ensure_ascii=False).encode()


def tried(said: Callable[[], Event]) -> Content | InvalidEvent:
    """Return the content of an event that is made and checked, or its refusal."""
    try:
        return check(said())
    except InvalidEvent as refused:
        return refused


def nested(depth: int) -> Any:
    """Return a value with that many levels of lists and objects."""
    value: Any = 1
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value

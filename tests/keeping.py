"""A small world for the tests of export, retention and the command line: a clock, events, logs on both stores."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

import whodid
from whodid import Action, Actor, Catalog, Change, Context, Event, Log, Reason, Related, Resource, builtin

NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
HOME = "wsp_home"
MARIA = Actor(type="user", id="usr_maria", name="Maria Torres", email="maria@lumen.example", role="Manager")
JOAO = Actor(type="user", id="usr_joao", name="João Silva", role="Agent")

STORES = ("memory", "sqlite")


class Clock:
    """A clock that stands still until it is told to move."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **length: float) -> None:
        """Move on by days, hours, minutes or seconds."""
        self.now += timedelta(**length)


def url(kind: str, folder: Path) -> str:
    """Return the address of a store of its kind in a folder."""
    return "memory://" if kind == "memory" else f"sqlite:///{folder / 'audit.db'}"


def opened(kind: str, folder: Path, clock: Clock, catalog: Catalog | None = None) -> Log:
    """Open a log on a store of its kind in a folder."""
    return whodid.open(url(kind, folder), clock=clock, catalog=catalog)


def event(number: int, action: str = "contact.updated", at: datetime = NOW, **more: Any) -> Event:
    """Make an event whose id, resource and time follow from a number."""
    more.setdefault("actor", MARIA if number % 2 else JOAO)
    more.setdefault("resource", Resource(type="contact", id=f"con_{number}", name=f"Contact {number}"))
    id_ = str(UUID(int=(7 << 76) | (2 << 62) | number))
    return Event(id=id_, occurred_at=at + timedelta(microseconds=number), action=action, **more)


def full_event(number: int, at: datetime = NOW) -> Event:
    """Make an event in which every part has a value."""
    return event(
        number,
        "contact.merged",
        at,
        actor=Actor(
            type="api_key",
            id="key_1",
            name="CRM sync",
            email="crm@lumen.example",
            role="Sync",
            on_behalf_of=Actor(type="user", id="usr_maria", name="Maria Torres"),
        ),
        related=(Related(type="contact", id="con_9", rel="absorbed", name='Ana "la" García, S.L.'),),
        changes=(
            Change(path="email", op="add", after="ana@correo.example", class_="personal", from_="con_9"),
            Change(path="tags", op="set", added=["ramadan-24"], removed=[]),
            Change(path="access_token", class_="secret", before="s3cret-before", after="s3cret-after"),
        ),
        reason=Reason(code="duplicate", text="Same person\nunder two names"),
        cause=str(UUID(int=(7 << 76) | (2 << 62) | 999)),
        batch="imp_1",
        details={"matched_by": ["phone"], "score": 0.5},
        context=Context(
            source="api",
            ip="203.0.113.9",
            forwarded_ip="198.51.100.7",
            user_agent="sync/1",
            country="ES",
            city="Madrid",
            request="req_1",
            session="ses_1",
        ),
    )


def catalog() -> Catalog:
    """Return the built-in catalog with two actions that are kept for other times."""
    return builtin().declare(
        Action(
            name="door.opened",
            kind="security",
            label={"en": "Door opened"},
            sentences={"en": "{actor} opened {resource}"},
            resource_type="door",
            retention="security",
            example=msgspec.to_builtins(event(1, "door.opened")),
        ),
        Action(
            name="door.seen",
            kind="status",
            label={"en": "Door seen"},
            sentences={"en": "{actor} saw {resource}"},
            resource_type="door",
            retention="brief",
            example=msgspec.to_builtins(event(1, "door.seen")),
        ),
    )


def record(log: Log, events: Iterable[Event], workspace: str = HOME) -> None:
    """Record events and insist that each was taken."""
    for receipt in log.record_many(workspace, events):
        assert isinstance(receipt, whodid.Receipt), receipt

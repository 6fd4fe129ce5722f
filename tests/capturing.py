"""A small application with an outbox, for the tests of capture."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from whodid import Actor, Event, Resource
from whodid.capture import uuid7
from whodid.capture.outbox import outbox_table

__all__ = ["TABLE", "Base", "Thing", "event"]

AISHA = Actor(type="user", id="usr_1", name="Aisha Khan")


class Base(DeclarativeBase):
    """The application's tables."""


class Thing(Base):
    """A row of the application."""

    __tablename__ = "things"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)


TABLE = outbox_table(Base.metadata)


def event(number: int, **members: Any) -> Event:
    """Make an event about a thing."""
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
    return Event(
        id=uuid7(at, number.to_bytes(8, "big")),
        occurred_at=at,
        actor=AISHA,
        action="thing.made",
        resource=Resource(type="thing", id=str(number)),
        **members,
    )

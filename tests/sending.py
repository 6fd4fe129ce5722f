"""A world with API keys for the tests of `POST /v1/events`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from tests.serving import HOME, MARIA, NOW, Clock, client, open_log
from whodid import Log
from whodid.server.keys import KeyRing


def wire(number: int, **more: Any) -> dict[str, Any]:
    """Write an event as a sender would."""
    return {
        "id": str(UUID(int=1000 + number)),
        "occurred_at": NOW.isoformat(),
        "actor": {"type": "user", "id": "usr_1", "name": "Aisha"},
        "action": "contact.created",
        "resource": {"type": "contact", "id": f"con_{number}"},
        **more,
    }


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands still."""
    return Clock()


@pytest.fixture
def log(clock: Clock) -> Iterator[Log]:
    """Open the story."""
    with open_log(clock) as opened:
        yield opened


@pytest.fixture
def ring(log: Log) -> KeyRing:
    """Return the keys of HOME."""
    return KeyRing(log, HOME, actor=MARIA)


@pytest.fixture
def key(ring: KeyRing) -> str:
    """Make a key that may write to HOME."""
    return ring.create("tests").text


@pytest.fixture
def http(log: Log) -> Iterator[TestClient]:
    """Open a client."""
    with client(log) as opened:
        yield opened

"""A world with API keys for the tests of `POST /v1/events`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tests.serving import HOME, MARIA, NOW
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
def ring(log: Log) -> KeyRing:
    """Return the keys of HOME."""
    return KeyRing(log, HOME, actor=MARIA)


@pytest.fixture
def key(ring: KeyRing) -> str:
    """Make a key that may write to HOME."""
    return ring.create("tests").text

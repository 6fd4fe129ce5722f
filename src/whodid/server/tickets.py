"""Tickets: what a browser can follow where it cannot send a token, good once and for a minute.

A POST with the token leaves what is wanted in the log's own state, and hands out a ticket: random, for exactly that.
The state is changed by compare-and-set, so a ticket is good once whatever the number of servers.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from whodid import canonical
from whodid.errors import StoreUnavailable
from whodid.log import Log
from whodid.server.signing import mac, pack, same, unpack

__all__ = ["LIFE", "Pending", "Tickets", "digest"]

LIFE = timedelta(seconds=60)
"""How long a ticket is good."""

_MOST_PENDING = 20
_RANDOM = 18
_MAC = 16
_TRIES = 50


class Pending(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a ticket stands for, in the state of the log.

    Args:
        ticket: SHA-256 of the ticket, hexadecimal; who reads the store cannot use it.
        until: Microseconds since 1970.
    """

    ticket: str
    until: int


_P = TypeVar("_P", bound=Pending)


class Tickets(Generic[_P]):
    """The tickets of one purpose.

    Args:
        secret: Signs tickets, so that an invented one does not reach the store.
        state: Name of the state in which what is wanted waits.
        purpose: What the signature is for.
        holds: Type of what waits.
    """

    def __init__(self, log: Log, *, secret: bytes, state: str, purpose: str, holds: type[_P]) -> None:
        self._log = log
        self._secret = secret
        self._state = state
        self._purpose = purpose
        self._decode = msgspec.json.Decoder(list[holds]).decode  # type: ignore[valid-type]

    def make(self, workspace: str) -> str:
        """Return a new ticket; it is good once something waits for it."""
        body = secrets.token_bytes(_RANDOM) + workspace.encode()
        return pack(mac(self._secret, self._purpose, body)[:_MAC] + body)

    def workspace(self, ticket: str) -> str | None:
        """Return the workspace of a ticket that we made, or None."""
        data = unpack(ticket) or b""
        signature, body = data[:_MAC], data[_MAC:]
        genuine = same(mac(self._secret, self._purpose, body)[:_MAC], signature)
        return body[_RANDOM:].decode() if genuine and len(body) > _RANDOM else None

    def leave(self, workspace: str, pending: _P, now: datetime) -> bool:
        """Have something wait for its ticket; False when too much waits."""
        for _ in range(_TRIES):
            old = self._log.state(workspace, self._state)
            waiting = self._alive(old, now)
            if len(waiting) >= _MOST_PENDING:
                return False
            if self._log.swap_state(workspace, self._state, old, canonical.encode([*waiting, pending])):
                return True
        raise _contended()

    def take(self, workspace: str, ticket: str) -> _P | None:
        """Remove what waits for a ticket and return it; None when it is not there (any more)."""
        now = self._log.now()
        for _ in range(_TRIES):
            old = self._log.state(workspace, self._state)
            waiting = self._alive(old, now)
            wanted = next((one for one in waiting if one.ticket == digest(ticket)), None)
            if wanted is None:
                return None
            rest = [one for one in waiting if one is not wanted]
            if self._log.swap_state(workspace, self._state, old, canonical.encode(rest) if rest else None):
                return wanted
        raise _contended()

    def _alive(self, state: bytes | None, now: datetime) -> list[_P]:
        limit = canonical.micros(now)
        waiting: list[_P] = self._decode(state) if state else []
        return [one for one in waiting if one.until > limit]


def digest(ticket: str) -> str:
    """Return what of a ticket is written down."""
    return hashlib.sha256(ticket.encode()).hexdigest()


def _contended() -> StoreUnavailable:
    return StoreUnavailable("Too many tickets are made at the same moment", "Try again in a moment")

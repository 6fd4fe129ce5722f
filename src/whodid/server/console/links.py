"""Sign-in links that the command line makes for a server that runs: they wait in the store that both open.

Whoever can open the store is its operator already. The link carries a code; the store keeps its SHA-256 and who asked
for it, for fifteen minutes, and gives it away once, whatever the number of servers.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

import msgspec
from msgspec import Struct

from whodid import canonical
from whodid.errors import StoreUnavailable
from whodid.log import Log
from whodid.model import Actor

__all__ = ["make_link_code", "take_link"]

_LIFE = timedelta(minutes=15)
_STATE = "console links"
_MOST = 100
_TRIES = 50


class _Waiting(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    code: str
    operator: Actor
    until: int


_decode = msgspec.json.Decoder(list[_Waiting]).decode


def make_link_code(log: Log, operator: Actor) -> str:
    """Return a code that signs an operator in once, within fifteen minutes.

    Args:
        operator: Who will act; the actor of the entries that the acts leave behind.

    Raises:
        StoreUnavailable: Too many are made at the same moment.
    """
    code = secrets.token_urlsafe(32)
    until = canonical.micros(log.now() + _LIFE)
    for _ in range(_TRIES):
        old = log.shared_state(_STATE)
        waiting = [*_alive(log, old), _Waiting(code=_digest(code), operator=operator, until=until)][-_MOST:]
        if log.swap_shared_state(_STATE, old, canonical.encode(waiting)):
            return code
    raise _contended()


def take_link(log: Log, code: str) -> Actor | None:
    """Take the operator of a code, which no second look finds any more; None for a code that is unknown or too old."""
    for _ in range(_TRIES):
        old = log.shared_state(_STATE)
        waiting = _alive(log, old)
        found = next((one for one in waiting if one.code == _digest(code)), None)
        if found is None:
            return None
        left = [one for one in waiting if one is not found]
        if log.swap_shared_state(_STATE, old, canonical.encode(left) if left else None):
            return found.operator
    raise _contended()


def _alive(log: Log, kept: bytes | None) -> list[_Waiting]:
    now = canonical.micros(log.now())
    return [one for one in _decode(kept) if one.until > now] if kept else []


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest()


def _contended() -> StoreUnavailable:
    return StoreUnavailable("Too many links are made at the same moment", "Try again in a moment")

"""The parts that every event gets: an id that orders by time, and the way to name what it is about."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from uuid import NAMESPACE_URL, uuid5

from whodid.canonical import micros
from whodid.model import Actor, Resource

__all__ = ["UNKNOWN", "About", "identifier", "keyed_id", "uuid7"]

UNKNOWN = Actor(type="anonymous", id="unknown")
"""Who acts when nobody said so. Never guessed, never `system`: that one must be declared."""

About = Resource | tuple[str, str] | tuple[str, str, str | None] | object
"""A resource, its type and id and perhaps name, or an object that an installed hook knows."""


def uuid7(at: datetime, entropy: bytes) -> str:
    """Make a version 7 UUID (RFC 9562, section 5.7, with the clock's fraction as in section 6.2, method 3).

    Args:
        at: The instant it is made; ids order by it to a quarter of a microsecond.
        entropy: Eight random bytes.

    Returns:
        The UUID as text.
    """
    text = f"{2 << 62 | int.from_bytes(entropy[:8]) & ((1 << 62) - 1):016x}"
    return f"{_stamp(at)}-{text[:4]}-{text[4:]}"


@lru_cache(maxsize=16)
def _stamp(at: datetime) -> str:
    """Return the part of a UUID that tells the time; the rows of one flush have it in common."""
    milliseconds, rest = divmod(micros(at), 1000)
    text = f"{milliseconds << 16 | 7 << 12 | rest * 4096 // 1000:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:]}"


def keyed_id(workspace: str, action: str, key: str) -> str:
    """Make the id of an event from a key of the caller's: the same key gives the same id (RFC 9562, section 5.5).

    Args:
        workspace: Whose log it is for.
        action: What happened.
        key: Names the occasion, such as `stripe:evt_1`.
    """
    return str(uuid5(NAMESPACE_URL, f"whodid:{workspace}:{action}:{key}"))


def identifier(text: str) -> str:
    """Return a key as the id of a resource; what cannot be one is named by its digest."""
    if 0 < len(text) <= 200 and text.isprintable() and text.strip() == text:
        return text
    return f"sha256:{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"

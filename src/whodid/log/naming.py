"""What may be the name of a workspace, and the ids of what the log says by itself."""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID

from whodid.errors import InvalidSetting

__all__ = ["ANCHORS", "check_name", "id_of"]

ANCHORS = "/anchors"
"""Under this name a store keeps the anchor log of the deployment: no workspace can have it."""


_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-")
_LONGEST = 100


def check_name(workspace: object) -> None:
    """Refuse what cannot be the name of a workspace, such as the None of who does not know where it happened.

    Raises:
        InvalidSetting: It is not 1 to 100 letters, digits and the characters `_ . : -`.
    """
    fits = isinstance(workspace, str) and 0 < len(workspace) <= _LONGEST and _CHARACTERS.issuperset(workspace)
    if not fits:
        shown = workspace[:_LONGEST] if isinstance(workspace, str) else workspace
        raise InvalidSetting(f"{shown!r} is not a workspace", "Use 1 to 100 letters, digits and the characters _ . : -")


def id_of(name: str) -> str:
    """Return the event id (a UUID of version 8) that follows from a name: whoever says it twice says it once."""
    digest = int.from_bytes(sha256(name.encode()).digest()[:16])
    return str(UUID(int=digest & ~(0xF << 76) & ~(0x3 << 62) | 0x8 << 76 | 0x2 << 62))

"""Prefixed ULIDs (`con_01K9ZT…`): they order by time and say what they name."""

from __future__ import annotations

from datetime import datetime

__all__ = ["ulid"]

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U


def ulid(prefix: str, at: datetime, entropy: bytes) -> str:
    """Make an id.

    Args:
        prefix: Three letters for the kind of row.
        at: When the row is made.
        entropy: Ten random bytes.
    """
    number = int(at.timestamp() * 1000) << 80 | int.from_bytes(entropy[:10], "big")
    return f"{prefix}_" + "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -5, -5))

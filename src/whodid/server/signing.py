"""Keyed digests for whatever leaves the server and has to come back unchanged (viewer tokens, export tickets).

One secret serves several purposes; each digest names its own, so that none can stand in for another.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from uuid import UUID

from whodid.errors import InvalidSetting

__all__ = ["check_secret", "mac", "pack", "same", "seal", "unpack", "unseal", "uuid8"]

_SHORTEST = 32


def check_secret(secret: bytes) -> bytes:
    """Return the secret if it is long enough to sign with.

    Args:
        secret: At least 32 random bytes.

    Raises:
        InvalidSetting: It is shorter.
    """
    if len(secret) < _SHORTEST:
        raise InvalidSetting(
            f"The secret has {len(secret)} bytes; it needs at least {_SHORTEST}",
            'Make one with: python -c "import secrets; print(secrets.token_hex(32))"',
        )
    return secret


def mac(secret: bytes, purpose: str, data: bytes) -> bytes:
    """Return HMAC-SHA256 (RFC 2104) of data for one purpose, 32 bytes.

    Args:
        purpose: Name of the use, without NUL, so that name and data cannot flow into one another.
    """
    return hmac.new(secret, purpose.encode() + b"\0" + data, hashlib.sha256).digest()


def same(left: bytes, right: bytes) -> bool:
    """Compare two digests in a time that does not depend on where they differ."""
    return hmac.compare_digest(left, right)


def pack(data: bytes) -> str:
    """Write bytes as base64url without padding (RFC 4648 section 5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unpack(text: str) -> bytes | None:
    """Read what `pack` wrote; None for every other text, a second spelling of the same bytes included."""
    try:
        data = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return None
    return data if pack(data) == text else None


def seal(secret: bytes, version: str, purpose: str, payload: bytes) -> str:
    """Return a payload with its digest as a text that fits into a header: `<version>.<payload>.<digest>`."""
    return f"{version}.{pack(payload)}.{pack(mac(secret, purpose, payload))}"


def unseal(secret: bytes, version: str, purpose: str, text: str, *, largest: int) -> bytes | None:
    """Return the payload of a text that `seal` made with the same secret, version and purpose; None for any other.

    Args:
        largest: Characters that the text may have.
    """
    said, _, rest = text[: largest + 1].partition(".")
    body, _, digest = rest.partition(".")
    payload = unpack(body) or b""
    genuine = same(mac(secret, purpose, payload), unpack(digest) or b"")
    return payload if genuine and said == version and len(text) <= largest else None


def uuid8(digest: bytes) -> str:
    """Make a version 8 UUID (RFC 9562 section 5.8) of 16 bytes."""
    value = int.from_bytes(digest[:16], "big")
    value = value & ~(0xF << 76) | 8 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return str(UUID(int=value))

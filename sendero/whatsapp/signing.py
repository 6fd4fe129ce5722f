"""How WhatsApp signs its notices: both ends of the webhook compute the same."""

from __future__ import annotations

import hashlib
import hmac

__all__ = ["signature"]


def signature(secret: str, body: bytes) -> str:
    """Return what the header `X-Hub-Signature-256` holds.

    Args:
        secret: The application's.
        body: As it is sent, byte by byte.
    """
    return f"sha256={hmac.digest(secret.encode(), body, hashlib.sha256).hex()}"

"""Operator tokens: what lets a program manage the workspaces of a deployment, for ten minutes.

An operator sees which workspaces there are, and their keys and retention; no entry of any of them. The token is
`wo1.<claims>.<digest>`, made with the same secret as viewer tokens and for another purpose, so that neither can stand
in for the other.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from whodid import canonical
from whodid.errors import InvalidSetting
from whodid.model import Actor
from whodid.server.signing import check_secret, seal, unseal
from whodid.server.tokens import LONGEST

__all__ = ["mint_operator_token", "verify_operator_token"]

_SKEW = 60
_LARGEST = 4096
_VERSION = "wo1"
_PURPOSE = "whodid operator token 1"


class _Claims(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    jti: str
    operator: Actor
    iat: int
    exp: int


_decode = msgspec.json.Decoder(_Claims).decode


def mint_operator_token(secret: bytes, *, operator: Actor, ttl: int = LONGEST, now: datetime | None = None) -> str:
    """Make an operator token.

    Args:
        secret: The secret of the server that will read the token, at least 32 bytes.
        operator: Who acts; the actor of the entries that the acts leave behind.
        ttl: Life in seconds, at most 600.
        now: The moment of issue; the clock's when not given.

    Returns:
        The token text, for the `Authorization` header. It belongs to programs of yours and never into a browser.

    Raises:
        InvalidSetting: The secret is short, the life too long, or the actor too large.
    """
    check_secret(secret)
    if not 0 < ttl <= LONGEST:
        raise InvalidSetting(f"An operator token cannot live {ttl} seconds", f"Use 1 to {LONGEST}")
    issued = int((now or datetime.now(UTC)).timestamp())
    claims = _Claims(jti=secrets.token_urlsafe(12), operator=operator, iat=issued, exp=issued + ttl)
    token = seal(secret, _VERSION, _PURPOSE, canonical.encode(claims))
    if len(token) > _LARGEST:
        raise InvalidSetting("The token would be larger than it may be", "Shorten the name of the operator")
    return token


def verify_operator_token(secret: bytes, token: str, *, now: datetime) -> Actor | None:
    """Return the operator of a token; None for one that is garbled, forged, expired or issued for too long."""
    payload = unseal(secret, _VERSION, _PURPOSE, token, largest=_LARGEST)
    if payload is None:
        return None
    try:
        claims = _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    at = now.timestamp()
    lived = claims.exp - claims.iat
    return claims.operator if claims.iat - _SKEW <= at < claims.exp and lived <= LONGEST else None

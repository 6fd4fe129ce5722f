"""Viewer tokens: what a host's back end hands to a page so that the page may read one workspace for ten minutes.

A token is `wv1.<claims>.<digest>`: the claims as canonical JSON and their HMAC-SHA256, both base64url. It travels in
the `Authorization` header and never in an address. whodid keeps no list of tokens; they end by themselves, soon.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from whodid import canonical, query
from whodid.errors import InvalidSetting
from whodid.model import Actor
from whodid.server.signing import check_secret, seal, unseal

__all__ = ["LONGEST", "PERMISSIONS", "Claims", "is_origin", "mint_token", "origin_of", "verify_token"]

PERMISSIONS = ("audit:read", "audit:export", "audit:pii", "audit:manage")
"""Read entries; export them; see personal values (addresses, e-mail, personal fields); act on alerts."""

LONGEST = 600
"""Longest life of a token, in seconds."""

_SKEW = 60
_LARGEST = 8192
_LONGEST_ORIGIN = 300
_VERSION = "wv1"
_PURPOSE = "whodid viewer token 1"
_ORIGIN = re.compile(r"https?://[a-z0-9.\-\[\]:]+(:[0-9]{1,5})?")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


class Claims(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a token says.

    Args:
        jti: Name of this token, for tracing.
        viewer: Who reads; the actor of the entries that reading and exporting leave behind.
        issued_at: Seconds since 1970.
        expires_at: Seconds since 1970; the token is void from this second on.
        locked: Query text that every answer is narrowed by, whatever the page asks for.
        origin: The only web origin that may use the token, when a browser says which one it is.
        lang: Language of sentences and labels when the request does not name one.
    """

    jti: str
    workspace: str
    viewer: Actor
    permissions: tuple[str, ...]
    issued_at: int = msgspec.field(name="iat")
    expires_at: int = msgspec.field(name="exp")
    locked: str | None = None
    origin: str | None = None
    lang: str | None = None

    def may(self, permission: str) -> bool:
        """Say whether the token carries a permission."""
        return permission in self.permissions


_decode = msgspec.json.Decoder(Claims).decode


def mint_token(
    secret: bytes,
    *,
    workspace: str,
    viewer: Actor,
    permissions: Iterable[str] = ("audit:read",),
    locked: str | None = None,
    origin: str | None = None,
    lang: str | None = None,
    ttl: int = LONGEST,
    now: datetime | None = None,
) -> str:
    """Make a viewer token.

    Args:
        secret: The secret of the server that will read the token, at least 32 bytes.
        workspace: The one workspace that the token opens.
        viewer: Who reads, with name, e-mail and role as they are now.
        permissions: Some of `PERMISSIONS`.
        locked: Query text that narrows everything the viewer can reach, for example `resource:contact:con_4H7P`.
        origin: Web origin of the page that will use it, for example `https://app.example.com`.
        lang: `en`, `es` …
        ttl: Life in seconds, at most 600.
        now: The moment of issue; the clock's when not given.

    Returns:
        The token text; hand it to the page in the body of an answer.

    Raises:
        InvalidSetting: The secret is short, the life too long, a permission unknown, the origin not an origin.
        InvalidQuery: The locked filter cannot be understood.
    """
    check_secret(secret)
    at = now or datetime.now(UTC)
    kept = tuple(sorted(set(permissions)))
    unknown = [name for name in kept if name not in PERMISSIONS]
    if unknown:
        raise InvalidSetting(f"There is no permission {unknown[0]}", f"Use some of {', '.join(PERMISSIONS)}")
    if not 0 < ttl <= LONGEST:
        raise InvalidSetting(f"A viewer token cannot live {ttl} seconds", f"Use 1 to {LONGEST}")
    if not workspace:
        raise InvalidSetting("A viewer token needs a workspace", "Name the one workspace that it opens")
    if origin is not None and not is_origin(origin):
        raise InvalidSetting(f"{origin!r} is not a web origin", "Write scheme, host and port only: https://example.com")
    if lang is not None and not _LANGUAGE.fullmatch(lang):
        raise InvalidSetting(f"{lang!r} is not a language tag", "Write en, es …")
    if locked is not None:
        query.parse(locked, now=at, viewer=viewer.id)
    issued = int(at.timestamp())
    claims = Claims(
        jti=secrets.token_urlsafe(12),
        workspace=workspace,
        viewer=viewer,
        permissions=kept,
        issued_at=issued,
        expires_at=issued + ttl,
        locked=locked,
        origin=origin,
        lang=lang,
    )
    token = seal(secret, _VERSION, _PURPOSE, canonical.encode(claims))
    if len(token) > _LARGEST:
        raise InvalidSetting("The token would be larger than a header may be", "Shorten the locked filter")
    return token


def is_origin(text: str) -> bool:
    """Say whether a text is a web origin: scheme, host and port, nothing after."""
    return len(text) <= _LONGEST_ORIGIN and _ORIGIN.fullmatch(text) is not None


def origin_of(secret: bytes, token: str) -> str | None:
    """Return the origin that a genuine token names, expired or not; None for any other."""
    claims = _genuine(secret, token)
    return claims.origin if claims is not None else None


def verify_token(secret: bytes, token: str, *, now: datetime, origin: str | None = None) -> Claims | None:
    """Read a viewer token.

    Args:
        secret: The server's secret.
        token: What the caller sent.
        now: The moment of use.
        origin: The `Origin` header of the request, if it had one.

    Returns:
        What the token says, or None for a token that is garbled, forged, expired, not yet valid, issued for longer
        than allowed, or used from another origin. Why is not told, so that nothing can be learnt by trying.
    """
    claims = _genuine(secret, token)
    if claims is None:
        return None
    at = now.timestamp()
    if not claims.issued_at - _SKEW <= at < claims.expires_at or claims.expires_at - claims.issued_at > LONGEST:
        return None
    if claims.origin is not None and origin is not None and origin != claims.origin:
        return None
    return claims


def _genuine(secret: bytes, token: str) -> Claims | None:
    """Return the claims of a token that we signed, whatever they say."""
    payload = unseal(secret, _VERSION, _PURPOSE, token, largest=_LARGEST)
    if payload is None:
        return None
    try:
        return _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None

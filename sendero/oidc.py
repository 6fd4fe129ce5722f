"""OpenID Connect, as far as a sign-in needs it: what a provider says of itself, and what its answer must fulfil.

Authorization code with PKCE; the token is checked here, whole: signature by a key of the provider and one of the listed
algorithms, issuer, audience, authorized party, times and nonce. Nothing here knows people or tables.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeGuard, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from joserfc import jwk, jws
from joserfc.errors import JoseError
from msgspec import Struct

from sendero.fetching import Fetch, Unreachable

__all__ = [
    "Fault",
    "Identity",
    "Provider",
    "Tokens",
    "challenge",
    "claims_of",
    "discover",
    "exchange",
    "identity",
    "request",
]

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures that a provider makes with a key of its own; none that a secret which both sides know would make."""

_Answer = TypeVar("_Answer")

_LEEWAY = 60
_KEY_TYPES = ("RSA", "EC", "OKP")
_LONGEST = 16 * 1024


class Fault(Exception):
    """A provider's answer does not fulfil something.

    Args:
        check: What: issuer, audience, expired, nonce, algorithm, signature, azp, subject, email, token or provider.
    """

    def __init__(self, check: str) -> None:
        self.check = check
        super().__init__(check)


class Provider(Struct, frozen=True, kw_only=True):
    """What a provider says of itself."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class Identity(Struct, frozen=True, kw_only=True):
    """Whom a provider vouches for."""

    subject: str
    email: str
    name: str


class Tokens(Struct, frozen=True, kw_only=True):
    """What a code was redeemed for."""

    id_token: str = ""
    access_token: str = ""


def discover(fetch: Fetch, issuer: str) -> Provider:
    """Ask an issuer where its endpoints are.

    Raises:
        Fault: It does not answer, speaks for another issuer, or names endpoints without TLS.
    """
    found = _json(fetch, f"{issuer.rstrip('/')}/.well-known/openid-configuration", Provider)
    if found.issuer != issuer:
        raise Fault("issuer")
    scheme = urlsplit(issuer).scheme
    endpoints = (found.authorization_endpoint, found.token_endpoint, found.jwks_uri, found.userinfo_endpoint)
    if any(urlsplit(one).scheme not in ("https", scheme) for one in endpoints if one is not None):
        raise Fault("provider")
    return found


def challenge(verifier: str) -> str:
    """Return what a provider is told of the verifier of PKCE (S256)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def request(provider: Provider, *, client_id: str, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
    """Return the address to send a browser to."""
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": "openid email profile",
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge(verifier),
        "code_challenge_method": "S256",
    }
    joint = "&" if "?" in provider.authorization_endpoint else "?"
    return f"{provider.authorization_endpoint}{joint}{urlencode(asked)}"


def exchange(
    fetch: Fetch, provider: Provider, *, client_id: str, secret: str, code: str, redirect_uri: str, verifier: str
) -> Tokens:
    """Redeem a code.

    Raises:
        Fault: The provider refuses, or does not answer.
    """
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
    }
    headers: dict[str, str] = {}
    if "client_secret_basic" in provider.token_endpoint_auth_methods_supported:
        pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        form |= {"client_id": client_id, "client_secret": secret}
    return _json(fetch, provider.token_endpoint, Tokens, form=form, headers=headers)


def claims_of(
    token: str, keys: Mapping[str, Any], provider: Provider, *, client_id: str, nonce: str, now: datetime
) -> dict[str, Any]:
    """Check an id token and return what it says.

    Args:
        keys: The provider's key set (JWKS).

    Raises:
        Fault: It does not hold.
    """
    claims = _verified(token, keys)
    at = int(now.timestamp())
    if claims.get("iss") != provider.issuer:
        raise Fault("issuer")
    audience = claims.get("aud")
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or client_id not in named:
        raise Fault("audience")
    if claims.get("azp", client_id if len(named) == 1 else None) != client_id:
        raise Fault("azp")
    expires, issued, begins = (claims.get(name) for name in ("exp", "iat", "nbf"))
    if not _is_time(expires) or expires <= at - _LEEWAY or not _is_time(issued) or issued > at + _LEEWAY:
        raise Fault("expired")
    if begins is not None and (not _is_time(begins) or begins > at + _LEEWAY):
        raise Fault("expired")
    told = claims.get("nonce")
    if not isinstance(told, str) or not hmac.compare_digest(told.encode(), nonce.encode()):
        raise Fault("nonce")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise Fault("subject")
    return claims


def identity(
    fetch: Fetch, provider: Provider, tokens: Tokens, *, client_id: str, nonce: str, now: datetime, by_login: bool
) -> Identity:
    """Return whom a provider vouches for.

    Args:
        by_login: Whether the provider's own name of an account is its address (Microsoft): there, what it calls the
            e-mail address can be whatever somebody typed.

    Raises:
        Fault: The token does not hold, or names nobody with an address that was verified.
    """
    keys = _json(fetch, provider.jwks_uri, dict[str, Any])
    claims = claims_of(tokens.id_token, keys, provider, client_id=client_id, nonce=nonce, now=now)
    said = claims
    if not by_login and "email" not in claims and provider.userinfo_endpoint and tokens.access_token:
        headers = {"Authorization": f"Bearer {tokens.access_token}"}
        said = _json(fetch, provider.userinfo_endpoint, dict[str, Any], headers=headers)
        if said.get("sub") != claims["sub"]:
            raise Fault("subject")
    email = said.get("preferred_username" if by_login else "email")
    told = said.get("email_verified")
    verified = by_login or told is True or told == "true"
    if not isinstance(email, str) or not verified:
        raise Fault("email")
    name = said.get("name")
    return Identity(subject=claims["sub"], email=email.strip().casefold(), name=name if isinstance(name, str) else "")


def _verified(token: str, keys: Mapping[str, Any]) -> dict[str, Any]:
    if len(token) > _LONGEST:
        raise Fault("token")
    try:
        parsed = jws.extract_compact(token.encode())
        header = parsed.headers()
        if header.get("alg") not in ALGORITHMS:
            raise Fault("algorithm")
        key = _key(keys, header)
        registry = jws.JWSRegistry(algorithms=list(ALGORITHMS))
        payload = jws.deserialize_compact(token, key, registry=registry).payload
        claims = msgspec.json.decode(payload)
    except (JoseError, ValueError, TypeError, KeyError, msgspec.DecodeError):
        raise Fault("signature") from None
    if not isinstance(claims, dict):
        raise Fault("token")
    return claims


def _key(keys: Mapping[str, Any], header: Mapping[str, Any]) -> Any:
    """Choose the key that a token names; without a name, the only one that can have signed it."""
    listed = [one for one in keys.get("keys", ()) if isinstance(one, dict)]
    usable = [one for one in listed if one.get("kty") in _KEY_TYPES and one.get("use", "sig") == "sig"]
    kid = header.get("kid")
    fitting = [one for one in usable if kid is None or one.get("kid") == kid]
    if len(fitting) != 1:
        raise Fault("signature")
    return jwk.import_key(fitting[0])


def _json(fetch: Fetch, url: str, type_: type[_Answer], **more: Any) -> _Answer:
    try:
        answer = fetch(url, **more)
        if answer.status != 200:
            raise Fault("provider")
        return msgspec.json.decode(answer.body, type=type_)
    except (Unreachable, msgspec.DecodeError):
        raise Fault("provider") from None


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)

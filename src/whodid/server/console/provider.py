"""OpenID Connect, as far as the console needs it: authorization code with PKCE, and an id token that is checked whole.

The only file that imports joserfc. The provider is the one that the configuration names; it is asked over https, no
redirect is followed, and its answers are small.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from msgspec import Struct

from whodid.errors import InvalidSetting

__all__ = ["Fetch", "Identity", "Provider", "Refused", "fetcher"]

Fetch = Callable[[str, Mapping[str, str] | None, Mapping[str, str]], bytes]
"""Asks an address, by POST when there is a form, with headers; returns the body of a good answer or raises Refused."""

_Answer = TypeVar("_Answer")

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures that a provider makes with a key of its own; none that a secret which both sides know would make."""

_KEY_TYPES = ("RSA", "EC", "OKP")
_LEEWAY = 60
_LONGEST = 16 * 1024
_LARGEST = 512 * 1024
_SECONDS = 10.0
_KNOWN_SECONDS = 300.0
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


class Refused(Exception):
    """A sign-in is refused.

    Args:
        cause: Which check failed, as a word for the server's own log.
    """

    def __init__(self, cause: str) -> None:
        self.cause = cause
        super().__init__(cause)


class Identity(Struct, frozen=True, kw_only=True):
    """Whom the provider vouches for.

    Args:
        email: In lower case; the provider says that it was verified.
    """

    subject: str
    email: str
    name: str


class _Metadata(Struct, frozen=True, kw_only=True):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class _Tokens(Struct, frozen=True, kw_only=True):
    id_token: str


class Provider:
    """One provider, by its issuer (OpenID Connect Discovery 1.0).

    Args:
        issuer: Address, by https unless it is this machine.
        secret: What the provider gave this client to prove itself with.
        fetch: Asks the provider.

    Raises:
        InvalidSetting: The issuer is not an address that can be trusted, or the extra `oidc` is not installed.
    """

    def __init__(self, issuer: str, *, client_id: str, secret: str, fetch: Fetch) -> None:
        try:
            import joserfc.errors
            import joserfc.jwk
            import joserfc.jws
            import joserfc.jwt
        except ImportError:
            raise InvalidSetting(
                "Single sign-on needs joserfc, which is not installed", "Run: pip install 'whodid[oidc]'"
            ) from None
        if not _safe(issuer):
            raise InvalidSetting(f"The issuer {issuer!r} is not reached by https", "Write https://login.example.com")
        self._jose = joserfc
        self._issuer = issuer
        self._client_id = client_id
        self._secret = secret
        self._fetch = fetch
        self._known: tuple[float, _Metadata] | None = None

    def begin(self, *, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Return the address to send a browser to.

        Args:
            verifier: Of PKCE (RFC 7636); the provider is told its digest.

        Raises:
            Refused: The provider does not answer, or not as the one that was named.
        """
        metadata = self._metadata()
        asked = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "scope": "openid email profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in metadata.authorization_endpoint else "?"
        return f"{metadata.authorization_endpoint}{joint}{urlencode(asked)}"

    def finish(self, *, code: str, redirect_uri: str, nonce: str, verifier: str, now: datetime) -> Identity:
        """Return whom the provider vouches for, in exchange for the code that a browser brought back.

        Raises:
            Refused: The provider refuses, or its token does not hold.
        """
        metadata = self._metadata()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        headers: dict[str, str] = {}
        if "client_secret_basic" in metadata.token_endpoint_auth_methods_supported:
            pair = f"{quote(self._client_id, safe='')}:{quote(self._secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": self._client_id, "client_secret": self._secret}
        tokens = _read(self._fetch(metadata.token_endpoint, form, headers), _Tokens)
        keys = _read(self._fetch(metadata.jwks_uri, None, {}), dict[str, Any])
        claims = self._claims(tokens.id_token, keys, nonce=nonce, now=now)
        email, name = claims.get("email"), claims.get("name")
        if not isinstance(email, str) or claims.get("email_verified") is not True:
            raise Refused("email")
        return Identity(
            subject=claims["sub"], email=email.strip().casefold(), name=name if isinstance(name, str) else ""
        )

    def _metadata(self) -> _Metadata:
        known, now = self._known, time.monotonic()
        # Whoever asks to be sent there is not known yet: not every such request is one to the provider.
        if known is not None and known[0] > now:
            return known[1]
        address = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        found = _read(self._fetch(address, None, {}), _Metadata)
        if found.issuer != self._issuer:
            raise Refused("issuer")
        if not all(map(_safe, (found.authorization_endpoint, found.token_endpoint, found.jwks_uri))):
            raise Refused("endpoint")
        self._known = now + _KNOWN_SECONDS, found
        return found

    def _claims(self, token: str, keys: Mapping[str, Any], *, nonce: str, now: datetime) -> dict[str, Any]:
        """Return what a token says, if all of it holds (OpenID Connect Core 1.0, 3.1.3.7)."""
        jose = self._jose
        if len(token) > _LONGEST:
            raise Refused("token")
        asked = jose.jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=_LEEWAY,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            header = jose.jws.extract_compact(token.encode()).headers()
            key = jose.jwk.import_key(_key(keys, header.get("kid")))
            claims: dict[str, Any] = jose.jwt.decode(token, key, algorithms=ALGORITHMS).claims
            asked.validate(claims)
        except jose.errors.BadSignatureError:
            _refuse("signature")
        except jose.errors.ClaimError as error:
            _refuse(error.claim)
        except (jose.errors.JoseError, ValueError, TypeError, KeyError, RecursionError):
            _refuse("token")
        # Whoever the token was made for besides us must not be the one who was meant to use it.
        audience = claims["aud"]
        party = claims.get("azp", self._client_id if isinstance(audience, str) or len(audience) == 1 else None)
        if party != self._client_id:
            raise Refused("azp")
        return claims


def fetcher() -> Fetch:
    """Return what asks over the network.

    Raises:
        InvalidSetting: The extra `oidc` is not installed.
    """
    try:
        import httpx2
    except ImportError:
        raise InvalidSetting(
            "Single sign-on needs httpx2, which is not installed", "Run: pip install 'whodid[oidc]'"
        ) from None

    def fetch(url: str, form: Mapping[str, str] | None, headers: Mapping[str, str]) -> bytes:
        method = "GET" if form is None else "POST"
        sent = {"Accept": "application/json", **headers}
        try:
            with httpx2.stream(method, url, data=form, headers=sent, timeout=_SECONDS) as answer:
                if answer.status_code != 200:
                    raise Refused("provider")
                body = b""
                for part in answer.iter_bytes():
                    body += part
                    if len(body) > _LARGEST:
                        raise Refused("provider")
                return body
        except (httpx2.HTTPError, httpx2.InvalidURL):
            raise Refused("provider") from None

    return fetch


def _key(keys: Mapping[str, Any], kid: str | None) -> dict[str, Any]:
    """Choose the key that a token names; without a name, the only one that can have signed it."""
    listed = [one for one in keys.get("keys", ()) if isinstance(one, dict)]
    usable = [one for one in listed if one.get("kty") in _KEY_TYPES and one.get("use", "sig") == "sig"]
    fitting = [one for one in usable if kid is None or one.get("kid") == kid]
    if len(fitting) != 1:
        raise Refused("key")
    return fitting[0]


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _safe(url: str) -> bool:
    parts = urlsplit(url)
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _HERE))


def _read(body: bytes, kind: type[_Answer]) -> _Answer:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused("provider") from None


def _refuse(cause: str) -> NoReturn:
    raise Refused(cause) from None

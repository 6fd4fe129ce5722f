"""The provider of single sign-on that the story's people sign in at: signed tokens, as the real one gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

import msgspec
from joserfc import jwk, jws

from sendero.fetching import Fetched, Unreachable
from sendero.service.sso import ISSUERS
from sendero.story.cast import Person

__all__ = ["Issuer"]

_ISSUER = ISSUERS["google"]
_DISCOVERY = "/.well-known/openid-configuration"
_LIFE = 3600


class Issuer:
    """Google's side of a sign-in.

    Args:
        clock: The present of the story.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._key = jwk.ECKey.generate_key("P-256", {"kid": "story", "use": "sig", "alg": "ES256"})
        self._codes: dict[str, dict[str, object]] = {}

    def agree(self, address: str, person: Person) -> dict[str, str]:
        """Let somebody agree to sign in; returns what their browser brings back.

        Args:
            address: Where the browser was sent.
        """
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        code = f"code-{len(self._codes)}"
        now = int(self._clock().timestamp())
        self._codes[code] = {
            "iss": _ISSUER,
            "aud": asked["client_id"],
            "sub": f"google-{person.key}",
            "nonce": asked["nonce"],
            "iat": now,
            "exp": now + _LIFE,
            "email": person.email,
            "email_verified": True,
            "name": person.name,
        }
        return {"state": asked["state"], "code": code}

    def __call__(
        self, url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Fetched:
        """Answer Sendero.

        Raises:
            Unreachable: Nothing is at this address.
        """
        answers: dict[str, Callable[[], object]] = {
            _DISCOVERY: lambda: {
                "issuer": _ISSUER,
                "authorization_endpoint": f"{_ISSUER}/authorize",
                "token_endpoint": f"{_ISSUER}/token",
                "jwks_uri": f"{_ISSUER}/keys",
            },
            "/keys": lambda: {"keys": [self._key.as_dict(private=False)]},
            "/token": lambda: {"id_token": self._token((form or {})["code"]), "access_token": "unused"},
        }
        if not url.startswith(_ISSUER) or (answer := answers.get(url.removeprefix(_ISSUER))) is None:
            raise Unreachable
        return Fetched(status=200, body=msgspec.json.encode(answer()))

    def _token(self, code: str) -> str:
        header = {"alg": "ES256", "kid": "story"}
        return jws.serialize_compact(header, msgspec.json.encode(self._codes.pop(code)), self._key)

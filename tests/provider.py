"""A provider of single sign-on for the tests: it answers as a good one does, unless a test tells it to lie."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import pytest
from joserfc import jwk, jwt
from starlette.testclient import TestClient

from sendero.fetching import Fetched, Unreachable
from sendero.service import sso
from sendero.tables import Role, SsoConnection
from tests.lumen import Lumen
from whodid import Entry

__all__ = [
    "CLIENT",
    "ISSUER",
    "SECRET",
    "Company",
    "begin",
    "come_back",
    "company",
    "connection",
    "failure",
    "journey",
    "sso_values",
    "typed",
]

ISSUER = "https://login.lumen.example"
SECRET = "s3cret:of%the+client&known/to-both"
CLIENT = "sendero-at-lumen"


def sso_values(**more: Any) -> dict[str, Any]:
    """Return a connection as its form has it."""
    return {
        "name": "Lumen Login",
        "provider": "oidc",
        "issuer": ISSUER,
        "client_id": CLIENT,
        "client_secret": SECRET,
        "domains": "lumen.example",
        "auto_provision": False,
        "enforced": False,
        **more,
    }


class Company:
    """The provider, as whatever fetches from it sees it.

    A test changes `claims`, `lies`, `metadata` or `key` to have it lie.
    """

    def __init__(self, lumen: Lumen) -> None:
        self._lumen = lumen
        self.key = jwk.RSAKey.generate_key(2048, parameters={"kid": "one", "use": "sig", "alg": "RS256"})
        self.published = [self.key.as_dict(private=False)]
        self.header: dict[str, Any] = {"alg": "RS256", "kid": "one"}
        self.metadata: dict[str, Any] = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/keys",
            "userinfo_endpoint": f"{ISSUER}/userinfo",
        }
        self.person: dict[str, Any] = {"sub": "u-1", "email": "agent@lumen.example", "email_verified": True}
        self.lies: dict[str, Any] = {}
        self.token: str | None = None
        self.userinfo: dict[str, Any] | None = None
        self.codes: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []

    def authorize(self, address: str) -> str:
        """Let the person in, as the provider's own page does, and return a code for the browser to bring back."""
        query = dict(parse_qsl(urlsplit(address).query))
        assert query["client_id"] == CLIENT
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(8)
        self.codes[code] = query
        return code

    def __call__(
        self, url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Fetched:
        """Answer what Sendero asks for."""
        self.asked.append(url)
        if url.endswith("/.well-known/openid-configuration") and url.startswith(ISSUER):
            return self._told(self.metadata)
        if url == f"{ISSUER}/keys":
            return self._told({"keys": self.published})
        if url == f"{ISSUER}/token":
            return self._redeem(dict(form or {}), (headers or {}).get("Authorization", ""))
        if url == f"{ISSUER}/userinfo" and (headers or {}).get("Authorization") == "Bearer the access token":
            return self._told(self.userinfo or {})
        raise Unreachable(url)

    def id_token(self, nonce: str) -> str:
        """Make the token: true, but for the lies."""
        now = int(self._lumen.now.timestamp())
        claims = {
            "iss": ISSUER, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce, **self.person, **self.lies,
        }  # fmt: skip
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(self.header, kept, self.key, algorithms=[self.header["alg"]])

    def _redeem(self, form: dict[str, str], authorization: str) -> Fetched:
        pair = base64.b64decode(authorization.removeprefix("Basic ")).decode().split(":")
        query = self.codes.pop(form["code"], None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
        right = (
            query is not None
            and [unquote(part) for part in pair] == [CLIENT, SECRET]
            and query["code_challenge"] == challenge.decode()
            and query["redirect_uri"] == form["redirect_uri"]
        )
        if query is None or not right:
            return Fetched(status=400, body=b'{"error":"invalid_grant"}')
        token = self.token if self.token is not None else self.id_token(query["nonce"])
        return self._told({"id_token": token, "access_token": "the access token", "token_type": "Bearer"})

    @staticmethod
    def _told(value: Any) -> Fetched:
        return Fetched(status=200, body=json.dumps(value).encode())


@pytest.fixture
def company(lumen: Lumen) -> Company:
    """Put the provider where Sendero asks."""
    provider = Company(lumen)
    lumen.home.fetch = provider
    return provider


@pytest.fixture
def connection(lumen: Lumen, company: Company) -> SsoConnection:
    """Set a connection up."""
    with lumen.working() as work:
        return sso.create(work, lumen.user("Owner"), sso_values(), lumen.row(Role, name="Agent"))


def typed(lumen: Lumen, **more: Any) -> dict[str, str]:
    """Return the form of a connection; a box that is not ticked is not sent."""
    values = {**sso_values(), "role": lumen.row(Role, name="Agent").id, **more}
    return {name: "on" if value is True else str(value) for name, value in values.items() if value is not False}


def begin(browser: TestClient, connection: SsoConnection, next_: str = "/contacts") -> str:
    """Follow the link of the sign-in page, and return where the browser is sent."""
    answer = browser.get(f"/sign-in/sso/{connection.id}", params={"next": next_})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def come_back(browser: TestClient, connection: SsoConnection, company: Company, address: str, **more: str) -> Any:
    """Let the provider's page answer, and bring the answer back."""
    state = dict(parse_qsl(urlsplit(address).query))["state"]
    query = {"state": state, "code": company.authorize(address), **more}
    return browser.get(f"/sign-in/sso/{connection.id}/callback?{urlencode(query)}")


def journey(lumen: Lumen, connection: SsoConnection, company: Company, **more: str) -> Any:
    """Sign in at the provider with a new browser."""
    browser = lumen.visitor()
    return come_back(browser, connection, company, begin(browser, connection), **more)


def failure(lumen: Lumen) -> Entry:
    """Return the newest failed sign-in."""
    return lumen.entries("action:auth.login_failed")[0]

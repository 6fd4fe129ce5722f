"""Single sign-on to the console: with a real provider, and with one that lies in every way a token can."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import re
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from joserfc import jwk, jwt
from starlette.testclient import TestClient

from tests import oidc_running, serving
from tests.oidc_server import CLIENT as REAL_CLIENT
from tests.oidc_server import PASSWORD
from tests.oidc_server import SECRET as REAL_SECRET
from tests.serving import HOME, SECRET, Clock, client
from whodid import Log
from whodid.errors import InvalidSetting
from whodid.server.config import load, read_client_secret
from whodid.server.console import Console
from whodid.server.console.provider import Provider, Refused, fetcher
from whodid.server.console.sso import SignOn

clock, log = serving.clock, serving.log

provider = oidc_running.provider

ISSUER = "https://login.lumen.example"
CLIENT, HELD = "whodid-console", "what the provider gave us"
OWN = {"Sec-Fetch-Site": "same-origin"}


@cache
def key_pair(number: int) -> Any:
    """Make a key of a provider, or of somebody who says so."""
    return jwk.RSAKey.generate_key(2048, parameters={"kid": "one", "use": "sig", "alg": "RS256"})


class Company:
    """A provider as whatever fetches from it sees it: good, unless a test has it lie."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.key: Any = key_pair(1)
        self.published = [self.key.as_dict(private=False)]
        self.header: dict[str, Any] = {"alg": "RS256", "kid": "one"}
        self.metadata: dict[str, Any] = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/keys",
        }
        self.lies: dict[str, Any] = {}
        self.token: str | None = None
        self.codes: dict[str, dict[str, str]] = {}

    def authorize(self, address: str) -> str:
        """Let the person in and return the code for the browser to bring back."""
        query = dict(parse_qsl(urlsplit(address).query))
        assert (query["client_id"], query["code_challenge_method"]) == (CLIENT, "S256")
        code = secrets.token_urlsafe(8)
        self.codes[code] = query
        return code

    def __call__(self, url: str, form: Mapping[str, str] | None, headers: Mapping[str, str]) -> bytes:
        """Answer what the console asks."""
        if url == f"{ISSUER}/.well-known/openid-configuration":
            return json.dumps(self.metadata).encode()
        if url == f"{ISSUER}/keys":
            return json.dumps({"keys": self.published}).encode()
        assert url == f"{ISSUER}/token"
        assert form is not None
        pair = base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode()
        assert pair == f"{CLIENT}:what%20the%20provider%20gave%20us"
        query = self.codes.pop(form["code"], None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
        if query is None or query["code_challenge"] != challenge.decode():
            raise Refused("provider")
        assert form["redirect_uri"] == query["redirect_uri"]
        return json.dumps({"id_token": self.token or self.id_token(query["nonce"])}).encode()

    def id_token(self, nonce: str) -> str:
        """Make the token: true, but for the lies."""
        now = int(self._clock().timestamp())
        claims = {
            "iss": ISSUER,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            "sub": "u-1",
            "email": "Aisha@Lumen.example",
            "email_verified": True,
            "name": "Aisha Khan",
            **self.lies,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(self.header, kept, self.key, algorithms=[self.header["alg"]])


@pytest.fixture
def company(clock: Clock) -> Company:
    """Make the provider."""
    return Company(clock)


@pytest.fixture
def http(log: Log, clock: Clock, company: Company) -> Iterator[TestClient]:
    """Open a browser at a console with single sign-on."""
    with open_console(log, clock, company) as opened:
        yield opened


def open_console(log: Log, clock: Clock, company: Company, *operators: str) -> Any:
    """Open a browser of its own."""
    asked = Provider(ISSUER, client_id=CLIENT, secret=HELD, fetch=company)
    return client(
        log,
        console=Console(secret=SECRET, clock=clock),
        sign_on=lambda console, desk: SignOn(
            console,
            desk,
            asked,
            operators=operators or ("aisha@lumen.example",),
            url="http://audit.test",
            clock=clock,
        ),
    )


def begin(http: TestClient) -> str:
    """Follow the link of the sign-in page and return where the browser is sent."""
    answer = http.get("/console/oidc", follow_redirects=False)
    assert answer.status_code == 303
    return answer.headers["location"]


def come_back(http: TestClient, company: Company, address: str, **more: str) -> Any:
    """Bring back what the provider's page answers."""
    state = dict(parse_qsl(urlsplit(address).query))["state"]
    return http.get("/console/oidc/return", params={"state": state, "code": company.authorize(address), **more})


def is_in(http: TestClient) -> bool:
    """Say whether the console is open to a browser."""
    return HOME in http.get("/console").text


def test_an_operator_signs_in_and_acts_under_the_name_of_the_provider(
    http: TestClient, log: Log, company: Company
) -> None:
    """From the link to an act: the actor is whom the provider named, and no cookie of the way is left."""
    assert 'href="/console/oidc"' in http.get("/console").text
    answer = come_back(http, company, begin(http))
    assert answer.status_code == 200
    assert '<meta http-equiv="refresh" content="0; url=/console">' in answer.text
    session = next(one for one in answer.headers.get_list("set-cookie") if one.startswith("whodid_session="))
    assert all(part in session for part in ("HttpOnly", "SameSite=Strict"))
    assert http.cookies.get("whodid_attempt") is None
    assert is_in(http)
    form = re.search(r'name="form" value="([^"]+)"', http.get("/console").text)
    assert form is not None
    fields = {"form": form[1], "name": "x", "scope": "write", "ends": "never"}
    assert http.post(f"/console/workspaces/{HOME}/keys", data=fields, headers=OWN).status_code == 200
    actor = log.find(HOME, "action:api_key.created").entries[0].actor
    assert (actor.id, actor.name, actor.email) == ("oidc:u-1", "Aisha Khan", "aisha@lumen.example")


@pytest.mark.parametrize(
    ("operators", "entered"),
    [
        (("@lumen.example",), True),
        (("AISHA@lumen.example",), True),
        (("maria@lumen.example", "@other.example"), False),
        (("@example",), False),
        (("@umen.example", "lumen.example"), False),
    ],
)
def test_only_operators_enter(
    log: Log, clock: Clock, company: Company, operators: tuple[str, ...], entered: bool
) -> None:
    """By address, or by the whole domain."""
    with open_console(log, clock, company, *operators) as http:
        assert come_back(http, company, begin(http)).status_code == (200 if entered else 403)
        assert is_in(http) is entered


LIES: dict[str, dict[str, Any]] = {
    "iss": {"iss": "https://evil.example"},
    "no iss": {"iss": None},
    "aud": {"aud": "another-client"},
    "several aud": {"aud": [CLIENT, "another-client"]},
    "azp": {"aud": [CLIENT, "another-client"], "azp": "another-client"},
    "azp alone": {"azp": "another-client"},
    "exp": {"exp": 1},
    "no exp": {"exp": None},
    "iat": {"iat": 4_000_000_000, "exp": 4_000_000_300},
    "nbf": {"nbf": 4_000_000_000},
    "nonce": {"nonce": "another"},
    "no nonce": {"nonce": None},
    "sub": {"sub": None},
    "email": {"email": None},
    "email number": {"email": 7},
    "unverified": {"email_verified": False},
    "verified in words": {"email_verified": "true"},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_token_that_lies_opens_nothing(
    http: TestClient, company: Company, lie: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Every claim is checked; the page does not say which failed, the server's own log does, without the person."""
    company.lies = LIES[lie]
    with caplog.at_level(logging.WARNING, "whodid.server"):
        answer = come_back(http, company, begin(http))
    assert answer.status_code == 403
    assert "did not let you in" in answer.text
    assert not is_in(http)
    assert "sign-in to the console refused" in caplog.text
    assert "aisha" not in caplog.text.lower()


def test_signatures_are_those_of_the_provider(http: TestClient, company: Company) -> None:
    """Another key, no signature, and a secret made of the public key are none."""
    good = company.key
    address = begin(http)
    nonce = dict(parse_qsl(urlsplit(address).query))["nonce"]
    company.key = key_pair(2)
    forged = company.id_token(nonce)
    head, body, _ = forged.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    shared = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"one"}').rstrip(b"=").decode()
    mark = hmac.digest(good.as_pem(private=False), f"{shared}.{body}".encode(), "sha256")
    by_secret = f"{shared}.{body}.{base64.urlsafe_b64encode(mark).rstrip(b'=').decode()}"
    company.header = {"alg": "RS256", "kid": "two"}
    company.key = good
    for token in (forged, f"{none}.{body}.", f"{head}.{body}.", by_secret, company.id_token(nonce), "x", "a.b.c", ""):
        company.token = token or " "
        assert come_back(http, company, begin(http)).status_code == 403
        assert not is_in(http)


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://login.lumen.example/token"},
        {"jwks_uri": "http://evil.example/keys"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": None},
    ],
)
def test_a_provider_that_speaks_for_another_is_not_asked(
    http: TestClient, company: Company, change: dict[str, Any]
) -> None:
    """Its own name and https everywhere, before a browser is sent there."""
    company.metadata |= change
    answer = http.get("/console/oidc", follow_redirects=False)
    assert answer.status_code == 403
    assert "does not answer as it should" in answer.text


def test_the_provider_is_not_asked_for_every_visitor(http: TestClient, company: Company) -> None:
    """What it says of itself is known for a while: a crowd at our door is none at its own."""
    begin(http)
    company.metadata = {}
    begin(http)


def test_what_comes_back_was_begun_here_and_is_taken_once(
    http: TestClient, log: Log, clock: Clock, company: Company
) -> None:
    """Not by another browser, not twice, not late, not with an invented state, and not without a code."""
    address = begin(http)
    with open_console(log, clock, company) as other:
        assert come_back(other, company, address).status_code == 403
        assert not is_in(other)
    stolen = begin(http)
    http.cookies.delete("whodid_attempt")
    assert come_back(http, company, stolen).status_code == 403
    late = begin(http)
    clock.advance(minutes=10)
    assert come_back(http, company, late).status_code == 403
    assert come_back(http, company, begin(http), state="invented").status_code == 403
    assert come_back(http, company, begin(http), code="").status_code == 403
    assert come_back(http, company, begin(http), code="unknown").status_code == 403
    assert not is_in(http)
    address = begin(http)
    assert come_back(http, company, address).status_code == 200
    assert come_back(http, company, address).status_code == 403


def test_with_a_real_provider(provider: str) -> None:
    """Through the pages of a provider over the network, to whom it vouches for, once."""
    real = Provider(f"{provider}/o", client_id=REAL_CLIENT, secret=REAL_SECRET, fetch=fetcher())
    back = "http://audit.test/console/oidc/return"
    httpx2.get(f"{provider}/register", params={"redirect_uri": back}).raise_for_status()
    with httpx2.Client() as browser:
        kept = {"state": "a state", "nonce": "a nonce", "verifier": "v" * 43}
        form = browser.get(real.begin(redirect_uri=back, **kept), follow_redirects=True)
        answer = browser.post(str(form.url), data={"username": "nadia", "password": PASSWORD})
        while not answer.headers["location"].startswith(back):
            answer = browser.get(str(httpx2.URL(provider).join(answer.headers["location"])))
        brought = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
        assert brought["state"] == "a state"
    taken: dict[str, Any] = {"redirect_uri": back, "nonce": "a nonce", "verifier": "v" * 43, "now": datetime.now(UTC)}
    found = real.finish(code=brought["code"], **taken)
    assert (found.email, found.name) == ("nadia@lumen.example", "Nadia Haddad")
    with pytest.raises(Refused, match="provider"):
        real.finish(code=brought["code"], **taken)


def test_settings_are_whole_or_refused(tmp_path: Any) -> None:
    """Part of single sign-on is none; its secret is in a file that nobody else reads; https it is."""
    held = tmp_path / "client.secret"
    held.write_text("s3cret\n")
    held.chmod(0o600)
    whole = {
        "store": "memory://",
        "url": "https://audit.example.com",
        "oidc_issuer": ISSUER,
        "oidc_client_id": CLIENT,
        "oidc_secret_file": str(held),
        "oidc_operators": ("@lumen.example",),
    }
    assert read_client_secret(load(whole, environment={})) == "s3cret"
    named = load({"store": "memory://"}, environment={"WHODID_SERVE_URL": "https://audit.example.com"})
    assert named.oidc_issuer is None
    for name in set(whole) - {"store"}:
        with pytest.raises(InvalidSetting, match=f"Single sign-on lacks {name}"):
            load({**whole, name: None}, environment={})
    held.chmod(0o644)
    with pytest.raises(InvalidSetting, match="Others may read"):
        read_client_secret(load(whole, environment={}))
    held.chmod(0o600)
    held.write_text("\n")
    with pytest.raises(InvalidSetting, match="is empty"):
        read_client_secret(load(whole, environment={}))
    held.unlink()
    with pytest.raises(InvalidSetting, match="cannot be read"):
        read_client_secret(load(whole, environment={}))
    for issuer in ("http://login.lumen.example", "login.lumen.example", "ftp://x"):
        with pytest.raises(InvalidSetting, match="https"):
            Provider(issuer, client_id=CLIENT, secret=HELD, fetch=fetcher())

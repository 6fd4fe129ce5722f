"""Providers, browsers and people who lie: none of them gets in, and the log says which check stopped them."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc import jwk, jwt

from sendero.fetching import Fetched, Fetcher, Unreachable
from sendero.service import sso
from sendero.tables import Role, SsoAttempt, SsoConnection, User
from tests.lumen import Lumen, email, lumen
from tests.provider import (
    CLIENT,
    ISSUER,
    Company,
    begin,
    come_back,
    company,
    connection,
    failure,
    journey,
    sso_values,
    typed,
)

__all__ = ["company", "connection", "lumen"]


class TestWhoItIs:
    """An identity that is no good here."""

    def test_an_address_of_another_domain(self, lumen: Lumen, connection: SsoConnection, company: Company) -> None:
        """Whatever the provider vouches for, only the domains of the connection count."""
        company.person["email"] = "agent@elsewhere.example"
        assert journey(lumen, connection, company).status_code == 422
        assert failure(lumen).details == {
            "cause": "sso_mismatch", "attempts": 1, "provider": "Lumen Login", "check": "domain",
        }  # fmt: skip

    def test_an_address_that_changed_hands(self, lumen: Lumen, connection: SsoConnection, company: Company) -> None:
        """Somebody else with the address of the first one is refused, and the entry names whose place it was."""
        assert journey(lumen, connection, company).status_code == 303
        company.person["sub"] = "u-2"
        answer = journey(lumen, connection, company)
        assert "belonged to somebody else" in answer.text
        entry = failure(lumen)
        assert entry.resource.id == lumen.user("Agent").id
        assert ((entry.details or {})["cause"], (entry.details or {})["check"]) == ("sso_mismatch", "subject")

    def test_a_new_address_is_still_the_same_person(
        self, lumen: Lumen, connection: SsoConnection, company: Company
    ) -> None:
        """The provider's own name of the person counts, once it is known."""
        journey(lumen, connection, company)
        company.person["email"] = "manager@lumen.example"
        journey(lumen, connection, company)
        assert {entry.actor.id for entry in lumen.entries("action:auth.sso_login")} == {lumen.user("Agent").id}

    def test_somebody_deactivated(self, lumen: Lumen, connection: SsoConnection, company: Company) -> None:
        """The provider does not let in whom the workspace keeps out."""
        with lumen.working() as work:
            work.get(User, lumen.user("Agent").id).status = "deactivated"
        assert journey(lumen, connection, company).status_code == 422
        assert (failure(lumen).details or {})["cause"] == "deactivated"

    def test_an_owner(self, lumen: Lumen, connection: SsoConnection, company: Company) -> None:
        """Nobody becomes an owner by a provider that others can change."""
        company.person["email"] = email("Owner")
        assert journey(lumen, connection, company).status_code == 422
        assert (failure(lumen).details or {})["check"] == "owner"

    @pytest.mark.parametrize("verified", [False, None, "false", 1, "yes"])
    def test_an_address_that_nobody_verified(
        self, lumen: Lumen, connection: SsoConnection, company: Company, *, verified: Any
    ) -> None:
        """Whoever typed it may be anybody."""
        company.lies = {"email_verified": verified}
        assert journey(lumen, connection, company).status_code == 422
        assert (failure(lumen).details or {})["check"] == "email"


class TestTokens:
    """What the provider hands out must hold, in every part."""

    @pytest.mark.parametrize(
        ("lies", "check"),
        [
            ({"iss": "https://evil.example"}, "issuer"),
            ({"iss": None}, "issuer"),
            ({"aud": "somebody-else"}, "audience"),
            ({"aud": None}, "audience"),
            ({"aud": [CLIENT, "somebody-else"]}, "azp"),
            ({"aud": [CLIENT, "somebody-else"], "azp": "somebody-else"}, "azp"),
            ({"azp": "somebody-else"}, "azp"),
            ({"exp": 1_000}, "expired"),
            ({"exp": None}, "expired"),
            ({"exp": "never"}, "expired"),
            ({"iat": None}, "expired"),
            ({"iat": 9_999_999_999}, "expired"),
            ({"nbf": 9_999_999_999}, "expired"),
            ({"nonce": "another one"}, "nonce"),
            ({"nonce": None}, "nonce"),
            ({"sub": None}, "subject"),
            ({"sub": ""}, "subject"),
            ({"sub": "x" * 256}, "subject"),
        ],
    )
    def test_a_claim_that_is_wrong(
        self, lumen: Lumen, connection: SsoConnection, company: Company, lies: dict[str, Any], check: str
    ) -> None:
        """It opens nothing, and the entry says which check failed."""
        company.lies = lies
        answer = journey(lumen, connection, company)
        assert answer.status_code == 422
        assert "sendero_session" not in answer.headers.get("set-cookie", "")
        assert failure(lumen).details == {
            "cause": "sso_invalid", "attempts": 1, "provider": "Lumen Login", "check": check,
        }  # fmt: skip

    def test_several_audiences_with_us_as_the_party(
        self, lumen: Lumen, connection: SsoConnection, company: Company
    ) -> None:
        """That is allowed."""
        company.lies = {"aud": [CLIENT, "somebody-else"], "azp": CLIENT}
        assert journey(lumen, connection, company).status_code == 303

    def test_a_token_of_a_few_seconds_ago(self, lumen: Lumen, connection: SsoConnection, company: Company) -> None:
        """Clocks may differ by a minute and no more."""
        now = int(lumen.now.timestamp())
        company.lies = {"exp": now - 30}
        assert journey(lumen, connection, company).status_code == 303
        company.lies = {"exp": now - 90}
        assert journey(lumen, connection, company).status_code == 422

    def forged(self, company: Company, how: str, nonce: str) -> str:
        """Make a token that nobody at the provider signed."""
        good = company.id_token(nonce)
        head, body, signature = good.split(".")
        if how == "none":
            return f"{encoded({'alg': 'none'})}.{body}."
        if how == "shared":
            # The public key, which everybody has, taken as a shared secret.
            signed = f"{encoded({'alg': 'HS256', 'kid': 'one'})}.{body}"
            public = company.key.as_pem(private=False)
            return f"{signed}.{base64url(hmac.digest(public, signed.encode(), 'sha256'))}"
        if how == "another key":
            other = jwk.RSAKey.generate_key(2048, parameters={"kid": "one"})
            return jwt.encode({"alg": "RS256", "kid": "one"}, json.loads(decoded(body)), other)
        if how == "unknown key":
            return jwt.encode({"alg": "RS256", "kid": "two"}, json.loads(decoded(body)), company.key)
        if how == "own key":
            other = jwk.RSAKey.generate_key(2048)
            header = {"alg": "RS256", "jwk": other.as_dict(private=False)}
            return jwt.encode(header, json.loads(decoded(body)), other)
        if how == "altered":
            claims = {**json.loads(decoded(body)), "email": email("Admin")}
            return f"{head}.{encoded(claims)}.{signature}"
        return {"empty": "", "no token": "a.b.c", "huge": f"{head}.{'A' * 20_000}.{signature}"}[how]

    @pytest.mark.parametrize(
        "how",
        ["none", "shared", "another key", "unknown key", "own key", "altered", "empty", "no token", "huge"],
    )
    def test_a_forged_token(self, lumen: Lumen, connection: SsoConnection, company: Company, how: str) -> None:
        """No signature, another one, another algorithm, another content: nobody gets in."""
        browser = lumen.visitor()
        address = begin(browser, connection)
        nonce = dict(parse_qsl(urlsplit(address).query))["nonce"]
        company.token = self.forged(company, how, nonce)
        assert come_back(browser, connection, company, address).status_code == 422
        assert (failure(lumen).details or {})["check"] in {"algorithm", "signature", "token"}
        assert lumen.entries("action:auth.sso_login") == []

    def test_a_key_that_was_changed(self, lumen: Lumen, connection: SsoConnection, company: Company) -> None:
        """New keys of the provider work at once, old ones no longer."""
        old = company.key
        company.key = jwk.RSAKey.generate_key(2048, parameters={"kid": "two", "use": "sig"})
        company.published = [company.key.as_dict(private=False)]
        company.header = {"alg": "RS256", "kid": "two"}
        assert journey(lumen, connection, company).status_code == 303
        company.key, company.header = old, {"alg": "RS256", "kid": "one"}
        assert journey(lumen, connection, company).status_code == 422


class TestBrowsers:
    """What comes back must belong to what was begun."""

    def test_an_answer_works_once(self, lumen: Lumen, connection: SsoConnection, company: Company) -> None:
        """Brought again, it is nothing."""
        browser = lumen.visitor()
        address = begin(browser, connection)
        assert come_back(browser, connection, company, address).status_code == 303
        browser.post("/sign-out")
        assert come_back(browser, connection, company, address).status_code == 422
        assert (failure(lumen).details or {})["cause"] == "sso_state"

    def test_another_browser(self, lumen: Lumen, connection: SsoConnection, company: Company) -> None:
        """Nobody can be signed in with somebody else's answer."""
        address = begin(lumen.visitor(), connection)
        victim = lumen.visitor()
        victim.get("/sign-in")
        assert come_back(victim, connection, company, address).status_code == 422
        assert (failure(lumen).details or {})["check"] == "browser"
        # Nor does it work afterwards for whoever began it.
        with lumen.home.session() as session:
            assert session.query(SsoAttempt).count() == 0

    def test_too_late(self, lumen: Lumen, connection: SsoConnection, company: Company) -> None:
        """After ten minutes one begins again."""
        browser = lumen.visitor()
        address = begin(browser, connection)
        lumen.advance(minutes=11)
        assert come_back(browser, connection, company, address).status_code == 422

    def test_another_connection(self, lumen: Lumen, connection: SsoConnection, company: Company) -> None:
        """An answer of one provider, brought to the address of another one, is refused."""
        with lumen.working() as work:
            values = sso_values(name="Other", domains="other.example")
            other = sso.create(work, lumen.user("Owner"), values, lumen.row(Role, name="Agent"))
        browser = lumen.visitor()
        assert come_back(browser, other, company, begin(browser, connection)).status_code == 422

    def test_another_issuer(self, lumen: Lumen, connection: SsoConnection, company: Company) -> None:
        """A provider that says who it is must be the one; one that promises to say it must do so."""
        assert journey(lumen, connection, company, iss="https://evil.example").status_code == 422
        assert (failure(lumen).details or {})["check"] == "issuer"
        company.metadata["authorization_response_iss_parameter_supported"] = True
        assert journey(lumen, connection, company).status_code == 422
        assert journey(lumen, connection, company, iss=ISSUER).status_code == 303

    def test_the_provider_says_no(self, lumen: Lumen, connection: SsoConnection, company: Company) -> None:
        """The person is told; what the provider wrote is cut."""
        answer = journey(lumen, connection, company, error="access_denied" * 20, code="")
        assert "did not let you in" in answer.text
        details = failure(lumen).details or {}
        assert details["cause"] == "sso_denied"
        assert len(details["check"]) == 60

    @pytest.mark.parametrize("query", ["", "?state=made-up&code=x", "?state=&code=", "?code=x"])
    def test_made_up_answers(self, lumen: Lumen, connection: SsoConnection, query: str) -> None:
        """They open nothing."""
        answer = lumen.visitor().get(f"/sign-in/sso/{connection.id}/callback{query}")
        assert answer.status_code == 422

    def test_whoever_keeps_trying_does_not_fill_the_log(self, lumen: Lumen, connection: SsoConnection) -> None:
        """Of many answers from one address, the first five and then fewer and fewer are recorded."""
        browser = lumen.visitor()
        for _ in range(20):
            browser.get(f"/sign-in/sso/{connection.id}/callback?state=made-up&code=x")
        counts = [(entry.details or {})["attempts"] for entry in lumen.entries("action:auth.login_failed")]
        assert sorted(counts) == [1, 2, 3, 4, 5, 6, 7, 9, 13]

    def test_a_connection_that_was_removed(self, lumen: Lumen, connection: SsoConnection, company: Company) -> None:
        """Neither begins nor ends anything."""
        browser = lumen.visitor()
        address = begin(browser, connection)
        with lumen.working() as work:
            sso.remove(work, work.get(SsoConnection, connection.id), None)
        assert come_back(browser, connection, company, address).status_code == 422
        assert browser.get(f"/sign-in/sso/{connection.id}").status_code == 404

    def test_a_provider_that_does_not_answer(self, lumen: Lumen, connection: SsoConnection) -> None:
        """The sign-in page says so."""

        def dead(url: str, **_: Any) -> Fetched:
            raise Unreachable(url)

        lumen.home.fetch = dead
        answer = lumen.visitor().get(f"/sign-in/sso/{connection.id}")
        assert answer.status_code == 422
        assert "The provider does not answer" in answer.text


class TestReach:
    """Where the fetches of a provider may go."""

    @pytest.mark.parametrize(
        "url",
        [
            "http://login.example.com/",
            "ftp://login.example.com/",
            "https://127.0.0.1/",
            "https://localhost/",
            "https://[::1]/",
            "https://10.0.0.8/",
            "https://169.254.169.254/latest/meta-data",
            "https://192.168.1.1/",
            "https://[::ffff:127.0.0.1]/",
            "https://[fd00::1]/",
            "https://0.0.0.0/",
            "https://224.0.0.1/",
            "https://100.64.0.1/",
            "not an address",
        ],
    )
    def test_nothing_private_is_asked(self, url: str) -> None:
        """Neither without TLS nor inside the network."""
        with pytest.raises(Unreachable):
            Fetcher()(url)

    def test_a_private_issuer_is_refused_in_the_form(self, lumen: Lumen) -> None:
        """Before anything is stored."""
        form = typed(lumen, issuer="https://169.254.169.254")
        answer = lumen.signed_in().post("/settings/sso/new", data=form)
        assert "No provider answers" in answer.text
        assert lumen.entries() == []

    def test_endpoints_without_tls(self, lumen: Lumen, company: Company) -> None:
        """A provider that would have us send the secret in clear is none."""
        company.metadata["token_endpoint"] = "http://login.lumen.example/token"
        answer = lumen.signed_in().post("/settings/sso/new", data=typed(lumen))
        assert "No provider answers" in answer.text


def encoded(value: Any) -> str:
    """Write a part of a token."""
    return base64url(json.dumps(value).encode())


def base64url(data: bytes) -> str:
    """Encode bytes as tokens do."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(part: str) -> bytes:
    """Read a part of a token."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))

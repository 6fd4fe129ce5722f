"""Single sign-on: connections, signing in at a provider, and for whom passwords no longer open anything."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from msgspec import UNSET

from sendero.fetching import Fetched
from sendero.service import sso, sso_rules
from sendero.tables import Role, SsoConnection, User
from tests.lumen import BASE, PASSWORD, Lumen, email, lumen
from tests.provider import (
    CLIENT,
    ISSUER,
    SECRET,
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
from whodid import Change, Reason, Resource

__all__ = ["company", "connection", "lumen"]


class TestConnections:
    """Settings → Single sign-on."""

    def test_setting_up_changing_removing(self, lumen: Lumen, company: Company) -> None:
        """Three critical entries; the secret is a fingerprint in each and nowhere in clear."""
        owner = lumen.signed_in("Owner")
        made = owner.post("/settings/sso/new", data=typed(lumen))
        assert made.status_code == 303, made.text
        connection: SsoConnection = lumen.row(SsoConnection)
        place = f"/settings/sso/{connection.id}"
        changed = typed(lumen, client_secret="another-secret-of-the-client", version="1")
        changed["domains"] = "lumen.example, lumen.es"
        assert owner.post(place, data=changed).status_code == 303
        removed = owner.post(f"{place}/delete", data={"version": "2", "reason": "replaced"})
        assert removed.headers["location"].startswith("/settings/sso?done=sso_removed")

        deleted, updated, created = lumen.entries()
        assert [entry.severity for entry in (deleted, updated, created)] == ["critical"] * 3
        assert [entry.kind for entry in (deleted, updated, created)] == ["security"] * 3
        assert created.actor == lumen.actor("Owner")
        assert (created.action, created.resource) == (
            "sso.created",
            Resource(type="sso", id=connection.id, name="lumen.example"),
        )
        told = {change.path: change for change in created.changes}
        assert {path: change.after for path, change in told.items() if change.class_ == "plain"} == {
            "name": "Lumen Login",
            "provider": "oidc",
            "issuer": ISSUER,
            "client_id": CLIENT,
            "domains": ["lumen.example"],
            "auto_provision": False,
            "enforced": False,
            "default_role": "Agent",
        }
        secret = told["client_secret"]
        assert (secret.class_, secret.after, secret.after_fp is not None) == ("secret", UNSET, True)
        assert updated.action == "sso.updated"
        paths = {change.path: change for change in updated.changes}
        assert paths.keys() == {"domains", "client_secret"}
        assert paths["domains"].added == ["lumen.es"]
        assert paths["client_secret"].before_fp == secret.after_fp != paths["client_secret"].after_fp
        assert (deleted.action, deleted.reason) == ("sso.deleted", Reason(code="replaced"))
        stored = b"".join(file.read_bytes() for file in lumen.home.settings.data.iterdir())
        assert SECRET.encode() not in stored
        assert b"another-secret" not in stored
        assert SECRET not in owner.get("/settings/sso").text

    def test_nothing_new_records_nothing(self, lumen: Lumen, connection: SsoConnection) -> None:
        """An empty secret keeps the present one."""
        form = typed(lumen, client_secret="", version="1")
        answer = lumen.signed_in().post(f"/settings/sso/{connection.id}", data=form)
        assert answer.headers["location"].endswith("done=unchanged")
        assert lumen.entries() == []

    @pytest.mark.parametrize(
        ("wrong", "told"),
        [
            ({"name": ""}, "needs a name"),
            ({"provider": "saml"}, "Choose one of the list"),
            ({"issuer": ""}, "Write the address of the issuer"),
            ({"issuer": "https://nowhere.example"}, "No provider answers"),
            ({"issuer": f"{ISSUER}/"}, "calls itself otherwise"),
            (
                {"provider": "microsoft", "issuer": "https://login.microsoftonline.com/common/v2.0"},
                "your own directory",
            ),
            ({"client_id": ""}, "Paste the client id"),
            ({"client_secret": ""}, "Paste the secret"),
            ({"client_secret": "with a space"}, "without spaces"),
            ({"domains": "localhost"}, "domains like"),
            ({"domains": ""}, "domains like"),
            ({"domains": "lumen.example, gmail.com"}, "Everybody can have an address there"),
        ],
    )
    def test_what_cannot_be_taken(self, lumen: Lumen, company: Company, wrong: dict[str, str], told: str) -> None:
        """It is marked, and nothing is set up; a secret that was typed is not sent back."""
        answer = lumen.signed_in().post("/settings/sso/new", data=typed(lumen, **wrong))
        assert answer.status_code == 422
        assert told in answer.text
        assert SECRET not in answer.text
        assert lumen.entries() == []

    def test_a_domain_has_one_connection(self, lumen: Lumen, connection: SsoConnection) -> None:
        """A second one for the same domain is refused."""
        answer = lumen.signed_in().post("/settings/sso/new", data=typed(lumen, name="Second"))
        assert "Another connection has one of these domains" in answer.text

    def test_nobody_reaches_above_themselves(self, lumen: Lumen, company: Company) -> None:
        """Neither by the role of new people nor by a provider of one's own; both attempts are recorded."""
        with lumen.working() as work:
            mighty: Role = work.get(Role, lumen.row(Role, name="Agent").id)
            mighty.permissions = [*mighty.permissions, "sso:read", "sso:manage"]
        refused = lumen.signed_in("Agent").post("/settings/sso/new", data=typed(lumen))
        owners = typed(lumen, role=lumen.row(Role, name="Owner").id)
        assert refused.status_code == 403
        assert lumen.signed_in("Admin").post("/settings/sso/new", data=owners).status_code == 403
        assert {(entry.action, entry.outcome, entry.reason) for entry in lumen.entries()} == {
            ("sso.created", "denied", Reason(code="above_own_rights"))
        }
        with lumen.working() as work:
            assert sso_rules.living(work) == []


class TestSigningIn:
    """The way to the provider and back."""

    def test_it_opens_a_session(self, lumen: Lumen, connection: SsoConnection, company: Company) -> None:
        """The entry names the provider, hides the subject, and is a notice because the device is new."""
        answer = journey(lumen, connection, company)

        assert (answer.status_code, answer.headers["location"]) == (303, "/contacts")
        entry = lumen.entry("action:auth.sso_login")
        assert (entry.actor, entry.resource.id) == (lumen.actor("Agent"), lumen.user("Agent").id)
        assert (entry.severity, entry.kind, entry.outcome) == ("notice", "security", "success")
        details = dict(entry.details or {})
        assert len(details.pop("subject_hash")) == 32
        assert details == {
            "provider": "Lumen Login",
            "auto_provisioned": False,
            "known_device": False,
            "known_country": None,
        }
        assert entry.context is not None
        assert entry.context.source == "sso"
        lumen.home.relay.drain()
        assert b"u-1" not in (lumen.home.settings.data / "audit.db").read_bytes()

    def test_the_second_time_the_device_is_known(
        self, lumen: Lumen, connection: SsoConnection, company: Company
    ) -> None:
        """Then it is an info, about the same subject."""
        browser = lumen.visitor()
        for _ in range(2):
            come_back(browser, connection, company, begin(browser, connection))
            browser.post("/sign-out")
        again, first = lumen.entries("action:auth.sso_login")
        assert (again.severity, first.severity) == ("info", "notice")
        assert (again.details or {})["subject_hash"] == (first.details or {})["subject_hash"]

    def test_the_sign_in_page_leads_there(self, lumen: Lumen, connection: SsoConnection) -> None:
        """With a link for each connection, that keeps where one wanted to go."""
        page = lumen.visitor().get("/sign-in?next=/templates").text
        assert f'href="/sign-in/sso/{connection.id}?next=/templates"' in page
        assert "Sign in with Lumen Login" in page

    @pytest.mark.parametrize("next_", ["https://evil.example", "//evil.example", "/\\evil.example", "/sign-in"])
    def test_it_leads_nowhere_else(self, lumen: Lumen, connection: SsoConnection, company: Company, next_: str) -> None:
        """An address that is not ours becomes the start."""
        browser = lumen.visitor()
        answer = come_back(browser, connection, company, begin(browser, connection, next_))
        assert answer.headers["location"] == "/"

    def test_what_the_provider_is_asked(self, lumen: Lumen, connection: SsoConnection) -> None:
        """Code with PKCE, a state and a nonce that are new each time, and our own address to come back to."""
        browser = lumen.visitor()
        asked = [dict(parse_qsl(urlsplit(begin(browser, connection)).query)) for _ in range(2)]
        assert asked[0]["redirect_uri"] == f"{BASE}/sign-in/sso/{connection.id}/callback"
        for name in ("state", "nonce", "code_challenge"):
            assert len(asked[0][name]) >= 43
            assert asked[0][name] != asked[1][name]

    def test_somebody_invited_needs_no_first_password(
        self, lumen: Lumen, connection: SsoConnection, company: Company
    ) -> None:
        """The provider vouches for them; that they are active now is a change of the entry."""
        with lumen.working() as work:
            work.get(User, lumen.user("Agent").id).status = "invited"
        answer = journey(lumen, connection, company)
        assert answer.headers["location"] == "/contacts"
        assert lumen.entry("action:auth.sso_login").changes == (
            Change(path="status", before="invited", after="active"),
        )

    def test_the_address_may_come_from_userinfo(
        self, lumen: Lumen, connection: SsoConnection, company: Company
    ) -> None:
        """When the token has none; but only of the same subject."""
        company.lies = {"email": None, "email_verified": None}
        company.userinfo = {"sub": "u-1", "email": "Agent@Lumen.example", "email_verified": True}
        assert journey(lumen, connection, company).status_code == 303
        company.userinfo = {**company.userinfo, "sub": "u-2"}
        assert journey(lumen, connection, company).status_code == 422
        assert (failure(lumen).details or {})["check"] == "subject"


class TestNewPeople:
    """Somebody whom nobody invited."""

    def test_created_when_the_connection_says_so(self, lumen: Lumen, company: Company) -> None:
        """With its role, active at once, by the connection as the actor."""
        with lumen.working() as work:
            values = sso_values(auto_provision=True)
            connection = sso.create(work, lumen.user("Owner"), values, lumen.row(Role, name="Agent"))
        company.person = {"sub": "u-9", "email": "nadia@lumen.example", "email_verified": True, "name": "Nadia Haddad"}

        assert journey(lumen, connection, company).status_code == 303

        created = lumen.entry()
        assert (created.action, created.actor.type, created.actor.name) == ("user.created", "system", "Lumen Login")
        assert {change.path: change.after for change in created.changes} == {
            "name": "Nadia Haddad",
            "email": "nadia@lumen.example",
            "role": "Agent",
            "status": "active",
        }
        signed = lumen.entry("action:auth.sso_login")
        assert (signed.actor.name, (signed.details or {})["auto_provisioned"]) == ("Nadia Haddad", True)
        user: User = lumen.row(User, email="nadia@lumen.example")
        assert (user.auth_provider, user.password_hash) == ("oidc", None)

    def test_refused_when_it_does_not(self, lumen: Lumen, connection: SsoConnection, company: Company) -> None:
        """Nobody is created; the entry does not say the address."""
        company.person = {"sub": "u-9", "email": "nadia@lumen.example", "email_verified": True}
        assert "Nobody here has this address" in journey(lumen, connection, company).text
        entry = failure(lumen)
        assert (entry.details or {})["cause"] == "unknown_user"
        assert entry.resource.id.startswith("unknown:")
        assert lumen.entries() == []


class TestEnforced:
    """Passwords of the domains are refused."""

    @pytest.fixture
    def enforced(self, lumen: Lumen, connection: SsoConnection, company: Company) -> SsoConnection:
        """Try the connection, then enforce it."""
        journey(lumen, connection, company)
        form = typed(lumen, enforced=True, client_secret="", version="1")
        assert lumen.signed_in().post(f"/settings/sso/{connection.id}", data=form).status_code == 303
        return connection

    def test_not_before_it_was_tried(self, lumen: Lumen, connection: SsoConnection) -> None:
        """A wrong setting must lock nobody out."""
        form = typed(lumen, enforced=True, client_secret="", version="1")
        answer = lumen.signed_in().post(f"/settings/sso/{connection.id}", data=form)
        assert "Sign in with it once before" in answer.text
        assert lumen.entries() == []

    def test_enforcing_is_one_change(self, lumen: Lumen, enforced: SsoConnection) -> None:
        """As the log shows it."""
        entry = lumen.entry()
        assert (entry.action, entry.severity) == ("sso.updated", "critical")
        assert entry.changes == (Change(path="enforced", before=False, after=True),)

    @pytest.mark.parametrize("who", ["agent@lumen.example", "nobody@lumen.example"])
    def test_a_password_opens_nothing(self, lumen: Lumen, enforced: SsoConnection, who: str) -> None:
        """The right one neither; the answer is the same for somebody who is not here."""
        answer = lumen.visitor().post("/sign-in", data={"email": who, "password": PASSWORD})
        assert answer.status_code == 422
        assert "sign in with single sign-on" in answer.text
        assert (failure(lumen).details or {})["cause"] == "sso_required"

    def test_the_owner_gets_in(self, lumen: Lumen, enforced: SsoConnection) -> None:
        """With the password, so that the settings can be changed when the provider is down."""
        assert lumen.signed_in("Owner").get("/settings/sso").status_code == 200
        wrong = lumen.visitor().post("/sign-in", data={"email": email("Owner"), "password": "wrong"})
        assert "sign in with single sign-on" in wrong.text

    def test_another_issuer_begins_anew(self, lumen: Lumen, enforced: SsoConnection, company: Company) -> None:
        """Names of another provider mean other people: nothing is remembered, and nothing enforced."""
        other = f"{ISSUER}/other"
        company.metadata |= {"issuer": other}
        form = typed(lumen, enforced=True, client_secret="", version="2", issuer=other)
        assert lumen.signed_in().post(f"/settings/sso/{enforced.id}", data=form).status_code == 303
        assert lumen.row(SsoConnection).enforced is False
        assert {change.path for change in lumen.entries()[0].changes} == {"issuer", "enforced"}


class TestGitHub:
    """OAuth without an id token."""

    @pytest.fixture
    def github(self, lumen: Lumen) -> SsoConnection:
        """Set the connection up."""
        self.emails: Any = [
            {"email": "me@private.example", "verified": True, "primary": True},
            {"email": "Agent@lumen.example", "verified": True, "primary": False},
        ]
        self.token: dict[str, str] = {"access_token": "gho_x"}

        def answer(url: str, **more: Any) -> Fetched:
            if url == "https://github.com/login/oauth/access_token":
                assert more["form"].keys() >= {"code", "code_verifier", "client_secret", "redirect_uri"}
                told: Any = self.token
            else:
                assert more["headers"] == {"Authorization": "Bearer gho_x"}
                told = {"https://api.github.com/user": {"id": 7, "login": "agent"}}.get(url, self.emails)
            return Fetched(status=200, body=json.dumps(told).encode())

        lumen.home.fetch = answer
        with lumen.working() as work:
            values = sso_values(name="GitHub", provider="github", issuer="")
            return sso.create(work, lumen.user("Owner"), values, lumen.row(Role, name="Agent"))

    def come(self, lumen: Lumen, connection: SsoConnection) -> Any:
        """Sign in."""
        browser = lumen.visitor()
        address = begin(browser, connection)
        assert address.startswith("https://github.com/login/oauth/authorize?")
        state = dict(parse_qsl(urlsplit(address).query))["state"]
        return browser.get(f"/sign-in/sso/{connection.id}/callback?state={state}&code=x")

    def test_a_verified_address_of_the_domains_opens(self, lumen: Lumen, github: SsoConnection) -> None:
        """The private one of the same account does not matter."""
        assert self.come(lumen, github).status_code == 303
        assert (lumen.entry("action:auth.sso_login").details or {})["provider"] == "GitHub"

    def test_an_unverified_one_does_not(self, lumen: Lumen, github: SsoConnection) -> None:
        """GitHub lets people add any."""
        self.emails[1]["verified"] = False
        assert self.come(lumen, github).status_code == 422
        assert (failure(lumen).details or {})["check"] == "email"

    def test_a_code_that_github_refuses(self, lumen: Lumen, github: SsoConnection) -> None:
        """It says so with status 200."""
        self.token = {"error": "bad_verification_code"}
        assert self.come(lumen, github).status_code == 422


def test_microsoft_counts_by_its_own_name_of_the_account(lumen: Lumen, company: Company) -> None:
    """There, what is called e-mail can be whatever somebody typed."""
    with lumen.working() as work:
        connection = sso.create(work, lumen.user("Owner"), sso_values(), lumen.row(Role, name="Agent"))
        connection.provider = "microsoft"
    company.person = {"sub": "u-1", "email": email("Admin"), "preferred_username": email("Agent")}
    assert journey(lumen, connection, company).status_code == 303
    assert lumen.entry("action:auth.sso_login").actor.id == lumen.user("Agent").id

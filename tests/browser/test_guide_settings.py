"""The user guide, row by row: people, settings, signing in and API keys, done in the interface and read in the log."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Callable
from urllib.parse import quote

import pytest

from tests.browser.guide import OWNER, Told, read
from tests.browser.workspace import Person
from tests.browsing import expect
from tests.oidc_running import provider
from tests.oidc_server import CLIENT, SECRET
from tests.oidc_server import PASSWORD as THEIRS

__all__ = ["provider"]

pytestmark = pytest.mark.browser

CHOSEN, NEXT = "a lamp on every step of mine", "noon light on the stairs"


def test_users(owner: Person) -> None:
    """User: created, role changed, deactivated."""
    owner.invite("Ursula Guide", "Agent")
    owner.follow("Done")
    owner.page.get_by_label("What this person may do").select_option(label="Admin")
    owner.press("Change role")
    owner.told("The role was changed; it acts at once.")
    owner.follow("Deactivate")
    owner.page.get_by_label("Left the company").check()
    owner.press("Deactivate")
    owner.told("The person can no longer sign in.")

    read(
        owner,
        "User",
        Told(
            action="user.created",
            kind="create",
            sentence=f"{OWNER} invited Ursula Guide as Agent",
            resource="Ursula Guide",
            changes={"Name": ("empty", "added Ursula Guide"), "Email": ("empty", "added ursula@casalumen.es")},
        ),
        Told(
            action="user.role_changed",
            kind="security",
            sentence=f"{OWNER} changed the role of Ursula Guide",
            resource="Ursula Guide",
            second="Role Agent → Admin",
            changes={"Role": ("removed Agent", "added Admin")},
        ),
        Told(
            action="user.deactivated",
            kind="security",
            sentence=f"{OWNER} deactivated Ursula Guide",
            resource="Ursula Guide",
            second="Left the company",
            changes={"Status": ("removed invited", "added deactivated")},
        ),
    )


def test_settings(owner: Person) -> None:
    """Settings: role changed, team modified, webhook updated."""
    owner.go("Roles")
    owner.follow("New role")
    owner.fill({"Name": "Guide role"})
    owner.page.get_by_role("group", name="Contacts").get_by_role("checkbox", name="see").check()
    owner.press("Create role")
    owner.told("The role was created.")
    owner.follow("Guide role")
    owner.page.get_by_role("group", name="Templates").get_by_role("checkbox", name="see").check()
    owner.press("Save role")
    owner.told("The role was saved")
    owner.go("Teams")
    owner.follow("New team")
    owner.fill({"Name": "Guide team"})
    owner.page.get_by_label("Hugo").check()
    owner.press("Create team")
    owner.follow("Guide team")
    owner.page.get_by_label("Hugo").uncheck()
    owner.press("Save team")
    owner.told("The team was saved.")
    owner.go("Webhooks")
    owner.follow("New webhook")
    owner.fill({"Name": "Guide hook", "Address": "https://hooks.example.com/v1"})
    owner.page.get_by_label("contact.created").check()
    owner.press("Create webhook")
    owner.follow("Done")
    owner.follow("Edit")
    owner.fill({"Address": "https://hooks.example.com/v2"})
    owner.page.get_by_label("contact.deleted").check()
    owner.press("Save webhook")
    owner.told("The webhook was saved.")

    read(
        owner,
        "Role",
        Told(
            action="role.updated",
            kind="security",
            sentence=f"{OWNER} changed role Guide role",
            resource="Guide role",
            changes={"Permissions": ("added + templates:read",)},
        ),
    )
    read(
        owner,
        "Team",
        Told(
            action="team.modified",
            kind="update",
            sentence=f"{OWNER} modified team Guide team",
            resource="Guide team",
            second="− Hugo",
        ),
    )
    read(
        owner,
        "Webhook",
        Told(
            action="webhook.updated",
            kind="update",
            sentence=f"{OWNER} updated webhook Guide hook",
            resource="Guide hook",
            changes={
                "Address": ("removed https://hooks.example.com/v1", "added https://hooks.example.com/v2"),
                "Events": ("added + Contact deleted",),
            },
        ),
    )


def test_signing_in_and_out(owner: Person, visitor: Callable[..., Person]) -> None:
    """Auth: login, logout, password changed."""
    email, first = owner.invite("Valeria Guide", "Agent")
    guest = visitor()
    guest.sign_in(email, first)
    guest.change_password(first, CHOSEN)
    guest.page.goto("/me")
    guest.follow("Change password")
    guest.change_password(CHOSEN, NEXT)
    guest.sign_out()
    expect(guest.page.get_by_role("heading", name="Sign in to")).to_be_visible()
    guest.sign_in(email, NEXT)

    name = "Valeria Guide"
    read(
        owner,
        "User",
        Told(action="auth.login", kind="security", sentence=f"{name} signed in", resource=name),
        Told(
            action="auth.password_changed",
            kind="security",
            sentence=f"{name} chose a new password",
            resource=name,
        ),
        Told(action="auth.logout", kind="security", sentence=f"{name} signed out", resource=name),
        actor=name,
    )
    shown = owner.viewer.evaluate("viewer => viewer.shadowRoot.innerHTML")
    assert not [secret for secret in (first, CHOSEN, NEXT) if secret in shown]


def test_single_sign_on(owner: Person, visitor: Callable[..., Person], provider: str) -> None:
    """Auth: SSO login, at a provider that the owner sets up and removes again."""
    owner.go("Single sign-on")
    owner.follow("New connection")
    owner.page.get_by_label("Provider").select_option("oidc")
    values = {"Name": "Guide Login", "Issuer": f"{provider}/o", "Client id": CLIENT, "Client secret": SECRET}
    owner.fill(values)
    owner.page.get_by_label("Domains", exact=True).fill("lumen.example")
    owner.page.get_by_label("Create people of these domains").check()
    owner.press("Set up")
    owner.told("The connection was set up.")
    redirect = owner.page.locator("code.mono").inner_text()
    urllib.request.urlopen(f"{provider}/register?redirect_uri={quote(redirect)}").close()
    connection = owner.address()

    guest = visitor()
    guest.watch.foresee(re.escape(provider))
    guest.page.goto("/contacts")
    guest.page.get_by_role("link", name="Sign in with Guide Login").click()
    guest.page.get_by_label("User").fill("nadia")
    guest.page.get_by_label("Secret").fill(THEIRS)
    guest.page.get_by_role("button", name="Let me in").click()
    expect(guest.page.get_by_role("heading", level=1, name="Contacts")).to_be_visible()

    name = "Nadia Haddad"
    told = Told(action="auth.sso_login", kind="security", sentence=f"{name} signed in with Guide Login", resource=name)
    read(owner, "User", told, actor=name)
    owner.page.goto(connection)
    owner.follow("Remove")
    owner.press("Remove connection")
    owner.told("The connection was removed.")


def test_api_keys(owner: Person) -> None:
    """API keys: created and revoked."""
    owner.go("API keys")
    owner.follow("New API key")
    owner.fill({"Name": "Guide key"})
    owner.page.get_by_role("group", name="Contacts").get_by_role("checkbox", name="see").check()
    owner.press("Create key")
    key = owner.page.locator("code.big").inner_text()
    owner.follow("Done")
    owner.follow("Revoke")
    owner.page.get_by_label("No longer used").check()
    owner.press("Revoke key")
    owner.told("The API key was revoked.")

    read(
        owner,
        "API key",
        Told(
            action="api_key.created",
            kind="security",
            sentence=f"{OWNER} created API key Guide key",
            resource="Guide key",
            second=key[:8],
        ),
        Told(
            action="api_key.revoked",
            kind="security",
            sentence=f"{OWNER} revoked API key Guide key",
            resource="Guide key",
            second="No longer used",
        ),
    )
    assert key not in owner.viewer.evaluate("viewer => viewer.shadowRoot.innerHTML")

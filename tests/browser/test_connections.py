"""Teams, webhooks, API keys and the settings: done in the interface, told by the log, and readable by everybody."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.test_accessible import faults
from tests.browser.workspace import Person
from tests.browsing import expect

pytestmark = pytest.mark.browser

PAGES = (
    "/settings/teams",
    "/settings/teams/new",
    "/settings/webhooks",
    "/settings/webhooks/new",
    "/settings/api-keys",
    "/settings/api-keys/new",
    "/settings/workspace",
    "/settings/workspace/retention?days=30",
)


def test_a_team_and_who_is_in_it(owner: Person) -> None:
    """Created, and one of its people exchanged for another."""
    owner.go("Teams")
    owner.follow("New team")
    owner.fill({"Name": "Dawn shift"})
    owner.page.get_by_label("Carlos").check()
    owner.press("Create team")
    owner.told("The team was created.")
    owner.follow("Dawn shift")
    owner.page.get_by_label("Carlos").uncheck()
    owner.page.get_by_label("Hugo").check()
    owner.press("Save team")
    owner.told("The team was saved.")

    owner.open_log()
    assert owner.newest() == "Aisha Khan modified team Dawn shift"
    owner.open_entry(owner.newest())
    members = owner.changes()["Members"]
    assert len(members) == 2
    assert any("Hugo" in one and "added" in one for one in members)
    assert any("Carlos" in one and "removed" in one for one in members)


def test_a_webhook_and_its_secret(owner: Person) -> None:
    """The secret is shown once; an address of this machine is refused; the log tells where it leads."""
    owner.go("Webhooks")
    owner.follow("New webhook")
    owner.fill({"Name": "Journey", "Address": "https://127.0.0.1/in"})
    owner.page.get_by_label("contact.created").check()
    owner.watch.foresee("status of 422")
    owner.press("Create webhook")
    expect(owner.page.get_by_text("This address is not on the public internet.")).to_be_visible()
    owner.fill({"Address": "https://hooks.example.com/in"})
    owner.press("Create webhook")
    expect(owner.page.get_by_text("never shown again")).to_be_visible()
    secret = owner.page.locator("code.big").inner_text()
    assert secret.startswith("whsec_")
    owner.follow("Done")
    assert secret not in owner.page.content()

    owner.open_log()
    assert owner.newest() == "Aisha Khan created webhook Journey"
    owner.open_entry(owner.newest())
    assert secret not in owner.viewer.evaluate("viewer => viewer.shadowRoot.innerHTML")


def test_a_key_works_until_it_is_revoked(owner: Person) -> None:
    """Made in the interface, used by a program, revoked; the log has all three."""
    owner.go("API keys")
    owner.follow("New API key")
    owner.fill({"Name": "Journey CRM"})
    owner.page.get_by_role("group", name="Contacts").get_by_role("checkbox", name="see").check()
    owner.press("Create key")
    key = owner.page.locator("code.big").inner_text()
    asked = owner.context.request
    address = f"{owner.sendero.address}/api/v1/contacts"
    assert asked.get(address, headers={"X-API-Key": key}).json()["total"] > 100
    owner.follow("Done")
    owner.follow("Revoke")
    owner.press("Revoke key")
    owner.told("The API key was revoked.")
    assert asked.get(address, headers={"X-API-Key": key}).status == 401

    owner.open_log()
    told = [owner.rows.nth(at).locator(".s1").inner_text() for at in range(3)]
    assert told == [
        "API key Journey CRM was refused",
        "Aisha Khan revoked API key Journey CRM",
        "Aisha Khan created API key Journey CRM",
    ]


def test_the_settings_and_the_retention(owner: Person) -> None:
    """Quiet hours and days: what they were and what they are."""
    owner.go("Workspace settings")
    owner.page.get_by_label("Quiet from").select_option("20")
    owner.page.get_by_label("Quiet until").select_option("10")
    owner.press("Save settings")
    owner.told("The settings were saved.")
    owner.page.get_by_label("Days", exact=True).fill("365")
    owner.press("Show what that removes")
    expect(owner.page.get_by_text("Nothing is removed by this change.")).to_be_visible()
    owner.press("Change retention")
    owner.told("The retention was changed.")

    owner.open_log()
    assert owner.newest() == "Aisha Khan changed the retention of the audit log"
    owner.open_entry(owner.newest())
    assert list(owner.changes().values()) == [("removed 90", "added 365")]

    owner.go("Workspace settings")  # others of this workspace count on ninety days
    owner.page.get_by_label("Days", exact=True).fill("90")
    owner.press("Show what that removes")
    owner.press("Change retention")
    owner.told("The retention was changed.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(owner_with: Callable[..., Person], scheme: str) -> None:
    """Lists, forms and questions, in both schemes and languages; and nothing scrolls sideways at 320 pixels."""
    measure = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    locale = {"light": "en-GB", "dark": "es-ES"}[scheme]
    person = owner_with(color_scheme=scheme, viewport={"width": 320, "height": 640}, locale=locale)
    for path in PAGES:
        person.page.goto(path)
        assert faults(person) == [], path
        assert person.page.evaluate(measure) == 0, path

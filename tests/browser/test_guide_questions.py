"""The questions of the user guide, each from the page that a person would be on, and what a role may not even ask."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.guide import OWNER, Told, read
from tests.browser.workspace import Person
from tests.browsing import expect

pytestmark = pytest.mark.browser

CHOSEN = "a lamp on every step of mine"
CALLED: dict[str | None, str] = {"es-ES": "European Spanish", "es-MX": "Mexican Spanish"}


def test_who_changed_this_setting(owner: Person) -> None:
    """From the settings: History, and the newest entry says who, from what and to what."""
    owner.go("Workspace settings")
    place = owner.page.get_by_label("Language and country")
    before = CALLED[place.locator("option:checked").get_attribute("value")]
    chosen = place.locator("option:not(:checked)").first.get_attribute("value")
    place.select_option(chosen)
    owner.press("Save settings")
    owner.told("The settings were saved.")

    owner.go("Workspace settings")
    owner.follow("History")
    owner.settled()
    expect(owner.rows.first.locator(".s1")).to_have_text(f"{OWNER} updated the settings of workspace Casa Lumen")
    expect(owner.rows.first.locator(".s2")).to_contain_text(f"{before} → {CALLED[chosen]}")
    drawer = owner.open_row(owner.rows.first)
    expect(drawer.locator("dd[data-field=actor]")).to_contain_text(f"{OWNER} Owner")
    assert (f"removed {before}", f"added {CALLED[chosen]}") in owner.changes().values()


def test_when_was_this_contact_deleted(owner: Person) -> None:
    """No list has the contact any more; its name, typed into the search, still finds who deleted it, when and why."""
    owner.create_contact("Quintina Guide", {"City": "Lugo"})
    owner.delete_contact("Quintina Guide", "Asked to be removed, ticket #2240")
    owner.go("Contacts")
    owner.page.get_by_role("searchbox", name="Search contacts").fill("Quintina")
    owner.page.keyboard.press("Enter")
    expect(owner.page.get_by_text("Nobody matches")).to_be_visible()

    owner.open_log()
    owner.search("quintina guide")
    expect(owner.rows.first.locator(".s1")).to_have_text(f"{OWNER} deleted contact Quintina Guide")
    expect(owner.rows.first.locator(".s2 q")).to_have_text("Asked to be removed, ticket #2240")
    expect(owner.rows.first.locator("time")).to_be_visible()


def test_a_role_without_the_permission(owner: Person, visitor: Callable[..., Person]) -> None:
    """A typed address and a forged form are refused, each with an entry under the name of what was attempted."""
    owner.create_contact("Protected Guide")
    contact = owner.address().split("?")[0]
    email, first = owner.invite("Wanda Guide", "Agent")
    agent = visitor()
    agent.watch.foresee("status of 403")
    agent.sign_in(email, first)
    agent.change_password(first, CHOSEN)
    agent.page.goto("/settings/roles")
    expect(agent.page.get_by_role("heading", name="Not permitted")).to_be_visible()
    agent.page.goto(contact)
    expect(agent.page.get_by_role("main").get_by_role("link", name="Delete")).to_have_count(0)
    agent.page.evaluate(
        """(action) => {
            const form = Object.assign(document.createElement("form"), { action, method: "post" });
            document.body.append(form);
            form.submit();
        }""",
        f"{contact}/delete",
    )
    expect(agent.page.get_by_role("heading", name="Not permitted")).to_be_visible()
    owner.page.goto(contact)
    expect(owner.page.get_by_role("heading", level=1)).to_have_text("Protected Guide")

    name = "Wanda Guide"
    opened = Told(
        action="page.opened",
        kind="security",
        sentence=f"{name} was not allowed to open the page Roles",
        resource="Roles",
        second="Denied",
    )
    read(owner, "Page", opened, actor=name)
    deleted = Told(
        action="contact.deleted",
        kind="delete",
        sentence=f"{name} was not allowed to delete contact Protected Guide",
        resource="Protected Guide",
        second="Denied",
    )
    read(owner, "Contact", deleted, actor=name)
    owner.search("is:denied")
    expect(owner.row(deleted.sentence)).to_be_visible()


def test_the_pages_of_the_walk_are_narrow_enough(owner_with: Callable[..., Person]) -> None:
    """At 320 pixels nothing scrolls sideways, in Spanish, whose words are longer."""
    person = owner_with(viewport={"width": 320, "height": 640}, locale="es-ES")
    measure = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    kinds = ("/campaigns", "/segments", "/templates", "/settings/webhooks", "/settings/api-keys", "/settings/roles")
    for path in (*kinds, "/settings/accounts", "/settings/users", "/settings/whatsapp-simulator", "/settings/sso"):
        person.page.goto(path)
        assert person.page.evaluate(measure) == 0, path
        first = person.page.locator("table.rows th a").first
        if first.count():
            first.click()
            expect(person.page.get_by_role("main")).to_be_visible()
            assert person.page.evaluate(measure) == 0, person.address()

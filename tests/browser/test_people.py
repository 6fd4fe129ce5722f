"""What people may see: nothing without audit:read, no personal values without audit:pii, and no more than reading."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.browser.workspace import Person
from tests.browsing import expect

pytestmark = pytest.mark.browser

OWN = "a lamp on every table of mine"


@pytest.fixture
def invited(owner: Person, visitor: Callable[..., Person]) -> Callable[[str, str], Person]:
    """Return a function with which the owner invites somebody, who signs in and chooses a password."""

    def invite(name: str, role: str) -> Person:
        email, password = owner.invite(name, role)
        guest = visitor()
        guest.sign_in(email, password)
        guest.change_password(password, OWN)
        return guest

    return invite


def test_an_agent_gets_no_log_and_the_refusal_is_an_entry(owner: Person, invited: Callable[[str, str], Person]) -> None:
    """No link, no page, no token, no API; each attempt stands in the log as denied."""
    agent = invited("Nadia Agente", "Agent")
    agent.watch.foresee("status of 40[13]")
    agent.go("Contacts")
    navigation = agent.page.get_by_role("navigation", name="Workspace")
    expect(navigation.get_by_role("link", name="Contacts")).to_be_visible()
    expect(navigation.get_by_role("link", name="Audit logs")).to_have_count(0)
    agent.page.goto("/settings/audit-logs")
    expect(agent.page.get_by_role("heading", name="Not permitted")).to_be_visible()
    expect(agent.page.locator("audit-log-viewer")).to_have_count(0)
    ask = "async ([path, method]) => (await fetch(path, { method })).status"
    assert agent.page.evaluate(ask, ["/audit-token", "POST"]) == 403
    assert agent.page.evaluate(ask, ["/audit/v1/entries", "GET"]) == 401

    owner.open_log()
    owner.search('actor:"Nadia Agente" is:denied')
    assert owner.total() == 2
    for row in owner.rows.all():
        expect(row.locator(".s1")).to_contain_text("Nadia Agente")
        expect(row.get_by_text("Denied", exact=True)).to_be_visible()


def test_an_auditor_reads_and_changes_nothing(owner: Person, invited: Callable[[str, str], Person]) -> None:
    """The whole log without personal values, the export, and not one page of the workspace beside it."""
    owner.create_contact("Private Person", {"Phone": "+34 600 987 654", "E-mail": "private@correo.example"})
    auditor = invited("Olga Auditora", "Auditor")
    auditor.watch.foresee("status of 403")
    auditor.open_log()
    auditor.search("contact.created Private")
    drawer = auditor.open_entry("Aisha Khan created contact Private Person")
    expect(drawer.locator(".fr", has_text="Email")).to_contain_text("Personal, hidden for your role")
    expect(drawer).to_contain_text(re.compile("verified in this browser", re.IGNORECASE))
    page = auditor.viewer.evaluate("viewer => viewer.shadowRoot.innerHTML")
    index = auditor.rows.first.get_attribute("data-index")
    answer = str(auditor.ask(f"entries/{index}")) + str(auditor.ask(f"entries/{index}/proof"))
    for value in ("private@correo.example", "600987654"):
        assert value not in page
        assert value not in answer
    auditor.search("private@correo.example")
    expect(auditor.viewer.get_by_role("heading", name="No entries match")).to_be_visible()
    expect(auditor.viewer.get_by_role("button", name="Export", exact=True)).to_be_enabled()

    owner.find_contact("Private Person")
    address = owner.address().split("?")[0]
    for path in ("/contacts", address, f"{address}/edit", f"{address}/delete", "/settings/users", "/templates"):
        auditor.page.goto(path)
        expect(auditor.page.get_by_role("heading", name="Not permitted")).to_be_visible()
    owner.page.reload()
    expect(owner.page.get_by_role("heading", name="Private Person")).to_be_visible()
    owner.open_log()
    drawer = owner.open_entry("Aisha Khan created contact Private Person")
    expect(drawer.locator(".fr", has_text="Email")).to_contain_text("private@correo.example")

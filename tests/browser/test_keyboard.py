"""The log without a mouse."""

from __future__ import annotations

import pytest

from tests.browser.workspace import Person
from tests.browsing import expect

pytestmark = pytest.mark.browser


def focused(person: Person) -> str:
    """Return the number of the entry whose link has the focus; empty when something else has it."""
    return str(
        person.viewer.evaluate("viewer => viewer.shadowRoot.activeElement?.closest('.row')?.dataset.index ?? ''")
    )


def test_from_the_navigation_to_an_entry_and_back(owner: Person) -> None:
    """Tab and Enter to the log; / to search; J, K, Enter, brackets and Escape to read."""
    press = owner.page.keyboard.press
    for _ in range(15):
        press("Tab")
        if owner.page.evaluate("document.activeElement.textContent.trim()") == "Audit logs":
            break
    press("Enter")
    owner.settled()

    press("/")
    owner.page.keyboard.type("contact")
    press("Enter")
    owner.settled()
    assert owner.address() == "/settings/audit-logs?q=contact"
    press("Escape")
    owner.settled()
    assert owner.address() == "/settings/audit-logs"
    press("Escape")

    # The keys begin where the reader last was: at the first row of what was searched for.
    listed = owner.rows.evaluate_all("rows => rows.map(row => row.dataset.index)")
    press("j")
    begin = listed.index(focused(owner))
    listed = listed[begin : begin + 3]
    press("j")
    press("j")
    assert focused(owner) == listed[2]
    press("k")
    assert focused(owner) == listed[1]
    press("Enter")
    expect(owner.drawer.get_by_role("tablist")).to_be_visible()
    assert f"entry={listed[1]}" in owner.address()
    press("]")
    expect(owner.drawer.locator(".dh")).to_contain_text(f"{int(listed[2]):,}")
    press("[")
    press("[")
    expect(owner.drawer.locator(".dh")).to_contain_text(f"{int(listed[0]):,}")
    press("4")
    expect(owner.drawer.get_by_role("tab", name="Proof")).to_have_attribute("aria-selected", "true")
    press("Escape")
    expect(owner.drawer).to_have_count(0)
    assert focused(owner) == listed[0]
    assert owner.address() == "/settings/audit-logs"


def test_menus_dates_and_export_by_keyboard(owner: Person) -> None:
    """A filter, a date and the export dialog are reached, used and left with the keys alone."""
    press = owner.page.keyboard.press
    owner.open_log()
    owner.viewer.get_by_role("button", name="Action type").focus()
    press("Enter")
    menu = owner.viewer.get_by_role("dialog", name="Action type")
    expect(menu.get_by_role("checkbox").first).to_be_visible()
    owner.page.keyboard.type("deleted")
    press("ArrowDown")
    press("Space")
    press("Escape")
    expect(menu).to_be_hidden()
    owner.settled()
    assert "kind:delete" in owner.address()
    expect(owner.viewer.get_by_role("button", name="Action type")).to_be_focused()
    press("e")
    dialog = owner.viewer.get_by_role("dialog", name="Export audit logs")
    expect(dialog).to_be_visible()
    press("ArrowRight")
    expect(dialog.get_by_role("radio", name="JSON Lines")).to_be_checked()
    press("Escape")
    expect(dialog).to_have_count(0)
    press("?")
    expect(owner.viewer.get_by_role("heading", name="Keyboard shortcuts")).to_be_visible()
    press("Escape")

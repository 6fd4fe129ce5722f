"""Contacts come, change, become one and go; the log tells each of it in a sentence, with what it was before."""

from __future__ import annotations

import pytest

from tests.browser.workspace import Person
from tests.browsing import expect

pytestmark = pytest.mark.browser


def test_a_deletion_is_found_read_and_linked(owner: Person) -> None:
    """From the contact to its deletion in the log, into the details, and by a link to the same place again."""
    owner.create_contact("Lucía Deletable", {"Phone": "+34 600 111 222", "City": "Toledo"})
    owner.delete_contact("Lucía Deletable", "Asked to be removed, ticket #4711")
    owner.open_log()
    newest = owner.rows.first
    expect(newest.locator(".s1")).to_have_text("Aisha Khan deleted contact Lucía Deletable")
    expect(newest.locator(".s2 q")).to_have_text("Asked to be removed, ticket #4711")
    assert newest.locator(".s2 q").evaluate("q => getComputedStyle(q, '::before').content") in {"open-quote", '"“"'}

    owner.open_entry("Aisha Khan deleted contact Lucía Deletable")
    expect(owner.drawer.locator(".why")).to_contain_text("Asked to be removed, ticket #4711")
    changes = owner.changes()
    assert changes["Name"] == ("removed Lucía Deletable", "empty")
    assert changes["City"] == ("removed Toledo", "empty")
    assert changes["Phone"] == ("removed +34600111222", "empty")

    link = owner.address()
    assert link.startswith("/settings/audit-logs?entry=")
    owner.page.reload()
    expect(owner.drawer.get_by_role("heading")).to_have_text("Aisha Khan deleted contact Lucía Deletable")
    other = owner.context.new_page()
    other.goto(link)
    expect(other.locator(".drawer h2")).to_have_text("Aisha Khan deleted contact Lucía Deletable")
    other.close()


def test_back_closes_the_details(owner: Person) -> None:
    """Opening an entry is one step of the browser's history: Back closes it, Forward opens it again."""
    owner.open_log()
    owner.rows.nth(2).locator(".hit").click()
    expect(owner.drawer.get_by_role("tablist")).to_be_visible()
    opened = owner.address()
    owner.page.go_back()
    expect(owner.drawer).to_have_count(0)
    assert owner.address() == "/settings/audit-logs"
    expect(owner.rows.first).to_be_visible()
    owner.page.go_forward()
    expect(owner.drawer.get_by_role("tablist")).to_be_visible()
    assert owner.address() == opened


def test_an_edit_shows_what_changed(owner: Person) -> None:
    """Two boxes for a city, plus and minus for tags, and nothing for what stayed."""
    owner.create_contact("Bruno Editable", {"City": "Girona", "Tags": "newsletter, old-tag"})
    owner.follow("Edit")
    owner.fill({"City": "Zaragoza", "Tags": "newsletter, vip"})
    owner.press("Save contact")
    owner.told("The contact was saved.")
    owner.page.get_by_role("link", name="See it in the audit log").click()
    owner.settled()
    expect(owner.rows).to_have_count(2)
    edited = owner.rows.first
    expect(edited.locator(".s1")).to_have_text("Aisha Khan updated contact Bruno Editable")
    expect(edited.locator(".s2")).to_contain_text("City Girona → Zaragoza")
    expect(edited.locator(".s2")).to_contain_text("Tags + vip − old-tag")
    owner.open_entry("Aisha Khan updated contact Bruno Editable")
    assert owner.changes() == {
        "City": ("removed Girona", "added Zaragoza"),
        "Tags": ("removed − old-tag", "added + vip"),
    }
    owner.tab("History")
    expect(owner.drawer.locator(".past .row")).to_have_count(2)


def test_a_merge_is_told_as_a_table(owner: Person) -> None:
    """What the person decided on the page of the merge is what the log shows, side by side."""
    owner.create_contact("Merge Survivor", {"Phone": "+34 600 333 444", "City": "Cádiz"})
    double = {"Phone": "+34 600 333 444", "City": "Murcia", "E-mail": "double@correo.example"}
    owner.create_contact("Merge Double", double, agreed=True)
    owner.find_contact("Merge Survivor")
    owner.follow("Compare with Merge Double")
    owner.press("Merge contacts")
    owner.told("The two contacts are one now.")
    owner.open_log()
    merged = "Aisha Khan merged contact Merge Double into Merge Survivor"
    expect(owner.rows.first.locator(".s1")).to_have_text(merged)
    owner.open_entry(merged)
    table = owner.drawer.locator(".diff.mg table")
    expect(table.locator("thead th")).to_have_text(["Field", "Merge Survivor kept", "Merge Double merged in"])
    told = {row.locator("th").inner_text(): row for row in table.locator("tbody tr").all()}
    expect(told["City"].locator("td.win")).to_contain_text("Cádiz")
    expect(told["City"].locator("td.lose")).to_contain_text("Murcia")
    expect(told["Marketing consent"].locator("td.win")).to_contain_text("unknown")
    expect(told["Email"].locator("td.win")).to_contain_text("double@correo.example")
    expect(owner.drawer.get_by_text("Strictest consent wins")).to_be_visible()

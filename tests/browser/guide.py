"""What the user guide says of an entry, and how a reader finds it with the filters of the guide."""

from __future__ import annotations

import re

from msgspec import Struct

from tests.browser.workspace import Person
from tests.browsing import expect

__all__ = ["OWNER", "Told", "read"]

OWNER = "Aisha Khan"

_KINDS = {
    "create": "Created",
    "update": "Updated",
    "delete": "Deleted",
    "status": "Status",
    "security": "Sign-in and security",
}


class Told(Struct, frozen=True, kw_only=True):
    """One entry as it must stand in the log.

    Args:
        action: Its action.
        kind: The kind of the action, as the filter of action types has it.
        sentence: The whole first line.
        resource: Name of the resource.
        second: What its second line has to contain: the reason, the changes, or a summary.
        changes: Fields that changed, and how the details show that; there may be more of them.
    """

    action: str
    kind: str
    sentence: str
    resource: str
    second: str = ""
    changes: dict[str, tuple[str, ...]] = {}


def read(person: Person, resources: str, *told: Told, actor: str = OWNER) -> None:
    """Open Settings → Audit Logs and find each entry by user, resource and action type within the last 7 days.

    Args:
        person: The reader.
        resources: The type of the resources, as the filter names it.
        told: What has to be found.
        actor: Who did it all.
    """
    person.open_log()
    expect(person.viewer.get_by_role("button", name="Last 7 days")).to_have_attribute("aria-pressed", "true")
    person.choose("User", actor, actor)
    person.choose("Resource", resources)
    kind = ""
    for one in told:
        if one.kind != kind:
            kind = one.kind
            person.choose("Action type", _KINDS[kind], only=True)
            expect(person.rows.locator(f".k:not(.{kind})")).to_have_count(0)
        row = person.row(one.sentence)
        expect(row.locator(f".k.{kind}")).to_be_visible()
        expect(row.locator(".code")).to_have_text(one.action)
        expect(row.locator(".s2")).to_contain_text(one.second)
        _details(person, one, actor)


def _details(person: Person, one: Told, actor: str) -> None:
    """Insist on what the open entry says."""
    drawer = person.open_entry(one.sentence)
    expect(drawer.get_by_role("heading", level=2)).to_have_text(one.sentence)
    expect(drawer.locator(f".dt.{one.kind} .mono")).to_have_text(one.action)
    expect(drawer.locator("dd[data-field=actor]").first).to_contain_text(actor)
    expect(drawer.locator("dd[data-field=resource]").first).to_contain_text(one.resource)
    expect(drawer).to_contain_text(re.compile("verified in this browser", re.IGNORECASE))
    changes = person.changes()
    assert {field: changes.get(field) for field in one.changes} == one.changes, changes
    person.close_entry()

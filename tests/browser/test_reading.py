"""Reading on to the very end: no entry twice, none missing."""

from __future__ import annotations

import pytest

import whodid
from sendero.actions import catalog
from tests.browser.workspace import Person, Sendero
from tests.browsing import expect
from whodid.query import parse

pytestmark = pytest.mark.browser

QUERY = "kind:update"


def test_everything_is_read_once(owner: Person, sendero: Sendero) -> None:
    """Page by page through more than a thousand entries: what was read is what another process finds in the log."""
    owner.page.goto(f"/settings/audit-logs?range=30d&q={QUERY}")
    owner.settled()
    total = owner.total()
    assert total > 1000
    read: list[int] = []
    while True:
        expect(owner.viewer.get_by_role("link", name="Loading")).to_have_count(0)
        older = owner.viewer.get_by_role("link", name="Load older entries")
        onward = owner.viewer.get_by_role("link", name="Continue from")
        end = owner.viewer.locator(".list .end")
        if older.count():
            shown = owner.foot.inner_text()
            older.click()
            expect(owner.foot).not_to_have_text(shown)
            continue
        read += shown_entries(owner)
        if not onward.count():
            break
        expect(end).to_contain_text("You have read 1,000 entries")
        shown = owner.foot.inner_text()
        onward.click()
        expect(owner.foot).not_to_have_text(shown)
    assert len(read) == len(set(read)) == total
    with whodid.open(f"sqlite:///{sendero.data / 'audit.db'}", catalog=catalog()) as log:
        (workspace,) = log.workspaces()
        query = parse(f"{QUERY} date:30d", now=log.now(), zone="Europe/Madrid")
        assert sorted(entry.index for entry in log.stream(workspace, query)) == sorted(read)


def shown_entries(person: Person) -> list[int]:
    """Unfold what is folded and return the numbers of all entries in the list."""
    for button in person.viewer.locator(".fold[aria-expanded=false]").all():
        button.click()
    numbers = person.rows.evaluate_all("rows => rows.map(row => Number(row.dataset.index))")
    return [int(number) for number in numbers]

"""Names that want to be more than names are text on every page, and nothing complains."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.test_exports import export
from tests.browser.workspace import Person
from tests.browsing import expect

pytestmark = pytest.mark.browser

NAMES = (
    "<img src=x onerror=alert(1)>",
    "<script>alert(2)</script>&lt;b&gt;",
    "{{ 7 * 7 }} ${alert(3)} {actor}",
    "invoice \u202etxt.exe",
    "x" * 200,
    "👩‍👩‍👧‍👦 Família 🏳️‍🌈",
    "प्रिया नायर",
    "quote \" back \\ slash ' and -kind:delete",
)


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_name_is_text(owner: Person, name: str, tmp_path: Path) -> None:
    """Created, listed, opened, found again by its own link, exported: always the same characters."""
    owner.create_contact(name, {"City": name[:60]})
    expect(owner.page.get_by_role("heading", level=1)).to_have_text(name)
    owner.open_log()
    created = owner.rows.first.locator(".s1")
    expect(created).to_have_text(f"Aisha Khan created contact {name}")
    created.get_by_role("link").click()
    owner.settled()
    expect(owner.rows).to_have_count(1)
    owner.open_row(owner.rows.first)
    expect(owner.drawer.get_by_role("heading")).to_have_text(f"Aisha Khan created contact {name}")
    expect(owner.drawer.locator(".fr", has_text="name").first).to_contain_text(name)
    for tab in ("History", "JSON", "Proof"):
        owner.tab(tab)
    expect(owner.drawer).to_contain_text("Verified in this browser")
    assert owner.viewer.evaluate("viewer => viewer.shadowRoot.querySelectorAll('img, script, b b').length") == 0
    owner.close_entry()
    path, stated = export(owner, "CSV", tmp_path)
    assert stated == 1
    assert path.stat().st_size > 0
    width = owner.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1]


def test_a_name_that_is_too_long_is_refused_kindly(owner: Person) -> None:
    """500 characters do not fit: the form says so, nothing is saved and nothing recorded."""
    owner.open_log()
    before = owner.newest()
    owner.go("Contacts")
    owner.follow("New contact")
    field = owner.page.get_by_label("Name").first
    field.evaluate("field => field.removeAttribute('maxlength')")
    field.fill("y" * 500)
    owner.watch.foresee("status of 422")
    owner.press("Create contact")
    expect(owner.page.get_by_role("alert").first).to_contain_text("Nothing was saved yet")
    owner.open_log()
    assert owner.newest() == before


def test_every_page_is_quiet(owner: Person) -> None:
    """Every page that the owner can reach by links: no error, no violation, no request to anybody else."""
    waiting, seen = ["/"], set[str]()
    links = (
        "links => links.map(link => new URL(link.href)).filter(url => url.origin === origin).map(url => url.pathname)"
    )
    kinds: dict[str, int] = {}
    while waiting:
        path = waiting.pop()
        kind = "/".join("*" if any(letter.isdigit() for letter in part) else part for part in path.split("/"))
        if path in seen or path.startswith(("/go/", "/static")) or kinds.get(kind, 0) >= 2:
            continue
        seen.add(path)
        kinds[kind] = kinds.get(kind, 0) + 1
        answer = owner.page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        waiting += owner.page.locator("a[href]:not([download])").evaluate_all(links)
    assert {"/contacts", "/templates", "/settings/audit-logs", "/settings/roles", "/me"} <= seen
    assert len(seen) > 15

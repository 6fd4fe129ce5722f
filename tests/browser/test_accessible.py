"""Nothing that axe finds at WCAG 2.2 A and AA: every state, light and dark, wide and narrow, English and Spanish."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

from tests.browser.workspace import Person
from tests.browsing import expect

pytestmark = pytest.mark.browser

OPTIONS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
MERGED = "action:contact.merged"


def faults(person: Person) -> list[tuple[str, list[Any]]]:
    """Return what axe finds: the rule and where."""
    person.page.evaluate("Promise.all(document.getAnimations().map(one => one.finished.catch(() => 0)))")
    found = Axe().run(person.page, options=OPTIONS).response["violations"]
    return [(one["id"], [node["target"] for node in one["nodes"]][:3]) for one in found]


@pytest.mark.parametrize(
    ("scheme", "size", "lang"),
    [("light", WIDE, "en"), ("dark", NARROW, "en"), ("dark", WIDE, "es"), ("light", NARROW, "es")],
    ids=["light-wide-en", "dark-narrow-en", "dark-wide-es", "light-narrow-es"],
)
def test_axe_finds_nothing(owner_with: Callable[..., Person], scheme: str, size: dict[str, int], lang: str) -> None:
    """List, details of every sort, menu, dates, export dialog, help and the empty state."""
    person = owner_with(color_scheme=scheme, viewport=size, locale={"en": "en-GB", "es": "es-ES"}[lang])
    text = person.viewer.locator
    log = "/settings/audit-logs?range=90d"

    def at(query: str, shown: str) -> None:
        person.page.goto(f"{log}&{query}")
        expect(text(shown).first).to_be_visible()
        expect(text(".list.dim, .bone")).to_have_count(0)
        assert faults(person) == [], (query, shown)

    at("", ".row")
    assert person.page.locator("html").get_attribute("lang") == lang
    at("q=zzznobody", ".empty .lift, .empty")
    for query in (MERGED, "action:account.token_rotated", "is:denied"):
        at(f"q={query}", ".row")
        person.open_row(person.rows.first)
        expect(text(".drawer .prf.ok")).to_be_visible()
        assert faults(person) == [], query
    text(".drawer [role=tab]").nth(3).click()
    expect(text(".hashes")).to_be_visible()
    assert faults(person) == []

    at("", ".row")
    opener = "button[aria-haspopup=dialog]"
    for number in range(text(opener).count() if size is WIDE else 1):
        text(opener).nth(number).click()
        expect(text("#panel")).to_be_visible()
        assert faults(person) == [], f"menu {number}"
        person.page.keyboard.press("Escape")
    text(".acts .btn.p").click()
    expect(text("#export")).to_be_visible()
    assert faults(person) == []
    person.page.keyboard.press("Escape")


@pytest.mark.parametrize(
    "path",
    [
        "/contacts",
        "/contacts/new",
        "/contacts/imports",
        "/contacts/export",
        "/templates",
        "/settings/users",
        "/settings/users/new",
        "/settings/roles",
        "/settings/sso",
        "/settings/sso/new",
        "/me",
    ],
)
def test_axe_finds_nothing_in_the_workspace(owner: Person, path: str) -> None:
    """The pages beside the log, in light and dark."""
    for scheme in ("light", "dark"):
        owner.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        owner.page.goto(path)
        assert faults(owner) == [], scheme


def test_nothing_scrolls_sideways(owner_with: Callable[..., Person]) -> None:
    """320 pixels, which is also 400 % zoom of 1,280: one direction to scroll is enough."""
    person = owner_with(viewport={"width": 320, "height": 640})
    measure = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    inside = """viewer => [...viewer.shadowRoot.querySelectorAll(".v, .page, .list, .drawer, .db")]
        .filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.className)"""
    for path in ("/contacts", "/templates", "/settings/users", "/settings/accounts", "/settings/roles", "/me"):
        person.page.goto(path)
        assert person.page.evaluate(measure) == 0, path
    for query in ("", f"q={MERGED}", "q=zzznobody"):
        person.page.goto(f"/settings/audit-logs?range=90d&{query}")
        person.settled()
        assert person.page.evaluate(measure) == 0, query
        assert person.viewer.evaluate(inside) == [], query
        if person.rows.count():
            person.open_row(person.rows.first)
            assert person.viewer.evaluate(inside) == [], query
